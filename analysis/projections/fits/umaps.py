"""UMAP of one layer, from given neighbours and from a given start."""

import sys
import warnings

import numpy as np
from jaxtyping import Float32

from analysis.projections.fits.neighbours import neighbours as find
from analysis.projections.fits.saying import Say, bar

WARMING = "Warming up UMAP (first use after start, up to a minute)"
LARGE = 10_000
"""Points above which umap-learn itself takes fewer passes."""


def fit_umap(
    states: Float32[np.ndarray, "point d_model"],
    init: Float32[np.ndarray, "point axis"],
    neighbours: int,
    min_dist: float,
    seed: int,
    say: Say,
) -> tuple[dict, dict]:
    """The task: coordinates of one layer.

    Args:
        states: distinct rows.
        init: where points start.
        neighbours: held together, the point itself among them, as umap-learn counts; under the number of points.
        min_dist: least distance.
        seed: of the points pushed away.
        say: progress in passes.

    Source: McInnes, Healy & Melville 2018, arXiv 1802.03426.
    """
    if "umap" not in sys.modules:
        say(WARMING)
    from umap import UMAP

    near = find(states, neighbours - 1, seed, say)
    passes = 500 if len(states) <= LARGE else 200
    say("Laying out", 0, passes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that new points cannot be added: they are placed otherwise
        fitted = UMAP(
            n_neighbors=neighbours,
            n_components=init.shape[1],
            min_dist=min_dist,
            n_epochs=passes,
            init=init,
            random_state=seed,
            n_jobs=1,
            precomputed_knn=near.with_self(),
            tqdm_kwds=bar("Laying out", passes, say),
        ).fit(states)
    return {"coordinates": fitted.embedding_.astype(np.float32)}, {"recall": near.recall, "passes": passes}


def warm_umap(say: Say) -> tuple[dict, dict]:
    """The task: import umap-learn and compile what a fit needs."""
    say(WARMING)
    states = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
    fit_umap(states, states[:, :2].copy(), 5, 0.1, 0, say)
    return {}, {}
