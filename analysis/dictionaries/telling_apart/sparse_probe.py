"""k-sparse probes on features: how few tell classes apart, and whether they do better than the states' own numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float32, Float64, Int, Int64
from scipy.stats import rankdata

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.telling_apart.pooled import POOLS, Pooled, pooled
from analysis.errors import AnalysisError
from analysis.groups.membership import auc
from analysis.jobs import Report, silent
from analysis.labelled import LabelledSet
from analysis.models.loaded import LoadedModel
from analysis.probing.baselines import shuffled
from analysis.probing.linear import LinearProbe, class_means
from analysis.probing.logistic import logistic
from analysis.probing.measures import Score, balanced_accuracy, confusion
from analysis.probing.sparse import class_gaps
from analysis.probing.splits import parts
from analysis.results import Provenance

KS = (1, 2, 4, 8, 16, 32, 64)
PENALTY = 1.0
"""Of the regression on few numbers; they need little."""
SHUFFLES, DENSE_SHUFFLES = 10, 3
DRAWS = 200
"""Bootstrap samples of an interval, over held-out groups."""
SOURCE = "Gurnee et al. 2023, arXiv 2305.01610 (mean difference in pooled standard deviations)"
MISLEADS = (
    "Two features tell the same thing: both rank high, and the second adds nothing. A class that is one word is told "
    "by a feature of that word. A dense probe reads what no single feature holds, used by the model or not."
)


@dataclass(frozen=True)
class Told:
    """How well a probe tells held-out examples apart."""

    balanced: Score
    """Mean share of each class that is recognised, 0 to 1; chance is 1 over the number of classes."""
    auroc: Score
    """Chance that an example of a class scores higher for it than one of the others, mean over classes, 0 to 1."""


@dataclass(frozen=True, eq=False)
class FewScore:
    """What so many numbers tell."""

    k: int
    features: Told
    """Of the features that lie furthest apart among the examples learned from."""
    raw: Told
    """Of as many numbers of the raw state, chosen in the same way."""
    random: Told
    """Of as many features drawn by chance among those that ever fire."""
    shuffled: Float64[np.ndarray, "shuffle 2"]
    """Balanced accuracy and AUROC where features are chosen and weighed by shuffled labels."""
    weights: Float64[np.ndarray, "class k"]
    """Of the features' probe, on activations as they are."""


@dataclass(frozen=True, eq=False)
class SparseProbe:
    """How well few features tell classes apart, by how many are used."""

    classes: tuple[str, ...]
    scores: tuple[FewScore, ...]
    """By k, ascending."""
    dense: Told
    """Of a probe on all numbers of the raw state."""
    dense_shuffled: Float64[np.ndarray, "shuffle 2"]
    """Balanced accuracy and AUROC of that one on shuffled labels."""
    features: Int64[np.ndarray, " rank"]
    """The best ones, as many as the largest k; the first k are used."""
    gaps: Float64[np.ndarray, " rank"]
    """Distance of their class means, in standard deviations within classes, among the examples learned from."""
    means: Float64[np.ndarray, "class rank"]
    """Mean activation over those examples."""
    dimensions: Int64[np.ndarray, " dimension"]
    """The best numbers of the raw state."""
    learned: int
    """Examples learned from, and `held_out` those tested on; no text or group is on both sides."""
    held_out: int
    explained: float
    """Share of the variance of the tokens' states that the dictionary explains, at most 1."""
    provenance: Provenance

    @property
    def ks(self) -> tuple[int, ...]:
        """How many features each score used."""
        return tuple(score.k for score in self.scores)

    @property
    def chance(self) -> float:
        """Balanced accuracy of guessing."""
        return 1 / len(self.classes)

    def at(self, k: int) -> FewScore:
        """The score of so many features.

        Raises:
            AnalysisError: it was not tried.
        """
        if k not in self.ks:
            raise AnalysisError(f"{k} features were not tried; there are {', '.join(map(str, self.ks))}.")
        return self.scores[self.ks.index(k)]

    def needed(self) -> int | None:
        """The fewest features whose interval reaches the dense probe's balanced accuracy; None where none does."""
        good = [each.k for each in self.scores if each.features.balanced.high >= self.dense.balanced.value]
        return good[0] if good else None

    def table(self) -> pd.DataFrame:
        """One row per number of features."""
        rows = [
            {
                "k": each.k,
                "features": each.features.balanced.value,
                "from": each.features.balanced.low,
                "to": each.features.balanced.high,
                "raw numbers": each.raw.balanced.value,
                "random features": each.random.balanced.value,
                "shuffled labels, most": each.shuffled[:, 0].max(),
                "all raw numbers": self.dense.balanced.value,
                "AUROC, features": each.features.auroc.value,
                "AUROC, raw numbers": each.raw.auroc.value,
                "AUROC, random features": each.random.auroc.value,
                "AUROC, shuffled labels, most": each.shuffled[:, 1].max(),
                "AUROC, all raw numbers": self.dense.auroc.value,
            }
            for each in self.scores
        ]
        return pd.DataFrame(rows)

    def ranking(self) -> pd.DataFrame:
        """One row per feature, the best first."""
        most = self.scores[-1]
        spoken = np.array(self.classes)[most.weights.argmax(0)]
        frame = {"feature": self.features, "gap": self.gaps, "speaks for": spoken}
        frame |= {f"mean, {name}": self.means[number] for number, name in enumerate(self.classes)}
        return pd.DataFrame(frame)


