"""The real tasks of the maps' process, and beside them umap-learn as its documentation calls it."""

import time

import numpy as np

from analysis.projections import fits


def plain_umap(
    states: np.ndarray,
    init: np.ndarray,
    indices: np.ndarray,
    distances: np.ndarray,
    min_dist: float,
    seed: int,
    say,
) -> tuple[dict, dict]:
    """One fit from given neighbours, and the seconds it took by itself."""
    from umap import UMAP

    own = np.arange(len(states), dtype=np.int32)[:, None]
    near = (np.hstack([own, indices]), np.hstack([np.zeros_like(own, np.float32), distances]))
    given = {"min_dist": min_dist, "init": init, "random_state": seed, "n_jobs": 1, "n_epochs": 500}
    begun = time.perf_counter()
    UMAP(near[0].shape[1], precomputed_knn=near, **given).fit(states)
    return {}, {"seconds": time.perf_counter() - begun}


TASKS = fits.TASKS | {"plain_umap": plain_umap}
