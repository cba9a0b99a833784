"""Whether two sets of paired directions are arranged alike, beside the same directions paired at random."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64
from threadpoolctl import threadpool_limits

from analysis.jobs import Report, silent

SOURCE = (
    "SVCCA: Raghu, Gilmer, Yosinski & Sohl-Dickstein 2017, arXiv 1706.05806; RSA: Kriegeskorte, Mur & Bandettini 2008; "
    "as Lan et al. 2024, arXiv 2410.06981 use them"
)
FEWEST = 10
"""Pairs."""
KEPT = 0.99
"""Share of the variance whose components are compared."""
SHUFFLES = 100
MOST_RSA = 400
"""Pairs whose similarities are all compared; of more, so many are drawn."""


@dataclass(frozen=True)
class Agreement:
    """Two measures of how alike paired directions are arranged."""

    pairs: int
    svcca: float
    """Mean canonical correlation, 0 to 1; high for few pairs in many dimensions."""
    svcca_null: tuple[float, ...]
    """With random partners."""
    rsa: float
    """Spearman correlation of the similarities among the one with those among the other, -1 to 1."""
    rsa_null: tuple[float, ...]


@threadpool_limits.wrap(limits=1, user_api="blas")
def agreement(
    one: Float32[np.ndarray, "pair d_model"],
    other: Float32[np.ndarray, "pair d_model2"],
    seed: int = 0,
    report: Report = silent,
) -> Agreement | None:
    """SVCCA and RSA of paired rows, and of 100 random pairings.

    Args:
        one: rows of the first space.
        other: their partners, in the same or another space.
        seed: of the pairings.
        report: progress in pairings; raises `Cancelled` to stop.

    Returns:
        None for fewer than 10 pairs.

    Source: see `SOURCE`.
    Misleads when: there are not many more pairs than dimensions: canonical correlations are then near 1 for anything.
    """
    if len(one) < FEWEST:
        return None
    random = np.random.default_rng(seed)
    left, right = _components(one), _components(other)
    chosen = np.sort(random.permutation(len(one))[:MOST_RSA])
    ranks = _rank_table(one[chosen]), _rank_table(other[chosen])
    svcca, rsa = [], []
    for draw in range(SHUFFLES + 1):
        report("Comparing with random pairings", draw, SHUFFLES + 1)
        order = np.arange(len(one)) if draw == 0 else random.permutation(len(one))
        svcca.append(_mean_correlation(left, right[order]))
        own = np.arange(len(chosen)) if draw == 0 else random.permutation(len(chosen))
        rsa.append(_spearman(ranks[0], ranks[1][np.ix_(own, own)]))
    return Agreement(len(one), svcca[0], tuple(svcca[1:]), rsa[0], tuple(rsa[1:]))


def _components(rows: Float32[np.ndarray, "pair d"]) -> Float64[np.ndarray, "pair component"]:
    """An orthonormal basis of the components that carry 99 % of the variance."""
    left, sizes, _ = np.linalg.svd(rows.astype(np.float64) - rows.mean(0), full_matrices=False)
    share = np.cumsum(sizes**2) / max((sizes**2).sum(), 1e-30)
    return left[:, : int(np.searchsorted(share, KEPT)) + 1]


def _mean_correlation(left: np.ndarray, right: np.ndarray) -> float:
    return float(np.clip(np.linalg.svd(left.T @ right, compute_uv=False), 0, 1).mean())


def _rank_table(rows: Float32[np.ndarray, "pair d"]) -> Float64[np.ndarray, "pair pair"]:
    """Ranks of the correlations of all pairs of rows, at mean 0 and length 1 over the pairs; the diagonal is 0."""
    from scipy.stats import rankdata

    centred = rows.astype(np.float64) - rows.mean(1, keepdims=True, dtype=np.float64)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    centred /= np.where(length > 0, length, 1)
    above = np.triu_indices(len(rows), 1)
    ranks = rankdata((centred @ centred.T)[above])
    ranks -= ranks.mean()
    table = np.zeros((len(rows), len(rows)))
    table[above] = ranks / max(np.linalg.norm(ranks), 1e-30)
    return table + table.T


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    return float((one * other).sum() / 2)