def sparse_probe(
    model: LoadedModel,
    dictionary: Dictionary,
    given: LabelledSet,
    pool: str = "max",
    *,
    ks: Sequence[int] = KS,
    seed: int = 0,
    report: Report = silent,
) -> SparseProbe:
    """Rank features on one part of the examples, keep the best k, fit a probe on them, test it on the rest.

    Args:
        model: the model.
        dictionary: of this model.
        given: examples of classes; their groups stay on one side of the split.
        pool: one of `analysis.dictionaries.telling_apart.pooled.POOLS`.
        ks: how many features; those beyond what there are, are left out.
        seed: of the split, the shuffles and the features drawn by chance.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the set tells numbers, a class cannot be split by group, no `k` fits, or as for `pooled`.
    Source: Gurnee et al. 2023, arXiv 2305.01610.
    Misleads when: two features tell the same thing: both rank high, and the second adds nothing.
    """
    if not given.classes:
        raise AnalysisError(
            f"{given.name} tells numbers, and this probe tells classes apart. Choose examples with classes."
        )
    found = pooled(model, dictionary, given, pool, report)
    settings = (
        ("dictionary", f"{dictionary.name} ({dictionary.id})"),
        ("site", str(dictionary.site)),
        ("activation of an example", POOLS[pool]),
        ("examples", given.name),
        ("seed", str(seed)),
    )
    provenance = Provenance(
        model.title, model.revision, model.dtype_name, "k-sparse probe", SOURCE, MISLEADS, settings
    )
    return probed(found, given, provenance, ks=ks, seed=seed, report=report)


def probed(
    found: Pooled,
    given: LabelledSet,
    provenance: Provenance,
    *,
    ks: Sequence[int] = KS,
    seed: int = 0,
    report: Report = silent,
) -> SparseProbe:
    """The probe on examples that were read already; see `sparse_probe`."""
    given = given.taking(found.rows.tolist())
    divided = parts(given, seed=seed)
    able = [k for k in sorted(set(ks)) if 1 <= k <= found.values.shape[1]]
    if not able:
        raise AnalysisError(
            f"Give numbers of features from 1 to {found.values.shape[1]:,}; given {list(ks)}."
        )
    task = _Task(given.targets, len(given.classes), divided.held_out, divided.groups, seed)
    features, raw = _Ranked(task, found.values), _Ranked(task, found.states)
    alive = np.flatnonzero(found.fires.any(0))
    chance = np.random.default_rng(seed).permutation(alive)
    scores = []
    for number, k in enumerate(able):
        report(f"Probing with {k} feature{'s' if k > 1 else ''}", number, len(able) + 1)
        scores.append(_few(task, features, raw, chance, k))
    report("Probing all raw numbers", len(able), len(able) + 1)
    dense, *controls = task.fitted(found.states, [task.labels, *task.mixed[:DENSE_SHUFFLES]], None)
    top = features.order[: able[-1]]
    own = found.values[~divided.held_out][:, top].astype(np.float64)
    return SparseProbe(
        given.classes,
        tuple(scores),
        task.told(dense),
        np.array([task.both(each) for each in controls]),
        top,
        class_gaps(own, task.labels, task.count),
        class_means(own, task.labels, task.count)[1],
        raw.order[: able[-1]],
        int((~divided.held_out).sum()),
        int(divided.held_out.sum()),
        found.explained,
        provenance,
    )


Scores = Float64[np.ndarray, "held class"]


