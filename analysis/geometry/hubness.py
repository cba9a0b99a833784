"""Hubs: points that are among the nearest neighbours of very many others, and those that are nobody's."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.special import log_ndtr

from analysis.errors import AnalysisError
from analysis.maps.scaling import scaled

METRICS = {
    "unit": "cosine (every state at length 1)",
    "raw": "Euclidean, on states as they are",
}
"""How nearness is measured, by the id of the scale."""
REDUCTIONS = {
    "none": "none",
    "mutual_proximity": "mutual proximity",
    "local_scaling": "local scaling",
    "csls": "CSLS (cross-domain similarity local scaling)",
}
"""What is done to the distances against hubs, by id."""


@dataclass(frozen=True, eq=False)
class Hubs:
    """How often each point is among the k nearest neighbours of another."""

    k: int
    counts: Int64[np.ndarray, " point"]
    """They sum to k times the points."""

    @property
    def skew(self) -> float:
        """Third standardised moment of the counts: 0 if they are even around k, large if a few points take most."""
        away = self.counts - self.k
        spread = float((away**2).mean())
        return float((away**3).mean()) / spread**1.5 if spread > 0 else 0.0

    @property
    def largest(self) -> float:
        """The largest count, in units of k."""
        return float(self.counts.max()) / self.k

    @property
    def nobodys(self) -> float:
        """Share of points that are nobody's neighbour, 0 to 1."""
        return float((self.counts == 0).mean())

    @property
    def robin_hood(self) -> float:
        """Share of all neighbourhoods that would have to be dealt anew to make the counts equal, 0 to 1."""
        return float(np.abs(self.counts - self.k).sum()) / (2 * self.k * len(self.counts))


def hubs(
    states: Float32[np.ndarray, "point d_model"], k: int = 10, metric: str = "unit", reduction: str = "none"
) -> Hubs:
    """Count of how many points have each point among their k nearest neighbours.

    Args:
        states: different from each other: equal ones are each other's neighbours and fake hubs.
        k: neighbours, under half of the points.
        metric: one of `METRICS`.
        reduction: one of `REDUCTIONS`.

    Raises:
        AnalysisError: k is not under half of the points.

    Source: Radovanovic, Nanopoulos & Ivanovic 2010, Journal of Machine Learning Research 11.
    Misleads when: raw distances are taken of states whose lengths differ: short states are then near to everything.
    """
    if not 1 <= k < len(states) / 2:
        raise AnalysisError(
            f"{k} neighbours of {len(states)} different points were asked for; they must be fewer than half of the "
            "points. Give more texts or ask for fewer neighbours."
        )
    apart = reduced(squared_distances(scaled(states, metric)), reduction, k)
    near = np.argpartition(apart, k - 1, axis=1)[:, :k]
    return Hubs(k, np.bincount(near.ravel(), minlength=len(states)).astype(np.int64))


def squared_distances(states: Float32[np.ndarray, "point d_model"]) -> Float64[np.ndarray, "point point"]:
    """Squared Euclidean distances in float64; infinite from a point to itself, which is not its neighbour."""
    wide = states.astype(np.float64) - states.mean(0, dtype=np.float64)
    squares = np.einsum("ij,ij->i", wide, wide)
    result = wide @ wide.T
    result *= -2
    result += squares[:, None]
    result += squares
    np.maximum(result, 0, out=result)
    np.fill_diagonal(result, np.inf)
    return result


def reduced(
    squared: Float64[np.ndarray, "point point"], reduction: str, k: int
) -> Float64[np.ndarray, "point point"]:
    """Distances, or what stands in for them, after a reduction of hubs: only their order counts.

    - mutual proximity: minus the logarithm of P(X > d) P(Y > d), where X and Y are normal with the mean and variance
      of the distances of each of the two points;
    - local scaling: d^2 over the product of the distances to each point's k-th neighbour;
    - CSLS: d^2 less the mean of both points' mean squared distance to their k nearest. For states at length 1 that
      is the order of `2 cos - r(x) - r(y)`.

    Args:
        squared: squared distances, infinite on the diagonal.
        reduction: one of `REDUCTIONS`.
        k: neighbours of the local scalings.

    Source: Schnitzer, Flexer, Schedl & Widmer 2012, Journal of Machine Learning Research 13 (mutual proximity);
        Zelnik-Manor & Perona 2004 (local scaling); Conneau et al. 2017, arXiv 1710.04087 (CSLS). Compared for
        sentences by Nielsen & Hansen 2023, arXiv 2311.18364.
    Misleads when: distances of a point are far from normal: mutual proximity then is no probability, though still an
        order.
    """
    if reduction == "none":
        return squared
    if reduction == "mutual_proximity":
        return _mutual(squared)
    nearest = np.partition(squared, k - 1, axis=1)[:, :k]
    if reduction == "local_scaling":
        reach = np.sqrt(nearest.max(1))
        floor = np.finfo(np.float64).tiny
        return squared / np.maximum(reach[:, None] * reach, floor)
    around = nearest.mean(1) / 2
    return squared - around[:, None] - around


def _mutual(squared: Float64[np.ndarray, "point point"]) -> Float64[np.ndarray, "point point"]:
    distance = np.sqrt(squared)
    itself = np.eye(len(distance), dtype=bool)
    others = np.where(itself, np.nan, distance)
    mean, spread = np.nanmean(others, axis=1), np.nanstd(others, axis=1)
    spread = np.where(spread > 0, spread, 1)
    distance[itself] = 0
    farther = log_ndtr((mean[:, None] - distance) / spread[:, None])  # ln P(X > d) of the row's point
    result = -(farther + farther.T)
    result[itself] = np.inf
    return result
