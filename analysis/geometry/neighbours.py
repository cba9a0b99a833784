"""Nearest neighbours in the full space, exactly, among points that differ."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int32, Int64

from analysis.errors import AnalysisError
from analysis.geometry.cloud import Cloud
from analysis.projections.distinct import distinct

MOST = 2000
"""Points that are compared with one another if nobody says."""
REACH = 128
"""Neighbours whose distances are kept."""
NAMED = 32
"""Neighbours that are kept by name."""
SAME = 1e-5
"""Of the median distance from the mean: nearer points differ by rounding."""
ROWS = 512
"""Points whose distances to all others are held at a time."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest neighbours of every compared point among the compared points."""

    points: Int64[np.ndarray, " compared"]
    """Their numbers in the cloud, ascending."""
    near: Int32[np.ndarray, "compared neighbour"]
    """Numbers in the cloud, nearest first; at most `NAMED`."""
    distances: Float32[np.ndarray, "compared rank"]
    """To the nearest, the second nearest and so on, at most `REACH`; infinite where there are no more."""

    def __len__(self) -> int:
        """Points that were compared."""
        return len(self.points)


def nearest(
    states: Float[np.ndarray, "point d_model"],
    k: int,
    texts: Int64[np.ndarray, " point"] | None = None,
) -> tuple[Int64[np.ndarray, "point k"], Float64[np.ndarray, "point k"]]:
    """The k nearest other points of every point, and how far away they are.

    Every pair is compared, in float64. Equally near points come in an order that is always the same.

    Args:
        states: the points.
        k: neighbours, fewer than there are points.
        texts: where given, points of the same number are no neighbours of each other.

    Returns:
        Numbers of the neighbours, nearest first, and Euclidean distances, infinite where there are no more.

    Raises:
        AnalysisError: there are not more than k points.
    """
    count = len(states)
    if not 1 <= k < count:
        raise AnalysisError(
            f"{k} neighbours of {count} points were asked for; a point is no neighbour of its own. Ask for fewer, or "
            "add texts."
        )
    wide = states.astype(np.float64)
    wide -= wide.mean(0)
    squares = np.einsum("ij,ij->i", wide, wide)
    near, far = np.empty((count, k), np.int64), np.empty((count, k))
    for rows in (slice(start, min(start + ROWS, count)) for start in range(0, count, ROWS)):
        table = squares - 2 * (wide[rows] @ wide.T) + squares[rows, None]
        if texts is not None:
            table[texts[rows, None] == texts] = np.inf
        table[np.arange(rows.stop - rows.start), np.arange(rows.start, rows.stop)] = np.inf
        some = np.argpartition(table, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(table, some, 1)
        order = np.lexsort((some, values), axis=1)
        near[rows] = np.take_along_axis(some, order, 1)
        far[rows] = np.sqrt(np.maximum(np.take_along_axis(values, order, 1), 0))
    return near, far


def different(
    cloud: Cloud,
    layers: tuple[int, ...],
    most: int = MOST,
    seed: int = 0,
    among: Bool[np.ndarray, " point"] | None = None,
) -> Int64[np.ndarray, " chosen"]:
    """Numbers of at most so many points of which no two are equal at any of some layers, ascending.

    Of equal points the first is kept. The draw is the same at every layer as far as the points differ there.

    Args:
        cloud: the points.
        layers: where they must differ.
        most: of more points so many are drawn.
        seed: of the draw.
        among: True for the points that come into question; None for all.
    """
    first = np.logical_and.reduce([_first(cloud, layer, among) for layer in layers])
    order = np.random.default_rng(seed).permutation(len(cloud))
    return np.sort(order[first[order]][:most])


def neighbours(
    cloud: Cloud,
    layer: int,
    points: Int64[np.ndarray, " compared"],
    *,
    cosine: bool = False,
    other_texts: bool = False,
) -> Neighbours:
    """The nearest neighbours of some points of a cloud among each other, searched once and kept.

    Args:
        cloud: the points.
        layer: where neighbours are searched.
        points: numbers of those that are compared; see `different`.
        cosine: neighbours by the angle between states instead of by distance; distances are then those of states
            of length one.
        other_texts: points of the same text are no neighbours of each other.

    Raises:
        AnalysisError: there are fewer than three points.
    """

    def search() -> Neighbours:
        states = _unit(cloud.at(layer)[points]) if cosine else cloud.at(layer)[points]
        near, distances = nearest(
            states, min(REACH, len(points) - 1), cloud.text[points] if other_texts else None
        )
        return Neighbours(points, points[near[:, :NAMED]].astype(np.int32), distances.astype(np.float32))

    if len(points) < 3:
        raise AnalysisError(
            f"Only {len(points)} different points remain at layer {layer}; neighbours need at least 3. Add texts."
        )
    return cloud.once(("neighbours", layer, cosine, other_texts, points.tobytes()), search)


def separate(cloud: Cloud, layer: int, most: int = MOST, seed: int = 0) -> Neighbours:
    """Neighbours among points of one layer that differ by more than rounding.

    What the same beginning of two texts gives is the same state, but for rounding where texts were run side by side;
    ratios of distances would read that rounding.

    Args:
        cloud: the points.
        layer: where neighbours are searched.
        most: of more points so many are drawn.
        seed: of the draw.

    Raises:
        AnalysisError: fewer than three points differ.
    """

    def search() -> Neighbours:
        points = different(cloud, (layer,), most, seed)
        found = neighbours(cloud, layer, points)
        copies = _copies(found, cloud.at(layer)[points])
        return neighbours(cloud, layer, points[~copies]) if copies.any() else found

    return cloud.once(("separate", layer, most, seed), search)


def _first(cloud: Cloud, layer: int, among: Bool[np.ndarray, " point"] | None) -> Bool[np.ndarray, " point"]:
    """True where a point comes into question and no earlier one that does is equal."""

    def find() -> np.ndarray:
        rows = np.arange(len(cloud)) if among is None else np.flatnonzero(among)
        first = np.zeros(len(cloud), bool)
        first[rows[distinct(cloud.at(layer)[rows]).first]] = True
        return first

    return cloud.once(("first of equal points", layer, None if among is None else among.tobytes()), find)


def _copies(
    found: Neighbours, states: Float32[np.ndarray, "compared d_model"]
) -> Bool[np.ndarray, " compared"]:
    """True where an earlier point is so near that the two differ by rounding."""
    least = SAME * np.median(np.linalg.norm(states - states.mean(0), axis=1))
    near = found.distances[:, : found.near.shape[1]] < least
    return (near & (found.near < found.points[:, None])).any(1)


def _unit(states: Float32[np.ndarray, "point d_model"]) -> Float64[np.ndarray, "point d_model"]:
    """States of length one; a state of zeros stays."""
    wide = states.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    return wide / np.where(lengths > 0, lengths, 1)
