"""Which texts a part of the page reads: those that ship, or some that were brought."""

from dataclasses import dataclass

import streamlit as st

from analysis.data import corpus
from components.features.choices import choose, chosen
from components.texts_brought import BROUGHT, draw_bringing, shipped_names

SHIPPED, ORDINARY = "ordinary", "Ordinary text that ships"
"""Id and name of the text that is read first."""


@dataclass(frozen=True)
class ReadTexts:
    """Texts by name."""

    name: str
    texts: tuple[str, ...]


def draw_choosing(key: str, place=None) -> str:
    """The choice among texts; the prompt is not among them, since its few tokens fit anything.

    Args:
        key: names the widget, and the choice in the link.
        place: where it stands; None is here.
    """
    names = {SHIPPED: ORDINARY} | shipped_names() | BROUGHT
    state, wanted = st.session_state, chosen(key, SHIPPED)
    state[key] = wanted if wanted in names else SHIPPED
    return (place or st).selectbox(
        "Text",
        list(names),
        format_func=names.get,
        key=key,
        on_change=lambda: choose(key, None if state[key] == SHIPPED else state[key]),
        help="Thousands of tokens are needed: a prompt is too short, and nothing fitted to it would hold elsewhere.",
    )


def draw_texts(data: str) -> ReadTexts | None:
    """The chosen texts; None where they are still to be brought, and how is said."""
    if data == SHIPPED:
        return ReadTexts(ORDINARY, corpus.documents())
    brought = draw_bringing(data)
    return None if brought is None else ReadTexts(brought.name, brought.texts)
