"""How the concepts of one parent lie to one another: a regular simplex where none is nearer to any other."""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from analysis.hierarchy.sets import Sets


@dataclass(frozen=True, eq=False)
class Simplex:
    """How the concepts of one parent lie to one another; `shuffled` is the same of shuffled kinds, one per draw."""

    parent: int
    children: tuple[int, ...]
    gram: Float64[np.ndarray, "child child"]
    """Inner products of what each adds to the parent."""
    dimension: float
    """Effective dimension of their vectors about the middle, 1 to children - 1: all of it in a regular simplex."""
    uneven: float
    """Standard deviation of the lengths of its edges over their mean; 0 where it is regular."""
    shuffled_dimension: Float64[np.ndarray, " draw"]
    shuffled_uneven: Float64[np.ndarray, " draw"]

    @property
    def angles(self) -> Float64[np.ndarray, "child child"]:
        """Cosines between what the children add to the parent; -1 / (children - 1) in a regular simplex."""
        lengths = np.sqrt(np.diag(self.gram))
        return self.gram / np.outer(lengths, lengths)


def simplex(
    sets: Sets,
    parent: int,
    vectors: Float64[np.ndarray, "concept d_model"],
    shuffled: Float64[np.ndarray, "draw concept d_model"],
) -> Simplex:
    """The simplex of a parent's concepts, beside those of shuffled kinds."""
    children = sets.children(parent)
    corners = vectors[list(children)]
    added = corners - vectors[parent]
    shapes = np.array([_shape(each[list(children)]) for each in shuffled])
    return Simplex(parent, children, added @ added.T, *_shape(corners), shapes[:, 0], shapes[:, 1])


def _shape(corners: Float64[np.ndarray, "corner d_model"]) -> tuple[float, float]:
    """Effective dimension about the middle, and how uneven the edges are."""
    sizes = np.linalg.svd(corners - corners.mean(0), compute_uv=False) ** 2
    edges = [np.linalg.norm(a - b) for a, b in itertools.combinations(corners, 2)]
    return float(sizes.sum() ** 2 / (sizes**2).sum()), float(np.std(edges) / np.mean(edges))
