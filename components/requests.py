"""What pages ask of the analysis, as shared jobs keyed by the request's fingerprint."""

from collections.abc import Callable

import streamlit as st

from analysis import LoadedModel, LogitLens, Tokens, read, shortcut
from analysis.activations import Trace
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.methods.lens import Lens, Reading
from analysis.methods.shortcut import LinearShortcut
from components.cache import results

MOST_HELD = 16
"""Jobs a session remembers by itself."""


def trace_of(model: LoadedModel, tokens: Tokens) -> Trace:
    """The residual stream of one text at every layer, from the cache where it is there."""
    key = fingerprint("trace", model.fingerprint, tokens.ids)
    return results().ask(key, "Running the model", lambda report: model.run(tokens)).result()


def reading_of(model: LoadedModel, tokens: Tokens, lens: Lens, target: int | None) -> Job[Reading]:
    """One text read through one lens."""

    def work(report: Report) -> Reading:
        report("Running the model")
        trace = trace_of(model, tokens)
        return read(model, trace, lens, target=target, report=report)

    key = _reading_key(model, tokens, lens, target)
    return held(key, "Reading layers", work)


def _reading_key(model: LoadedModel, tokens: Tokens, lens: Lens | type[Lens], target: int | None) -> str:
    return fingerprint("reading", model.fingerprint, tokens.ids, tokens.prompt_length, lens.id, target)


def shortcut_of(model: LoadedModel) -> Job[LinearShortcut]:
    """The model's linear shortcut: read from the store at once, or fitted in the background."""
    key = fingerprint("shortcut", model.fingerprint)
    title = f"Fitting the linear shortcut of {model.title}"
    return _held(
        key, lambda: results().ask(key, title, lambda report: shortcut(model, report), abandon=False)
    )


def held(key: str, title: str, work: Callable[[Report], object]) -> Job:
    """The shared job of a request, as `_held` remembers it."""
    return _held(key, lambda: results().ask(key, title, work))


def _held(key: str, ask: Callable[[], Job]) -> Job:
    """A job that ended badly stays this session's answer until `again`: cancelling is not starting over."""
    held: dict[str, Job] = st.session_state.setdefault("held_jobs", {})
    job = held.pop(key, None)
    if job is None or job.state not in ("failed", "cancelled"):
        job = ask()
    held[key] = job
    while len(held) > MOST_HELD:
        del held[next(iter(held))]
    return job


def again(job: Job) -> None:
    """Let the next run ask anew for what this job was to answer."""
    held: dict[str, Job] = st.session_state.get("held_jobs", {})
    for key in [key for key, other in held.items() if other is job]:
        del held[key]


def lens_now(model: LoadedModel, wanted: str) -> tuple[Lens, Job[LinearShortcut] | None]:
    """The lens to draw with at this moment, and the fit still to wait for, if any."""
    if wanted == LogitLens.id:
        return LogitLens(), None
    job = shortcut_of(model)
    if job.state == "running":
        job.wait(0.5)  # a stored fit is read within
    if job.state == "done":
        return job.result(), None
    return LogitLens(), job


def reading_at_hand(model: LoadedModel, tokens: Tokens) -> Reading | None:
    """The reading of a text that somebody has asked for before; None where there is none, and none is begun."""
    for lens in (LinearShortcut, LogitLens):
        job = results().peek(_reading_key(model, tokens, lens, None))
        if job is not None and job.state == "done":
            return job.result()
    return None
