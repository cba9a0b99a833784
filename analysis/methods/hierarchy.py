"""Categories as vectors: is what makes a mammal an animal orthogonal to what makes an animal a mammal?

Every kind of a hierarchy gets a vector in the causal inner product, estimated from the unembedding of its words.
Everything is measured again where it should not hold: with random words in a place, and with the kinds shuffled
over the words.
"""

import numpy as np
from jaxtyping import Float32, Float64
from threadpoolctl import threadpool_limits

from analysis.causal import Whitening, rows_of, whitening
from analysis.hierarchy.chance import find_strangers
from analysis.hierarchy.controls import Controls, draw_controls
from analysis.hierarchy.geometry import ConceptGeometry
from analysis.hierarchy.sets import Sets, find_sets
from analysis.hierarchy.simplex import simplex
from analysis.hierarchy.vectors import to_level_above, to_parent, vectors_of
from analysis.hierarchy.words import Hierarchy
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.results import AgainstNull, Bounds, Provenance

SOURCE = "Park, Choe, Jiang & Veitch 2024, arXiv 2406.01506"
MISLEADS = (
    "a set has fewer than about 50 tokens: the shrinkage of its covariance then decides much of its direction. A part "
    "of a set is nearly orthogonal to the whole whatever it is, so a right angle means something only beside shuffled "
    "kinds. Tokens that a vector was estimated from lie nearer to it than others of their kind. Only words that are "
    "one token count, and many of them mean other things too."
)
DRAWS = 10
"""Random splits and shuffles."""


def concept_geometry(
    model: LoadedModel,
    given: Hierarchy,
    *,
    product: Whitening | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    report: Report = silent,
) -> ConceptGeometry:
    """Give every concept of a hierarchy its vector, and measure how they lie beside controls.

    Args:
        model: whose unembedding is read; it does not run.
        given: the words.
        product: the model's whitening where it is known already.
        draws: random splits, shuffles and random sets.
        seed: of all of them.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: too few words are single tokens of this model.
    Source: Park et al. 2024, arXiv 2406.01506. Misleads when: see `MISLEADS`.
    """
    report("Looking for the words")
    sets = find_sets(model, given)
    others = find_strangers(model, sets, seed)
    product = whitening(model, report) if product is None else product
    table, strangers = product(rows_of(model, sets.ids)), product(rows_of(model, others))
    # small matrices: beside a model at work, two threads wait for one another longer than one computes
    with threadpool_limits(1, user_api="blas"):
        vectors = vectors_of(sets, sets.kinds, table)
        controls = draw_controls(sets, vectors, table, strangers, draws, seed, report)
        simplices = tuple(simplex(sets, up, vectors, controls.shuffled_vectors) for up in sets.parents)
    drawn = Controls(*map(_kept, controls))
    provenance = _provenance(model, given, sets, product, draws, seed)
    right_angle, carried, levels, told = _beside_controls(sets, vectors, drawn, provenance)
    return ConceptGeometry(
        given,
        sets,
        labels=tuple(model.tokenizer.label(index) for index in sets.ids),
        table=_kept(table),
        strangers=_kept(strangers),
        vectors=_kept(vectors),
        shuffled_vectors=_kept(controls.shuffled_vectors[0]),
        right_angle=right_angle,
        other_parents=drawn.random_parent,
        shuffled=drawn.shuffled,
        carried=carried,
        carried_splits=drawn.carried,
        levels=levels,
        told=told,
        told_splits=drawn.told,
        projected=drawn.projected.mean(0),
        simplices=simplices,
        seed=seed,
        provenance=provenance,
    )


def _provenance(
    model: LoadedModel, given: Hierarchy, sets: Sets, product: Whitening, draws: int, seed: int
) -> Provenance:
    settings = (
        ("hierarchy", given.name),
        ("words", f"{sets.concepts[0].words:,} of one token, {sets.concepts[0].missing:,} without"),
        ("left out", ", ".join(sets.left_out) or "nothing"),
        ("rows of the unembedding", f"{product.rows:,}"),
        ("draws", str(draws)),
        ("seed", str(seed)),
    )
    return Provenance(
        model.title, model.revision, model.dtype_name, "Categories as vectors", SOURCE, MISLEADS, settings
    )


def _beside_controls(
    sets: Sets, vectors: Float64[np.ndarray, "concept d_model"], drawn: Controls, provenance: Provenance
) -> tuple[AgainstNull, AgainstNull, AgainstNull, AgainstNull]:
    """The right angle, what is carried, the angle to the level above, and what is told."""
    names = tuple(sets.concepts[down].name for down, _ in sets.edges)

    def beside(title: str, unit: str, bounds: Bounds, values: np.ndarray, nulls: np.ndarray) -> AgainstNull:
        return AgainstNull(title, unit, bounds, provenance, "concept", names, values, nulls)

    cosine = Bounds(-1, 1)
    return (
        beside(
            "Child minus parent, to the parent", "cosine", cosine,
            _kept(to_parent(sets, vectors)), drawn.random_child,
        ),
        beside(
            "Parent carried by the child, from different words", "lengths of the parent's vector", Bounds(None, None),
            drawn.carried.mean(0), drawn.carried_by_random,
        ),
        beside(
            "Child minus parent, to parent minus its own", "cosine", cosine,
            _kept(to_level_above(sets, vectors)), drawn.shuffled_levels,
        ),
        beside(
            "Held-out words told from siblings'", "share of pairs", Bounds(0, 1),
            drawn.told.mean(0), drawn.shuffled_told,
        ),
    )  # fmt: skip


def _kept(values: np.ndarray) -> Float32[np.ndarray, "..."]:
    copied = values.astype(np.float32)
    copied.flags.writeable = False
    return copied
