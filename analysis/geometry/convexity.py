"""Whether what belongs together lies together: no foreign points on the way between two of a class."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int, Int64
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from analysis.errors import AnalysisError

INNER = 10
"""Points between the two ends of a segment."""
LONE = -9999
"""scipy's sign that nothing comes before a point on a path."""


@dataclass(frozen=True, eq=False)
class Paths:
    """Shortest paths from some points to all others."""

    starts: Int64[np.ndarray, " start"]
    before: Int[np.ndarray, "start point"]
    """The point before each on the way from the start; `LONE` at the start and where no way leads."""


@dataclass(frozen=True, eq=False)
class Convexity:
    """Scores of pairs of points of one class."""

    pairs: Int64[np.ndarray, "pair 2"]
    """Numbers of the two points."""
    scores: Float64[np.ndarray, " pair"]
    """Share of what lies between them that is of their class, 0 to 1."""
    connected: float
    """Share of the pairs between which there is a way."""

    def of_classes(self, classes: Int[np.ndarray, " point"]) -> dict[int, float]:
        """Mean score of each class that has pairs."""
        own = classes[self.pairs[:, 0]]
        return {int(each): float(self.scores[own == each].mean()) for each in np.unique(own)}

    def mean(self, classes: Int[np.ndarray, " point"]) -> float:
        """Mean over classes, each counting the same."""
        return float(np.mean(list(self.of_classes(classes).values())))


def shortest_paths(
    near: Int[np.ndarray, "point k"],
    distances: Float[np.ndarray, "point k"],
    starts: Int64[np.ndarray, " start"],
) -> Paths:
    """Shortest ways over edges between near points, each edge as long as the points are apart.

    There is an edge if one of the two is among the other's neighbours.

    Args:
        near: numbers of each point's neighbours.
        distances: to them, above 0.
        starts: where ways begin.
    """
    count, k = near.shape
    rows = np.repeat(np.arange(count), k)
    one_way = csr_matrix((distances.ravel().astype(np.float64), (rows, near.ravel())), shape=(count, count))
    graph = one_way.maximum(one_way.T)
    return Paths(starts, dijkstra(graph, directed=False, indices=starts, return_predecessors=True)[1])


def path(paths: Paths, start: int, end: int) -> tuple[int, ...]:
    """The points on the way from one of the starts, both ends among them; empty where no way leads."""
    before = paths.before[int(np.flatnonzero(paths.starts == start)[0])]
    if start != end and before[end] == LONE:
        return ()
    found = [end]
    while found[-1] != start:
        found.append(int(before[found[-1]]))
    return tuple(reversed(found))


def graph_convexity(
    paths: Paths, pairs: Int64[np.ndarray, "pair 2"], classes: Int[np.ndarray, " point"]
) -> Convexity:
    """Share of the points strictly between two of a class, on the shortest way over neighbours, that are of it.

    Neighbours count as 1, pairs without a way between them as 0.

    Args:
        paths: from the first point of every pair.
        pairs: of two different points of one class.
        classes: of every point.

    Source: Tětková et al. 2023, arXiv 2305.17154.
    Misleads when: the graph falls apart, as pairs without a way count as 0; a few points are near everything, so
        that all ways lead through them; one class is much larger than the rest, which alone makes its score high.
    """
    row = np.searchsorted(paths.starts, pairs[:, 0])
    own, at = classes[pairs[:, 0]], paths.before[row, pairs[:, 1]]
    connected = at != LONE
    inside, between = np.zeros(len(pairs)), np.zeros(len(pairs))
    going = connected & (at != pairs[:, 0])
    while going.any():
        between[going] += 1
        inside[going] += classes[at[going]] == own[going]
        at[going] = paths.before[row[going], at[going]]
        going &= at != pairs[:, 0]
    scores = np.where(between > 0, inside / np.maximum(between, 1), 1.0) * connected
    return Convexity(pairs, scores, float(connected.mean()))


