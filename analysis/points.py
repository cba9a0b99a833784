"""One row for every example that was read: which text, which token, and all that is known of it."""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis import store
from analysis.corpora.corpus import Corpus, of_labelled
from analysis.jobs import Report, silent
from analysis.labelled import LabelledSet
from analysis.models.loaded import LoadedModel
from analysis.places import Places, places, token_spans
from analysis.tokens import Tokens

FILE = "points.parquet"
OWN_COLUMNS = ("text_number", "text", "first_position", "position", "token", "start", "end")
"""Distinct text, from 0 on in the order of their first examples; the text; the positions it is read at (the mean of
all from `first_position` to `position`); the last one's token as shown on screen; its characters."""
GIVEN = "{} (given)"
"""What a column is called whose name one of these has."""


def points(
    model: LoadedModel, given: LabelledSet | Corpus, spot: str, report: Report = silent
) -> pd.DataFrame:
    """One row per example, in their order, without running the model: `OWN_COLUMNS`, then those of the corpus.

    Args:
        model: whose tokens.
        given: the examples.
        spot: where they are read, one of `places.SPOTS`.
        report: progress in texts; raises `Cancelled` to stop.

    Raises:
        AnalysisError: a text is too long for the model or for memory; its number is named.
    """
    return _table(_corpus(given), places(model, given, spot, report))


def keep_points(place: Path, given: LabelledSet | Corpus, texts: list[tuple[Tokens, Places]]) -> None:
    """Write the same table beside states in a folder, unless it lies there.

    Raises:
        AnalysisError: the disk is full.
    """
    corpus = _corpus(given)
    if store.mark_of(place / FILE) != corpus.fingerprint:
        store.write_table(place / FILE, _table(corpus, texts), corpus.fingerprint)


def kept_points(key: str) -> pd.DataFrame:
    """The table that lies beside states, by their key.

    Raises:
        AnalysisError: there is none, or it is damaged.
    """
    return store.read_table(store.home() / "states" / key / FILE)


def _corpus(given: LabelledSet | Corpus) -> Corpus:
    return of_labelled(given) if isinstance(given, LabelledSet) else given


def _table(corpus: Corpus, texts: list[tuple[Tokens, Places]]) -> pd.DataFrame:
    count = len(corpus)
    where = np.zeros((5, count), np.int64)
    labels = np.empty(count, object)
    for number, (tokens, examples) in enumerate(texts):
        spans = token_spans(tokens, corpus.texts[examples[0][0]])
        shown = tokens.labels
        for example, positions in examples:
            first, last = positions[0], positions[-1]
            where[:, example] = number, first, last, spans[first, 0], spans[last, 1]
            labels[example] = shown[last]
    own = dict(
        zip(
            OWN_COLUMNS,
            (where[0], list(corpus.texts), where[1], where[2], labels, where[3], where[4]),
            strict=True,
        )
    )
    given = {GIVEN.format(name) if name in own else name: corpus.columns[name] for name in corpus.columns}
    return pd.DataFrame(own | given)
