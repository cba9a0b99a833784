"""Probing and erasing: fitting every layer's probe and eraser, against reading the states they are fitted to."""

import os
import tempfile
import time
from collections.abc import Iterator

import numpy as np

from analysis.captures import capture
from analysis.labelled import LabelledSet
from analysis.methods.erase import Plan, erase
from analysis.methods.probe import probe
from tests.benchmarks.measure import Quantity
from tests.benchmarks.models import model

TEXTS = 2000


def probing() -> Iterator[Quantity]:
    """Short texts at all layers, read once into an empty store and probed with five fits a layer."""
    kept = os.environ.get("BATHYSCOPE_HOME")
    given, opened = _examples(), model()  # the model comes from the store that is there
    with tempfile.TemporaryDirectory() as empty:
        os.environ["BATHYSCOPE_HOME"] = empty
        begun = time.perf_counter()
        capture(opened, given)
        read = time.perf_counter() - begun
        begun = time.perf_counter()
        probe(opened, given, "last", "logistic")
        fitted = time.perf_counter() - begun
        middle = opened.n_layers // 2
        erased = erase(opened, given, Plan("leace", (middle, middle))).seconds
        begun = time.perf_counter()
        erase(opened, given, Plan("leace", (0, opened.n_layers), sequence=True))
        scrubbed = time.perf_counter() - begun
    if kept is None:
        del os.environ["BATHYSCOPE_HOME"]
    else:
        os.environ["BATHYSCOPE_HOME"] = kept
    yield Quantity(
        f"logistic probes of all layers, {TEXTS} texts", fitted / read, "x", 1.0, "reading their states"
    )
    yield Quantity(f"LEACE at one layer, {TEXTS} texts", erased / read, "x", 0.05, "reading their states")
    yield Quantity(
        f"LEACE layer after layer, all layers, {TEXTS} texts",
        scrubbed / read,
        "x",
        None,
        "reading their states",
    )
    yield Quantity("reading labelled examples", TEXTS / read, "texts/s", None, "this machine, now")


def _examples() -> LabelledSet:
    random = np.random.default_rng(0)
    words = [
        "the",
        "sea",
        "ship",
        "wind",
        "old",
        "king",
        "told",
        "a",
        "story",
        "of",
        "gold",
        "and",
        "rain",
        "in",
        "late",
        "summer",
        "light",
    ]
    targets = random.integers(0, 2, TEXTS)
    texts = tuple(
        " ".join([*random.choice(words, 9), f"number {i}", ("was", "is")[label]])
        for i, label in enumerate(targets)
    )
    return LabelledSet("bench", "Bench", "was or is?", texts, targets, ("was", "is"))
