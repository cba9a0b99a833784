"""The shared cache: one computation a request, bounded in bytes, no bad ending kept."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis import AnalysisError, Cancelled, jobs
from components.cache import ABANDONED_AFTER, ResultCache, n_bytes

LONG = 120
"""Seconds after which a wait in a test has failed."""


def test_one_request_is_computed_once_however_many_ask():
    cache, calls, gate = ResultCache(), [], threading.Event()

    def work(report):
        calls.append(1)
        gate.wait(LONG)
        return np.ones(3)

    jobs = [cache.ask("key", "work", work) for _ in range(5)]
    gate.set()
    assert all(job is jobs[0] for job in jobs)
    assert jobs[0].result(LONG).sum() == 3 and calls == [1]


def test_results_leave_when_newer_ones_need_their_room():
    cache = ResultCache(budget=1000)
    first = cache.ask("first", "work", lambda report: np.zeros(100, np.float64))  # 800 bytes
    first.result(LONG)
    second = cache.ask("second", "work", lambda report: np.zeros(100, np.float64))
    second.result(LONG)
    cache.ask("third", "work", lambda report: np.zeros(1)).result(LONG)
    assert cache.peek("first") is None and cache.peek("second") is second


def test_a_failure_is_not_kept_for_the_next_request():
    cache = ResultCache()

    def fail(report):
        raise AnalysisError("no")

    job = cache.ask("key", "work", fail)
    with pytest.raises(AnalysisError):
        job.result(LONG)
    assert cache.ask("key", "work", lambda report: 7).result(LONG) == 7


def test_bytes_are_counted_through_tuples_and_dataclasses():
    assert n_bytes((np.zeros(2, np.float32), [np.zeros(3, np.float64)], "text")) == 32


def test_asking_for_one_result_is_no_interest_in_another(monkeypatch):
    """The work of a closed tab ends although other people go on asking for their own."""
    clock = [0.0]
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    cache = ResultCache()

    def endless(report):
        while True:
            report("going on")
            time.sleep(0.002)

    left = cache.ask("left alone", "work", endless)
    for number in range(10):
        clock[0] += ABANDONED_AFTER / 5
        cache.ask(f"other {number}", "work", lambda report: 1).result(LONG)
    assert left.wait(LONG) and left.state == "cancelled"


def test_cancelled_work_leaves_the_next_request_alone():
    cache, started = ResultCache(), threading.Event()

    def slow(report):
        started.set()
        while True:
            report("slowly")

    job = cache.ask("key", "work", slow)
    assert started.wait(LONG)
    job.cancel()
    again = cache.ask("key", "work", lambda report: 5)
    assert again is not job and again.result(LONG) == 5
    with pytest.raises(Cancelled):
        job.result(LONG)
    assert cache.peek("key") is again


def test_bad_endings_are_not_held_on_to():
    cache = ResultCache()
    job = cache.ask("bad", "work", lambda report: 1 / 0)
    job.wait(LONG)
    cache.ask("good", "work", lambda report: 1).result(LONG)
    assert cache.peek("bad") is None


def test_the_newest_result_stays_even_if_it_alone_is_too_large():
    cache = ResultCache(budget=10)
    cache.ask("small", "work", lambda report: np.zeros(1)).result(LONG)
    large = cache.ask("large", "work", lambda report: np.zeros(100))
    large.result(LONG)
    assert cache.ask("large", "work", lambda report: 1 / 0) is large
    assert cache.peek("small") is None


def test_what_is_mapped_from_disk_takes_no_room(tmp_path):
    np.save(tmp_path / "values.npy", np.zeros(1000))
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    assert n_bytes(mapped) == n_bytes((mapped[3:], mapped)) == 0
    assert n_bytes(np.array(mapped)) == 8000
    assert n_bytes(pd.DataFrame({"a": np.zeros(100)})) >= 800
