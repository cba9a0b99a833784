"""Texts to be looked at: shipped ones, and what somebody brings, which is there on every page once it was brought."""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from analysis import AnalysisError, corpora
from analysis.corpora import Corpus
from analysis.corpora.files import KINDS
from analysis.data.labelled_sets import card, labelled_set, labelled_sets
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.labelled_table import OWN, WRITTEN
from components.literal import plain
from components.requests import held
from components.waiting import result_of

DRAFT = "corpus_draft"
"""Key of the text area, and of what is kept of it while another page is looked at."""
BROUGHT = {WRITTEN: "Written or pasted here", OWN: "A file of your own"}
"""Where texts come from that do not ship, by id."""


def shipped_names() -> dict[str, str]:
    """The shipped labelled sets, by id."""
    return {each.id: each.name for each in labelled_sets()}


def texts_at_hand(data: str) -> Corpus | None:
    """The texts of that id; None where texts of one's own are still to be brought."""
    if data in BROUGHT:
        return st.session_state.get(f"corpus_{data}")
    return of_shipped(data)


@st.cache_resource(max_entries=4, show_spinner=False)
def of_shipped(id: str) -> Corpus:
    """A shipped labelled set, with the word or wider class of every class as a column where there is one."""
    known, corpus = card(id), corpora.of_labelled(labelled_set(id))
    if not known.parents:
        return corpus
    wider = [known.parents[label] for label in corpus.columns["label"]]
    return replace(corpus, columns=corpus.columns.assign(kind=wider))


def draw_bringing(data: str, on_read: Callable[[Corpus], None] = lambda corpus: None) -> Corpus | None:
    """What brings texts of one's own, where these are asked for; shipped texts are simply there.

    Args:
        data: id of the texts.
        on_read: receives the texts of a file once it has been read.

    Returns:
        The texts; None while there are none, and what is missing is said.
    """
    if data == OWN:
        return _draw_upload(on_read)
    return _draw_lines() if data == WRITTEN else of_shipped(data)


def said(make: Callable[[], Corpus]) -> Corpus | None:
    """The texts, or None where something is wrong with them, which is said."""
    try:
        return make()
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        return None


def _draw_upload(on_read: Callable[[Corpus], None]) -> Corpus | None:
    """A file to upload; what it holds is kept for other pages and runs."""
    uploaded = st.file_uploader(
        "Texts in CSV, TSV, JSONL, Parquet (best with a column `text`; all others are kept) or plain text",
        type=[kind[1:] for kind in KINDS],
        key="corpus_upload",
        max_upload_size=corpora.LARGEST // 2**20,
    )
    state = st.session_state
    if uploaded is None:
        kept = state.get("corpus_own")
        st.caption(
            f"Up to {corpora.LARGEST // 2**20} MB and {corpora.MOST_TEXTS:,} texts. Nothing leaves this machine."
            if kept is None
            else plain(f"In use: {kept.name}, {len(kept):,} texts.")
        )
        return kept
    if state.get("corpus_file") != uploaded.file_id:
        read = result_of(_reading_file(uploaded), "corpus file", again_label="Read it again")
        if read is None:
            return None
        state.corpus_own, state.corpus_file = read, uploaded.file_id
        on_read(read)
    return state.corpus_own


def _reading_file(uploaded) -> Job[Corpus]:
    def work(report: Report) -> Corpus:
        report("Reading the file")
        return corpora.read_file(uploaded.getvalue(), uploaded.name)

    return held(fingerprint("corpus file", uploaded.file_id), f"Reading {uploaded.name}", work)


def _draw_lines() -> Corpus | None:
    """Texts to type or paste; the draft stays while another page or other texts are looked at."""
    text = st.text_area(
        "Texts, one a line, or paragraphs with empty lines between them",
        key=DRAFT,
        height=180,
        placeholder="They sat on the grassy bank.\nShe owed money to the bank.\n…",
        persist_state="session",
    )
    if not text.strip():
        st.session_state.corpus_written = None
        st.caption("Press Ctrl+Enter when you have written some. A link does not carry them.")
        return None
    st.session_state.corpus_written = said(lambda: corpora.from_plain_text(text))
    return st.session_state.corpus_written
