"""One probe at every layer, beside what it scores where there is nothing to read.

All layers share one split, one set of shuffled labels and one control task, so that layers differ in their
states only. What was finished is kept: a curve can be handed in again and goes on with the missing layers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64, Shaped

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.labelled import LabelledSet
from analysis.probing import PROBES
from analysis.probing.baselines import control_task, majority, mean_only, seen_before, shuffled, types
from analysis.probing.linear import LinearProbe
from analysis.probing.measures import (
    balanced_accuracy,
    confusion,
    coordinates,
    haversine_km,
    r2,
    r2_each,
    r2_interval,
    wilson,
)
from analysis.probing.nonlinear import SmallNetwork
from analysis.probing.numbers import NumberProbe
from analysis.probing.splits import HELD_OUT, parts

SHUFFLES = 3
Reader = LinearProbe | SmallNetwork | NumberProbe


@dataclass(frozen=True, eq=False)
class LayerScore:
    """What a probe reads at one layer; all scores are on held-out examples."""

    layer: int
    score: float
    """Accuracy, 0 to 1; for numbers the mean R2, at most 1."""
    low: float
    high: float
    """95% interval of `score`: Wilson's for accuracy, a bootstrap over groups for R2."""
    shuffled: tuple[float, ...]
    """The same, learned from shuffled labels, for every shuffle."""
    control: float
    """The same, learned from and tested on the control task."""
    probe: Reader
    """Fitted to the examples that were not held out, or to all where that was asked for."""
    predicted: Int64[np.ndarray, " held"] | Float64[np.ndarray, "held number"]
    """Class or numbers read for every held-out example."""
    balanced: float | None = None
    """Mean share of each class that was recognised, 0 to 1; None for numbers."""
    log_probability: Float64[np.ndarray, " held"] | None = None
    """Natural logarithm of the true class's probability; None for numbers."""
    confusion: Int64[np.ndarray, "class predicted"] | None = None
    """Held-out examples by class and by what they were taken for; None for numbers."""
    each: tuple[float, ...] = ()
    """R2 of every number."""
    kilometres: float | None = None
    """Median distance to the true place, where latitude and longitude are told."""

    @property
    def selectivity(self) -> float:
        """Score less that of the control task: what is not memory."""
        return self.score - self.control

    @property
    def shuffled_mean(self) -> float:
        """Mean over shuffles; NaN without any."""
        return float(np.mean(self.shuffled)) if self.shuffled else float("nan")

    @property
    def directions(self) -> Float32[np.ndarray, "direction d"] | None:
        """One for two classes, else one per class or number; None for a network."""
        return None if isinstance(self.probe, SmallNetwork) else self.probe.directions.astype(np.float32)


@dataclass(frozen=True, eq=False)
class ProbeCurve:
    """One probe over layers."""

    probe: str
    """One of `PROBES`."""
    seed: int
    count: int
    """Layers there are."""
    held_out: Bool[np.ndarray, " example"]
    targets: Int64[np.ndarray, " example"] | Float64[np.ndarray, "example number"]
    shuffles: int
    refit: bool
    baseline: float
    """Score of always naming the most frequent class, or the mean number."""
    control_ceiling: float
    """Share of held-out examples whose word was learned from: no control can know the others."""
    merged: int
    """Groups that were joined to others because they share a text."""
    layers: tuple[LayerScore, ...] = ()
    """Finished ones, ascending."""

    @property
    def missing(self) -> tuple[int, ...]:
        """Layers that are not finished."""
        there = {each.layer for each in self.layers}
        return tuple(layer for layer in range(self.count) if layer not in there)

    def at(self, layer: int) -> LayerScore:
        """One finished layer.

        Raises:
            AnalysisError: it is not finished.
        """
        for each in self.layers:
            if each.layer == layer:
                return each
        raise AnalysisError(
            f"Layer {layer} has not been probed. Let the probe go on, or choose another layer."
        )

    def best(self) -> LayerScore:
        """The finished layer of the highest score, of equal ones the first.

        Misleads when: its score is reported as if the layer had been chosen beforehand.
        """
        if not self.layers:
            raise AnalysisError("No layer has been probed yet. Let the probe go on.")
        return max(self.layers, key=lambda each: each.score)

    def hardest(self, layer: int, most: int = 10) -> tuple[int, ...]:
        """Held-out examples, as indices into the set, that a layer reads worst, the worst first.

        For classes by the probability of the true class; for numbers by the squared error, each in its own spread.
        """
        found = self.at(layer)
        own = np.flatnonzero(self.held_out)
        if found.log_probability is not None:
            badness = -found.log_probability
        else:
            badness = (((found.predicted - self.targets[own]) / self.targets.std(0)) ** 2).sum(1)
        return tuple(own[np.argsort(-badness, kind="stable")[:most]].tolist())


