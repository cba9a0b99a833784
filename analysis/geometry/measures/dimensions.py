"""How many dimensions the points fill near each other, and which neighbours a layer keeps."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64

from analysis.errors import AnalysisError
from analysis.geometry import intrinsic_dimension as dimension
from analysis.geometry import neighbourhoods
from analysis.geometry.classes import classes
from analysis.geometry.cloud import Cloud
from analysis.geometry.measure import Found, Measure
from analysis.geometry.neighbours import (
    MOST,
    NAMED,
    Neighbours,
    different,
    neighbours,
    separate,
)
from analysis.knobs import choice, knob, switch
from analysis.results import Bounds

NOISE = (
    "there is noise in all directions, which fills every dimension at the smallest distances (compare a larger scale); "
    "points are few (under 2,000 a dimension above 10 is much too small); many points are the same token"
)


def _compared() -> Any:
    return knob(
        MOST,
        200,
        4000,
        100,
        "Points compared",
        "Every point is compared with every other; of more points than this, so many are drawn.",
    )


@dataclass(frozen=True)
class TwoNN:
    """Knobs of the dimension from two neighbours."""

    fit: str = choice(
        {"line": "a straight line", "likelihood": "maximum likelihood"},
        "Fit",
        "How the dimension is told from the ratios; the two should agree.",
    )
    discard: float = knob(
        0.1,
        0.01,
        0.8,
        0.01,
        "Share of the largest ratios left out",
        "Large ratios come from lonely points at the border; the paper leaves out a tenth.",
    )
    compared: int = _compared()


@dataclass(frozen=True)
class Gride:
    """Knobs of the dimension at a scale."""

    n: int = knob(
        8,
        1,
        64,
        1,
        "Scale n",
        "Compares the distances to the n-th and to the 2n-th neighbour: larger n looks at a larger neighbourhood.",
        logarithmic=True,
    )
    compared: int = _compared()


@dataclass(frozen=True)
class Local:
    """Knobs of the dimension around every point."""

    k: int = knob(
        20,
        5,
        100,
        1,
        "Neighbours",
        "How many neighbours of a point tell the dimension around it.",
        logarithmic=True,
    )
    compared: int = _compared()


@dataclass(frozen=True)
class Overlap:
    """Knobs of what a step keeps."""

    k: int = knob(10, 1, NAMED, 1, "Neighbours", "How many nearest neighbours of every point are compared.")
    by: str = choice(
        {"distance": "Euclidean distance", "angle": "angle between states"},
        "Near by",
        "What makes two states neighbours.",
    )
    other_texts: bool = switch(
        False,
        "Neighbours from other texts only",
        "Tokens of one text are near each other at every layer; this leaves them out.",
    )
    compared: int = _compared()


@dataclass(frozen=True)
class Labels:
    """Knobs of how far neighbours share a class."""

    k: int = knob(10, 1, NAMED, 1, "Neighbours", "How many nearest neighbours of every point are looked at.")
    by: str = choice(
        {"distance": "Euclidean distance", "angle": "angle between states"},
        "Near by",
        "What makes two states neighbours.",
    )
    other_texts: bool = switch(
        True,
        "Neighbours from other texts only",
        "Tokens of one text share their class by themselves; this leaves them out.",
    )
    compared: int = _compared()


def overlap_between(cloud: Cloud, one: int, other: int, params: Overlap) -> Found:
    """Share of its neighbours that each point keeps from one layer to another.

    Args:
        cloud: the points.
        one: a layer.
        other: another.
        params: how many neighbours, and of which kind.

    Raises:
        AnalysisError: too few points are different at both layers.
    """
    points = different(cloud, (one, other), params.compared)
    _require_enough(params.k, cloud.text[points], params.other_texts, f"at layers {one} and {other}")
    kind = {"cosine": params.by == "angle", "other_texts": params.other_texts}
    lists = [neighbours(cloud, layer, points, **kind).near[:, : params.k] for layer in (one, other)]
    shares = neighbourhoods.kept(*lists)
    chance = neighbourhoods.kept_by_chance(cloud.text[points], params.k, params.other_texts)
    return Found(
        float(shares.mean()),
        _per_point(cloud, points, shares),
        {"by chance": chance, "points used": float(len(points))},
    )


def overlaps(cloud: Cloud, params: Overlap) -> Float32[np.ndarray, "layer layer"]:
    """`overlap_between` of all pairs of layers that were read; 1 on the diagonal, NaN where it has no value."""
    count = len(cloud.layers)
    table = np.eye(count, dtype=np.float32)
    for i in range(count):
        for j in range(i):
            try:
                table[i, j] = overlap_between(cloud, cloud.layers[i], cloud.layers[j], params).value
            except AnalysisError:
                table[i, j] = np.nan
            table[j, i] = table[i, j]
    return table


def scales(
    cloud: Cloud, layer: int, most: int = MOST
) -> tuple[tuple[int, ...], Float32[np.ndarray, "2 scale"]]:
    """Dimension against scale at one layer: n = 1, 2, 4 and so on while there are neighbours, up to 64.

    Returns:
        The scales n; dimensions, and below them their standard errors.

    Raises:
        AnalysisError: the points are too few or too alike.
    """
    found = _enough(cloud, layer, most)
    ns = tuple(n for n in (1, 2, 4, 8, 16, 32, 64) if 2 * n < len(found) / 2)
    pairs = [dimension.gride(ratios(found, n), n) for n in ns]
    return ns, np.array(pairs, np.float32).T


def ratios(found: Neighbours, n: int = 1) -> Float[np.ndarray, " point"]:
    """Distance to the 2n-th neighbour over that to the n-th, of every compared point."""
    return found.distances[:, 2 * n - 1].astype(np.float64) / found.distances[:, n - 1]


def _enough(cloud: Cloud, layer: int, most: int, at_least: int = dimension.FEWEST) -> Neighbours:
    found = separate(cloud, layer, most)
    if len(found) < at_least:
        raise AnalysisError(
            f"Only {len(found)} of {len(cloud):,} points are different at layer {layer}; a dimension needs at least "
            f"{at_least}. Add texts."
        )
    return found


def _companions(cloud: Cloud, layer: int, found: Neighbours, most: int) -> dict[str, float]:
    every, drawn = (len(different(cloud, (layer,), count)) for count in (len(cloud), most))
    return {
        "points used": float(len(found)),
        "different points": float(every),
        "nearly equal points left out": float(drawn - len(found)),
    }


def _two_nn(cloud: Cloud, layer: int, params: TwoNN) -> Found:
    found = _enough(cloud, layer, params.compared)
    line = dimension.two_nn_line(ratios(found), params.discard)
    likely = dimension.two_nn_likelihood(ratios(found), params.discard)
    wide = 8 if len(found) > 32 else 1
    return Found(
        line.dimension if params.fit == "line" else likely,
        beside={
            "R2 of the line": line.r2,
            "by the other fit": likely if params.fit == "line" else line.dimension,
            "at 8 times the scale": dimension.gride(ratios(found, wide), wide)[0],
            **_companions(cloud, layer, found, params.compared),
        },
    )


def _gride(cloud: Cloud, layer: int, params: Gride) -> Found:
    found = _enough(cloud, layer, params.compared, max(dimension.FEWEST, 4 * params.n))
    value, error = dimension.gride(ratios(found, params.n), params.n)
    return Found(value, beside={"standard error": error, **_companions(cloud, layer, found, params.compared)})


def _local(cloud: Cloud, layer: int, params: Local) -> Found:
    found = _enough(cloud, layer, params.compared, max(dimension.FEWEST, 2 * params.k))
    local = dimension.local_dimensions(found.distances[:, : params.k])
    return Found(
        dimension.harmonic_mean(local),
        _per_point(cloud, found.points, np.where(np.isfinite(local), local, np.nan)),
        {
            "arithmetic mean": float(local[np.isfinite(local)].mean()),
            **_companions(cloud, layer, found, params.compared),
        },
    )


def _overlap(cloud: Cloud, layer: int, params: Overlap) -> Found:
    return overlap_between(cloud, cloud.below(layer), layer, params)


def _labels(cloud: Cloud, layer: int, params: Labels) -> Found:
    own = classes(cloud)
    points = different(cloud, (layer,), params.compared, among=own.labelled)
    texts = cloud.text[points]
    _require_enough(params.k, texts, params.other_texts, f"at layer {layer}")
    found = neighbours(cloud, layer, points, cosine=params.by == "angle", other_texts=params.other_texts)
    place = np.searchsorted(points, found.near[:, : params.k])
    shares = neighbourhoods.sharing(own.of[points], place)
    allowed = neighbourhoods.candidates(texts, params.other_texts)
    return Found(
        float(shares.mean()),
        _per_point(cloud, points, shares),
        {
            "by chance": neighbourhoods.sharing_by_chance(own.of[points], allowed),
            "points used": float(len(points)),
        },
    )


def _per_point(
    cloud: Cloud, points: Int64[np.ndarray, " compared"], values: Float[np.ndarray, " compared"]
) -> Float32[np.ndarray, " point"]:
    every = np.full(len(cloud), np.nan, np.float32)
    every[points] = values
    return every


def _require_enough(k: int, texts: np.ndarray, other_texts: bool, where: str) -> None:
    """Every point must have k candidates, and more than twice as many as are asked for."""
    own = np.unique(texts, return_counts=True)[1].max(initial=1) if other_texts else 1
    if len(texts) - own < 2 * k:
        raise AnalysisError(
            f"{k} neighbours{' from other texts' * other_texts} of each of {len(texts)} different points {where} were "
            f"asked for, and only {len(texts) - own} points come into question. There should be twice as many as are "
            "asked for: add texts, or ask for fewer neighbours."
        )


def _needs_points(cloud: Cloud, at_least: int) -> str:
    if len(cloud) >= at_least:
        return ""
    return f"This needs at least {at_least} tokens, and there are {len(cloud)}: add texts, or longer ones."


def _needs_neighbours(cloud: Cloud, params: Overlap | Labels) -> str:
    most = max((own.stop - own.start for own in cloud.texts), default=0)
    if params.other_texts and len(cloud.texts) < 2:
        return "Neighbours from other texts need at least two texts, and there is one: add texts."
    return _needs_points(cloud, 2 * params.k + (most if params.other_texts else 1))


def _needs_labels(cloud: Cloud, params: Labels) -> str:
    named = len(classes(cloud).names)
    if named < 2:
        return (
            f"This needs texts of at least two classes, and there {'is one' if named else 'are none'}: choose a "
            "labelled set, or a file with a column of classes."
        )
    return _needs_neighbours(cloud, params)


DIMENSIONS: tuple[Measure, ...] = (
    Measure(
        id="twonn",
        title="Intrinsic dimension (TwoNN)",
        question="dimensions",
        meaning="In how many directions one can move along the surface on which the states lie, however many numbers "
        "a state has: 1 on a curve, 2 on a sheet; told from how much further the second neighbour is than the first.",
        formula="slope of -ln(1 - share of points with ratio <= m) against ln(m), ratio = r2/r1",
        source="Facco, d'Errico, Rodriguez & Laio 2017, arXiv 1803.06992; for layers of language models: Valeriani et "
        "al. 2023, arXiv 2302.00294",
        misleads_when=NOISE,
        unit="dimensions",
        bounds=Bounds(0, None),
        at=_two_nn,
        needs=lambda cloud, params: _needs_points(cloud, dimension.FEWEST),
        params=TwoNN,
    ),
    Measure(
        id="gride",
        title="Intrinsic dimension at a scale (GRIDE)",
        question="dimensions",
        meaning="The same dimension seen from further away: told from the distances to the n-th and the 2n-th "
        "neighbour. Where it falls with n, the smallest distances are noise.",
        formula="maximum of the likelihood of r(2n)/r(n) over d",
        source="Denti, Doimo, Laio & Mira 2022, arXiv 2104.13832",
        misleads_when="the neighbourhood reaches across bends or to the border, which makes the dimension too small; "
        + NOISE,
        unit="dimensions",
        bounds=Bounds(0, None),
        at=_gride,
        needs=lambda cloud, params: _needs_points(cloud, max(dimension.FEWEST, 4 * params.n)),
        params=Gride,
    ),
    Measure(
        id="mle",
        title="Local intrinsic dimension (MLE)",
        question="dimensions",
        meaning="The dimension around every single token, told from how fast its neighbours become more with "
        "distance; the curve is their harmonic mean.",
        formula="1 / mean over points of (1/(k-1)) sum over j<k of ln(r_k / r_j)",
        source="Levina & Bickel 2004, NIPS 17; harmonic mean: MacKay & Ghahramani 2005",
        misleads_when="one point's value is read alone: with 20 neighbours it scatters by a quarter; "
        + NOISE,
        unit="dimensions",
        bounds=Bounds(0, None),
        at=_local,
        needs=lambda cloud, params: _needs_points(cloud, max(dimension.FEWEST, 2 * params.k)),
        params=Local,
        per_point="dimension around the token",
    ),
    Measure(
        id="neighbourhood_overlap",
        title="Neighbourhood overlap",
        question="dimensions",
        meaning="Share of each token's nearest neighbours that it still had one layer below: 1 if the layer "
        "regroups nothing, near 0 if it regroups everything.",
        formula="mean over points of |neighbours below and here| / k",
        source="Doimo, Glielmo, Ansuini & Laio 2020, arXiv 2007.03506; for layers of language models: Valeriani et al. "
        "2023, arXiv 2302.00294",
        misleads_when="neighbours are tokens of the same text, which stay together whatever the layer does (a switch "
        "leaves them out); the layer below is the embedding, where equal tokens are one point; layers were skipped",
        unit="share",
        bounds=Bounds(0, 1),
        at=_overlap,
        needs=_needs_neighbours,
        params=Overlap,
        is_step=True,
        gaussian="k / (N - 1) for two independent clouds of N points",
        per_point="share of its neighbours that the token keeps",
    ),
    Measure(
        id="label_overlap",
        title="Neighbours of the same class",
        question="dimensions",
        meaning="Share of each token's nearest neighbours whose text has the same label: 1 if classes lie apart, the "
        "share by chance if the layer knows nothing of them.",
        formula="mean over points of (neighbours of its class) / k",
        source="Doimo, Glielmo, Ansuini & Laio 2020, arXiv 2007.03506",
        misleads_when="classes differ in words alone, which puts them apart at the embedding already; classes differ "
        "in size, which raises the share by chance",
        unit="share",
        bounds=Bounds(0, 1),
        at=_labels,
        needs=_needs_labels,
        params=Labels,
        gaussian="share of pairs of points that are of one class",
        per_point="share of its neighbours that are of the token's class",
    ),
)
"""Every measure of this question."""
