"""Work that takes time: progress, cancelling, abandonment, and one worker per model.

A `Job` is what a page polls: it runs in a thread of its own and owns no part of a network.
A `Worker` is the single thread that may touch one network; it serves callers first come, first served.
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from analysis.errors import AnalysisError, Cancelled

T = TypeVar("T")
JobState = Literal["running", "done", "failed", "cancelled"]


@runtime_checkable
class Report(Protocol):
    """How work says what it is doing. Raises `Cancelled` when it should stop: call it often."""

    def __call__(self, message: str, done: float = 0, total: float | None = None) -> None:
        """Say what is being done, and how much of it."""
        ...


def silent(message: str, done: float = 0, total: float | None = None) -> None:
    """The report of work that nobody watches."""


@dataclass(frozen=True)
class Progress:
    """What a job last reported."""

    message: str
    done: float = 0
    total: float | None = None
    """In the unit of `done`; None where the end is not known."""

    @property
    def fraction(self) -> float | None:
        """Share done, 0 to 1; None where the end is not known."""
        return min(self.done / self.total, 1.0) if self.total else None


class Job(Generic[T]):
    """One piece of work under way, to be polled from any thread."""

    def __init__(self, title: str, abandon_after: float | None = None):
        self.title = title
        self.progress = Progress(title)
        self.error: BaseException | None = None
        self.started = time.monotonic()
        self._value: T | None = None
        self._abandon_after = abandon_after
        self._last_poll = time.monotonic()
        self._cancelled = threading.Event()
        self._finished = threading.Event()

    @property
    def state(self) -> JobState:
        """Where the job stands; looking at it counts as interest in the outcome."""
        self._last_poll = time.monotonic()
        if not self._finished.is_set():
            return "cancelled" if self._cancelled.is_set() else "running"
        if isinstance(self.error, Cancelled):
            return "cancelled"
        return "failed" if self.error else "done"

    def cancel(self) -> None:
        """Ask the work to stop at its next report; returns at once."""
        self._cancelled.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the work has ended; True if it has."""
        return self._finished.wait(timeout)

    def result(self, timeout: float | None = None) -> T:
        """The value of finished work; raises what the work raised."""
        if not self.wait(timeout):
            raise TimeoutError(f"{self.title}: not finished after {timeout} s")
        if self.error is not None:
            raise self.error
        return self._value  # type: ignore[return-value]

    def report(self, message: str, done: float = 0, total: float | None = None) -> None:
        """The `Report` handed to the work."""
        idle = time.monotonic() - self._last_poll
        if self._cancelled.is_set() or (self._abandon_after is not None and idle > self._abandon_after):
            raise Cancelled(self.title)
        self.progress = Progress(message, done, total)

    def run(self, work: Callable[[Report], T]) -> None:
        """Do the work in this thread and keep its value or its error."""
        try:
            self._value = work(self.report)
        except BaseException as error:  # a job must end whatever happens, and hand on what did
            self.error = error
        finally:
            self._finished.set()


def start(title: str, work: Callable[[Report], T], *, abandon_after: float | None = None) -> Job[T]:
    """Run `work(report)` in a thread of its own.

    Args:
        title: what the work does, for the person who waits.
        work: calls its report often; a call raises `Cancelled` once the job should stop.
        abandon_after: seconds without anybody looking at `state` after which the work is cancelled
            (a closed browser tab polls no more); None keeps it going.
    """
    job: Job[T] = Job(title, abandon_after)
    threading.Thread(target=job.run, args=(work,), name=f"job: {title}", daemon=True).start()
    return job


class Worker:
    """The one thread that touches one network, serving calls in the order they came.

    Long work (a generation, a lens over many layers) comes as many short calls, so that several
    sessions share one model evenly and a cancelled one leaves at its next call.
    """

    def __init__(self, name: str):
        self._calls: queue.SimpleQueue[tuple[Future, Callable] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=f"worker: {name}", daemon=True)
        self._closed = False
        self._door = threading.Lock()
        self._thread.start()

    def do(self, call: Callable[[], T]) -> T:
        """Run `call` in the worker's thread and wait for its value; raises what the call raised."""
        if threading.current_thread() is self._thread:
            return call()
        future: Future[T] = Future()
        with self._door:  # a call that came in behind the last one would wait for ever
            if self._closed:
                raise AnalysisError("This model was closed. Load it again.")
            self._calls.put((future, call))
        try:
            return future.result()
        finally:
            del future  # or an error would keep itself alive, and the tensors of its frames

    def close(self) -> None:
        """End the thread after the calls already waiting."""
        with self._door:
            self._closed = True
            self._calls.put(None)

    def _serve(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call = item
            try:
                future.set_result(call())
            except BaseException as error:  # the caller gets it; the worker lives on
                future.set_exception(error)
            del item, future, call  # an idle worker holds no tensors
