"""Waiting for a job: what is being done, how far it is, and how to stop it."""

import time

import streamlit as st

from analysis.errors import AnalysisError
from analysis.jobs import Job

PATIENCE = 0.6
"""Seconds a page waits in place before it shows progress: most answers come within."""
POLL = 0.3


def wait_for(job: Job, *, key: str, height: int = 0) -> bool:
    """Wait briefly, else draw progress that polls and reruns the page at the end.

    Args:
        job: what is waited for.
        key: names the cancel button.
        height: of the skeleton that keeps the place of what will come; 0 draws none.

    Returns:
        True once the job has ended, well or not: ask it for its `result` or show its `problem`.
    """
    if job.wait(PATIENCE if job.state == "running" else 0) or job.state == "cancelled":
        return True
    _progress(job, key, height)
    return False


@st.fragment(run_every=POLL)
def _progress(job: Job, key: str, height: int) -> None:
    if job.state != "running":
        st.rerun()
    bar, button = st.columns([6, 1], vertical_alignment="center")
    bar.progress(job.progress.fraction or 0.0, text=_sentence(job))
    button.button("Cancel", key=f"cancel {key}", on_click=job.cancel, width="stretch")
    if height:
        st.skeleton(height)


def _sentence(job: Job) -> str:
    progress = job.progress
    share = f" ({progress.fraction:.0%})" if progress.fraction is not None else ""
    seconds = time.monotonic() - job.started
    return f"{progress.message}{share}, {seconds:.0f} s"


def problem(job: Job) -> str | None:
    """The sentence to show for a job that ended badly; None if it ended well.

    Raises:
        BaseException: what the job raised, if it was not meant for the person at the screen.
    """
    if job.state == "cancelled":
        return f"{job.title} was cancelled."
    if job.state == "failed":
        if isinstance(job.error, AnalysisError):
            return str(job.error)
        raise job.error
    return None
