"""The nearest points in the full space, not in a picture of it, and how they change from layer to layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from analysis.errors import AnalysisError
from analysis.groups.membership import Rows, chunks, membership
from analysis.jobs import Report, silent
from analysis.maps.scaling import scaled


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The points nearest to a point, or to the mean of a group."""

    rows: Int64[np.ndarray, " k"]
    """Nearest first; of equally near ones the first."""
    distances: Float32[np.ndarray, " k"]
    """Euclidean, between scaled states: with scale `unit` 0 to 2, for a single point the square root of
    2 (1 - cosine)."""


def nearest(
    states: Float32[np.ndarray, "point d_model"],
    rows: Rows,
    k: int = 15,
    scale: str = "unit",
    among: Bool[np.ndarray, " point"] | None = None,
) -> Neighbours:
    """The nearest of the other points to a point, or to the mean of a group's scaled states; exact, by all distances.

    Args:
        states: of one layer; may be mapped from disk.
        rows: one point or several; they are none of their own neighbours.
        k: how many; fewer where there are fewer.
        scale: one of `maps.scaling.SCALES`.
        among: points that may be neighbours; None takes all. The asked ones count in any case.

    Raises:
        AnalysisError: a row does not exist, there is nothing beside the group, or `k` is below 1.
    Misleads when: copies of a text are among the points: they are nearest and say nothing.
    """
    if k < 1:
        raise AnalysisError(f"At least one neighbour can be asked for; given {k}.")
    group, _ = membership(len(states), rows)
    centre = scaled(np.asarray(states[group]), scale).mean(0, dtype=np.float64)
    others = _others(len(states), group, among)
    distances = np.empty(len(others), np.float32)
    for part, own in chunks(states, others):
        distances[part] = np.linalg.norm(scaled(own, scale) - centre, axis=1)
    order = np.argsort(distances, kind="stable")[:k]
    return Neighbours(others[order], distances[order])


@dataclass(frozen=True, eq=False)
class NeighbourChange:
    """How the neighbours of the same points change over the layers."""

    layers: tuple[int, ...]
    neighbours: tuple[Neighbours, ...]
    """By layer."""
    kept: Float32[np.ndarray, " step"]
    """Share of a layer's neighbours that are still neighbours at the next of the layers, 0 to 1."""
    jaccard: Float32[np.ndarray, " step"]
    """Common neighbours of two layers as a share of all of both, 0 to 1."""
    by_chance: float
    """`kept` where the next layer's neighbours are any points."""


def neighbour_change(
    states_of: Callable[[int], Float32[np.ndarray, "point d_model"]],
    rows: Rows,
    layers: Sequence[int],
    k: int = 15,
    scale: str = "unit",
    among: Bool[np.ndarray, " point"] | None = None,
    report: Report = silent,
) -> NeighbourChange:
    """The neighbours of a point, or of a group's mean, at several layers, and the share kept between them.

    Args:
        states_of: the states of one layer, such as `States.at`.
        rows: one point or several.
        layers: ascending.
        k: neighbours at each.
        scale: one of `maps.scaling.SCALES`.
        among: as for `nearest`.
        report: progress in layers; raises `Cancelled` to stop.

    Raises:
        AnalysisError: as for `nearest`.
    Misleads when: layers are skipped: then more changes between two of them.
    """
    found = []
    for number, layer in enumerate(layers):
        report("Looking for neighbours", number, len(layers))
        found.append(nearest(states_of(layer), rows, k, scale, among))
    common = [len(np.intersect1d(a.rows, b.rows)) for a, b in zip(found[:-1], found[1:], strict=True)]
    count = len(found[0].rows)
    shared = np.array(common, np.float32)
    able = len(_others(len(states_of(layers[0])), np.unique(rows), among))
    return NeighbourChange(
        tuple(layers), tuple(found), shared / count, shared / (2 * count - shared), count / able
    )


def _others(
    count: int, group: Int64[np.ndarray, " inside"], among: Bool[np.ndarray, " point"] | None
) -> Int64[np.ndarray, " outside"]:
    """The points that may be neighbours of a group."""
    able = np.ones(count, bool) if among is None else among.copy()
    able[group] = False
    if not able.any():
        raise AnalysisError("No other point may be a neighbour. Choose fewer points, or let more count.")
    return np.flatnonzero(able)
