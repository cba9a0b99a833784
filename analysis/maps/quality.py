"""How far a picture can be trusted: which neighbours it invents, which it loses, and where.

A picture in two or three axes cannot keep everything that is near in hundreds of dimensions. What follows compares
the k nearest neighbours of every point in the full space with those in the picture.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32
from threadpoolctl import threadpool_limits

from analysis.errors import AnalysisError

NEIGHBOURS = 15
"""Neighbours that are compared if nobody says."""
MOST = 2000
"""Points up to which all are measured; of more, so many are drawn at random."""
SOURCE = "trustworthiness and continuity: Venna & Kaski 2001, 10.1007/3-540-44668-0_68"


@dataclass(frozen=True, eq=False)
class Quality:
    """How well one picture keeps neighbours."""

    layer: int | None
    """None where the picture is of several layers at once."""
    k: int
    """Neighbours that were compared."""
    n_measured: int
    """Points that were compared with one another."""
    trustworthiness: float
    """1 if all who are near in the picture are near; .5 for a random layout (0 is the worst there is)."""
    continuity: float
    """1 if all who are near are near in the picture; .5 for a random layout."""
    kept: float
    """Share of the true k nearest neighbours that are among the k nearest of the picture, 0 to 1."""
    kept_by_chance: float
    """The same for a picture that knows nothing: k / (n - 1)."""
    distortion: Float32[np.ndarray, " point"]
    """Share of each point's true neighbours that the picture loses, 0 to 1; NaN for points that were not measured."""
    explained: float | None
    """Share of the states' variance that the picture's axes carry, 0 to 1; None where axes have no such meaning."""

    def __post_init__(self):
        self.distortion.flags.writeable = False


@threadpool_limits.wrap(limits=1, user_api="blas")  # see `basis.ONE_THREAD`
def quality(
    states: Float32[np.ndarray, "point d_model"],
    coordinates: Float32[np.ndarray, "point axis"],
    k: int = NEIGHBOURS,
    most: int = MOST,
    seed: int = 0,
    *,
    layer: int | None = None,
    explained: float | None = None,
) -> Quality:
    """Compare the nearest neighbours of every point in the full space with those in a picture.

    Equally near points are ordered by their number, in both: points that coincide everywhere are kept, and a picture
    in which all coincide keeps what chance keeps.

    Args:
        states: in the scale in which the picture was made.
        coordinates: the same points in the picture.
        k: neighbours, under half of the points.
        most: of more points so many are drawn; neighbours are then those among the drawn ones.
        seed: of the draw.
        layer: whose states these are, to be written down.
        explained: share of variance, to be written down.

    Raises:
        AnalysisError: k is not under half of the points, or numbers are not finite.

    Source: Venna & Kaski 2001, 10.1007/3-540-44668-0_68.
    Misleads when: a sample was drawn: neighbours are then further apart than among all points. k is fixed while sets
        differ in size: compare `kept` with `kept_by_chance`.
    """
    count = len(states)
    chosen = _sample(count, most, seed)
    _require_neighbours(k, len(chosen))
    _require_finite(states, coordinates)
    near, drawn = _ranks(states[chosen]), _ranks(coordinates[chosen])
    truly, shown = _within(near, k), _within(drawn, k)
    lost = (truly & ~shown).sum(1) / k
    distortion = np.full(count, np.nan, np.float32)
    distortion[chosen] = lost
    return Quality(
        layer,
        k,
        len(chosen),
        _score(near[shown], k, len(chosen)),
        _score(drawn[truly], k, len(chosen)),
        1 - float(lost.mean()),
        k / (len(chosen) - 1),
        distortion,
        explained,
    )


def neighbours_for(points: int, wanted: int = NEIGHBOURS) -> int | None:
    """How many neighbours to compare among so many points; None for fewer than three of them.

    At most a fifth of the points: of more, chance alone keeps so many that a good picture hardly differs from it.
    """
    return min(wanted, max(1, points // 5)) if points > 2 else None


def _sample(count: int, most: int, seed: int) -> np.ndarray:
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def _require_neighbours(k: int, count: int) -> None:
    if not 1 <= k < count / 2:
        raise AnalysisError(
            f"{k} neighbours of {count} points were asked for. Neighbours tell something only while they are fewer "
            f"than half of the points: give {f'at most {(count - 1) // 2}' if count > 2 else 'at least 3 points'}."
        )


def _require_finite(states: np.ndarray, coordinates: np.ndarray) -> None:
    if len(states) != len(coordinates):
        raise AnalysisError(
            f"The picture has {len(coordinates)} points and there are {len(states)} states; give the same points."
        )
    if not (np.isfinite(states).all() and np.isfinite(coordinates).all()):
        raise AnalysisError(
            "States or coordinates hold numbers that are not finite, so nothing is near anything."
        )


def _ranks(points: Float[np.ndarray, "point axis"]) -> Int32[np.ndarray, "point point"]:
    """How many points are nearer to the row's point than the column's, and it itself: 1 is the nearest, 0 itself."""
    count = len(points)
    order = np.argsort(_keys(points), axis=1)
    ranks = np.empty((count, count), np.int32)
    np.put_along_axis(ranks, order, np.arange(count, dtype=np.int32)[None], axis=1)
    return ranks


def _keys(points: Float[np.ndarray, "point axis"]) -> np.ndarray:
    """(point, point) whole numbers in the order of the distances, ties by number; a point comes first in its own row.

    Bits of floats that are not negative are in the order of the floats. Distances are kept in float32, in which those
    to two equal points are equal, whatever rounding did to their float64.
    """
    wide = (points - points.mean(0)).astype(np.float64)
    squares = np.einsum("ij,ij->i", wide, wide)
    distances = squares[:, None] + squares - 2 * (wide @ wide.T)
    distances[distances < 1e-12 * squares.max(initial=0)] = 0
    keys = distances.astype(np.float32).view(np.uint32).astype(np.uint64) << np.uint64(32)
    # numbers count from 1, so that 0 is free for the point itself
    keys |= np.arange(1, len(points) + 1, dtype=np.uint64)
    np.fill_diagonal(keys, 0)
    return keys


def _within(ranks: Int32[np.ndarray, "point point"], k: int) -> Bool[np.ndarray, "point point"]:
    return (ranks > 0) & (ranks <= k)


def _score(ranks: Int32[np.ndarray, " neighbour"], k: int, count: int) -> float:
    """Venna & Kaski's measure, from the ranks in one space of the k nearest neighbours in the other."""
    too_far = np.maximum(ranks.astype(np.int64) - k, 0).sum()
    return float(1 - 2 * too_far / (count * k * (2 * count - 3 * k - 1)))
