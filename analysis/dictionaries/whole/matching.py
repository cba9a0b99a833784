"""Which feature of one dictionary is which of another, and whether the two arrange them alike."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from analysis.dictionaries.firing.firings import Firings
from analysis.dictionaries.whole.agreement import Agreement, agreement
from analysis.dictionaries.whole.spectral import unit
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent

SOURCE = "Lan et al. 2024 (Sparse Autoencoders Reveal Universal Feature Spaces), arXiv 2410.06981"
MISLEADS = (
    "Features of single tokens correlate in any two layers, because the text is the same: a high correlation does not "
    "say that they do the same. Canonical correlations of few pairs in many dimensions are high for anything: read the "
    "difference from random pairing, never the number itself."
)
ROWS = 256
"""Features that are correlated with all others at a time."""
FEWEST_TOKENS = 10
"""At which a feature fires, for its correlation to mean anything."""

By = Literal["activations", "directions"]


@dataclass(frozen=True, eq=False)
class Matching:
    """Pairs of features of two dictionaries."""

    by: By
    one: Int64[np.ndarray, " pair"]
    """Features of the first, ascending."""
    other: Int64[np.ndarray, " pair"]
    """Each one's partner in the second: every feature of it is taken once at most."""
    similarity: Float32[np.ndarray, " pair"]
    """Pearson correlation of activations, or cosine of directions: -1 to 1."""
    best: Float32[np.ndarray, " feature"]
    """Of every feature of the first that was compared, the highest similarity, before several were left with one."""
    best_null: Float32[np.ndarray, " feature"]
    """The same where nothing matches: tokens shifted against each other, or random directions."""
    compared: tuple[int, int]
    """Features of each that fire often enough, or all."""
    agreement: Agreement | None
    """Of the paired directions; None where there are too few pairs."""

    def __post_init__(self):
        for values in (self.one, self.other, self.similarity, self.best, self.best_null):
            values.flags.writeable = False


def require_same_tokens(one: Firings, other: Firings) -> None:
    """Refuse firings that are not of the same tokens: activations are compared token by token.

    Raises:
        AnalysisError: other texts, stretches of other lengths, or another tokenizer.
    """
    if not (len(one.ids) == len(other.ids) and np.array_equal(one.ids, other.ids)):
        raise AnalysisError(
            f"Features are matched token by token, and these two dictionaries read different tokens ({len(one.ids):,} "
            f"and {len(other.ids):,}). Use the same texts, and models with the same tokenizer."
        )


