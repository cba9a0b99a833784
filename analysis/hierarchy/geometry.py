"""Vectors of a hierarchy's concepts beside their controls, and what they say in plain sentences."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from analysis.hierarchy.sets import Sets
from analysis.hierarchy.simplex import Simplex
from analysis.hierarchy.vectors import all_cosines
from analysis.hierarchy.words import Hierarchy
from analysis.results import AgainstNull, Provenance


@dataclass(frozen=True, eq=False)
class ConceptGeometry:
    """Vectors of a hierarchy's concepts, and how they lie beside their controls. Edges are in order of `sets.edges`."""

    given: Hierarchy
    sets: Sets
    labels: tuple[str, ...]
    """Of every token."""
    table: Float32[np.ndarray, "token d_model"]
    """Every token, whitened."""
    strangers: Float32[np.ndarray, "stranger d_model"]
    """Random words outside of the hierarchy, whitened."""
    vectors: Float32[np.ndarray, "concept d_model"]
    shuffled_vectors: Float32[np.ndarray, "concept d_model"]
    """The same with the kinds shuffled over the words, once."""
    right_angle: AgainstNull
    """Cosine of each parent with what the child adds to it; nulls have random words in the child's place."""
    other_parents: Float32[np.ndarray, "draw edge"]
    """The same with random words in the parent's place."""
    shuffled: Float32[np.ndarray, "draw edge"]
    """The same with the kinds shuffled over the words: the free part of the right angle."""
    carried: AgainstNull
    """How far a child's vector reaches along its parent's, estimated from different words, averaged over splits: 1
    is a right angle, 0 nothing in common; nulls have random words in the child's place."""
    carried_splits: Float32[np.ndarray, "draw edge"]
    levels: AgainstNull
    """Cosine of what the child adds to its parent with what that adds to its own; nulls are shuffled kinds."""
    told: AgainstNull
    """Held-out words of a child that lie further along what it adds than a held-out word of a sibling: share of
    pairs, averaged over splits; nulls are shuffled kinds."""
    told_splits: Float32[np.ndarray, "draw edge"]
    projected: Float32[np.ndarray, "edge 3"]
    """Mean projection on the child's vector, in its lengths: held-out words of its own, of siblings, random words."""
    simplices: tuple[Simplex, ...]
    seed: int
    provenance: Provenance

    @property
    def near(self) -> float:
        """The |cosine| that two unrelated directions stay under 99 times in 100."""
        return min(1.0, 2.576 / self.vectors.shape[1] ** 0.5)

    @property
    def cosines(self) -> Float32[np.ndarray, "concept concept"]:
        """Between the vectors of all concepts."""
        return all_cosines(self.vectors)

    @property
    def shuffled_cosines(self) -> Float32[np.ndarray, "concept concept"]:
        """The same with shuffled kinds."""
        return all_cosines(self.shuffled_vectors)

    def name(self, concept: int) -> str:
        """What a concept is called."""
        return self.sets.concepts[concept].name

    def summary(self) -> str:
        """Whether the right angles are there, what of them is free, and what is not, in plain sentences."""
        values, near = self.right_angle.values, self.near
        right, free = int((np.abs(values) < near).sum()), float((np.abs(self.shuffled) < near).mean())
        angles = (
            f"In {right} of {len(values)} concepts what the child adds to its parent is orthogonal to the parent "
            f"(|cosine| under {near:.2f}, where unrelated directions stay); random words in the child's place give "
            f"{self.right_angle.nulls.min():.2f} to {self.right_angle.nulls.max():.2f}. That is nearly free, as a part "
            f"of a set is orthogonal to the whole: with the kinds shuffled over the words it holds in {free:.0%}."
        )
        above = int((self.told.values > self.told.band[1]).sum())
        rest = (
            f"with no word in common a child carries {self.carried.values.mean():.2f} of its parent (1 is a right "
            f"angle, random words {self.carried.nulls.mean():.2f}), and held-out words are told from a sibling's in "
            f"{self.told.values.mean():.0%} of pairs (shuffled kinds {self.told.nulls.mean():.0%}), above every "
            f"shuffle in {above} of {len(values)}."
        )
        there = 2 * above > len(values)
        return f"{angles} {'What is not free' if there else '**What is not free is not there**'}: {rest}"
