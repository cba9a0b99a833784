"""The spectrum of a dictionary's directions: into how many dimensions they spread, and how unevenly."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from analysis.geometry.decay import Decay, decay
from analysis.geometry.ranks import participation_ratio, random_singular_values
from analysis.geometry.spectrum import spectra
from analysis.geometry.superposition import Overlaps, overlaps, parts_of

SOURCE = "Li, Michaud, Baek, Engels, Sun & Tegmark 2024 (The Geometry of Concepts), arXiv 2410.19750"
MISLEADS = (
    "Dictionaries of different sizes or training are compared: a spectrum also tells how a dictionary was trained. The "
    "slope is fitted to the middle ranks; look at the curve before believing it."
)
NULLS = 5
"""Random matrices of the same shape."""


@dataclass(frozen=True, eq=False)
class DecoderSpectrum:
    """Eigenvalues of the covariance of decoder rows, beside those of Gaussian rows of the same shape."""

    rows: int
    """Features."""
    eigenvalues: Float64[np.ndarray, " rank"]
    """Largest first, as shares of their sum."""
    random: Float64[np.ndarray, "draw rank"]
    """The same of Gaussian matrices."""
    fit: Decay
    """Power law through the middle ranks."""
    random_slopes: tuple[float, ...]
    effective_rank: float
    """Participation ratio: 1 (one direction) to the number of dimensions."""
    random_ranks: tuple[float, ...]
    overlaps: Overlaps

    def __post_init__(self):
        for values in (self.eigenvalues, self.random):
            values.flags.writeable = False


def decoder_spectrum(directions: Float32[np.ndarray, "feature d_model"], seed: int = 0) -> DecoderSpectrum:
    """How evenly a dictionary's directions fill the space.

    Args:
        directions: decoder rows.
        seed: of the Gaussian rows.

    Raises:
        AnalysisError: too few rows for a slope.

    Source: Li et al. 2024, arXiv 2410.19750 (the galaxy scale).
    Misleads when: see `MISLEADS`.
    """
    count, width = directions.shape
    own = _shares(spectra(directions)[0])
    draws = [_random(count, width, seed + draw, len(own)) for draw in range(NULLS)]
    first, last = fitted_ranks(min(count - 1, width))
    return DecoderSpectrum(
        count,
        own,
        np.stack(draws),
        decay(own, first, last),
        tuple(decay(each, first, last).slope for each in draws),
        participation_ratio(own),
        tuple(map(participation_ratio, draws)),
        overlaps(parts_of(directions)),
    )


def fitted_ranks(rank: int) -> tuple[int, int]:
    """First and last rank of the slope, counted from 1: the first ones are a few special directions, the last noise."""
    last = max(rank // 2, 3)
    return min(10, max(1, last // 10 + 1)), last


def _random(rows: int, columns: int, seed: int, ranks: int) -> Float64[np.ndarray, " rank"]:
    found = np.zeros(ranks)
    squares = random_singular_values(rows, columns, seed) ** 2
    found[: len(squares)] = squares[:ranks]
    return _shares(found)


def _shares(eigenvalues: Float64[np.ndarray, " rank"]) -> Float64[np.ndarray, " rank"]:
    total = eigenvalues.sum()
    return eigenvalues / total if total > 0 else eigenvalues.copy()
