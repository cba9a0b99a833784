"""A sentence of answer, computed from a curve and its controls."""

from collections.abc import Sequence

import numpy as np

from analysis.methods.geometry import Measured


def answer(found: Measured, shuffled: Sequence[Measured]) -> str:
    """Where the curve runs, where it has its extreme, and whether that lies outside of what shuffled tokens give.

    Args:
        found: the curve.
        shuffled: the same measure of texts whose tokens were dealt anew; none where they are not there.
    """
    known = np.flatnonzero(np.isfinite(found.values))
    layers, values = np.array(found.layers)[known], found.values[known]
    title = found.measure.title
    if len(known) == 1:
        return f"{title}: {values[0]:.3g} at layer {layers[0]}.{_beside(found, layers[0], shuffled)}"
    if np.ptp(values) <= 1e-6 * max(1.0, float(np.abs(values).max())):
        return f"{title}: {values[0]:.3g} at all layers.{_beside(found, layers[0], shuffled)}"
    extreme = _extreme(values)
    word = "lowest" if values[extreme] == values.min() else "highest"
    course = f"{title}: from {values[0]:.3g} at layer {layers[0]} to {values[-1]:.3g} at layer {layers[-1]}"
    there = (
        f", the {word}"
        if extreme == len(values) - 1
        else f"; {word} at layer {layers[extreme]} ({values[extreme]:.3g})"
    )
    return f"{course}{there}.{_beside(found, layers[extreme], shuffled)}"


def _extreme(values: np.ndarray) -> int:
    """The extreme that stands out more from the line between the two ends; the last layer where both are at ends."""
    line = np.linspace(values[0], values[-1], len(values))
    away = np.abs(values - line)
    inner = [each for each in (int(values.argmin()), int(values.argmax())) if 0 < each < len(values) - 1]
    return max(inner, key=lambda each: away[each]) if inner else len(values) - 1


def _beside(found: Measured, layer: int, shuffled: Sequence[Measured]) -> str:
    """Whether the value lies outside of what shuffled tokens give at this layer."""
    values = [each.values[each.layers.index(layer)] for each in shuffled if layer in each.layers]
    values = [float(value) for value in values if np.isfinite(value)]
    if not values:
        return ""
    low, high, own = min(values), max(values), float(found.values[found.layers.index(layer)])
    band = f"{low:.3g}" if low == high or len(values) == 1 else f"{low:.3g} to {high:.3g}"
    if low <= own <= high:
        return (
            f" That lies within what shuffled tokens give there ({band}): it is not about what the texts say."
        )
    return f" That is {'below' if own < low else 'above'} what shuffled tokens give there ({band})."
