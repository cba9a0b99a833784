"""Whether what has one label lies in one convex region."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64

from analysis.errors import AnalysisError
from analysis.geometry import convexity
from analysis.geometry.classes import classes
from analysis.geometry.cloud import Cloud
from analysis.geometry.convexity import Convexity, Paths
from analysis.geometry.measure import Found, Measure
from analysis.geometry.neighbours import MOST, NAMED, different, neighbours
from analysis.knobs import knob
from analysis.results import Bounds

FEWEST = 10
"""Points of a class from which on pairs of it are looked at."""
STARTS = 160
"""Points from which shortest ways are searched, over all classes."""
SEGMENTS = 600
"""Straight lines that are looked at, over all classes."""
SEED = 0
SOURCE = "Tětková, Brüsch, Dorszewski, Mager, Aagaard, Foldager, Alstrøm & Hansen 2023, arXiv 2305.17154"


@dataclass(frozen=True)
class Graph:
    """Knobs of convexity over neighbours."""

    k: int = knob(10, 2, NAMED, 1, "Neighbours", "Every point is joined to so many nearest points.")
    pairs: int = knob(
        400,
        50,
        2000,
        50,
        "Pairs of each class",
        "How many pairs are drawn; more give a steadier value.",
        True,
    )
    compared: int = knob(
        MOST, 200, 4000, 100, "Points compared", "Of more labelled points than this, so many are drawn."
    )


@dataclass(frozen=True)
class Segments:
    """Knobs of convexity along straight lines."""

    k: int = knob(
        10, 1, 50, 1, "Votes", "So many nearest points vote on what a place on the line belongs to."
    )
    pairs: int = knob(
        100, 20, 300, 10, "Pairs of each class", "How many lines are drawn; more give a steadier value.", True
    )
    compared: int = knob(
        MOST, 200, 4000, 100, "Points compared", "Of more labelled points than this, so many are drawn."
    )


@dataclass(frozen=True, eq=False)
class Labelled:
    """The labelled points of one layer that are compared."""

    points: Int64[np.ndarray, " compared"]
    """Their numbers in the cloud."""
    classes: Int64[np.ndarray, " compared"]
    names: tuple[str, ...]
    wanted: Int64[np.ndarray, " class"]
    """Classes of which there are enough points."""

    @property
    def class_share(self) -> float:
        """Mean over the wanted classes of the share of points that are of it: what chance gives."""
        return float(np.mean([(self.classes == each).mean() for each in self.wanted]))


@dataclass(frozen=True, eq=False)
class Scored:
    """Convexity at one layer, with its null and what it was found on."""

    among: Labelled
    found: Convexity
    shuffled: Convexity
    shuffled_classes: Int64[np.ndarray, " compared"]


def labelled(cloud: Cloud, layer: int, most: int) -> Labelled:
    """The different labelled points of a layer, at most so many.

    Raises:
        AnalysisError: fewer than two classes have enough of them.
    """
    own = classes(cloud)
    points = different(cloud, (layer,), most, among=own.labelled)
    sizes = np.bincount(own.of[points], minlength=len(own.names))
    wanted = np.flatnonzero(sizes >= FEWEST)
    if len(wanted) < 2:
        raise AnalysisError(
            f"At layer {layer} {len(points)} labelled points are different, and {len(wanted)} classes have at least "
            f"{FEWEST} of them; two are needed. Where all texts end alike, the last token's embedding is one point."
        )
    return Labelled(points, own.of[points], own.names, wanted.astype(np.int64))


def on_graph(cloud: Cloud, layer: int, params: Graph) -> tuple[Scored, Paths]:
    """Shortest ways between points of one class, and what they lead through; with shuffled labels, too.

    Raises:
        AnalysisError: as `labelled`, or there are not more points than neighbours.
    """
    among = labelled(cloud, layer, params.compared)
    if len(among.points) <= params.k:
        raise AnalysisError(
            f"{params.k} neighbours of {len(among.points)} points were asked for; ask for fewer."
        )
    found = neighbours(cloud, layer, among.points)
    near = np.searchsorted(among.points, found.near[:, : params.k])
    starts = _starts(among)
    paths = convexity.shortest_paths(near, found.distances[:, : params.k], starts)
    mixed = shuffled_classes(cloud, among)
    real, shuffled = (
        convexity.graph_convexity(
            paths, convexity.pairs_within(own, among.wanted, starts, params.pairs, SEED), own
        )
        for own in (among.classes, mixed)
    )
    return Scored(among, real, shuffled, mixed), paths


def on_segments(cloud: Cloud, layer: int, params: Segments) -> Scored:
    """Straight lines between points of one class, and what they lead through; with shuffled labels, too.

    Raises:
        AnalysisError: as `labelled`.
    """
    among = labelled(cloud, layer, params.compared)
    states = cloud.at(layer)[among.points]
    mixed = shuffled_classes(cloud, among)
    most = max(10, min(params.pairs, SEGMENTS // len(among.wanted)))
    starts = np.arange(len(among.points))
    real, shuffled = (
        convexity.euclidean_convexity(
            states, convexity.pairs_within(own, among.wanted, starts, most, SEED), own, params.k
        )
        for own in (among.classes, mixed)
    )
    return Scored(among, real, shuffled, mixed)


def shuffled_classes(cloud: Cloud, among: Labelled) -> Int64[np.ndarray, " compared"]:
    """Classes dealt anew among texts, so that tokens of one text still share theirs; among points if they do not."""
    random = np.random.default_rng(SEED)
    _, first, text = np.unique(cloud.text[among.points], return_index=True, return_inverse=True)
    own = among.classes[first]
    if (own[text] != among.classes).any():
        return random.permutation(among.classes)
    return random.permutation(own)[text]


def _starts(among: Labelled) -> Int64[np.ndarray, " start"]:
    """Some points of every wanted class, as many of each, ascending."""
    random, each = np.random.default_rng(SEED), max(4, STARTS // len(among.wanted))
    drawn = [random.permutation(np.flatnonzero(among.classes == own))[:each] for own in among.wanted]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def _graph(cloud: Cloud, layer: int, params: Graph) -> Found:
    scored, _ = on_graph(cloud, layer, params)
    return _found(cloud, scored, {"pairs without a way": 1 - scored.found.connected})


def _segments(cloud: Cloud, layer: int, params: Segments) -> Found:
    scored = on_segments(cloud, layer, params)
    states = cloud.at(layer)[scored.among.points]
    right = convexity.vote_accuracy(states, scored.among.classes, params.k)
    return _found(cloud, scored, {"accuracy of the votes": right})


def _found(cloud: Cloud, scored: Scored, beside: dict[str, float]) -> Found:
    among = scored.among
    return Found(
        scored.found.mean(among.classes),
        _per_point(cloud, among, scored.found),
        {
            "shuffled labels": scored.shuffled.mean(scored.shuffled_classes),
            "class share": among.class_share,
            **beside,
            "points used": float(len(among.points)),
            "classes used": float(len(among.wanted)),
        },
    )


def _per_point(cloud: Cloud, among: Labelled, found: Convexity) -> Float32[np.ndarray, " point"]:
    """Mean score of the pairs each point is in."""
    total, count = np.zeros(len(among.points)), np.zeros(len(among.points))
    for ends in found.pairs.T:
        np.add.at(total, ends, found.scores)
        np.add.at(count, ends, 1)
    every = np.full(len(cloud), np.nan, np.float32)
    seen = count > 0
    every[among.points[seen]] = total[seen] / count[seen]
    return every


def _needs(cloud: Cloud, params: Graph | Segments) -> str:
    own = classes(cloud)
    enough = int((own.sizes() >= FEWEST).sum())
    if enough >= 2:
        return ""
    there = f"of {len(own.names)} classes {enough} have so many" if own.names else "there are no labels"
    return (
        f"This needs at least two classes with {FEWEST} tokens each, and {there}: choose a labelled set, or a file "
        "with a column of classes."
    )


CONVEX: tuple[Measure, ...] = (
    Measure(
        id="graph_convexity",
        title="Graph convexity",
        question="convex",
        meaning="Going from one point of a class to another over nearest neighbours, the share of the points on the "
        "way that are of the class too: 1 if classes are regions without foreign points between.",
        formula="mean over classes and pairs of (inner points of the shortest path that are of the class) / (inner "
        "points); 1 for neighbours, 0 without a path",
        source=SOURCE,
        misleads_when="the graph falls apart, as pairs without a way count as 0; several tokens of one text are in it, "
        "which are near each other and of one class (count the last token only); classes differ in size: compare with "
        "shuffled labels; a few points are near everything",
        unit="share",
        bounds=Bounds(0, 1),
        at=_graph,
        needs=_needs,
        params=Graph,
        gaussian="about the share of points that are of the class, and more where pairs are neighbours",
        per_point="mean score of the pairs the token is in",
    ),
    Measure(
        id="euclidean_convexity",
        title="Euclidean convexity",
        question="convex",
        meaning="On the straight line between two points of a class, the share of the places whose nearest points are "
        "mostly of the class: 1 if all between two of a class belongs to it.",
        formula="mean over classes and pairs of (places on the line voted to be of the class) / 10",
        source=SOURCE + " (there the rest of the network classifies; here the nearest points vote)",
        misleads_when="classes differ in size or spread, as votes in the middle go to the denser class; the places on "
        "the line are states the model never makes; several tokens of one text are in it. A linear probe would always "
        "give convex regions, which is why it is not asked",
        unit="share",
        bounds=Bounds(0, 1),
        at=_segments,
        needs=_needs,
        params=Segments,
        gaussian="about the share of points that are of the class",
        per_point="mean score of the pairs the token is in",
    ),
)
"""Every measure of this question."""
