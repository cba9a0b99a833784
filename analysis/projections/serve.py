"""The worker process: `python -m analysis.projections.serve MODULE FOLDER` answers requests until its parent is gone.

A request is a line of JSON on standard input, with arrays as .npy files within the folder; so are progress and
the answer on what was standard output. Libraries that print find standard error in its place.
"""

import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TextIO

import numpy as np

OFTEN = 0.05
"""Seconds between two lines of progress."""


def main() -> None:
    """Answer requests in the order they come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which then ends this process
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    requests: queue.SimpleQueue[dict] = queue.SimpleQueue()
    module, folder = sys.argv[1:]
    threading.Thread(target=_listen, args=(requests, folder), daemon=True).start()
    tasks = import_module(module).TASKS
    while True:
        _answer(requests.get(), tasks, out)


def _listen(requests: queue.SimpleQueue, folder: str) -> None:
    for line in sys.stdin.buffer:
        requests.put(json.loads(line))
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # the parent is gone; whatever is being computed is for nobody


def _answer(request: dict, tasks: dict[str, Callable], out: TextIO) -> None:
    folder = Path(request["folder"])
    say = _Saying(out)
    try:
        arrays = {name: np.load(folder / f"{name}.npy") for name in request["arrays"]}
        made, facts = tasks[request["task"]](**arrays, **request["settings"], say=say)
        for name, values in made.items():
            np.save(folder / f"made {name}.npy", values)
        _send(out, {"made": list(made), "facts": facts})
    except MemoryError:
        _send(out, {"refused": "There is not enough memory for this map. Draw fewer points."})
    except OSError as error:
        _send(
            out,
            {"refused": f"The temporary folder cannot be used ({error.strerror}). Make room and try again."},
        )
    except Exception:  # told to the parent, which raises it; the process lives on
        _send(out, {"failed": traceback.format_exc()})


class _Saying:
    """Passes progress on, now and then."""

    def __init__(self, out: TextIO):
        self._out, self._last, self._message = out, 0.0, ""

    def __call__(self, message: str, done: float = 0, total: float | None = None) -> None:
        now = time.monotonic()
        if message != self._message or now - self._last >= OFTEN:
            self._message, self._last = message, now
            _send(self._out, {"say": [message, done, total]})


def _send(out: TextIO, message: dict) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
