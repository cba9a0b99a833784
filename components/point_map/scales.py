"""Colours for numbers: where a scale begins and ends, so that a few extremes do not take all the contrast."""

import numpy as np

from components.point_map.data import Scale

ENDS = (0.02, 0.98)
"""Shares of the numbers outside of which they wear the colours of the ends."""


def between_usual(values: np.ndarray, title: str, unit: str, *, centred: bool = False) -> Scale:
    """From nearly the lowest to nearly the highest number.

    Args:
        values: [point] or [layer, point]; NaN where there is none.
        title: what the number is.
        unit: what it is measured in.
        centred: zero is in the middle, and both sides are of the same length.
    """
    known = values[np.isfinite(values)]
    low, high = map(float, np.quantile(known, ENDS)) if known.size else (0.0, 1.0)
    if centred:
        high = max(abs(low), abs(high))
        low = -high
    if not low < high:
        low, high = low - 0.5, low + 0.5
    return Scale(values, title, unit, low, high, diverging=centred)


def from_zero(values: np.ndarray, title: str, unit: str) -> Scale:
    """From zero up to nearly the highest number."""
    known = values[np.isfinite(values)]
    high = float(np.quantile(known, ENDS[1])) if known.size else 0.0
    return Scale(values, title, unit, 0.0, high if high > 0 else 1.0)


def lengths(norms: np.ndarray, usual: np.ndarray) -> Scale:
    """Norms beside what is usual at their layer: layers differ by far more than the points of one do.

    Args:
        norms: [layer, point].
        usual: [layer].
    """
    share = norms / np.maximum(usual[:, None], 1e-30)
    reach = max(0.05, float(np.quantile(np.abs(share - 1), 0.95)))
    return Scale(
        share, "Length of the state", "times the layer's median", 1 - reach, 1 + reach, diverging=True
    )
