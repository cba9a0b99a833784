"""Matrix-based entropy: how many directions the rows of a matrix are spread over, from one alone to all alike."""

import numpy as np
from jaxtyping import Float, Float32, Float64

PREPARATIONS = {
    "raw": "as they are",
    "unit": "scaled to length 1",
    "centred": "less their mean",
    "clamped": "less their mean, scaled to length 1, negative products set to 0 (code of Skean et al.)",
}
"""What is done to the rows before their products are taken, by id."""
ROUNDING = 1e-7
"""Of the longest row: what is left of a shorter one after centring is the rounding of float32."""


def renyi(weights: Float64[np.ndarray, " rank"], alpha: float) -> float:
    """Renyi entropy of weights that are first scaled to sum to 1.

    Args:
        weights: not negative, such as eigenvalues; zeros count for nothing.
        alpha: order, above 0: 1 is Shannon's, larger ones listen more to the largest weights.

    Returns:
        Nats, 0 to ln(number of weights); NaN where all weights are zero.

    Source: Renyi 1961; of eigenvalues: Sanchez Giraldo, Rao & Principe 2015, arXiv 1211.2459.
    """
    positive = weights[weights > 0]
    if not len(positive):
        return float("nan")
    shares = positive / positive.sum()
    if alpha == 1:
        return max(float(-(shares * np.log(shares)).sum()), 0.0)
    return max(float(np.log((shares**alpha).sum()) / (1 - alpha)), 0.0)


def matrix_entropy(
    states: Float32[np.ndarray, "point d_model"], alpha: float = 1.0, preparation: str = "raw"
) -> float:
    """Renyi entropy of the eigenvalues of the states' products with one another.

    Points by points or numbers by numbers, whichever is smaller: the eigenvalues that are not zero are the same.
    Only where negative products are set to 0 does it matter, and then it is chosen as in the code that does so.

    Args:
        states: the tokens of one text, or one state per text.
        alpha: order of the entropy.
        preparation: one of `PREPARATIONS`.

    Returns:
        Nats, 0 (all rows on one line) to ln min(point, d_model) (all directions alike); NaN where nothing is left
        after preparation.

    Source: Skean et al. 2025, arXiv 2502.02013; Sanchez Giraldo, Rao & Principe 2015, arXiv 1211.2459.
    Misleads when: rows share a large mean or one row is far longer than the others: that one direction is most of
        the spectrum, and the entropy falls whatever the other directions do.
    """
    rows = prepared(states, preparation)
    products = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
    if preparation == "clamped":
        products = np.maximum(products, 0)
    eigenvalues = np.linalg.eigvalsh(products)
    # negative ones are rounding, or what clamping made of a matrix of products
    eigenvalues[eigenvalues <= len(products) * np.finfo(np.float64).eps * eigenvalues[-1]] = 0
    return renyi(eigenvalues, alpha)


def highest(count: int, width: int) -> float:
    """The largest entropy that so many rows of so many numbers can have, in nats."""
    return float(np.log(min(count, width)))


def prepared(states: Float32[np.ndarray, "point d_model"], how: str) -> Float64[np.ndarray, "point d_model"]:
    """Rows in double precision, as one of `PREPARATIONS` says."""
    rows = states.astype(np.float64)
    if how in ("centred", "clamped"):
        longest = np.linalg.norm(rows, axis=1).max()
        rows = rows - rows.mean(0)
        rows[np.linalg.norm(rows, axis=1) <= ROUNDING * longest] = 0
    return unit_rows(rows) if how in ("unit", "clamped") else rows


def unit_rows(rows: Float[np.ndarray, "point d_model"]) -> Float[np.ndarray, "point d_model"]:
    """Rows scaled to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)
