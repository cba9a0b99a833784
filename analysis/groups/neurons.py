"""The MLP neurons of one layer that tell a group's points from the others."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.stats import rankdata

from analysis.captures import capture
from analysis.corpora.corpus import Corpus
from analysis.errors import AnalysisError
from analysis.groups.membership import Rows, auc, membership
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel

MOST_OF_SIDE = 300
FEWEST_OF_SIDE = 5
SHUFFLES = 50


@dataclass(frozen=True, eq=False)
class TellingNeurons:
    """Neurons of one layer, those first that tell the group best."""

    layer: int
    neurons: Int64[np.ndarray, " rank"]
    auc: Float64[np.ndarray, " rank"]
    """Chance that a point of the group activates it more than one of the rest, 0 to 1; 0.5 is none."""
    mean_inside: Float64[np.ndarray, " rank"]
    mean_outside: Float64[np.ndarray, " rank"]
    inside: int
    """Points of the group that were read, each of a text of its own."""
    outside: int
    shuffled: Float64[np.ndarray, " shuffle"]
    """Distance from 0.5 of the best neuron's AUC where membership is shuffled."""

    @property
    def chance(self) -> float:
        """Distance from 0.5 that the best of all neurons stays below in 95% of shuffles."""
        return float(np.quantile(self.shuffled, 0.95))


def telling_neurons(
    model: LoadedModel,
    corpus: Corpus,
    spot: str,
    rows: Rows,
    layer: int,
    *,
    among: Bool[np.ndarray, " point"] | None = None,
    top: int = 12,
    seed: int = 0,
    report: Report = silent,
) -> TellingNeurons:
    """Read the neurons of one layer for up to 300 points of a group and as many of the rest, and rank them.

    Points are drawn at random, one of each text. Neurons that tell the group by silence count like those that tell
    it by activity; of equally good ones the wider gap between the means comes first.

    Args:
        model: the model.
        corpus: all points.
        spot: where they are read, one of `places.SPOTS`.
        rows: the group.
        layer: of the block, 1 to L.
        among: points that count; None takes all.
        top: neurons that are kept.
        seed: of the draw and of the shuffles.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the layer has no neurons, or fewer than 5 texts are on a side.
    Source: Mann & Whitney 1947; selection against shuffled labels as in Gurnee et al. 2023, arXiv 2305.01610.
    Misleads when: the group was chosen among thousands of neurons' points: the best of many is always above 0.5,
        which is why the best of shuffled groups stands beside it.
    """
    if not 1 <= layer <= model.n_layers:
        raise AnalysisError(
            f"Neurons are read at layers 1 to {model.n_layers}: layer 0 is the embedding. Given {layer}."
        )
    random = np.random.default_rng(seed)
    group, rest = (_drawn(corpus, side, random) for side in membership(len(corpus), rows, among))
    if min(len(group), len(rest)) < FEWEST_OF_SIDE:
        raise AnalysisError(
            f"Neurons are compared over at least {FEWEST_OF_SIDE} texts of each side; the group has {len(group)} and "
            f"the rest {len(rest)}. Choose more points."
        )
    both = corpus.taking([*group.tolist(), *rest.tolist()])
    values = np.asarray(
        capture(model, both, spot, layers=(layer,), stream="neurons", report=report).at(layer)
    )
    return _ranked(values, len(group), layer, top, random)


def _ranked(
    values: Float32[np.ndarray, "point neuron"], group: int, layer: int, top: int, random: np.random.Generator
) -> TellingNeurons:
    """Rank the neurons; the first points are the group's."""
    inside = np.arange(len(values)) < group
    ranks = rankdata(values, axis=0)
    found = auc(ranks, inside)
    gaps = np.abs(values[inside].mean(0) - values[~inside].mean(0)) / np.maximum(values.std(0), 1e-12)
    order = np.lexsort((-gaps, -np.abs(found - 0.5)))[:top]  # many tell a small group without a fault
    shuffled = [np.abs(auc(ranks, random.permutation(inside)) - 0.5).max() for _ in range(SHUFFLES)]
    return TellingNeurons(
        layer,
        order,
        found[order],
        values[inside][:, order].mean(0, dtype=np.float64),
        values[~inside][:, order].mean(0, dtype=np.float64),
        group,
        len(values) - group,
        np.array(shuffled),
    )


def _drawn(
    corpus: Corpus, side: Int64[np.ndarray, " row"], random: np.random.Generator
) -> Int64[np.ndarray, " drawn"]:
    """At most `MOST_OF_SIDE` points of one side, each of another text, in their order."""
    of_text: dict[str, int] = {}
    for row in random.permutation(side):
        of_text.setdefault(corpus.texts[row], int(row))
    return np.sort(np.array(list(of_text.values())[:MOST_OF_SIDE], np.int64))
