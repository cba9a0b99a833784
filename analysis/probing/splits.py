"""Parts to learn from and parts to be tested on: groups stay together, classes stay balanced, no text is in both.

A probe that is tested on the sentences, templates or things it has learned from is tested on its memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int64

from analysis.errors import AnalysisError
from analysis.labelled import LabelledSet

HELD_OUT = 0.3
"""Share of the examples that are tested on."""
TRIES = 30
"""Orders in which groups are dealt out before a split is given up."""
BINS = 5
"""Equally full ranges of the first number that are balanced over the two sides."""


def split(
    groups: Sequence[str],
    targets: Int[np.ndarray, " example"] | Float[np.ndarray, "example number"],
    held_out: float = HELD_OUT,
    seed: int = 0,
) -> Bool[np.ndarray, " example"]:
    """Examples to be tested on: whole groups, about `held_out` of every class, at least one example of each.

    Groups are dealt out from the largest to the smallest, each to the side that is shortest of its classes.

    Args:
        groups: of every example.
        targets: class of every example, or its numbers; of these the first is balanced, in five ranges.
        held_out: share of the examples, between 0 and 1.
        seed: of the order among groups of one size.

    Returns:
        True where an example is held out.

    Raises:
        AnalysisError: a class has one group only, there is one group only, or groups share classes in such a way
            that no split was found.
    Misleads when: groups are few and large; then the two sides differ in more than chance.
    """
    if len(groups) != len(targets):
        raise AnalysisError(
            f"Every example needs a group and a label; given {len(groups):,} groups and {len(targets):,} labels."
        )
    if not 0 < held_out < 1:
        raise AnalysisError(f"The share held out lies between 0 and 1; given {held_out:g}. Usual is 0.3.")
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise AnalysisError(
            "All examples belong to one group, so none can be held out. Give examples of other groups."
        )
    by_class = targets.ndim == 1
    classes = targets if by_class else _ranges(targets[:, 0])
    counts = np.zeros((len(names), int(classes.max()) + 1))
    np.add.at(counts, (group, classes), 1)
    counts = counts[:, counts.any(0)]
    if by_class:
        _require_two_groups(counts, np.unique(classes))
    return _dealt(counts, held_out, np.random.default_rng(seed), by_class)[group]


@dataclass(frozen=True, eq=False)
class Parts:
    """A labelled set, divided."""

    groups: tuple[str, ...]
    """Of every example; those that share a text are one."""
    merged: int
    """Groups that were joined to others because they share a text."""
    held_out: Bool[np.ndarray, " example"]


def parts(given: LabelledSet, held_out: float = HELD_OUT, seed: int = 0) -> Parts:
    """What of a set is learned from and what is tested on: the same for everything that is fitted to it.

    Raises:
        AnalysisError: as `split` does.
    """
    groups, joined = merged(given.texts, given.groups)
    return Parts(groups, joined, split(groups, given.targets, held_out, seed))


def duplicates(texts: Sequence[str], held_out: Bool[np.ndarray, " example"]) -> tuple[str, ...]:
    """Texts that stand on both sides of a split, but for white space and case; as they are written first."""
    folded = [fold(text) for text in texts]
    both = {t for t, out in zip(folded, held_out, strict=True) if out}
    both &= {t for t, out in zip(folded, held_out, strict=True) if not out}
    first: dict[str, str] = {}
    for text, key in zip(texts, folded, strict=True):
        first.setdefault(key, text)
    return tuple(text for key, text in first.items() if key in both)


def merged(texts: Sequence[str], groups: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Groups in which all that share a text are one, and how many groups were merged away.

    Texts are compared without white space at their ends, runs of white space and case. A merged group has the
    name of its first one.
    """
    if len(texts) != len(groups):
        raise AnalysisError(
            f"Every text needs a group; given {len(texts):,} texts and {len(groups):,} groups."
        )
    parent = {group: group for group in groups}
    holder: dict[str, str] = {}
    for text, group in zip(texts, groups, strict=True):
        first, other = _root(parent, holder.setdefault(fold(text), group)), _root(parent, group)
        parent[other] = first
    joined = tuple(_root(parent, group) for group in groups)
    return joined, len(parent) - len(set(joined))


def fold(text: str) -> str:
    """The text by which two are held to be the same: case folded, white space as single blanks."""
    return " ".join(text.casefold().split())


def _root(parent: dict[str, str], group: str) -> str:
    while parent[group] != group:
        parent[group] = group = parent[parent[group]]
    return group


def _ranges(values: Float[np.ndarray, " example"]) -> Int64[np.ndarray, " example"]:
    edges = np.quantile(values, np.arange(1, BINS) / BINS)
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def _require_two_groups(counts: Float[np.ndarray, "group class"], classes: Int[np.ndarray, " class"]) -> None:
    if len(classes) < 2:
        raise AnalysisError(
            "All examples have one class, so there is nothing to tell apart. Add another class."
        )
    alone = classes[(counts > 0).sum(0) < 2]
    if len(alone):
        raise AnalysisError(
            f"All examples of class {alone[0]} belong to one group, so it can be learned or tested, not both. Give it "
            "examples of another group, or divide the group."
        )


def _dealt(
    counts: Float[np.ndarray, "group class"], share: float, random: np.random.Generator, every_class: bool
) -> Bool[np.ndarray, " group"]:
    """True for the groups held out: the most balanced of several deals that have every class on both sides."""
    best, least = None, np.inf
    for _ in range(TRIES):
        order = random.permutation(len(counts))
        held = _deal(counts, share, order[np.argsort(-counts.sum(1)[order], kind="stable")])
        cost = _imbalance(counts, held, share)
        complete = counts[held].any(0).all() and counts[~held].any(0).all()
        if cost < least and (complete or not every_class) and 0 < held.sum() < len(held):
            best, least = held, cost
    if best is None:
        raise AnalysisError(
            "No split was found that keeps groups together and has every class on both sides. Give more groups to "
            "the rarest classes, or divide large groups."
        )
    return best


def _deal(
    counts: Float[np.ndarray, "group class"], share: float, order: Int[np.ndarray, " group"]
) -> Bool[np.ndarray, " group"]:
    held = np.zeros(len(counts), bool)
    total = counts.sum(0)
    sides = np.zeros((2, len(total)))  # shares of every class that are learned from and held out
    for group in order:
        part = counts[group] / total
        costs = [_apart(sides[0] + part, sides[1], share), _apart(sides[0], sides[1] + part, share)]
        side = int(costs[1] < costs[0])
        sides[side] += part
        held[group] = side
    return _completed(counts, held, share)


def _apart(learned: np.ndarray, held: np.ndarray, share: float) -> float:
    return float(((learned / (1 - share) - held / share) ** 2).sum())


def _imbalance(counts: np.ndarray, held: np.ndarray, share: float) -> float:
    total = counts.sum(0)
    return _apart(counts[~held].sum(0) / total, counts[held].sum(0) / total, share)


def _completed(
    counts: Float[np.ndarray, "group class"], held: Bool[np.ndarray, " group"], share: float
) -> Bool[np.ndarray, " group"]:
    """The same deal with one group moved for every class that a side lacks, where that costs least."""
    held = held.copy()
    for kind in np.argsort((counts > 0).sum(0), kind="stable"):
        for side in (True, False):
            if counts[held == side, kind].any():
                continue
            able = np.flatnonzero(counts[:, kind])
            costs = [_imbalance(counts, np.where(np.arange(len(held)) == g, side, held), share) for g in able]
            held[able[int(np.argmin(costs))]] = side
    return held
