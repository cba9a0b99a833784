"""The nearest neighbours of every point in the full space: exact while that is affordable, else with a known recall."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32

from analysis.projections.fits.saying import Say

EXACT = 30_000
"""Points up to which all pairs are compared: 12 s on one core at 576 numbers a state, where an index takes as long."""
ASKED = 500
"""Exact queries that the recall of an index is measured on."""
EDGES, EFFORT = 32, 96
"""Of the index: links of each point, and candidates kept while building and asking."""
KEPT = 128 * 2**20
"""Bytes of neighbours that the process remembers: a parameter is often turned while the states stay."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest others of every point, the nearest first; a point is none of its own."""

    indices: Int32[np.ndarray, "point neighbour"]
    distances: Float32[np.ndarray, "point neighbour"]
    recall: float
    """Share of the true neighbours that were found; 1 where all pairs were compared."""

    def first(self, k: int) -> "Neighbours":
        """The k nearest of them."""
        return Neighbours(self.indices[:, :k].copy(), self.distances[:, :k].copy(), self.recall)

    def with_self(self) -> tuple[Int32[np.ndarray, "point n"], Float32[np.ndarray, "point n"]]:
        """Indices and distances with every point as its own nearest, as umap-learn wants them."""
        own = np.arange(len(self.indices), dtype=np.int32)[:, None]
        return np.hstack([own, self.indices]), np.hstack([np.zeros_like(own, np.float32), self.distances])


_REMEMBERED: "OrderedDict[str, Neighbours]" = OrderedDict()


def find_neighbours(
    states: Float32[np.ndarray, "point d_model"], k: int, seed: int, say: Say, exact: int = EXACT
) -> tuple[dict, dict]:
    """The task: neighbours as arrays, and their recall."""
    found = neighbours(states, k, seed, say, exact)
    return {"indices": found.indices, "distances": found.distances}, {"recall": found.recall}


def neighbours(
    states: Float32[np.ndarray, "point d_model"], k: int, seed: int, say: Say, exact: int = EXACT
) -> Neighbours:
    """The k nearest others of every point, remembered for the next question about the same states.

    Args:
        states: more than k.
        k: neighbours.
        seed: of the points that the recall is measured on.
        say: progress.
        exact: points up to which all pairs are compared.

    Source: FAISS, Douze et al. 2024, arXiv 2401.08281; hierarchical graphs, Malkov & Yashunin 2016, arXiv 1603.09320.
    """
    key = hashlib.sha256(np.ascontiguousarray(states).tobytes()).hexdigest() + f" {seed} {exact}"
    found = _REMEMBERED.get(key)
    if found is None or found.indices.shape[1] < k:
        say("Finding neighbours in the full space")
        found = _find(states, k, seed, exact)
        _remember(key, found)
    _REMEMBERED.move_to_end(key)
    return found.first(k)


def _find(states: np.ndarray, k: int, seed: int, exact: int) -> Neighbours:
    centred = states - states.mean(0)  # the distances stay, and less is lost to rounding
    if len(states) <= exact:
        return Neighbours(*_search(_flat(centred), centred, np.arange(len(states)), k), 1.0)
    found = _search(_graph(centred), centred, np.arange(len(states)), k)
    asked = np.random.default_rng(seed).choice(len(states), min(ASKED, len(states)), replace=False)
    true, _ = _search(_flat(centred), centred, asked, k)
    return Neighbours(
        *found, float(np.mean([np.isin(a, b).mean() for a, b in zip(true, found[0][asked], strict=True)]))
    )


def _flat(states: np.ndarray):
    import faiss

    index = faiss.IndexFlatL2(states.shape[1])
    index.add(states)
    return index


def _graph(states: np.ndarray):
    import faiss

    faiss.omp_set_num_threads(1)  # several threads link the points in another order each time
    index = faiss.IndexHNSWFlat(states.shape[1], EDGES)
    index.hnsw.efConstruction = index.hnsw.efSearch = EFFORT
    index.add(states)
    return index


def _search(
    index, states: np.ndarray, rows: np.ndarray, k: int
) -> tuple[Int32[np.ndarray, "row k"], Float32[np.ndarray, "row k"]]:
    """The k nearest others of some points, ties by number."""
    squares, found = index.search(states[rows], k + 1)
    own = found == rows[:, None]
    own[~own.any(1), -1] = (
        True  # a point that did not find itself, for equal ones, gives up its last neighbour
    )
    shape = (len(rows), k)
    others, squares = found[~own].reshape(shape), np.maximum(squares[~own].reshape(shape), 0)
    order = np.lexsort((others, squares), axis=1)
    others, squares = np.take_along_axis(others, order, 1), np.take_along_axis(squares, order, 1)
    return others.astype(np.int32), np.sqrt(squares).astype(np.float32)


def _remember(key: str, found: Neighbours) -> None:
    _REMEMBERED[key] = found
    while len(_REMEMBERED) > 1 and sum(each.indices.nbytes * 2 for each in _REMEMBERED.values()) > KEPT:
        _REMEMBERED.popitem(last=False)
