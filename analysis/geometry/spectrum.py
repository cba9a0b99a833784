"""Eigenvalues of the covariance of one layer's states: what several measures read, computed once."""

import numpy as np
from jaxtyping import Float32, Float64

from analysis.errors import AnalysisError
from analysis.geometry.cloud import Cloud

ROWS = 4096
"""Points that are widened to float64 at a time."""


def spectrum(cloud: Cloud, layer: int, centred: bool = True) -> Float64[np.ndarray, " rank"]:
    """Variance along every principal axis of one layer's states, largest first.

    Eigenvalues of the covariance, or of the uncentred second moment, both divided by the number of points. Both are
    kept with the cloud, and so is each of its layers once it was asked for.

    Args:
        cloud: the points.
        layer: one that was read.
        centred: subtract the mean state first.

    Returns:
        As many as there are points or numbers of a state, whichever is fewer, in squared units of the states. What
        rounding cannot tell from zero is zero.

    Raises:
        AnalysisError: fewer than two points, or the layer was not read.
    """
    around_mean, around_zero = cloud.once(("spectrum", layer), lambda: spectra(cloud.at(layer)))
    return around_mean if centred else around_zero


def spectra(
    states: Float32[np.ndarray, "point d_model"],
) -> tuple[Float64[np.ndarray, " rank"], Float64[np.ndarray, " rank"]]:
    """Eigenvalues of the covariance and of the uncentred second moment of states, largest first.

    The smaller of the two products is taken, points by points or numbers by numbers: what is not zero is the same.

    Args:
        states: one row per point.

    Raises:
        AnalysisError: fewer than two points.
    """
    count, width = states.shape
    if count < 2:
        raise AnalysisError(f"A spectrum needs at least 2 points; there are {count}. Read more texts.")
    mean = states.mean(0, dtype=np.float64)
    if count < width:
        rows = states.astype(np.float64)
        centred, plain = rows - mean, rows
        return _eigenvalues(centred @ centred.T / count), _eigenvalues(plain @ plain.T / count)
    covariance = scatter(states, mean) / count
    return _eigenvalues(covariance), _eigenvalues(covariance + np.outer(mean, mean))


def scatter(
    states: Float32[np.ndarray, "point d_model"], mean: Float64[np.ndarray, " d_model"]
) -> Float64[np.ndarray, "d_model d_model"]:
    """Sum over points of the outer product of what is left of a state after the mean, in double precision."""
    total = np.zeros((len(mean), len(mean)))
    for start in range(0, len(states), ROWS):
        rows = states[start : start + ROWS] - mean
        total += rows.T @ rows
    return total


def _eigenvalues(matrix: Float64[np.ndarray, "side side"]) -> Float64[np.ndarray, " side"]:
    found = np.linalg.eigvalsh(matrix)[::-1].copy()
    found[found <= len(matrix) * np.finfo(np.float64).eps * found[0]] = 0
    found.flags.writeable = False
    return found
