"""Taking two sentences away: every number, and the code that computes them again."""

import numpy as np
import pandas as pd
import streamlit as st

from analysis.data.garden_paths import GardenSentences
from analysis.geometry.garden_path import DISTANCES, GardenPath
from components.frame import Frame
from components.take_away import opening_lines


def draw_take_away(frame: Frame, found: GardenPath, sentences: GardenSentences) -> None:
    """The table, the button and the code."""
    with st.expander("Table, and take it away"):
        whole = table(found)
        st.dataframe(
            whole[whole.columns[: whole.columns.get_loc("model")]],
            hide_index=True,
            width="stretch",
            height=260,
        )
        st.download_button(
            "CSV",
            lambda: whole.to_csv(index=False),
            "bathyscope-garden-path.csv",
            "text/csv",
            on_click="ignore",
            key="geometry_garden_csv",
        )
        st.code(snippet(frame, sentences), language="python")


def table(found: GardenPath) -> pd.DataFrame:
    """One row per layer and shared token: distances, what neutral words make, steps and surprisal, and the "
    "provenance."""
    shape = found.distances["cosine"].values.shape
    layer, pair = (each.ravel() for each in np.indices(shape))
    first, second = found.pairs[pair].T
    columns: dict[str, object] = {
        "layer": layer,
        "token": np.array(found.labels, object)[pair],
        "position": first,
        "position_in_control": second,
        "token_id": np.array(found.ambiguous.ids)[first],
    }
    for name in DISTANCES:
        low, high = found.band(name)
        columns[name] = found.distances[name].values.ravel()
        columns[f"{name}_neutral_low"], columns[f"{name}_neutral_high"] = low.ravel(), high.ravel()
    for name, side, place in (("", 0, first), ("_in_control", 1, second)):
        columns[f"step{name}"] = found.steps[side].values[layer, place]
        columns[f"surprisal_bits{name}"] = found.surprisal[side][place]
    for name, value in found.distances["manhattan"].provenance.lines():
        columns[name.replace(" ", "_")] = value
    return pd.DataFrame(columns)


def snippet(frame: Frame, sentences: GardenSentences) -> str:
    """The few lines of Python that compute the same."""
    return "\n".join(
        [
            "from analysis import ModelSpec, load",
            "from analysis.geometry.garden_path import garden_path",
            "",
            opening_lines(frame.tokens, frame.model.revision)[0],
            "found = garden_path(",
            "    model,",
            f"    {sentences.ambiguous!r},",
            f"    {sentences.control!r},",
            ")",
            "print(found.labels)",
            "print(found.distances['manhattan'].values)  # (layer, token)",
            "print(found.band('manhattan'))  # what neutral words make",
        ]
    )
