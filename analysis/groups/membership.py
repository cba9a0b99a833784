"""Which points are asked about, and which they are compared with."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64

from analysis.errors import AnalysisError
from analysis.numerics import in_chunks

Rows = Sequence[int] | Int[np.ndarray, " row"]
"""Numbers of points."""
ROWS_AT_ONCE = 20_000
"""States that are copied from disk together."""


def membership(
    count: int, rows: Rows, among: Bool[np.ndarray, " point"] | None = None
) -> tuple[Int64[np.ndarray, " inside"], Int64[np.ndarray, " outside"]]:
    """The group and the rest, ascending.

    Args:
        count: points there are.
        rows: the group; what is named twice counts once.
        among: points that count at all, in the group and in the rest; None takes all.

    Raises:
        AnalysisError: a row does not exist, or nothing is left in the group or beside it.
    """
    inside = np.zeros(count, bool)
    chosen = np.asarray(rows, np.int64).reshape(-1)
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < count:
        raise AnalysisError(
            f"Points are numbered 0 to {count - 1:,}; given {chosen.min()} to {chosen.max()}."
        )
    inside[chosen] = True
    counted = np.ones(count, bool) if among is None else among
    group, rest = np.flatnonzero(inside & counted), np.flatnonzero(~inside & counted)
    if not len(group) or not len(rest):
        raise AnalysisError(
            f"A group is compared with the rest: {len(group):,} points were chosen and {len(rest):,} are left. Choose "
            f"{'some' if not len(group) else 'fewer'}."
        )
    return group, rest


def chunks(
    states: Float32[np.ndarray, "point d_model"], rows: Int64[np.ndarray, " row"]
) -> Iterator[tuple[slice, Float32[np.ndarray, "row d_model"]]]:
    """Some of the states, a few at a time: all of them need not fit into memory."""
    for part in in_chunks(len(rows), ROWS_AT_ONCE):
        yield part, np.asarray(states[rows[part]])


def mean(
    states: Float32[np.ndarray, "point d_model"], rows: Int64[np.ndarray, " row"]
) -> Float64[np.ndarray, " d_model"]:
    """The mean of some states."""
    total = np.zeros(states.shape[1])
    for _, own in chunks(states, rows):
        total += own.sum(0, dtype=np.float64)
    return total / len(rows)


def auc(
    ranks: Float[np.ndarray, "point number"], inside: Bool[np.ndarray, " point"]
) -> Float64[np.ndarray, " number"]:
    """The chance that a point of the group has the larger number than one of the rest, ties counting half: 0 to 1.

    Args:
        ranks: of every number over the points, from 1 on, ties sharing their mean.
        inside: True in the group; some are and some are not.
    """
    group, rest = int(inside.sum()), int((~inside).sum())
    return (ranks[inside].sum(0, dtype=np.float64) - group * (group + 1) / 2) / (group * rest)
