"""Lobes: groups of features that fire in the same stretches of text, and whether they also point alike."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64
from threadpoolctl import threadpool_limits

from analysis.dictionaries.whole.spectral import by_angle, spectral
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.probing.logistic import logistic

SOURCE = "Li, Michaud, Baek, Engels, Sun & Tegmark 2024 (The Geometry of Concepts), arXiv 2410.19750"
MISLEADS = (
    "Texts are short: neighbouring chunks are then of different texts, and lobes are topics of the sample. Clustering "
    "always returns as many lobes as were asked for. Too few chunks make rare features fall together by chance."
)
DENSE = 0.1
"""Share of tokens above which a feature is too frequent to tell stretches of text apart."""
FEWEST_CHUNKS = 5
"""A feature that fires in fewer is left out, and so is one that misses fewer."""
SHUFFLES = 100
"""Of one side of the comparison with angles."""
GUESSES = 4
"""Probes on shuffled lobes."""
HELD_OUT = 0.25


@dataclass(frozen=True, eq=False)
class Lobes:
    """The features of a dictionary parted by what they fire with."""

    features: Int64[np.ndarray, " feature"]
    """Numbers of those that take part, ascending."""
    lobe: Int64[np.ndarray, " feature"]
    """Of each; 0 is the largest."""
    angle: Int64[np.ndarray, " feature"]
    """Its cluster by the angles between directions, as many."""
    count: int
    """Lobes."""
    chunks: int
    """Of text."""
    too_dense: int
    """Features that fire at more than a tenth of tokens."""
    too_rare: int
    """Features that fire in too few chunks, or miss too few."""
    within: float
    """Mean phi of different features of one lobe, -1 to 1."""
    between: float
    """The same of features of different lobes."""
    within_null: float
    """Mean phi within clusters of the same features when each one's chunks are dealt anew."""
    agreement: float
    """Adjusted mutual information of lobes and clusters of angles: 1 if they are the same, 0 by chance."""
    agreement_null: tuple[float, ...]
    """The same with lobes shuffled among features."""
    told: float
    """Balanced accuracy of telling the lobe of held-out features from their direction, 0 to 1."""
    told_null: tuple[float, ...]
    """The same for shuffled lobes."""

    def __post_init__(self):
        for values in (self.features, self.lobe, self.angle):
            values.flags.writeable = False


@threadpool_limits.wrap(limits=1, user_api="blas")
def phi(fired: Bool[np.ndarray, "feature chunk"]) -> Float32[np.ndarray, "feature feature"]:
    """The phi coefficient of every pair of features: the correlation of whether they fire in the same chunks.

    (n11 n00 - n10 n01) / sqrt(n1. n0. n.1 n.0)

    Args:
        fired: whether a feature fires anywhere in a chunk.

    Returns:
        -1 (never together) over 0 (independent, give or take one over the root of the chunks) to 1 (always together);
        0 with a feature that fires in no chunk or in all.

    Source: Li et al. 2024, arXiv 2410.19750, section on the brain scale.
    Misleads when: chunks are longer than texts, or a feature fires in a handful of chunks.
    """
    count = fired.shape[1]
    bits = fired.astype(np.float32)
    ones = bits.sum(1, dtype=np.float64)
    table = bits @ bits.T
    table *= count
    table -= np.outer(ones, ones).astype(np.float32)
    spread = np.sqrt(ones * (count - ones))
    inverse = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0).astype(np.float32)
    table *= inverse[:, None]
    table *= inverse[None]
    return np.clip(table, -1, 1, out=table)


