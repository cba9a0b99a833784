"""A feature's label, and giving it one's own."""

import streamlit as st

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.labels import own_labels
from analysis.errors import AnalysisError


def draw_naming(dictionary: Dictionary, evidence: Evidence, feature: int) -> None:
    """A small form for a label of one's own, and the ways back."""
    state = st.session_state
    with st.popover("Rename", icon=":material/edit:", key="feature_naming"):
        state.setdefault("feature_label", evidence.own.get(feature, ""))
        if state.get("feature_label_of") != (dictionary.fingerprint, feature):
            state.feature_label_of = dictionary.fingerprint, feature
            state.feature_label = evidence.own.get(feature, "")
        st.text_input(
            "Your label",
            key="feature_label",
            max_chars=own_labels.LONGEST,
            placeholder=evidence.labels[feature],
            help="It stands in place of the automatic one wherever this dictionary is used on this machine, and can "
            "be searched for. Left empty, the automatic one comes back.",
            on_change=_give,
            args=(dictionary, feature),
        )
        st.button("Undo the last change of a label", on_click=_undo, args=(dictionary,), width="stretch")
        if problem := state.pop("feature_label_problem", None):
            st.warning(problem)


def _give(dictionary: Dictionary, feature: int) -> None:
    try:
        own_labels.give_label(dictionary, feature, st.session_state.feature_label)
    except AnalysisError as error:
        st.session_state.feature_label_problem = str(error)


def _undo(dictionary: Dictionary) -> None:
    own_labels.undo_label(dictionary)
    st.session_state.pop("feature_label_of", None)
