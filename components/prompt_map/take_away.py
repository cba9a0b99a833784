"""Taking the map of a text away: a page of its own, pictures, every point with its coordinates, and the code."""

import io
from collections.abc import Iterator

import numpy as np
import pandas as pd
import streamlit as st

from analysis.maps.scaling import SCALES
from analysis.methods.prompt_map import PromptMap
from components import session
from components.frame import Frame
from components.point_map import MapData
from components.point_map.html import MOST_POINTS, map_html
from components.point_map.svg import map_svg
from components.prompt_map.requests import NULLS
from components.save_picture import save_picture
from components.steering.take_away import direction_lines, recipe_lines
from components.take_away import opening_lines

QUESTION = "Where does this text go, layer by layer?"
AXES = ("x", "y", "z")


def draw_take_away(frame: Frame, drawn: PromptMap, data: MapData, layer: int, point: int | None) -> None:
    """The buttons and the code.

    Args:
        frame: model, text and cursor.
        drawn: the map.
        data: what the picture draws of it.
        layer: what is looked at; `point` likewise.
    """
    code = snippet(frame, drawn)
    with st.container(horizontal=True, key="map_away"):
        if data.count <= MOST_POINTS:
            st.download_button(
                "HTML",
                lambda: _page(drawn, data, layer, point, code),
                "bathyscope-map.html",
                "text/html",
                on_click="ignore",
                icon=":material/html:",
                help="One file with the map, its layers, a table and this code. Opens without a server.",
            )
        st.download_button(
            "CSV",
            lambda: table(drawn).to_csv(index=False),
            "bathyscope-map.csv",
            "text/csv",
            on_click="ignore",
        )
        st.download_button(
            "Parquet",
            lambda: _parquet(drawn),
            "bathyscope-map.parquet",
            "application/vnd.apache.parquet",
            on_click="ignore",
        )
        svg = map_svg(data, layer=layer)
        st.download_button("SVG", svg, "bathyscope-map.svg", "image/svg+xml", on_click="ignore")
        save_picture(svg, name="bathyscope-map", key="save_map_png")
    st.code(code, language="python")


def explanation(drawn: PromptMap) -> tuple[str, ...]:
    """What one sees, and when it misleads."""
    about = drawn.cloud.provenance
    return (
        "Every point is a token at a layer, joined along the layers: layer 0 is the embedding, the highest the last "
        f"block before the final norm. {drawn.basis.how} Of the scale: {SCALES[drawn.basis.scale]}.",
        f"Misleads when: {about.misleads_when}",
    )


def _page(drawn: PromptMap, data: MapData, layer: int, point: int | None, code: str) -> str:
    provenance = dict((drawn.shifts or drawn.cloud).provenance.lines())
    return map_html(
        data,
        title=QUESTION,
        explanation=explanation(drawn),
        provenance=provenance,
        code=code,
        layer=layer,
        point=point,
    )


def table(drawn: PromptMap) -> pd.DataFrame:
    """One row per run, layer and token, with coordinates and provenance."""
    frame = pd.concat([_rows(drawn, *run) for run in _runs(drawn)], ignore_index=True)
    for name, value in (drawn.shifts or drawn.cloud).provenance.lines():
        frame[name.replace(" ", "_")] = value
    return frame


def _runs(drawn: PromptMap) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """Name of a run, its coordinates, and how far it moves each point from the base."""
    yield drawn.twin or "base", drawn.cloud.coordinates, None
    if (shifts := drawn.shifts) is not None:
        yield "edited", shifts.edited, shifts.lengths
        for number, (own, lengths) in enumerate(zip(shifts.nulls, shifts.null_lengths, strict=True), 1):
            yield f"random {number}", own, lengths


def _rows(drawn: PromptMap, run: str, coordinates: np.ndarray, lengths: np.ndarray | None) -> pd.DataFrame:
    layers, points, axes = coordinates.shape
    at, point = np.indices((layers, points)).reshape(2, -1)
    position = np.array(drawn.positions)[point]
    own = run not in ("edited",) and not run.startswith("random")
    table = pd.DataFrame(
        {
            "run": run,
            "layer": np.array(drawn.layers)[at],
            "point": point,
            "position": position,
            "token_id": np.array(drawn.tokens.ids)[position],
            "token": np.array(drawn.cloud.labels, dtype=object)[point],
            "fitted": drawn.fitted[point],
        }
    )
    for axis in range(axes):
        table[AXES[axis]] = coordinates[..., axis].ravel()
    table["residual_norm"] = drawn.norms.ravel() if own else np.nan
    table["from_layer_below"] = drawn.moved.ravel() if own else np.nan
    table["neighbours_lost"] = drawn.distortion.ravel() if own else np.nan
    table["moved_by_edit"] = np.nan if lengths is None else lengths.ravel()
    return table


def _parquet(drawn: PromptMap) -> bytes:
    buffer = io.BytesIO()
    table(drawn).to_parquet(buffer, index=False)
    return buffer.getvalue()


def snippet(frame: Frame, drawn: PromptMap) -> str:
    """The few lines of Python that compute the same map."""
    view = session.view().prompt_map
    edited, concepts = drawn.shifts is not None, view.concepts if view.basis == "concept_plane" else ()
    lines = [*_imports(edited, bool(concepts)), "", *opening_lines(frame.tokens, frame.model.revision)]
    for number, reference in enumerate(concepts, 1):
        lines += direction_lines(reference, f"axis_{number}")
    if edited:
        lines += ["usual = background.background(model)", *recipe_lines(session.view().recipe)]
    settings = [repr(view.basis), f"scale={view.scale!r}", f"n_axes={view.axes}"]
    if concepts:
        settings.append(f"concepts=({', '.join(f'axis_{number + 1}' for number in range(len(concepts)))})")
    if edited:
        settings.append(f"recipe=recipe, usual=usual, nulls={NULLS}")
    if view.first:
        settings.append("first=True")
    if view.twin:
        settings.append(f"twin={view.twin!r}")
    if edited or view.twin:
        settings.append(f"seed={view.seed}")
    return "\n".join(
        [
            *lines,
            f"drawn = prompt_map(model, tokens, {', '.join(settings)})",
            "print(drawn.cloud.coordinates)  # (layer, point, axis)",
            *["print(drawn.shifts.lengths)  # (layer, point)"] * edited,
        ]
    )


def _imports(edited: bool, concepts: bool) -> list[str]:
    names = ["ModelSpec", "load"]
    if edited or concepts:
        names = ["Dose", "ModelSpec", "Recipe", "Sides", "background", "load"]
    lines = [f"from analysis import {', '.join(names)}"]
    if edited or concepts:
        lines += [
            "from analysis.data.presets import concept",
            "from analysis.methods import contrast, unembedding",
        ]
    return [*lines, "from analysis.methods.prompt_map import prompt_map"]
