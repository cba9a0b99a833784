"""Texts with classes: which ones, and in the words of which column."""

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis import AnalysisError
from analysis.corpora import Corpus, of_labelled
from analysis.corpora.columns import of_kind
from analysis.data.labelled_sets import card, labelled_sets
from analysis.dictionaries.telling_apart.pooled import POOLS
from analysis.dictionaries.telling_apart.sides import GROUP
from analysis.labelled import LabelledSet
from analysis.labelled_table import OWN, SEPARATOR, WRITTEN, from_lines
from components.features.choices import choose, chosen
from components.literal import plain
from components.texts_brought import draw_bringing, of_shipped

FIRST = "sentiment"
DRAFT = "features_lines"
"""Key of the text area, and of what is kept of it while another page is looked at."""
FEWEST = 2
"""Different values of a column that tells things apart."""


@dataclass(frozen=True, eq=False)
class Source:
    """Texts with a column of classes."""

    corpus: Corpus
    column: str
    beside: DeltaGenerator
    """Room beside the choice of texts."""
    code: tuple[str, ...]
    """Python that makes the texts as `corpus`, imports first."""


def draw_source() -> Source | None:
    """The choice of texts, and of a column where there are several; None while there is nothing to choose from."""
    names = {each.id: each.name for each in labelled_sets() if card(each.id).kind == "classes"}
    names |= {WRITTEN: "Written here, with labels", OWN: "A table of your own"}
    left, right = st.columns([1.5, 1])
    with left:
        data = _choose("Texts with labels", "texts", names, FIRST)
    corpus = _draw_lines() if data == WRITTEN else draw_bringing(data) if data == OWN else of_shipped(data)
    if corpus is None:
        return None
    able = [
        name
        for name in of_kind(corpus.columns, "classes")
        if name != GROUP and corpus.columns[name].nunique() >= FEWEST
    ]
    if not able:
        st.info(
            "These texts have no column of classes. Give a table with a column `label` of two to fifty values."
        )
        return None
    first = corpus.label if corpus.label in able else able[0]
    if len(able) == 1:
        return Source(corpus, first, right, _code(data, corpus))
    with left:
        column = _choose("Apart by", "column", {name: str(name) for name in able}, first)
    return Source(corpus, column, right, _code(data, corpus))


def draw_pool(corpus: Corpus, key: str) -> str:
    """What one number for every feature and text is made of."""
    spans = any(span is not None for span in corpus.spans)
    names = dict(POOLS) | ({} if spans else {"span": "the last token of the text"})
    return _choose("A feature's activation in a text", "pool", names, "span" if spans else "max", key=key)


def choose_one(label: str, name: str, names: dict[str, str], first: str) -> str:
    """A choice that travels in the link, and what is chosen; `first` where a link says what is not there."""
    return _choose(label, name, names, first)


def _choose(label: str, name: str, names: dict[str, str], first: str, key: str | None = None) -> str:
    state, key = st.session_state, key or f"find_choice_{name}"
    wanted = chosen(name, first)
    state[key] = wanted if wanted in names else first

    def keep() -> None:
        choose(name, None if state[key] == first else state[key])

    st.selectbox(label, list(names), format_func=names.get, key=key, on_change=keep)
    return state[key]


def _draw_lines() -> Corpus | None:
    """Examples to type; the draft stays while another page is looked at."""
    text = st.text_area(
        f"Examples, one a line: a text {SEPARATOR} its label",
        key=DRAFT,
        height=180,
        placeholder=f"The sea was calm. {SEPARATOR} sea\nThe stars came out. {SEPARATOR} sky\n…",
        persist_state="session",
    )
    if not text.strip():
        st.caption("At least four of each label. Press Ctrl+Enter when you have written some.")
        return None
    try:
        given: LabelledSet = from_lines(text)
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        return None
    return of_labelled(given)


def _code(data: str, corpus: Corpus) -> tuple[str, ...]:
    if data == OWN:
        return (
            "from pathlib import Path",
            "from analysis.corpora import read_file",
            f"corpus = read_file(Path({corpus.name!r}).read_bytes(), {corpus.name!r})",
        )
    if data == WRITTEN:
        return (
            "from analysis.corpora import of_labelled",
            "from analysis.labelled_table import from_lines",
            "corpus = of_labelled(from_lines(lines))  # lines: what was written",
        )
    return (
        "from analysis.corpora import of_labelled",
        "from analysis.data.labelled_sets import labelled_set",
        f"corpus = of_labelled(labelled_set({data!r}))",
    )
