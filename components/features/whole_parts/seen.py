"""What every question about a whole dictionary starts from, and how it ends."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis import LoadedModel
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.shelf import Offer
from components.features import choices
from components.features.finding.away import dictionary_lines
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


def ending(
    seen: Seen, what: str, misleads: str, source: str, code: Sequence[str], **settings: object
) -> None:
    """What is seen, when it misleads, and where it comes from.

    Args:
        seen: the dictionary.
        what: in a sentence or two.
        misleads: when.
        source: authors, year, arXiv.
        code: Python that computes it: imports first, then lines that know `model` and `dictionary`.
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
    with st.expander("The code that computes it", icon=":material/code:"):
        st.code(script(seen, code), language="python")


def script(seen: Seen, code: Sequence[str]) -> str:
    """Code that opens model and dictionary and computes something; as a file it can be run as it is."""
    imports = [line for line in code if line.startswith(("from ", "import "))]
    imports += [
        "from analysis import ModelSpec, load",
        "from analysis.dictionaries.shelf import open_dictionary",
    ]
    lines = [*dictionary_lines(seen.frame, seen.offer), *(line for line in code if line not in imports)]
    guard = 'if __name__ == "__main__":  # a map starts a process of its own'
    return "\n".join([*sorted(imports), "", guard, *(f"    {line}" for line in lines)])
