"""Words that follow each other in a circle (days, months): whether their mean states do as well."""

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from analysis.captures import capture
from analysis.data.labelled_sets import labelled_set
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.labelled import LabelledSet
from analysis.models.loaded import LoadedModel
from analysis.samples import usual_norms

SOURCE = "Engels, Michaud, Liao, Gurnee & Tegmark 2024 (Not All Language Model Features Are Linear), arXiv 2405.14860"
MISLEADS = (
    "Few points always look somewhat circular in a plane: go by the p value, not by the picture. Layers are not "
    "independent tests. The words were read in built-in sentences; in others the order may not show."
)
SETS = {"days": "days of the week", "months": "months of the year"}
"""Labelled sets whose classes follow each other in a circle."""
EXACT_UP_TO = 8
"""Words up to which all orders are tried."""
ORDERS = 20_000
"""Drawn orders, of more words."""
AXES = 4


@dataclass(frozen=True, eq=False)
class Circle:
    """The words of a cycle in the plane of two principal components of their mean states, at one layer."""

    layer: int
    points: Float32[np.ndarray, "word 2"]
    share: float
    """Of the variance between words that lies in the plane, 0 to 1."""
    length: float
    """Of the way from word to word in their order and back, over its mean for all orders: 1 is what chance gives."""
    p: float
    """Share of all orders whose way is no longer; the order itself counts, so it is never 0."""
    in_order: bool
    """True if the words' angles around the middle follow their order exactly, either way round."""

    def __post_init__(self):
        self.points.flags.writeable = False


@dataclass(frozen=True, eq=False)
class Cycle:
    """A circle at every layer."""

    id: str
    words: tuple[str, ...]
    sentences: int
    orders: int
    """Orders that were compared."""
    exact: bool
    """True if these are all there are."""
    means: Float32[np.ndarray, "layer word d_model"]
    layers: tuple[int, ...]
    first: tuple[Circle, ...]
    """In the plane of components 1 and 2, one per layer."""
    second: tuple[Circle, ...]
    """In the plane of components 2 and 3."""


def cycle(model: LoadedModel, id: str, seed: int = 0, report: Report = silent) -> Cycle:
    """Read the words of a cycle in built-in sentences, and look for their order at every layer.

    Each word's state is the mean over sentences that all words share, read at the word's last token. Sentences that
    begin with the word, or where its state is an outlier of norm at some layer, are left out for all words: a first
    token is an attention sink, and one of them outweighs all others.

    Args:
        model: the model.
        id: `days` or `months`.
        seed: of the orders that are drawn.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there is no such cycle.

    Source: Engels et al. 2024, arXiv 2405.14860.
    Misleads when: see `MISLEADS`.
    """
    if id not in SETS:
        raise AnalysisError(f"There is no cycle {id!r}; there are {', '.join(SETS)}.")
    given = labelled_set(id)
    states = capture(model, given, "span", report=report)
    kept = shared(states.values, given)
    words = given.targets[kept]
    means = np.stack([word_means(states.at(layer)[kept], words) for layer in states.layers])
    orders = others(len(given.classes), seed)
    report("Trying orders", 0, 1)
    return Cycle(
        id, given.classes, len(kept) // len(given.classes), len(orders), len(given.classes) <= EXACT_UP_TO, means,
        states.layers,
        tuple(circle(mean, layer, orders, 0) for mean, layer in zip(means, states.layers, strict=True)),
        tuple(circle(mean, layer, orders, 1) for mean, layer in zip(means, states.layers, strict=True)),
    )  # fmt: skip


def shared(
    values: Float32[np.ndarray, "layer example d_model"], given: LabelledSet
) -> Int64[np.ndarray, " kept"]:
    """Examples of the sentences in which every word counts.

    Args:
        values: states of all examples.
        given: whose groups are sentences.

    Raises:
        AnalysisError: there is no such sentence.
    """
    counts = np.array([span is not None and span[0] > 0 for span in given.spans])
    norms = np.stack([np.linalg.norm(states, axis=1) for states in values])
    counts[counts] = usual_norms(norms[:, counts])
    spoilt = {group for group, usual in zip(given.groups, counts, strict=True) if not usual}
    kept = np.flatnonzero([group not in spoilt for group in given.groups])
    if not len(kept):
        raise AnalysisError("Every sentence has a word that is an attention sink; read the words in others.")
    return kept.astype(np.int64)


def word_means(
    states: Float32[np.ndarray, "example d_model"], words: Int64[np.ndarray, " example"]
) -> Float32[np.ndarray, "word d_model"]:
    """Mean state of every word."""
    return np.stack([states[words == each].mean(0) for each in range(int(words.max()) + 1)])


def circle(
    means: Float32[np.ndarray, "word d_model"],
    layer: int,
    orders: Int64[np.ndarray, "order word"],
    first: int = 0,
) -> Circle:
    """Words in the plane of two principal components, and whether they stand there in their order.

    Args:
        means: one row per word, in order.
        layer: whose states these are.
        orders: that are compared; the words' own is the first.
        first: number of the plane's first component, from 0.

    Raises:
        AnalysisError: fewer than four words.
    """
    if len(means) < 4:
        raise AnalysisError(f"The order of a circle is told by at least 4 words; given {len(means)}.")
    centred = means.astype(np.float64) - means.mean(0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    points = left[:, first : first + 2] * sizes[first : first + 2]
    far = np.abs(points).argmax(0)
    points *= np.where(points[far, [0, 1]] < 0, -1, 1)
    lengths = ways(points, orders)
    total = (sizes**2).sum()
    return Circle(
        layer,
        points.astype(np.float32),
        float((sizes[first : first + 2] ** 2).sum() / total) if total else float("nan"),
        float(lengths[0] / lengths.mean()) if lengths.any() else float("nan"),
        float((lengths <= lengths[0] * (1 + 1e-9)).mean()),
        in_order(points),
    )


def others(words: int, seed: int = 0) -> Int64[np.ndarray, "order word"]:
    """Orders in which a circle can be walked, the words' own first: all that differ, or many drawn at random.

    Where it begins and which way round it goes makes no difference: 7 words have 6! / 2 = 360 orders.
    """
    if words <= EXACT_UP_TO:
        found = [(0, *rest) for rest in permutations(range(1, words)) if rest[0] < rest[-1]]
        return np.array(found, np.int64)
    random = np.random.default_rng(seed)
    drawn = random.permuted(np.tile(np.arange(words), (ORDERS, 1)), axis=1)
    drawn[0] = np.arange(words)
    return drawn.astype(np.int64)


def fewest_p(words: int) -> float:
    """The smallest p value there can be."""
    return 2 / math.factorial(words - 1) if words <= EXACT_UP_TO else 1 / ORDERS


def ways(
    points: Float[np.ndarray, "word 2"], orders: Int64[np.ndarray, "order word"]
) -> Float64[np.ndarray, " order"]:
    """Length of the closed way through points in every order."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    return distances[orders, np.roll(orders, -1, axis=1)].sum(1)


def in_order(points: Float[np.ndarray, "word 2"]) -> bool:
    """Whether the angles of points around their mean follow their numbers, either way round."""
    centred = points - points.mean(0)
    angles = np.arctan2(centred[:, 1], centred[:, 0])
    rank = np.argsort(np.argsort(angles, kind="stable"), kind="stable")
    steps = np.diff(np.append(rank, rank[0])) % len(rank)
    return bool((steps == 1).all() or (steps == len(rank) - 1).all())
