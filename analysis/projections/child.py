"""One worker process, seen from its parent: started, asked, listened to, ended."""

import json
import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import analysis
from analysis.errors import AnalysisError
from analysis.jobs import Report

LINES = 200
"""Of what the process printed, kept for the log."""
LOOK = 0.1
"""Seconds between two reports while nothing is heard."""
ONE_THREAD = {
    "NUMBA_NUM_THREADS": "1",
    "NUMBA_THREADING_LAYER": "workqueue",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""Several threads add up in another order each time: the same request would not give the same picture."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a task made."""

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]


class Child:
    """A process that computes what it is asked, one request at a time; not for several threads.

    Args:
        tasks: the module whose `TASKS` it offers.
    """

    def __init__(self, tasks: str):
        self._folder = Path(tempfile.mkdtemp(prefix="bathyscope-maps-"))
        self._heard: queue.SimpleQueue[dict | None] = queue.SimpleQueue()
        self._printed: deque[str] = deque(maxlen=LINES)
        self._requests = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "analysis.projections.serve", tasks, str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a Ctrl-C in the terminal goes to the app alone
        )
        for listen in (self._listen, self._keep_what_is_printed):
            threading.Thread(target=listen, name="maps", daemon=True).start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """False once the process has ended, however it did."""
        return self._process.poll() is None

    def ask(self, task: str, arrays: Mapping[str, np.ndarray], settings: Mapping, report: Report) -> Answer:
        """Have one task done.

        Args:
            task: its id.
            arrays: what it is given, by name.
            settings: the rest, as JSON knows it.
            report: what the process says; whatever it raises leaves the process at work, so end it.

        Raises:
            AnalysisError: the process ended, refused, or there is no room for the arrays.
            RuntimeError: the task failed in a way that nobody expected.
        """
        folder = self._hand_over(arrays)
        try:
            self._send(
                {"task": task, "arrays": list(arrays), "settings": dict(settings), "folder": str(folder)}
            )
            answer = self._wait(report)
            if "refused" in answer:
                raise AnalysisError(answer["refused"])
            if "failed" in answer:
                raise RuntimeError(f"The map's process failed at {task!r}:\n{answer['failed']}")
            made = {name: np.load(folder / f"made {name}.npy") for name in answer["made"]}
            return Answer(made, answer["facts"])
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def end(self) -> None:
        """End the process at once, and take its files away."""
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
        with suppress(OSError):
            self._process.stdin.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _hand_over(self, arrays: Mapping[str, np.ndarray]) -> Path:
        self._requests += 1
        folder = self._folder / str(self._requests)
        try:
            folder.mkdir()
            for name, values in arrays.items():
                np.save(folder / f"{name}.npy", values)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            needed = sum(values.nbytes for values in arrays.values()) / 2**20
            raise AnalysisError(
                f"This map needs {needed:,.0f} MiB in the temporary folder {tempfile.gettempdir()}, which cannot be "
                f"used ({error.strerror}). Make room there and try again."
            ) from error
        return folder

    def _send(self, message: dict) -> None:
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def _wait(self, report: Report) -> dict:
        """The answer, whatever it is; what is said until then is reported, again and again where nothing new is."""
        said = ["Computing the map", 0, None]
        while True:
            try:
                message = self._heard.get(timeout=LOOK)
            except queue.Empty:
                message = {"say": said}
            if message is None:
                raise self._ended()
            if "say" not in message:
                return message
            said = message["say"]
            report(*said)

    def _ended(self) -> AnalysisError:
        code = self._process.wait()
        _LOG.warning("the map's process ended (%s); it printed:\n%s", code, "".join(self._printed))
        return AnalysisError(
            f"The process that computes maps ended unexpectedly ({_reason(code)}); nothing else was lost. Try again, "
            "with fewer points if it happens again."
        )

    def _listen(self) -> None:
        for line in self._process.stdout:
            with suppress(ValueError):  # the last line of a killed process may be half a line
                self._heard.put(json.loads(line))
        self._heard.put(None)
        self._process.wait()  # no zombie stays, however it ended

    def _keep_what_is_printed(self) -> None:
        for line in self._process.stderr:
            self._printed.append(line)


def _environment() -> dict[str, str]:
    root = str(Path(analysis.__file__).parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(paths)}


def _reason(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        name = signal.Signals(-code).name
        return f"{name}, which is what a lack of memory looks like" if name == "SIGKILL" else name
    return f"signal {-code}"
