"""Taking the map of many texts away: a page of its own, pictures, every point with its coordinates, and the code."""

import io
from dataclasses import fields

import numpy as np
import pandas as pd
import streamlit as st

from analysis import LoadedModel, Tokens
from analysis.data.labelled_sets import IDS
from analysis.labelled_table import WRITTEN
from analysis.methods.corpus_map import CorpusMap
from analysis.places import EACH
from components import session
from components.corpus_map.choices import WORD, Chosen
from components.corpus_map.reading import Read
from components.corpus_map.shown import Shown
from components.point_map import MapData
from components.point_map.html import MOST_POINTS, map_html
from components.point_map.svg import map_svg
from components.save_picture import save_picture
from components.take_away import opening_lines

QUESTION = "Where do these texts lie, and how do they move from layer to layer?"
AXES = ("x", "y", "z")
MOST_DRAWN = 5_000
"""Points of a picture."""
MOST_ROWS = 1_000_000
"""Of a table of all layers; of larger maps it holds the layer that is looked at."""


def draw_take_away(shown: Shown, data: MapData) -> None:
    """The buttons and the code.

    Args:
        shown: the map.
        data: what the picture draws of it.
    """
    read, drawn, layer = shown.read, shown.drawn, shown.layer
    code = snippet(shown.frame.model, shown.frame.tokens, shown.chosen, drawn)
    layers = drawn.layers if len(drawn.layers) * len(drawn.rows) <= MOST_ROWS else (layer,)
    with st.container(horizontal=True, key="corpus_away"):
        if data.count <= MOST_POINTS:
            st.download_button(
                "HTML",
                lambda: map_html(
                    data,
                    title=QUESTION,
                    explanation=explanation(drawn),
                    provenance=dict(drawn.cloud.provenance.lines()),
                    code=code,
                    layer=layer,
                    point=None if shown.point is None else shown.number(shown.point),
                ),
                "bathyscope-corpus.html",
                "text/html",
                on_click="ignore",
                icon=":material/html:",
                help="One file with the map, its layers and this code. Opens without a server.",
            )
        st.download_button(
            "CSV",
            lambda: table(read, drawn, layers).to_csv(index=False),
            "bathyscope-corpus.csv",
            "text/csv",
            on_click="ignore",
        )
        st.download_button(
            "Parquet",
            lambda: _parquet(table(read, drawn, layers)),
            "bathyscope-corpus.parquet",
            "application/vnd.apache.parquet",
            on_click="ignore",
        )
        if data.count <= MOST_DRAWN:
            svg = map_svg(data, layer=layer)
            st.download_button("SVG", svg, "bathyscope-corpus.svg", "image/svg+xml", on_click="ignore")
            save_picture(svg, name="bathyscope-corpus", key="save_corpus_png")
    if len(layers) < len(drawn.layers):
        st.caption(f"The tables hold layer {layer}: all layers would have more than {MOST_ROWS:,} rows.")
    st.code(code, language="python")


def explanation(drawn: CorpusMap) -> tuple[str, ...]:
    """What one sees, and when it misleads."""
    return drawn.summary(), f"Misleads when: {drawn.cloud.provenance.misleads_when}"


def table(read: Read, drawn: CorpusMap, layers: tuple[int, ...]) -> pd.DataFrame:
    """One row per layer and point: where it lies, what it loses, what is known of it, and how the map was made."""
    # the points of a control stand for no texts
    about = pd.DataFrame() if drawn.twin else read.points.iloc[drawn.rows].reset_index(drop=True)
    parts = []
    for layer in layers:
        coordinates, quality = drawn.at(layer), drawn.quality_at(layer)
        own = {"layer": layer, "point": drawn.rows}
        own |= {AXES[axis]: coordinates[:, axis] for axis in range(coordinates.shape[1])}
        own["neighbours_lost"] = np.nan if quality is None else quality.distortion
        parts.append(pd.concat([pd.DataFrame(own), about], axis=1))
    whole = pd.concat(parts, ignore_index=True)
    made = drawn.cloud.provenance
    said = {"model": made.model, "revision": made.revision, "dtype": made.dtype, "method": made.method}
    settings = "; ".join(f"{name}: {value}" for name, value in made.settings)
    for name, value in (said | {"settings": settings}).items():
        whole[name if name not in whole else f"map_{name}"] = pd.Categorical.from_codes(
            np.zeros(len(whole), int), [value]
        )  # said once, not once a row
    return whole


