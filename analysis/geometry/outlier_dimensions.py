"""Outlier dimensions: the few numbers of a state that are far from zero, or vary, far more than all others."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from analysis.errors import AnalysisError
from analysis.geometry.isotropy import ROWS, cosines, isoscore_of

RULES = {
    "published": "more than 3 standard deviations from the mean of all dimensions (as published)",
    "robust": "more than 6 robust standard deviations from the median of all dimensions",
}
"""When a dimension is an outlier, by id."""
ROBUST = 1.4826
"""Median absolute deviations that make a standard deviation of a normal distribution."""
ROUNDING = 1e-5
"""Of the states' root mean square: a deviation below this is rounding in float32."""


@dataclass(frozen=True, eq=False)
class ByDimension:
    """Mean and spread of every number of the states."""

    mean: Float64[np.ndarray, " d_model"]
    spread: Float64[np.ndarray, " d_model"]
    """Standard deviation."""

    @property
    def scale(self) -> float:
        """Root mean square of all numbers of all states."""
        return float(np.sqrt((self.mean**2 + self.spread**2).mean()))

    def outliers(self, of: str = "mean", rule: str = "published") -> Int64[np.ndarray, " outlier"]:
        """Dimensions whose mean, or spread, is far from that of the others: the furthest first.

        Args:
            of: `mean` or `spread`.
            rule: one of `RULES`.

        Source: Luo, Kulmizev & Mao 2021, arXiv 2011.04393 (mean, 3 standard deviations).
        Misleads when: one dimension is huge: it widens the standard deviation behind which others hide. The robust
            rule is not widened.
        """
        values = {"mean": self.mean, "spread": self.spread}[of]
        middle = {"published": values.mean(), "robust": np.median(values)}[rule]
        away = np.abs(values - middle)
        bound = 3 * values.std() if rule == "published" else 6 * ROBUST * np.median(away)
        order = np.argsort(-away, kind="stable")
        return order[away[order] > max(bound, ROUNDING * self.scale)]


@dataclass(frozen=True, eq=False)
class Profile:
    """What single dimensions do to the states' geometry; one entry per dimension that was asked for."""

    dimensions: Int64[np.ndarray, " asked"]
    mean: Float64[np.ndarray, " asked"]
    spread: Float64[np.ndarray, " asked"]
    kurtosis: Float64[np.ndarray, " asked"]
    """Excess: 0 for a normal distribution, large where few tokens hold most of it; NaN where nothing varies."""
    adds: Float64[np.ndarray, " asked"]
    """What the dimension adds to the mean cosine."""
    cosine_without: Float64[np.ndarray, " asked"]
    """Mean cosine with this dimension set to zero."""
    isoscore_without: Float64[np.ndarray, " asked"]
    """IsoScore with this dimension set to zero."""
    cosine: float
    isoscore: float


def by_dimension(states: Float[np.ndarray, "point d_model"]) -> ByDimension:
    """Mean and standard deviation of every number of the states.

    Raises:
        AnalysisError: there are no points.
    """
    if not len(states):
        raise AnalysisError("There are no points to take means of. Give longer texts.")
    mean, squares = states.mean(0, dtype=np.float64), np.zeros(states.shape[1])
    for start in range(0, len(states), ROWS):
        squares += ((states[start : start + ROWS] - mean) ** 2).sum(0)
    return ByDimension(mean, np.sqrt(squares / len(states)))


def clipped(
    states: Float[np.ndarray, "point d_model"], dimensions: Int64[np.ndarray, " outlier"]
) -> Float[np.ndarray, "point d_model"]:
    """The states with these dimensions set to zero.

    Source: Luo, Kulmizev & Mao 2021, arXiv 2011.04393, who call it clipping.
    Misleads when: a dimension is large and carries meaning too: both go.
    """
    result = states.copy()
    result[:, dimensions] = 0
    return result


def share_within(
    states: Float[np.ndarray, "point d_model"], dimensions: Int64[np.ndarray, " outlier"]
) -> Float64[np.ndarray, " point"]:
    """Share of every state's squared length that lies in these dimensions, 0 to 1; NaN for a state that is zero."""
    inside = (states[:, dimensions].astype(np.float64) ** 2).sum(1)
    total = np.einsum("ij,ij->i", states, states, dtype=np.float64)
    return np.clip(inside / np.where(total > 0, total, np.nan), 0, 1)


def profile(states: Float[np.ndarray, "point d_model"], dimensions: Int64[np.ndarray, " asked"]) -> Profile:
    """What each of some dimensions does to mean cosine and IsoScore.

    Raises:
        AnalysisError: all states are the same, or fewer than two are not zero.

    Source: Timkey & van Schijndel 2021, arXiv 2109.04404; Kovaleva et al. 2021, arXiv 2105.06990.
    Misleads when: the next block's norm scales a dimension down: the model then sees less of it than these numbers
        say.
    """
    known, whole = by_dimension(states), cosines(states)
    without = [_without(states, np.array([each])) for each in dimensions.tolist()]
    return Profile(
        dimensions,
        known.mean[dimensions],
        known.spread[dimensions],
        _kurtosis(states[:, dimensions], known.mean[dimensions], known.spread[dimensions]),
        whole.of_dimension[dimensions],
        np.array([cosine for cosine, _ in without]),
        np.array([score for _, score in without]),
        whole.mean,
        isoscore_of(states),
    )


def _without(states: np.ndarray, dimensions: np.ndarray) -> tuple[float, float]:
    """Mean cosine and IsoScore with these dimensions set to zero."""
    left = clipped(states, dimensions)
    return cosines(left).mean, isoscore_of(left)


def _kurtosis(
    values: Float[np.ndarray, "point asked"],
    mean: Float64[np.ndarray, " asked"],
    spread: Float64[np.ndarray, " asked"],
) -> Float64[np.ndarray, " asked"]:
    fourth = ((values - mean) ** 4).mean(0)
    varies: Bool[np.ndarray, " asked"] = spread > 0
    return fourth / np.where(varies, spread, np.nan) ** 4 - 3
