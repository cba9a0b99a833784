"""Clusters of directions that fire as one thing of several dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64
from scipy.sparse import csr_array, sparray
from threadpoolctl import threadpool_limits

from analysis.dictionaries.whole.planes import Plane, irreducibility, planes
from analysis.dictionaries.whole.spectral import unit
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.maps.twins import gaussian

SOURCE = "Engels, Michaud, Liao, Gurnee & Tegmark 2024 (Not All Language Model Features Are Linear), arXiv 2405.14860"
MISLEADS = (
    "A cluster of a few hundred points has a shape by chance: compare with the normal cloud of its own covariance and "
    "with random clusters. A ring of a few tokens that come again and again is a mixture of points, not a circle. The "
    "dictionary may have split a circle over features that are not near each other; it is then not found here."
)
NEAREST = 2
"""Neighbours of each feature that may be joined to it."""
AXES = 5
"""Principal components of a cluster that are looked at."""
FEWEST, LARGEST = 3, 50
"""Features of a cluster."""
FEWEST_POINTS = 200
"""Tokens at which something of a cluster fires."""
MOST_POINTS = 1500
"""Of more, so many are drawn."""
RANDOM = 40
"""Random clusters that the scores are compared with."""


@dataclass(frozen=True, eq=False)
class Shape:
    """The part of the states that one cluster of features makes up."""

    features: tuple[int, ...]
    tokens: Int64[np.ndarray, " point"]
    """Numbers of the tokens at which something of it fires, as drawn."""
    firing: int
    """How many there are of them in all."""
    coordinates: Float32[np.ndarray, "point axis"]
    """Along the principal components of the part."""
    shares: tuple[float, ...]
    """Of the part's variance, along each."""
    planes: tuple[Plane, ...]
    normal: tuple[Plane, ...]
    """The same of as many normal points with the same covariance."""

    def __post_init__(self):
        self.coordinates.flags.writeable = False
        self.tokens.flags.writeable = False

    @property
    def score(self) -> float:
        """Irreducibility, in bits."""
        return irreducibility(self.planes)

    @property
    def normal_score(self) -> float:
        """That of the normal points."""
        return irreducibility(self.normal)


@dataclass(frozen=True, eq=False)
class Shapes:
    """All clusters of a dictionary, the most irreducible first, beside random ones."""

    found: tuple[Shape, ...]
    random: tuple[Shape, ...]
    """Clusters of the same sizes, of features drawn at random."""
    clusters: int
    """Before those were left out that fire too rarely."""
    too_large: int
    """Clusters of more than 50 features."""

    def p(self, shape: Shape) -> float:
        """Share of random clusters, this one counted among them, that score at least as much."""
        return (1 + sum(each.score >= shape.score for each in self.random)) / (1 + len(self.random))


def joined(
    directions: Float32[np.ndarray, "feature d_model"], least: float = 0.5, nearest: int = NEAREST
) -> tuple[tuple[int, ...], ...]:
    """Connected groups of the graph that joins every feature to its nearest ones above some cosine.

    Args:
        directions: of all features.
        least: cosine, from which on two are joined.
        nearest: how many of its nearest each is joined to.

    Returns:
        Groups of at least three features, the largest first.

    Source: Engels et al. 2024, arXiv 2405.14860 (Mistral: the two nearest above .5).
    """
    from scipy.sparse.csgraph import connected_components

    rows = unit(directions)
    starts, ends = [], []
    for begin in range(0, len(rows), 512):
        cosines = rows[begin : begin + 512] @ rows.T
        cosines[np.arange(len(cosines)), np.arange(begin, begin + len(cosines))] = -2
        near = np.argpartition(-cosines, range(min(nearest, len(rows) - 1)), axis=1)[:, :nearest]
        close = np.take_along_axis(cosines, near, 1) >= least
        starts.append(begin + np.nonzero(close)[0])
        ends.append(near[close])
    one, other = np.concatenate(starts), np.concatenate(ends)
    graph = csr_array((np.ones(len(one), np.float32), (one, other)), shape=(len(rows),) * 2)
    _, labels = connected_components(graph, directed=False)
    return _large(labels.astype(np.int64))