def lobes(
    fired: Bool[np.ndarray, "feature chunk"],
    directions: Float32[np.ndarray, "feature d_model"],
    frequency: Float[np.ndarray, " feature"],
    count: int = 3,
    seed: int = 0,
    report: Report = silent,
) -> Lobes:
    """Part features by spectral clustering of phi + 1, and compare with their directions.

    Args:
        fired: whether a feature fires anywhere in a chunk of text.
        directions: of all features.
        frequency: share of tokens at which each fires, 0 to 1.
        count: lobes, 2 to 20.
        seed: of the clustering, the shuffles and the split.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: too few features are neither too frequent nor too rare.

    Source: Li et al. 2024, arXiv 2410.19750.
    Misleads when: see `MISLEADS`.
    """
    if not 2 <= count <= 20:
        raise AnalysisError(f"A dictionary is parted into 2 to 20 lobes; given {count}.")
    taken, too_dense, too_rare = taking_part(fired, frequency)
    if len(taken) < 4 * count:
        raise AnalysisError(
            f"Only {len(taken)} features fire often enough and not too often to be parted into {count} lobes; at least "
            f"{4 * count} are needed. Gather evidence over more text, or ask for fewer lobes."
        )
    bits, rows = fired[taken], np.ascontiguousarray(directions[taken])
    random = np.random.default_rng(seed)
    report("Counting who fires with whom", 0, 5)
    together = phi(bits)
    report("Parting features", 1, 5)
    own = spectral(together + 1, count, seed)
    inside, outside = _mean_phi(together, own)
    report("Parting features that fire at random", 2, 5)
    by_chance = phi(random.permuted(bits, axis=1))
    inside_null, _ = _mean_phi(by_chance, spectral(by_chance + 1, count, seed))
    del together, by_chance
    report("Parting directions", 3, 5)
    angle = spectral(by_angle(rows), count, seed)
    agreement, shuffled = agreements(own, angle, random)
    report("Telling lobes from directions", 4, 5)
    told, guessed = _told(rows, own, count, random)
    return Lobes(
        taken, own, angle, count, fired.shape[1], too_dense, too_rare, inside, outside, inside_null, agreement,
        shuffled, told, guessed,
    )  # fmt: skip


def taking_part(
    fired: Bool[np.ndarray, "feature chunk"], frequency: Float[np.ndarray, " feature"]
) -> tuple[Int64[np.ndarray, " taken"], int, int]:
    """Numbers of the features that can tell stretches of text apart, and how many fire too often and too rarely."""
    ones = fired.sum(1)
    dense = frequency > DENSE
    rare = ~dense & ((ones < FEWEST_CHUNKS) | (fired.shape[1] - ones < FEWEST_CHUNKS))
    return np.flatnonzero(~dense & ~rare).astype(np.int64), int(dense.sum()), int(rare.sum())


def agreements(
    one: Int64[np.ndarray, " feature"], other: Int64[np.ndarray, " feature"], random: np.random.Generator
) -> tuple[float, tuple[float, ...]]:
    """Adjusted mutual information of two partitions, and with the first one shuffled.

    Source: Vinh, Epps & Bailey 2010, Journal of Machine Learning Research 11.
    """
    from sklearn.metrics import adjusted_mutual_info_score as agreement

    null = tuple(float(agreement(random.permutation(one), other)) for _ in range(SHUFFLES))
    return float(agreement(one, other)), null


def _mean_phi(
    together: Float32[np.ndarray, "feature feature"], labels: Int64[np.ndarray, " feature"]
) -> tuple[float, float]:
    """Mean over pairs of different features within clusters, and between them; NaN where there are none."""
    member = np.eye(labels.max() + 1, dtype=np.float32)[labels]
    sums = (member.T @ together @ member).astype(np.float64)
    sizes = member.sum(0, dtype=np.float64)
    inside, pairs = np.trace(sums) - np.trace(together), (sizes * (sizes - 1)).sum()
    across, others = sums.sum() - np.trace(sums), sizes.sum() ** 2 - (sizes**2).sum()
    return (float(inside / pairs) if pairs else float("nan")), (
        float(across / others) if others else float("nan")
    )


def _told(
    rows: Float32[np.ndarray, "feature d_model"],
    own: Int64[np.ndarray, " feature"],
    count: int,
    random: np.random.Generator,
) -> tuple[float, tuple[float, ...]]:
    """Balanced accuracy on held-out features of a probe of lobes, and of probes of shuffled ones."""
    labellings = np.stack([own, *(random.permutation(own) for _ in range(GUESSES))])
    held = random.random(len(rows)) < HELD_OUT
    states = rows.astype(np.float64)
    probes = logistic(states[~held], labellings[:, ~held], count, balanced=True)
    scores = [
        _balanced(labels[held], probe.predict(states[held]))
        for probe, labels in zip(probes, labellings, strict=True)
    ]
    return scores[0], tuple(scores[1:])


def _balanced(true: np.ndarray, said: np.ndarray) -> float:
    """Mean share of each class that is told right, over the classes that occur."""
    return float(np.mean([(said[true == each] == each).mean() for each in np.unique(true)]))
