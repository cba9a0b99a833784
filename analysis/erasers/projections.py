"""Orthogonal projections: off what shows the labels, off one direction, and off a random subspace as the control."""

import numpy as np
from jaxtyping import Float

from analysis.erasers.eraser import Eraser, basis
from analysis.erasers.moments import Moments
from analysis.errors import AnalysisError


def mean_projection(moments: Moments) -> Eraser:
    """Take out the subspace that the classes' means span about the mean of all, or along which states follow numbers.

    Returns:
        An orthogonal projection of rank at most classes - 1, or at most the number of columns.

    Raises:
        AnalysisError: a class has no example, a number never varies, or states do not differ along the labels.
    Source: the orthogonal eraser of Belrose et al. 2023, arXiv 2306.03819.
    Misleads when: states vary much along these directions for other reasons; all of that goes too, where LEACE keeps
        most.
    """
    moments.require_difference()
    return orthogonal("means", moments.mean, basis(moments.differences))


def single_direction(
    vector: Float[np.ndarray, " d"], mean: Float[np.ndarray, " width"] | None = None
) -> Eraser:
    """Take out one direction, about a mean or about zero.

    Args:
        vector: of any positive length.
        mean: what stays where it is; None is zero, as in directional ablation.

    Raises:
        AnalysisError: the vector is zero or not finite, or the mean is of another width.
    Source: Arditi et al. 2024, arXiv 2406.11717 (directional ablation).
    Misleads when: the concept is spread over several directions; the others carry on.
    """
    size = float(np.linalg.norm(vector.astype(np.float64)))
    if vector.ndim != 1 or not 0 < size < np.inf:
        raise AnalysisError(
            f"A direction to erase needs finite numbers that are not all zero; given shape {vector.shape} of length "
            f"{size:g}."
        )
    return orthogonal(
        "direction", _mean_or_zero(mean, len(vector)), vector.astype(np.float64)[:, None] / size
    )


def random_subspace(
    d: int, rank: int, seed: int = 0, mean: Float[np.ndarray, " width"] | None = None
) -> Eraser:
    """Take out a subspace that means nothing; all of one rank are equally likely.

    Args:
        d: numbers of a state.
        rank: dimensions to take out, 1 to d.
        seed: the same seed gives the same subspace.
        mean: what stays where it is; None is zero.

    Raises:
        AnalysisError: the rank is out of range, or the mean is of another width.
    Source: the control of any eraser, as in Elazar et al. 2021, arXiv 2006.00995 (amnesic probing).
    Misleads when: states vary in few directions; a random subspace then hits almost nothing, whatever its rank.
    """
    if not 1 <= rank <= d:
        raise AnalysisError(f"A random subspace of states of {d} numbers has rank 1 to {d}; given {rank}.")
    axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, rank)))[0]
    return orthogonal("random", _mean_or_zero(mean, d), axes)


def orthogonal(
    method: str, mean: Float[np.ndarray, " d"], axes: Float[np.ndarray, "long rank"], iterations: int = 0
) -> Eraser:
    """The eraser that takes out the span of orthonormal columns."""
    return Eraser(method, mean, axes, axes.T, iterations)


def _mean_or_zero(mean: np.ndarray | None, d: int) -> np.ndarray:
    return np.zeros(d) if mean is None else mean
