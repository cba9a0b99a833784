"""Which texts are mapped, what a point is, and which layers are read."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from analysis import LoadedModel, corpora
from analysis.captures import MOST_KEPT, Estimate, estimate, spot_of
from analysis.corpora import Corpus
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.places import EACH, SPOTS
from components import session
from components.literal import plain
from components.requests import held
from components.texts_brought import BROUGHT, draw_bringing, said, shipped_names, texts_at_hand
from components.waiting import result_of

WORD = "word"
"""Id of the place that `analysis.places` does not know: every occurrence of a word."""
POINTS = {
    "last": "each text, at its last token",
    "span": "each text, at the marked word",
    "mean": "each text, on average",
    EACH: "each token",
    WORD: "each occurrence of a word",
}
"""What a point can be, by id."""
STRIDES = {1: "all layers", 2: "every second layer", 5: "every fifth layer"}
ROWS_SHOWN = 2_000


@dataclass(frozen=True, eq=False)
class Chosen:
    """What is to be read."""

    corpus: Corpus
    """As it was brought: one example per text, or per occurrence of a word."""
    spot: str
    """One of `analysis.places.SPOTS`."""
    layers: tuple[int, ...]
    most: int
    """Points at most, where every token is one."""

    def key(self, model: LoadedModel) -> str:
        """One name for this request."""
        return fingerprint(
            "corpus reading", model.fingerprint, self.corpus.fingerprint, self.spot, self.layers, self.most
        )


def change(**fields: object) -> None:
    """Change parts of the map's choices; what was drawn stays until it is asked for anew."""
    session.change(corpus=replace(session.view().corpus, **fields))


def draw_choices(model: LoadedModel) -> Chosen | None:
    """The row of choices, what brings texts of one's own, and what reading them takes.

    Returns:
        What is chosen; None while there are no texts, or no word, and what is missing is said.
    """
    texts, point, layers = st.columns([1.3, 1.3, 1])
    with texts:
        _choose("Texts", "data", shipped_names() | BROUGHT, _fit_spot)
    corpus = draw_bringing(
        session.view().corpus.data, lambda read: change(spot=spot_of(read), point=None, asked=False)
    )
    if corpus is None:
        return None
    able = _points_of(corpus)
    if session.view().corpus.spot not in able:
        change(spot=spot_of(corpus))
    with point:
        _choose("A point is", "spot", able)
    with layers:
        _choose("Layers", "stride", STRIDES)
    _draw_notes(corpus)
    view = session.view().corpus
    if view.spot == WORD and (corpus := _draw_word(corpus)) is None:
        return None
    depth = layers_of(model, view.stride)
    chosen = Chosen(corpus, "span" if view.spot == WORD else view.spot, depth, most_points(model, depth))
    _draw_estimate(model, chosen)
    return chosen


def layers_of(model: LoadedModel, stride: int) -> tuple[int, ...]:
    """Every so many layers from 0 on, and the last one in any case."""
    return tuple(sorted({*range(0, model.n_layers + 1, stride), model.n_layers}))


def most_points(model: LoadedModel, layers: tuple[int, ...]) -> int:
    """Points whose states at these layers are kept on disk beside others, at most a million."""
    return max(1, min(corpora.MOST_POINTS, MOST_KEPT // (4 * model.d_model * len(layers))))


def _points_of(corpus: Corpus) -> dict[str, str]:
    """What a point can be: at a marked word only where one is marked."""
    marked = any(span is not None for span in corpus.spans)
    return {id: name for id, name in POINTS.items() if id != "span" or marked}


def _fit_spot() -> None:
    """A set whose labels are about parts of its texts is read there."""
    corpus = texts_at_hand(session.view().corpus.data)
    if corpus is not None:
        change(spot=spot_of(corpus))


def _choose(label: str, part: str, names: Mapping, after=lambda: None) -> None:
    state, key = st.session_state, f"corpus_choice_{part}"
    state[key] = getattr(session.view().corpus, part)
    if state[key] not in names:
        state[key] = next(iter(names))
        change(**{part: state[key]})

    def tell() -> None:
        change(asked=False, point=None, **{part: state[key]})
        after()

    st.selectbox(label, list(names), format_func=names.get, key=key, on_change=tell)


def _draw_word(corpus: Corpus) -> Corpus | None:
    """The word whose occurrences are points; None while there is none."""
    state = st.session_state
    state.corpus_word = session.view().corpus.word
    st.text_input(
        "Word, or several with commas between them",
        key="corpus_word",
        placeholder="bank, spring",
        on_change=lambda: change(asked=False, point=None, word=state.corpus_word),
        help="Every whole occurrence in the texts, in capitals or not, is a point of its own.",
    )
    if not state.corpus_word.strip():
        st.caption("Type a word to see where each of its occurrences lies.")
        return None
    asked = (corpus.fingerprint, state.corpus_word)
    if state.get("corpus_occurrences", (None,))[0] != asked:  # a search of very many texts takes a second
        found = said(lambda: corpora.occurrences(corpus, state.corpus_word))
        if found is None:  # what is wrong is said at every run
            return None
        state.corpus_occurrences = (asked, found)
    return state.corpus_occurrences[1]


def _draw_notes(corpus: Corpus) -> None:
    """What was left out or guessed, and what the texts are."""
    for note in corpus.notes:
        st.caption(plain(note))
    columns = ", ".join(map(str, corpus.columns.columns)) or "no columns"
    with st.expander(plain(f"{len(corpus):,} texts; {columns}")):
        st.caption(plain(f"{corpus.source} {corpus.license}"))
        shown = pd.DataFrame({"text": corpus.texts[:ROWS_SHOWN]})
        shown = pd.concat([shown, corpus.columns.drop(columns="text", errors="ignore")[:ROWS_SHOWN]], axis=1)
        st.dataframe(shown, hide_index=True, height=260)
        if len(corpus) > ROWS_SHOWN:
            st.caption(f"The first {ROWS_SHOWN:,} are shown.")


def estimate_of(model: LoadedModel, chosen: Chosen) -> Job[Estimate]:
    """What reading will take."""

    def work(report: Report) -> Estimate:
        report("Counting tokens")
        found = estimate(model, chosen.corpus, chosen.spot, chosen.layers, first=True)
        if found.points <= max(chosen.most, len(chosen.corpus)):
            return found
        return replace(found, points=chosen.most, bytes=found.bytes * chosen.most // found.points)

    return held(fingerprint("estimate", chosen.key(model)), "Counting tokens", work)


def _draw_estimate(model: LoadedModel, chosen: Chosen) -> None:
    found = result_of(estimate_of(model, chosen), "corpus estimate")
    if found is None:
        return
    drawn = (
        f" Of all tokens {chosen.most:,} are drawn at random: read fewer layers to have more."
        if chosen.spot == EACH and found.points == chosen.most
        else ""
    )
    st.caption(
        plain(f"{found.sentence()} Read: {SPOTS[chosen.spot]}, at {len(chosen.layers)} layers.{drawn}")
    )
