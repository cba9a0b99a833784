"""Whole dictionary: where its directions lie, which features fire together, and what shapes they make."""

from importlib import import_module

import streamlit as st

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.shelf import Offer
from components.features import choices
from components.features.whole_parts.seen import Seen
from components.frame import Frame
from components.view_controls import segments

PARTS = {
    "map": "Map",
    "lobes": "Lobes",
    "spectrum": "Spectrum",
    "circles": "Circles",
    "crystals": "Crystals",
    "families": "Families",
    "match": "Match",
}
QUESTIONS = {
    "map": "Where do the directions lie, and which are near each other?",
    "lobes": "Do features that fire in the same stretches of text also point alike?",
    "spectrum": "Into how many dimensions do the directions spread?",
    "circles": "Are there things that the model keeps in a circle, or in another shape of several dimensions?",
    "crystals": "Do pairs of words in one relation make parallelograms?",
    "families": "Which features fire only where a more general one does?",
    "match": "Which feature of another dictionary is which of this one?",
}


def draw(frame: Frame, offer: Offer, dictionary: Dictionary, heading) -> None:
    """This part of the page.

    Args:
        frame: model, text and cursor.
        offer: what the dictionary was opened by.
        dictionary: the dictionary.
        heading: takes the sentence of answer.
    """
    part = choices.chosen("whole", "map")
    part = part if part in PARTS else "map"
    segments(
        "Question",
        PARTS,
        key="whole_part",
        now=part,
        change=lambda chosen: choices.choose("whole", None if chosen == "map" else chosen),
    )
    st.markdown(f"**{QUESTIONS[part]}**")
    import_module(f"components.features.whole_parts.{part}").draw(Seen(frame, offer, dictionary, heading))
