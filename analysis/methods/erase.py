"""Fitting erasers to a labelled set: at one layer, at several, or at every layer after those below it.

An eraser is fitted to the examples that probes learn from; the others are held out, so that what it hides can be
judged on examples it has not seen.
"""

import time
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from threadpoolctl import threadpool_limits

from analysis.captures import SPOTS, capture, usable
from analysis.climb import Climb
from analysis.directions import span, weights_of
from analysis.edits import Erase, Positions, Site
from analysis.erasers import ERASERS
from analysis.erasers.eraser import Eraser
from analysis.erasers.erasure import Erasure
from analysis.erasers.fitting import fit as fit_eraser
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.labelled import LabelledSet
from analysis.models.loaded import LoadedModel
from analysis.probing.splits import parts


@dataclass(frozen=True)
class Plan:
    """What is to be erased, and how."""

    method: str = "leace"
    """One of `ERASERS`."""
    layers: tuple[int, int] = (0, 0)
    """First and last layer, both included."""
    sequence: bool = False
    """Fit every layer to states in which the layers below are erased already (concept scrubbing)."""
    spot: str = "last"
    """Where an example is read, one of `captures.SPOTS`."""
    rank: int | None = None
    """Dimensions to take out, where the method lets one choose; None is classes - 1."""
    iterations: int | None = None
    """Of a method that searches; None is its own."""
    seed: int = 0
    """Of the split, and of what the method draws."""

    @property
    def range(self) -> range:
        """The layers that are erased."""
        return range(self.layers[0], self.layers[1] + 1)


@dataclass(frozen=True, eq=False)
class Fitted:
    """Erasers, and what they were fitted to."""

    erasure: Erasure
    plan: Plan
    given: LabelledSet
    """The examples that could be used."""
    held_out: Bool[np.ndarray, " example"]
    """True for examples that the erasers have not seen."""
    left_out: int
    """Examples that were not used because they are read at a text's first token."""
    seconds: float
    """That the fit took, without reading the states of an erasure that is not in sequence."""


def erase(model: LoadedModel, given: LabelledSet, plan: Plan, report: Report = silent) -> Fitted:
    """Fit one eraser at every layer of the plan.

    Args:
        model: the model.
        given: the examples.
        plan: how.
        report: progress; raises `Cancelled` to stop, and the states that were read are kept.

    Raises:
        AnalysisError: the plan does not fit the model or the examples, or as `capture` and the method's fit do.
    Source: see `ERASERS`; in sequence: concept scrubbing, Belrose et al. 2023, arXiv 2306.03819.
    Misleads when: examples are few beside the width of a state: what is erased is then partly their noise, and new
        examples keep more of the concept. Look at the fresh probes of its certificate.
    """
    _require(model, given, plan)
    found = usable(model, given, plan.spot)
    held_out = parts(found.given, seed=plan.seed).held_out
    task = _Task(model, found.given, plan, ~held_out, "all" if found.at_first else "after_first")
    with threadpool_limits(1, user_api="blas"):  # see `methods.probe`
        timed = (task.in_sequence if plan.sequence else task.side_by_side)(report)
    erasure = Erasure(
        given.name,
        tuple(plan.range),
        tuple(eraser for eraser, _ in timed),
        weights_of(model),
        task.how(),
        task.positions,
    )
    return Fitted(erasure, plan, found.given, held_out, found.left_out, sum(seconds for _, seconds in timed))


Timed = tuple[Eraser, float]
"""An eraser, and the seconds its fit took."""


@dataclass(frozen=True, eq=False)
class _Task:
    model: LoadedModel
    given: LabelledSet
    plan: Plan
    learned: Bool[np.ndarray, " example"]
    positions: Positions

    def side_by_side(self, report: Report) -> list[Timed]:
        """Every layer for itself: all of them from one reading of the unedited states."""
        states = capture(self.model, self.given, self.plan.spot, report=report)
        return [self._fit(states.at(layer), layer, report) for layer in self.plan.range]

    def in_sequence(self, report: Report) -> list[Timed]:
        """Layer after layer, each from states that went through the erased layers below."""
        first, last = self.plan.layers
        climb, fitted = Climb(self.model, self.given, self.plan.spot, first, report), []
        for layer in self.plan.range:
            fitted.append(self._fit(climb.states(), layer, report))
            if layer < last:
                eraser = fitted[-1][0]
                edit = Erase(Site(layer), eraser.mean, eraser.left, eraser.right, self.positions)
                climb.step((edit,), report)
        return fitted

    def _fit(self, states: Float[np.ndarray, "example d"], layer: int, report: Report) -> Timed:
        plan, given = self.plan, self.given

        def here(message: str, done: float = 0, total: float | None = None) -> None:
            share = done / total if total else 0
            report(f"Layer {layer}: {message.lower()}", layer - plan.layers[0] + share, len(plan.range))

        settings = {"rank": plan.rank, "iterations": plan.iterations, "seed": plan.seed, "report": here}
        start = time.perf_counter()
        try:
            eraser = fit_eraser(
                plan.method, states[self.learned], given.targets[self.learned], len(given.classes), **settings
            )
        except AnalysisError as error:
            raise AnalysisError(f"Layer {layer}: {error}") from error
        return eraser, time.perf_counter() - start

    def how(self) -> str:
        """One sentence of provenance."""
        plan, title = self.plan, ERASERS[self.plan.method].title
        several = f"s {span(tuple(plan.range))}" if len(plan.range) > 1 else f" {plan.layers[0]}"
        order = ", layer after layer" if plan.sequence else ""
        return (
            f"{title[0].upper()}{title[1:]} of “{self.given.question}” fitted to {int(self.learned.sum())} examples at "
            f"layer{several}{order}, read at {SPOTS[plan.spot]}."
        )


def _require(model: LoadedModel, given: LabelledSet, plan: Plan) -> None:
    if plan.method not in ERASERS:
        raise AnalysisError(f"{plan.method!r} is no eraser; there are {', '.join(ERASERS)}.")
    first, last = plan.layers
    if not 0 <= first <= last <= model.n_layers:
        raise AnalysisError(
            f"Layers {first} to {last} are no range of {model.title}; its layers run from 0 to {model.n_layers}."
        )
    if given.numbers and not ERASERS[plan.method].of_numbers:
        able = ", ".join(name for name, each in ERASERS.items() if each.of_numbers)
        raise AnalysisError(
            f"{ERASERS[plan.method].title} takes out classes, and {given.name} holds numbers. Choose one of {able}."
        )
