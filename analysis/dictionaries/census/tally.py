"""Where the neurons of one layer are active, counted while texts go by."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

LOUD = 0.05
"""Share of all values of a layer that pass its level."""
PEAKS = 0.01
"""Share of a neuron's own values that are its peaks."""
PLACED = 0.05
"""Share of a neuron's own values that its place is read from."""


@dataclass(frozen=True, eq=False)
class Rule:
    """From which magnitude on each neuron of a layer counts as active."""

    rectified: bool
    """True where no value is below zero: active is above zero, whatever for."""
    loud: Float32[np.ndarray, " neuron"]
    """For how often it is active: the layer's level over the length of what the neuron writes."""
    peak: Float32[np.ndarray, " neuron"]
    """For triggers."""
    placed: Float32[np.ndarray, " neuron"]
    """For the position."""


def rule_of(values: Float32[np.ndarray, "token neuron"], lengths: Float32[np.ndarray, " neuron"]) -> Rule:
    """The rule that a sample of activations sets.

    Args:
        values: activations.
        lengths: of what one unit of each neuron writes.
    """
    if values.min() >= 0:
        zeros = np.zeros(values.shape[1], np.float32)
        return Rule(True, zeros, zeros, zeros)
    sizes = np.abs(values)
    written = (sizes * lengths).ravel()
    level = np.partition(written, _rank(LOUD, len(written)))[_rank(LOUD, len(written))]
    ranks = [_rank(share, len(sizes)) for share in (PEAKS, PLACED)]
    ordered = np.partition(sizes, ranks, axis=0)
    return Rule(False, level / np.maximum(lengths, 1e-30), ordered[ranks[0]], ordered[ranks[1]])


@dataclass(frozen=True, eq=False)
class Activity:
    """What was counted of one layer."""

    frequency: Float32[np.ndarray, " neuron"]
    """Share of tokens at which it is active."""
    peaks: Int64[np.ndarray, " neuron"]
    bits: tuple[np.ndarray, ...]
    """Peaks of tokens that came together, eight tokens in a byte; zero at those that do not count."""
    together: tuple[int, ...]
    """How many tokens came together."""
    information: Float32[np.ndarray, " neuron"]
    """About the position, in nats, less the bias."""
    shuffled_information: Float32[np.ndarray, " neuron"]
    """The same over positions that were dealt anew."""
    counting: Bool[np.ndarray, " token"]
    rectified: bool

    @property
    def tokens(self) -> int:
        """That count."""
        return int(self.counting.sum())

    def where(
        self, neurons: Int64[np.ndarray, " chosen"]
    ) -> tuple[Int64[np.ndarray, " peak"], Int64[np.ndarray, " peak"]]:
        """Every peak of these neurons: which of them, and at which token."""
        found, before = [], 0
        for bits, count in zip(self.bits, self.together, strict=True):
            token, neuron = np.nonzero(np.unpackbits(bits[:, neurons], axis=0, count=count))
            found.append((neuron, token + before))
            before += count
        neuron, token = (np.concatenate(each) for each in zip(*found, strict=True))
        return neuron, token


class Tally:
    """Counts of one layer: bits of peaks, and activity by position; memory grows by an eighth of a byte a value.

    Args:
        rule: what counts as active.
        positions: of every token that will come, in order.
        dealt: another token for every token, whose position it takes in the control.
    """

    def __init__(
        self, rule: Rule, positions: Int32[np.ndarray, " token"], dealt: Int32[np.ndarray, " token"]
    ):
        self._rule = rule
        self._both = positions, positions[dealt]
        self._seen = 0
        self._loud, self._peaks = (np.zeros(len(rule.loud), np.int64) for _ in range(2))
        # a row for every position, for the text and for the control
        shape = int(positions.max()) + 1, len(rule.loud)
        self._placed = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
        self._bits: list[np.ndarray] = []
        self._counting: list[np.ndarray] = []

    def add(self, values: Float32[np.ndarray, "token neuron"], counting: Bool[np.ndarray, " token"]) -> None:
        """Count the next tokens; those that do not count leave a gap."""
        sizes = np.abs(values)
        here = slice(self._seen, self._seen + len(values))
        self._loud += (sizes[counting] > self._rule.loud).sum(0)
        placed = (sizes > self._rule.placed) & counting[:, None]
        for sums, positions in zip(self._placed, self._both, strict=True):
            _add_by(sums, positions[here], placed)
        peaked = (sizes > self._rule.peak) & counting[:, None]
        self._peaks += peaked.sum(0)
        self._bits.append(np.packbits(peaked, axis=0))
        self._counting.append(counting)
        self._seen += len(values)

    def activity(self) -> Activity:
        """What was counted; all tokens have come."""
        counting = np.concatenate(self._counting)
        information, shuffled = (
            information_of(sums, np.bincount(positions[counting], minlength=len(sums)))
            for sums, positions in zip(self._placed, self._both, strict=True)
        )
        return Activity(
            frequency=(self._loud / counting.sum()).astype(np.float32),
            peaks=self._peaks,
            bits=tuple(self._bits),
            together=tuple(map(len, self._counting)),
            information=information.astype(np.float32),
            shuffled_information=shuffled.astype(np.float32),
            counting=counting,
            rectified=self._rule.rectified,
        )


def information_of(
    active: Int32[np.ndarray, "position neuron"], tokens: Int64[np.ndarray, " position"]
) -> Float64[np.ndarray, " neuron"]:
    """Nats that being active or not says about the position, less the bias (positions - 1) / (2 tokens).

    Args:
        active: tokens at every position at which a neuron is active.
        tokens: tokens there are at every position; positions without any do not count.

    Source: Voita, Ferrando & Nalmpantis 2023, arXiv 2309.04827; the bias is Miller's 1955.
    Misleads when: there are few tokens for each position.
    """
    there = tokens > 0
    counts, share = tokens[there].astype(np.float64), tokens[there] / tokens.sum()
    rates = active[there] / counts[:, None]
    usual = share @ rates
    found = share @ (_surprise(rates, usual) + _surprise(1 - rates, 1 - usual))
    return found - (len(counts) - 1) / (2 * counts.sum())


def _surprise(rates: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """The rates times ln(rate / usual), which is 0 at rate 0."""
    ratio = np.divide(rates, usual, out=np.ones_like(rates), where=rates > 0)
    return rates * np.log(ratio)


def _rank(share: float, count: int) -> int:
    """Index, in rising order, of the value that a share of them passes."""
    return min(count - 1, int(np.ceil((1 - share) * count)) - 1)


def _add_by(
    sums: Int32[np.ndarray, "position neuron"],
    positions: Int32[np.ndarray, " token"],
    active: Bool[np.ndarray, "token neuron"],
) -> None:
    """Add every token's row to that of its position."""
    order = np.argsort(positions, kind="stable")
    there, first = np.unique(positions[order], return_index=True)
    sums[there] += np.add.reduceat(active[order], first, axis=0, dtype=np.int32)
