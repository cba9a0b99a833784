"""Train a dictionary on the loaded model: choose, see what it will take, start, watch, and open what came of it."""

import streamlit as st

from analysis.dictionaries.training.estimate import estimate
from analysis.fingerprint import fingerprint
from analysis.models.loaded import LoadedModel
from components.features.fitting import counted
from components.features.getting.code import training_lines
from components.features.training.choices import Chosen, draw_choices
from components.features.training.requests import speed_of, start
from components.features.training.under_way import draw_under_way
from components.frame import Frame
from components.literal import plain
from components.waiting import result_of

DOCUMENTED = 900_000
"""Tokens of the installed packages' documentation, about."""


def draw(frame: Frame) -> None:
    """This part of the page."""
    draw_under_way(frame)
    chosen = draw_choices(frame.model, frame.layer)
    if chosen is None:
        return
    st.button(
        "Train it",
        type="primary",
        icon=":material/play_arrow:",
        key="training_start",
        on_click=start,
        args=(frame.model, chosen),
    )
    speed = result_of(speed_of(frame.model, chosen.order), "training speed", again_label="Measure again")
    if speed is not None:
        for sentence in estimate(
            frame.model, chosen.order, _available(frame.model, chosen), speed
        ).sentences():
            st.caption(plain(sentence))
    with st.expander("The code that trains it", icon=":material/code:"):
        st.code(training_lines(frame, chosen.order), language="python")


def _available(model: LoadedModel, chosen: Chosen) -> int:
    """Tokens of the text, about; what the model writes is as long as is asked for."""
    if chosen.data == "model":
        return chosen.order.tokens
    if chosen.texts is None:
        return DOCUMENTED
    return counted(fingerprint("tokens", model.fingerprint, chosen.texts), model, chosen.texts)
