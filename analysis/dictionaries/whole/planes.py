"""Whether points in a plane make one thing of two dimensions, or two things of one dimension each.

A feature of two dimensions is irreducible if it is neither two independent numbers (separable: along some pair of axes
knowing one coordinate tells nothing of the other) nor a mixture of narrower things (many points lie on one line).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from analysis.errors import AnalysisError

SOURCE = "Engels, Michaud, Liao, Gurnee & Tegmark 2024 (Not All Language Model Features Are Linear), arXiv 2405.14860"
TURNS = 100
"""Rotations that are tried for separability, over a quarter of a turn."""
BINS = 10
"""Of each axis of the histogram."""
EPSILON = 0.1
"""Half the width of the strip that points are counted in, in root mean squares."""
ANGLES = 90
"""Directions that are tried for the mixture index, over half a turn."""
OFFSETS = 41
"""Places of the strip along each direction, within two standard deviations of the mean."""
NOTHING = 1e-9
"""Spread in a direction, over that in all: less is rounding, and all points lie on one line."""
FEWEST = 50
"""Points."""


@dataclass(frozen=True)
class Plane:
    """Two axes, and what the points in them look like."""

    axes: tuple[int, int]
    """Numbers of the principal components, from 0."""
    separability: float
    """Bits; 0 if two independent numbers make the points. It has the positive bias (bins - 1)^2 / (2 n ln 2)."""
    mixture: float
    """Share of points in the fullest strip, 0 to 1; a normal cloud has about .08."""

    @property
    def irreducible(self) -> float:
        """(1 - mixture) separability, in bits: high if the points are one thing of two dimensions."""
        return (1 - self.mixture) * self.separability


def separability(points: Float[np.ndarray, "point 2"], turns: int = TURNS, bins: int = BINS) -> float:
    """The least mutual information of the two coordinates over rotations of the plane, in bits.

    Args:
        points: at least 50.
        turns: rotations from 0 to a quarter of a turn: beyond, axes only change places.
        bins: of each axis, evenly from the least to the largest coordinate.

    Returns:
        0 (independent along some axes) upwards. Independent coordinates give about (bins - 1)^2 / (2 n ln 2), so
        compare with a null of as many points.

    Raises:
        AnalysisError: fewer than 50 points.

    Source: Engels et al. 2024, arXiv 2405.14860.
    Misleads when: a few points lie far out: the rest then share a few bins, and nothing is told of them.
    """
    _require_points(points)
    centred = points.astype(np.float64) - points.mean(0)
    return min(
        _mutual_information(centred @ _turn(angle), bins)
        for angle in np.linspace(0, np.pi / 2, turns, endpoint=False)
    )


def mixture(points: Float[np.ndarray, "point 2"], epsilon: float = EPSILON) -> float:
    """Share of points in the fullest narrow strip: max over directions v and offsets c of P(|v.f + c| < epsilon rms).

    rms is the root mean square of v.f + c itself, so that the measure does not depend on scale. Directions and offsets
    are searched on a grid, which finds at least what the paper's ascent on a smoothed share finds up to the grid.

    Args:
        points: at least 50.
        epsilon: half the width of the strip.

    Returns:
        0 to 1; about .08 for a normal cloud, near 1 where most points lie on one line.

    Raises:
        AnalysisError: fewer than 50 points.

    Source: Engels et al. 2024, arXiv 2405.14860.
    """
    _require_points(points)
    centred = points.astype(np.float64) - points.mean(0)
    best, whole = 0.0, centred.std()
    for angle in np.linspace(0, np.pi, ANGLES, endpoint=False):
        along = np.sort(centred @ np.array([np.cos(angle), np.sin(angle)]))
        spread = along.std()
        if spread <= NOTHING * whole:
            return 1.0
        middle = np.linspace(-2, 2, OFFSETS) * spread
        half = epsilon * np.sqrt(spread**2 + middle**2)
        inside = np.searchsorted(along, middle + half) - np.searchsorted(along, middle - half, side="right")
        best = max(best, float(inside.max()) / len(along))
    return best


def planes(coordinates: Float[np.ndarray, "point axis"]) -> tuple[Plane, ...]:
    """Consecutive pairs of principal components: 1 and 2, 2 and 3, and so on."""
    return tuple(
        Plane(
            (first, first + 1),
            separability(coordinates[:, first : first + 2]),
            mixture(coordinates[:, first : first + 2]),
        )
        for first in range(coordinates.shape[1] - 1)
    )


def irreducibility(found: tuple[Plane, ...]) -> float:
    """Mean over planes of (1 - mixture) separability, in bits: what clusters are ordered by."""
    return float(np.mean([each.irreducible for each in found]))


def chance_separability(points: int, bins: int = BINS) -> float:
    """What independent coordinates give, in bits: the bias of mutual information from a histogram.

    Source: Miller 1955.
    Misleads when: most bins are empty; it is then far less, so compare with drawn points.
    """
    return (bins - 1) ** 2 / (2 * points * np.log(2))


def _mutual_information(points: Float64[np.ndarray, "point 2"], bins: int) -> float:
    low, high = points.min(0), points.max(0)
    span = np.where(high > low, high - low, 1)
    cells = np.minimum(((points - low) / span * bins).astype(np.int64), bins - 1)
    counts = np.bincount(cells[:, 0] * bins + cells[:, 1], minlength=bins * bins).reshape(bins, bins)
    shares = counts / len(points)
    apart = np.outer(shares.sum(1), shares.sum(0))
    seen = shares > 0
    return max(float((shares[seen] * np.log2(shares[seen] / apart[seen])).sum()), 0.0)


def _turn(angle: float) -> Float64[np.ndarray, "2 2"]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _require_points(points: np.ndarray) -> None:
    if len(points) < FEWEST:
        raise AnalysisError(
            f"The shape of points in a plane is measured on at least {FEWEST}; there are {len(points)}. Gather more "
            "text, or choose a cluster that fires more often."
        )
