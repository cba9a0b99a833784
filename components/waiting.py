"""Waiting for a job: what is being done, how far it is, and how to stop it.

What polls is drawn in its place, but after everything else of a run, so that its first tick finds a page that
is whole.
"""

import logging
import time
import weakref
from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from analysis.errors import AnalysisError
from analysis.jobs import Job
from components.literal import plain
from components.requests import again

T = TypeVar("T")

PATIENCE = 0.6
"""Seconds a page waits in place before it shows progress: most answers come within."""
POLL = 0.3
_LOGGED: "weakref.WeakSet[Job]" = weakref.WeakSet()


def wait_for(job: Job, *, key: str, height: int = 0, stop_label: str = "Cancel") -> bool:
    """Wait briefly, else draw progress that polls and reruns the page at the end.

    Args:
        job: what is waited for.
        key: names the button that stops it.
        height: of the skeleton that keeps the place of what will come; 0 draws none.
        stop_label: of that button.

    Returns:
        True once the job has ended, well or not: ask it for its `result` or show its `problem`.
    """
    if job.wait(PATIENCE if job.state == "running" else 0) or job.state == "cancelled":
        return True
    draw_last(lambda: _progress(job, key, height, stop_label))
    return False


def result_of(job: Job[T], key: str, height: int = 0, again_label: str = "Try again") -> T | None:
    """What a job made; None while it runs, or where it ended badly: why is said, beside a button to ask anew.

    Args:
        job: what is waited for; its result is never None.
        key: names the buttons.
        height: of the skeleton that keeps the place of what will come; 0 draws none.
        again_label: of the button.
    """
    if not wait_for(job, key=key, height=height):
        return None
    if (sentence := problem(job)) is None:
        return job.result()
    st.warning(plain(sentence), icon=":material/warning:")
    st.button(again_label, key=f"again {key}", on_click=again, args=(job,))
    return None


def draw_last(draw: Callable[[], None]) -> None:
    """Keep the place for something that polls; it is drawn by `draw_what_polls`."""
    st.session_state.polling.append((st.container(), draw))


def begin_run() -> None:
    """Forget what a run that was cut short had still to draw."""
    st.session_state.polling = []


def draw_what_polls() -> None:
    """Draw everything that polls; the last act of a run."""
    for place, draw in st.session_state.polling:
        with place:
            draw()


@st.fragment(run_every=POLL)
def _progress(job: Job, key: str, height: int, stop_label: str) -> None:
    if job.state != "running":
        rerun_once(job)
        return
    bar, button = st.columns([6, 1], vertical_alignment="center")
    bar.progress(job.progress.fraction or 0.0, text=_sentence(job))
    button.button(stop_label, key=f"cancel {key}", on_click=job.cancel, width="stretch")
    if height:
        st.skeleton(height)


def rerun_once(job: Job) -> None:
    """Run the page again now that a job has ended, and never a second time for the same job.

    A tick of a fragment that the new run no longer draws may still arrive; if it asked for another run, the
    page would never come to rest.
    """
    ended: list[Job] = st.session_state.setdefault("ended_jobs", [])
    if job not in ended:
        ended[:] = [*ended[-15:], job]
        st.rerun()


def _sentence(job: Job) -> str:
    progress = job.progress
    share = f" ({progress.fraction:.0%})" if progress.fraction is not None else ""
    seconds = time.monotonic() - job.started
    return f"{progress.message}{share}, {seconds:.0f} s"


def problem(job: Job) -> str | None:
    """The sentence to show for a job that ended badly; None if it ended well or goes on.

    An error that was not meant for the person at the screen goes to the log; raising it here would take the
    frame away with the page, and with it the way to another model.
    """
    if job.state == "cancelled":
        return f"{job.title} was cancelled."
    if job.state != "failed":
        return None
    if isinstance(job.error, AnalysisError):
        return str(job.error)
    _log(job)
    return f"{job.title} failed unexpectedly ({type(job.error).__name__}). The terminal shows the details."


def _log(job: Job) -> None:
    if job not in _LOGGED:
        _LOGGED.add(job)
        logging.getLogger(__name__).error("%s failed", job.title, exc_info=job.error)
