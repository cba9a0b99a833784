"""What the page asks of the analysis: one reading or one curve after another, each drawn as soon as it is there."""

import logging
import time
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import streamlit as st

from analysis import AnalysisError, jobs
from analysis.errors import Cancelled
from analysis.fingerprint import fingerprint
from analysis.geometry.measure import Measure, Reads
from analysis.jobs import Job, Report
from analysis.maps.basis import ONE_THREAD
from analysis.methods.geometry import Measured, measured
from components.cache import ABANDONED_AFTER, results
from components.geometry.subjects import Subject, Taken, taken
from components.requests import held
from components.waiting import PATIENCE


@dataclass(frozen=True)
class Refused:
    """Why there is no curve, in a sentence."""

    sentence: str
    may_change: bool = False
    """True where asking again may help: it could not be read."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """One curve."""

    subject: Subject
    measure: Measure
    params: object

    @cached_property
    def key(self) -> str:
        """One name for it."""
        return fingerprint(
            "geometry curve", self.subject.key(self.measure.reads), self.measure.id, self.params
        )


@dataclass(eq=False)
class Plan:
    """The curves of what is shown, one after another; it belongs to one session."""

    wanted: tuple[Wanted, ...]
    found: dict[str, Measured | Refused] = field(default_factory=dict)
    """By the key of what is wanted; grows while the job runs."""
    job: Job | None = None
    stopped: bool = False
    """True once the person has stopped it."""
    drawn: int = 0
    """How many of what is found the page has drawn, and when."""
    drawn_at: float = 0.0

    def of(self, wanted: Wanted) -> Measured | Refused | None:
        """What was found; None where it is still to come."""
        return self.found.get(wanted.key)

    def stop(self) -> None:
        """Stop; what was found stays."""
        self.stopped = True
        self.job.cancel()

    def mark_drawn(self) -> None:
        """All that was found is on the page."""
        self.drawn, self.drawn_at = len(self.found), time.monotonic()

    def work(self, report: Report) -> bool:
        """Find what is still to be found."""
        without: dict[Measure, Refused] = {}
        unread: dict[tuple[str, Reads], Refused] = {}
        for wanted in self.wanted:
            where = wanted.subject.id, wanted.measure.reads
            if wanted.key not in self.found:
                # where there is no curve there is nothing to compare
                found = without.get(wanted.measure) or unread.get(where) or _found(wanted, report)
                self.found[wanted.key] = found
            found = self.found[wanted.key]
            if isinstance(found, Refused) and wanted.subject.id == "base":
                without[wanted.measure] = found
            if isinstance(found, Refused) and found.may_change:
                unread[where] = found
        return True


def plan_of(wanted: tuple[Wanted, ...]) -> Plan:
    """The session's plan for these curves, under way or done; another one that it had is given up."""
    state = st.session_state
    key = tuple(each.key for each in wanted)
    held_key, plan = state.get("geometry_plan", (None, None))
    if held_key != key:
        if plan is not None:
            plan.job.cancel()
        plan = None
    if plan is None or (plan.job.state == "cancelled" and not plan.stopped):  # its tab was out of sight
        plan = Plan(wanted, _at_hand(wanted))
        _start(plan)
        state.geometry_plan = key, plan
    return plan


def go_on(plan: Plan) -> None:
    """Go on with what was stopped, and try again what could not be read."""
    for key, found in list(plan.found.items()):
        if isinstance(found, Refused) and found.may_change:
            del plan.found[key]
    plan.stopped = False
    _start(plan)


def taken_of(subject: Subject, reads: Reads) -> Job[Taken]:
    """What a subject's measures are taken on, at hand or read from disk: to look into a curve."""
    return held(subject.key(reads), "Reading", partial(_read, subject, reads))


def relayed(job: Job, report: Report) -> object:
    """What a job makes, with its progress as one's own; who stops waiting stops it."""
    try:
        while not job.wait(0.1):
            if job.state == "running":  # looking is interest: it goes on
                report(job.progress.message, job.progress.done, job.progress.total)
    except Cancelled:
        job.cancel()
        raise
    return job.result()


def _start(plan: Plan) -> None:
    plan.job = jobs.start("Measuring", plan.work, abandon_after=ABANDONED_AFTER)
    plan.job.wait(PATIENCE)


def _at_hand(wanted: tuple[Wanted, ...]) -> dict[str, Measured | Refused]:
    """What was found before."""
    known = ((each.key, results().peek(each.key)) for each in wanted)
    return {key: job.result() for key, job in known if job is not None and job.wait(0) and job.error is None}


def _found(wanted: Wanted, report: Report) -> Measured | Refused:
    """The curve, or why there is none: one that fails leaves the others alone."""
    subject, reads = wanted.subject, wanted.measure.reads
    if sentence := subject.refusal(reads):
        return Refused(sentence)

    def told(message: str, done: float = 0, total: float | None = None) -> None:
        report(f"{subject.name}: {message[:1].lower()}{message[1:]}", done, total)

    try:
        whole = relayed(_reading(subject, reads), told)
    except AnalysisError as error:
        return Refused(str(error), may_change=True)
    except Cancelled:
        raise
    except Exception as error:
        return replace(_unexpected(wanted, error), may_change=True)
    return relayed(results().ask(wanted.key, wanted.measure.title, partial(_curve, wanted, whole)), told)


def _reading(subject: Subject, reads: Reads) -> Job[Taken]:
    return results().ask(subject.key(reads), "Reading", partial(_read, subject, reads))


def _read(subject: Subject, reads: Reads, report: Report) -> Taken:
    imitated = relayed(_reading(subject.imitates, reads), report) if subject.imitates else None
    return taken(subject, reads, imitated, report)


@ONE_THREAD
def _curve(wanted: Wanted, whole: Taken, report: Report) -> Measured | Refused:
    subject = wanted.subject
    try:
        found = measured(subject.model, whole.given, wanted.measure, wanted.params, report=report)
    except AnalysisError as error:
        return Refused(str(error))
    except Cancelled:
        raise
    except Exception as error:
        return _unexpected(wanted, error)
    made = replace(found.curve.provenance, model=whole.model, revision=whole.revision)
    return replace(found, name=subject.name, curve=replace(found.curve, provenance=made))


def _unexpected(wanted: Wanted, error: Exception) -> Refused:
    """An error that was not meant for the person at the screen goes to the log."""
    logging.getLogger(__name__).error("%s failed", wanted.measure.title, exc_info=error)
    return Refused(f"This failed unexpectedly ({type(error).__name__}). The terminal shows the details.")