def match_activations(
    one: Firings,
    other: Firings,
    directions: tuple[Float32[np.ndarray, "feature d_model"], Float32[np.ndarray, "feature2 d_model2"]],
    seed: int = 0,
    report: Report = silent,
) -> Matching:
    """Pair features by the highest correlation of their activations over the same tokens.

    Every feature of the first dictionary is given the feature of the second that correlates most with it. Where several
    are given the same, the one that correlates most keeps it, and the others have no partner.

    Args:
        one: activations of the first dictionary.
        other: of the second, over the same tokens.
        directions: decoder rows of both; they may live in different spaces.
        seed: of the shift of tokens and of random pairings.
        report: progress in features; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the tokens differ, or too few features fire often enough.

    Source: Lan et al. 2024, arXiv 2410.06981.
    Misleads when: see `MISLEADS`.
    """
    require_same_tokens(one, other)
    counts = one.counts & other.counts
    first, second = _frequent(one, counts), _frequent(other, counts)
    tables = one.by_token[np.flatnonzero(counts)][:, first], other.by_token[np.flatnonzero(counts)][:, second]
    if min(len(first), len(second)) < 2:
        raise AnalysisError(
            f"{len(first)} and {len(second)} features fire at {FEWEST_TOKENS} tokens or more; at least 2 of each are "
            "needed. Read more text."
        )
    best, where = highest_correlations(*tables, report)
    shift = int(np.random.default_rng(seed).integers(len(one) // 4, len(one) // 2 + 1))
    null, _ = highest_correlations(tables[0], _rolled(tables[1], shift), report)
    return _paired("activations", first, second, where, best, null, directions, seed, report)


def match_directions(
    one: Float32[np.ndarray, "feature d_model"],
    other: Float32[np.ndarray, "feature2 d_model2"],
    seed: int = 0,
    report: Report = silent,
) -> Matching:
    """Pair features of one site by the highest cosine of their directions.

    Args:
        one: decoder rows of the first dictionary.
        other: of the second.
        seed: of random directions and pairings.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the widths differ.

    Misleads when: the two read different layers: a direction need not mean the same there.
    """
    if one.shape[1] != other.shape[1]:
        raise AnalysisError(
            f"Directions of {one.shape[1]} and of {other.shape[1]} numbers cannot be compared. Match by activations."
        )
    report("Comparing directions", 0, 2)
    best, where = _highest_cosines(one, other)
    random = np.random.default_rng(seed).standard_normal(other.shape).astype(np.float32)
    null, _ = _highest_cosines(one, random)
    every = np.arange(len(one)), np.arange(len(other))
    return _paired("directions", *every, where, best, null, (one, other), seed, report)


@threadpool_limits.wrap(limits=1, user_api="blas")
def highest_correlations(
    one: csr_array, other: csr_array, report: Report = silent
) -> tuple[Float32[np.ndarray, " feature"], Int64[np.ndarray, " feature"]]:
    """Of every column of one sparse table, the highest Pearson correlation with a column of another, and whose it is.

    Args:
        one: (token, feature).
        other: (token, feature2), the same tokens.
        report: progress in features.
    """
    count = one.shape[0]
    means, spreads = zip(*(_moments(each) for each in (one, other)), strict=True)
    turned = one.T.tocsr()
    best, where = np.empty(one.shape[1], np.float32), np.empty(one.shape[1], np.int64)
    for begin in range(0, one.shape[1], ROWS):
        report("Correlating features", begin, one.shape[1])
        own = slice(begin, begin + ROWS)
        products = (turned[own] @ other).toarray().astype(np.float64) / count
        table = (products - np.outer(means[0][own], means[1])) / np.outer(spreads[0][own], spreads[1])
        where[own] = table.argmax(1)
        best[own] = np.clip(table.max(1), -1, 1)
    return best, where


def one_to_one(
    where: Int64[np.ndarray, " feature"], best: Float32[np.ndarray, " feature"]
) -> Int64[np.ndarray, " pair"]:
    """Rows that keep their partner: of several with the same one, the most similar, ties by number."""
    order = np.lexsort((np.arange(len(where)), -best))
    _, first = np.unique(where[order], return_index=True)
    return np.sort(order[first]).astype(np.int64)


def _paired(by: By, first, second, where, best, null, directions, seed: int, report: Report) -> Matching:
    kept = one_to_one(where, best)
    one, other = first[kept].astype(np.int64), second[where[kept]].astype(np.int64)
    found = agreement(directions[0][one], directions[1][other], seed, report)
    return Matching(by, one, other, best[kept], best, null, (len(first), len(second)), found)


def _frequent(fired: Firings, counts: np.ndarray) -> np.ndarray:
    own = fired.by_token[np.flatnonzero(counts)]
    return np.flatnonzero(np.bincount(own.indices, minlength=fired.width) >= FEWEST_TOKENS)


def _rolled(table: csr_array, shift: int) -> csr_array:
    return table[np.roll(np.arange(table.shape[0]), shift)]


def _moments(table: csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every column."""
    count = table.shape[0]
    mean = np.bincount(table.indices, table.data, table.shape[1]) / count
    square = np.bincount(table.indices, table.data.astype(np.float64) ** 2, table.shape[1]) / count
    return mean, np.sqrt(np.maximum(square - mean**2, 1e-12))


@threadpool_limits.wrap(limits=1, user_api="blas")
def _highest_cosines(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, others = unit(one), unit(other)
    best, where = np.empty(len(rows), np.float32), np.empty(len(rows), np.int64)
    for begin in range(0, len(rows), ROWS):
        table = rows[begin : begin + ROWS] @ others.T
        where[begin : begin + ROWS], best[begin : begin + ROWS] = table.argmax(1), table.max(1)
    return best, where
