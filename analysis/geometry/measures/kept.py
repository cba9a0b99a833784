"""How much is kept: entropies and ranks of the states of a text, of texts and of all tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from analysis.errors import AnalysisError
from analysis.geometry.cloud import Cloud
from analysis.geometry.decay import FEWEST, decay
from analysis.geometry.entropy import PREPARATIONS, highest, matrix_entropy
from analysis.geometry.measure import Found, Measure
from analysis.geometry.ranks import EPSILON, effective_rank, participation_ratio
from analysis.geometry.spectrum import spectrum
from analysis.knobs import choice, knob, switch
from analysis.results import Bounds

SKEAN = "Skean et al. 2025, arXiv 2502.02013; entropy: Sanchez Giraldo, Rao & Principe 2015, arXiv 1211.2459"
TRACING = "on language models: Li et al. 2025, arXiv 2509.23024"


def _alpha() -> Any:
    return knob(
        1.0,
        0.5,
        5.0,
        0.5,
        "Order alpha",
        "1 is Shannon's entropy; a higher order listens more to the strongest directions, a lower one more to the "
        "weak ones.",
    )


@dataclass(frozen=True)
class OfText:
    """What can be turned in the entropy of one text."""

    alpha: float = _alpha()
    preparation: str = choice(
        PREPARATIONS,
        "States",
        "What is done to the states of a text first; published curves that call themselves prompt entropy were made "
        "by the last way, and it changes their shape.",
    )


@dataclass(frozen=True)
class OfTexts:
    """What can be turned in the entropy of a set of texts."""

    alpha: float = _alpha()
    preparation: str = choice(
        {name: PREPARATIONS[name] for name in ("raw", "unit", "centred")},
        "Mean states",
        "What is done to the mean state of every text first.",
    )


@dataclass(frozen=True)
class OfRank:
    """What can be turned in RankMe."""

    centred: bool = switch(
        False,
        "Subtract the mean state",
        "Off as in the paper: the mean is then one of the directions that are counted.",
    )
    epsilon: bool = switch(
        True, "The paper's epsilon", f"Add {EPSILON:g} to every share, as the paper does; it hardly matters."
    )


@dataclass(frozen=True)
class OfSlope:
    """Which ranks the line is laid through."""

    first: int = knob(
        11,
        1,
        1000,
        1,
        "First rank",
        "Principal axes before it are left out: the first few are often single outlying dimensions.",
        logarithmic=True,
    )
    last: int = knob(
        50,
        3,
        5000,
        1,
        "Last rank",
        "Axes behind it are left out; among the last ones a spectrum falls because there are too few tokens.",
        logarithmic=True,
    )


def text_entropies(
    cloud: Cloud, layer: int, params: OfText
) -> tuple[Float64[np.ndarray, " text"], Float64[np.ndarray, " text"]]:
    """Entropy of the states of every text, and the highest it could be; both in nats, NaN for a single token.

    Args:
        cloud: the points.
        layer: one that was read.
        params: order and preparation.
    """

    def make() -> tuple[np.ndarray, np.ndarray]:
        states = cloud.at(layer)
        rows = [states[own] for own in cloud.texts]
        found = [
            matrix_entropy(own, params.alpha, params.preparation) if len(own) > 1 else np.nan for own in rows
        ]
        most = [highest(len(own), cloud.d_model) if len(own) > 1 else np.nan for own in rows]
        return np.array(found, np.float64), np.array(most, np.float64)

    return cloud.once(("text entropies", layer, params), make)


def text_means(
    states: Float32[np.ndarray, "point d_model"], texts: tuple[slice, ...]
) -> Float32[np.ndarray, "text d_model"]:
    """Mean state of every text."""
    return np.stack([states[own].mean(0, dtype=np.float64) for own in texts]).astype(np.float32)


def _in_nats(cloud: Cloud, layer: int, params: OfText) -> Found:
    found, most = text_entropies(cloud, layer, params)
    return _of_texts(cloud, found, {"share of the maximum": found / most, "effective rank": np.exp(found)})


def _as_share(cloud: Cloud, layer: int, params: OfText) -> Found:
    found, most = text_entropies(cloud, layer, params)
    return _of_texts(cloud, np.clip(found / most, 0, 1), {"entropy in nats": found})


def _of_texts(
    cloud: Cloud, values: Float64[np.ndarray, " text"], beside: dict[str, Float64[np.ndarray, " text"]]
) -> Found:
    if np.isnan(values).all():
        raise AnalysisError(
            "No text has two different states here, so no entropy is defined. Take the states as they are."
        )
    lengths = [own.stop - own.start for own in cloud.texts]
    return Found(
        float(np.nanmean(values)),
        np.repeat(values, lengths).astype(np.float32),
        {name: float(np.nanmean(each)) for name, each in beside.items()}
        | {"texts used": float((~np.isnan(values)).sum())},
    )


def _dataset_entropy(cloud: Cloud, layer: int, params: OfTexts) -> Found:
    means = text_means(cloud.at(layer), cloud.texts)
    value = matrix_entropy(means, params.alpha, params.preparation)
    if np.isnan(value):
        raise AnalysisError("The mean states of all texts are equal here, so no entropy is defined.")
    most = highest(*means.shape)
    return Found(
        value,
        beside={
            "share of the maximum": value / most,
            "effective rank": float(np.exp(value)),
            "texts": float(len(means)),
        },
    )


def _rankme(cloud: Cloud, layer: int, params: OfRank) -> Found:
    singular = np.sqrt(spectrum(cloud, layer, params.centred))
    return _required(effective_rank(singular, EPSILON if params.epsilon else 0.0), cloud)


def _participation_ratio(cloud: Cloud, layer: int, params: object) -> Found:
    return _required(participation_ratio(spectrum(cloud, layer)), cloud)


def _required(value: float, cloud: Cloud) -> Found:
    if np.isnan(value):
        raise AnalysisError("All states are equal here, so they have no spectrum.")
    return Found(value, beside={"share of all dimensions": value / cloud.d_model})


def _slope(cloud: Cloud, layer: int, params: OfSlope) -> Found:
    found = decay(spectrum(cloud, layer), params.first, params.last)
    return Found(
        found.slope,
        beside={
            "R2 of the fit": found.r2,
            "first rank": float(found.first),
            "last rank": float(found.last),
        },
    )


def _needs_two_tokens(cloud: Cloud, params: object) -> str:
    longest = max((own.stop - own.start for own in cloud.texts), default=0)
    if longest > 1:
        return ""
    return (
        f"The entropy of a text needs at least 2 of its tokens; the longest text here has {longest}. Let every token "
        "count, not the last one only, or give longer texts."
    )


def _needs_texts(cloud: Cloud, params: object) -> str:
    if len(cloud.texts) > 1:
        return ""
    return (
        f"The entropy of a set of texts needs at least 2 texts; there is {len(cloud.texts)}. Read a corpus."
    )


def _needs_points(cloud: Cloud, params: object) -> str:
    return (
        ""
        if len(cloud) > 1
        else f"A spectrum needs at least 2 tokens; there is {len(cloud)}. Read more text."
    )


def _needs_ranks(cloud: Cloud, params: OfSlope) -> str:
    ranks, wanted = min(len(cloud) - 1, cloud.d_model), params.first + FEWEST - 1
    if params.last < wanted:
        return (
            f"A slope is fitted to at least {FEWEST} ranks; from rank {params.first} to {params.last} there are "
            f"{max(params.last - params.first + 1, 0)}. Lower the first rank or raise the last one."
        )
    if ranks >= wanted:
        return ""
    return (
        f"A slope from rank {params.first} on needs at least {wanted} ranks; {len(cloud):,} tokens of "
        f"{cloud.d_model:,} numbers have {ranks:,}. Lower the first rank or read more text."
    )


def _entropy(
    id: str, title: str, meaning: str, unit: str, bounds: Bounds, at: Callable[..., Found]
) -> Measure:
    """Prompt entropy on one of its two scales."""
    share = id.endswith("share")
    return Measure(
        id=id,
        title=title,
        question="kept",
        meaning=meaning,
        formula="A = X X^T / tr(X X^T) of one text's T token states; S = ln(sum lambda^alpha) / (1 - alpha), for "
        "alpha = 1 -sum lambda ln lambda; mean over texts" + (" of S / ln min(T, d)" if share else ""),
        source=SKEAN,
        misleads_when="the states share a large mean or one token is far longer than the others: that direction is "
        "then nearly the whole spectrum, and the raw entropy falls whatever the rest does. "
        + (
            "Texts of very different lengths share one scale, but short ones reach its top more easily."
            if share
            else "It grows with the length of a text: compare texts of like length, or take the share."
        )
        + " With products clamped at 0 the matrix is no matrix of products any more.",
        unit=unit,
        bounds=bounds,
        at=at,
        needs=_needs_two_tokens,
        params=OfText,
        gaussian="for alpha = 2 and long rows "
        + ("-ln(1/T + (1 - 1/T)/d) / ln min(T, d)" if share else "-ln(1/T + (1 - 1/T)/d)"),
        per_point="its text's share" if share else "entropy of its text, in nats",
    )


KEPT: tuple[Measure, ...] = (
    _entropy(
        "prompt_entropy",
        "Prompt entropy",
        "Over how many directions the tokens of one text are spread: high means that the text's tokens stay "
        "different from one another, 0 that all lie on one line.",
        "nats",
        Bounds(0, None),
        _in_nats,
    ),
    _entropy(
        "prompt_entropy_share",
        "Prompt entropy, share of its maximum",
        "The same entropy divided by the most that so many tokens can have: 1 means that all directions are used "
        "alike, 0 that all tokens lie on one line.",
        "share of ln min(tokens, d_model)",
        Bounds(0, 1),
        _as_share,
    ),
    Measure(
        id="dataset_entropy",
        title="Dataset entropy",
        question="kept",
        meaning="Over how many directions the mean states of whole texts are spread: high means that texts stay "
        "different from one another, 0 that all mean states lie on one line.",
        formula="prompt entropy of the matrix whose N rows are the mean states of N texts",
        source=SKEAN,
        misleads_when="there are few texts (it cannot exceed the logarithm of their number), or all mean states share "
        "one large direction, which then is nearly the whole spectrum: subtract the mean to see the rest.",
        unit="nats",
        bounds=Bounds(0, None),
        at=_dataset_entropy,
        needs=_needs_texts,
        params=OfTexts,
    ),
    Measure(
        id="rankme",
        title="RankMe",
        question="kept",
        meaning="How many directions the states of all tokens amount to, counted by the spread along each: high means "
        "many directions are in use, 1 a single one.",
        formula="exp(-sum p ln p) with p = sigma / sum sigma (+ 1e-7), sigma the singular values of the states",
        source=f"Garrido, Balestriero, Najman & LeCun 2022, arXiv 2210.02885; {TRACING}",
        misleads_when="it is compared with entropies of squared singular values: this one counts weak directions "
        "nearly as much as strong ones and hardly notices one direction that dominates. The paper asks for 25,600 "
        "points; with fewer it is too low.",
        unit="directions",
        bounds=Bounds(1, None),
        at=_rankme,
        needs=_needs_points,
        params=OfRank,
        gaussian="a little under min(N, d): 553.5 for N = 2,000 and d = 576",
    ),
    Measure(
        id="participation_ratio",
        title="Participation ratio",
        question="kept",
        meaning="How many directions carry the variance of all tokens: a few strong directions make it small however "
        "many weak ones there are.",
        formula="(sum lambda)^2 / sum lambda^2, lambda the eigenvalues of the centred covariance",
        source="on neural activity: Gao et al. 2017, bioRxiv 214262; also the core of IsoScore: Rudman et al. 2021, "
        "arXiv 2108.07344",
        misleads_when="a single token of outlying norm counts (it alone can bring it near 1), or there are not many "
        "more tokens than dimensions: even perfectly even noise then gives d / (1 + d/N) only.",
        unit="directions",
        bounds=Bounds(1, None),
        at=_participation_ratio,
        needs=_needs_points,
        gaussian="d / (1 + d/N)",
    ),
    Measure(
        id="spectrum_slope",
        title="Slope of the spectrum (alpha-ReQ)",
        question="kept",
        meaning="How fast the variance falls from one principal axis to the next: 0 is perfectly even, and the larger "
        "it is, the more the first axes hold.",
        formula="-slope of ln(lambda_j) on ln(j) by least squares, from the first to the last rank",
        source="Agrawal, Mondal, Ghosh & Richards, NeurIPS 2022; sibling paper arXiv 2202.05808; " + TRACING,
        misleads_when="the spectrum is no power law (R2 far under 1), the fit includes single outlying dimensions at "
        "its start, or it reaches the last axes, where too few tokens make any spectrum fall steeply.",
        unit="exponent",
        bounds=Bounds(0, None),
        at=_slope,
        needs=_needs_ranks,
        params=OfSlope,
    ),
)
