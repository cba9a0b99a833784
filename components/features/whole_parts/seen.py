"""What every question about a whole dictionary starts from, and how it ends."""

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis import LoadedModel
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.shelf import Offer
from components.features import choices
from components.frame import Frame
from components.literal import plain


@dataclass(frozen=True)
class Seen:
    """One dictionary on the page."""

    frame: Frame
    offer: Offer
    dictionary: Dictionary
    heading: DeltaGenerator
    """Takes the sentence of answer."""

    @property
    def model(self) -> LoadedModel:
        """Whose dictionary it is."""
        return self.frame.model

    @property
    def is_neurons(self) -> bool:
        """True for the model's own neurons: dense, signed, without a decoder of their own."""
        return self.dictionary.site.stream == "neurons"

    def answer(self, sentence: str) -> None:
        """The page's sentence of answer."""
        self.heading.markdown(plain(sentence))


def remember(name: str, value: object, first: object) -> None:
    """Keep a choice in the link; what is the first choice anyway needs no room there."""
    choices.choose(name, None if value == first else str(value))


def refused(seen: Seen, why: str) -> bool:
    """Say that a question makes no sense of neurons; True if it was said."""
    if seen.is_neurons:
        st.info(f"{why} Choose a sparse dictionary above, or get one in the last part of the page.")
    return seen.is_neurons


def named(evidence: Evidence | None, feature: int) -> str:
    """A feature's number, with its label where one is known."""
    if evidence is None:
        return f"feature {feature}"
    return f"{feature}: {evidence.label(feature)}"


def ending(seen: Seen, what: str, misleads: str, source: str, **settings: object) -> None:
    """What is seen, when it misleads, and where it comes from.

    Args:
        seen: the dictionary.
        what: in a sentence or two.
        misleads: when.
        source: authors, year, arXiv.
        settings: whatever else decides the numbers.
    """
    model = seen.model
    about = {
        "model": f"{model.title}, {model.revision}, {model.dtype_name}",
        "dictionary": f"{seen.dictionary.name} ({seen.dictionary.id})",
        "source": source,
    } | {name.replace("_", " "): value for name, value in settings.items()}
    with st.expander("What you see, when it misleads, and where it comes from", icon=":material/info:"):
        st.markdown(plain(what))
        st.markdown(f"Misleads when: {plain(misleads)}")
        for name, value in about.items():
            st.caption(f"{name}: {plain(str(value))}")
