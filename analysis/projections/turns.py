"""First come, first served, for callers that may leave the queue while they wait."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK = 0.1
"""Seconds between two looks of somebody who waits."""


class Turns:
    """One caller at a time."""

    def __init__(self):
        self._queue: deque[object] = deque()
        self._moved = threading.Condition()

    @contextmanager
    def taken(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Wait for one's turn and hold it.

        Args:
            waiting: is called now and then until the turn comes; what it raises leaves the queue.
        """
        ticket = object()
        with self._moved:
            self._queue.append(ticket)
        try:
            while not self._mine(ticket):
                waiting()
            yield
        finally:
            with self._moved:
                self._queue.remove(ticket)
                self._moved.notify_all()

    def _mine(self, ticket: object) -> bool:
        with self._moved:
            return self._moved.wait_for(lambda: self._queue[0] is ticket, LOOK)
