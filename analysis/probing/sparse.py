"""k-sparse probes: how few neurons tell classes apart, and which."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64

from analysis.errors import AnalysisError
from analysis.probing.linear import LinearProbe, class_means, require_classes
from analysis.probing.logistic import logistic
from analysis.probing.measures import confusion, f1
from analysis.probing.scaling import NOISE, require_finite

KS = (1, 2, 4, 8, 16, 32, 64)
NEURONS = 16
"""Used where one number of neurons has to be chosen."""
PENALTY = 1.0
"""Of the refitted regression; few neurons need little."""


@dataclass(frozen=True, eq=False)
class SparseCurve:
    """How well the most telling neurons read the classes, by how many are used."""

    ks: tuple[int, ...]
    neurons: Int64[np.ndarray, " rank"]
    """Indices of the highest-ranked neurons, as many as the largest of `ks`; the first k are used."""
    gaps: Float64[np.ndarray, " rank"]
    """Distance of their class means in standard deviations within classes."""
    f1: tuple[float, ...]
    """On held-out examples: of the second of two classes, else the mean over classes."""
    accuracy: tuple[float, ...]
    """On held-out examples."""
    random_f1: tuple[float, ...]
    """F1 of as many neurons drawn by chance."""


def sparse_curve(
    activations: Float[np.ndarray, "example neuron"],
    classes: Int[np.ndarray, " example"],
    held_out: Bool[np.ndarray, " example"],
    ks: Sequence[int] = KS,
    seed: int = 0,
) -> SparseCurve:
    """Rank neurons on one part of the examples, keep the best k, refit a probe on them, test it on the rest.

    Args:
        activations: of neurons behind the non-linearity; numbers of the residual stream have no basis of their own.
        classes: of every example, from 0 on.
        held_out: examples that neither ranking nor fit may see.
        ks: how many neurons; those beyond what there are, are left out.
        seed: of the neurons drawn by chance.

    Raises:
        AnalysisError: counts differ, a side lacks examples, or no `k` fits.
    Source: Gurnee et al. 2023, arXiv 2305.01610 (mean difference, here in pooled standard deviations).
    Misleads when: two neurons tell the same thing: both rank high, and the second adds nothing.
    """
    count = require_classes(activations, classes)
    able = tuple(k for k in sorted(set(ks)) if 1 <= k <= activations.shape[1])
    if not able or len(held_out) != len(classes) or held_out.all() or not held_out.any():
        raise AnalysisError(
            f"A sparse probe needs 1 to {activations.shape[1]:,} neurons and examples to learn from and be tested on; "
            f"given k of {list(ks)} and {int(held_out.sum()):,} of {len(held_out):,} examples held out."
        )
    learned, own = activations[~held_out], classes[~held_out]
    require_classes(learned, own)
    gaps = class_gaps(learned, own, count)
    order = np.argsort(-gaps, kind="stable")
    drawn = np.random.default_rng(seed).permutation(len(order))
    tables = [_tested(activations, classes, held_out, order[:k], count) for k in able]
    chance = [_tested(activations, classes, held_out, drawn[:k], count) for k in able]
    return SparseCurve(
        ks=able,
        neurons=order[: able[-1]],
        gaps=gaps[order[: able[-1]]],
        f1=tuple(map(f1, tables)),
        accuracy=tuple(float(np.trace(table) / table.sum()) for table in tables),
        random_f1=tuple(map(f1, chance)),
    )


def sparse(
    states: Float[np.ndarray, "example neuron"],
    labellings: Int[np.ndarray, "task example"],
    count: int,
    *,
    k: int = NEURONS,
) -> tuple[LinearProbe, ...]:
    """One probe per labelling on its `k` most telling neurons, every class weighing the same; other weights are 0.

    Source: Gurnee et al. 2023, arXiv 2305.01610.
    Misleads when: it is given the residual stream, whose numbers mean nothing one by one.
    """
    return tuple(_on_best(states, classes, count, k) for classes in labellings)


def class_gaps(
    activations: Float[np.ndarray, "example neuron"], classes: Int[np.ndarray, " example"], count: int
) -> Float64[np.ndarray, " neuron"]:
    """Distance of the lowest and the highest class mean of every neuron, in its standard deviation within classes.

    For two classes the mean difference over the pooled standard deviation. 0 where a neuron never varies,
    infinite where it varies between classes only.
    """
    require_finite(activations)
    middle = activations.mean(0, dtype=np.float64)
    values = activations - middle
    shares, centres = class_means(values, classes, count)
    variance = np.maximum((values**2).mean(0) - (shares[:, None] * centres**2).sum(0), 0)
    apart = np.ptp(centres[shares > 0], axis=0)
    apart[apart <= NOISE * np.abs(middle)] = 0
    spread = np.sqrt(variance)
    spread[spread <= NOISE * apart] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(apart > 0, apart / spread, 0.0)


def _on_best(
    states: Float[np.ndarray, "example neuron"], classes: Int[np.ndarray, " example"], count: int, k: int
) -> LinearProbe:
    best = np.argsort(-class_gaps(states, classes, count), kind="stable")[:k]
    return _on(states, classes, best, count)


def _on(
    states: Float[np.ndarray, "example neuron"],
    classes: Int[np.ndarray, " example"],
    neurons: Int[np.ndarray, " k"],
    count: int,
) -> LinearProbe:
    (found,) = logistic(states[:, neurons], classes[None], count, penalty=PENALTY, balanced=True)
    weights = np.zeros((count, states.shape[1]))
    weights[:, neurons] = found.weights
    return LinearProbe(weights, found.bias)


def _tested(
    activations: np.ndarray, classes: np.ndarray, held_out: np.ndarray, neurons: np.ndarray, count: int
) -> Int64[np.ndarray, "class predicted"]:
    probe = _on(activations[~held_out], classes[~held_out], neurons, count)
    return confusion(classes[held_out], probe.predict(activations[held_out]), count)
