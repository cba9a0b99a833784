"""The same measures where they should not hold, and on words that no vector was estimated from.

Random words stand in a child's or a parent's place, kinds are shuffled over the words, and words are held out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from analysis.causal import concept_vector
from analysis.hierarchy.chance import TRAINED, deal, some, split
from analysis.hierarchy.sets import Sets, Words, rows_in
from analysis.hierarchy.vectors import cosine, to_level_above, to_parent, vectors_of
from analysis.jobs import Report


class Controls(NamedTuple):
    """Whatever chance has a part in, once per draw; edges are in order of `sets.edges`."""

    shuffled_vectors: Float64[np.ndarray, "*draw concept d_model"]
    shuffled: Float64[np.ndarray, "*draw edge"]
    """Cosine of each parent with what the child adds to it where kinds are shuffled."""
    shuffled_levels: Float64[np.ndarray, "*draw edge"]
    """Cosine of what the child adds to its parent with what that adds to its own, likewise."""
    projected: Float64[np.ndarray, "*draw edge 3"]
    """Mean projection on the child's vector, in its lengths: held-out words of its own, of siblings, random words."""
    told: Float64[np.ndarray, "*draw edge"]
    """Share of pairs in which the held-out word lies further along what the child adds than that of a sibling."""
    random_child: Float64[np.ndarray, "*draw edge"]
    """The cosine with random words in the child's place."""
    random_parent: Float64[np.ndarray, "*draw edge"]
    """The cosine with random words in the parent's place."""
    shuffled_told: Float64[np.ndarray, "*draw edge"]
    """What is told where kinds are shuffled."""
    carried: Float64[np.ndarray, "*draw edge"]
    """How far a child's vector reaches along its parent's, in its lengths, estimated from different words."""
    carried_by_random: Float64[np.ndarray, "*draw edge"]
    """How far that of random words does."""


def draw_controls(
    sets: Sets,
    vectors: Float64[np.ndarray, "concept d_model"],
    table: Float64[np.ndarray, "token d_model"],
    strangers: Float64[np.ndarray, "stranger d_model"],
    draws: int,
    seed: int,
    report: Report,
) -> Controls:
    """Shuffle, split and draw anew in every draw.

    Args:
        sets: which rows of the table belong to which concept.
        vectors: of the concepts as they are.
        table: every token of the hierarchy, whitened.
        strangers: random words outside of it, whitened.
        draws: how often.
        seed: of all draws.
        report: progress; raises `Cancelled` to stop.
    """
    drawn = []
    for draw in range(draws):
        report("Shuffling kinds and drawing random words", draw, draws)
        drawn.append(_draw(sets, vectors, table, strangers, np.random.default_rng((seed, 2, draw))))
    return Controls(*map(np.stack, zip(*drawn, strict=True)))


def _draw(
    sets: Sets, vectors: np.ndarray, table: np.ndarray, strangers: np.ndarray, random: np.random.Generator
) -> Controls:
    dealt = deal(sets.kinds, random)
    shuffled = vectors_of(sets, dealt, table)
    projected, told = _held_out(sets, sets.kinds, table, strangers, random)
    child = _random_child(sets, vectors, strangers, random)
    parent = _random_parent(sets, vectors, strangers, random)
    _, shuffled_told = _held_out(sets, dealt, table, strangers, random)
    carried, by_random = _carried(sets, table, strangers, random)
    return Controls(
        shuffled_vectors=shuffled,
        shuffled=to_parent(sets, shuffled),
        shuffled_levels=to_level_above(sets, shuffled),
        projected=projected,
        told=told,
        random_child=child,
        random_parent=parent,
        shuffled_told=shuffled_told,
        carried=carried,
        carried_by_random=by_random,
    )


def _random_child(
    sets: Sets, vectors: np.ndarray, strangers: np.ndarray, random: np.random.Generator
) -> Float64[np.ndarray, " edge"]:
    """Cosines to the parent where random words stand in each child's place, as many as it has tokens."""
    found = []
    for down, up in sets.edges:
        stranger = concept_vector(some(strangers, sets.concepts[down].tokens, random))
        found.append(cosine(vectors[up], stranger - vectors[up]))
    return np.array(found)


def _random_parent(
    sets: Sets, vectors: np.ndarray, strangers: np.ndarray, random: np.random.Generator
) -> Float64[np.ndarray, " edge"]:
    """Cosines to the parent where random words stand in the parent's place."""
    parents = {up: concept_vector(some(strangers, sets.concepts[up].tokens, random)) for up in sets.parents}
    return np.array([cosine(parents[up], vectors[down] - parents[up]) for down, up in sets.edges])


def _held_out(
    sets: Sets,
    kinds: Sequence[Words],
    table: np.ndarray,
    strangers: np.ndarray,
    random: np.random.Generator,
) -> tuple[Float64[np.ndarray, "edge 3"], Float64[np.ndarray, " edge"]]:
    """Of words that vectors were not estimated from: projections of own, siblings' and random words; pairs told."""
    trained, tested = zip(*(split(words, TRAINED, random) for words in kinds), strict=True)
    vectors = vectors_of(sets, trained, table)
    rows = [rows_in(sets.words(number, tested)) for number in range(len(sets.concepts))]
    projected, told = [], []
    for down, up in sets.edges:
        own = table[rows[down]]
        others = table[np.concatenate([rows[each] for each in sets.siblings(down)])]
        length = vectors[down] @ vectors[down]
        projected.append([(part @ vectors[down]).mean() / length for part in (own, others, strangers)])
        added = vectors[down] - vectors[up]
        told.append(_further(own @ added, others @ added))
    return np.array(projected), np.array(told)


def _further(own: Float64[np.ndarray, " own"], others: Float64[np.ndarray, " other"]) -> float:
    """Share of pairs in which the own lies further; ties count half."""
    ahead = own[:, None] - others
    return float((ahead > 0).mean() + (ahead == 0).mean() / 2)


def _carried(
    sets: Sets, table: np.ndarray, strangers: np.ndarray, random: np.random.Generator
) -> tuple[Float64[np.ndarray, " edge"], Float64[np.ndarray, " edge"]]:
    """Projections on the parent, in its lengths, of children with none of its words, and of random words."""
    above, below = zip(*(split(words, 0.5, random) for words in sets.kinds), strict=True)
    parents = {up: concept_vector(table[rows_in(sets.words(up, above))]) for up in sets.parents}
    carried, by_random = [], []
    for down, up in sets.edges:
        rows = rows_in(sets.words(down, below))
        unit = parents[up] / (parents[up] @ parents[up])
        carried.append(concept_vector(table[rows]) @ unit)
        by_random.append(concept_vector(some(strangers, len(rows), random)) @ unit)
    return np.array(carried), np.array(by_random)
