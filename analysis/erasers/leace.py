"""LEACE: the least change to states after which no linear reading of the concept is better than a constant."""

import numpy as np
from jaxtyping import Float64

from analysis.erasers.eraser import RELATIVE, Eraser
from analysis.erasers.moments import Moments
from analysis.errors import AnalysisError


def leace(moments: Moments, *, shrinkage: float | None = None, tol: float = RELATIVE) -> Eraser:
    """Fit LEACE from moments.

    Args:
        moments: of classes that all have examples, or of numbers that all vary.
        shrinkage: share, 0 to 1, of the covariance that is replaced by its mean variance in every direction; None
            estimates it, see `optimal_shrinkage`. Every share erases the same cross-covariance; 0 moves the examples
            least that it was fitted to, and 1 is the mean projection.
        tol: singular values of the whitened differences below this share of the largest are left alone. It is
            relative: with an absolute one a rare class would stay, for its covariances are small.

    Returns:
        An oblique projection of rank at most classes - 1, or at most the number of columns.

    Raises:
        AnalysisError: a class has no example, a number never varies, states do not differ along the labels, or a
            setting is out of range.
    Source: Belrose et al. 2023, arXiv 2306.03819.
    Misleads when: it is judged by a nonlinear probe, or by one that learns from some of the examples it was fitted to
        and is tested on the others: equal means in the whole are opposite ones in its parts, and the score falls below
        chance. Test on examples that neither has seen. With fewer examples than numbers these still show the concept:
        shrinkage helps where most variance lies in few directions, but no share mends the error of the means.
    """
    left, right = factors(moments, shrinkage=shrinkage, tol=tol)
    return Eraser("leace", moments.mean, left, right)


def factors(
    moments: Moments, *, shrinkage: float | None = None, tol: float = RELATIVE
) -> tuple[Float64[np.ndarray, "d rank"], Float64[np.ndarray, "rank d"]]:
    """The factors of LEACE before they are rounded to float32; see `leace`.

    With W the inverse root of the covariance and U the axes of W times the differences, they are the root times U,
    and U's transpose times W. The differences span what the cross-covariance spans, and none of them is small
    because its class is rare or its unit is large.
    """
    if not 0 < tol < 1 or not 0 <= (shrinkage or 0.0) <= 1:
        raise AnalysisError(
            f"LEACE needs a tolerance above 0 and below 1 and a shrinkage from 0 to 1; given {tol:g} and "
            f"{shrinkage or 0.0:g}."
        )
    moments.require_difference()
    share = optimal_shrinkage(moments) if shrinkage is None else shrinkage
    root, axes = _roots(_shrunk(moments.covariance, share))
    turn, size, _ = np.linalg.svd(axes.T @ moments.differences.T / root[:, None], full_matrices=False)
    turn = turn[:, size > tol * size[0]]
    return axes @ (root[:, None] * turn), (turn.T / root) @ axes.T


def optimal_shrinkage(moments: Moments) -> float:
    """How much the covariance of states is to be shrunk towards its mean variance in every direction, 0 to 1.

    Of all shares it comes nearest to the true covariance in squared differences, as examples and numbers both grow.

    Source: Bodnar, Gupta & Parolya 2014, arXiv 1308.2608.
    Misleads when: examples are not drawn independently (many of one template, many tokens of one text), or a few
        numbers vary far more than all others: it shrinks too little. With very few examples it is near 1, and LEACE
        moves states as far as the mean projection does.
    """
    covariance = moments.covariance
    total = float(np.trace(covariance))
    uneven = float((covariance**2).sum()) - total**2 / moments.d
    noise = total**2 / moments.count
    return noise / uneven if uneven > noise else 1.0


def _shrunk(covariance: np.ndarray, share: float) -> np.ndarray:
    level = np.trace(covariance) / len(covariance)
    return (1 - share) * covariance + share * level * np.eye(len(covariance))


def _roots(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations and the axes along which they are; none of directions in which nothing varies."""
    size, axes = np.linalg.eigh(covariance)
    kept = size > len(size) * np.finfo(np.float64).eps * max(size[-1], 0.0)
    return np.sqrt(size[kept]), axes[:, kept]
