"""What is usual in a model: residual norms by layer, states to draw controls from, and the controls themselves.

A strength means something as a fraction of the usual norm, and an effect means something beside random
directions of the same length at the same place.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32

from analysis import samples
from analysis.data import corpus
from analysis.directions import Direction, weights_of
from analysis.erasers.erasure import Erasure
from analysis.erasers.projections import orthogonal
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.recipes import Dose, Recipe

POINTS = 512
"""States kept; enough that a direction drawn from them follows the covariance's large axes."""
CONTEXTS, LENGTH = 16, 64

KINDS = {
    "isotropic": "any direction equally likely",
    "covariance": "directions along which the activations themselves vary",
}
"""How random directions are drawn, by id."""


@dataclass(frozen=True, eq=False)
class Background:
    """Ordinary states of one model while it reads the shipped text."""

    weights: str
    """Fingerprint of the model."""
    norms: Float32[np.ndarray, " layer"]
    """Median residual norm at layers 0 to L; first tokens and other attention sinks are left out."""
    centred: Float32[np.ndarray, "layer point d_model"]
    """States minus their layer's mean."""

    def __post_init__(self):
        self.norms.flags.writeable = False
        self.centred.flags.writeable = False


def background(model: LoadedModel, report: Report = silent) -> Background:
    """Read a part of the shipped text and keep what is usual in it.

    Returns:
        Norms and centred states of `POINTS` tokens, spread evenly over 16 documents.
    """
    contexts = [own[0] for own in samples.windows(model, corpus.documents()[:CONTEXTS], LENGTH) if own]
    parts, done = [], 0
    for batch in samples.batches(contexts):
        report("Measuring usual norms", done, len(contexts))
        parts.append(samples.usual_states(model, batch))
        done += len(batch)
    states = np.concatenate(parts, axis=1)
    chosen = np.linspace(0, states.shape[1] - 1, min(POINTS, states.shape[1])).astype(int)
    kept = states[:, chosen]
    norms = np.median(np.linalg.norm(states, axis=-1), axis=1).astype(np.float32)
    return Background(model.fingerprint, norms, kept - kept.mean(1, keepdims=True))


def require_kind(kind: str) -> None:
    """Refuse a kind of random direction that does not exist.

    Raises:
        AnalysisError: with the kinds there are.
    """
    if kind not in KINDS:
        raise AnalysisError(f"{kind!r} is no kind of random direction; there are {', '.join(KINDS)}.")


def random_direction(model: LoadedModel, seed: int = 0) -> Direction:
    """A direction that means nothing, the same at every layer; every one is equally likely.

    Args:
        model: for its width and layers.
        seed: the same seed gives the same direction.
    """
    vector = np.random.default_rng(seed).normal(size=model.d_model).astype(np.float32)
    return Direction(
        name=f"random, seed {seed}",
        layers=tuple(range(model.n_layers + 1)),
        values=np.tile(vector, (model.n_layers + 1, 1)),
        weights=weights_of(model),
        how=f"A random direction (seed {seed}): {KINDS['isotropic']}.",
        source="none: it is a control",
        layer=model.n_layers // 2,
        why="A control has no layer of its own; this is the middle.",
    )


def null_recipe(recipe: Recipe, usual: Background, kind: str, seed: int) -> Recipe:
    """The same recipe with random directions and subspaces: same sites, strengths, operations and ranks.

    All vectors of the doses are turned together, so that one direction used at several layers stays one
    direction, and two that are alike stay alike. `isotropic` keeps all angles between them exactly;
    `covariance` draws the new axes from the covariance of the activations at the lowest layer they touch, and
    keeps angles only about.

    Every erasure becomes an orthogonal projection about the same means, off a random subspace of its own: what
    the directions of a recipe have in common with it is not kept. `isotropic` takes one subspace out at all its
    layers, or as much of it as a layer's rank is; `covariance` draws it at every layer from the activations
    there, as the same random combinations of the same tokens.

    Args:
        recipe: what to imitate.
        usual: states of the same model.
        kind: one of `KINDS`.
        seed: the same seed gives the same directions.

    Source: random norm-matched directions as the baseline of steering, e.g. Arditi et al. 2024, arXiv 2406.11717;
    random subspaces as that of erasing, Elazar et al. 2021, arXiv 2006.00995 (amnesic probing).
    Misleads when: few are drawn; a band of 4 says little about effects near its edge. States vary in few directions:
        an isotropic subspace then hits almost nothing, whatever its rank.
    """
    require_kind(kind)
    # a stream of its own for each erasure: the doses' controls are the same with and without it. Counted from 1, as
    # (seed, 0) draws what the seed alone draws for the doses
    erasures = tuple(
        _random_erasure(erasure, usual, kind, seed, number)
        for number, erasure in enumerate(recipe.erasures, 1)
    )
    return Recipe(f"random {seed + 1}", _random_doses(recipe.doses, usual, kind, seed), erasures)


