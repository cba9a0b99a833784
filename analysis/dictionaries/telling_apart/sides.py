"""Two kinds of texts to be told apart: those with a label and the others, or two collections."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int64

from analysis.corpora.columns import as_classes
from analysis.corpora.corpus import Corpus
from analysis.errors import AnalysisError
from analysis.labelled import LabelledSet
from analysis.probing.splits import merged

MOST_OF_SIDE = 400
"""Texts of one side; of more some are drawn."""
FEWEST_OF_SIDE = 4
GROUP = "group"
"""Column of a table that says which texts stay together."""
OTHERS = "all others"


@dataclass(frozen=True, eq=False)
class TwoSides:
    """Examples of two kinds."""

    names: tuple[str, str]
    corpus: Corpus
    """The examples of both."""
    first: Bool[np.ndarray, " example"]
    """True for those of the first kind."""
    groups: tuple[str, ...]
    """Which examples stay together in a shuffle or a draw: what shares a text, a template or a thing."""
    drawn: tuple[int, int] = (0, 0)
    """How many there were of each kind, before some were drawn."""

    def __post_init__(self):
        for name, count in zip(self.names, self.counts, strict=True):
            if count < FEWEST_OF_SIDE:
                raise AnalysisError(
                    f"Telling two things apart needs at least {FEWEST_OF_SIDE} texts of each; {name!r} has {count}. "
                    "Add texts, or choose something else."
                )
        self.first.flags.writeable = False

    @property
    def counts(self) -> tuple[int, int]:
        """Examples of each kind."""
        return int(self.first.sum()), int((~self.first).sum())


def of_label(
    corpus: Corpus, column: str, first: str, second: str | None = None, *, seed: int = 0
) -> TwoSides:
    """The examples with one value in a column, and those with another one or with any other.

    Args:
        corpus: the examples; those that share a text, or a cell of a column `group`, stay together.
        column: of classes.
        first: a value of it.
        second: another one; None is all others.
        seed: of the draw, where a side has more than `MOST_OF_SIDE`.

    Raises:
        AnalysisError: there is no such column or value, or a side has too few examples.
    """
    _require_column(corpus, column)
    values = as_classes(corpus.columns[column]).to_numpy()
    wanted = {first} if second is None else {first, second}
    unknown = sorted(wanted - set(values))
    if unknown or first == second:
        raise AnalysisError(
            f"Choose two different values of {column!r}; given {first!r} and {second!r}, and there are "
            f"{', '.join(sorted(set(values))[:12])}."
        )
    rest = values != first if second is None else values == second
    sides = np.flatnonzero(values == first), np.flatnonzero(rest)
    return _two_sides((first, second or OTHERS), corpus, sides, seed)


def of_corpora(first: Corpus, second: Corpus, *, seed: int = 0) -> TwoSides:
    """Two collections of texts, each read as a whole.

    Args:
        first: texts of one kind.
        second: texts of the other.
        seed: of the draw, where a side has more than `MOST_OF_SIDE`.

    Raises:
        AnalysisError: the same text is in both, or one has too few.
    """
    shared = set(first.texts) & set(second.texts)
    if shared:
        raise AnalysisError(
            f"{len(shared):,} of the texts are on both sides, such as {min(shared)[:60]!r}. Remove them from one."
        )
    texts = tuple(dict.fromkeys(first.texts)), tuple(dict.fromkeys(second.texts))
    both = Corpus(
        "two", f"{first.name} and {second.name}", texts[0] + texts[1], source="Two collections of texts."
    )
    rows = np.arange(len(both))
    sides = rows[: len(texts[0])], rows[len(texts[0]) :]
    return _two_sides(("A: " + first.name, "B: " + second.name), both, sides, seed)


def as_labelled(corpus: Corpus, column: str) -> LabelledSet:
    """The examples of a corpus with one of its columns as their classes; those without a value are left out.

    Args:
        corpus: the examples; a column `group` says which of them stay together.
        column: of classes.

    Raises:
        AnalysisError: there is no such column, it has one class, or a class has one example.
    """
    _require_column(corpus, column)
    filled = corpus.columns[column].notna().to_numpy()
    if not filled.any():
        raise AnalysisError(f"The column {column!r} is empty; choose another one.")
    chosen = corpus.taking(np.flatnonzero(filled).tolist())
    values = as_classes(chosen.columns[column])
    names = tuple(sorted(values.unique()))
    grouped = GROUP in chosen.columns and column != GROUP
    return LabelledSet(
        id=corpus.id,
        name=corpus.name,
        question=f"What is {column} in {corpus.name}?",
        texts=chosen.texts,
        targets=values.map(names.index).to_numpy(np.int64),
        classes=names,
        groups=tuple(chosen.columns[GROUP].astype(str)) if grouped else (),
        spans=chosen.spans,
        license=corpus.license,
        source=corpus.source,
    )


def _require_column(corpus: Corpus, column: str) -> None:
    if column not in corpus.columns:
        known = ", ".join(map(str, corpus.columns.columns)) or "none"
        raise AnalysisError(f"There is no column {column!r} to tell apart by; there are: {known}.")


def _two_sides(
    names: tuple[str, str],
    corpus: Corpus,
    sides: tuple[Int64[np.ndarray, " one"], Int64[np.ndarray, " other"]],
    seed: int,
) -> TwoSides:
    random = np.random.default_rng(seed)
    kept = [np.sort(random.permutation(side)[:MOST_OF_SIDE]) for side in sides]
    chosen = corpus.taking(np.concatenate(kept).tolist())
    own = chosen.columns[GROUP].astype(str) if GROUP in chosen.columns else pd.Series(chosen.texts)
    groups, _ = merged(chosen.texts, tuple(own))
    return TwoSides(
        names,
        chosen,
        np.arange(len(chosen)) < len(kept[0]),
        groups,
        (len(sides[0]), len(sides[1])),
    )
