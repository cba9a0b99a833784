"""Standardised differences of many numbers between two kinds of examples, and what chance makes of them."""

import numpy as np
from jaxtyping import Bool, Float32, Float64

from analysis.jobs import Report, silent
from analysis.numerics import in_chunks

DRAWS = 200
"""Of the examples, for an interval."""
LEAST_SPREAD = 0.05
"""Quantile of the features' spreads that is added to each: what hardly varies would be infinitely far apart."""
AT_ONCE = 20
"""Labellings or draws that are worked out together."""


class Effects:
    """Differences of means over the spread within kinds, of the same values under many labellings.

    Args:
        values: of every example; what does not vary has no effect under any labelling.

    Source: Tusher, Tibshirani & Chu 2001, PNAS 98 (a least spread is added to each).
    Misleads when: a number is nearly always 0: its spread is then small, and so is its chance to be compared well.
    """

    def __init__(self, values: Float32[np.ndarray, "example feature"]):
        own = values.astype(np.float64)
        self._values = own - own.mean(0)  # sums of squares lose less this way
        self._squares = self._values**2
        spread = np.sqrt(self._squares.mean(0))
        varies = spread[spread > 0]
        self._least = float(np.quantile(varies, LEAST_SPREAD)) if len(varies) else 1.0

    def of(
        self, labellings: Bool[np.ndarray, "labelling example"], report: Report = silent
    ) -> Float64[np.ndarray, "labelling feature"]:
        """True is the first kind, and every example counts once."""
        sizes = labellings.sum(1, keepdims=True).astype(np.float64)
        others = labellings.shape[1] - sizes
        total = self._squares.sum(0)
        found = []
        for part in in_chunks(len(labellings), AT_ONCE):
            report("Comparing shuffled labels", part.start, len(labellings))
            sums = labellings[part].astype(np.float64) @ self._values
            # the values are centred, so the others sum to minus that
            means = sums / sizes[part], -sums / others[part]
            found.append(self._effect(means, (sizes[part], others[part]), total))
        return np.concatenate(found)

    def drawn(
        self, first: Float64[np.ndarray, "draw example"], second: Float64[np.ndarray, "draw example"]
    ) -> Float64[np.ndarray, "draw feature"]:
        """Every example of each kind counts as often as its weights say."""
        sizes = first.sum(1, keepdims=True), second.sum(1, keepdims=True)
        means = first @ self._values / sizes[0], second @ self._values / sizes[1]
        return self._effect(means, sizes, (first + second) @ self._squares)

    def _effect(self, means: tuple, sizes: tuple, squares: np.ndarray) -> Float64[np.ndarray, "draw feature"]:
        scatter = squares - sizes[0] * means[0] ** 2 - sizes[1] * means[1] ** 2
        freedom = np.maximum(sizes[0] + sizes[1] - 2, 1)
        return (means[0] - means[1]) / (np.sqrt(np.maximum(scatter, 0) / freedom) + self._least)


def interval(
    effects: Effects,
    first: Bool[np.ndarray, " example"],
    groups: tuple[str, ...],
    seed: int,
    report: Report,
) -> tuple[Float64[np.ndarray, " feature"], Float64[np.ndarray, " feature"]]:
    """2.5% and 97.5% of the effect over groups drawn again, those of one kind or of both among themselves.

    Args:
        effects: of the examples.
        first: True for those of the first kind.
        groups: which examples are drawn together.
        seed: of the draws.
        report: progress; raises `Cancelled` to stop.

    Source: Efron & Tibshirani 1993, An Introduction to the Bootstrap (cluster bootstrap, percentiles).
    Misleads when: there are few groups (below about 20): the interval is then too narrow.
    """
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    kind = np.zeros(len(names), np.int64)
    np.bitwise_or.at(kind, group, np.where(first, 1, 2))
    random = np.random.default_rng(seed)
    drawn = np.zeros((DRAWS, len(names)))
    for each in np.unique(kind):
        own = np.flatnonzero(kind == each)
        drawn[:, own] = random.multinomial(len(own), np.full(len(own), 1 / len(own)), size=DRAWS)
    found = []
    for part in in_chunks(DRAWS, AT_ONCE):
        report("Drawing texts again", part.start, DRAWS)
        weights = drawn[part][:, group]
        found.append(effects.drawn(weights * first, weights * ~first))
    low, high = np.quantile(np.concatenate(found), [0.025, 0.975], axis=0)
    return low, high


def chances(
    effect: Float64[np.ndarray, " feature"], null: Float64[np.ndarray, "shuffle feature"]
) -> tuple[Float64[np.ndarray, " feature"], Float64[np.ndarray, " feature"]]:
    """How often chance makes such effects.

    Args:
        effect: sizes that were found.
        null: sizes under shuffled labels.

    Returns:
        p, the share of shuffles, the true order among them, in which any feature reaches the size; and q, the false
        findings that shuffles lead one to expect among all that reach it, over how many do: 0 to 1, never rising with
        the size.

    Source: Westfall & Young 1993, Resampling-Based Multiple Testing; Tusher, Tibshirani & Chu 2001, PNAS 98.
    """
    shuffles = len(null)
    largest = np.sort(null.max(1))
    p = (1 + shuffles - np.searchsorted(largest, effect, side="left")) / (1 + shuffles)
    every = np.sort(null, axis=None)
    false = (len(every) - np.searchsorted(every, effect, side="left")) / shuffles
    order = np.argsort(-effect, kind="stable")
    ties = np.searchsorted(np.sort(-effect), -effect, side="right")
    ratio = (false / ties)[order]
    q = np.empty_like(ratio)
    q[order] = np.minimum.accumulate(ratio[::-1])[::-1].clip(max=1)
    return p, q
