"""INLP: take out what a classifier uses, fit another to what is left, until none beats the majority."""

import numpy as np
from jaxtyping import Bool, Float, Int

from analysis.erasers.eraser import Eraser, basis
from analysis.erasers.judging import trial
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent

CONSTANT = 1e-9
"""Weights on scaled states that are all smaller are rounding: the classifier says the same of every state."""


def inlp(
    states: Float[np.ndarray, "example d"],
    classes: Int[np.ndarray, " label"],
    iterations: int = 16,
    *,
    kept_back: Bool[np.ndarray, " mark"] | None = None,
    penalty: float | None = None,
    standardised: bool = True,
    stops: bool = True,
    seed: int = 0,
    report: Report = silent,
) -> Eraser:
    """Iterative nullspace projection with logistic classifiers.

    Directions are gathered in one orthonormal basis: a product of projections would drift from being one.

    Args:
        states: of the examples.
        classes: numbered from 0 on, all of them with examples.
        iterations: classifiers at most.
        kept_back: examples to judge by and not to learn from; None draws a fifth of every class, and if none is
            True all are learned from and judged.
        penalty: 1 / C of the classifiers; None is d / 4.
        standardised: work on states whose numbers all have spread 1; else keep their angles, as the source does, and
            numbers that vary much decide.
        stops: end with the first classifier that does not beat the majority; else with the first one that finds nothing
            at all to learn from.
        seed: of the draw.
        report: progress; raises `Cancelled` to stop.

    Returns:
        A projection of rank at most (classes - 1) per iteration about the mean of what was learned from, orthogonal
        between scaled states; of rank 0 where no classifier beats the majority by more than its standard error.

    Raises:
        AnalysisError: states or classes cannot be learned from, or there are no iterations.
    Source: Ravfogel et al. 2020, arXiv 2004.07667.
    Misleads when: a class is rare (no classifier beats the majority, and the search stops at once), or the rank grows
        until ordinary content goes with the concept; compare with a random subspace of that rank.
    """
    if iterations < 1:
        raise AnalysisError(f"INLP needs at least 1 iteration; given {iterations}.")
    given = trial(states, classes, kept_back, penalty=penalty, standardised=standardised, seed=seed)
    axes, done = np.zeros((states.shape[1], 0)), 0
    while done < iterations:
        report("Taking out what classifiers use", done, iterations)
        left_over = given.without(axes)
        if stops and left_over.accuracy <= given.majority + given.error:
            break
        if np.abs(left_over.weights).max() < CONSTANT:
            break
        axes = _joined(axes, left_over.weights)
        done += 1
    return given.eraser("inlp", axes, done)


def _joined(axes: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Orthonormal columns that span both."""
    for _ in range(2):  # once leaves rounding where a direction lies almost within the span
        directions = directions - directions @ axes @ axes.T
    return np.concatenate([axes, basis(directions)], 1)