def probe_layers(
    states: Float[np.ndarray, "layer state d"],
    given: LabelledSet,
    probe: str,
    *,
    seed: int = 0,
    shuffles: int = SHUFFLES,
    held_out: float = HELD_OUT,
    refit: bool = False,
    done: ProbeCurve | None = None,
    keep: Callable[[ProbeCurve], None] | None = None,
    report: Report = silent,
) -> ProbeCurve:
    """Fit and test one probe at every layer.

    Groups that share a text are joined, whole groups are held out, and the probe is fitted once to the labels,
    once to each of several shuffled copies and once to the control task.

    Args:
        states: of every example at every layer; may be mapped from disk, one layer is read at a time.
        given: the examples.
        probe: one of `PROBES`, for classes or for numbers as the examples are.
        seed: of the split, the shuffles, the control task and the networks' first weights.
        shuffles: how many shuffled copies.
        held_out: share of the examples to be tested on.
        refit: fit the probe that is handed back to all examples; its scores stay those of held-out ones.
        done: a curve of the same settings to go on from.
        keep: called with the curve so far after every layer, so that it outlives a cancelled run.
        report: progress in layers; raises `Cancelled` to stop.

    Raises:
        AnalysisError: counts differ, the probe does not fit the labels, no split exists, a state is not finite, or
            `done` belongs to other settings.
    Source: Alain & Bengio 2016, arXiv 1610.01644; controls by Hewitt & Liang 2019, arXiv 1909.03368.
    Misleads when: layer 0 scores as high: then the word itself gives the label away, and no layer computed it.
    """
    _require(states, given, probe)
    trial = _trial(given, probe, seed, shuffles, held_out, refit)
    curve = trial.empty(len(states))
    if done is not None:
        curve = replace(curve, layers=_continued(done, curve))
    for layer in curve.missing:
        report(f"Probing layer {layer}", len(curve.layers), curve.count)
        values = np.asarray(states[layer])
        try:
            found = trial.at(layer, values)
        except AnalysisError as error:
            raise AnalysisError(f"Layer {layer}: {error}") from error
        layers = sorted((*curve.layers, found), key=lambda each: each.layer)
        curve = replace(curve, layers=tuple(layers))
        if keep is not None:
            keep(curve)
    report("Probed", curve.count, curve.count)
    return curve


