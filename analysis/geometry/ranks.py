"""Effective ranks: how many directions a spectrum amounts to, and what a random matrix of the same shape has."""

import numpy as np
from jaxtyping import Float64

from analysis.geometry.entropy import renyi

EPSILON = 1e-7
"""What the paper on RankMe adds to every share."""


def effective_rank(singular: Float64[np.ndarray, " rank"], epsilon: float = 0.0) -> float:
    """The exponential of the entropy of singular values that are scaled to sum to 1.

    Args:
        singular: singular values, not negative.
        epsilon: added to every share before its logarithm is taken; the paper's is `EPSILON`.

    Returns:
        1 (one direction) to the number of singular values (all alike), a little more with an epsilon; NaN where all
        are zero.

    Source: Roy & Vetterli 2007; with the epsilon: RankMe, Garrido et al. 2022, arXiv 2210.02885.
    Misleads when: it is compared with ranks of squared singular values, which count small directions far less.
    """
    total = singular.sum()
    if not total > 0:
        return float("nan")
    if not epsilon:
        return float(np.exp(renyi(singular, 1.0)))
    shares = singular / total + epsilon
    return max(float(np.exp(-(shares * np.log(shares)).sum())), 1.0)


def participation_ratio(eigenvalues: Float64[np.ndarray, " rank"]) -> float:
    """Squared sum of the eigenvalues over the sum of their squares.

    Args:
        eigenvalues: of a covariance, not negative.

    Returns:
        1 (one direction) to the number of eigenvalues (all alike); NaN where all are zero.
    """
    squares = (eigenvalues**2).sum()
    return max(float(eigenvalues.sum() ** 2 / squares), 1.0) if squares > 0 else float("nan")


def singular_entropy(singular: Float64[np.ndarray, " rank"]) -> float:
    """How far singular values, scaled to sum to 1, are from being all alike: the Kullback-Leibler divergence.

    Returns:
        Nats: 0 where all are alike, ln(their number) where one holds everything; NaN where all are zero.

    Source: Godey, de la Clergerie & Sagot 2024, arXiv 2404.07647.
    """
    return max(float(np.log(len(singular)) - renyi(singular, 1.0)), 0.0) if singular.any() else float("nan")


def random_singular_values(rows: int, columns: int, seed: int = 0) -> Float64[np.ndarray, " rank"]:
    """Singular values of a matrix of independent standard normal numbers, without drawing the matrix.

    Bartlett's triangle has the same singular values in distribution, and only the shorter side squared as many
    numbers.

    Args:
        rows: of the matrix.
        columns: of the matrix.
        seed: of the draw.

    Returns:
        As many as the shorter side has, largest first.

    Source: Bartlett 1933; Marchenko & Pastur 1967 give their limit.
    """
    random, long, short = np.random.default_rng(seed), max(rows, columns), min(rows, columns)
    triangle = np.tril(random.standard_normal((short, short)), -1)
    triangle[np.diag_indices(short)] = np.sqrt(random.chisquare(long - np.arange(short)))
    return np.linalg.svd(triangle, compute_uv=False)
