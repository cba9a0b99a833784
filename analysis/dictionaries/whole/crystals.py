"""Crystals: whether pairs of words in one relation make parallelograms, before and after what distracts is taken out.

With a : b as c : d, b - a and d - c are one vector. Numbers that have nothing to do with the relation, such as the
length of a word, bend the parallelogram; linear discriminants of the differences leave them out.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64
from threadpoolctl import threadpool_limits

from analysis.captures import capture
from analysis.corpora.corpus import Corpus
from analysis.dictionaries.whole.relations import FRAMES, RELATIONS
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel

SOURCE = "Li, Michaud, Baek, Engels, Sun & Tegmark 2024 (The Geometry of Concepts), arXiv 2410.19750"
MISLEADS = (
    "Differences of one relation also agree where only the two kinds of word differ (all countries from all capitals): "
    "the partners dealt anew show how much that is. Discriminants of few pairs part anything they were fitted to, so "
    "they are judged on held-out pairs only."
)
FOLDS = 2
MIXES = 5
"""Draws of each control."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """States of both words of many pairs."""

    first: Float32[np.ndarray, "pair d"]
    second: Float32[np.ndarray, "pair d"]
    relation: Int64[np.ndarray, " pair"]
    names: tuple[str, ...]
    """Of the relations."""
    words: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Crystals:
    """How much the differences of one relation agree, before and after."""

    names: tuple[str, ...]
    words: tuple[tuple[str, str], ...]
    relation: Int64[np.ndarray, " pair"]
    cosine: float
    """Mean cosine between differences of one relation, -1 to 1, of states as they are."""
    cosine_between: float
    """Of different relations."""
    before: float
    """Silhouette of held-out differences by relation: 1 (tight and apart) over 0 to -1."""
    after: float
    """The same within the discriminants that were fitted to the other pairs."""
    repaired_before: tuple[float, ...]
    """With partners dealt anew within each relation: what the two kinds of word alone give."""
    repaired_after: tuple[float, ...]
    shuffled_after: tuple[float, ...]
    """With relations shuffled among pairs: what discriminants make of nothing."""
    picture_before: Float32[np.ndarray, "pair 2"]
    """Differences along their two principal components."""
    picture_after: Float32[np.ndarray, "pair 2"]
    """One half of the differences along the first discriminants of the other half; NaN for the pairs of that one."""

    def __post_init__(self):
        for values in (self.relation, self.picture_before, self.picture_after):
            values.flags.writeable = False


@dataclass(frozen=True, eq=False)
class WordStates:
    """The mean state of every word of the built-in relations, layer by layer."""

    words: tuple[str, ...]
    layers: tuple[int, ...]
    values: Float32[np.ndarray, "layer word d_model"]

    def at(self, layer: int) -> Float32[np.ndarray, "word d_model"]:
        """The states of one layer."""
        return self.values[self.layers.index(layer)]


def word_states(model: LoadedModel, report: Report = silent) -> WordStates:
    """Read every word of the built-in relations at the end of a few plain sentences.

    Args:
        model: the model.
        report: progress; raises `Cancelled` to stop.
    """
    words = tuple(dict.fromkeys(word for pairs in RELATIONS.values() for pair in pairs for word in pair))
    texts = tuple(frame.format(word) for word in words for frame in FRAMES)
    corpus = Corpus("relations", "Words of built-in relations", texts, source="Written for this project.")
    states = capture(model, corpus, "last", report=report)
    values = np.stack(
        [states.at(layer).reshape(len(words), len(FRAMES), -1).mean(1) for layer in states.layers]
    )
    return WordStates(words, states.layers, values)


def pairs_of(words: tuple[str, ...], states: Float32[np.ndarray, "word d"]) -> Pairs:
    """Both ends of every pair of the built-in relations."""
    at = {word: number for number, word in enumerate(words)}
    told = [(number, pair) for number, pairs in enumerate(RELATIONS.values()) for pair in pairs]
    return Pairs(
        states[[at[one] for _, (one, _) in told]],
        states[[at[other] for _, (_, other) in told]],
        np.array([number for number, _ in told], np.int64),
        tuple(RELATIONS),
        tuple(pair for _, pair in told),
    )


@threadpool_limits.wrap(limits=1, user_api="blas")
def crystals(pairs: Pairs, seed: int = 0, mixes: int = MIXES) -> Crystals:
    """Silhouettes of differences by relation, before and after discriminants, beside controls.

    The pairs of every relation are parted in two halves. Discriminants are fitted to the differences of one and judged
    on those of the other; what is told is the mean of both ways.

    Args:
        pairs: of at least two relations with four pairs each.
        seed: of the halves and of the controls.
        mixes: draws of each control.

    Raises:
        AnalysisError: fewer relations or pairs.

    Source: Li et al. 2024, arXiv 2410.19750 (the atom scale).
    Misleads when: see `MISLEADS`.
    """
    counts = np.bincount(pairs.relation, minlength=len(pairs.names))
    if len(counts) < 2 or counts.min() < 4:
        raise AnalysisError(
            f"Parallelograms are looked for in at least 2 relations of 4 pairs each; given {counts.tolist()} pairs."
        )
    random = np.random.default_rng(seed)
    halves = _halves(pairs.relation, random)
    steps = _steps(pairs)
    same, apart = _cosines(steps, pairs.relation)
    before, after, drawn = _silhouettes(steps, pairs.relation, halves)
    again = [_silhouettes(_dealt(pairs, random), pairs.relation, halves)[:2] for _ in range(mixes)]
    nothing = [_silhouettes(steps, random.permutation(pairs.relation), halves)[1] for _ in range(mixes)]
    return Crystals(
        pairs.names, pairs.words, pairs.relation.copy(), same, apart, before, after,
        tuple(each[0] for each in again), tuple(each[1] for each in again), tuple(nothing),
        _two(steps), drawn,
    )  # fmt: skip


def _steps(pairs: Pairs) -> Float64[np.ndarray, "pair d"]:
    return pairs.second.astype(np.float64) - pairs.first


def _dealt(pairs: Pairs, random: np.random.Generator) -> Float64[np.ndarray, "pair d"]:
    """Differences with other partners of the same relation."""
    order = np.arange(len(pairs.relation))
    for relation in np.unique(pairs.relation):
        own = random.permutation(np.flatnonzero(pairs.relation == relation))
        order[own] = np.roll(own, 1)  # nobody keeps their partner
    return pairs.second[order].astype(np.float64) - pairs.first


def _halves(relation: Int64[np.ndarray, " pair"], random: np.random.Generator) -> Int64[np.ndarray, " pair"]:
    """The half of each pair: every relation is parted evenly."""
    half = np.empty(len(relation), np.int64)
    for each in np.unique(relation):
        own = np.flatnonzero(relation == each)
        half[random.permutation(own)] = np.arange(len(own)) % FOLDS
    return half


def _silhouettes(
    steps: Float64[np.ndarray, "pair d"],
    relation: Int64[np.ndarray, " pair"],
    halves: Int64[np.ndarray, " pair"],
) -> tuple[float, float, Float32[np.ndarray, "pair 2"]]:
    """Of held-out differences before and after, and these after as a picture."""
    from sklearn.metrics import silhouette_score

    before, after, drawn = [], [], np.full((len(steps), 2), np.nan, np.float32)
    for fold in range(FOLDS):
        held = halves == fold
        if len(np.unique(relation[held])) < 2 or len(np.unique(relation[~held])) < 2:
            continue
        through = _discriminants(steps[~held], relation[~held])
        seen = through(steps[held])
        before.append(silhouette_score(steps[held], relation[held]))
        after.append(silhouette_score(seen, relation[held]))
        if fold == 0:  # the other half's discriminants are other axes
            drawn[held] = np.pad(seen[:, :2], ((0, 0), (0, max(0, 2 - seen.shape[1]))))
    return float(np.mean(before)), float(np.mean(after)), drawn


def _discriminants(steps: Float64[np.ndarray, "pair d"], relation: Int64[np.ndarray, " pair"]):
    """A map to the linear discriminants of differences, fitted within the space they span.

    The covariance within relations is shrunk (Ledoit & Wolf 2004): there are fewer pairs than numbers.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    middle = steps.mean(0)
    _, sizes, axes = np.linalg.svd(steps - middle, full_matrices=False)
    axes = axes[sizes > 1e-6 * max(sizes[0], 1e-30)]
    scale = np.sqrt(np.mean(sizes**2)) or 1.0
    found = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")
    found.fit((steps - middle) @ axes.T / scale, relation)
    return lambda given: _fixed(found.transform((given - middle) @ axes.T / scale))


def _fixed(seen: Float64[np.ndarray, "pair axis"]) -> Float64[np.ndarray, "pair axis"]:
    """The largest coordinate of every axis positive."""
    far = np.abs(seen).argmax(0)
    return seen * np.where(seen[far, np.arange(seen.shape[1])] < 0, -1, 1)


def _cosines(
    steps: Float64[np.ndarray, "pair d"], relation: Int64[np.ndarray, " pair"]
) -> tuple[float, float]:
    """Mean over pairs of different differences of one relation, and of different ones."""
    length = np.linalg.norm(steps, axis=1, keepdims=True)
    rows = steps / np.where(length > 0, length, 1)
    table = rows @ rows.T
    same = relation[:, None] == relation[None]
    apart = ~same
    np.fill_diagonal(same, False)
    return float(table[same].mean()), float(table[apart].mean())


def _two(steps: Float64[np.ndarray, "pair d"]) -> Float32[np.ndarray, "pair 2"]:
    left, sizes, _ = np.linalg.svd(steps - steps.mean(0), full_matrices=False)
    return _fixed(left[:, :2] * sizes[:2]).astype(np.float32)
