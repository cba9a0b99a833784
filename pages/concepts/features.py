"""Which features fire here, and what do they do?"""

from importlib import import_module

import streamlit as st

from analysis.dictionaries.shelf import Offer
from components import session
from components.features.choices import change, draw_dictionary_choice
from components.features.requests import dictionary_of
from components.frame import Frame
from components.waiting import result_of

QUESTION = "Which features fire here, and what do they do?"
PARTS = {
    "prompt": "This text",
    "feature": "Feature",
    "find": "Find",
    "act": "Act",
    "whole": "Whole dictionary",
    "get": "Get a dictionary",
}


def draw(frame: Frame) -> None:
    """The page."""
    heading = st.container(gap="xxsmall")
    heading.subheader(QUESTION, anchor=False)
    left, right = st.columns([1.75, 1], gap="medium", vertical_alignment="center")
    with left:
        part = _draw_parts()
    with right:
        offer = draw_dictionary_choice(frame.model, frame.layer)
    if part == "get":
        _part(part).draw(frame)
        return
    if offer is None:
        return
    _draw_layer(frame, offer)
    dictionary = result_of(dictionary_of(frame.model, offer.id), "dictionary", height=420)
    if dictionary is not None:
        _part(part).draw(frame, offer, dictionary, heading)


def _draw_parts() -> str:
    state = st.session_state
    state.features_part = session.view().features.part
    st.segmented_control(
        "Part",
        list(PARTS),
        format_func=PARTS.get,
        key="features_part",
        required=True,
        label_visibility="collapsed",
        on_change=lambda: change(part=state.features_part),
    )
    return state.features_part


def _draw_layer(frame: Frame, offer: Offer) -> None:
    """Where the dictionary reads, if the cursor is at another layer."""
    layer = offer.site.layer
    if frame.layer in (None, layer):
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="features_layer"):
        st.caption(
            f"This dictionary reads layer {layer}; the cursor is at layer {frame.layer}.", width="content"
        )
        st.button(
            f"Move the cursor to layer {layer}",
            type="tertiary",
            on_click=lambda: session.change(layer=layer),
        )
        if session.view().features.dictionary:
            st.button(
                f"Nearest to layer {frame.layer}",
                type="tertiary",
                on_click=lambda: change(dictionary="", feature=None, changes=()),
            )


def _part(name: str):
    """What few look at is loaded by those who do."""
    return import_module(f"components.features.{name}")


draw(st.session_state.frame)
