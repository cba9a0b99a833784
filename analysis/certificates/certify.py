"""Measuring an erasure: probes before and after at every layer from the erased one on, controls, and the cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32
from threadpoolctl import threadpool_limits

from analysis import neutral
from analysis.background import KINDS, Background, null_recipe
from analysis.captures import SPOTS, States, capture, usable
from analysis.certificates.certificate import (
    Certificate,
    Guarded,
    LayerEvidence,
    NetworkEvidence,
    OtherConcept,
)
from analysis.edits import Edit
from analysis.erasers import ERASERS
from analysis.erasers.eraser import basis
from analysis.jobs import Report, silent
from analysis.labelled import LabelledSet
from analysis.methods.erase import Fitted
from analysis.models.loaded import LoadedModel
from analysis.probing.curves import LayerScore, ProbeCurve, probe_layers
from analysis.probing.fresh import fresh
from analysis.probing.measures import Score
from analysis.probing.splits import parts
from analysis.recipes import Recipe
from analysis.results import Provenance


def certify(
    model: LoadedModel,
    fitted: Fitted,
    usual: Background,
    others: Sequence[tuple[LabelledSet, str]] = (),
    *,
    kind: str = "isotropic",
    report: Report = silent,
) -> Certificate:
    """Measure what an erasure hides, what it leaves and what it costs.

    Args:
        model: the model it was fitted in.
        fitted: the erasure, with its examples.
        usual: the model's usual states, to draw the control from.
        others: labelled sets that should not be hurt, each with the spot where it is read.
        kind: how the control's random subspaces are drawn, one of `background.KINDS`.
        report: progress; raises `Cancelled` to stop, and the states that were read are kept.

    Raises:
        AnalysisError: the erasure is another model's, or as `capture` and the probes do.
    Source: Belrose et al. 2023, arXiv 2306.03819 (guardedness, fresh probes); Elazar et al. 2021, arXiv 2006.00995
        (random subspaces as control, cost in prediction).
    Misleads when: held-out examples are few: an interval that reaches down to chance may be wide rather than low.
    """
    fitted.erasure.require_fit(model)
    control = null_recipe(Recipe("", (), (fitted.erasure,)), usual, kind, fitted.plan.seed)
    evidence = _Evidence.gather(model, fitted, control.edits(usual.norms), report)
    with threadpool_limits(1, user_api="blas"):  # see `methods.probe`
        layers = evidence.layers(report)
        networks = evidence.networks(report)
        spared = [each for given, spot in others for each in evidence.other(given, spot, report)]
    base, (cost, random_cost) = neutral.costs(model, (evidence.edits, evidence.random_edits), report)
    held_out = fitted.held_out
    return Certificate(
        fitted.erasure,
        fitted.given.question,
        bool(fitted.given.numbers),
        fitted.plan.sequence,
        int((~held_out).sum()),
        int(held_out.sum()),
        fitted.left_out,
        evidence.chance,
        layers,
        evidence.guarded(),
        networks,
        tuple(spared),
        base.perplexity,
        cost,
        random_cost,
        fitted.seconds,
        _provenance(model, fitted, kind),
    )


@dataclass(frozen=True, eq=False)
class _Evidence:
    """States of the concept's examples without the erasure, with it, and with random subspaces taken out."""

    model: LoadedModel
    fitted: Fitted
    edits: tuple[Edit, ...]
    random_edits: tuple[Edit, ...]
    base: States
    erased: States
    random: States

    @classmethod
    def gather(
        cls, model: LoadedModel, fitted: Fitted, random_edits: tuple[Edit, ...], report: Report
    ) -> "_Evidence":
        """Read the examples three times; what was read before is taken from disk."""
        edits = fitted.erasure.edits()
        read = [
            capture(model, fitted.given, fitted.plan.spot, edits=each, report=report)
            for each in ((), edits, random_edits)
        ]
        return cls(model, fitted, edits, random_edits, *read)

    @property
    def first(self) -> int:
        """The lowest erased layer: below it nothing changes."""
        return self.fitted.erasure.layers[0]

    @property
    def probe(self) -> str:
        """The linear probe that judges."""
        return "ridge" if self.fitted.given.numbers else "logistic"

    def curve(self, states: States, layers: Sequence[int], probe: str, report: Report = silent) -> ProbeCurve:
        """One probe at some layers."""
        chosen = np.stack([states.at(layer) for layer in layers])
        return probe_layers(chosen, self.fitted.given, probe, seed=self.fitted.plan.seed, report=report)

    @property
    def chance(self) -> float:
        """Score of the most frequent class, or of the mean."""
        return self.curve(self.base, (self.first,), self.probe).baseline

    def layers(self, report: Report) -> tuple[LayerEvidence, ...]:
        """Linear probes from the first erased layer up."""
        places = range(self.first, self.model.n_layers + 1)
        curves = [
            self.curve(states, places, self.probe, _named(report, name))
            for states, name in (
                (self.base, "Before"),
                (self.erased, "After"),
                (self.random, "After a random one"),
            )
        ]
        found = []
        for number, layer in enumerate(places):
            report("Fresh probes among held-out examples", number, len(places))
            scores = [_score(curve.at(number)) for curve in curves]
            again = [self._fresh(states.at(layer)) for states in (self.base, self.erased)]
            found.append(LayerEvidence(layer, *scores, *again, *self._moved(layer)))
        return tuple(found)

    def _fresh(self, states: Float32[np.ndarray, "example d_model"]) -> Score:
        rows = np.flatnonzero(self.fitted.held_out)
        groups = parts(self.fitted.given, seed=self.fitted.plan.seed).groups
        held = self.fitted.given.taking(rows.tolist())
        return fresh(states[rows], held, tuple(groups[row] for row in rows), self.fitted.plan.seed)

    def _moved(self, layer: int) -> tuple[float, float]:
        """Mean squared change of the states over their variance, and its share along the labels."""
        before, after = (states.at(layer).astype(np.float64) for states in (self.base, self.erased))
        change = after - before
        total = float((change**2).sum(1).mean())
        spread = float(((before - before.mean(0)) ** 2).sum(1).mean())
        axes = basis(_shown(before[~self.fitted.held_out], _columns(self.fitted)))
        along = float(((change @ axes) ** 2).sum(1).mean())
        return total / max(spread, 1e-30), along / total if total > 1e-12 * spread else float("nan")

    def guarded(self) -> tuple[Guarded, ...]:
        """The promise, checked on the examples it was made of."""
        learned = ~self.fitted.held_out
        columns = _columns(self.fitted)
        return tuple(
            Guarded(
                layer,
                *(
                    _largest_correlation(states.at(layer)[learned], columns)
                    for states in (self.base, self.erased)
                ),
            )
            for layer in self.fitted.erasure.layers
        )

    def networks(self, report: Report) -> tuple[NetworkEvidence, ...]:
        """A small network at the erased layers' ends and at the top; none for numbers."""
        if self.fitted.given.numbers:
            return ()
        ends = (self.fitted.erasure.layers[0], self.fitted.erasure.layers[-1], self.model.n_layers)
        places = tuple(dict.fromkeys(ends))
        before, after = (
            self.curve(states, places, "mlp", _named(report, "A small network"))
            for states in (self.base, self.erased)
        )
        return tuple(
            NetworkEvidence(layer, _score(before.at(i)), _score(after.at(i)))
            for i, layer in enumerate(places)
        )

    def other(self, given: LabelledSet, spot: str, report: Report) -> list[OtherConcept]:
        """Another concept at the last erased layer and at the top."""
        used = usable(self.model, given, spot).given
        states = [capture(self.model, used, spot, edits=each, report=report) for each in ((), self.edits)]
        places = tuple(dict.fromkeys((self.fitted.erasure.layers[-1], self.model.n_layers)))
        kind = "ridge" if given.numbers else "logistic"
        before, after = (
            probe_layers(np.stack([each.at(layer) for layer in places]), used, kind, shuffles=0)
            for each in states
        )
        return [
            OtherConcept(given.name, layer, before.baseline, _score(before.at(i)), _score(after.at(i)))
            for i, layer in enumerate(places)
        ]


