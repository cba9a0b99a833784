"""Maps of many points: the first paint, and a projection in its process beside the library by itself."""

import statistics
from collections.abc import Iterator

import numpy as np

from analysis.captures import States
from analysis.methods.corpus_map import corpus_map
from analysis.projections.client import Client
from tests.benchmarks.measure import Quantity, seconds
from tests.benchmarks.models import model

POINTS, WIDTH = 5_000, 576
NEIGHBOURS, SETTINGS = 15, {"min_dist": 0.1, "seed": 0}
ROUNDS = 5


def many_points() -> Iterator[Quantity]:
    """As many states as a corpus map often has, in groups, with a spectrum that falls as that of states does."""
    values, opened = _states(), model()
    states = States((0,), values[None], "bench")

    def first_paint() -> None:
        corpus_map(opened, states)

    first_paint()  # imports
    taken = statistics.median(seconds(first_paint) for _ in range(ROUNDS))
    yield Quantity(
        f"PCA of {POINTS:,} x {WIDTH} at one layer, measured", taken, "s", 1.0, "this machine, now"
    )
    yield from _warm_umap(values, corpus_map(opened, states).at(0).copy())


def _warm_umap(values: np.ndarray, init: np.ndarray) -> Iterator[Quantity]:
    """Wall clock of a request through the process, over the seconds of the fit alone within the same process."""
    client = Client("tests.benchmarks.plain_umap", warming=())
    warming = seconds(lambda: client.ask("warm_umap", {}))
    scaled = values / np.linalg.norm(values, axis=1, keepdims=True)
    given = {"states": scaled, "init": init}
    near = client.ask("neighbours", {"states": scaled}, {"k": NEIGHBOURS - 1, "seed": 0}).arrays

    def own() -> float:
        return seconds(lambda: client.ask("umap", given, SETTINGS | {"neighbours": NEIGHBOURS}))

    def plain() -> float:
        return client.ask("plain_umap", given | near, SETTINGS).facts["seconds"]

    plain()
    ratio = statistics.median(
        own() / plain() if turn % 2 else 1 / (plain() / own()) for turn in range(ROUNDS)
    )
    client.close()
    yield Quantity(
        f"warm UMAP of {POINTS:,} points in its process",
        ratio,
        "x",
        1.2,
        "umap-learn by itself, same neighbours",
    )
    yield Quantity("warming UMAP's process, in the background", warming, "s", None, "this machine, now")


def _states() -> np.ndarray:
    random = np.random.default_rng(0)
    spectrum = 1 / np.sqrt(1 + np.arange(WIDTH))
    centres = random.normal(size=(40, WIDTH)) * spectrum * 2
    groups = centres[np.arange(POINTS) % len(centres)] + random.normal(size=(POINTS, WIDTH)) * spectrum
    return (groups + 1).astype(np.float32)
