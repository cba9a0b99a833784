"""The tokens that rules are made from: which words stand at, before, behind and near each of them."""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool

from analysis.dictionaries.labels.words import Groups, Words

NEAR = 24
"""Tokens before, among which a word is near."""
NEAR_COUNTS = (8, 0.004)
"""How often a word must occur to be one of a topic, and the share of the tokens at which it is too common for one."""
PAIR_COUNT = 8
"""How often two words must follow each other to be looked at as a pair."""


@dataclass(frozen=True, eq=False)
class Text:
    """The tokens from which rules are made, and where each word stands before, at and behind them."""

    words: Words
    counts: Bool[np.ndarray, " point"]
    learning: Bool[np.ndarray, " point"]
    """Counting tokens on which rules are chosen; the other counting ones judge them."""
    topics: Groups = field(init=False)
    near: sp.csr_array = field(init=False)
    """Which words of a topic stand within the last tokens (point, topic)."""
    pairs: tuple[str, ...] = field(init=False)
    """Names of two words that follow each other often."""
    paired: sp.csr_array = field(init=False)
    """Which pair ends at each token (point, pair)."""

    def __post_init__(self):
        topics = _topics(self.words)
        names, paired = _pairs(self.words)
        made = {"topics": topics, "near": _near(self.words, topics), "pairs": names, "paired": paired}
        for name, value in made.items():
            object.__setattr__(self, name, value)

    @property
    def judging(self) -> Bool[np.ndarray, " point"]:
        """Counting tokens that were not learned from."""
        return self.counts & ~self.learning


def _topics(words: Words) -> Groups:
    """Words with a meaning of their own: of letters, neither rare nor everywhere."""
    often = np.asarray(np.bincount(words.at, minlength=words.count) @ words.plain.members).ravel()
    fewest, share = NEAR_COUNTS
    kept = [
        place
        for place, name in enumerate(words.plain.names)
        if fewest <= often[place] <= max(share * len(words.at), fewest) and name.isalpha() and len(name) > 2
    ]
    return Groups(tuple(words.plain.names[place] for place in kept), words.plain.members[:, kept].tocsr())


def _near(words: Words, topics: Groups) -> sp.csr_array:
    total = words.there(0) @ topics.members
    for shift in range(1, NEAR):
        total = total + words.there(-shift) @ topics.members
    total = total.tocsr()
    total.data[:] = 1
    return total


def _pairs(words: Words) -> tuple[tuple[str, ...], sp.csr_array]:
    """Pairs of words, whatever their case and the spaces around them."""
    plain, size = words.plain.members.indices, len(words.plain.names)  # a word is in one group
    inside = np.flatnonzero(words.position > 0)
    before, here = plain[words.at[inside - 1]].astype(np.int64), plain[words.at[inside]]
    known, first, at, often = np.unique(
        before * size + here, return_index=True, return_inverse=True, return_counts=True
    )
    kept = np.flatnonzero(often >= PAIR_COUNT)
    number = np.full(len(known), -1)
    number[kept] = np.arange(len(kept))
    columns, points = number[at], inside
    columns, points = columns[columns >= 0], points[columns >= 0]
    offsets = np.searchsorted(points, np.arange(len(words.at) + 1))
    shape = (len(words.at), len(kept))
    names = tuple(_pair(words, int(point)) for point in inside[first[kept]])
    return names, sp.csr_array((np.ones(len(columns), np.float32), columns, offsets), shape=shape)


def _pair(words: Words, point: int) -> str:
    """Two words as they stand: with a space between where there is one."""
    plain, (last, here) = words.plain, words.at[point - 1 : point + 1]
    names = [plain.names[plain.members.indices[word]] for word in (last, here)]
    return (" " if words.texts[here][:1] == " " else "").join(names)
