"""Results shared by all sessions, bounded in bytes, each computed once.

A result is asked for by the fingerprint of its request. The first who asks starts a job; everybody polls
it. Finished results stay until newer ones need their room.
"""

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from analysis import jobs
from analysis.jobs import Job, Report

BUDGET = 512 * 2**20
"""Bytes of arrays that finished results may hold together."""
ABANDONED_AFTER = 20.0
"""Seconds without a look from any session after which work is cancelled: its tabs are closed."""


class ResultCache:
    """Jobs by fingerprint, least recently used first out."""

    def __init__(self, budget: int = BUDGET):
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._budget = budget

    def ask(self, key: str, title: str, work: Callable[[Report], Any], *, abandon: bool = True) -> Job:
        """The job for this request: the one under way or done, else a new one.

        Failed and cancelled jobs are handed out once more to whoever holds them, never to a new request.
        """
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.state in ("failed", "cancelled"):
                job = jobs.start(title, work, abandon_after=ABANDONED_AFTER if abandon else None)
                self._jobs[key] = job
                self._sizes.pop(key, None)
            self._jobs.move_to_end(key)
            self._shrink()
            return job

    def peek(self, key: str) -> Job | None:
        """The job of this request if there is one, without starting any."""
        with self._lock:
            return self._jobs.get(key)

    def forget(self, key: str) -> None:
        """Drop a result, so that the next request computes it again."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: str) -> None:
        self._jobs.pop(key, None)
        self._sizes.pop(key, None)

    def _shrink(self) -> None:
        """Drop what ended badly (an error holds on to the tensors of its frames) and what is over the budget.

        No job's `state` is asked: that would count as interest, and the work of closed tabs would go on.
        """
        ended = [key for key, job in self._jobs.items() if job.wait(0)]
        for key in [key for key in ended if self._jobs[key].error is not None]:
            self._drop(key)
            ended.remove(key)
        total = sum(map(self._size, ended))
        for key in ended[:-1]:
            if total <= self._budget:
                return
            total -= self._size(key)
            self._drop(key)

    def _size(self, key: str) -> int:
        if key not in self._sizes:
            self._sizes[key] = n_bytes(self._jobs[key].result())
        return self._sizes[key]


def n_bytes(result: Any) -> int:
    """Bytes of the arrays and tables a frozen result holds; what is mapped from disk takes none."""
    if isinstance(result, np.memmap):
        return 0
    if isinstance(result, np.ndarray):
        return result.nbytes
    if isinstance(result, pd.DataFrame):
        return int(result.memory_usage().sum())
    if isinstance(result, (tuple, list)):
        return sum(map(n_bytes, result))
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return sum(n_bytes(getattr(result, field.name)) for field in dataclasses.fields(result))
    return 0


@st.cache_resource(show_spinner=False)
def results() -> ResultCache:
    """The one cache of this process."""
    return ResultCache()