class _Task:
    """What is told apart, what is learned from, and what is tested on."""

    def __init__(
        self,
        classes: Int[np.ndarray, " example"],
        count: int,
        held_out: Bool[np.ndarray, " example"],
        groups: tuple[str, ...],
        seed: int,
    ):
        self.count, self.held_out, self._seed = count, held_out, seed
        self.labels, self.wanted = classes[~held_out], classes[held_out]
        names = np.asarray(groups)
        own = names[~held_out].tolist()
        self.mixed = [shuffled(self.labels, own, seed + 1 + copy) for copy in range(SHUFFLES)]
        self._group = np.unique(names[held_out], return_inverse=True)[1]

    def fitted(
        self, values: Float[np.ndarray, "example k"], labellings: list[np.ndarray], penalty: float | None
    ) -> list[Scores]:
        """Scores of the held-out examples, for a probe on each labelling of the others."""
        probes = self._probes(values[~self.held_out], np.stack(labellings), penalty)
        return [probe.scores(values[self.held_out]) for probe in probes]

    def probe(
        self, values: Float[np.ndarray, "example k"], labels: Int[np.ndarray, " learned"]
    ) -> tuple[LinearProbe, Scores]:
        """A probe on few numbers, and its scores."""
        (probe,) = self._probes(values[~self.held_out], labels[None], PENALTY)
        return probe, probe.scores(values[self.held_out])

    def _probes(self, learned: np.ndarray, labellings: np.ndarray, penalty: float | None):
        return logistic(learned, labellings, self.count, penalty=penalty, balanced=True)

    def both(self, scores: Scores, rows: np.ndarray | None = None) -> tuple[float, float]:
        """Balanced accuracy and AUROC of held-out examples, or of some of them."""
        chosen = slice(None) if rows is None else rows
        own, wanted = scores[chosen], self.wanted[chosen]
        table = confusion(wanted, own.argmax(1), self.count)
        return balanced_accuracy(table), auroc(own, wanted)

    def told(self, scores: Scores) -> Told:
        """Both, with their intervals over groups drawn again."""
        value = self.both(scores)
        low, high = np.nanpercentile([self.both(scores, rows) for rows in self._draws()], [2.5, 97.5], axis=0)
        return Told(*(Score(v, float(lo), float(hi)) for v, lo, hi in zip(value, low, high, strict=True)))

    def _draws(self):
        """Rows of held-out examples, whole groups drawn with replacement."""
        random = np.random.default_rng(self._seed)
        members = [np.flatnonzero(self._group == number) for number in range(self._group.max() + 1)]
        for _ in range(DRAWS):
            yield np.concatenate([members[each] for each in random.integers(len(members), size=len(members))])


class _Ranked:
    """Numbers of examples in the order in which they tell the labels apart, and the shuffled ones."""

    def __init__(self, task: _Task, values: Float32[np.ndarray, "example number"]):
        self.values = values
        rank = partial(_order, values[~task.held_out], count=task.count)
        self.order = rank(task.labels)
        self.mixed = [rank(labels) for labels in task.mixed]


def _order(
    values: Float32[np.ndarray, "learned number"], labels: Int[np.ndarray, " learned"], count: int
) -> Int64[np.ndarray, " number"]:
    return np.argsort(-class_gaps(values, labels, count), kind="stable")


def _few(task: _Task, features: _Ranked, raw: _Ranked, chance: np.ndarray, k: int) -> FewScore:
    probe, scores = task.probe(features.values[:, features.order[:k]], task.labels)
    mixed = [
        task.both(task.probe(features.values[:, order[:k]], labels)[1])
        for labels, order in zip(task.mixed, features.mixed, strict=True)
    ]
    return FewScore(
        k,
        task.told(scores),
        task.told(task.probe(raw.values[:, raw.order[:k]], task.labels)[1]),
        task.told(task.probe(features.values[:, chance[:k]], task.labels)[1]),
        np.array(mixed),
        probe.weights,
    )


def auroc(scores: Float64[np.ndarray, "example class"], classes: Int[np.ndarray, " example"]) -> float:
    """Chance that an example of a class scores higher for it than one of the others, ties counting half, 0 to 1.

    Args:
        scores: of every class; their differences to the mean of the other classes' count, so that two classes give
            one number.
        classes: of every example.

    Returns:
        The mean over classes that some examples have and some have not; NaN where there is none.
    Source: Hand & Till 2001 (one against the rest, unweighted); Mann & Whitney 1947.
    """
    against = scores - (scores.sum(1, keepdims=True) - scores) / max(scores.shape[1] - 1, 1)
    own = [each for each in np.unique(classes) if (classes != each).any()]
    found = [auc(rankdata(against[:, each, None], axis=0), classes == each)[0] for each in own]
    return float(np.mean(found)) if found else float("nan")
