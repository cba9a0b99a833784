"""Erasers side by side at one layer: what each leaves of the concept, what it costs, how much it takes out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from analysis import neutral
from analysis.captures import capture
from analysis.erasers import ERASERS
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.labelled import LabelledSet
from analysis.methods.erase import Fitted, Plan, erase
from analysis.models.loaded import LoadedModel
from analysis.probing.curves import LayerScore, probe_layers
from analysis.probing.fresh import fresh
from analysis.probing.measures import Score
from analysis.probing.splits import parts

NOTHING = "none"
"""Stands in a table for leaving states as they are."""


@dataclass(frozen=True)
class Compared:
    """One eraser at one layer."""

    method: str
    """One of `ERASERS`, or `NOTHING`."""
    rank: int
    iterations: int
    seconds: float
    """That its fit took."""
    left: Score
    """What a linear probe reads of held-out examples, learned from those the eraser was fitted to."""
    fresh: Score
    """What a linear probe reads that learned among held-out examples."""
    network: Score | None
    """What a small network reads of held-out examples; None for numbers."""
    bits: float
    """Mean KL from the unedited model on ordinary text, in bits a token."""
    perplexity: float
    """Of ordinary text."""

    @property
    def title(self) -> str:
        """The eraser's name."""
        return "nothing erased" if self.method == NOTHING else ERASERS[self.method].title


@dataclass(frozen=True, eq=False)
class Comparison:
    """Erasers of one concept at one layer, beside nothing and a random subspace."""

    name: str
    layer: int
    chance: float
    numbers: bool
    rows: tuple[Compared, ...]
    problems: tuple[tuple[str, str], ...]
    """Erasers that could not be fitted, and why."""


def compare(
    model: LoadedModel,
    given: LabelledSet,
    plan: Plan,
    methods: Sequence[str] = tuple(ERASERS),
    *,
    report: Report = silent,
) -> Comparison:
    """Fit several erasers to the same examples at the plan's last layer, and judge them alike.

    Args:
        model: the model.
        given: the examples.
        plan: the layer, the spot, the rank and the seed; each eraser acts at that layer alone.
        methods: some of `ERASERS`; the random subspace gets the rank of the first that was fitted.
        report: progress in erasers; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the examples cannot be divided, or none of the erasers can be fitted.
    Source: the comparison of Belrose et al. 2023, arXiv 2306.03819 (table 1), with fresh probes.
    Misleads when: ranks differ: what takes out more dimensions hides more and costs more.
    """
    layer = plan.layers[1]
    alone = replace(plan, layers=(layer, layer), sequence=False)
    fitted, problems = _fit_all(model, given, alone, methods, report)
    judge = _Judge(model, fitted[0][1], layer)
    edits = [each.erasure.edits() for _, each in fitted]
    base, spent = neutral.costs(model, edits, report)
    rows = [judge.row(NOTHING, None, neutral.Cost(0.0, base.perplexity))]
    for number, ((method, each), cost) in enumerate(zip(fitted, spent, strict=True)):
        report(f"Judging {ERASERS[method].title}", number, len(fitted))
        rows.append(judge.row(method, each, cost))
    return Comparison(given.name, layer, judge.chance, bool(given.numbers), tuple(rows), tuple(problems))


def _fit_all(
    model: LoadedModel, given: LabelledSet, plan: Plan, methods: Sequence[str], report: Report
) -> tuple[list[tuple[str, Fitted]], list[tuple[str, str]]]:
    able = [method for method in methods if not given.numbers or ERASERS[method].of_numbers]
    fitted: list[tuple[str, Fitted]] = []
    problems: list[tuple[str, str]] = []
    for number, method in enumerate(able):
        report(f"Fitting {ERASERS[method].title}", number, len(able))
        rank = fitted[0][1].erasure.rank if method == "random" and fitted else plan.rank
        try:
            fitted.append((method, erase(model, given, replace(plan, method=method, rank=rank), report)))
        except AnalysisError as error:
            problems.append((method, str(error)))
    if not fitted:
        raise AnalysisError(f"No eraser could be fitted. {' '.join(reason for _, reason in problems)}")
    return fitted, problems


class _Judge:
    """Probes at one layer, the same for all erasers."""

    def __init__(self, model: LoadedModel, fitted: Fitted, layer: int):
        self._given, self._plan, self._layer = fitted.given, fitted.plan, layer
        self._states = np.array(capture(model, fitted.given, fitted.plan.spot).at(layer))
        self._held = np.flatnonzero(fitted.held_out)
        groups = parts(fitted.given, seed=fitted.plan.seed).groups
        self._groups = tuple(groups[row] for row in self._held)
        self._held_set = fitted.given.taking(self._held.tolist())
        self.chance = float("nan")

    def row(self, method: str, fitted: Fitted | None, cost: neutral.Cost) -> Compared:
        """What one eraser leaves; None judges the states as they are."""
        eraser = fitted and fitted.erasure.at(self._layer)
        states = eraser.apply(self._states) if eraser else self._states
        network = None if self._given.numbers else self._read(states, "mlp")
        with threadpool_limits(1, user_api="blas"):  # see `methods.probe`
            return Compared(
                method,
                eraser.rank if eraser else 0,
                eraser.iterations if eraser else 0,
                fitted.seconds if fitted else 0.0,
                self._read(states, "ridge" if self._given.numbers else "logistic"),
                fresh(states[self._held], self._held_set, self._groups, self._plan.seed),
                network,
                cost.bits,
                cost.perplexity,
            )

    def _read(self, states: np.ndarray, probe: str) -> Score:
        curve = probe_layers(states[None], self._given, probe, seed=self._plan.seed, shuffles=0)
        self.chance = curve.baseline
        found: LayerScore = curve.at(0)
        return Score(found.score, found.low, found.high)
