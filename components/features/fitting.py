"""Fits without training as shared jobs, and what one will take."""

import time

import streamlit as st
import torch

from analysis import LoadedModel, store
from analysis.dictionaries.without_training.fitting import Fitted, Plan, fit_without_training, operations
from analysis.fingerprint import fingerprint
from analysis.jobs import Job
from components.features.read_texts import ReadTexts
from components.requests import held

PROBED = 1_024
"""Rows of the product that this machine's speed is taken from."""


def fitted_job(model: LoadedModel, plan: Plan, texts: ReadTexts) -> Job[Fitted]:
    """The fit of a plan to texts."""
    key = fingerprint("without training", model.fingerprint, plan, texts.texts)
    return held(
        key,
        "Fitting",
        lambda report: fit_without_training(model, plan, texts.texts, named=texts.name, report=report),
    )


def expected(model: LoadedModel, plan: Plan, texts: ReadTexts) -> str:
    """What a fit will take, in a sentence."""
    there = counted(fingerprint("tokens", model.fingerprint, texts.texts), model, texts.texts)
    tokens = min(plan.tokens, there)
    width = model.n_neurons if plan.site.stream == "neurons" else model.d_model
    run = reading_seconds(model, tokens) * plan.site.layer / model.n_layers
    fit = operations(plan, width, tokens) / multiplications()
    fewer = f" (the text has no more than {there:,})" if there < plan.tokens else ""
    return (
        f"About {tokens:,} tokens{fewer}, {store.size_text(4 * tokens * width)} of states: at least {lasting(run)} "
        f"to read them and up to {lasting(fit)} to fit, at the speed this machine had a moment ago."
    )


@st.cache_resource(max_entries=32, show_spinner=False)
def counted(key: str, _model: LoadedModel, _texts: tuple[str, ...]) -> int:
    """Tokens of texts, counted in at most 200 of them spread evenly."""
    step = max(1, len(_texts) // 200)
    some = _texts[::step]
    return round(sum(len(_model.tokenize(text)) for text in some) * len(_texts) / len(some))


@st.cache_resource(show_spinner=False)
def multiplications() -> float:
    """Floating-point operations a second of a large product on this machine, now."""
    left = torch.ones(PROBED, PROBED)
    started = time.perf_counter()
    left @ left
    return 2 * PROBED**3 / (time.perf_counter() - started)


def reading_seconds(model: LoadedModel, tokens: int) -> float:
    """What running tokens through all layers takes at least, at the speed this machine had a moment ago."""
    return 2 * model.n_parameters * tokens / multiplications()


def lasting(seconds: float) -> str:
    """A time in words."""
    if seconds < 1:
        return "a second"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"
