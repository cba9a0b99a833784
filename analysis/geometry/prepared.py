"""What is done to the states of a layer before it is asked how evenly they lie."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from analysis.geometry.cloud import Cloud
from analysis.geometry.outlier_dimensions import ByDimension, by_dimension, clipped
from analysis.geometry.whitening import zca, zipfian

FIRST = {
    "nothing": "nothing",
    "centred": "subtract the mean state",
    "clipped": "set outlier dimensions to zero",
    "standardised": "standardise every dimension",
    "whitened": "whiten; tokens count as often as they occur",
    "whitened_types": "whiten; every token counts once",
}
"""What can be done first, by id."""
EXPLAINS = (
    "What is done to the states first. Outlier dimensions are those whose mean lies more than 3 standard deviations "
    "from the others' (clipping). Whitening is fitted on every other text and measured on the texts between, as the "
    "states it was fitted on would be even by construction. A token counting as often as it occurs is what Zipfian "
    "whitening asks for."
)
SOURCE = (
    "clipping: Luo, Kulmizev & Mao 2021, arXiv 2011.04393; standardising: Timkey & van Schijndel 2021, arXiv "
    "2109.04404; Zipfian whitening: Yokoi et al. 2024, arXiv 2411.00680"
)

FLOOR = 1e-5
"""Share of the identity that is mixed into a covariance before it is inverted: rounding, and no more."""
LEAST = 2
"""Tokens per number of a state to fit a whitening on; with fewer, other texts are blown up along noise."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """States of one layer after something was done to them."""

    states: Float32[np.ndarray, "kept d_model"]
    points: Int64[np.ndarray, " kept"]
    """Which points of the cloud they are, ascending."""


def prepared(cloud: Cloud, layer: int, first: str) -> Prepared:
    """The states of a layer after one of `FIRST`; the whitened ones are those of every other text.

    Means, outlier dimensions and spreads are those of all points of the layer.

    Raises:
        AnalysisError: the layer was not read, or whitening has nothing to be fitted on.

    Source: see `SOURCE`.
    Misleads when: whitening is fitted on fewer than about ten tokens per number of a state: other texts are then
        uneven after it, as noise was divided by too. Whitened values are of half of the texts.
    """
    states, everything = cloud.at(layer), np.arange(len(cloud))
    if first.startswith("whitened"):
        return _whitened(cloud, states, each_counts_once=first == "whitened_types")
    return Prepared(_in_place(cloud, layer, states, first), everything)


def why_not(cloud: Cloud, first: str) -> str:
    """The sentence that says why this cannot be done first; empty where it can."""
    if not first.startswith("whitened"):
        return ""
    fitting, _ = _halves(cloud)
    if len(cloud.texts) < 2:
        return (
            f"Whitening is fitted on every other text and measured on the texts between: at least 2 texts are needed, "
            f"and there is {len(cloud.texts)}. Choose a set of texts, or do something else first."
        )
    if len(fitting) < LEAST * cloud.d_model:
        return (
            f"To whiten states of {cloud.d_model} numbers at least {LEAST * cloud.d_model:,} tokens to fit on are "
            f"needed, and every other text has {len(fitting):,}. Choose more or longer texts, or do something else "
            "first."
        )
    return ""


def dimensions_at(cloud: Cloud, layer: int) -> ByDimension:
    """Mean and spread of every number of a layer's states, kept with the cloud."""
    return cloud.once(("by dimension", layer), lambda: by_dimension(cloud.at(layer)))


def drawn(kept: Prepared, most: int, seed: int = 0) -> Prepared:
    """At most so many of the points; the same ones at every layer."""
    if len(kept.points) <= most:
        return kept
    at = np.sort(np.random.default_rng(seed).permutation(len(kept.points))[:most])
    return Prepared(kept.states[at], kept.points[at])


def _in_place(
    cloud: Cloud, layer: int, states: np.ndarray, first: str
) -> Float32[np.ndarray, "kept d_model"]:
    if first == "nothing":
        return states
    known = dimensions_at(cloud, layer)
    if first == "clipped":
        return clipped(states, known.outliers())
    centred = states - known.mean.astype(np.float32)
    if first == "centred":
        return centred
    return centred / np.where(known.spread > 0, known.spread, 1).astype(np.float32)


def _whitened(cloud: Cloud, states: np.ndarray, *, each_counts_once: bool) -> Prepared:
    fitting, measured = _halves(cloud)
    rows = states[fitting]
    if each_counts_once:
        _, which, counts = np.unique(cloud.token[fitting], return_inverse=True, return_counts=True)
        found = zipfian(rows, 1 / counts[which], shrinkage=FLOOR)
    else:
        found = zca(rows, shrinkage=FLOOR)
    return Prepared(found.apply(states[measured]).astype(np.float32), measured)


def _halves(cloud: Cloud) -> tuple[Int64[np.ndarray, " fitting"], Int64[np.ndarray, " measured"]]:
    """The points of every other text, and those of the texts between."""
    number = np.unique(cloud.text, return_inverse=True)[1]
    return np.flatnonzero(number % 2 == 0), np.flatnonzero(number % 2 == 1)
