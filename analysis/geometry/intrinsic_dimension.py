"""How many directions there are to move in on the surface that points lie on, told from distances to neighbours."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64
from scipy.optimize import brentq

from analysis.errors import AnalysisError

FEWEST = 50
"""Points from which on a dimension is estimated at all."""


@dataclass(frozen=True, eq=False)
class Line:
    """The straight line of TwoNN and what it is fitted to."""

    dimension: float
    """Its slope."""
    r2: float
    """1 less the squared distance from the line over that from the mean; at most 1."""
    across: Float64[np.ndarray, " point"]
    """ln(r2 / r1), ascending."""
    up: Float64[np.ndarray, " point"]
    """-ln(1 - share of points with at most this ratio)."""


def two_nn_line(ratios: Float[np.ndarray, " point"], discard: float = 0.1) -> Line:
    """Dimension from the ratio of the distances to the second and to the first neighbour, by a line through zero.

    Where points lie evenly on a surface of dimension d, the share of points with a ratio of at most m is 1 - m^-d,
    so that -ln(1 - share) against ln(m) is a line through zero with slope d.

    Args:
        ratios: r2 / r1 of every point, at least 1.
        discard: share of the largest ratios that the line leaves out, above 0 and below 1.

    Raises:
        AnalysisError: fewer than two points remain, or their two neighbours are all equally far.

    Source: Facco, d'Errico, Rodriguez & Laio 2017, arXiv 1803.06992.
    Misleads when: points are noisy: below the size of the noise every cloud fills all its dimensions.
    """
    logs, count = _logs(ratios), len(ratios)
    kept = int(count * (1 - discard))
    across = logs[:kept]
    up = -np.log1p(-np.arange(1, kept + 1) / count)
    _require_spread(across)
    slope = float(across @ up / (across @ across))
    spread = ((up - up.mean()) ** 2).sum()
    return Line(slope, float(1 - ((up - slope * across) ** 2).sum() / spread), across, up)


def two_nn_likelihood(ratios: Float[np.ndarray, " point"], discard: float = 0.0) -> float:
    """Dimension from the same ratios by maximum likelihood, corrected for its bias.

    Ratios that are discarded still count as "at least as large as the largest kept".

    Args:
        ratios: r2 / r1 of every point, at least 1.
        discard: share of the largest ratios whose size is not used, 0 to below 1.

    Raises:
        AnalysisError: as `two_nn_line`.

    Source: Facco et al. 2017, arXiv 1803.06992; Denti et al. 2022, arXiv 2104.13832 (correction N - 1).
    Misleads when: as `two_nn_line`.
    """
    logs, count = _logs(ratios), len(ratios)
    kept = int(count * (1 - discard))
    _require_spread(logs[:kept])
    return float((kept - 1) / (logs[:kept].sum() + (count - kept) * logs[kept - 1]))


def gride(ratios: Float[np.ndarray, " point"], n: int) -> tuple[float, float]:
    """Dimension at a scale: from the ratio of the distances to the 2n-th and to the n-th neighbour.

    The larger n, the larger the neighbourhood that is looked at, and the less noise counts. With n = 1 it is
    `two_nn_likelihood`.

    Args:
        ratios: r2n / rn of every point; ties (exactly 1) say nothing for n > 1 and are left out.
        n: at least 1.

    Returns:
        The dimension, and its standard error if points were independent.

    Raises:
        AnalysisError: all neighbours are equally far, so that every dimension is too small.

    Source: Denti, Doimo, Laio & Mira 2022, arXiv 2104.13832.
    Misleads when: n neighbours reach across bends or to the border: the dimension is then too small.
    """
    logs = _logs(ratios)
    logs = logs[logs > 0] if n > 1 else logs
    _require_spread(logs)
    count, total = len(logs), logs.sum()

    def slope(dimension: float) -> float:
        """Of the log-likelihood; it falls everywhere, from infinity to -n times the sum of the logarithms."""
        inner = (n - 1) * (logs / -np.expm1(-dimension * logs)).sum() if n > 1 else 0.0
        return (count - 1) / dimension + inner - (2 * n - 1) * total

    high = count / total
    while slope(high) > 0:
        high *= 2
    found = float(brentq(slope, high * 1e-9, high, xtol=1e-12, rtol=1e-12))
    inner = (n - 1) * ((logs / (2 * np.sinh(found * logs / 2))) ** 2).sum() if n > 1 else 0.0
    return found, float(1 / np.sqrt(count / found**2 + inner))


def local_dimensions(distances: Float[np.ndarray, "point k"]) -> Float64[np.ndarray, " point"]:
    """Dimension around every point, from the distances to its k nearest neighbours, by maximum likelihood.

    Args:
        distances: ascending in every row, above 0.

    Returns:
        (point,) dimensions; infinite where all k neighbours are equally far.

    Raises:
        AnalysisError: a distance is 0, or there are fewer than two neighbours.

    Source: Levina & Bickel 2004, Advances in Neural Information Processing Systems 17.
    Misleads when: k neighbours reach further than the surface is flat and evenly filled; few neighbours scatter.
    """
    if distances.shape[1] < 2 or not (distances > 0).all():
        raise AnalysisError(
            f"{distances.shape[1]} neighbours were given, the nearest {distances.min(initial=np.inf):g} away. A local "
            "dimension needs at least 2 neighbours, all at a distance: leave out copies."
        )
    wide = distances.astype(np.float64)
    total = np.log(wide[:, -1:] / wide).sum(1)
    with np.errstate(divide="ignore"):
        return (wide.shape[1] - 1) / total


def harmonic_mean(dimensions: Float[np.ndarray, " point"]) -> float:
    """One dimension of many local ones: the inverse of the mean of the inverses.

    Raises:
        AnalysisError: all are infinite.

    Source: MacKay & Ghahramani 2005, comments on the estimate of Levina & Bickel.
    Misleads when: the dimension truly differs from place to place: the lowest count most.
    """
    inverse = float((1 / dimensions).mean())
    if inverse == 0:
        raise AnalysisError("All neighbours of all points are equally far, so no dimension can be told.")
    return 1 / inverse


def _logs(ratios: np.ndarray) -> np.ndarray:
    """Logarithms of the ratios, ascending."""
    if not len(ratios) or not np.isfinite(ratios).all() or ratios.min() < 1:
        raise AnalysisError(
            "Ratios of the distances to a further and to a nearer neighbour are finite and at least 1. A nearest "
            "neighbour at distance 0 is a copy: leave it out."
        )
    return np.sort(np.log(ratios.astype(np.float64)))


def _require_spread(logs: np.ndarray) -> None:
    if len(logs) < 2 or logs[-1] <= 0:
        raise AnalysisError(
            "The neighbours of every point are equally far, so no dimension can be told: such points lie on a grid, "
            "or in more dimensions than there are points for."
        )
