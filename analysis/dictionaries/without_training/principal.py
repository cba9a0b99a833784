"""Principal components as a dictionary: the directions along which states vary most."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float32, Float64

from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import Linear
from analysis.edits import Site
from analysis.errors import AnalysisError

ROWS = 4096
"""States that are widened to float64 at a time."""
NOTHING = 1e-10
"""Variance of an axis, as a share of the largest, that rounding cannot tell from zero."""


def principal(
    states: Float32[np.ndarray, "point width"],
    site: Site,
    count: int,
    *,
    model: str = "",
    card: Mapping[str, object] | None = None,
) -> SparseDictionary:
    """The `count` principal components of states; a feature is the signed coordinate along one of them.

    Directions have length 1, come in order of falling variance, and their largest loading is positive. The mean of the
    states is the bias. `card["variance"]` holds the share of the variance of every component, which add up to
    `card["explained"]`.

    Args:
        states: one row per token; first tokens and outliers left out, since one of them would be a component.
        site: where they were read.
        count: 1 to the number of axes along which the states vary.
        model: title of the model.
        card: what else is to be known of it.

    Raises:
        AnalysisError: the states do not have so many components.
    Source: Pearson 1901; Hotelling 1933.
    Misleads when: components are read one by one. They are orthogonal by force, and a concept need not vary much.
    """
    mean, covariance = moments(states)
    variances, axes = axes_of(covariance, count, len(states))
    shares = variances / np.trace(covariance)
    rows = np.ascontiguousarray(axes.T, np.float32)
    said = {"method": "PCA", "variance": shares.tolist(), "explained": float(shares.sum())}
    return SparseDictionary(
        f"Layer {site.layer}, {count:,} principal components",
        site,
        Linear(),
        np.ascontiguousarray(rows.T),
        np.zeros(count, np.float32),
        rows,
        mean.astype(np.float32),
        model,
        card={**said, **(card or {})},
    )


def moments(
    states: Float32[np.ndarray, "point width"],
) -> tuple[Float64[np.ndarray, " width"], Float64[np.ndarray, "width width"]]:
    """Mean and covariance (divided by the number of points) in float64, without a wide copy of all states.

    Raises:
        AnalysisError: fewer than two states, or all of them the same.
    """
    if len(states) < 2:
        raise AnalysisError(f"Components need at least 2 states; given {len(states)}. Read more text.")
    mean = states.mean(0, dtype=np.float64)
    sums = np.zeros((states.shape[1], states.shape[1]))
    for start in range(0, len(states), ROWS):
        rows = states[start : start + ROWS] - mean
        sums += rows.T @ rows
    if not np.trace(sums) > 0:
        raise AnalysisError("All states are the same, so they have no components. Read other text.")
    return mean, sums / len(states)


def axes_of(
    covariance: Float64[np.ndarray, "width width"], count: int, points: int
) -> tuple[Float64[np.ndarray, " component"], Float64[np.ndarray, "width component"]]:
    """The largest eigenvalues, largest first, and unit eigenvectors with their largest entry positive.

    Args:
        covariance: of states.
        count: how many.
        points: states it was made from.

    Raises:
        AnalysisError: fewer eigenvalues than that are above zero.
    """
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    room = min(int((values > NOTHING * values[0]).sum()), points - 1)
    if not 1 <= count <= room:
        raise AnalysisError(
            f"{points:,} states of {len(values):,} numbers have 1 to {room:,} components; given {count:,}. Ask for "
            "fewer, or read more text."
        )
    chosen = vectors[:, :count]
    largest = chosen[np.abs(chosen).argmax(0), np.arange(count)]
    return values[:count], chosen * np.sign(largest)
