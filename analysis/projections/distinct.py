"""Equal states are one point: what cannot be told apart is drawn in one place."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from analysis.errors import AnalysisError

FEWEST = 4
"""Different points from which on neighbours mean anything."""


@dataclass(frozen=True, eq=False)
class Distinct:
    """The different rows of a table, in the order in which they first come."""

    first: Int64[np.ndarray, " distinct"]
    """Row of each."""
    which: Int64[np.ndarray, " point"]
    """Of every row, the number of the different row it equals."""

    def __len__(self) -> int:
        return len(self.first)


def distinct(*tables: Float32[np.ndarray, "point d_model"]) -> Distinct:
    """Rows that differ in a table, or in at least one of several tables of the same points.

    Token embeddings repeat, and so do texts. Rows must be equal to the last bit.
    """
    rows = np.ascontiguousarray(np.hstack(tables))
    rows += np.float32(0)  # -0 and 0 are equal numbers of different bits
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Distinct(first[order].astype(np.int64), place[which].astype(np.int64))


def require_drawable(states: Float32[np.ndarray, "point d_model"], layer: int) -> None:
    """Refuse states that hold numbers that are not finite, before a process is asked.

    Raises:
        AnalysisError: with the layer.
    """
    if not np.isfinite(states).all():
        raise AnalysisError(
            f"States at layer {layer} hold numbers that are not finite, so nothing is near anything. Choose another "
            "layer, or load the model in float32."
        )


def require_different(found: Distinct, where: str, title: str) -> None:
    """Refuse fewer different points than neighbours can be found among.

    Args:
        found: the points.
        where: such as `at layer 3`.
        title: of the projection.

    Raises:
        AnalysisError: with both numbers.
    """
    if len(found) < FEWEST:
        raise AnalysisError(
            f"{len(found.which):,} points were given, and {'only ' * (len(found) > 0)}{len(found)} of them differ "
            f"{where}. {title} needs at least {FEWEST} different points: add texts, or choose another layer or what a "
            "point is."
        )
