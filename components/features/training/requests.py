"""Trainings as jobs that go on when a tab is closed, and what one will take."""

from dataclasses import dataclass, field

import streamlit as st

from analysis import LoadedModel
from analysis.dictionaries.training import own_text, run
from analysis.dictionaries.training.estimate import Speed, measure_speed
from analysis.dictionaries.training.run import Order, Trained, Unfinished
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from components.cache import results
from components.features.training.choices import Chosen
from components.requests import held


@dataclass
class Started:
    """A training that was started or gone on with in this process."""

    order: Order
    model: str
    """Its fingerprint."""
    job: Job[Trained] | None = None
    runs: list[str] = field(default_factory=list)
    """Key of the run on disk, once its text is known."""

    @property
    def run(self) -> str | None:
        """Key of the run on disk; None while its text is being gathered."""
        return self.runs[0] if self.runs else None


@st.cache_resource(show_spinner=False)
def started() -> dict[str, Started]:
    """Every training of this process, by the key of its job."""
    return {}


def start(model: LoadedModel, chosen: Chosen) -> None:
    """Begin a training, or go on with the same one."""
    order = chosen.order
    own = Started(order, model.fingerprint)

    def work(report: Report) -> Trained:
        texts = (
            chosen.texts if chosen.texts is not None else gathered(model, chosen.data, order.tokens, report)
        )
        own.runs.append(run.key_of(model, order, texts))
        return run.train(model, order, texts, report)

    _begin(fingerprint("training", model.fingerprint, order, chosen.data, chosen.texts), own, work)


def go_on(model: LoadedModel, left: Unfinished) -> None:
    """Go on with an unfinished training."""
    own = Started(left.order, model.fingerprint, runs=[left.key])
    _begin(fingerprint("resumed", left.key), own, lambda report: run.resume(model, left.key, report))


def _begin(key: str, own: Started, work) -> None:
    results().forget(key)
    own.job = results().ask(key, f"Training {own.order.title}", work, abandon=False)
    for other in [name for name, each in started().items() if each.run is not None and each.run == own.run]:
        del started()[other]
    started()[key] = own


def gathered(model: LoadedModel, data: str, tokens: int, report: Report) -> tuple[str, ...]:
    """The text that is not brought."""
    return own_text.written(model, tokens, report) if data == "model" else own_text.documentation(report)


def speed_of(model: LoadedModel, order: Order) -> Job[Speed]:
    """How fast this machine reads and learns, measured once for every kind and size."""
    plan = order.plan
    key = fingerprint(
        "training speed", model.fingerprint, order.site, plan.width, plan.k, plan.sparsity, plan.batch
    )
    return held(key, "Measuring this machine's speed", lambda report: measure_speed(model, order, report))
