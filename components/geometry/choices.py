"""Which texts are measured, how much of them, and what counts."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import streamlit as st

from analysis.corpora import Corpus
from analysis.geometry.measure import Measure
from analysis.methods.geometry import TOKENS, shipped_text
from components import session
from components.geometry_link import LENGTHS, MOST_TEXTS, PROMPT, SHIPPED, STRIDES, GeometryView
from components.knob_controls import Turned, params_of
from components.texts_brought import BROUGHT, draw_bringing, shipped_names, texts_at_hand

STRIDE_NAMES = dict(zip(STRIDES, ("all layers", "every second", "every fifth"), strict=True))


@dataclass(frozen=True)
class How:
    """How texts are read, whosever they are."""

    most: int
    """Texts at most."""
    length: int
    """Tokens of each at most."""
    stride: int
    tokens: str
    """One of `TOKENS`."""
    outliers: bool


def change(**fields: object) -> None:
    """Change parts of the page's choices."""
    session.change(geometry=replace(session.view().geometry, **fields))


def how_of(view: GeometryView) -> How:
    """How texts are read."""
    return How(view.most, view.length, view.stride, view.tokens, view.outliers)


def params_at(measure: Measure) -> object:
    """The knobs of a measure, as the view has turned them."""
    pairs = (
        (name.removeprefix(f"{measure.id}."), value)
        for name, value in session.view().geometry.knobs
        if name.startswith(f"{measure.id}.")
    )
    return params_of(measure.params, tuple(pairs))


def turn(measure: Measure, turned: Turned) -> None:
    """Turn knobs of one measure: these, and all others of it back to where they were."""
    others = [pair for pair in session.view().geometry.knobs if not pair[0].startswith(f"{measure.id}.")]
    own = [(f"{measure.id}.{name}", value) for name, value in turned]
    change(knobs=tuple(sorted([*others, *own])))


def texts_offered() -> dict[str, str]:
    """What can be measured, by id."""
    return {SHIPPED: "Ordinary text that ships", PROMPT: "The prompt above"} | shipped_names() | BROUGHT


@st.cache_resource(show_spinner=False)
def ordinary() -> Corpus:
    """The text that ships, cut into pieces."""
    return shipped_text()


def corpus_at_hand(data: str) -> Corpus | None:
    """The texts of that id, but for the prompt; None where they are still to be brought."""
    return ordinary() if data == SHIPPED else texts_at_hand(data)


def draw_texts() -> Corpus | None:
    """The row of choices, and what brings texts of one's own.

    Returns:
        The texts; None where it is the prompt, or where there are none yet, and what is missing is said.
    """
    names = texts_offered()
    texts, most, length, layers, tokens, outliers = st.columns(
        [1.9, 0.75, 0.75, 1, 1.6, 1.5], vertical_alignment="bottom"
    )
    with texts:
        _choose("Texts", "data", names, after=lambda: change(point=None))
    alone = session.view().geometry.data == PROMPT
    with most:
        _choose("How many", "most", {each: f"{each}" for each in MOST_TEXTS}, disabled=alone)
    with length:
        _choose("Tokens each", "length", {each: f"{each}" for each in LENGTHS}, disabled=alone)
    with layers:
        _choose("Layers", "stride", STRIDE_NAMES)
    with tokens:
        _choose("What counts", "tokens", TOKENS, after=lambda: change(point=None))
    with outliers:
        _draw_outliers()
    data = session.view().geometry.data
    if data == PROMPT:
        return None
    return ordinary() if data == SHIPPED else draw_bringing(data)


def _draw_outliers() -> None:
    state = st.session_state
    state.geometry_outliers = session.view().geometry.outliers
    st.toggle(
        "Outliers count",
        key="geometry_outliers",
        on_change=lambda: change(outliers=state.geometry_outliers, point=None),
        help="A text's first token, and a few others, have states a hundred times as long as the rest. One of them "
        "decides a covariance or a linear map by itself, so they are left out, and their number is shown.",
    )


def _choose(label: str, part: str, names: Mapping, after=lambda: None, disabled: bool = False) -> None:
    state, key = st.session_state, f"geometry_{part}"
    state[key] = getattr(session.view().geometry, part)
    if state[key] not in names:
        state[key] = next(iter(names))
        change(**{part: state[key]})

    def tell() -> None:
        change(**{part: state[key]})
        after()

    st.selectbox(label, list(names), format_func=names.get, key=key, on_change=tell, disabled=disabled)
