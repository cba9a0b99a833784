"""Hear how far other libraries are with their work, and stop it when asked to.

transformers and the hub's library draw progress bars on the terminal; here they become calls of a `Report`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from analysis.errors import Cancelled
from analysis.jobs import Job, Report

T = TypeVar("T")
_one_at_a_time = threading.Lock()


class _Bar:
    """Takes a progress bar's place; steps are what is iterated or `update`d."""

    def __init__(self, report: Report, message: str, steps: Any = None, total: Any = None):
        self._report, self._message, self._steps = report, message, steps
        known = total if total is not None else len(steps) if hasattr(steps, "__len__") else None
        self._total = None if known is None else float(known)
        self._done = 0.0

    def __iter__(self) -> Iterator[Any]:
        for step in self._steps:
            yield step
            self.update()

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *ending: Any) -> None:
        return None

    def update(self, steps: Any = 1) -> None:
        self._done += steps
        self._report(self._message, self._done, self._total)

    def close(self) -> None:
        return None

    def set_description(self, *ignored: Any, **also: Any) -> None:
        return None

    set_postfix = set_postfix_str = refresh = set_description


@contextmanager
def reported(report: Report, message: str) -> Iterator[None]:
    """Hand every progress bar that transformers opens inside the block to `report` under `message`.

    The hooks belong to the process, so blocks in several threads wait for one another.
    """
    from transformers import modeling_gguf_pytorch_utils
    from transformers.utils import logging

    def bar(steps: Any = None, *args: Any, total: Any = None, **options: Any) -> _Bar:
        return _Bar(report, message, steps, total)

    def hook(factory: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> _Bar:
        return bar(*args, **options)

    with _one_at_a_time:
        before = logging.set_tqdm_hook(hook)
        # the GGUF reader takes its bar from tqdm itself, past the hook
        plain, modeling_gguf_pytorch_utils.tqdm = modeling_gguf_pytorch_utils.tqdm, bar
        try:
            yield
        finally:
            modeling_gguf_pytorch_utils.tqdm = plain
            logging.set_tqdm_hook(before)


def follow(job: Job[T], report: Report, every: float = 0.2) -> T:
    """Wait for a job, handing on what it reports; a report that raises `Cancelled` ends the wait at once.

    A library that waits for a slow server calls nobody back: asking from outside stops it all the same.
    """
    while not job.wait(every):
        progress = job.progress
        total = None if progress.total is None else float(progress.total)
        try:
            report(progress.message, float(progress.done), total)
        except Cancelled:
            job.cancel()
            raise
    return job.result()
