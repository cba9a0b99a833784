"""Jobs that report, stop and hand on; workers that serve in order."""

import gc
import threading
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from analysis import jobs
from analysis.errors import AnalysisError, Cancelled

LONG = 120
"""Seconds after which a wait in a test has failed; on a quiet machine nothing takes a hundredth of it."""


def until_stopped(report):
    """Work that ends only when its report says so."""
    while True:
        report("working")
        time.sleep(0.002)


@pytest.fixture
def worker():
    made = jobs.Worker("test")
    yield made
    made.close()


class Gate:
    """Holds a worker until opened, so that calls queue up behind it."""

    def __init__(self, worker):
        self.reached, self._open = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=worker.do, args=(self._wait,))
        self._thread.start()
        assert self.reached.wait(LONG)

    def _wait(self):
        self.reached.set()
        assert self._open.wait(LONG)

    def open(self):
        self._open.set()
        self._thread.join(LONG)


def wait_until(condition) -> None:
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


# jobs


def test_a_job_gives_its_value_and_its_last_progress():
    def work(report):
        report("counting", 1, 4)
        return 42

    job = jobs.start("Count", work)
    assert job.result(LONG) == 42
    assert job.state == "done"
    assert (job.progress.message, job.progress.done, job.progress.total) == ("counting", 1, 4)
    assert job.progress.fraction == 0.25


def test_progress_beyond_its_end_is_whole_and_without_an_end_is_unknown():
    assert jobs.Progress("x", 5, 4).fraction == 1
    assert jobs.Progress("x", 5).fraction is None
    assert jobs.Progress("x", 0, 0).fraction is None


def test_a_running_job_says_so_and_waiting_for_it_may_time_out():
    job = jobs.start("Endless", until_stopped)
    assert job.state == "running"
    assert not job.wait(0.01)
    with pytest.raises(TimeoutError, match="Endless: not finished after 0.01 s"):
        job.result(0.01)
    job.cancel()
    assert job.wait(LONG)


def test_a_cancelled_job_stops_at_its_next_report():
    job = jobs.start("Endless", until_stopped)
    job.cancel()
    assert job.state == "cancelled"
    assert job.wait(LONG)
    assert job.state == "cancelled"
    with pytest.raises(Cancelled):
        job.result()


def test_a_job_that_ends_before_it_hears_of_its_cancellation_is_done():
    go = threading.Event()
    job = jobs.start("Short", lambda report: go.wait(LONG))
    job.cancel()
    go.set()
    assert job.result(LONG) is True
    assert job.state == "done"


def test_a_job_that_nobody_looks_at_is_abandoned_and_one_that_is_polled_is_not(monkeypatch):
    clock, reports = [0.0], []
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def counted(report):
        until_stopped(lambda message: [report(message), reports.append(clock[0])])

    polled = jobs.start("Polled", counted, abandon_after=5)
    left = jobs.start("Left", until_stopped, abandon_after=5)
    for _ in range(3):
        assert polled.state == "running"
        clock[0] += 4
        wait_until(lambda: reports and reports[-1] == clock[0])
    assert left.wait(LONG)
    assert left.state == "cancelled"
    assert polled.state == "running"
    clock[0] += 6  # nobody looks any more
    assert polled.wait(LONG)
    assert polled.state == "cancelled"


def test_a_job_may_be_waited_for_without_an_end():
    job = jobs.start("Kept", lambda report: [report("x"), time.sleep(0.1), report("y")] and "kept")
    assert job.result(LONG) == "kept"


@pytest.mark.parametrize(
    "error", [ValueError("seven"), AnalysisError("Eight."), KeyboardInterrupt(), SystemExit(3)]
)
def test_a_failure_is_handed_on_as_it_was_raised(error):
    def work(report):
        raise error

    job = jobs.start("Fail", work)
    assert job.wait(LONG)
    assert job.state == "failed"
    with pytest.raises(type(error)) as caught:
        job.result()
    assert caught.value is error


# workers


def test_a_worker_serves_in_the_order_of_asking(worker):
    served, threads = [], []
    gate = Gate(worker)
    for i in range(8):
        threads.append(threading.Thread(target=worker.do, args=(lambda i=i: served.append(i),)))
        threads[-1].start()
        wait_until(lambda i=i: worker._calls.qsize() == i + 1)
    assert served == []
    gate.open()
    for thread in threads:
        thread.join(LONG)
    assert served == list(range(8))


def test_a_worker_works_in_one_thread_of_its_own_and_may_be_asked_from_within(worker):
    outer = worker.do(threading.get_ident)
    assert outer != threading.get_ident()
    assert worker.do(lambda: worker.do(threading.get_ident)) == outer


@pytest.mark.parametrize("error", [RuntimeError, AnalysisError, Cancelled, KeyboardInterrupt, SystemExit])
def test_a_worker_hands_on_what_a_call_raised_and_lives_on(worker, error):
    def fail():
        raise error("in the call")

    with pytest.raises(error, match="in the call"):
        worker.do(fail)
    assert worker.do(lambda: 7) == 7


def test_a_closed_worker_refuses_in_words_after_serving_those_who_waited():
    worker = jobs.Worker("closing")
    served = []
    gate = Gate(worker)
    waiting = threading.Thread(target=worker.do, args=(lambda: served.append(1),))
    waiting.start()
    wait_until(lambda: worker._calls.qsize() == 1)
    worker.close()
    with pytest.raises(AnalysisError, match="This model was closed. Load it again."):
        worker.do(lambda: 7)
    gate.open()
    waiting.join(LONG)
    assert served == [1]
    worker._thread.join(LONG)
    assert not worker._thread.is_alive()
    worker.close()


def test_a_call_that_arrives_while_the_worker_closes_is_never_left_waiting():
    """The worst moment to close is after a call was let in and before it stands in the queue."""
    worker = jobs.Worker("closing")
    queue, outcome = worker._calls, []

    class Slow:
        get = staticmethod(queue.get)

        def put(self, item):
            if item is not None:
                closer = threading.Thread(target=worker.close)
                closer.start()
                closer.join(0.2)
            queue.put(item)

    worker._calls = Slow()
    caller = threading.Thread(target=lambda: outcome.append(worker.do(lambda: 7)), daemon=True)
    caller.start()
    caller.join(LONG)
    assert outcome == [7]


@pytest.mark.parametrize("fails", [False, True])
def test_an_idle_worker_keeps_no_array_of_its_last_call_alive(worker, fails):
    seen = []

    def call():
        array = np.zeros(3)
        seen.append(weakref.ref(array))
        if fails:
            raise RuntimeError("with the array in its frame")
        return array.sum()

    def ask():
        try:
            worker.do(call)
        except RuntimeError:
            return

    gc.disable()  # what only the collector of cycles would free may stay for minutes
    try:
        ask()
        wait_until(lambda: seen[0]() is None)
    finally:
        gc.enable()
