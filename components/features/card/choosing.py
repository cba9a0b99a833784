"""Which feature's card is shown: by number, the next one, one that fires here, or any."""

import random

import streamlit as st

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.evidence import Evidence
from components.features.choices import change, look_at
from components.features.reading.names import kind_of
from components.features.requests import features_of
from components.frame import Frame
from components.literal import literal, plain
from components.waiting import result_of

OFFERED = 8
"""Features of the cursor's token that are offered."""


def draw_choosing(dictionary: Dictionary, feature: int) -> None:
    """Number, previous, next and any, one beside the other in a row of the caller's."""
    state, last = st.session_state, dictionary.features - 1
    state.feature_number = feature
    st.button(
        "",
        icon=":material/chevron_left:",
        key="feature_previous",
        help="The feature before",
        on_click=look_at,
        args=((feature - 1) % (last + 1),),
    )
    st.number_input(
        f"{kind_of(dictionary).capitalize()}, 0 to {last:,}",
        0,
        last,
        key="feature_number",
        step=1,
        width=150,
        on_change=lambda: look_at(state.feature_number),
    )
    st.button(
        "",
        icon=":material/chevron_right:",
        key="feature_next",
        help="The feature behind",
        on_click=look_at,
        args=((feature + 1) % (last + 1),),
    )
    _draw_any(dictionary)
    st.button("Choose anew", icon=":material/close:", key="feature_none", on_click=_choose_anew)


def _draw_any(dictionary: Dictionary) -> None:
    st.button(
        "Any",
        icon=":material/casino:",
        key="feature_any",
        help="A feature drawn at random",
        on_click=lambda: look_at(random.randrange(dictionary.features)),
    )


def _choose_anew() -> None:
    change(feature=None)


def draw_offer(frame: Frame, dictionary: Dictionary, evidence: Evidence | None) -> None:
    """No feature was chosen: those that fire at the cursor's token, one by number, or any."""
    found = result_of(features_of(frame.model, frame.tokens, dictionary), "features at the cursor")
    if found is None:
        return
    token = literal(frame.tokens.labels[frame.position])
    active = found.active(frame.position)[:OFFERED]
    if active:
        st.markdown(
            f"No feature is chosen yet. At {token} these fire most strongly; pick one to open its card."
        )
    else:
        st.markdown(f"No feature is chosen yet, and none fires at {token}. Move the cursor, or take any.")
    with st.container(gap="xxsmall", key="features_offered"):
        for feature in active:
            name = "" if evidence is None else f": {plain(evidence.label(feature))}"
            st.button(
                f"**{feature}**{name} ({found.activations[frame.position, feature]:.3g})",
                key=f"offered {feature}",
                on_click=look_at,
                args=(feature,),
            )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            f"By number, 0 to {dictionary.features - 1:,}",
            0,
            dictionary.features - 1,
            value=None,
            key="feature_by_number",
            width=180,
            on_change=lambda: look_at(st.session_state.feature_by_number),
        )
        _draw_any(dictionary)
