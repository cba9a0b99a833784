"""Act: change features, and see what the model says then and why it says it."""

from importlib import import_module

import streamlit as st

from analysis import AnalysisError
from analysis.dictionaries.acting.feature_effect import side_verdict
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.shelf import Offer
from analysis.edits import ChangeFeatures
from analysis.methods.effect import verdict
from components.features import choices
from components.features.acting import texts, why
from components.features.acting.changes import changes, edits_of, put
from components.features.acting.editor import draw_editor, draw_empty
from components.features.acting.requests import effect_of
from components.features.acting.units import Units
from components.features.reading.known import names_of
from components.features.requests import features_of
from components.frame import Frame
from components.literal import plain
from components.origin import draw_origin
from components.view_controls import segments
from components.waiting import result_of

PARTS = {"next": "Next token", "texts": "Texts side by side", "why": "Why this token", "away": "Take it away"}


def draw(frame: Frame, offer: Offer, dictionary: Dictionary, heading) -> None:
    """This part of the page.

    Args:
        frame: model, text and cursor.
        offer: what the dictionary was opened by.
        dictionary: the dictionary.
        heading: takes the sentence of answer.
    """
    found = result_of(features_of(frame.model, frame.tokens, dictionary), "text features", height=420)
    if found is None:
        return
    names = names_of(frame.model, dictionary)
    units = Units(found, names.evidence)
    controls = draw_editor(frame, dictionary, units, names)
    part = choices.chosen("act", "next")
    part = part if part in PARTS else "next"
    segments("What is shown", PARTS, key="act_part", now=part, change=lambda new: choices.choose("act", new))
    if part == "why":
        why.draw(frame, offer, units, names, heading)
        return
    edits = _edits(dictionary)
    if not edits:
        draw_empty(frame, units, names)
        return
    if part == "texts":  # before anything else: the first word should not wait for the numbers
        texts.draw(frame, edits, units, controls)
    effect = result_of(
        effect_of(frame.model, frame.tokens, edits, units.frequency, controls), "feature effect"
    )
    if effect is None:
        return
    other = "push" if controls.shown == "feature" else "feature"
    shown, beside = effect.beside(controls.shown), effect.beside(other)
    heading.markdown(f"{verdict(shown, frame.position)} {side_verdict(beside, frame.position)}")
    if part != "texts":
        import_module(f"components.features.acting.{part}").draw(frame, offer, edits, effect, controls)
    draw_origin(shown.provenance)


def _edits(dictionary: Dictionary) -> tuple[ChangeFeatures, ...]:
    """What the changes of the link mean; none, and why is said, where they mean nothing."""
    try:
        return edits_of(dictionary, changes())
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/warning:")
        st.button("Take all changes out", on_click=put, args=((),))
        return ()
