"""One layer of a probe: what it mistakes, what its direction says, and how it reads the prompt."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from analysis import AnalysisError, library
from analysis.labelled import LabelledSet
from analysis.methods.probe import ON_NEURONS, Probed, direction, names_of, token_scores, unit_direction
from analysis.next_token import promoted
from analysis.probing.curves import LayerScore
from analysis.probing.nonlinear import SmallNetwork
from components import session
from components.figures.predictions import draw_confusion, draw_numbers
from components.frame import Frame
from components.literal import literal, plain
from components.probing.choices import labels_of
from components.probing.neurons import draw_neurons
from components.reading_grid import grid_tokens
from components.requests import trace_of
from components.steering.recipe_editor import add
from components.token_strip import token_strip

AROUND = 24
"""Characters shown before a marked word."""


def draw_layer(frame: Frame, probed: Probed, key: str, layer: int) -> None:
    """What there is to see at one layer.

    Args:
        frame: model, text and cursor.
        probed: the probe.
        key: of the request that made it.
        layer: one that is finished.
    """
    found = probed.at(layer)
    left, right = st.columns(2, gap="medium")
    with left:
        _draw_predictions(probed, found, layer)
    with right:
        if probed.curve.probe in ON_NEURONS:
            draw_neurons(frame, probed, key, layer)
        elif isinstance(found.probe, SmallNetwork):
            st.caption("A network has no direction: it is here to show what linear probes leave unread.")
        else:
            _draw_direction(frame, probed, found, layer)


def _draw_predictions(probed: Probed, found: LayerScore, layer: int) -> None:
    if found.confusion is not None:
        st.markdown(f"What layer {layer} takes for what")
        draw_confusion(probed, found, key="confusion")
    else:
        apart = "" if found.kilometres is None else f", half of them within {found.kilometres:,.0f} km"
        st.markdown(f"What layer {layer} tells of held-out examples{apart}")
        draw_numbers(probed, found, key="numbers")
    st.markdown("The hardest of them")
    rows = list(probed.hardest(layer))
    held = np.cumsum(probed.curve.held_out) - 1
    labels = labels_of(probed.given)
    table = pd.DataFrame(
        {
            "is": [labels[i] for i in rows],
            "taken for": [_told(probed, found, int(held[i])) for i in rows],
            "text": [marked(probed.given, i) for i in rows],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={
            name: st.column_config.TextColumn(width=width)
            for name, width in (("text", 330), ("is", 90), ("taken for", 90))
        },
    )


def marked(given: LabelledSet, example: int) -> str:
    """A text with the part its label is about in brackets, and no more around it than fits."""
    text, span = given.texts[example], given.spans[example]
    if span is None:
        return text
    before, after = text[: span[0]], text[span[1] :]
    short = before if len(before) <= AROUND else f"…{before[-AROUND:]}"
    return f"{short}[{text[slice(*span)]}]{after}"


def _told(probed: Probed, found: LayerScore, row: int) -> str:
    if probed.given.classes:
        return probed.given.classes[int(found.predicted[row])]
    return ", ".join(f"{value:.4g}" for value in found.predicted[row])


def _draw_direction(frame: Frame, probed: Probed, found: LayerScore, layer: int) -> None:
    names = names_of(probed.given)
    which = 0
    if len(names) > 1:
        which = st.selectbox(
            "Direction", range(len(names)), format_func=lambda i: names[i], key="probe_which"
        )
        which = min(which, len(names) - 1)
    st.markdown(f"The prompt's tokens along **{plain(names[which])}** at layer {layer}")
    vector = unit_direction(found, which)
    if vector is None:
        st.caption("It reads nothing here: the states of all classes are the same.")
        return
    scores = token_scores(trace_of(frame.model, frame.tokens).residuals()[layer], vector)
    token_strip(
        grid_tokens(frame.tokens),
        fingerprint=f"{frame.model.fingerprint}{hash(frame.tokens.ids)}probe",
        cursor_position=frame.position,
        key="probe_strip",
        values=[float(np.clip((score + 2) / 4, 0, 1)) for score in scores],
        on_choose=lambda chosen: session.change(position=chosen),
    )
    st.caption(
        "Tinted by how far a token lies along the direction: two deviations below the text's mean to two above."
    )
    try:
        up, down = (promoted(frame.model, sign * vector, 8) for sign in (1, -1))
        st.markdown(f"Through the unembedding it raises {_tokens(up)} and lowers {_tokens(down)}")
    except AnalysisError as error:
        st.caption(plain(str(error)))
    with st.container(horizontal=True):  # what else can be done with what the probe reads stands beside it
        st.button(
            "Steer with it",
            icon=":material/explore:",
            on_click=_steer,
            args=(frame, probed, which),
            help="Keeps the direction in the library and adds it to the recipe on the page Steer.",
        )
        erased = st.button(
            "Erase it",
            icon=":material/ink_eraser:",
            help=f"Takes the concept out at layer {layer}, on the page Erase.",
        )
    if erased:
        session.change(erase=replace(session.view().erase, layers=(layer, layer), asked=True))
        st.switch_page("pages/change/erase.py")
    if sentence := st.session_state.pop("probe_problem", None):
        st.warning(plain(sentence), icon=":material/warning:")
    elif kept := st.session_state.pop("probe_kept", None):
        st.success(f"{plain(kept)} is kept and in the recipe: open Steer.", icon=":material/check:")


def _tokens(found: tuple[tuple[str, float], ...]) -> str:
    return " ".join(literal(label) for label, _ in found)


def _steer(frame: Frame, probed: Probed, which: int) -> None:
    try:
        made = direction(frame.model, probed, which)
        add(f"kept.{library.save_direction(made, ('probe',)).key}")
        st.session_state.probe_kept = made.name
    except AnalysisError as error:
        st.session_state.probe_problem = str(error)
