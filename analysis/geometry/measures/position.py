"""How much of a state is its place in the text, and what shape the places make."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from analysis.errors import AnalysisError
from analysis.geometry import position as parts_of
from analysis.geometry.cloud import Cloud
from analysis.geometry.measure import Found, Measure, NoKnobs
from analysis.geometry.smoothness import SAME, across_halves, of_halves
from analysis.knobs import knob
from analysis.results import Bounds

SONG = "Song & Zhong 2023, arXiv 2310.04861"
SHARE = Bounds(0, 1)
FEW = (
    "texts are few, as noise then counts as place (1 / texts of it) and as text (1 / places of it); first tokens count "
    "(their outlying norm becomes the part of place 0)"
)


@dataclass(frozen=True)
class Energy:
    """Knobs of the rank."""

    energy: float = knob(
        parts_of.ENERGY,
        0.5,
        0.999,
        0.005,
        "Share of the squared length",
        "The axes counted hold at least this share.",
    )


@dataclass(frozen=True, eq=False)
class Summary:
    """What is kept of a layer that was taken apart."""

    shares: parts_of.Shares
    own: Float32[np.ndarray, "3 point"]
    """Of every point the share of its place, of its text and of the rest; NaN outside of the crop."""
    mean: Float64[np.ndarray, " d_model"]
    positions: Float64[np.ndarray, "position d_model"]
    contexts: Float32[np.ndarray, "text d_model"]
    first: int
    """The first place of the crop."""


def taken_apart(cloud: Cloud, layer: int) -> Summary:
    """One layer's states, taken apart once and kept.

    Raises:
        AnalysisError: too few texts share too few places, or all states are equal.
    """

    def take() -> Summary:
        crop = parts_of.crop(cloud)
        parts = parts_of.decomposed(cloud.at(layer)[crop.points])
        own = np.full((3, len(cloud)), np.nan, np.float32)
        own[:, crop.points.ravel()] = parts_of.own_shares(parts).reshape(3, -1)
        shares = parts_of.shares(parts)
        contexts = parts.contexts.astype(np.float32)
        return Summary(shares, own, parts.mean, parts.positions, contexts, crop.first)

    return cloud.once(("taken apart", layer), take)


def _sizes(found: Summary) -> dict[str, float]:
    return {"texts used": float(len(found.contexts)), "places used": float(len(found.positions))}


def _position_share(cloud: Cloud, layer: int, params: NoKnobs) -> Found:
    found = taken_apart(cloud, layer)
    return Found(
        found.shares.position,
        found.own[0],
        {
            "less what noise gives": found.shares.position_less_noise,
            "by noise alone": _of_noise(found, len(found.positions)),
            **_sizes(found),
        },
    )


def _context_share(cloud: Cloud, layer: int, params: NoKnobs) -> Found:
    found = taken_apart(cloud, layer)
    return Found(
        found.shares.context,
        found.own[1],
        {
            "less what noise gives": found.shares.context_less_noise,
            "by noise alone": _of_noise(found, len(found.contexts)),
            **_sizes(found),
        },
    )


def _residual_share(cloud: Cloud, layer: int, params: NoKnobs) -> Found:
    found = taken_apart(cloud, layer)
    both = _of_noise(found, len(found.positions)) + _of_noise(found, len(found.contexts))
    return Found(found.shares.rest, found.own[2], {"by noise alone": 1 - both, **_sizes(found)})


def _of_noise(found: Summary, levels: int) -> float:
    """Share of a factor of so many levels if there is nothing but noise."""
    return (levels - 1) / (len(found.positions) * len(found.contexts) - 1)


def _spectrum(cloud: Cloud, layer: int) -> tuple[Summary, np.ndarray]:
    found = taken_apart(cloud, layer)
    singular = parts_of.spectrum(found.positions)
    if singular[0] <= 1e-9 * np.linalg.norm(found.mean) or singular[0] == 0:
        raise AnalysisError(f"States at layer {layer} do not depend on the place in the text at all.")
    return found, singular


def _position_rank(cloud: Cloud, layer: int, params: Energy) -> Found:
    found, singular = _spectrum(cloud, layer)
    value = float(parts_of.rank(singular, params.energy))
    return Found(value, beside={"highest there can be": float(_axes(found)), **_sizes(found)})


def _position_stable_rank(cloud: Cloud, layer: int, params: NoKnobs) -> Found:
    found, singular = _spectrum(cloud, layer)
    value = parts_of.stable_rank(singular)
    return Found(value, beside={"highest there can be": float(_axes(found)), **_sizes(found)})


def _axes(found: Summary) -> int:
    """The parts of places add up to zero, so they span one axis less than there are places."""
    return min(len(found.positions) - 1, found.positions.shape[1])


def _position_norm(cloud: Cloud, layer: int, params: NoKnobs) -> Found:
    found = taken_apart(cloud, layer)
    states = cloud.at(layer)[parts_of.crop(cloud).points.ravel()]
    own = float(parts_of.spectrum(found.positions)[0] * np.sqrt(len(found.contexts)))
    whole = parts_of.longest_axis(states)
    if whole == 0:
        raise AnalysisError(f"All states at layer {layer} are zero.")
    around = parts_of.longest_axis(states - found.mean)
    beside = {"around the mean": min(own / around, 1.0) if around else float("nan"), **_sizes(found)}
    return Found(min(own / whole, 1.0), beside=beside)


def _context_cosine(cloud: Cloud, layer: int, params: NoKnobs) -> Found:
    found = taken_apart(cloud, layer)
    cosines = np.abs(parts_of.cosines(found.positions, found.contexts))
    if not np.isfinite(cosines).any():
        raise AnalysisError(
            f"Places or texts make no difference at layer {layer}, so they have no direction."
        )
    overlap, chance = parts_of.subspace_overlap(found.positions, found.contexts)
    return Found(
        float(np.nanmean(cosines)),
        beside={
            "largest": float(np.nanmax(cosines)),
            "between the spaces (squared)": overlap,
            "between random spaces (squared)": chance,
            **_sizes(found),
        },
    )


def _smoothness(cloud: Cloud, layer: int, params: NoKnobs) -> Found:
    points = parts_of.crop(cloud).points
    same, near, far = across_halves(*of_halves(cloud.at(layer)[points]))
    sizes = {"texts used": float(points.shape[0]), "places used": float(points.shape[1])}
    return Found(near - far, beside={SAME: same, **sizes})


def _needs(cloud: Cloud, params: object) -> str:
    try:
        parts_of.crop(cloud)
    except AnalysisError as error:
        return str(error)
    return ""


def _row(
    id: str,
    title: str,
    meaning: str,
    formula: str,
    misleads_when: str,
    at: Callable[[Cloud, int, object], Found],
    *,
    unit: str = "share of the variance",
    bounds: Bounds = SHARE,
    params: type = NoKnobs,
    gaussian: str = "",
    per_point: str = "",
) -> Measure:
    return Measure(
        id=id,
        title=title,
        question="position",
        meaning=meaning,
        formula=formula,
        source=SONG,
        misleads_when=misleads_when,
        unit=unit,
        bounds=bounds,
        at=at,
        needs=_needs,
        params=params,
        gaussian=gaussian,
        per_point=per_point,
    )


POSITION: tuple[Measure, ...] = (
    _row(
        "position_share",
        "Position share",
        "How much of the differences between states comes from the place in the text alone: what the mean over many "
        "texts at each place carries.",
        "C sum_t |pos_t|^2 / sum |h - mean|^2, for C texts",
        FEW,
        _position_share,
        gaussian="(T - 1) / (C T - 1), near 1 / C, for C texts of T places",
        per_point="share of the place in the token's three parts",
    ),
    _row(
        "context_share",
        "Context share",
        "How much of the differences comes from which text a token stands in, whatever the token and its place.",
        "T sum_c |ctx_c|^2 / sum |h - mean|^2, for T places",
        FEW,
        _context_share,
        gaussian="(C - 1) / (C T - 1), near 1 / T, for C texts of T places",
        per_point="share of the text in the token's three parts",
    ),
    _row(
        "residual_share",
        "Residual share",
        "How much of the differences is neither the place nor the text: the token, and what it means just here.",
        "sum |h - mean - pos_t - ctx_c|^2 / sum |h - mean|^2",
        FEW,
        _residual_share,
        gaussian="(T - 1)(C - 1) / (C T - 1) for C texts of T places",
        per_point="share of the rest in the token's three parts",
    ),
    _row(
        "position_rank",
        "Position rank",
        "In how many directions the part of the place moves along a text: few if places lie on a smooth curve, "
        "nearly as many as there are places if they are noise.",
        "fewest singular values of pos that hold the chosen share of their squares",
        "the share of the place is hardly above noise, whose rank is high; the paper estimates the rank by ScreeNOT, "
        "so its numbers differ a little",
        _position_rank,
        unit="axes",
        bounds=Bounds(1, None),
        params=Energy,
    ),
    _row(
        "position_stable_rank",
        "Position stable rank",
        "The same, with long directions counting more: 1 if places lie on a line, 2 on a circle.",
        "|pos|_F^2 / |pos|_2^2",
        "the share of the place is hardly above noise; one direction is much longer than all others",
        _position_stable_rank,
        unit="axes",
        bounds=Bounds(1, None),
    ),
    _row(
        "position_norm",
        "Position norm",
        "How far places reach in their longest direction, over how far all states reach in theirs (from zero, so that "
        "a large mean state makes it small).",
        "sqrt(C) |pos|_2 / |H|_2, H all states as they are",
        "states have a large mean, which alone makes it small: compare the value around the mean; outliers of norm "
        "count",
        _position_norm,
        unit="ratio",
    ),
    _row(
        "position_context_cosine",
        "Position-context cosine",
        "Mean size of the cosine between the part of a place and the part of a text: near 0 if the model keeps the "
        "two in different directions.",
        "mean over t, c of |cos(pos_t, ctx_c)|",
        "states fill few directions, where everything has a large cosine; texts are few",
        _context_cosine,
        unit="cosine",
        gaussian="sqrt(2 / (pi d)) for states of d numbers",
    ),
    _row(
        "position_smoothness",
        "Position smoothness",
        "How much more alike neighbouring places are than distant ones: high where what a place adds moves slowly "
        "along the text, 0 where each place adds something of its own.",
        "mean cos(pos_t, pos'_(t+1)) - mean cos(pos_t, pos'_s), |t - s| >= T / 2; pos and pos' from two halves of the "
        "texts (the halves are ours: noise that both share would look smooth)",
        "texts are few: noise in either half pulls it to 0, and the cosine of the same place in both halves bounds it",
        _smoothness,
        unit="difference of cosines",
        bounds=Bounds(-2, 2),
        gaussian="0",
    ),
)
"""Every measure of this question."""