def _random_doses(doses: tuple[Dose, ...], usual: Background, kind: str, seed: int) -> tuple[Dose, ...]:
    places = [(number, layer) for number, dose in enumerate(doses) for layer in dose.range]
    if not places:
        return ()
    vectors = np.stack([doses[number].direction.unit(layer) for number, layer in places])
    lowest = min(layer for _, layer in places)
    turned = _turned(vectors, usual.centred[lowest], kind, np.random.default_rng(seed))
    random = []
    for number, dose in enumerate(doses):
        own = [i for i, (whose, _) in enumerate(places) if whose == number]
        random.append(replace(dose, direction=_randomised(dose, turned[own], kind, seed)))
    return tuple(random)


def _turned(
    vectors: Float32[np.ndarray, "vector d_model"],
    states: Float32[np.ndarray, "point d_model"],
    kind: str,
    random: np.random.Generator,
) -> Float32[np.ndarray, "vector d_model"]:
    """Unit vectors in new axes: their coordinates stay, the axes they stand for are drawn."""
    left, size, _ = np.linalg.svd(vectors.astype(np.float64), full_matrices=False)
    rank = int((size > 1e-6 * size[0]).sum())
    axes = _axes(rank, states, kind, random)
    turned = (left[:, :rank] * size[:rank]) @ axes
    return (turned / np.linalg.norm(turned, axis=1, keepdims=True)).astype(np.float32)


def _axes(rank: int, states: np.ndarray, kind: str, random: np.random.Generator) -> np.ndarray:
    """(rank, d_model) new axes of unit length; orthogonal to one another where they are isotropic."""
    if kind == "isotropic":
        axes, upper = np.linalg.qr(random.normal(size=(states.shape[1], rank)))
        return (
            axes * np.sign(np.diag(upper))
        ).T  # qr alone gives every first axis the same sign in one number
    drawn = random.normal(size=(rank, len(states))) @ states
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def _random_erasure(erasure: Erasure, usual: Background, kind: str, seed: int, number: int) -> Erasure:
    """Another subspace of the same rank at every layer, about the same mean."""
    bases = _bases(erasure, usual, kind, np.random.default_rng((seed, number)))
    return replace(
        erasure,
        name=f"random {seed + 1}",
        erasers=tuple(
            orthogonal("random", own.mean, basis[:, : own.rank])
            for own, basis in zip(erasure.erasers, bases, strict=True)
        ),
        how=f"A random subspace ({KINDS[kind]}; seed {seed}) in place of {erasure.name!r}.",
    )


def _bases(
    erasure: Erasure, usual: Background, kind: str, random: np.random.Generator
) -> list[Float[np.ndarray, "d_model rank"]]:
    """Orthonormal columns for each layer, as many as the largest rank; a lower rank takes the first of them."""
    if kind == "isotropic":
        drawn = random.normal(size=(erasure.erasers[0].d, erasure.rank))
        return [np.linalg.qr(drawn)[0]] * len(erasure.layers)
    mixes = random.normal(size=(erasure.rank, usual.centred.shape[1]))
    return [np.linalg.qr((mixes @ usual.centred[layer]).T)[0] for layer in erasure.layers]


def _randomised(dose: Dose, values: np.ndarray, kind: str, seed: int) -> Direction:
    return replace(
        dose.direction,
        name=f"random {seed + 1}",
        layers=tuple(dose.range),
        layer=dose.layers[0],
        values=values,
        how=f"A random direction ({KINDS[kind]}; seed {seed}) in place of {dose.direction.name!r}.",
        why="It imitates another direction.",
        separation=(),
        probe=None,
    )
