"""Whitening: the affine map after which states have mean zero and the same variance in every direction."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from analysis.errors import AnalysisError
from analysis.geometry.isotropy import ROWS

SINGULAR = 1e-12
"""Of the largest eigenvalue: one below this is rounding, and cannot be divided by."""


@dataclass(frozen=True, eq=False)
class Whitening:
    """A fitted map `(x - mean) matrix`; it can be put on any states of the same width."""

    mean: Float64[np.ndarray, " d_model"]
    matrix: Float64[np.ndarray, "d_model d_model"]
    shrinkage: float
    """Share of the identity that was mixed into the covariance, 0 to 1; 0 whitens the fitted states exactly."""

    def __post_init__(self):
        for values in (self.mean, self.matrix):
            values.flags.writeable = False

    def apply(self, states: Float[np.ndarray, "*points d_model"]) -> Float64[np.ndarray, "*points d_model"]:
        """The states, whitened."""
        return (states - self.mean) @ self.matrix


def zca(states: Float[np.ndarray, "point d_model"], shrinkage: float | None = None) -> Whitening:
    """Whitening by the covariance's inverse square root: of all whitenings the one that moves states least.

    Args:
        states: what to fit on.
        shrinkage: share of the identity, of the covariance's size, to mix into the covariance, 0 to 1; None takes
            Ledoit and Wolf's, which errs least on average.

    Raises:
        AnalysisError: without shrinkage the states do not vary in every direction; all states are the same.

    Source: Kessy, Lewin & Strimmer 2018, arXiv 1512.00809; shrinkage: Ledoit & Wolf 2004,
        10.1016/S0047-259X(03)00096-4.
    Misleads when: the states it was fitted on are the ones that are measured: their covariance is the identity by
        construction, whatever they were. With fewer than about ten points per number of a state, directions of noise
        are blown up.
    """
    mean, sizes, axes, shrunk = _fitted(states, np.full(len(states), 1 / max(1, len(states))), shrinkage)
    return Whitening(mean, (axes / np.sqrt(sizes)) @ axes.T, shrunk)


def zipfian(
    states: Float[np.ndarray, "point d_model"],
    frequencies: Float[np.ndarray, " point"],
    shrinkage: float | None = 0.0,
) -> Whitening:
    """Whitening in which every row counts as often as it occurs: `(x - mean_p) A`, mean and covariance under p.

    With U S V' the singular value decomposition of the rows less their mean under p, each times the root of its p,
    A is `V / S`.

    Args:
        states: one row per word, or whatever occurs with a frequency.
        frequencies: of every row, not negative; only their proportions count.
        shrinkage: as for `zca`.

    Raises:
        AnalysisError: frequencies are not one per row, negative or all zero; or as for `zca`.

    Source: Yokoi, Bao, Kurita & Shimodaira 2024, arXiv 2411.00680.
    Misleads when: rows that never occurred have frequency 0 and so no say at all: add a half to every count.
    """
    if len(frequencies) != len(states) or (frequencies < 0).any() or not frequencies.sum() > 0:
        raise AnalysisError(
            f"Each of {len(states)} rows needs a frequency that is not negative, and not all can be 0; given "
            f"{len(frequencies)}, the smallest of them {np.min(frequencies, initial=np.inf):g}."
        )
    weights = frequencies / frequencies.sum(dtype=np.float64)
    mean, sizes, axes, shrunk = _fitted(states, weights.astype(np.float64), shrinkage)
    return Whitening(mean, axes / np.sqrt(sizes), shrunk)


def ledoit_wolf(
    states: Float[np.ndarray, "point d_model"],
    weights: Float64[np.ndarray, " point"],
    mean: Float64[np.ndarray, " d_model"],
    covariance: Float64[np.ndarray, "d_model d_model"],
) -> float:
    """The share of the identity that brings a covariance closest to that of all states there could be, 0 to 1.

    Args:
        states: what the covariance is of.
        weights: of every state; they sum to 1.
        mean: the weighted mean.
        covariance: the weighted covariance.

    Source: Ledoit & Wolf 2004, 10.1016/S0047-259X(03)00096-4; with weights, the same expectations under them.
    """
    noise = 0.0
    for rows, own in _centred(states, weights, mean):
        fourth = np.einsum("ij,ij->i", rows, rows) ** 2 - 2 * np.einsum("ij,ij->i", rows @ covariance, rows)
        noise += float(own**2 @ fourth)
    size = float((covariance**2).sum())
    noise += size * float((weights**2).sum())
    apart = size - float(np.trace(covariance)) ** 2 / len(mean)
    return float(np.clip(noise / apart, 0, 1)) if apart > 0 else 1.0


def _fitted(
    states: np.ndarray, weights: np.ndarray, shrinkage: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Mean, eigenvalues and eigenvectors of the shrunk covariance, and how much it was shrunk."""
    mean = weights @ states
    covariance = np.zeros((len(mean), len(mean)))
    for rows, own in _centred(states, weights, mean):
        covariance += (rows * own[:, None]).T @ rows
    size = float(np.trace(covariance)) / len(mean)
    if not size > SINGULAR * float(mean @ mean):
        raise AnalysisError("All states are one and the same here; there is nothing to whiten.")
    shrunk = ledoit_wolf(states, weights, mean, covariance) if shrinkage is None else shrinkage
    sizes, axes = np.linalg.eigh((1 - shrunk) * covariance + shrunk * size * np.eye(len(mean)))
    if sizes[0] <= SINGULAR * sizes[-1]:
        raise AnalysisError(
            f"{len(states)} states do not vary in all of {len(mean)} directions, so their covariance has no inverse. "
            "Give more states, or shrink it."
        )
    return mean, sizes, axes, shrunk


def _centred(
    states: np.ndarray, weights: np.ndarray, mean: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The states less their mean in float64, and their weights, some at a time."""
    for start in range(0, len(states), ROWS):
        at = slice(start, start + ROWS)
        yield states[at] - mean, weights[at]
