"""k-sparse probes: how few neurons tell classes apart, and which."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.probing.baselines import majority, shuffled
from analysis.probing.linear import LinearProbe, class_means, require_classes
from analysis.probing.logistic import logistic
from analysis.probing.measures import confusion, f1, wilson
from analysis.probing.scaling import NOISE, require_finite

KS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
NEURONS = 16
"""Used where one number of neurons has to be chosen."""
PENALTY = 1.0
"""Of the refitted regression; few neurons need little."""
SHUFFLES = 3


@dataclass(frozen=True, eq=False)
class SparseScore:
    """How well so many neurons read the classes of held-out examples."""

    k: int
    accuracy: float
    """0 to 1, and `low` to `high` its 95% interval after Wilson."""
    low: float
    high: float
    f1: float
    """Of the second of two classes, else the mean over classes."""
    random: tuple[float, float]
    """Accuracy and F1 of as many neurons drawn by chance."""
    shuffled: tuple[tuple[float, float], ...]
    """Accuracy and F1 where neurons are ranked and weighed by shuffled labels, for every shuffle."""
    weights: Float64[np.ndarray, "class k"]
    """Of the first k neurons, on their activations as they are."""


@dataclass(frozen=True, eq=False)
class SparseCurve:
    """How well the most telling neurons of one layer read the classes, by how many are used."""

    scores: tuple[SparseScore, ...]
    """By k, ascending."""
    neurons: Int64[np.ndarray, " rank"]
    """Indices of the highest-ranked neurons, as many as the largest k; the first k are used."""
    gaps: Float64[np.ndarray, " rank"]
    """Distance of their class means in standard deviations within classes."""
    means: Float64[np.ndarray, "class rank"]
    """Of their activations, over the examples of each class that were learned from."""
    spread: Float64[np.ndarray, " rank"]
    """Standard deviation of their activations over the examples learned from."""
    largest: Float64[np.ndarray, " rank"]
    """Their largest activation, without its sign, over all examples."""
    baseline: float
    """Accuracy of always naming the most frequent class."""

    @property
    def ks(self) -> tuple[int, ...]:
        """How many neurons each score used."""
        return tuple(score.k for score in self.scores)

    def at(self, k: int) -> SparseScore:
        """The score of so many neurons.

        Raises:
            AnalysisError: it was not tried.
        """
        if k not in self.ks:
            raise AnalysisError(f"{k} neurons were not tried; there are {', '.join(map(str, self.ks))}.")
        return self.scores[self.ks.index(k)]


def sparse_curve(
    activations: Float[np.ndarray, "example neuron"],
    classes: Int[np.ndarray, " example"],
    held_out: Bool[np.ndarray, " example"],
    ks: Sequence[int] = KS,
    seed: int = 0,
    *,
    groups: Sequence[str] = (),
    report: Report = silent,
) -> SparseCurve:
    """Rank neurons on one part of the examples, keep the best k, refit a probe on them, test it on the rest.

    Args:
        activations: of neurons behind the non-linearity; numbers of the residual stream have no basis of their own.
        classes: of every example, from 0 on.
        held_out: examples that neither ranking nor fit may see.
        ks: how many neurons; those beyond what there are, are left out.
        seed: of the neurons drawn by chance and of the shuffles.
        groups: labels of one group stay together in a shuffle; empty leaves every example to itself.
        report: progress in k; raises `Cancelled` to stop.

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
    trial = _trial(activations, classes, held_out, count, groups, seed)
    scores = []
    for number, k in enumerate(able):
        report(f"Probing with {k} neuron{'s' if k > 1 else ''}", number, len(able))
        scores.append(trial.score(k))
    top = trial.order[: able[-1]]
    own = trial.learned[:, top].astype(np.float64)
    return SparseCurve(
        scores=tuple(scores),
        neurons=top,
        gaps=class_gaps(own, trial.labels, count),
        means=class_means(own, trial.labels, count)[1],
        spread=own.std(0),
        largest=np.abs(activations[:, top]).max(0).astype(np.float64),
        baseline=majority(classes, held_out),
    )