@dataclass(frozen=True, eq=False)
class _Trial:
    """All that layers share."""

    given: LabelledSet
    probe: str
    seed: int
    refit: bool
    groups: tuple[str, ...]
    merged: int
    held_out: Bool[np.ndarray, " example"]
    shuffled: list[np.ndarray]
    """Labels to learn from, of examples that are not held out."""
    control: Shaped[np.ndarray, "example *number"]
    ceiling: float

    def empty(self, count: int) -> ProbeCurve:
        """The curve before its first layer."""
        targets, held = self.given.targets, self.held_out
        baseline = (
            majority(targets, held) if self.given.classes else r2(targets[held], mean_only(targets, held))
        )
        return ProbeCurve(
            self.probe,
            self.seed,
            count,
            held,
            targets,
            len(self.shuffled),
            self.refit,
            baseline,
            self.ceiling,
            self.merged,
        )

    def at(self, layer: int, states: Float[np.ndarray, "example d"]) -> LayerScore:
        """The score of one layer."""
        held, targets = self.held_out, self.given.targets
        tasks = [targets[~held], *self.shuffled, self.control[~held]]
        own, *shuffled, control = self._fitted(states[~held], np.stack(tasks))
        tested = states[held]
        probe = self._fitted(states, targets[None])[0] if self.refit else own
        judge = self._classes if self.given.classes else self._numbers
        return judge(
            own,
            tested,
            layer=layer,
            shuffled=tuple(self._score(each, tested, targets[held]) for each in shuffled),
            control=self._score(control, tested, self.control[held]),
            probe=probe,
        )

    def _fitted(self, states: np.ndarray, tasks: np.ndarray) -> tuple[Reader, ...]:
        settings = {"seed": self.seed} if self.probe == "mlp" else {}
        fit = PROBES[self.probe].fit
        if self.given.classes:
            return fit(states, tasks, len(self.given.classes), **settings)
        return fit(states, tasks, **settings)

    def _score(self, probe: Reader, states: np.ndarray, wanted: np.ndarray) -> float:
        predicted = probe.predict(states)
        return float((predicted == wanted).mean()) if self.given.classes else r2(wanted, predicted)

    def _classes(self, own: LinearProbe | SmallNetwork, states: np.ndarray, **known) -> LayerScore:
        wanted = self.given.targets[self.held_out]
        log_probabilities = own.log_probabilities(states)
        predicted = log_probabilities.argmax(1)
        table = confusion(wanted, predicted, len(self.given.classes))
        right = int(np.trace(table))
        low, high = wilson(right, len(wanted))
        return LayerScore(
            score=right / len(wanted),
            low=low,
            high=high,
            predicted=predicted,
            balanced=balanced_accuracy(table),
            log_probability=np.take_along_axis(log_probabilities, wanted[:, None], 1)[:, 0],
            confusion=table,
            **known,
        )

    def _numbers(self, own: NumberProbe, states: np.ndarray, **known) -> LayerScore:
        wanted, predicted = self.given.targets[self.held_out], own.predict(states)
        groups = [group for group, out in zip(self.groups, self.held_out, strict=True) if out]
        low, high = r2_interval(wanted, predicted, groups, self.seed)
        place = coordinates(self.given.numbers)
        return LayerScore(
            score=r2(wanted, predicted),
            low=low,
            high=high,
            predicted=predicted,
            each=tuple(r2_each(wanted, predicted).tolist()),
            kilometres=place and float(np.median(haversine_km(wanted[:, place], predicted[:, place]))),
            **known,
        )


def _trial(given: LabelledSet, probe: str, seed: int, shuffles: int, share: float, refit: bool) -> _Trial:
    divided = parts(given, share, seed)
    held = divided.held_out
    learned = [group for group, out in zip(divided.groups, held, strict=True) if not out]
    kinds = types(given)
    copies = [shuffled(given.targets[~held], learned, seed + 1 + i) for i in range(shuffles)]
    control = control_task(given.targets, kinds, seed)
    ceiling = seen_before(kinds, held)
    return _Trial(given, probe, seed, refit, divided.groups, divided.merged, held, copies, control, ceiling)


def _require(states: Float[np.ndarray, "layer state d"], given: LabelledSet, probe: str) -> None:
    kind = "classes" if given.classes else "numbers"
    able = [name for name, each in PROBES.items() if each.kind == kind]
    if probe not in able:
        raise AnalysisError(f"No probe {probe!r} reads {kind}; there are {', '.join(able)}.")
    if states.shape[1] != len(given):
        raise AnalysisError(
            f"Every example needs its states; given {states.shape[1]:,} states per layer and {len(given):,} examples. "
            "Read the states of these examples."
        )


def _continued(done: ProbeCurve, wanted: ProbeCurve) -> tuple[LayerScore, ...]:
    """The finished layers, if they come from the same settings."""
    settings = ("probe", "seed", "count", "shuffles", "refit")
    same = all(getattr(done, name) == getattr(wanted, name) for name in settings)
    if not (same and _equal(done.held_out, wanted.held_out) and _equal(done.targets, wanted.targets)):
        raise AnalysisError(
            "The finished layers come from another probe, other examples or other settings. Start without them."
        )
    return done.layers


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and bool((one == other).all())
