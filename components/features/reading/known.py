"""Labels of features, as soon as they are known: nothing waits for them."""

import streamlit as st

from analysis import LoadedModel
from analysis.dictionaries.dictionary import Dictionary
from components.features.reading.names import Names
from components.features.requests import evidence_at_hand


def names_of(model: LoadedModel, dictionary: Dictionary) -> Names:
    """How the features are called now: by their labels if these are at hand, else by their numbers."""
    return Names(dictionary, evidence_at_hand(model, dictionary))


def draw_nameless(names: Names) -> None:
    """Where labels come from, if there are none yet."""
    if names.evidence is None:
        st.caption(
            f"Labels are not known yet: the part Feature gathers them, with examples, for every {names.kind}."
        )
