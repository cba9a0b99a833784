"""The models that are open in this process, shared by all sessions."""

import gc
import threading
from collections import OrderedDict

import streamlit as st

from analysis import ModelSpec, jobs, load
from analysis.jobs import Job, Report
from analysis.models.loaded import LoadedModel

ROOM = 3
"""Models kept open at once. One that leaves the shelf lives on in the sessions that still show it."""


class Shelf:
    """Loading jobs by what was asked for; the least recently used leaves first."""

    def __init__(self, room: int = ROOM):
        self._jobs: OrderedDict[ModelSpec, Job[LoadedModel]] = OrderedDict()
        self._lock = threading.Lock()
        self._room = room

    def ask(self, spec: ModelSpec) -> Job[LoadedModel]:
        """The job that loads this model: done, under way, or newly started."""
        with self._lock:
            job = self._jobs.get(spec)
            if job is None or job.state in ("failed", "cancelled"):
                job = jobs.start(f"Loading {spec.source}", lambda report: _load(spec, report))
                self._jobs[spec] = job
            self._jobs.move_to_end(spec)
            finished = [key for key, other in self._jobs.items() if other.state != "running"]
            for key in finished[: max(0, len(self._jobs) - self._room)]:
                del self._jobs[key]
            return job


def _load(spec: ModelSpec, report: Report) -> LoadedModel:
    _spare_the_collector()  # of the libraries
    model = load(spec, report)
    _spare_the_collector()  # of the model, and free those that left the shelf
    return model


def _spare_the_collector() -> None:
    """Collect once, then exempt what lives from further collections.

    Streamlit collects after every run of a script or fragment. Through the millions of objects of torch and
    transformers that takes 0.2 seconds, in which no other thread runs: a text that streams would stand still.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@st.cache_resource(show_spinner=False)
def shelf() -> Shelf:
    """The one shelf of this process."""
    return Shelf()
