"""Taking a picture away: HTML that needs no server, pictures, data, and the code that computes it again."""

import io

import numpy as np
import pandas as pd
import streamlit as st

from analysis import LoadedModel, LogitLens, Reading, Tokens
from components import session
from components.figures.grid_html import grid_html
from components.figures.grid_svg import grid_svg
from components.grid_data import GridData
from components.save_picture import save_picture

QUESTION = "Where does the model make up its mind?"
MOST_DRAWN = 400
"""Tokens beyond which no picture is drawn: 31 x 2000 cells make an SVG of 12 MB."""


def draw_take_away(model: LoadedModel, reading: Reading, grid: GridData, cursor: tuple[int, int]) -> None:
    """The buttons and the code."""
    code = snippet(reading)
    provenance = dict(reading.provenance.lines())
    with st.container(horizontal=True, key="take_away"):
        st.download_button(
            "HTML",
            lambda: grid_html(
                grid,
                title=QUESTION,
                explanation=explanation(reading),
                provenance=provenance,
                code=code,
                cursor=cursor,
            ),
            "bathyscope-lens.html",
            "text/html",
            on_click="ignore",
            icon=":material/html:",
            help="One file with the grid, its cursor and hover, the table and this code. Opens without a server.",
        )
        st.download_button(
            "CSV",
            lambda: table(model, reading).to_csv(index=False),
            "bathyscope-lens.csv",
            "text/csv",
            on_click="ignore",
        )
        st.download_button(
            "Parquet",
            lambda: parquet(model, reading),
            "bathyscope-lens.parquet",
            "application/vnd.apache.parquet",
            on_click="ignore",
        )
        if len(reading.tokens) <= MOST_DRAWN:
            note = "; ".join(f"{name}: {value}" for name, value in reading.provenance.lines()[:4])
            svg = grid_svg(grid, cursor=cursor, note=note)
            st.download_button("SVG", svg, "bathyscope-lens.svg", "image/svg+xml", on_click="ignore")
            save_picture(svg, name="bathyscope-lens", key="save_png")
        else:
            st.caption(f"Pictures are drawn for up to {MOST_DRAWN} tokens; the HTML holds them all.")
    st.code(code, language="python")


def snippet(reading: Reading) -> str:
    """The few lines of Python that compute the same reading."""
    view = session.view()
    lens = "LogitLens()" if reading.provenance.method == LogitLens.title else "shortcut(model)"
    target = "" if view.target is None else f", target={view.target}"
    lines = [
        "from analysis import LogitLens, ModelSpec, load, read, shortcut",
        "",
        *opening_lines(reading.tokens, reading.provenance.revision),
        "trace = model.run(tokens)",
        f"reading = read(model, trace, {lens}{target})",
        f"print(reading.quantity({view.color!r}).values)  # (layer, position)",
    ]
    return "\n".join(lines)


def opening_lines(tokens: Tokens, revision: str) -> list[str]:
    """Python that opens this session's model as `model` and makes its text as `tokens`."""
    view = session.view()
    spec = [repr(view.spec.source)]
    spec += [f"revision={view.spec.revision!r}"] if view.spec.revision else []
    spec += [f"dtype={view.spec.dtype!r}"] if view.spec.dtype != "auto" else []
    lines = [
        f"model = load(ModelSpec({', '.join(spec)}))  # revision {revision}",
        f"tokens = model.tokenize({view.prompt!r}{', chat=True' if view.chat else ''})",
    ]
    if len(tokens) > tokens.prompt_length:
        lines.append(f"tokens = model.tokenizer.continued(tokens, {tokens.ids[tokens.prompt_length :]})")
    return lines


def explanation(reading: Reading) -> tuple[str, ...]:
    """What one sees, and when it misleads."""
    return (
        "Every cell is the token a layer would say next after the token below it: layer 0 is the embedding, the "
        f"highest the last block before the final norm. Read with the {reading.provenance.method}.",
        f"Misleads when: {reading.provenance.misleads_when}",
    )


def table(model: LoadedModel, reading: Reading) -> pd.DataFrame:
    """One row per layer and token, with every quantity and the provenance."""
    layers, positions = reading.entropy.shape
    layer, position = np.indices((layers, positions)).reshape(2, -1)
    label = np.vectorize(model.tokenizer.label, otypes=[object])
    ids = reading.top_ids[:, :, 0].ravel()
    frame = pd.DataFrame(
        {
            "layer": layer,
            "position": position,
            "token_id": np.array(reading.tokens.ids)[position],
            "token": np.array(reading.tokens.labels, dtype=object)[position],
            "top_id": ids,
            "top_token": label(ids),
            "top_probability": np.exp(reading.top_log_probability[:, :, 0]).ravel(),
            "entropy_bits": reading.entropy.ravel(),
            "kl_to_final_bits": reading.kl_to_final.ravel(),
            "agrees_with_final": reading.agrees.ravel(),
            "target_id": reading.targets[position],
            "target_rank": reading.target_rank.ravel(),
            "target_probability": np.exp(reading.target_log_probability).ravel(),
            "residual_norm": reading.norm.ravel(),
        }
    )
    for name, value in reading.provenance.lines():
        frame[name.replace(" ", "_")] = value
    return frame


def parquet(model: LoadedModel, reading: Reading) -> bytes:
    """The table as Parquet."""
    buffer = io.BytesIO()
    table(model, reading).to_parquet(buffer, index=False)
    return buffer.getvalue()
