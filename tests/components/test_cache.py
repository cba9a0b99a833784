"""The shared cache: one computation a request, bounded in bytes, no bad ending kept."""

import threading
import time

import numpy as np
import pytest

from analysis import AnalysisError, Cancelled
from components.cache import ResultCache, n_bytes


def test_one_request_is_computed_once_however_many_ask():
    cache, calls, gate = ResultCache(), [], threading.Event()

    def work(report):
        calls.append(1)
        gate.wait(5)
        return np.ones(3)

    jobs = [cache.ask("key", "work", work) for _ in range(5)]
    gate.set()
    assert all(job is jobs[0] for job in jobs)
    assert jobs[0].result(5).sum() == 3 and calls == [1]


def test_results_leave_when_newer_ones_need_their_room():
    cache = ResultCache(budget=1000)
    first = cache.ask("first", "work", lambda report: np.zeros(100, np.float64))  # 800 bytes
    first.result(5)
    second = cache.ask("second", "work", lambda report: np.zeros(100, np.float64))
    second.result(5)
    cache.ask("third", "work", lambda report: np.zeros(1)).result(5)
    assert cache.peek("first") is None and cache.peek("second") is second


def test_a_failure_is_not_kept_for_the_next_request():
    cache = ResultCache()

    def fail(report):
        raise AnalysisError("no")

    job = cache.ask("key", "work", fail)
    with pytest.raises(AnalysisError):
        job.result(5)
    assert cache.ask("key", "work", lambda report: 7).result(5) == 7


def test_bytes_are_counted_through_tuples_and_dataclasses():
    assert n_bytes((np.zeros(2, np.float32), [np.zeros(3, np.float64)], "text")) == 32


def test_asking_for_one_result_is_no_interest_in_another(monkeypatch):
    """The work of a closed tab ends although other people go on asking for their own."""
    monkeypatch.setattr("components.cache.ABANDONED_AFTER", 0.3)
    cache = ResultCache()

    def endless(report):
        while True:
            report("going on")
            time.sleep(0.01)

    left = cache.ask("left alone", "work", endless)
    for number in range(100):
        cache.ask(f"other {number}", "work", lambda report: 1).result(5)
        if left.wait(0.02):
            break
    assert left.wait(0) and left.state == "cancelled"


def test_cancelled_work_leaves_the_next_request_alone():
    cache, started = ResultCache(), threading.Event()

    def slow(report):
        started.set()
        while True:
            report("slowly")

    job = cache.ask("key", "work", slow)
    assert started.wait(5)
    job.cancel()
    again = cache.ask("key", "work", lambda report: 5)
    assert again is not job and again.result(5) == 5
    with pytest.raises(Cancelled):
        job.result(5)
    assert cache.peek("key") is again


def test_bad_endings_are_not_held_on_to():
    cache = ResultCache()
    job = cache.ask("bad", "work", lambda report: 1 / 0)
    job.wait(5)
    cache.ask("good", "work", lambda report: 1).result(5)
    assert cache.peek("bad") is None


def test_the_newest_result_stays_even_if_it_alone_is_too_large():
    cache = ResultCache(budget=10)
    cache.ask("small", "work", lambda report: np.zeros(1)).result(5)
    large = cache.ask("large", "work", lambda report: np.zeros(100))
    large.result(5)
    assert cache.ask("large", "work", lambda report: 1 / 0) is large
    assert cache.peek("small") is None
