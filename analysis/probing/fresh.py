"""Probes among examples that nothing else was fitted to: each part is read by a probe that learned from the others.

An eraser is fitted to some examples and so is the usual probe that judges it. What it hides from that probe it may
show to one that learns from other examples: equal means in one sample are not equal in another.
"""

import numpy as np
from jaxtyping import Float

from analysis.labelled import LabelledSet
from analysis.probing import PROBES
from analysis.probing.measures import Score, r2, r2_interval, wilson

FOLDS = 5


def fresh(
    states: Float[np.ndarray, "example d"], given: LabelledSet, groups: tuple[str, ...], seed: int = 0
) -> Score:
    """How well a linear probe reads the examples, learned from four fifths of them and tested on the rest, in turn.

    Args:
        states: of the examples.
        given: the examples.
        groups: of the examples; they stay together.
        seed: of the folds.

    Returns:
        Accuracy of the logistic probe or R2 of the ridge probe over all examples, with its interval.

    Source: cross-validation by groups; Belrose et al. 2023, arXiv 2306.03819, on why the sample matters.
    Misleads when: examples are few: the probe learns little from them, and a concept that is there goes unread.
    """
    predicted = np.zeros_like(given.targets)
    for tested in _folds(given, groups, seed):
        predicted[tested] = _read(states, given, tested)
    if given.numbers:
        low, high = r2_interval(given.targets, predicted, groups, seed)
        return Score(r2(given.targets, predicted), low, high)
    right = int((predicted == given.targets).sum())
    return Score(right / len(given), *wilson(right, len(given)))


def _read(states: np.ndarray, given: LabelledSet, tested: np.ndarray) -> np.ndarray:
    learned = np.ones(len(given), bool)
    learned[tested] = False
    task = given.targets[learned][None]
    if given.numbers:
        return PROBES["ridge"].fit(states[learned], task)[0].predict(states[tested])
    return PROBES["logistic"].fit(states[learned], task, len(given.classes))[0].predict(states[tested])


def _folds(given: LabelledSet, groups: tuple[str, ...], seed: int) -> list[np.ndarray]:
    """Rows of every part; with classes, each part has about its share of every class."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold  # two seconds that only this needs

    most = min(FOLDS, len(set(groups)))
    if given.numbers:
        cut = GroupKFold(most, shuffle=True, random_state=seed)
        return [tested for _, tested in cut.split(given.targets, groups=groups)]
    most = min(most, int(np.bincount(given.targets).max()))
    cut = StratifiedGroupKFold(most, shuffle=True, random_state=seed)
    return [tested for _, tested in cut.split(given.targets, given.targets, groups)]
