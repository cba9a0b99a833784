"""Find: all features to search and sort, those that tell two things apart, and the kinds of neurons by layer."""

from importlib import import_module

import streamlit as st

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.shelf import Offer
from components.features.choices import choose, chosen
from components.frame import Frame
from components.view_controls import segments

FIRST = "all_features"
SECTIONS = {
    FIRST: "All features",
    "two_things": "Tell two things apart",
    "few": "Sparse probe",
    "census": "Kinds of neurons",
}
"""What can be looked for, by the name of its module."""


def draw(frame: Frame, offer: Offer, dictionary: Dictionary, heading) -> None:
    """This part of the page.

    Args:
        frame: model, text and cursor.
        offer: what the dictionary was opened by.
        dictionary: the dictionary.
        heading: takes the sentence of answer.
    """
    now = chosen("find", FIRST)
    now = now if now in SECTIONS else FIRST
    segments(
        "What to find",
        SECTIONS,
        key="features_find",
        now=now,
        change=lambda section: choose("find", None if section == FIRST else section),
    )
    if now == "census":
        _draw_census(frame)
        return
    import_module(f"components.features.finding.{now}").draw(frame, offer, dictionary, heading)


def _draw_census(frame: Frame) -> None:
    """What few look at is loaded by those who do."""
    if not frame.model.neuron_sites():
        st.info("This model keeps its neurons in experts, which cannot be counted one by one.")
        return
    import_module("components.features.census_card").draw_census(frame)
