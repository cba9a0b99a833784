"""How fast a spectrum falls: the exponent of a power law through its middle."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from analysis.errors import AnalysisError

FEWEST = 3
"""Ranks that a line is laid through at least."""


@dataclass(frozen=True)
class Decay:
    """A power law eigenvalue = c * rank^-slope, fitted to some ranks."""

    slope: float
    """At least 0, as eigenvalues come largest first; 0 is flat."""
    height: float
    """ln c."""
    r2: float
    """Share of the variance of the logarithms that the line explains, 0 to 1; NaN where they do not vary."""
    first: int
    """First rank of the fit, counted from 1."""
    last: int
    """Last one."""

    def at(self, ranks: Float64[np.ndarray, " rank"]) -> Float64[np.ndarray, " rank"]:
        """The line's eigenvalue at every rank."""
        return np.exp(self.height - self.slope * np.log(ranks))


def decay(eigenvalues: Float64[np.ndarray, " rank"], first: int, last: int) -> Decay:
    """Least squares of ln(eigenvalue) on ln(rank), from one rank to another.

    Args:
        eigenvalues: largest first.
        first: first rank of the fit, counted from 1.
        last: last one; where fewer eigenvalues are above 0, the last of those.

    Raises:
        AnalysisError: fewer than three ranks are left.

    Source: alpha-ReQ, Agrawal, Mondal, Ghosh & Richards, NeurIPS 2022; sibling paper arXiv 2202.05808.
    Misleads when: the spectrum is no power law (see the R2), or the last ranks lie where too few points let the
        spectrum fall steeper than it is.
    """
    end = min(last, int((eigenvalues > 0).sum()))
    if end - first + 1 < FEWEST:
        raise AnalysisError(
            f"The slope is fitted from rank {first} to {last}, and {int((eigenvalues > 0).sum())} eigenvalues are "
            "above 0. Start at a lower rank, end at a higher one or read more tokens."
        )
    ranks, values = np.log(np.arange(first, end + 1)), np.log(eigenvalues[first - 1 : end])
    away, fall = ranks - ranks.mean(), values - values.mean()
    slope = max(float(-(away @ fall) / (away @ away)), 0.0)
    spread = fall @ fall
    # what is left of equal values is rounding
    varies = spread > len(ranks) * (16 * np.finfo(float).eps * max(1.0, float(np.abs(values).max()))) ** 2
    r2 = float(1 - ((fall + slope * away) ** 2).sum() / spread) if varies else float("nan")
    return Decay(slope, float(values.mean() + slope * ranks.mean()), r2, first, end)
