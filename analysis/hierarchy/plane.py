"""Words of sibling concepts between the vectors of these, in two dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from analysis.causal import concept_vector
from analysis.errors import AnalysisError
from analysis.hierarchy.chance import TRAINED, deal, split
from analysis.hierarchy.geometry import ConceptGeometry
from analysis.hierarchy.sets import rows_in

STRANGERS = 300
"""Random words that are shown beside them."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Words of a few sibling concepts, in the plane of the differences between their vectors."""

    concepts: tuple[int, ...]
    corners: Float64[np.ndarray, "corner 2"]
    """The vectors, estimated from the words that are not held out; 1 is the vocabulary's standard deviation."""
    parent: Float64[np.ndarray, " 2"]
    points: Float64[np.ndarray, "token 2"]
    rows: Int64[np.ndarray, " token"]
    """Row of every point in the table."""
    corner: Int64[np.ndarray, " token"]
    """The corner of every point's concept."""
    held_out: Bool[np.ndarray, " token"]
    strangers: Float64[np.ndarray, "stranger 2"]
    share: float
    """Of the spread of the corners, what the plane holds, 0 to 1; of three corners all."""

    @property
    def nearest(self) -> float:
        """Share of held-out words whose own corner is the nearest."""
        away = np.linalg.norm(self.points[:, None] - self.corners, axis=-1).argmin(1)
        return float((away == self.corner)[self.held_out].mean())


def plane(found: ConceptGeometry, chosen: Sequence[int], *, shuffled: bool = False) -> Plane:
    """Words of three or four siblings in the plane of the differences between their vectors, some held out.

    Args:
        found: the geometry.
        chosen: numbers of concepts of one parent.
        shuffled: deal the words anew among the chosen first.

    Raises:
        AnalysisError: they are not three or four of one parent.
    Misleads when: one looks at the words that the vectors were estimated from: in many dimensions they crowd at
        their corner whatever they mean.
    """
    parents = {found.sets.concepts[number].parent for number in chosen}
    if not 3 <= len(set(chosen)) <= 4 or len(parents) > 1 or None in parents:
        raise AnalysisError("Choose three or four concepts of one parent.")
    random = np.random.default_rng((found.seed, 1))
    words = [found.sets.words(number, found.sets.kinds) for number in chosen]
    words = deal(words, random) if shuffled else words
    parts = [tuple(map(rows_in, split(each, TRAINED, random))) for each in words]
    table = found.table.astype(np.float64)
    vectors = np.stack([concept_vector(table[trained]) for trained, _ in parts])
    axes, share = _axes(vectors)
    rows = [part for pair in parts for part in pair]
    sizes = [len(part) for part in rows]
    return Plane(
        tuple(chosen),
        corners=vectors @ axes.T,
        parent=axes @ found.vectors[parents.pop()].astype(np.float64),
        points=table[np.concatenate(rows)] @ axes.T,
        rows=np.concatenate(rows),
        corner=np.repeat(np.arange(len(chosen)).repeat(2), sizes),
        held_out=np.repeat(np.tile([False, True], len(chosen)), sizes),
        strangers=found.strangers[:STRANGERS].astype(np.float64) @ axes.T,
        share=share,
    )


def _axes(
    corners: Float64[np.ndarray, "corner d_model"],
) -> tuple[Float64[np.ndarray, "2 d_model"], float]:
    """Where the corners differ most, at length 1 and the largest number positive; what of their spread that holds."""
    _, sizes, axes = np.linalg.svd(corners - corners.mean(0), full_matrices=False)
    signs = np.sign(axes[np.arange(2), np.abs(axes[:2]).argmax(1)])
    return axes[:2] * signs[:, None], float((sizes[:2] ** 2).sum() / (sizes**2).sum())
