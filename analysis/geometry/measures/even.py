"""How even? Whether states use all directions alike, share one, or crowd around a few points."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64

from analysis.geometry.cloud import Cloud
from analysis.geometry.hubness import METRICS, REDUCTIONS, Hubs, hubs
from analysis.geometry.isotropy import Cosines, anisotropy, cosines, isoscore, isoscore_of, partition_isotropy
from analysis.geometry.measure import Found, Measure
from analysis.geometry.outlier_dimensions import RULES, share_within
from analysis.geometry.prepared import (
    EXPLAINS,
    FIRST,
    SOURCE,
    Prepared,
    dimensions_at,
    drawn,
    prepared,
    why_not,
)
from analysis.geometry.spectrum import spectrum
from analysis.knobs import choice, knob
from analysis.maps.scaling import scaled
from analysis.results import Bounds

LENGTHS = {
    "unit": "every state at length 1",
    "raw": "states as they are (as published, for word vectors)",
}


@dataclass(frozen=True)
class FirstKnobs:
    """What is done to the states before they are measured."""

    first: str = choice(FIRST, "Do first", EXPLAINS)


@dataclass(frozen=True)
class SpreadKnobs:
    """The same without centring, which changes nothing about how variance is spread."""

    first: str = choice({id: title for id, title in FIRST.items() if id != "centred"}, "Do first", EXPLAINS)


@dataclass(frozen=True)
class PartitionKnobs:
    """What the partition function is taken of."""

    lengths: str = choice(LENGTHS, "Lengths", "The measure grows with the length of the states.")
    first: str = choice(FIRST, "Do first", EXPLAINS)
    points: int = knob(
        2000, 200, 5000, 100, "Points used", "Of more points so many are drawn, with a fixed seed."
    )


@dataclass(frozen=True)
class OutlierKnobs:
    """When a dimension is an outlier."""

    of: str = choice(
        {"mean": "its mean", "spread": "its spread"},
        "What is far off",
        "A dimension stands out by its mean over all tokens, or by how much it varies between them.",
    )
    rule: str = choice(RULES, "How far", "The robust rule finds what hides behind one huge dimension.")


@dataclass(frozen=True)
class HubKnobs:
    """Between which points neighbours are counted, and how."""

    k: int = knob(10, 1, 50, 1, "Neighbours", "Nearest neighbours of every point that are counted.")
    metric: str = choice(METRICS, "Nearness", "Raw distances are driven by the length of the states.")
    reduction: str = choice(
        REDUCTIONS,
        "Reduction",
        "Distances are changed so that points count as near only where both sides find the other near.",
    )
    first: str = choice(FIRST, "Do first", EXPLAINS)
    points: int = knob(
        2000,
        200,
        4000,
        100,
        "Points compared",
        "Of more points so many are drawn; the time grows with the square.",
    )


def hubs_at(cloud: Cloud, layer: int, params: HubKnobs) -> tuple[Int64[np.ndarray, " compared"], Hubs]:
    """Neighbour counts among a sample of different states of a layer, and which points of the cloud they are of.

    Raises:
        AnalysisError: too few different states are left for so many neighbours.
    """
    kept = _different(drawn(prepared(cloud, layer, params.first), params.points))
    return kept.points, hubs(kept.states, params.k, params.metric, params.reduction)


def _isoscore(cloud: Cloud, layer: int, params: SpreadKnobs) -> Found:
    if params.first == "nothing":
        return Found(isoscore(spectrum(cloud, layer), cloud.d_model))
    kept = prepared(cloud, layer, params.first)
    return Found(isoscore_of(kept.states), beside=_used(kept, cloud))


def _mean_cosine(cloud: Cloud, layer: int, params: FirstKnobs) -> Found:
    kept = prepared(cloud, layer, params.first)
    found = _cosines_at(cloud, layer) if params.first == "nothing" else cosines(kept.states)
    strongest = int(np.argmax(found.of_dimension))
    beside = {
        "added by the strongest dimension": float(found.of_dimension[strongest]),
        "number of that dimension": float(strongest),
    }
    if params.first.startswith("whitened"):  # its axes are no dimensions of the model
        beside = {}
    return Found(
        found.mean, _spread_out(found.of_point, kept.points, len(cloud)), beside | _used(kept, cloud)
    )


def _cosines_at(cloud: Cloud, layer: int) -> Cosines:
    """Those of the states as they are, kept with the cloud."""
    return cloud.once(("cosines", layer), lambda: cosines(cloud.at(layer)))


def _anisotropy(cloud: Cloud, layer: int, params: object) -> Found:
    return Found(anisotropy(spectrum(cloud, layer), cloud.d_model))


def _partition(cloud: Cloud, layer: int, params: PartitionKnobs) -> Found:
    kept = drawn(prepared(cloud, layer, params.first), params.points)
    return Found(partition_isotropy(scaled(kept.states, params.lengths)), beside=_used(kept, cloud))


def _outliers(cloud: Cloud, layer: int, params: OutlierKnobs) -> Found:
    known, states = dimensions_at(cloud, layer), cloud.at(layer)
    found = known.outliers(params.of, params.rule)
    furthest = int(np.argmax(np.abs(known.mean)))
    beside = {
        "dimension with the largest mean": float(furthest),
        "added by it to the mean cosine": float(_cosines_at(cloud, layer).of_dimension[furthest]),
    }
    shares = share_within(states, found)
    return Found(float(len(found)), shares.astype(np.float32), beside)


def _hubness(cloud: Cloud, layer: int, params: HubKnobs) -> Found:
    points, found = hubs_at(cloud, layer, params)
    beside = {
        "largest count, in units of k": found.largest,
        "share that is nobody's neighbour": found.nobodys,
        "share of neighbourhoods to deal anew (Robin Hood)": found.robin_hood,
        "different points compared": float(len(points)),
    }
    return Found(found.skew, _spread_out(found.counts.astype(np.float64), points, len(cloud)), beside)


def _used(kept: Prepared, cloud: Cloud) -> dict[str, float]:
    """How many points were used, where they are not all of them."""
    return {"points used": float(len(kept.points))} if len(kept.points) < len(cloud) else {}


def _spread_out(
    values: Float[np.ndarray, " kept"], points: Int64[np.ndarray, " kept"], count: int
) -> Float32[np.ndarray, " point"]:
    """Values of some points among all of them; NaN for the others."""
    result = np.full(count, np.nan, np.float32)
    result[points] = values
    return result


def _different(kept: Prepared) -> Prepared:
    """Of equal states only the first: equal ones are each other's neighbours and would fake hubs."""
    first = {row.tobytes(): at for at, row in reversed(list(enumerate(kept.states)))}
    at = np.sort(np.fromiter(first.values(), np.int64))
    return Prepared(kept.states[at], kept.points[at])


