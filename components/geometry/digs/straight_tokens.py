"""The tokens at both ends of a measure: each in its text, or all occurrences of a token together."""

import numpy as np
import pandas as pd
import streamlit as st
from jaxtyping import Float, Int64

from analysis.geometry.cloud import Cloud
from analysis.geometry.skips import Skips
from components.figures.trajectories import draw_by_layer
from components.geometry.digging import Digging
from components.literal import literal, plain

ENDS = 8
"""Tokens that are shown at either end."""
BEFORE, AFTER = 7, 3
"""Tokens of its text that are shown around one."""
FEWEST = 3
"""Occurrences from which on a token is listed among the most and the least dependent."""


def draw_tokens(dig: Digging) -> None:
    """The tokens that the linear map misses most and least, in their texts."""
    values = values_at(dig)
    if values is None:
        st.caption("There is no step to this layer: choose a higher one.")
        return
    most, least = ends(values, ENDS)
    about = dig.measured.measure.per_point
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Missed most**")
        draw_table(dig, dig.cloud, most, values, about, "most")
    with right:
        st.markdown("**Missed least**")
        draw_table(dig, dig.cloud, least, values, about, "least")
    _draw_chosen(dig)


def draw_kinds(dig: Digging) -> None:
    """The tokens whose states their context decides most and least, all occurrences together."""
    values = values_at(dig)
    if values is None:
        st.caption("No token has a value at this layer.")
        return
    kinds = by_kind(dig.cloud, values)
    if not len(kinds):
        st.caption(f"No token occurs {FEWEST} times among those that count: read more text.")
        return
    rises = dig.measured.measure.id == "contextualisation"
    ordered = kinds.sort_values("mean", ascending=not rises, kind="stable")
    count = min(ENDS, len(ordered) // 2 or 1)
    for column, name, own in zip(
        st.columns(2, gap="medium"),
        ("Made most by their context", "Most themselves"),
        (ordered[:count], ordered[::-1][:count]),
        strict=True,
    ):
        with column:
            st.markdown(f"**{name}**")
            config = {"mean": st.column_config.NumberColumn(dig.measured.measure.unit, format="%.3f")}
            st.dataframe(own, hide_index=True, width="stretch", column_config=config)
    st.caption(
        f"{len(kinds):,} tokens occur at least {FEWEST} times; each is listed with the mean of its occurrences."
    )
    _draw_chosen(dig)


def values_at(dig: Digging) -> Float[np.ndarray, " point"] | None:
    """Every token's own value at the cursor's layer; None where none has one."""
    measured = dig.measured
    if measured.per_point is None or dig.layer not in measured.layers:
        return None
    values = measured.per_point[measured.layers.index(dig.layer)]
    return values if np.isfinite(values).any() else None


def ends(
    values: Float[np.ndarray, " point"], count: int
) -> tuple[Int64[np.ndarray, " most"], Int64[np.ndarray, " least"]]:
    """Numbers of the largest values, largest first, and of the smallest, smallest first; NaN is neither."""
    order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]
    count = min(count, max(len(order) // 2, 1))
    return order[::-1][:count], order[:count]


def by_kind(cloud: Cloud, values: Float[np.ndarray, " point"]) -> pd.DataFrame:
    """Token, occurrences and mean of every token that occurs often enough, in the order of their ids."""
    known = np.flatnonzero(np.isfinite(values))
    ids, first, number, counts = np.unique(
        cloud.token[known], return_index=True, return_inverse=True, return_counts=True
    )
    means = np.bincount(number, values[known], len(ids)) / counts
    kept = counts >= FEWEST
    return pd.DataFrame(
        {
            "token": [cloud.shown[known[place]] for place in first[kept]],
            "occurrences": counts[kept],
            "mean": means[kept],
        }
    )


def around(given: Cloud | Skips, point: int) -> str:
    """A token in its text, marked; what was left out of the text is missing here, too."""
    same = given.text == given.text[point]
    start, end = int(same.argmax()), int(same.argmax() + same.sum())
    before = given.shown[max(start, point - BEFORE) : point]
    behind = given.shown[point + 1 : min(end, point + 1 + AFTER)]
    return f"{''.join(before)}«{given.shown[point]}»{''.join(behind)}"


def draw_table(
    dig: Digging, given: Cloud | Skips, numbers: np.ndarray, values: np.ndarray, about: str, name: str
) -> None:
    """Tokens in their texts with their values; a row that is clicked chooses its token, where it is one of the "
    "cloud."""
    key = f"geometry_straight_{name}_{dig.measured.measure.id}_{dig.layer}"
    table = pd.DataFrame(
        {"value": values[numbers], "in its text": [around(given, int(each)) for each in numbers]}
    )

    def choose() -> None:
        if given is dig.cloud and (rows := st.session_state[key].selection.rows):
            dig.choose_point(int(numbers[rows[0]]))

    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        key=key,
        on_select=choose if given is dig.cloud else "ignore",
        selection_mode="single-row",
        column_config={
            "value": st.column_config.NumberColumn(help=about, format="%.3f", width="small"),
            "in its text": st.column_config.TextColumn(width="large"),
        },
    )


def _draw_chosen(dig: Digging) -> None:
    """The chosen token's own value over the layers."""
    if dig.point is None or dig.measured.per_point is None:
        st.caption("Choose a token to see its own curve over the layers.")
        return
    values = dig.measured.per_point[:, dig.point]
    if not np.isfinite(values).any():
        st.caption("The chosen token has no value at any layer.")
        return
    st.markdown(
        f"{literal(dig.cloud.shown[dig.point])} over the layers: {plain(dig.measured.measure.per_point)}"
    )
    known = np.isfinite(values)
    draw_by_layer(
        {dig.cloud.shown[dig.point]: values[known].tolist()},
        dig.measured.measure.unit,
        key=f"geometry_straight_chosen_{dig.measured.measure.id}",
        layers=[layer for layer, is_known in zip(dig.measured.layers, known, strict=True) if is_known],
    )
