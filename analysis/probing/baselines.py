"""Labels that mean nothing: what a probe scores on them is what its score on real ones has to beat."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from analysis.labelled import LabelledSet
from analysis.probing.splits import fold


def shuffled(
    targets: Shaped[np.ndarray, "example *number"], groups: Sequence[str], seed: int
) -> Shaped[np.ndarray, "example *number"]:
    """The same labels in another order, dealt out group by group.

    Groups are taken in a random order, each with its labels in a random order, and handed on to the groups as
    they stand. Labels that go together stay together, so the copy is as easy to learn by heart.
    """
    random = np.random.default_rng(seed)
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    rank = random.permutation(int(group.max()) + 1)
    mixed = random.permutation(len(group))
    given = mixed[np.argsort(rank[group[mixed]], kind="stable")]
    result = np.empty_like(targets)
    result[np.argsort(group, kind="stable")] = targets[given]
    return result


def types(given: LabelledSet) -> tuple[str, ...]:
    """The word or text that every label is about, but for white space and case."""
    pairs = zip(given.texts, given.spans, strict=True)
    return tuple(fold(text if span is None else text[slice(*span)]) for text, span in pairs)


def control_task(
    targets: Shaped[np.ndarray, "example *number"], kinds: Sequence[str], seed: int
) -> Shaped[np.ndarray, "example *number"]:
    """A random label for every kind of word, drawn from the labels there are: a task of memory alone.

    Source: Hewitt & Liang 2019, arXiv 1909.03368.
    Misleads when: every text comes once: nothing can be remembered, and the control is at chance for any probe.
    """
    kind = np.unique(np.asarray(kinds), return_inverse=True)[1]
    drawn = np.random.default_rng(seed).integers(len(targets), size=int(kind.max()) + 1)
    return targets[drawn[kind]]


def seen_before(kinds: Sequence[str], held_out: Bool[np.ndarray, " example"]) -> float:
    """Share of held-out examples whose kind of word is among those learned from: what a control can know."""
    kind = np.asarray(kinds)
    return float(np.isin(kind[held_out], kind[~held_out]).mean())


def majority(classes: Int[np.ndarray, " example"], held_out: Bool[np.ndarray, " example"]) -> float:
    """Share of held-out examples of the class that is most frequent among those learned from."""
    return float((classes[held_out] == np.bincount(classes[~held_out]).argmax()).mean())


def mean_only(
    targets: Float[np.ndarray, "example number"], held_out: Bool[np.ndarray, " example"]
) -> Float[np.ndarray, "held number"]:
    """The mean of those learned from, for every held-out example."""
    return np.repeat(targets[~held_out].mean(0, keepdims=True), int(held_out.sum()), axis=0)
