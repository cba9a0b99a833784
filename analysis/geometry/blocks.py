"""What a block does to the states that pass through it: how far it turns them, and how much entropy it adds."""

import numpy as np
from jaxtyping import Float32, Float64
from scipy.special import digamma, gammaln

from analysis.errors import AnalysisError

BINS = 20
"""Of a histogram over the range of one number."""
NEIGHBOUR = 5
"""Whose distance measures the density around a point."""
ORDER = 4
"""Of the Rényi entropy of a kernel matrix."""


def influences(
    below: Float32[np.ndarray, "point d_model"], above: Float32[np.ndarray, "point d_model"]
) -> Float64[np.ndarray, " point"]:
    """1 - cosine of every state before and after a block: 0 (same direction) to 2; NaN for a state at zero.

    Half the squared distance of the unit vectors: exactly 0 where a block changes nothing.

    Source: block influence, Men et al. 2024, arXiv 2403.03853.
    Misleads when: a few numbers are far larger than the rest: they alone make the cosine, and what a block does to
        the others is not seen.
    """
    difference = _units(below) - _units(above)
    return np.minimum(np.einsum("ij,ij->i", difference, difference, dtype=np.float64) / 2, 2)


def histogram_entropy(states: Float32[np.ndarray, "point d_model"], bins: int = BINS) -> float:
    """Sum over the numbers of a state of the entropy, in nats, of each number's histogram over its own range.

    Every number is scaled to 0..1 by its least and largest value at this layer, so neither units nor a number's size
    count. A number that never changes has none.

    Args:
        states: of one layer.
        bins: of each histogram.

    Returns:
        0 to d_model ln(bins).

    Source: the marginal estimator of Yang et al. 2025, arXiv 2504.03794.
    Misleads when: one point lies far out: it alone sets the range, and all others fall into few bins. Numbers that
        say the same count twice.
    """
    count, width = states.shape
    low, high = states.min(0), states.max(0)
    scale = bins / np.where(high > low, high - low, np.inf)
    cells = np.minimum(((states - low) * scale).astype(np.int64), bins - 1) + np.arange(width) * bins
    shares = np.bincount(cells.ravel(), minlength=width * bins) / count
    # a sum over ever so many bins would turn 0 into -0
    return max(0.0, float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum()))


def kernel_entropy(states: Float32[np.ndarray, "point d_model"], width: float, order: int = ORDER) -> float:
    """Rényi entropy, in nats, of the matrix of Gaussian kernels between all points.

    Args:
        states: of one layer; the time is their number squared, or cubed for order 4.
        width: squared standard deviation of the kernel. Layers that are compared need the same one: as a rule the
            `median_square` of one of them.
        order: 2 or 4.

    Returns:
        0 (all points alike) to ln(points).

    Raises:
        AnalysisError: the kernel has no width, or the order is another one.

    Source: Yang et al. 2025, arXiv 2504.03794; Sánchez Giraldo, Rao & Príncipe 2015, arXiv 1211.2459.
    Misleads when: states grow from layer to layer: under the same kernel they are then further apart.
    """
    if order not in (2, 4):
        raise AnalysisError(f"The kernel's entropy is taken of order 2 or 4; given {order}.")
    if not width > 0:
        raise AnalysisError(
            "More than half of all pairs of points coincide, so there is no width for a kernel."
        )
    kernel = np.exp(-_squared_distances(states) / (2 * width)) / len(states)
    root = (
        kernel if order == 2 else kernel @ kernel
    )  # the trace of the fourth power is this one's squared length
    return max(0.0, float(np.log((root**2).sum()) / (1 - order)))


def median_square(states: Float32[np.ndarray, "point d_model"]) -> float:
    """Median squared distance of two different points."""
    return float(np.median(_squared_distances(states)[np.triu_indices(len(states), 1)]))


def neighbour_entropy(states: Float32[np.ndarray, "point d_model"], neighbour: int = NEIGHBOUR) -> float:
    """Differential entropy of the states, in nats, from the distance of each point's k-th nearest neighbour.

    Points that coincide count once: a distance of 0 would be infinitely dense.

    Args:
        states: of one layer, in their own unit; the time is their number squared.
        neighbour: k.

    Raises:
        AnalysisError: there are not more than k different points.

    Source: Kozachenko & Leonenko 1987; as a measure of blocks Yang et al. 2025, arXiv 2504.03794.
    Misleads when: there are hundreds of dimensions: the value is d_model times the logarithm of a distance, and says
        little but how large states are.
    """
    points = np.unique(states, axis=0)
    count, width = points.shape
    if count <= neighbour:
        raise AnalysisError(
            f"The distance of neighbour {neighbour} needs {neighbour + 1} different points; there are {count}."
        )
    squares = _squared_distances(points)
    np.fill_diagonal(squares, np.inf)
    near = np.partition(squares, neighbour - 1, axis=1)[:, neighbour - 1]
    ball = width / 2 * np.log(np.pi) - gammaln(width / 2 + 1)
    return float(digamma(count) - digamma(neighbour) + ball + width * np.log(near).mean() / 2)


def _squared_distances(states: np.ndarray) -> Float64[np.ndarray, "point point"]:
    wide = states.astype(np.float64) - states.mean(0, dtype=np.float64)
    squares = np.einsum("ij,ij->i", wide, wide)
    return np.maximum(squares[:, None] + squares - 2 * (wide @ wide.T), 0)


def _units(states: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(np.einsum("ij,ij->i", states, states))
    return states / np.where(lengths > 0, lengths, np.nan)[:, None]
