"""Tasks of a worker process that is only to be talked to."""

import os
import sys
import time

import numpy as np


def echo(values: np.ndarray, say, **settings) -> tuple[dict, dict]:
    sys.stdout.write("libraries print\n")
    say("Echoing", 1, 2)
    return {"values": values}, settings | {"pid": os.getpid(), "threads": os.environ["NUMBA_NUM_THREADS"]}


def sleep(seconds: float, say) -> tuple[dict, dict]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        say("Sleeping", 1, 3)
        time.sleep(0.02)
    return {}, {}


def crash(say) -> tuple[dict, dict]:
    os.abort()


def bug(say) -> tuple[dict, dict]:
    raise ZeroDivisionError("a bug")


def hunger(say) -> tuple[dict, dict]:
    raise MemoryError


def warmed(say) -> tuple[dict, dict]:
    sleep(0.3, say)
    return {}, {}


TASKS = {"echo": echo, "sleep": sleep, "crash": crash, "bug": bug, "hunger": hunger, "warm": warmed}