@dataclass(frozen=True, eq=False)
class _Trial:
    """All that numbers of neurons share."""

    learned: Float[np.ndarray, "learned neuron"]
    tested: Float[np.ndarray, "held neuron"]
    labels: Int[np.ndarray, " learned"]
    wanted: Int[np.ndarray, " held"]
    count: int
    """Of classes."""
    order: Int64[np.ndarray, " neuron"]
    """All neurons, those first that tell the labels apart best."""
    chance: Int64[np.ndarray, " neuron"]
    """All neurons in an order that means nothing."""
    mixed: list[tuple[Int[np.ndarray, " learned"], Int64[np.ndarray, " neuron"]]]
    """Shuffled labels, each with the neurons in its own order."""

    def score(self, k: int) -> SparseScore:
        """The score of the first k neurons, beside what scores without reading the classes."""
        probe, table = self._fitted(self.labels, self.order[:k])
        right, tried = int(np.trace(table)), int(table.sum())
        low, high = wilson(right, tried)
        random = _both(self._fitted(self.labels, self.chance[:k])[1])
        shuffled = tuple(_both(self._fitted(labels, order[:k])[1]) for labels, order in self.mixed)
        return SparseScore(k, right / tried, low, high, f1(table), random, shuffled, probe.weights)

    def _fitted(
        self, labels: Int[np.ndarray, " learned"], neurons: Int[np.ndarray, " k"]
    ) -> tuple[LinearProbe, Int64[np.ndarray, "class predicted"]]:
        """A probe on these neurons, and what it takes the held-out examples for."""
        probe = _refit(self.learned[:, neurons], labels, self.count)
        return probe, confusion(self.wanted, probe.predict(self.tested[:, neurons]), self.count)


def _trial(
    activations: Float[np.ndarray, "example neuron"],
    classes: Int[np.ndarray, " example"],
    held_out: Bool[np.ndarray, " example"],
    count: int,
    groups: Sequence[str],
    seed: int,
) -> _Trial:
    learned, labels = activations[~held_out], classes[~held_out]
    require_classes(learned, labels)
    names = groups or tuple(map(str, range(len(classes))))
    own = [name for name, out in zip(names, held_out, strict=True) if not out]
    copies = [shuffled(labels, own, seed + 1 + copy) for copy in range(SHUFFLES)]
    order, *orders = (_ranked(learned, each, count) for each in (labels, *copies))
    return _Trial(
        learned,
        activations[held_out],
        labels,
        classes[held_out],
        count,
        order,
        np.random.default_rng(seed).permutation(len(order)),
        list(zip(copies, orders, strict=True)),
    )


def _ranked(
    activations: Float[np.ndarray, "example neuron"], classes: Int[np.ndarray, " example"], count: int
) -> Int64[np.ndarray, " neuron"]:
    """All neurons, those first that tell the classes apart best."""
    return np.argsort(-class_gaps(activations, classes, count), kind="stable")


def _both(table: Int64[np.ndarray, "class predicted"]) -> tuple[float, float]:
    """Accuracy and F1."""
    return float(np.trace(table) / table.sum()), f1(table)


def output_row(model: LoadedModel, layer: int, neuron: int) -> Float32[np.ndarray, " d_model"]:
    """What one neuron of a block's MLP adds to the residual stream for an activation of 1.

    Args:
        model: the model.
        layer: of the block, 1 to L.
        neuron: 0 on.

    Raises:
        AnalysisError: the family keeps no such neurons, norms what they write before adding it, or there is none of
            that number.
    Source: Geva et al. 2021, arXiv 2012.14913 (neurons as values of a memory).
    Misleads when: later blocks take away again what it adds.
    """
    if not model.parts.neurons:
        raise AnalysisError(
            f"{model.title} keeps its neurons in experts, which cannot be looked at one by one."
        )
    if not 1 <= layer <= model.n_layers or not 0 <= neuron < model.n_neurons:
        raise AnalysisError(
            f"There is no neuron {neuron} at layer {layer}: {model.title} has {model.n_neurons:,} neurons, numbered "
            f"from 0, at layers 1 to {model.n_layers}."
        )
    if "norm" in model.parts.layout.mlp:
        raise AnalysisError(
            f"{model.title} norms what its neurons write together before adding it, so what one adds by itself is not "
            "known. Choose another model."
        )
    reader, scale = model.parts.neurons[layer - 1], model.parts.write_scale

    def written() -> np.ndarray:
        # sent through the map itself: families keep its weights in either order, with a bias or without
        alone = torch.zeros(2, model.n_neurons, dtype=reader.weight.dtype, device=reader.weight.device)
        alone[1, neuron] = 1
        nothing, one = reader(alone).float()
        return ((one - nothing) * scale).cpu().numpy()

    return model.on_worker(written)


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
    best = _ranked(states, classes, count)[:k]
    found = _refit(states[:, best], classes, count)
    weights = np.zeros((count, states.shape[1]))
    weights[:, best] = found.weights
    return LinearProbe(weights, found.bias)


def _refit(
    chosen: Float[np.ndarray, "example k"], classes: Int[np.ndarray, " example"], count: int
) -> LinearProbe:
    (found,) = logistic(chosen, classes[None], count, penalty=PENALTY, balanced=True)
    return found