def alike(
    directions: Float32[np.ndarray, "feature d_model"], least: float = 0.2
) -> tuple[tuple[int, ...], ...]:
    """Groups in which features are alike on average: average linkage of cosines.

    Unlike a graph of nearest ones, no chain of features joins what is far apart.

    Args:
        directions: of all features.
        least: mean cosine between two groups, from which on they are one.

    Returns:
        Groups of at least three features, the largest first.

    Source: average linkage, Sokal & Michener 1958.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    rows = unit(directions)
    apart = (1 - rows @ rows.T).astype(np.float64)
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), "average")
    return _large(fcluster(tree, 1 - least, "distance").astype(np.int64))


def _large(labels: Int64[np.ndarray, " feature"]) -> tuple[tuple[int, ...], ...]:
    """Members of every group of at least three, the largest first."""
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    found = [tuple(each.tolist()) for each in groups if len(each) >= FEWEST]
    return tuple(sorted(found, key=lambda each: (-len(each), each)))


@threadpool_limits.wrap(limits=1, user_api="blas")
def shape(
    activations: sparray,
    directions: Float32[np.ndarray, "feature d_model"],
    features: Sequence[int],
    seed: int = 0,
) -> Shape | None:
    """What a cluster of features makes of the states where any of them fires, along its principal components.

    x_S = sum over the cluster of a_i d_i, at the tokens where some a_i is not 0.

    Args:
        activations: (token, feature), sparse by feature (csc) or token.
        directions: of all features.
        features: the cluster.
        seed: of the tokens that are drawn, and of the normal points.

    Returns:
        None where it fires at fewer than 200 tokens, or where its part has fewer than two dimensions.

    Source: Engels et al. 2024, arXiv 2405.14860.
    Misleads when: few different tokens make the points.
    """
    own = activations[:, list(features)].tocsr()
    where = np.flatnonzero(np.diff(own.indptr))
    if len(where) < FEWEST_POINTS:
        return None
    random = np.random.default_rng(seed)
    drawn = where if len(where) <= MOST_POINTS else np.sort(random.choice(where, MOST_POINTS, replace=False))
    part = own[drawn].toarray() @ directions[list(features)]
    coordinates, shares = _principal(part)
    if coordinates.shape[1] < 2:
        return None
    twin = gaussian(coordinates, seed)
    return Shape(
        tuple(features), drawn.astype(np.int64), len(where), coordinates, shares, planes(coordinates),
        planes(twin),
    )  # fmt: skip


def shapes(
    activations: sparray,
    directions: Float32[np.ndarray, "feature d_model"],
    clusters: Sequence[Sequence[int]],
    seed: int = 0,
    report: Report = silent,
) -> Shapes:
    """The shape of every cluster, beside clusters of features drawn at random.

    Args:
        activations: (token, feature).
        directions: of all features.
        clusters: groups of features.
        seed: of everything that is drawn.
        report: progress in clusters; raises `Cancelled` to stop.

    Raises:
        AnalysisError: no cluster fires often enough.

    Source: Engels et al. 2024, arXiv 2405.14860.
    Misleads when: see `MISLEADS`.
    """
    columns = activations.tocsc()
    taken = [each for each in clusters if len(each) <= LARGEST]
    found = []
    for number, each in enumerate(taken):
        report("Looking at clusters", number, len(taken) + RANDOM)
        found.append(shape(columns, directions, each, seed))
    seen = sorted((each for each in found if each), key=lambda each: (-each.score, each.features))
    if not seen:
        raise AnalysisError(
            f"None of {len(clusters)} clusters of at least {FEWEST} features fires at {FEWEST_POINTS} tokens. Join "
            "features of a smaller cosine, or gather evidence over more text."
        )
    report("Looking at random clusters", len(taken), len(taken) + RANDOM)
    return Shapes(
        tuple(seen),
        _random(columns, directions, seen, seed, report),
        len(clusters),
        len(clusters) - len(taken),
    )


def _random(columns, directions, seen: list[Shape], seed: int, report: Report) -> tuple[Shape, ...]:
    """Clusters of the same sizes in turn, of features that fire at all."""
    random = np.random.default_rng(seed + 1)
    alive = np.flatnonzero(np.diff(columns.indptr))
    found = []
    for number in range(RANDOM):
        report("Looking at random clusters", number, RANDOM)
        size = min(len(seen[number % len(seen)].features), len(alive))
        drawn = sorted(random.choice(alive, size, replace=False).tolist())
        found.append(shape(columns, directions, drawn, seed + number))
    return tuple(each for each in found if each)


def _principal(
    part: Float32[np.ndarray, "point d_model"],
) -> tuple[Float32[np.ndarray, "point axis"], tuple[float, ...]]:
    """Coordinates along at most five principal components, each one's largest coordinate positive."""
    centred = part.astype(np.float64) - part.mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    kept = min(AXES, int((sizes > 1e-6 * max(sizes[0], 1e-30)).sum()))
    coordinates = left[:, :kept] * sizes[:kept]
    far = np.abs(coordinates).argmax(0)
    coordinates *= np.where(coordinates[far, np.arange(kept)] < 0, -1, 1)
    shares = sizes**2 / (sizes**2).sum() if sizes.any() else sizes
    return coordinates.astype(np.float32), tuple(float(each) for each in shares[:kept])
