"""PaCMAP of one layer, from given neighbours and from a given start."""

import logging
from contextlib import redirect_stdout

import numpy as np
from jaxtyping import Float32, Int32

from analysis.projections.fits.neighbours import Neighbours
from analysis.projections.fits.neighbours import neighbours as find
from analysis.projections.fits.saying import Printed, Say

MORE = 50
"""Candidates beyond the neighbours asked for: the library keeps the nearest after scaling for density."""
PASSES = (100, 100, 250)
"""That find the large shape, the middle one, and the small one."""
JITTER = 1e-3
"""Of the start's spread: points that coincide there would be pushed in one direction."""


def fit_pacmap(
    states: Float32[np.ndarray, "point d_model"],
    init: Float32[np.ndarray, "point axis"],
    neighbours: int,
    mid_near: float,
    further: float,
    goes_on: bool,
    seed: int,
    say: Say,
) -> tuple[dict, dict]:
    """The task: coordinates of one layer.

    Args:
        states: distinct rows.
        init: where points start; their arrangement counts, not its size.
        neighbours: near points each is held to; fewer are taken where there are not enough points.
        mid_near: points at middle distance, per neighbour.
        further: far points, per neighbour.
        goes_on: the start is the picture of a layer below. Its large shape is kept: the passes that would find a new
            one are left out, and points move about half as far on the default model.
        seed: of the pairs that are drawn.
        say: progress in passes.

    Source: Wang, Huang, Rudin & Shaposhnik 2021, arXiv 2012.04456.
    """
    from pacmap import PaCMAP

    logging.getLogger("pacmap").setLevel(logging.ERROR)
    used = affordable(len(states), neighbours, mid_near, further)
    near = find(states, min(used + MORE, len(states) - 1), seed, say)
    noise = np.random.default_rng(seed).normal(size=init.shape) * JITTER * init.std(0)
    passes = (0, *PASSES[1:]) if goes_on else PASSES
    total = sum(passes)
    with redirect_stdout(Printed(r"Iteration:\s+(\d+)", lambda done: say("Laying out", done, total))):
        found = PaCMAP(
            n_components=init.shape[1],
            n_neighbors=used,
            MN_ratio=mid_near,
            FP_ratio=further,
            pair_neighbors=_pairs(states, near, used),
            num_iters=passes,
            random_state=seed,
            apply_pca=False,  # distances are those of the full space, as everywhere
            verbose=True,
        ).fit_transform(states, init=(init + noise).astype(np.float32))
    return {"coordinates": found}, {"recall": near.recall, "passes": total, "neighbours": used}


def warm_pacmap(say: Say) -> tuple[dict, dict]:
    """The task: import PaCMAP, which compiles it the first time on a machine."""
    say("Warming up PaCMAP (first use after installation, up to a minute)")
    states = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
    fit_pacmap(states, states[:, :2].copy(), 5, 0.5, 2.0, False, 0, say)
    return {}, {}


def affordable(points: int, neighbours: int, mid_near: float, further: float) -> int:
    """The neighbours asked for, or as many as leave every point enough others for its middle and far pairs."""
    while (
        neighbours > 1 and neighbours + round(neighbours * mid_near) + round(neighbours * further) >= points
    ):
        neighbours -= 1
    return neighbours


def _pairs(
    states: Float32[np.ndarray, "point d_model"], near: Neighbours, neighbours: int
) -> Int32[np.ndarray, "pair 2"]:
    """The pairs of neighbours that are held together, chosen as the library does from neighbours of its own."""
    from pacmap.pacmap import sample_neighbors_pair, scale_dist

    few = near.distances[:, 3:6] if near.distances.shape[1] > 3 else near.distances[:, -1:]
    density = np.maximum(few.mean(1), 1e-10).astype(np.float32)
    scaled = scale_dist(near.distances, density, near.indices)
    return sample_neighbors_pair(states, scaled, near.indices, np.int32(neighbours))
