"""How robust: whether mistyped copies of a text stay together and apart from other texts."""

from dataclasses import dataclass

import numpy as np

from analysis.geometry.invariance import DRAWS, dime, infonce, lidar
from analysis.geometry.measure import Found, Measure
from analysis.geometry.views import Views
from analysis.knobs import choice, knob, switch
from analysis.results import Bounds

SKEAN = "on layers of language models: Skean et al. 2025, arXiv 2502.02013"
CENTRED = (
    "Subtract the mean state",
    "Off, cosines are those of the states themselves, and what all texts have in common makes every one near 1.",
)


@dataclass(frozen=True)
class OfContrast:
    """What can be turned in InfoNCE."""

    tau: float = knob(
        0.1,
        0.01,
        1.0,
        0.01,
        "Temperature",
        "Cosines are divided by it: a lower one asks that copies of a text are nearer than every single other text.",
        logarithmic=True,
    )
    centred: bool = switch(True, *CENTRED)


@dataclass(frozen=True)
class OfMatching:
    """What can be turned in DiME."""

    kernel: str = choice(
        {"gaussian": "Gaussian, median distance", "linear": "cosine"},
        "Similarity",
        "How alike two mean states are: by distance, or by the angle between them.",
    )
    centred: bool = switch(True, *CENTRED)
    most: int = knob(
        300, 20, 1000, 20, "Texts compared", "More take longer: the work grows with their number cubed."
    )


@dataclass(frozen=True)
class OfDiscrimination:
    """What can be turned in LiDAR."""

    delta: float = knob(
        1e-4,
        1e-8,
        1.0,
        1e-4,
        "Delta",
        "Added to the variance of the noise in every direction, so that directions without noise do not count for "
        "everything.",
        logarithmic=True,
    )
    relative: bool = switch(
        True,
        "Delta relative to the layer",
        "On, delta is a share of the layer's mean variance; off as in the paper, where layers of longer states get "
        "less of it.",
    )


def _infonce(views: Views, layer: int, params: OfContrast) -> Found:
    found = infonce(views.at(layer), params.tau, params.centred)
    return Found(
        found.bound,
        beside={
            "InfoNCE loss in nats": found.loss,
            "copies found as nearest": found.found,
            "highest possible": float(np.log(2 * len(views) - 1)),
            "texts": float(len(views)),
        },
    )


def _dime(views: Views, layer: int, params: OfMatching) -> Found:
    drawn = np.sort(np.random.default_rng(0).permutation(len(views))[: params.most])
    states = views.at(layer)[drawn]
    found = dime(states, params.kernel, params.centred)
    return Found(
        found.gain, beside={"spread over shuffles": found.spread, "texts compared": float(len(states))}
    )


def _lidar(views: Views, layer: int, params: OfDiscrimination) -> Found:
    found = lidar(views.at(layer), params.delta, params.relative)
    return Found(
        found.rank,
        beside={
            "highest possible": float(min(len(views) - 1, views.d_model)),
            "noisy copies per dimension": found.freedom,
            "texts": float(len(views)),
            "copies": float(views.copies),
        },
    )


def _needs_views(views: Views, params: object) -> str:
    if len(views) > 2 and views.copies > 1:
        return ""
    return (
        f"Robustness compares at least 2 noisy copies of each of at least 3 texts; there are {views.copies} copies "
        f"of {len(views)} texts. Read more texts."
    )


ROBUST: tuple[Measure, ...] = (
    Measure(
        id="infonce",
        title="InfoNCE bound",
        question="robust",
        meaning="How much a mistyped copy of a text tells about which text it is: high means that copies of a text "
        "stay nearest to one another, 0 or less that they are lost among the other texts.",
        formula="ln(2N - 1) - L, L = -mean ln(e^(s+/tau) / sum over the 2N - 1 other views of e^(s/tau)), s cosines of "
        "states less their mean",
        source="van den Oord et al. 2018, arXiv 1807.03748; in the form of Chen et al. 2020, arXiv 2002.05709; "
        f"{SKEAN}",
        misleads_when="the mean state is not subtracted: where all states share a large one, all cosines are alike and "
        "the bound is small, however robust the rest is. It cannot exceed ln(2N - 1), so compare only what was "
        "measured on as many texts; and other texts come in pairs of views, so that it is a bound only nearly.",
        unit="nats",
        bounds=Bounds(None, None),
        at=_infonce,
        needs=_needs_views,
        params=OfContrast,
        reads="views",
        gaussian="about -1 / (2 d tau^2)",
    ),
    Measure(
        id="dime",
        title="DiME",
        question="robust",
        meaning="How much better copies of the same text fit together than copies paired at random: 0 means no better, "
        "high means that the pattern of similarities among texts survives typing errors.",
        formula="mean over permutations P of S(K1 o P K2 P^T) - S(K1 o K2), S = -sum lambda ln lambda of the "
        "normalised eigenvalues, o element by element",
        source=f"Skean et al. 2023, arXiv 2301.08164; {SKEAN}",
        misleads_when="similarities hardly vary (cosines of states with a large common mean that is not subtracted), "
        "so that nothing is left to gain; "
        f"or differences are smaller than the spread over its {DRAWS} shuffles.",
        unit="nats",
        bounds=Bounds(None, None),
        at=_dime,
        needs=_needs_views,
        params=OfMatching,
        reads="views",
        gaussian="0",
    ),
    Measure(
        id="lidar",
        title="LiDAR",
        question="robust",
        meaning="Over how many directions texts differ by more than their typing errors do: high means many, 1 a "
        "single one.",
        formula="exp(-sum p ln p), p the normalised eigenvalues of Sw^(-1/2) Sb Sw^(-1/2); Sb covariance of the texts' "
        "means, Sw mean covariance of the copies of a text + delta",
        source=f"Thilak et al. 2023, arXiv 2312.04000; {SKEAN}",
        misleads_when="it is read as a ratio of signal to noise: pure noise scores high, too, so look at the control. "
        "With fewer texts x (copies - 1) than dimensions the noise is unknown in some directions and delta decides; "
        "it cannot exceed the number of texts less one.",
        unit="directions",
        bounds=Bounds(1, None),
        at=_lidar,
        needs=_needs_views,
        params=OfDiscrimination,
        reads="views",
        gaussian="no closed form: noise alone has a high rank, too",
    ),
)
