"""Timing on a machine that does other things too: two pieces of work in turn, and the median of their ratios.

A ratio of two seconds taken at different times says how busy the machine was. Taken back to back, in an
order that alternates, both sides meet the same conditions, and the median drops the pairs that did not.
"""

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

Work = Callable[[], object]


@dataclass(frozen=True)
class Quantity:
    """One line of the report."""

    name: str
    value: float
    unit: str
    target: float | None
    """The bound; None where the number is only for information."""
    compared_with: str
    """What the number is a ratio to, or where it is counted."""
    at_least: bool = False
    """True where the target is a lower bound."""

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        met = self.value >= self.target if self.at_least else self.value <= self.target
        return "ok" if met else "over" if not self.at_least else "under"


def seconds(work: Work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(work: Work, reference: Work, rounds: int = 7) -> float:
    """Median of time(work) / time(reference) over pairs in alternating order; both run once unmeasured."""
    work(), reference()
    return statistics.median(_pair(work, reference, turn % 2 == 1) for turn in range(rounds))


def _pair(work: Work, reference: Work, swapped: bool) -> float:
    if swapped:
        below = seconds(reference)
        return seconds(work) / below
    return seconds(work) / seconds(reference)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def extra_bytes(work: Work) -> int:
    """How far the process's resident memory rises above where it stood, looked at every millisecond."""
    process, done, highest = psutil.Process(), threading.Event(), 0

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.001):
            highest = max(highest, process.memory_info().rss)

    before = process.memory_info().rss
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return max(0, highest - before)
