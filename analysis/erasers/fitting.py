"""Fitting an eraser by its id, to classes or to numbers."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float64, Num

from analysis.erasers import ERASERS
from analysis.erasers.eraser import Eraser
from analysis.erasers.inlp import inlp
from analysis.erasers.leace import leace
from analysis.erasers.moments import Moments, moments_of, moments_of_numbers, require_classes
from analysis.erasers.projections import mean_projection, random_subspace, single_direction
from analysis.erasers.rlace import rlace
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent


def fit(
    method: str,
    states: Float[np.ndarray, "example d"],
    targets: Num[np.ndarray, "..."],
    classes: int,
    *,
    rank: int | None = None,
    iterations: int | None = None,
    seed: int = 0,
    report: Report = silent,
) -> Eraser:
    """Fit one eraser.

    Args:
        method: one of `ERASERS`.
        states: finite; may be mapped from disk.
        targets: the class of every example (example,), or with no classes numbers (example, k) as floats.
        classes: how many there are, or 0 for numbers.
        rank: dimensions to take out: of R-LACE at most, and of a random subspace; None is classes - 1, or the number
            of columns. For INLP the most iterations, where they are not given. The other methods find their own.
        iterations: of INLP (None is 16) and R-LACE (None is 150), at most.
        seed: of the random subspace and of the examples that INLP keeps back.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there is no such method, it cannot be fitted to numbers, or as the method says.
    """
    _require(method, targets, classes)
    moments = (
        moments_of(states, targets, classes, report=report)
        if classes
        else moments_of_numbers(states, targets, report=report)
    )
    usual = moments.k - (classes > 0)
    ways: dict[str, Callable[[], Eraser]] = {
        "leace": lambda: leace(moments),
        "means": lambda: mean_projection(moments),
        "inlp": lambda: inlp(
            np.asarray(states),
            targets,
            _first(iterations, rank, 16),
            stops=iterations is None,
            seed=seed,
            report=report,
        ),
        "rlace": lambda: rlace(
            np.asarray(states), targets, _first(rank, usual), _first(iterations, 150), report=report
        ),
        "direction": lambda: single_direction(leading_direction(moments), moments.mean),
        "random": lambda: random_subspace(moments.d, _first(rank, usual), seed, moments.mean),
    }
    return ways[method]()


def leading_direction(moments: Moments) -> Float64[np.ndarray, " d"]:
    """The one direction that shows the labels most.

    Of two classes, from the mean of all to the mean of the last one; of one column of numbers, how states move as it
    grows; of more of either, the first singular direction of their differences, its largest number positive.

    Raises:
        AnalysisError: states do not differ along the labels.
    """
    moments.require_difference()
    if moments.k == (1 if moments.numbers else 2):
        return moments.differences[-1]
    axis = np.linalg.svd(moments.differences, full_matrices=False)[2][0]
    return axis * np.sign(axis[np.abs(axis).argmax()])


def _first(*given: int | None) -> int:
    """The first that is given."""
    return next(each for each in given if each is not None)


def _require(method: str, targets: np.ndarray, classes: int) -> None:
    if method not in ERASERS:
        raise AnalysisError(f"There is no eraser {method!r}; there are {', '.join(ERASERS)}.")
    if classes < 0 or classes == 1:
        raise AnalysisError(f"Erasers need at least 2 classes, or 0 for numbers; given {classes}.")
    if classes:
        require_classes(targets, classes)
    elif not ERASERS[method].of_numbers:
        able = ", ".join(kind.title for kind in ERASERS.values() if kind.of_numbers)
        raise AnalysisError(
            f"{ERASERS[method].title} needs classes, and was given numbers. Divide them into classes, or choose one of "
            f"these: {able}."
        )
