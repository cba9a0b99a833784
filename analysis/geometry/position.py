"""What of a state is its place in the text, what is the text, and what is neither."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from analysis.errors import AnalysisError
from analysis.geometry.cloud import Cloud

FEWEST = 8
"""Texts, and places in them, from which on means over them are told apart from noise."""
ENERGY = 0.95
"""Share of the squared length that counts as all of it."""


@dataclass(frozen=True, eq=False)
class Crop:
    """Texts and places such that every text has a token at every place."""

    points: Int64[np.ndarray, "text position"]
    """Numbers in the cloud."""
    first: int
    """The first place, counted from 0 at the beginning of the texts; the others follow without a gap."""


@dataclass(frozen=True, eq=False)
class Parts:
    """States taken apart: state = mean + part of its place + part of its text + rest."""

    mean: Float64[np.ndarray, " d_model"]
    positions: Float64[np.ndarray, "position d_model"]
    """Mean state at every place, less the mean; they add up to zero."""
    contexts: Float64[np.ndarray, "text d_model"]
    """Mean state of every text, less the mean; they add up to zero."""
    rest: Float64[np.ndarray, "text position d_model"]
    """What is left; it adds up to zero over texts, and over places."""


@dataclass(frozen=True, eq=False)
class Shares:
    """How the squared distance from the mean divides; the three add up to 1."""

    position: float
    context: float
    rest: float
    position_less_noise: float
    """The same less what places would carry if texts differed at random; can be below 0."""
    context_less_noise: float


def crop(cloud: Cloud) -> Crop:
    """The run of places, and the texts that have all of them, that together hold the most tokens.

    Both are at least `FEWEST`; of equally good ones the earliest and longest is taken.

    Raises:
        AnalysisError: there are not that many texts with that many places in common.
    """
    return cloud.once("crop", lambda: _crop(cloud))


def decomposed(states: Float[np.ndarray, "text position d_model"]) -> Parts:
    """Mean over everything, mean over texts at each place, mean over places of each text, and the rest.

    Args:
        states: of equally many places in every text.

    Source: Song & Zhong 2023, arXiv 2310.04861.
    Misleads when: texts are few: the part of a place then holds 1 / texts of all noise. First tokens are among
        them: their outlying norm is the part of place 0.
    """
    wide = states.astype(np.float64)
    mean = wide.mean((0, 1))
    wide -= mean
    positions, contexts = wide.mean(0), wide.mean(1)
    return Parts(mean, positions, contexts, wide - positions - contexts[:, None])


def shares(parts: Parts) -> Shares:
    """How much of the variance each part carries.

    The parts are orthogonal over the crop, so their squares add up. Under noise alone places carry
    (T - 1) / (CT - 1) of it and texts (C - 1) / (CT - 1), near 1 / C and 1 / T for C texts of T places.

    Raises:
        AnalysisError: all states are equal.

    Source: Song & Zhong 2023, arXiv 2310.04861; the noise as in any analysis of variance with two factors.
    Misleads when: texts are few, or far apart in topic: see the values less noise.
    """
    n_texts, n_positions = parts.rest.shape[:2]
    position = n_texts * (parts.positions**2).sum()
    context = n_positions * (parts.contexts**2).sum()
    rest = (parts.rest**2).sum()
    total = position + context + rest
    if total == 0:
        raise AnalysisError("All states are equal here, so there is no variance to divide.")
    noise = rest / (n_texts - 1) / (n_positions - 1)
    found = (
        position,
        context,
        rest,
        position - (n_positions - 1) * noise,
        context - (n_texts - 1) * noise,
    )
    return Shares(*(float(each / total) for each in found))


def own_shares(parts: Parts) -> Float32[np.ndarray, "3 text position"]:
    """For every token the squared lengths of its three parts (place, text, rest) over their sum; NaN if all are 0."""
    place = (parts.positions**2).sum(1)[None]
    context = (parts.contexts**2).sum(1)[:, None]
    rest = (parts.rest**2).sum(2)
    total = place + context + rest
    total = np.where(total > 0, total, np.nan)
    return np.stack([place / total, context / total, rest / total]).astype(np.float32)


def spectrum(vectors: Float[np.ndarray, "vector d_model"]) -> Float64[np.ndarray, " axis"]:
    """Singular values, largest first."""
    return np.linalg.svd(vectors.astype(np.float64), compute_uv=False)


def rank(singular: Float[np.ndarray, " axis"], energy: float = ENERGY) -> int:
    """How many axes hold that share of the squared length.

    Args:
        singular: singular values, largest first, not all 0.
        energy: above 0, at most 1.

    Source: Song & Zhong 2023, arXiv 2310.04861 (who estimate the rank by ScreeNOT instead).
    Misleads when: the parts are small: noise has as many axes as there are vectors.
    """
    held = np.cumsum(singular**2) / (singular**2).sum()
    return int(np.searchsorted(held, energy * (1 - 1e-12)) + 1)


def stable_rank(singular: Float[np.ndarray, " axis"]) -> float:
    """Squared length over that of the longest axis, 1 to the number of axes.

    Args:
        singular: singular values, largest first, not all 0.

    Source: Song & Zhong 2023, arXiv 2310.04861.
    Misleads when: one axis is much longer than the rest: it is then 1, whatever the others hold.
    """
    return float(((singular / singular[0]) ** 2).sum())


def longest_axis(states: Float[np.ndarray, "point d_model"]) -> float:
    """The largest singular value of a table of many rows."""
    wide = states.astype(np.float64)
    square = wide @ wide.T if len(wide) < wide.shape[1] else wide.T @ wide
    return float(np.sqrt(max(np.linalg.eigvalsh(square)[-1], 0)))


def cosines(
    one: Float[np.ndarray, "vector d_model"], other: Float[np.ndarray, "other d_model"]
) -> Float64[np.ndarray, "vector other"]:
    """Cosine of every pair of vectors, -1 to 1; NaN for a vector of zeros."""
    with np.errstate(invalid="ignore"):
        unit, units = (
            each.astype(np.float64) / np.linalg.norm(each.astype(np.float64), axis=1, keepdims=True)
            for each in (one, other)
        )
    return np.clip(unit @ units.T, -1, 1)


def subspace_overlap(
    one: Float[np.ndarray, "vector d_model"],
    other: Float[np.ndarray, "other d_model"],
    energy: float = ENERGY,
) -> tuple[float, float]:
    """Mean squared cosine of the angles between the spaces that two sets of vectors mostly lie in.

    Args:
        one: vectors, not all zero.
        other: likewise.
        energy: share of the squared length that each space holds.

    Returns:
        The mean, 0 (at right angles) to 1 (the smaller lies in the larger); and the same for random spaces of these
        dimensions: the larger dimension over d_model.

    Source: principal angles: Bjorck & Golub 1973, Mathematics of Computation 27.
    Misleads when: one of them fills most dimensions: everything then lies in it.
    """
    axes = [_axes(each, energy) for each in (one, other)]
    sizes = [len(each) for each in axes]
    return float(((axes[0] @ axes[1].T) ** 2).sum() / min(sizes)), max(sizes) / one.shape[1]


def _axes(vectors: np.ndarray, energy: float) -> np.ndarray:
    _, singular, axes = np.linalg.svd(vectors.astype(np.float64), full_matrices=False)
    return axes[: rank(singular, energy)]


def _crop(cloud: Cloud) -> Crop:
    point, starts = _runs(cloud)
    best, found = 0, None
    for last in range(point.shape[1]):
        has = np.flatnonzero(point[:, last] >= 0)
        for first, texts in _corners(starts[has, last]):
            length = last - first + 1
            if texts >= FEWEST <= length and texts * length > best:
                best, found = texts * length, (first, last)
    if found is None:
        texts, length = longest_common_run(cloud)
        raise AnalysisError(
            f"To tell place from text, at least {FEWEST} texts must have the same {FEWEST} places one after another; "
            f"there are {texts} texts, and the longest run of places that {min(FEWEST, texts)} of them share is "
            f"{length}. Add texts, or longer ones, and let every token count."
        )
    first, last = found
    whole = point[:, first : last + 1]
    return Crop(whole[(whole >= 0).all(1)], first)


def longest_common_run(cloud: Cloud) -> tuple[int, int]:
    """How many texts there are, and the longest run of places that `FEWEST` of them share (or all of fewer)."""
    point, starts = _runs(cloud)
    wanted = min(FEWEST, len(point))
    runs = [0]
    for last in range(point.shape[1]):
        begun = np.sort(starts[point[:, last] >= 0, last])
        runs += [last - int(begun[wanted - 1]) + 1] if len(begun) >= wanted > 0 else []
    return len(point), max(runs)


def _runs(cloud: Cloud) -> tuple[np.ndarray, np.ndarray]:
    """(text, place) number of each point, -1 where there is none; and where the gapless run up to it begins."""
    point = np.full((len(cloud.texts), int(cloud.position.max(initial=-1)) + 1), -1, np.int64)
    for row, own in enumerate(cloud.texts):
        point[row, cloud.position[own]] = np.arange(own.start, own.stop)
    starts = np.zeros_like(point)
    for place in range(1, point.shape[1]):
        starts[:, place] = np.where(point[:, place - 1] >= 0, starts[:, place - 1], place)
    return point, starts


def _corners(starts: np.ndarray) -> list[tuple[int, int]]:
    """Every first place at which texts begin to take part, with how many then do."""
    places, counts = np.unique(starts, return_counts=True)
    return list(zip(places.tolist(), np.cumsum(counts).tolist(), strict=True))
