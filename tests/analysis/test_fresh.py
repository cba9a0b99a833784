"""Probes that learn and are tested among the same examples, in turn: what is there is read, what is not is not."""

import numpy as np
import pytest

from analysis.labelled import LabelledSet
from analysis.probing.fresh import fresh


def labelled(targets, **kind) -> LabelledSet:
    texts = tuple(f"text {i}" for i in range(len(targets)))
    return LabelledSet("t", "T", "?", texts, targets, **kind)


def test_a_planted_class_is_read_and_shuffled_labels_are_not(rng):
    targets = np.arange(200) % 2
    states = rng(0).normal(size=(200, 10))
    states[:, 3] += 4 * targets
    given = labelled(targets, classes=("a", "b"))
    found = fresh(states, given, given.groups)
    assert found.value > 0.9
    assert found.low < found.value < found.high
    mixed = labelled(rng(1).permutation(targets), classes=("a", "b"))
    nothing = fresh(states, mixed, mixed.groups)
    assert nothing.low < 0.5 < nothing.high


def test_numbers_are_read_as_r2(rng):
    states = rng(0).normal(size=(200, 10))
    given = labelled(states[:, :1] * 3 + 1, numbers=("n",))
    assert fresh(states, given, given.groups).value > 0.9
    mixed = labelled(rng(1).permutation(given.targets), numbers=("n",))
    assert fresh(states, mixed, mixed.groups).value < 0.1


def test_groups_stay_together(rng):
    """Labels that only a group's own state gives away cannot be read off other groups."""
    group = np.repeat(np.arange(40), 5)
    states = np.repeat(rng(0).normal(size=(40, 30)), 5, axis=0)
    given = labelled(np.repeat(rng(1).permutation(40) % 2, 5), classes=("a", "b"))
    alone = fresh(states, given, given.groups)
    together = fresh(states, given, tuple(map(str, group)))
    assert alone.value > 0.9
    assert together.low < 0.6


def test_the_same_seed_gives_the_same_score(rng):
    given = labelled(np.arange(60) % 3, classes=("a", "b", "c"))
    states = rng(0).normal(size=(60, 8))
    assert fresh(states, given, given.groups, 3) == fresh(states, given, given.groups, 3)


@pytest.mark.parametrize("count", [2, 4])
def test_few_groups_give_fewer_parts(count, rng):
    targets = np.arange(40) % 2
    given = labelled(targets, classes=("a", "b"))
    states = rng(0).normal(size=(40, 5)) + 5 * targets[:, None]
    assert fresh(states, given, tuple(str(i % count + 2 * (i // 20)) for i in range(40))).value > 0.5
