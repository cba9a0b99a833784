"""How much of a layer the best linear map of the layer below tells, and what it misses of every token."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from analysis.errors import AnalysisError
from analysis.geometry.least_squares import STILL, LeastSquares, spread


@dataclass(frozen=True, eq=False)
class Linearity:
    """What the best linear map from one layer to the next misses.

    The best map to the difference of the layers is the same map less the identity, so it misses the same: with and
    without what the residual stream carries over, only what it is compared with differs.
    """

    missed: Float32[np.ndarray, " point"]
    """Length of what the map misses of each point, in the units of the residual stream."""
    spread: float
    """Mean squared distance of the upper states from their mean."""
    step_spread: float
    """The same of the steps from layer to layer; 0 where all steps are equal."""
    held_out: tuple[float, float, float]
    """Of texts the map was not fitted to: mean square of what it misses, and both spreads; NaN where there are none."""

    @property
    def with_skip(self) -> float:
        """R2 of predicting the upper layer, 0 to 1."""
        return _r2(self._missed_square, self.spread)

    @property
    def without_skip(self) -> float:
        """R2 of predicting the step, 0 to 1.

        Raises:
            AnalysisError: all steps are equal.
        """
        if not self.step_spread:
            raise AnalysisError(
                "Every token takes the same step to this layer, so there is nothing to predict."
            )
        return _r2(self._missed_square, self.step_spread)

    @property
    def held_out_with_skip(self) -> float:
        """R2 on held-out texts: at most 1, below 0 where the texts' own mean would be nearer; NaN without such."""
        return _held_out_r2(self.held_out[0], self.held_out[1])

    @property
    def held_out_without_skip(self) -> float:
        """The same of the step."""
        return _held_out_r2(self.held_out[0], self.held_out[2])

    @property
    def relative(self) -> Float32[np.ndarray, " point"]:
        """What is missed of each point over the root mean square distance of the upper states from their mean."""
        return self.missed / np.float32(np.sqrt(self.spread))

    @property
    def _missed_square(self) -> float:
        return float(np.mean(self.missed.astype(np.float64) ** 2))


def linearity(
    below: Float32[np.ndarray, "point d_model"],
    above: Float32[np.ndarray, "point d_model"],
    part: Int64[np.ndarray, " point"] | None = None,
) -> Linearity:
    """Fit the best linear map from one layer to the next, to all points and to those outside of part 0.

    Args:
        below: states of the lower layer.
        above: of the same points at the upper one.
        part: which part each point belongs to; part 0 is held out of the second fit. None, or one part for all,
            makes no second fit.

    Raises:
        AnalysisError: all states of one of the layers are equal.

    Source: Razzhigaev et al. 2024, arXiv 2405.12250; Razzhigaev et al. 2025, arXiv 2502.15007.
    Misleads when: there are not many more points than numbers in a state: a map then fits noise. Independent layers
        give d / (N - 1).
    """
    steps = (
        above - below
    )  # fitted instead of the upper layer: a small step would be lost in what is carried over
    whole = spread(above)
    if not (whole and spread(below)):
        raise AnalysisError(
            "All states of a layer are equal, so a linear map between layers has nothing to tell."
        )
    out = np.zeros(len(below), bool) if part is None else part == 0
    can_hold_out = bool(out.any() and not out.all())
    squares = LeastSquares(below, 1 - out.astype(np.int64), (None, 0) if can_hold_out else (None,))
    maps = squares.maps(below, steps)
    held_out = (np.nan,) * 3
    if can_hold_out:
        missed = float(maps[0].misses(below[out], steps[out]).mean(dtype=np.float64))
        held_out = missed, spread(above[out]), spread(steps[out])
    step = spread(steps)
    return Linearity(
        np.sqrt(maps[None].misses(below, steps)), whole, step if step > STILL * whole else 0.0, held_out
    )


def _r2(missed: float, whole: float) -> float:
    return min(
        max(1 - missed / whole, 0.0), 1.0
    )  # the fitted mean is never worse: what lies outside is rounding


def _held_out_r2(missed: float, whole: float) -> float:
    return 1 - missed / whole if whole > 0 else float("nan")
