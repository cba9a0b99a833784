"""The one process that computes maps: started when it is first wanted, warmed in the background, replaced when it dies.

It shares no memory with the app: the libraries it imports take seconds to load and up to a minute to compile, and
may abort their process.
"""

import atexit
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cache

import numpy as np

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.projections.child import Answer, Child
from analysis.projections.turns import Turns

FITS = "analysis.projections.fits"
WARMING = ("warm_umap", "warm_aligned", "warm_pacmap")
"""Tasks that make later ones fast, most wanted first; requests go between them."""
SENTENCES = {
    "warm_umap": "Warming up UMAP (first use after start, up to a minute)",
    "warm_aligned": "Warming up aligned UMAP (first use after start)",
    "warm_pacmap": "Warming up PaCMAP (first use after start)",
}
OTHERS = "Waiting for another map"


class Client:
    """Asks one process, one request at a time, in the order they come; for any number of threads.

    Args:
        tasks: the module whose `TASKS` the process offers.
        warming: tasks that a fresh process is made warm with.
    """

    def __init__(self, tasks: str = FITS, warming: tuple[str, ...] = WARMING):
        self._tasks, self._warming = tasks, warming
        self._turns = Turns()
        self._door = threading.Lock()
        self._child: Child | None = None
        self._warm: Child | None = None
        """The process that is warm or being warmed."""
        self._busy_with = ""
        self._closed = False

    def warm(self) -> None:
        """Start and warm the process in the background; returns at once, and does nothing where it is warm."""
        with suppress(AnalysisError):  # closed: nobody will ask
            child = self._alive()
            with self._door:
                if self._warm is child:
                    return
                self._warm = child
            threading.Thread(target=self._warm_up, args=(child,), name="warming maps", daemon=True).start()

    def ask(
        self,
        task: str,
        arrays: Mapping[str, np.ndarray],
        settings: Mapping | None = None,
        report: Report = silent,
    ) -> Answer:
        """Have a task done, after those that were asked for before.

        Args:
            task: one of the process's.
            arrays: what it is given, by name.
            settings: the rest: numbers and words.
            report: progress; raises `Cancelled` to stop, which ends the process, and a fresh one is warmed.

        Raises:
            AnalysisError: the process ended or refused; the next request has a fresh one.
            RuntimeError: the task failed in a way that nobody expected.
        """
        with self._turns.taken(lambda: report(SENTENCES.get(self._busy_with, OTHERS))):
            return self._ask(self._alive(), task, arrays, settings or {}, report)

    def close(self) -> None:
        """End the process; every later request is refused."""
        with self._door:
            self._closed = True
            child, self._child = self._child, None
        if child is not None:
            child.end()

    @property
    def pid(self) -> int | None:
        """Number of the process; None while there is none."""
        with self._door:
            return self._child.pid if self._child is not None and self._child.alive else None

    def _ask(self, child: Child, task: str, arrays: Mapping, settings: Mapping, report: Report) -> Answer:
        self._busy_with = task
        try:
            return child.ask(task, arrays, settings, report)
        except (AnalysisError, RuntimeError):
            if not child.alive:
                child.end()
            raise
        except BaseException:  # cancelled: the process cannot be stopped in the middle, and is ended
            child.end()
            self.warm()
            raise

    def _alive(self) -> Child:
        with self._door:
            if self._closed:
                raise AnalysisError("The process that computes maps was closed. Start the app again.")
            if self._child is None or not self._child.alive:
                if self._child is not None:
                    self._child.end()
                self._child = Child(self._tasks)
            return self._child

    def _warm_up(self, child: Child) -> None:
        for task in self._warming:
            with self._turns.taken(lambda: None):
                if not child.alive:
                    return  # whoever ended it has its successor warmed
                try:
                    self._ask(child, task, {}, {}, silent)
                except (AnalysisError, RuntimeError) as error:  # who asks for such a map is told then
                    logging.getLogger(__name__).warning("%s: %s", task, error)


@cache
def worker() -> Client:
    """The one client of this process."""
    client = Client()
    atexit.register(client.close)
    return client


def warm() -> None:
    """Start the process and warm it in the background; returns at once."""
    worker().warm()
