"""How evenly states spread: over axes, over directions from zero, and in each other's direction.

Four definitions go by the name of isotropy. They answer different questions and are kept apart by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from analysis.errors import AnalysisError

ROWS = 4096
"""Points that are widened to float64 at a time."""
NOTHING = 1e-10
"""Of the mean square of the states: a variance below this is rounding, and the points are one."""


@dataclass(frozen=True, eq=False)
class Cosines:
    """Cosines between all pairs of different points, summed up without forming them."""

    of_point: Float64[np.ndarray, " point"]
    """Mean cosine of each point to all others, -1 to 1; NaN for a state that is zero, which has no direction."""
    of_dimension: Float64[np.ndarray, " d_model"]
    """What each number of a state adds to the mean cosine; they sum to it."""

    @property
    def mean(self) -> float:
        """Over all pairs, -1 to 1."""
        return float(np.clip(self.of_dimension.sum(), -1, 1))


def isoscore(variances: Float64[np.ndarray, " axis"], width: int) -> float:
    """How evenly variance is spread over the axes: 0 if all lies along one, 1 if every axis has as much.

    The published recipe (rescaled variances, their distance from even ones, and so on) comes down to
    `(PR - 1) / (d - 1)`, with PR the square of the summed variances over the sum of their squares.

    Args:
        variances: along the principal axes; those that are zero may be missing.
        width: numbers of a state.

    Returns:
        0 to 1.

    Raises:
        AnalysisError: nothing varies, or states are single numbers.

    Source: Rudman, Gillman, Rayne & Eickhoff 2021, arXiv 2108.07344.
    Misleads when: there are fewer than about ten points per number of a state: even an isotropic cloud then has
        uneven variances.
    """
    _require_variance(float(variances.sum()), width)
    return _isoscore(float(variances.sum()), float((variances**2).sum()), width)


def isoscore_of(states: Float[np.ndarray, "point d_model"]) -> float:
    """The same from the states, without eigenvalues: the sum of their squares is that of the covariance's entries.

    Raises:
        AnalysisError: as for `isoscore`; or all states are the same, but for rounding.

    Source: Rudman, Gillman, Rayne & Eickhoff 2021, arXiv 2108.07344.
    Misleads when: as for `isoscore`.
    """
    mean = states.mean(0, dtype=np.float64)
    covariance = np.zeros((len(mean), len(mean)))
    for start in range(0, len(states), ROWS):
        rows = states[start : start + ROWS] - mean
        covariance += rows.T @ rows / len(states)
    total = float(np.trace(covariance))
    _require_variance(total if total > NOTHING * (total + mean @ mean) else 0.0, len(mean))
    return _isoscore(total, float((covariance**2).sum()), len(mean))


def anisotropy(variances: Float64[np.ndarray, " axis"], width: int) -> float:
    """Share of the variance that lies along the one axis that has most of it.

    Args:
        variances: along the principal axes; those that are zero may be missing.
        width: numbers of a state.

    Returns:
        1 / d to 1.

    Raises:
        AnalysisError: nothing varies.

    Source: Razzhigaev et al. 2025, arXiv 2502.15007.
    Misleads when: one token of outlying norm is among the points: it is the axis.
    """
    _require_variance(float(variances.sum()), width)
    return float(variances.max() / variances.sum())


def cosines(states: Float[np.ndarray, "point d_model"]) -> Cosines:
    """Mean cosine over all pairs of different points, and what each point and each number of a state adds to it.

    With u the states at length 1 and s their sum, the mean over pairs is `(|s|^2 - N) / (N (N - 1))`: exact and
    without forming pairs. States that are zero are left out.

    Raises:
        AnalysisError: fewer than two states are not zero.

    Source: Ethayarajh 2019, arXiv 1909.00512; by dimension: Timkey & van Schijndel 2021, arXiv 2109.04404.
    Misleads when: the states share a mean, or one number of them is large: either alone can explain a high value.
    """
    norms = np.linalg.norm(states.astype(np.float64, copy=False), axis=1)
    count = int((norms > 0).sum())
    if count < 2:
        raise AnalysisError(
            f"A cosine needs two states that are not zero; there are {count}. Give more points."
        )
    total, squares = np.zeros(states.shape[1]), np.zeros(states.shape[1])
    for _, rows in _units(states, norms):
        total, squares = total + rows.sum(0), squares + (rows**2).sum(0)
    of_point = np.full(len(states), np.nan)
    for at, rows in _units(states, norms):
        of_point[at] = np.clip((rows @ total - 1) / (count - 1), -1, 1)
    of_point[norms == 0] = np.nan
    return Cosines(of_point, (total**2 - squares) / (count * (count - 1)))


def partition_isotropy(states: Float[np.ndarray, "point d_model"]) -> float:
    """How much the partition function depends on the direction from which the states are read, as a logarithm.

    `Z(c) = sum_i exp(c . x_i)` is the normaliser of a softmax over the points. The measure is ln of its smallest
    over its largest value, with c the eigenvectors of the states' second moment, both signs of each: an eigenvector
    has none of its own. It is summed in log space: outside of it, large states give 0 / infinity.

    Returns:
        At most 0, in nats; 0 where every direction reads the same.

    Source: Mu & Viswanath 2018, arXiv 1702.01417.
    Misleads when: layers are compared as they are: the value grows with the length of the states, and lengths grow
        with depth. Eigenvectors of equal eigenvalues are arbitrary, and the value with them.
    """
    along = _along(states)
    logs = np.concatenate([_log_sums(along), _log_sums(-along)])
    if len(states) < states.shape[1]:
        logs = np.append(logs, np.log(len(states)))  # along the other eigenvectors every state is 0
    return float(logs.min() - logs.max())


def _along(states: np.ndarray) -> Float64[np.ndarray, "point axis"]:
    """The states along the eigenvectors of their second moment: all, or those along which a few points lie."""
    rows = states.astype(np.float64)
    if len(states) >= states.shape[1]:
        axes = np.linalg.eigh(rows.T @ rows)[1]
        return (states @ axes.astype(states.dtype)).astype(np.float64)
    values, mixes = np.linalg.eigh(rows @ rows.T)  # fewer numbers, and the same coordinates
    return mixes * np.sqrt(np.maximum(values, 0))


def _log_sums(along: Float64[np.ndarray, "point axis"]) -> Float64[np.ndarray, " axis"]:
    """Ln of the sum of exponentials over the points."""
    most = along.max(0)
    return most + np.log(np.exp(along - most).sum(0))


def _isoscore(total: float, squares: float, width: int) -> float:
    return float(np.clip((total**2 / squares - 1) / (width - 1), 0, 1))


def _require_variance(total: float, width: int) -> None:
    if total <= 0:
        raise AnalysisError("All states are one and the same here, so nothing varies along any axis.")
    if width < 2:
        raise AnalysisError(f"Spread over axes needs states of at least 2 numbers; given {width}.")


def _units(
    states: Float[np.ndarray, "point d_model"], norms: Float64[np.ndarray, " point"]
) -> Iterator[tuple[slice, Float64[np.ndarray, "row d_model"]]]:
    """The states at length 1, some at a time; zero states stay zero."""
    for start in range(0, len(states), ROWS):
        at = slice(start, start + ROWS)
        yield at, states[at] / np.where(norms[at] > 0, norms[at], 1)[:, None]
