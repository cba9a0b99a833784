"""The row that says how points are drawn: projection, colour, a random twin, and what is let in."""

import streamlit as st

from components import session
from components.corpus_map.choices import change
from components.corpus_map.painting import draw_color_choice
from components.corpus_map.projection import draw_projection
from components.corpus_map.prompt_among import WHERE
from components.corpus_map.reading import Read
from components.view_controls import segments

TWINS = {"": "the texts", "gaussian": "Gaussian twin", "dealt": "tokens dealt anew"}


def draw_how(read: Read) -> tuple[object, str]:
    """The row; the projection's parameters, and the id of what colours the points."""
    with st.container(horizontal=True, vertical_alignment="center", key="corpus_how"):
        params = draw_projection()
        coloring = draw_color_choice(read)
        _draw_twin()
        with st.popover("More", icon=":material/more_horiz:", key="corpus_more"):
            _draw_switch("first", "Draw first tokens and outliers of norm, too")
            _draw_switch("prompt", f"Put the prompt on the map: {WHERE[read.spot]}")
    return params, coloring


def _draw_twin() -> None:
    segments(
        "Drawn",
        TWINS,
        key="corpus_twin",
        now=session.view().corpus.twin,
        change=lambda twin: change(twin=twin),
        help="Random twins are controls: what they show, too, is not about the texts. The Gaussian has each layer's "
        "mean and covariance; with tokens dealt anew among all places no text says anything any more.",
    )


def _draw_switch(name: str, label: str) -> None:
    state, key = st.session_state, f"corpus_{name}"
    state[key] = getattr(session.view().corpus, name)
    st.toggle(label, key=key, on_change=lambda: change(**{name: state[key]}))
