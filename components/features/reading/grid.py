"""The strongest features of the text over all its tokens, one cell for each."""

import streamlit as st

from analysis.methods.features import LISTED, By, TextFeatures, strongest
from components import session
from components.features import choices
from components.features.reading.names import Names
from components.figures.feature_grid import FeatureGrid, draw_feature_grid
from components.frame import Frame
from components.view_controls import segments

WINDOW = 64
"""Tokens that are drawn at once, around the cursor."""
ORDERS = {"max": "Strongest anywhere", "sum": "Strongest in sum"}


def draw_grid(frame: Frame, found: TextFeatures, names: Names, feature: int | None) -> None:
    """The grid and its choice; a click moves the cursor and chooses a feature."""
    chosen = order_now()
    grid = grid_of(found, names, chosen, frame.position)
    if not grid.features:
        st.info("No feature is active in this text. Write a longer one, or choose another dictionary.")
        return
    draw_feature_grid(
        grid,
        feature=feature,
        position=frame.position,
        key=f"feature grid {found.dictionary.id} {hash(found.tokens.ids)}",
        on_choose=_choose,
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        segments(
            "Which features",
            ORDERS,
            key="feature_grid_by",
            now=chosen,
            change=lambda by: choices.choose("grid", None if by == "max" else by),
            help=f"The {LISTED} {names.kind}s with the largest activation at any token, or with the largest sum over "
            "all tokens; first tokens and outliers of norm do not count.",
        )
        st.caption(_window_said(grid, len(found.tokens)))


def order_now() -> By:
    """By what features are chosen."""
    chosen = choices.chosen("grid", "max")
    return chosen if chosen in ORDERS else "max"


def grid_of(found: TextFeatures, names: Names, by: By, position: int) -> FeatureGrid:
    """What is drawn: the strongest features, at the tokens around the cursor."""
    features = strongest(found, by=by)
    first = max(min(position - WINDOW // 2, len(found.tokens) - WINDOW), 0)
    positions = tuple(range(first, min(first + WINDOW, len(found.tokens))))
    return FeatureGrid(
        values=found.activations[list(positions)][:, features].T,
        features=tuple(features),
        names=tuple(names.short(each) for each in features),
        tokens=tuple(found.tokens.labels[each] for each in positions),
        positions=positions,
        counts=tuple(bool(found.counts[each]) for each in positions),
        signed=found.dictionary.signed,
        kind=names.kind,
    )


def _choose(feature: int, position: int) -> None:
    session.change(position=position)
    choices.change(feature=feature)


def _window_said(grid: FeatureGrid, count: int) -> str:
    around = (
        f" Tokens {grid.positions[0]} to {grid.positions[-1]} of {count:,} are drawn; the others come with the cursor."
        if len(grid.positions) < count
        else ""
    )
    grey = " Grey columns do not count." if not all(grid.counts) else ""
    return f"A cell that is clicked moves the cursor and chooses its {grid.kind}.{grey}{around}"
