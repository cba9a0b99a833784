"""This text: which features fire at the cursor's token, where else each of them does, and what they leave out."""

from importlib import import_module

import streamlit as st

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.shelf import Offer
from analysis.methods.features import TextFeatures, TokenShares
from components.features import choices
from components.features.reading.answer import answer
from components.features.reading.grid import draw_grid
from components.features.reading.known import names_of
from components.features.reading.names import Names
from components.features.reading.strip import draw_strip
from components.features.reading.token_panel import draw_token
from components.features.requests import features_of, shares_of
from components.frame import BESIDE, Frame
from components.literal import plain
from components.view_controls import segments
from components.waiting import result_of

MORE = {
    "layers": "Over layers",
    "writing": "While it writes",
    "explained": "How much is explained",
    "away": "Take it away",
}
"""What can be looked at under the picture, by the name of its module."""


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
    shares = result_of(shares_of(frame.model, found, frame.position), "token shares", height=420)
    if shares is None:
        return
    names = names_of(frame.model, dictionary)
    heading.markdown(answer(found, shares, names))
    feature = feature_at(shares, dictionary)
    left, right = st.columns(BESIDE, gap="medium")
    with left:
        if feature is not None:
            draw_strip(frame, found, names, feature)
        draw_grid(frame, found, names, feature)
    with right:
        draw_token(found, shares, names, feature)
    _draw_words(found)
    _draw_more(frame, offer, found, names, feature)


def feature_at(shares: TokenShares, dictionary: Dictionary) -> int | None:
    """The feature that is looked at: the chosen one, or the strongest at the cursor's token."""
    chosen = choices.feature_now()
    if chosen is not None and chosen < dictionary.features:
        return chosen
    return int(shares.features[0]) if len(shares.features) else None


def _draw_words(found: TextFeatures) -> None:
    """What is seen, when it misleads, and where it comes from."""
    with st.expander("What you see, when it misleads, and where it comes from", icon=":material/info:"):
        st.markdown(
            "A state is told as a sum: the dictionary's bias, a few directions (features) times their activations, and "
            "an error, what the dictionary leaves. The colour of a cell is the activation of one feature at one token."
        )
        st.markdown(f"Misleads when: {plain(found.provenance.misleads_when)}")
        for name, value in found.provenance.lines():
            st.caption(f"{name}: {plain(value)}")


def _draw_more(frame: Frame, offer: Offer, found: TextFeatures, names: Names, feature: int | None) -> None:
    more = choices.chosen("more", "layers")
    more = more if more in MORE else "layers"
    segments(
        "More",
        MORE,
        key="features_more",
        now=more,
        change=lambda chosen: choices.choose("more", None if chosen == "layers" else chosen),
    )
    import_module(f"components.features.reading.{more}").draw(frame, offer, found, names, feature)
