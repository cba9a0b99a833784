"""The shared cache: one computation a request, bounded in bytes, no bad ending kept."""

import threading

import numpy as np
import pytest

from analysis import AnalysisError
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