def _needs(least: int) -> Callable[[Cloud, object], str]:
    def needs(cloud: Cloud, params: object) -> str:
        if len(cloud) < least:
            return f"At least {least} tokens are needed, and there are {len(cloud)}. Choose more or longer texts."
        return why_not(cloud, getattr(params, "first", "nothing"))

    return needs


def _hubs_need(cloud: Cloud, params: HubKnobs) -> str:
    most = min(params.points, len(cloud) // 2 if params.first.startswith("whitened") else len(cloud))
    if params.k >= most / 2:
        return (
            f"{params.k} neighbours need more than {2 * params.k} tokens to choose from, and there are {most}. Choose "
            "more texts or fewer neighbours."
        )
    return why_not(cloud, params.first)


EVEN = (
    Measure(
        id="isoscore",
        title="IsoScore",
        question="even",
        meaning="How evenly the variation between tokens is spread over all directions: 1 if every direction has as "
        "much, 0 if all tokens lie on one line.",
        formula="(PR - 1) / (d - 1), PR = (sum of variances)^2 / sum of squared variances, along principal axes",
        source=f"Rudman, Gillman, Rayne & Eickhoff 2021, arXiv 2108.07344; {SOURCE}",
        misleads_when="there are fewer than about ten tokens per number of a state: even an isotropic cloud then has "
        "uneven variances (see the Gaussian control); or one dimension varies far more than all others, and the rest "
        "is not seen.",
        unit="0 to 1",
        bounds=Bounds(0, 1),
        at=_isoscore,
        needs=_needs(2),
        params=SpreadKnobs,
        gaussian="(d / (1 + d / N) - 1) / (d - 1), with nothing done first",
    ),
    Measure(
        id="mean_cosine",
        title="Mean cosine",
        question="even",
        meaning="How alike the directions of any two tokens are on average: 0 if directions know nothing of each "
        "other, 1 if all tokens point the same way.",
        formula="(|sum of states at length 1|^2 - N) / (N (N - 1)), exact over all pairs",
        source=f"Ethayarajh 2019, arXiv 1909.00512; {SOURCE}",
        misleads_when="all tokens share a mean or one large dimension: either alone makes it high, without tokens "
        "being alike in anything else. Subtract the mean, or set outlier dimensions to zero, and look again.",
        unit="cosine",
        bounds=Bounds(-1, 1),
        at=_mean_cosine,
        needs=_needs(2),
        params=FirstKnobs,
        gaussian="0",
        per_point="mean cosine to all other tokens",
    ),
    Measure(
        id="anisotropy",
        title="Anisotropy (share of the largest axis)",
        question="even",
        meaning="Share of the variation between tokens that lies along the one direction that has most of it.",
        formula="largest variance / sum of variances, along principal axes",
        source="Razzhigaev et al. 2025 (LLM-Microscope, called anisotropy there), arXiv 2502.15007",
        misleads_when="tokens of outlying norm count: one of them is the axis. It says nothing of the directions "
        "behind the first.",
        unit="share",
        bounds=Bounds(0, 1),
        at=_anisotropy,
        needs=_needs(2),
        gaussian="about (1 + sqrt(d / N))^2 / d",
    ),
    Measure(
        id="partition_isotropy",
        title="Partition isotropy",
        question="even",
        meaning="How differently the cloud weighs when it is read along different directions, as a logarithm: 0 if "
        "all directions read the same, far below 0 if the cloud leans to one side.",
        formula="ln of min Z(c) / max Z(c), Z(c) = sum of exp(c . x), c = plus and minus each eigenvector of X'X",
        source=f"Mu & Viswanath 2018, arXiv 1702.01417; {SOURCE}",
        misleads_when="states are taken as they are: lengths grow with depth, and the value with them. It sees a "
        "shared mean rather than uneven variances.",
        unit="nats",
        bounds=Bounds(None, 0),
        at=_partition,
        needs=_needs(2),
        params=PartitionKnobs,
        gaussian="about 0",
    ),
    Measure(
        id="outlier_dimensions",
        title="Outlier dimensions",
        question="even",
        meaning="How many of a state's numbers are far from zero for nearly all tokens, or vary far more than the "
        "others do.",
        formula="number of j with |m_j - mean of m| > 3 sd of m, m = means over tokens",
        source="Luo, Kulmizev & Mao 2021, arXiv 2011.04393; Timkey & van Schijndel 2021, arXiv 2109.04404; Kovaleva "
        "et al. 2021, arXiv 2105.06990",
        misleads_when="one dimension is huge and hides others behind the standard deviation it widens; the robust "
        "rule does not. The next block's norm may scale such a dimension down, so that the model sees less of it.",
        unit="dimensions",
        bounds=Bounds(0, None),
        at=_outliers,
        needs=_needs(2),
        params=OutlierKnobs,
        gaussian="about 0.0027 d with the published rule, 0 with the robust one",
        per_point="share of the token's squared length within outlier dimensions",
    ),
    Measure(
        id="hubness",
        title="Hubness",
        question="even",
        meaning="Whether a few tokens are the nearest neighbours of very many others: 0 if all are so equally often, "
        "large if there are hubs.",
        formula="skewness of N_k, N_k(x) = number of points that have x among their k nearest",
        source="Radovanovic, Nanopoulos & Ivanovic 2010, JMLR 11; reductions: Nielsen & Hansen 2023, arXiv "
        f"2311.18364, and the sources named there; centring: Suzuki et al. 2013; {SOURCE}",
        misleads_when="layers with different numbers of different states are compared (equal states count once, and "
        "the embedding has one state per token of the vocabulary); or raw distances are taken, which short states "
        "win. The skewness is decided by the few largest counts and differs by half between draws.",
        unit="skewness",
        bounds=Bounds(None, None),
        at=_hubness,
        needs=_hubs_need,
        params=HubKnobs,
        per_point="points that have this token among their nearest",
    ),
)
