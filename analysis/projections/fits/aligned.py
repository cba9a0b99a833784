"""UMAP of several layers at once, each point held near to where it is drawn at the layers around.

It is put together from umap-learn's own parts. Its class `AlignedUMAP` lays every layer out once for nothing,
finds neighbours that were found before, ignores the least distance and does not pull the last but one layer to the
last; and its threads write to the same points, so that no two runs are alike.
"""

import sys
import warnings

import numpy as np
from jaxtyping import Float32, Int32

from analysis.projections.fits.neighbours import neighbours as find
from analysis.projections.fits.saying import Say, bar
from analysis.projections.fits.umaps import WARMING

PASSES = 200
REACH = 10.0
"""Largest coordinate at the start, as in umap-learn."""


def fit_aligned(
    states: Float32[np.ndarray, "layer point d_model"],
    init: Float32[np.ndarray, "layer point axis"],
    neighbours: int,
    min_dist: float,
    alignment: float,
    window: int,
    seed: int,
    say: Say,
) -> tuple[dict, dict]:
    """The task: coordinates of all layers.

    Args:
        states: distinct points, the same in the same order at every layer.
        init: where points start, each layer turned onto the one below.
        neighbours: held together, the point itself among them.
        min_dist: least distance.
        alignment: how hard a point is pulled to itself at other layers.
        window: how many layers below and above it is pulled to.
        seed: of the points pushed away.
        say: progress in passes.

    Source: the aligned UMAP of umap-learn; McInnes, Healy & Melville 2018, arXiv 1802.03426.
    """
    if "umap" not in sys.modules:
        say(WARMING)
    import numba
    from umap.aligned_umap import build_neighborhood_similarities
    from umap.layouts import optimize_layout_aligned_euclidean
    from umap.umap_ import find_ab_params, make_epochs_per_sample

    graphs, recalls = [], []
    for layer, each in enumerate(states):
        say("Finding neighbours of all layers", layer, len(states))
        near = find(each, neighbours - 1, seed, lambda *_: None)
        graphs.append(_graph(each, near.with_self(), neighbours, seed))
        recalls.append(near.recall)
    edges = [graph.tocoo() for graph in graphs]
    related = same_points(len(states), states.shape[1], window)
    say("Comparing neighbours between layers")
    alike = build_neighborhood_similarities(
        numba.typed.List([graph.indptr for graph in graphs]),
        numba.typed.List([graph.indices for graph in graphs]),
        related,
    )
    start = numba.typed.List([_start(each) for each in init])
    a, b = find_ab_params(1.0, min_dist)
    say("Laying out all layers", 0, PASSES)
    found = optimize_layout_aligned_euclidean(
        start,
        start,
        numba.typed.List([edge.row for edge in edges]),
        numba.typed.List([edge.col for edge in edges]),
        PASSES,
        numba.typed.List([make_epochs_per_sample(edge.data, PASSES) for edge in edges]),
        alike,
        related,
        np.random.default_rng(seed).integers(-(2**31) + 1, 2**31 - 1, 3),
        a=a,
        b=b,
        lambda_=alignment,
        parallel=False,
        move_other=True,
        tqdm_kwds=bar("Laying out all layers", PASSES, say),
    )
    return {"coordinates": np.stack(found)}, {"recall": float(np.mean(recalls)), "passes": PASSES}


def warm_aligned(say: Say) -> tuple[dict, dict]:
    """The task: compile what an aligned fit needs."""
    say("Warming up aligned UMAP (first use after start)")
    states = np.random.default_rng(0).normal(size=(2, 64, 6)).astype(np.float32)
    fit_aligned(states, states[:, :, :2].copy(), 5, 0.1, 0.01, 1, 0, say)
    return {}, {}


def same_points(layers: int, points: int, window: int) -> Int32[np.ndarray, "layer shift point"]:
    """For every layer and every shift of -window to window layers, each point itself; -1 where there is no layer."""
    related = np.full((layers, 2 * window + 1, points), -1, np.int32)
    for layer in range(layers):
        for shift in range(-window, window + 1):
            if shift and 0 <= layer + shift < layers:
                related[layer, window + shift] = np.arange(points)
    return related


def _graph(
    states: Float32[np.ndarray, "point d_model"],
    near: tuple[np.ndarray, np.ndarray],
    neighbours: int,
    seed: int,
):
    """How strongly points are held together at one layer, as a sparse matrix."""
    from umap import UMAP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (
            UMAP(
                n_neighbors=neighbours,
                random_state=seed,
                n_jobs=1,
                precomputed_knn=near,
                transform_mode="graph",
            )
            .fit(states)
            .graph_
        )


def _start(init: Float32[np.ndarray, "point axis"]) -> Float32[np.ndarray, "point axis"]:
    return np.ascontiguousarray(init * (REACH / max(np.abs(init).max(), 1e-12)), np.float32)