def _parquet(rows: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.to_parquet(buffer, index=False)
    return buffer.getvalue()


def snippet(model: LoadedModel, tokens: Tokens, chosen: Chosen, drawn: CorpusMap) -> str:
    """The few lines of Python that compute the same map."""
    view = session.view().corpus
    imports, making = _corpus_lines(view.spot == WORD)
    if chosen.spot == EACH:
        imports.append("from analysis.captures import each_token")
        making.append(f"corpus = each_token(model, corpus, most={chosen.most}, first=True)")
    knobs, kind = _knobs(drawn.params), type(drawn.params).__name__
    if knobs:
        imports.append(f"from analysis.projections.kinds import {kind}")
    if not view.first:
        imports.append("from analysis.maps.outliers import sinks")
        imports.append("from analysis.points import points")
    settings = [f"layers={drawn.layers}"] if len(drawn.layers) < len(chosen.layers) else []
    settings += [f"scale={drawn.scale!r}"] if drawn.scale != "unit" else []
    settings += [] if view.first else ["rows=rows"]
    settings += [f"n_axes={len(drawn.cloud.axes)}"] if len(drawn.cloud.axes) != 2 else []
    settings += [f"seed={drawn.seed}"] if drawn.seed else []
    settings += [f"twin={drawn.twin!r}"] if drawn.twin else []
    given = [repr(drawn.projection), *([f"{kind}({knobs})"] if knobs else []), *settings]
    dealt = f", deal={drawn.seed}" if drawn.twin == "dealt" else ""
    lines = [
        "import numpy as np",
        "",
        "from analysis import ModelSpec, load",
        "from analysis.captures import capture",
        *sorted(imports),
        "from analysis.methods.corpus_map import corpus_map",
        "",
        opening_lines(tokens, model.revision)[0],
        *making,
        f"states = capture(model, corpus, {chosen.spot!r}, layers={chosen.layers}{dealt})",
        *([] if view.first else _without_sinks(chosen.spot)),
        f"drawn = corpus_map(model, states, {', '.join(given)})",
        "print(drawn.summary())",
        f"print(drawn.at({drawn.layers[-1]}))  # (point, axis)",
    ]
    if view.first:
        lines = lines[2:]
    return "\n".join(lines)


def _without_sinks(spot: str) -> list[str]:
    return [
        "norms = np.stack([np.linalg.norm(states.at(layer), axis=1) for layer in states.layers])",
        f'rows = np.flatnonzero(~sinks(points(model, corpus, {spot!r})["position"].to_numpy(), norms))',
    ]


def _corpus_lines(words: bool) -> tuple[list[str], list[str]]:
    """Imports, and the lines that make the texts anew."""
    data = session.view().corpus.data
    if data in IDS:
        imports = [
            "from analysis.corpora import of_labelled",
            "from analysis.data.labelled_sets import labelled_set",
        ]
        lines = [f"corpus = of_labelled(labelled_set({data!r}))"]
    elif data == WRITTEN:
        imports = ["from analysis.corpora import from_plain_text"]
        written = "\n".join(st.session_state.corpus_written.texts)
        lines = [f"corpus = from_plain_text({written!r}, cut='lines')"]
    else:
        name = st.session_state.corpus_own.name
        imports = ["from pathlib import Path", "from analysis.corpora import read_file"]
        lines = [f"corpus = read_file(Path({name!r}).read_bytes(), {name!r})"]
    if words:
        imports.append("from analysis.corpora import occurrences")
        lines.append(f"corpus = occurrences(corpus, {session.view().corpus.word!r})")
    return imports, lines


def _knobs(params: object) -> str:
    """The parameters that differ from their first values, as arguments."""
    return ", ".join(
        f"{each.name}={getattr(params, each.name)!r}"
        for each in fields(params)
        if getattr(params, each.name) != each.default
    )
