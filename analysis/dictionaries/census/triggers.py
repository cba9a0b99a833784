"""The few tokens, pairs and triples of tokens at which a neuron is active."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from analysis.dictionaries.census.tally import Activity

ORDERS = (1, 2, 3)
"""Tokens of a trigger, in the order they are tried."""
TRIGGERS = 5
"""At most, of a neuron."""


@dataclass(frozen=True, eq=False)
class Grams:
    """The distinct sequences of so many tokens in a text, and which one ends at each token."""

    number: Int32[np.ndarray, " token"]
    """Of the sequence that ends here."""
    ids: Int32[np.ndarray, "gram length"]
    """Token ids of every distinct one; -1 before a window's beginning."""


@dataclass(frozen=True, eq=False)
class Triggers:
    """The most frequent triggers of every neuron."""

    coverage: Float32[np.ndarray, " neuron"]
    """Share of its peaks at those of `ids`; 0 where it was not asked for."""
    ids: Int32[np.ndarray, "neuron trigger length"]
    hits: Int32[np.ndarray, "neuron trigger"]
    """Peaks at each, most first."""
    share: Float32[np.ndarray, " neuron"]
    """Of all places where a trigger's last token stands, the share at which the whole trigger does."""


def grams(windows: Sequence[tuple[int, ...]], order: int) -> Grams:
    """Every sequence of `order` tokens that ends behind a window's first token."""
    found = []
    for ids in windows:
        padded = np.array((-1,) * (order - 1) + tuple(ids), np.int32)
        found.append(np.lib.stride_tricks.sliding_window_view(padded, order)[1:])
    distinct, number = np.unique(np.concatenate(found), axis=0, return_inverse=True)
    return Grams(number.ravel().astype(np.int32), distinct)


def triggers(
    activity: Activity,
    text: Grams,
    wanted: Bool[np.ndarray, " neuron"],
    dealt: Int32[np.ndarray, " token"] | None = None,
) -> Triggers:
    """The sequences at whose ends each neuron peaks most often.

    Five pairs can never cover more than the five tokens they end with. What tells a neuron of pairs from one of tokens
    is `share`: one that followed the tokens alone would peak at the other places where these stand as well.

    Args:
        activity: of one layer.
        text: of the same tokens.
        wanted: neurons to look at.
        dealt: another token for each, whose sequence it takes: the control.
    """
    numbers = text.number if dealt is None else text.number[dealt]
    able = wanted & (activity.peaks <= _most(activity, numbers))
    columns = np.flatnonzero(able)
    neuron, token = activity.where(columns)
    pairs, counts = np.unique(neuron * np.int64(len(text.ids)) + numbers[token], return_counts=True)
    neuron, gram = np.divmod(pairs, len(text.ids))
    order = np.lexsort((gram, -counts, neuron))
    rank = _rank_within(neuron[order])
    top = order[rank < TRIGGERS]
    return _of_all(activity, text, columns[neuron[top]], rank[rank < TRIGGERS], gram[top], counts[top])


def _most(activity: Activity, numbers: Int32[np.ndarray, " token"]) -> int:
    """Peaks that five sequences could cover at all, with a twentieth on top: of more there is no need to count."""
    there = np.sort(np.bincount(numbers[activity.counting]))[-TRIGGERS:]
    return int(there.sum() / 0.95) + 1


def _rank_within(neuron: Int64[np.ndarray, " pair"]) -> Int64[np.ndarray, " pair"]:
    """0, 1, 2, ... within each run of the same number."""
    places = np.arange(len(neuron))
    begins = np.r_[True, neuron[1:] != neuron[:-1]] if len(neuron) else np.zeros(0, bool)
    return places - np.maximum.accumulate(np.where(begins, places, 0))


def _of_all(
    activity: Activity,
    text: Grams,
    neuron: Int64[np.ndarray, " pair"],
    rank: Int64[np.ndarray, " pair"],
    gram: Int64[np.ndarray, " pair"],
    counts: Int64[np.ndarray, " pair"],
) -> Triggers:
    """The chosen pairs as rows of all neurons."""
    every = len(activity.peaks)
    hits = np.zeros((every, TRIGGERS), np.int32)
    chosen = np.full((every, TRIGGERS), -1, np.int32)
    hits[neuron, rank], chosen[neuron, rank] = counts, gram
    ids = np.where(chosen[:, :, None] < 0, -1, text.ids[chosen])
    coverage = hits.sum(1) / np.maximum(activity.peaks, 1)
    share = _share(text, chosen, activity.counting)
    return Triggers(coverage.astype(np.float32), ids.astype(np.int32), hits, share)


def _share(
    text: Grams, chosen: Int32[np.ndarray, "neuron trigger"], counting: Bool[np.ndarray, " token"]
) -> Float32[np.ndarray, " neuron"]:
    """Places of the triggers over places of their last tokens, each token once; 1 where there is no trigger."""
    whole = np.bincount(text.number[counting], minlength=len(text.ids))
    endings, number = np.unique(text.ids[:, -1], return_inverse=True)
    ending = np.bincount(number.ravel(), whole, len(endings))
    last = np.where(chosen < 0, -1, number.ravel()[chosen])
    again = np.tril(last[:, :, None] == last[:, None, :], -1).any(2)
    there = np.where((last < 0) | again, 0, ending[last]).sum(1)
    found = np.where(chosen < 0, 0, whole[chosen]).sum(1)
    return np.divide(found, there, out=np.ones(len(chosen)), where=there > 0).astype(np.float32)
