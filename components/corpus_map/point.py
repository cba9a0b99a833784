"""One point: its text with the token marked, what is known of it, and its neighbours in the full space."""

import numpy as np
import pandas as pd
import streamlit as st
from jaxtyping import Bool

from analysis.groups.neighbours import NeighbourChange, neighbour_change
from analysis.jobs import Job, Report
from analysis.points import GIVEN, OWN_COLUMNS
from components.corpus_map.groups import key_of
from components.corpus_map.reading import Read
from components.literal import literal, plain
from components.requests import held
from components.waiting import result_of

NEIGHBOURS = 10
LISTED = 3
"""Neighbours named in a row of the table by layer."""
AROUND = 60
"""Characters shown before and behind a marked token."""
NARROW = 14
"""The same in a list beside the picture."""
LONGEST_NAME = 24
"""Characters by which a point is named in a row of several."""


def draw_point(
    read: Read, row: int, layer: int, *, among: Bool[np.ndarray, " point"] | None = None, scale: str = "unit"
) -> None:
    """One point: its text with the token marked, what is known of it, and its neighbours in the full space.

    Args:
        read: all points.
        row: which one.
        layer: one that was read.
        among: points that may be neighbours; None takes all.
        scale: of the distances.
    """
    own = read.points.iloc[row]
    before, token, after = _around(own)
    st.markdown(f"{_whereabouts(own)}, **layer {layer}**")
    st.markdown(
        f"{plain(before)}{literal(token)}{plain(after)}" if token.strip() else plain(own["text"][:400])
    )
    if known := read.given.iloc[row].to_dict():
        table = pd.DataFrame({"column": list(known), "value": [_cell(value) for value in known.values()]})
        st.dataframe(table, hide_index=True, height="content" if len(table) <= 8 else 260)
    found = result_of(neighbours_of(read, (row,), among, scale), "corpus neighbours")
    if found is not None:
        draw_neighbours(read, found, layer)


def _whereabouts(point: pd.Series) -> str:
    """Which token a point is, or which it is the mean of."""
    first, last = int(point["first_position"]), int(point["position"])
    if first < last:
        return f"Mean of **tokens {first} to {last}**"
    return f"**{literal(point['token'])}**, token {last}"


def marked(points: pd.DataFrame, row: int, around: int = AROUND) -> str:
    """A point's token in brackets, and what stands around it."""
    before, token, after = _around(points.iloc[row], around)
    return f"{before}[{token}]{after}" if token else f"{before}{after}"


def _around(point: pd.Series, around: int = AROUND) -> tuple[str, str, str]:
    """The text before the token, the token and the text behind it, as much as fits; its space stands before it."""
    text, start, end = str(point["text"]), int(point["start"]), int(point["end"])
    start += len(text[start:end]) - len(text[start:end].lstrip())
    before, after = text[:start], text[end:]
    return (
        before if len(before) <= around else f"…{before[-around:]}",
        text[start:end],
        after if len(after) <= around else f"{after[:around]}…",
    )


def _cell(value: object) -> str:
    if pd.isna(value):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def neighbours_of(
    read: Read, rows: tuple[int, ...], among: Bool[np.ndarray, " point"] | None, scale: str
) -> Job[NeighbourChange]:
    """The neighbours of a point or of a group's mean at every layer that was read."""

    def work(report: Report) -> NeighbourChange:
        states = read.states
        return neighbour_change(states.at, rows, states.layers, NEIGHBOURS, scale, among, report)

    return held(key_of("neighbours", read, rows, among, scale), "Looking for neighbours", work)


def draw_neighbours(read: Read, found: NeighbourChange, layer: int) -> None:
    """Those at this layer, and how they change."""
    label = read.corpus.label
    here = found.neighbours[found.layers.index(layer)]
    st.markdown(f"Nearest at layer {layer}, in the full space")
    table = {
        "text": [marked(read.points, row, NARROW) for row in here.rows],
        "distance": here.distances,
    }
    if label is not None:
        table[label] = read.points[_column(label)].iloc[here.rows].to_numpy()
    st.dataframe(
        pd.DataFrame(table),
        hide_index=True,
        height="content",
        column_config={"distance": st.column_config.NumberColumn(format="%.3f", width="small")},
    )
    if len(found.layers) == 1:
        return
    with st.expander(f"How they change over the layers; {float(found.kept.mean()):.0%} stay at each step"):
        names = ["; ".join(f"{_brief(read, row)}" for row in each.rows[:LISTED]) for each in found.neighbours]
        kept = [None, *found.kept.tolist()]
        rows = pd.DataFrame({"layer": found.layers, "kept from below": kept, "nearest": names})[::-1]
        st.dataframe(
            rows,
            hide_index=True,
            height=320,
            column_config={
                "kept from below": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
            },
        )
        st.caption(
            f"Of {len(here.rows)} neighbours at a layer, the share that were neighbours at the layer read before; "
            f"{found.by_chance:.1%} would stay by chance. Layers grow upward."
        )


def _brief(read: Read, row: int) -> str:
    """A point in a few words: its token where points are tokens, else the end of what was read."""
    own = read.points.iloc[row]
    text = str(own["text"])[: int(own["end"])]
    return text if len(text) <= LONGEST_NAME else f"…{text[-LONGEST_NAME:]}"


def _column(name: str) -> str:
    """What a column of the corpus is called beside the points' own."""
    return GIVEN.format(name) if name in OWN_COLUMNS else name
