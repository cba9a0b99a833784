"""Vectors of concepts, and the angles at which they stand to their parents."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64

from analysis.causal import concept_vector
from analysis.hierarchy.sets import Sets, Words, rows_in


def vectors_of(
    sets: Sets, kinds: Sequence[Words], table: Float64[np.ndarray, "token d_model"]
) -> Float64[np.ndarray, "concept d_model"]:
    """The vector of every concept where the kinds have these words."""
    members = (rows_in(sets.words(number, kinds)) for number in range(len(sets.concepts)))
    return np.stack([concept_vector(table[rows]) for rows in members])


def to_parent(sets: Sets, vectors: Float64[np.ndarray, "concept d_model"]) -> Float64[np.ndarray, " edge"]:
    """Cosine of each parent with what the child adds to it."""
    return np.array([cosine(vectors[up], vectors[down] - vectors[up]) for down, up in sets.edges])


def to_level_above(
    sets: Sets, vectors: Float64[np.ndarray, "concept d_model"]
) -> Float64[np.ndarray, " edge"]:
    """Cosine of what the child adds to its parent with what that adds to its own; NaN where it has none."""
    found = []
    for down, up in sets.edges:
        top = sets.concepts[up].parent
        added = vectors[down] - vectors[up]
        found.append(np.nan if top is None else cosine(added, vectors[up] - vectors[top]))
    return np.array(found)


def cosine(a: Float64[np.ndarray, " d_model"], b: Float64[np.ndarray, " d_model"]) -> float:
    """Of the angle between two vectors."""
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))


def all_cosines(vectors: Float[np.ndarray, "concept d_model"]) -> Float[np.ndarray, "concept concept"]:
    """Between all of some vectors."""
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.clip(units @ units.T, -1, 1)
