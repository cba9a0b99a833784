"""A direction from a group of points towards them, and where all points lie along a direction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from analysis.captures import States
from analysis.directions import Direction, Separation, weights_of
from analysis.errors import AnalysisError
from analysis.groups.membership import Rows, chunks, mean, membership
from analysis.jobs import Report, silent
from analysis.maps.scaling import scaled
from analysis.methods.contrast import ESTIMATORS, propose
from analysis.models.loaded import LoadedModel

MOST_OF_SIDE = 2_000
"""Points of each side by which a direction is judged."""
FOLDS, SHUFFLES = 5, 5


def direction_of(
    model: LoadedModel,
    states: States,
    rows: Rows,
    name: str,
    *,
    texts: Sequence[str],
    among: Bool[np.ndarray, " point"] | None = None,
    seed: int = 0,
    report: Report = silent,
) -> Direction:
    """The mean of a group's states less the mean of the rest's, at every layer that was read.

    How well such a difference tells held-out points apart is measured beside the same with shuffled membership;
    points of one text are held out together.

    Args:
        model: whose states they are.
        states: of all points, from the residual stream.
        rows: the group.
        name: of the direction.
        texts: of all points.
        among: points that count, in the group and in the rest; None takes all.
        seed: of the folds, the shuffles and, of very many points, of those that judge.
        report: progress in layers; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there is no group or no rest, or both have the same mean everywhere.
    Source: difference of means, Panickssery et al. 2023, arXiv 2312.06681; Marks & Tegmark 2023, arXiv 2310.06824.
    Misleads when: the group was chosen on a map of the same states: it then lies apart there by choice, and held-out
        points of the same choice are told apart as well.
    """
    group, rest = membership(len(texts), rows, among)
    random = np.random.default_rng(seed)
    judged = _Judged.drawn(group, rest, texts, random)
    vectors, separation = [], []
    for number, layer in enumerate(states.layers):
        report("Building the direction", number, len(states.layers))
        own = states.at(layer)
        vectors.append((mean(own, group) - mean(own, rest)).astype(np.float32))
        if judged is not None:
            separation.append(judged.separation(own, layer))
    kept = [number for number, vector in enumerate(vectors) if vector.any()]
    if not kept:
        raise AnalysisError(
            "The group and the rest have the same mean at every layer, so nothing tells them apart."
        )
    layers = tuple(states.layers[number] for number in kept)
    judgements = tuple(each for each in separation if each.layer in layers)
    layer, why = (
        propose(judgements, model.n_layers)
        if judgements
        else (
            layers[len(layers) // 2],
            "The middle one of its layers: too few texts to measure where it separates.",
        )
    )
    return Direction(
        name=name,
        layers=layers,
        values=np.stack([vectors[number] for number in kept]),
        weights=weights_of(model),
        how=f"The difference of means of {len(group):,} points chosen on a map and the {len(rest):,} others.",
        source=ESTIMATORS["means"].source,
        layer=layer,
        why=why,
        separation=judgements,
    )


def scores(
    states: States, direction: Direction, scale: str = "unit", report: Report = silent
) -> Float32[np.ndarray, "layer point"]:
    """Where every point lies along a direction at every layer that was read; NaN where the direction has no vector.

    Args:
        states: from the residual stream.
        direction: of the same model.
        scale: `unit` gives cosines, -1 to 1; `raw` gives projections in the stream's units.
        report: progress in layers; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the widths differ, or no layer is common to both.
    Misleads when: all states share a large common part: cosines then differ little, and about a value that is not 0.
    """
    if direction.d_model != states.values.shape[2]:
        raise AnalysisError(
            f"The direction {direction.name!r} has {direction.d_model} numbers per layer and the states have "
            f"{states.values.shape[2]}: it was found in another model."
        )
    if not set(direction.layers) & set(states.layers):
        raise AnalysisError(
            f"The direction {direction.name!r} has a vector at none of the layers that were read."
        )
    found = np.full(states.values.shape[:2], np.nan, np.float32)
    for number, layer in enumerate(states.layers):
        report("Reading points along the direction", number, len(states.layers))
        if layer in direction.layers:
            unit = direction.unit(layer)
            every = np.arange(states.values.shape[1])
            for part, own in chunks(states.at(layer), every):
                found[number, part] = scaled(own, scale) @ unit
    return np.clip(found, -1, 1) if scale == "unit" else found


@dataclass(frozen=True, eq=False)
class _Judged:
    """Points that say how well a difference of means separates: some of both sides, in folds of whole texts."""

    rows: Int64[np.ndarray, " row"]
    inside: Bool[np.ndarray, " row"]
    folds: Int64[np.ndarray, " row"]
    shuffles: tuple[Bool[np.ndarray, " row"], ...]
    """Membership that means nothing."""

    @classmethod
    def drawn(
        cls,
        group: Int64[np.ndarray, " inside"],
        rest: Int64[np.ndarray, " outside"],
        texts: Sequence[str],
        random: np.random.Generator,
    ) -> "_Judged | None":
        """None where a side has too few texts to hold some out."""
        sides = [np.sort(random.permutation(side)[:MOST_OF_SIDE]) for side in (group, rest)]
        rows = np.concatenate(sides)
        inside = np.arange(len(rows)) < len(sides[0])
        text = np.unique([texts[row] for row in rows], return_inverse=True)[1]
        if min(len(set(text[inside])), len(set(text[~inside]))) < 2:
            return None
        folds = _folds(text, inside, random)
        return cls(rows, inside, folds, tuple(random.permutation(inside) for _ in range(SHUFFLES)))

    def separation(self, states: Float32[np.ndarray, "point d_model"], layer: int) -> Separation:
        """Held-out accuracy, balanced over the sides, and the gap between them, beside shuffled membership."""
        own = np.asarray(states[self.rows]).astype(np.float64)
        accuracy, gap = _held_out(own, self.inside, self.folds)
        shuffled = [_held_out(own, each, self.folds)[0] for each in self.shuffles]
        smaller = min(int(self.inside.sum()), int((~self.inside).sum()))
        error = float(np.sqrt(accuracy * (1 - accuracy) / (2 * smaller) + 1 / (16 * smaller**2)))
        return Separation(layer, accuracy, error, float(np.mean(shuffled)), gap)


def _folds(
    text: Int64[np.ndarray, " row"], inside: Bool[np.ndarray, " row"], random: np.random.Generator
) -> Int64[np.ndarray, " row"]:
    """The fold of every point: that of its text; texts of the group are dealt first, so that all folds have some."""
    found = np.full(int(text.max()) + 1, -1)
    counts = np.zeros(FOLDS, int)
    for side in (text[inside], text[~inside]):
        for number in random.permutation(np.unique(side)):
            if found[number] < 0:
                found[number] = counts.argmin()
                counts[found[number]] += 1
    return found[text]


def _held_out(
    states: Float64[np.ndarray, "row d_model"],
    inside: Bool[np.ndarray, " row"],
    folds: Int64[np.ndarray, " row"],
) -> tuple[float, float]:
    """Balanced accuracy and gap, in standard deviations, of points that their fold's direction has not seen."""
    score = np.full(len(states), np.nan)
    for fold in np.unique(folds):
        learned, held = folds != fold, folds == fold
        a, b = states[learned & inside], states[learned & ~inside]
        if not len(a) or not len(b):
            continue
        vector, middle = a.mean(0) - b.mean(0), (a.mean(0) + b.mean(0)) / 2
        length = np.linalg.norm(vector)
        score[held] = (states[held] - middle) @ (vector / length if length > 0 else vector)
    high, low = score[inside & np.isfinite(score)], score[~inside & np.isfinite(score)]
    if not len(high) or not len(low):
        return 0.5, 0.0
    right = ((1 + np.sign(high)) / 2).mean() + ((1 - np.sign(low)) / 2).mean()  # on the boundary: half right
    spread = np.sqrt((high.var() + low.var()) / 2)
    return float(right / 2), float((high.mean() - low.mean()) / max(spread, 1e-12))
