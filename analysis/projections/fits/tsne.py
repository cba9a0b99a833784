"""t-SNE of one layer, from given neighbours and from a given start."""

import numpy as np
from jaxtyping import Float32

from analysis.projections.fits.neighbours import neighbours as find
from analysis.projections.fits.saying import Say

EARLY, LATE = 250, 500
"""Passes with and without exaggeration, as in openTSNE."""
JITTER = 1e-3
"""Of the start's spread: points that coincided below can only part if they start apart."""


def fit_tsne(
    states: Float32[np.ndarray, "point d_model"],
    init: Float32[np.ndarray, "point axis"],
    perplexity: float,
    goes_on: bool,
    seed: int,
    say: Say,
) -> tuple[dict, dict]:
    """The task: coordinates of one layer.

    Args:
        states: distinct rows.
        init: where points start.
        perplexity: about how many neighbours count; under a third of the points.
        goes_on: the start is the picture of a layer below. It is taken at its own size and without exaggeration, which
            would stir it up: on the default model points then move a third as far, at the same trustworthiness.
        seed: of what the library draws.
        say: progress in passes.

    Source: van der Maaten & Hinton 2008, JMLR 9; openTSNE, Policar, Strazar & Zupan 2019, 10.1101/731877.
    """
    from openTSNE import TSNE
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.initialization import rescale
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    near = find(states, min(len(states) - 1, int(3 * perplexity)), seed, say)
    index = PrecomputedNeighbors(near.indices, near.distances.astype(np.float64))
    affinities = PerplexityBasedNN(perplexity=perplexity, knn_index=index, n_jobs=1, random_state=seed)
    early = 0 if goes_on else EARLY
    start = init + np.random.default_rng(seed).normal(size=init.shape) * JITTER * init.std(0)
    fitted = TSNE(
        n_components=init.shape[1],
        early_exaggeration_iter=early,
        n_iter=LATE,
        n_jobs=1,
        random_state=seed,
        callbacks=_Passes(early, say),
        callbacks_every_iters=25,  # each costs as much as a pass
    ).fit(affinities=affinities, initialization=start if goes_on else rescale(start))
    return {"coordinates": np.asarray(fitted, np.float32)}, {"recall": near.recall, "passes": early + LATE}


class _Passes:
    """Counts on from the exaggerated passes to the others; the library begins anew."""

    def __init__(self, early: int, say: Say):
        self._early, self._say, self._begun, self._last = early, say, 0, 0

    def __call__(self, iteration: int, error: float, embedding: np.ndarray) -> None:
        if iteration < self._last:
            self._begun = self._early
        self._last = iteration
        self._say("Laying out", self._begun + iteration, self._early + LATE)
