"""What a curve over the layers looks like, as numbers that a rule can ask for: valleys, peaks, falls, rank order."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

FEWEST = 5
"""Layers below which a curve has no shape to speak of."""
PERMUTATIONS = 5_000


@dataclass(frozen=True)
class Turn:
    """Where a curve turns, with both of its sides beyond."""

    kind: Literal["valley", "peak"]
    layer: int
    size: float
    """How far the nearer of both sides lies from it, as a share of the higher of the two values; 0 where there is no
    such turn."""


def depth(layers: Int64[np.ndarray, " layer"]) -> Float64[np.ndarray, " layer"]:
    """Share of the way from the lowest to the highest of these layers, 0 to 1."""
    return (layers - layers[0]) / max(1, layers[-1] - layers[0])


def turn(
    layers: Int64[np.ndarray, " layer"],
    values: Float64[np.ndarray, " layer"],
    kind: Literal["valley", "peak"],
    between: tuple[float, float] = (0.1, 0.9),
) -> Turn:
    """The largest valley or peak in a part of the depth.

    It is lower (higher) than both neighbours or as low (high), and its sides are the highest (lowest) values anywhere
    below and above it: a curve that only rises has neither, and a slope is no turn.

    Args:
        layers: ascending, at least two.
        values: not negative.
        kind: which of the two.
        between: shares of the depth it may lie in.
    """
    inside = np.flatnonzero((depth(layers) >= between[0]) & (depth(layers) <= between[1]))
    sizes = [_size(values, at, kind) for at in inside.tolist()]
    if not sizes:
        return Turn(kind, int(layers[0]), 0.0)
    best = int(np.argmax(sizes))
    return Turn(kind, int(layers[inside[best]]), float(sizes[best]))


def _size(values: np.ndarray, at: int, kind: str) -> float:
    below, above = values[: at + 1], values[at:]
    near = values[max(0, at - 1) : at + 2]
    if values[at] != (near.min() if kind == "valley" else near.max()):
        return 0.0
    if kind == "valley":
        high, low = min(below.max(), above.max()), values[at]
    else:
        high, low = values[at], max(below.min(), above.min())
    return 0.0 if high <= 0 else (high - low) / high


def mean_between(
    layers: Int64[np.ndarray, " layer"], values: Float64[np.ndarray, " layer"], low: float, high: float
) -> float:
    """Mean over the layers in a part of the depth; NaN where there is none."""
    inside = (depth(layers) >= low) & (depth(layers) <= high)
    return float(values[inside].mean()) if inside.any() else float("nan")


def rank_correlation(a: Float64[np.ndarray, " pair"], b: Float64[np.ndarray, " pair"]) -> float:
    """Spearman's rank correlation, -1 to 1; ties share their mean rank; NaN where one side is constant."""
    ranks = [_ranks(each) for each in (a, b)]
    if any(np.ptp(each) == 0 for each in ranks):
        return float("nan")
    return float(np.clip(np.corrcoef(*ranks)[0, 1], -1, 1))


def chance_of(
    a: Float64[np.ndarray, " pair"], b: Float64[np.ndarray, " pair"], seed: int = 0, draws: int = PERMUTATIONS
) -> float:
    """How often chance pairs correlate at least as highly: share of random permutations, the given one counted in.

    Source:
        Phipson & Smyth 2010 (arXiv 1603.05766) for counting the given order in.
    """
    ranks = [_ranks(each) for each in (a, b)]
    centred = [each - each.mean() for each in ranks]
    order = np.random.default_rng(seed).permuted(np.tile(centred[1], (draws, 1)), axis=1)
    reached = int((order @ centred[0] >= centred[0] @ centred[1] - 1e-9).sum())
    return (reached + 1) / (draws + 1)


def _ranks(values: np.ndarray) -> np.ndarray:
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[group]
