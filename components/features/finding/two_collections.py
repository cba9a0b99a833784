"""The features that tell two collections of texts apart: shipped ones, a file, or what is pasted."""

from collections.abc import Callable

import streamlit as st

from analysis import AnalysisError
from analysis.corpora import Corpus, from_plain_text
from analysis.data import corpus as shipped
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.shelf import Offer
from analysis.dictionaries.telling_apart.sides import of_corpora
from analysis.labelled_table import OWN, WRITTEN
from components.features.finding.comparison import draw_comparison, sides_said
from components.features.finding.sources import choose_one, draw_pool
from components.frame import Frame
from components.literal import plain
from components.texts_brought import draw_bringing, of_shipped, shipped_names

ORDINARY = "ordinary"
SHORTEST = 40
"""Characters of a paragraph of the shipped text that is compared."""


def draw(frame: Frame, offer: Offer, dictionary: Dictionary, heading) -> None:
    """This kind of comparison."""
    names = {WRITTEN: "Pasted here", OWN: "A file of your own", ORDINARY: "Ordinary text, by paragraphs"}
    names |= shipped_names()
    found = []
    for side, column, first in zip("AB", st.columns(2), (WRITTEN, ORDINARY), strict=True):
        with column:
            data = choose_one(f"Texts {side}", f"texts_{side}", names, first)
            found.append((data, _texts(side, data, bool(found) and found[0][0] == data)))
    corpora = [corpus for _, corpus in found]
    if None in corpora:
        return
    pool = draw_pool(_whole(corpora[0]), "collections_pool")
    sides = sides_said(lambda: of_corpora(_whole(corpora[0]), _whole(corpora[1])))
    if sides is None:
        return
    code = (
        "from analysis.corpora import from_plain_text",
        "from analysis.dictionaries.telling_apart.sides import of_corpora",
        "sides = of_corpora(from_plain_text(texts_a), from_plain_text(texts_b))  # one text a line",
    )
    draw_comparison(frame, offer, dictionary, heading, sides, pool, code)


def _texts(side: str, data: str, again: bool) -> Corpus | None:
    """The texts of one side; None while there are none, and what is missing is said."""
    if data == WRITTEN:
        return _draw_pasted(side)
    if again:
        st.info("Both sides are the same texts. Choose others on one side.")
        return None
    if data == ORDINARY:
        return _ordinary()
    return draw_bringing(data) if data == OWN else of_shipped(data)


def _draw_pasted(side: str) -> Corpus | None:
    text = st.text_area(
        f"Texts {side}, one a line, or paragraphs with empty lines between them",
        key=f"features_texts_{side}",
        height=180,
        placeholder="At least four; press Ctrl+Enter when they are there.",
        persist_state="session",
    )
    if not text.strip():
        st.caption("Paste texts of one kind. A link does not carry them; nothing leaves this machine.")
        return None
    return _said(lambda: from_plain_text(text, "Pasted"))


@st.cache_resource(max_entries=1, show_spinner=False)
def _ordinary() -> Corpus:
    """Paragraphs of the shipped text."""
    parts = (part.strip() for text in shipped.documents() for part in text.split("\n\n"))
    return Corpus(
        ORDINARY, "Ordinary text", tuple(dict.fromkeys(part for part in parts if len(part) >= SHORTEST))
    )


def _whole(corpus: Corpus) -> Corpus:
    """The texts themselves, each once, whatever parts of them are marked."""
    return Corpus(corpus.id, corpus.name, tuple(dict.fromkeys(corpus.texts)), source=corpus.source)


def _said(make: Callable[[], Corpus]) -> Corpus | None:
    try:
        return make()
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        return None
