"""Spectral clustering of a table of affinities, with a fixed start and clusters in order of size."""

import numpy as np
from jaxtyping import Float32, Int64
from threadpoolctl import threadpool_limits

from analysis.errors import AnalysisError

STARTS = 10
"""Of k-means; the best is kept."""
TOLERANCE = 1e-5


@threadpool_limits.wrap(limits=1, user_api="blas")
def spectral(
    affinity: Float32[np.ndarray, "feature feature"], clusters: int, seed: int = 0
) -> Int64[np.ndarray, " feature"]:
    """The cluster of every row: k-means on the leading eigenvectors of the scaled affinities, rows at length 1.

    Args:
        affinity: symmetric, not negative.
        clusters: how many, at least 2 and fewer than there are rows.
        seed: of the start of the eigenvectors and of k-means.

    Returns:
        Numbers from 0, the largest cluster first, ties by the first member.

    Raises:
        AnalysisError: too many clusters for so few rows.

    Source: Ng, Jordan & Weiss 2001, Advances in Neural Information Processing Systems 14.
    Misleads when: there are no clusters: it always returns as many as were asked for.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh
    from sklearn.cluster import KMeans

    count = len(affinity)
    if not 2 <= clusters < count:
        raise AnalysisError(
            f"{count} features can be parted into 2 to {count - 1} clusters; given {clusters}. Ask for fewer."
        )
    # the table is large: it is scaled within each product, never copied
    scale = (1 / np.sqrt(np.maximum(affinity.sum(1), np.finfo(np.float32).tiny))).astype(np.float32)
    operator = LinearOperator(
        affinity.shape, lambda x: scale * (affinity @ (scale * x.ravel())), dtype=np.float32
    )
    start = np.random.default_rng(seed).uniform(0.5, 1.5, count).astype(np.float32)
    _, vectors = eigsh(operator, k=clusters, which="LA", v0=start, tol=TOLERANCE)
    rows = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return by_size(KMeans(clusters, n_init=STARTS, random_state=seed).fit_predict(rows).astype(np.int64))


def by_size(labels: Int64[np.ndarray, " feature"]) -> Int64[np.ndarray, " feature"]:
    """The same clusters numbered from 0: the largest first, ties by the first member."""
    _, first, which, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -counts))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return place[which].astype(np.int64)


def by_angle(directions: Float32[np.ndarray, "feature d_model"]) -> Float32[np.ndarray, "feature feature"]:
    """Affinity of directions: 1 for the same one, 0 for opposite ones, linear in the angle between them.

    Source: Engels et al. 2024, arXiv 2405.14860.
    """
    table = unit(directions)
    table = table @ table.T
    np.clip(table, -1, 1, out=table)
    np.arccos(table, out=table)
    table /= -np.float32(np.pi)
    table += 1
    np.maximum(table, 0, out=table)
    return table


def unit(directions: Float32[np.ndarray, "feature d_model"]) -> Float32[np.ndarray, "feature d_model"]:
    """Every row at length 1; a row of zeros stays."""
    length = np.linalg.norm(directions, axis=1, keepdims=True)
    return directions / np.where(length > 0, length, np.float32(1))
