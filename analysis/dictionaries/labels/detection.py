"""How well something that was foretold meets what fires: balanced accuracy, beside what was foretold of others."""

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float32, Int64

from analysis.jobs import Report, silent

DRAWS = 19
"""Other features whose rules are tried: the best of so many is reached by chance once in twenty times."""


def balanced(said: sp.csr_array, fired: sp.csr_array) -> Float32[np.ndarray, " feature"]:
    """The mean of the share of firings that were foretold and the share of other tokens that were not.

    Args:
        said: 1 where a feature was foretold to fire (feature, point).
        fired: 1 where it does.

    Returns:
        .5 for anything that knows nothing; NaN where a feature never fires or always does.

    Source: Paulo et al. 2024, arXiv 2410.13928 (detection).
    """
    hits = np.asarray(said.multiply(fired).sum(1)).ravel()
    alarms = np.asarray(said.sum(1)).ravel() - hits
    fire = np.asarray(fired.sum(1)).ravel()
    others = fired.shape[1] - fire
    known = (fire > 0) & (others > 0)
    score = 0.5 * (1 + hits / np.maximum(fire, 1) - alarms / np.maximum(others, 1))
    return np.where(known, score, np.nan).astype(np.float32)


def accuracy(
    said: sp.csr_array,
    fired: sp.csr_array,
    rule: Int64[np.ndarray, " feature"],
    seed: int = 0,
    report: Report = silent,
) -> tuple[Float32[np.ndarray, " feature"], Float32[np.ndarray, " feature"]]:
    """Balanced accuracy of every feature's rule, and the highest of 19 random other features' other rules.

    Args:
        said: 1 where a feature's rule foretells that it fires (feature, point).
        fired: 1 where it does.
        rule: equal for features whose rules say the same: these are no controls of each other. Features with -1 have
            no rule: they have no score, and are nobody's control.
        seed: of the draws.
        report: progress in draws.

    Misleads when: rules differ by a word and share the others: a control may then be all but a copy.
    """
    able = np.flatnonzero(rule >= 0)
    own = np.full(len(rule), np.nan, np.float32)
    null = own.copy()
    if not len(able):
        return own, null
    said, fired, rule = said[able], fired[able], rule[able]
    own[able] = balanced(said, fired)
    for draw in range(DRAWS if len(able) > 1 else 0):
        report("Judging labels", draw, DRAWS)
        other = _others(len(able), seed + draw)
        null[able] = np.fmax(null[able], np.where(rule[other] != rule, balanced(said[other], fired), np.nan))
    return own, null


def _others(count: int, seed: int) -> np.ndarray:
    """For every feature another one, each taken once."""
    order = np.random.default_rng(seed).permutation(count)
    other = np.empty(count, np.int64)
    other[order] = np.roll(order, 1)
    return other
