"""How much of a state its context made: what its own token does not tell, and how alike a token's states stay."""

import numpy as np
from jaxtyping import Float32, Float64, Int64

from analysis.errors import AnalysisError
from analysis.geometry.least_squares import LeastSquares, spread


def beyond_embedding(
    squares: LeastSquares,
    embeddings: Float32[np.ndarray, "point d_model"],
    states: Float32[np.ndarray, "point d_model"],
) -> Float64[np.ndarray, " point"]:
    """What the best linear map of its embedding misses of every state, its own text never among those fitted.

    Args:
        squares: made of the embeddings, in at least two parts, each of which is left out once.
        embeddings: of every point's token, as the first block receives them.
        states: of the same points at another layer.

    Returns:
        Squared length of what is missed over the mean squared distance from the mean: at least 0, and 1 on average
        for states that have nothing to do with their token. The mean of all is 1 - R2.

    Raises:
        AnalysisError: all states are equal.

    Source: ours, in the place of Razzhigaev et al. 2025, arXiv 2502.15007, whose measure needs a trained model.
    Misleads when: most tokens occur once: the map then has not seen the token, and what it misses is not context.
    """
    missed = np.empty(len(states))
    for part, fitted in squares.maps(embeddings, states).items():
        rows = squares.parts[part]
        missed[rows] = fitted.misses(embeddings[rows], states[rows])
    whole = spread(states)
    if not whole:
        raise AnalysisError("All states of this layer are equal, so there is nothing to predict.")
    return missed / whole


def self_similarities(
    states: Float32[np.ndarray, "point d_model"], token: Int64[np.ndarray, " point"], fewest: int = 2
) -> Float64[np.ndarray, " point"]:
    """Mean cosine of each state with the other states of the same token, -1 to 1; NaN for rarer tokens.

    Args:
        states: of one layer.
        token: id of each point's token.
        fewest: occurrences from which on a token counts, at least 2. A state at zero does not count.

    Source: Ethayarajh 2019, arXiv 1909.00512.
    Misleads when: it is read without the cosine of arbitrary states, which is far above 0 in most models.
    """
    unit, kept = _units(states)
    _, number, counts = np.unique(token[kept], return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), states.shape[1]))
    np.add.at(sums, number, unit)
    others = np.einsum("ij,ij->i", unit, sums[number]) - np.einsum("ij,ij->i", unit, unit)
    frequent = counts[number] >= max(fewest, 2)
    found = np.full(len(states), np.nan)
    found[kept[frequent]] = np.clip(others[frequent] / (counts[number][frequent] - 1), -1, 1)
    return found


def mean_cosine(states: Float32[np.ndarray, "point d_model"]) -> float:
    """Mean cosine of all pairs of different states, -1 to 1; NaN for fewer than two that are not zero.

    Source: Ethayarajh 2019, arXiv 1909.00512 (anisotropy).
    Misleads when: a few numbers are far larger than the rest: they alone make the cosine.
    """
    unit, kept = _units(states)
    count = len(kept)
    if count < 2:
        return float("nan")
    total = unit.sum(0)
    own = np.einsum("ij,ij->", unit, unit)
    return float(np.clip((total @ total - own) / (count * (count - 1)), -1, 1))


def mean_over_tokens(values: Float64[np.ndarray, " point"], token: Int64[np.ndarray, " point"]) -> float:
    """Mean over kinds of token of the mean over the points of each; NaN is left out, and all there is if all are."""
    known = ~np.isnan(values)
    _, number, counts = np.unique(token[known], return_inverse=True, return_counts=True)
    return float((np.bincount(number, values[known]) / counts).mean()) if len(counts) else float("nan")


def _units(states: np.ndarray) -> tuple[Float64[np.ndarray, "kept d_model"], Int64[np.ndarray, " kept"]]:
    """The states that are not zero at length 1, and their numbers."""
    lengths = np.sqrt(np.einsum("ij,ij->i", states, states, dtype=np.float64))
    kept = np.flatnonzero(lengths > 0)
    return states[kept] / lengths[kept, None], kept
