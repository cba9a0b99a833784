"""States of mean 0 and spread 1, and weights on them taken back to states as they are."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from analysis.errors import AnalysisError

NOISE = 1e-6
"""Of its mean: a number that varies less is the same everywhere, but for rounding in float32."""


@dataclass(frozen=True, eq=False)
class Scale:
    """Mean and spread of every number of a state over the examples that are learned from."""

    mean: Float64[np.ndarray, " d"]
    spread: Float64[np.ndarray, " d"]
    """Standard deviation; infinite where a number never varies, so that it carries no weight."""

    def apply(self, states: Float[np.ndarray, "example d"]) -> Float64[np.ndarray, "example d"]:
        """Standardised states."""
        return (states - self.mean) / self.spread

    def back(
        self, weights: Float64[np.ndarray, "row d"], bias: Float64[np.ndarray, " row"]
    ) -> tuple[Float64[np.ndarray, "row d"], Float64[np.ndarray, " row"]]:
        """Weights and bias that say of states what the given ones say of standardised states."""
        own = weights / self.spread
        return own, bias - own @ self.mean


def scale_of(states: Float[np.ndarray, "example d"]) -> Scale:
    """Mean and spread of states.

    Raises:
        AnalysisError: a state holds a number that is not finite.
    """
    require_finite(states)
    mean, spread = states.mean(0, dtype=np.float64), states.std(0, dtype=np.float64)
    return Scale(mean, np.where(spread > NOISE * np.abs(mean), spread, np.inf))


def require_finite(states: Float[np.ndarray, "example d"]) -> None:
    """Refuse states with numbers that are missing or infinite."""
    bad = np.flatnonzero(~np.isfinite(states).all(1))
    if len(bad):
        raise AnalysisError(
            f"The state of example {bad[0] + 1} holds numbers that are not finite ({len(bad):,} of {len(states):,} "
            "examples do). Run the model in a wider precision, or remove these examples."
        )


def in_span(
    scaled: Float64[np.ndarray, "example d"],
) -> tuple[Float64[np.ndarray, "example coordinate"], Float64[np.ndarray, "d coordinate"] | None]:
    """The states in coordinates of the space they span, where examples are fewer than numbers.

    Probes that shrink evenly in all directions have their weights in that space, so nothing is lost.

    Returns:
        Coordinates, and the axes they count along; the states themselves and None where there is nothing to save.
    """
    from scipy.linalg import solve_triangular

    if scaled.shape[1] <= scaled.shape[0]:
        return scaled, None
    products = scaled @ scaled.T
    # centred states are one dimension short, and equal ones shorter
    products[np.diag_indices_from(products)] += 1e-10 * max(float(np.trace(products)) / len(products), 1e-300)
    lower = np.linalg.cholesky(products)
    return lower, solve_triangular(lower, scaled, lower=True).T
