"""Whether what a place adds to states changes slowly along the text, seen across two halves of the texts."""

import numpy as np
from jaxtyping import Float, Float64

from analysis.errors import AnalysisError

SAME = "cosine of the same place in both halves"


def across_halves(
    first: Float64[np.ndarray, "position d_model"], second: Float64[np.ndarray, "position d_model"]
) -> tuple[float, float, float]:
    """Mean cosines of what positions add in one half of the texts with what they add in the other.

    Noise of one half is not in the other, so it does not make neighbours alike.

    Args:
        first: mean state at each position, over texts of one half, centred over positions.
        second: of the other half.

    Returns:
        Of the same position, of neighbours, and of positions at least half of all positions apart; -1 to 1.

    Raises:
        AnalysisError: positions add nothing in one half.
    """
    lengths = [np.linalg.norm(each, axis=1, keepdims=True) for each in (first, second)]
    if min(each.min() for each in lengths) == 0:
        raise AnalysisError("All positions have the same mean state here; there is no path to speak of.")
    cosines = np.clip((first / lengths[0]) @ (second / lengths[1]).T, -1, 1)
    apart = np.abs(np.subtract.outer(np.arange(len(first)), np.arange(len(first))))
    return tuple(float(cosines[which].mean()) for which in (apart == 0, apart == 1, apart >= len(first) / 2))


def of_halves(
    states: Float[np.ndarray, "text position d_model"],
) -> tuple[Float64[np.ndarray, "position d_model"], Float64[np.ndarray, "position d_model"]]:
    """What every place adds in every other text, and in the texts between: mean states, centred over places."""
    means = [half.mean(0, dtype=np.float64) for half in (states[0::2], states[1::2])]
    return means[0] - means[0].mean(0), means[1] - means[1].mean(0)
