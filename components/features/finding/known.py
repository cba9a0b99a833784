"""What is known of a dictionary's features: at hand, or to be gathered by whoever asks for it."""

import streamlit as st

from analysis import LoadedModel
from analysis.captures import estimate
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence import gathering
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.fingerprint import fingerprint
from analysis.places import EACH
from components.features.finding.requests import ask, asked
from components.features.requests import evidence_at_hand, evidence_of
from components.literal import plain
from components.waiting import result_of

READING = 2.0
"""Seconds in which names that are at hand are waited for."""


def draw_evidence(model: LoadedModel, dictionary: Dictionary) -> Evidence | None:
    """What is known of every feature; None while it is gathered, or was not asked for: what that takes is said."""
    key = fingerprint("what features fire on, asked", model.fingerprint, dictionary.fingerprint)
    if not gathering.is_at_hand(model, dictionary) and not asked(key):
        _draw_offer(model, dictionary, key)
        return None
    found = result_of(evidence_of(model, dictionary), "features evidence", height=420)
    return None if found is None else gathering.now(found, dictionary)


def labels_of(model: LoadedModel, dictionary: Dictionary) -> tuple[str, ...]:
    """What the features are called; nothing where nothing is known yet, and nothing is gathered then."""
    if gathering.is_at_hand(model, dictionary):
        evidence_of(model, dictionary).wait(READING)
    found = evidence_at_hand(model, dictionary)
    if found is None:
        return ()
    return tuple(map(found.label, range(found.features)))


def _draw_offer(model: LoadedModel, dictionary: Dictionary, key: str) -> None:
    takes = estimate(model, gathering.sample_text(), EACH, (dictionary.site.layer,))
    with st.container(border=True):
        st.markdown(
            plain(
                f"What these features fire on is not known yet ({dictionary.name}). Gathering it runs {takes.tokens:,} "
                f"tokens of shipped text through the first {dictionary.site.layer} blocks{_lasting(takes.seconds)}, "
                "then looks for examples, tokens and labels of every feature. It is kept, and the cards of features "
                "use it, too."
            )
        )
        st.button(
            "Gather it",
            type="primary",
            key="gather evidence",
            icon=":material/manage_search:",
            on_click=ask,
            args=(key,),
        )


def _lasting(seconds: float | None) -> str:
    """How long it takes, where this machine's speed is known."""
    if seconds is None:
        return ""
    return (
        f" (about {max(1, round(seconds / 60))} min)"
        if seconds >= 90
        else f" (about {max(1, round(seconds))} s)"
    )