def euclidean_convexity(
    states: Float[np.ndarray, "point d_model"],
    pairs: Int64[np.ndarray, "pair 2"],
    classes: Int[np.ndarray, " point"],
    k: int = 10,
    inner: int = INNER,
) -> Convexity:
    """Share of the places on the straight line between two of a class that a probe takes for the class.

    The probe is a vote of the k nearest points other than the two ends. A linear probe would say nothing: its
    regions are convex by construction, so that every line between two points that it recognises scores 1.

    Args:
        states: of every point.
        pairs: of two different points of one class.
        classes: of every point, numbered from 0.
        k: votes.
        inner: places, evenly between the ends.

    Raises:
        AnalysisError: there are not more than k + 1 points.

    Source: Tětková et al. 2023, arXiv 2305.17154 (who ask the rest of the network instead of a probe).
    Misleads when: classes differ in size or in spread: votes near the middle go to the larger or denser one.
    """
    if len(states) < k + 2:
        raise AnalysisError(f"{k} votes need at least {k + 2} points; there are {len(states)}.")
    states = (states - states.mean(0)).astype(np.float32)
    products = states @ states.T
    squares = np.diag(products)
    share = (np.arange(1, inner + 1, dtype=np.float32) / (inner + 1))[:, None]
    scores = np.empty(len(pairs))
    for rows in np.array_split(np.arange(len(pairs)), max(1, len(pairs) // 64)):
        one, other = pairs[rows].T
        between = (1 - share) * products[one][:, None] + share * products[other][:, None]
        far = squares - 2 * between  # but for what is the same for all points
        for end in (one, other):
            far[np.arange(len(rows)), :, end] = np.inf
        found = _voted(far.reshape(-1, len(states)), classes, k).reshape(len(rows), inner)
        scores[rows] = (found == classes[one][:, None]).mean(1)
    return Convexity(pairs, scores, 1.0)


def vote_accuracy(
    states: Float[np.ndarray, "point d_model"], classes: Int[np.ndarray, " point"], k: int = 10
) -> float:
    """Share of the points, each class counting the same, that the vote of their k nearest others recognises."""
    states = (states - states.mean(0)).astype(np.float32)
    far = np.einsum("ij,ij->i", states, states) - 2 * (states @ states.T)
    np.fill_diagonal(far, np.inf)
    right = _voted(far, classes, k) == classes
    return float(np.mean([right[classes == each].mean() for each in np.unique(classes)]))


def pairs_within(
    classes: Int[np.ndarray, " point"],
    wanted: Int[np.ndarray, " class"],
    starts: Int64[np.ndarray, " start"],
    most: int,
    seed: int,
) -> Int64[np.ndarray, "pair 2"]:
    """Pairs of two different points of one class, drawn evenly over the starts of each wanted class.

    Args:
        classes: of every point.
        wanted: classes that take part.
        starts: points with which pairs begin.
        most: pairs of each class, at most; all there are, if they are fewer.
        seed: of the draw.
    """
    random, found = np.random.default_rng(seed), []
    for each in wanted:
        members, own = np.flatnonzero(classes == each), starts[classes[starts] == each]
        if len(own) and len(members) > 1:
            ends = min(len(members) - 1, -(-most // len(own)))
            drawn = [random.permutation(members[members != start])[:ends] for start in own]
            both = np.stack([np.repeat(own, ends), np.concatenate(drawn)], 1)
            found.append(both[np.sort(random.permutation(len(both))[:most])])
    return np.concatenate(found).astype(np.int64) if found else np.empty((0, 2), np.int64)


def _voted(far: np.ndarray, classes: np.ndarray, k: int) -> np.ndarray:
    """The class most of the k nearest are of; of equally many that of the nearer ones."""
    near = np.argpartition(far, k - 1, axis=1)[:, :k]
    order = np.argsort(np.take_along_axis(far, near, 1), axis=1)
    votes = classes[np.take_along_axis(near, order, 1)]
    weight = 1 + 0.5 ** np.arange(1.0, k + 1)  # all that is added is less than one vote
    count = int(classes.max()) + 1
    table = np.zeros((len(far), count))
    np.add.at(table, (np.arange(len(far))[:, None], votes), weight)
    return table.argmax(1)