def _named(report: Report, name: str) -> Report:
    def said(message: str, done: float = 0, total: float | None = None) -> None:
        report(f"{name}: {message.lower()}", done, total)

    return said


def _score(found: LayerScore) -> Score:
    return Score(found.score, found.low, found.high)


def _columns(fitted: Fitted) -> Float[np.ndarray, "example column"]:
    """What the eraser's examples are labelled with: indicators of classes, or numbers."""
    targets = fitted.given.targets[~fitted.held_out]
    return targets if fitted.given.numbers else np.eye(len(fitted.given.classes))[targets]


def _shown(
    states: Float[np.ndarray, "example d"], columns: Float[np.ndarray, "example column"]
) -> Float[np.ndarray, "column d"]:
    """The directions along which states differ with each label."""
    standard = (columns - columns.mean(0)) / np.maximum(columns.std(0), 1e-12)
    return standard.T @ (states - states.mean(0)) / len(states)


def _largest_correlation(
    states: Float[np.ndarray, "example d"], columns: Float[np.ndarray, "example column"]
) -> float:
    states = states.astype(np.float64)
    spread = states.std(0)
    kept = spread > 1e-6 * spread.max(initial=0)
    return float(np.abs(_shown(states, columns)[:, kept] / spread[kept]).max(initial=0))


def _provenance(model: LoadedModel, fitted: Fitted, control: str) -> Provenance:
    plan, erasure = fitted.plan, fitted.erasure
    kind = ERASERS[erasure.method]
    return Provenance(
        model.title,
        model.revision,
        model.dtype_name,
        f"erasure by {kind.title}",
        kind.source,
        kind.misleads_when,
        (
            ("concept", fitted.given.name),
            ("erasure", str(erasure)),
            ("read at", SPOTS[plan.spot]),
            ("fitted in sequence", "yes" if plan.sequence else "no"),
            ("rank by layer", ", ".join(str(each.rank) for each in erasure.erasers)),
            ("iterations by layer", ", ".join(str(each.iterations) for each in erasure.erasers)),
            ("control", f"random subspaces of the same ranks; {KINDS[control]}"),
            ("seed", str(plan.seed)),
        ),
    )
