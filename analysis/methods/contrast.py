"""Directions from examples: what tells the two sides of a concept apart, at every layer at once.

The states of all texts are read once; an estimator turns them into one vector per layer; cross-validation says
how well such vectors tell apart examples they were not built from, beside the same with shuffled labels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from analysis.directions import Direction, Probe, Separation, weights_of
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.sides import Sides
from analysis.tokens import Tokens

FOLDS = 5
SHUFFLES = 3
FEWEST_FOR_PROBE = 8
"""Examples of each side from which on half of them are kept back for the probe."""

SPOTS = {
    "last": "the last token",
    "mean": "the mean over all tokens",
    "answer": "the first token in which the two texts of a pair differ",
}
"""Where a text is read, by id."""


@dataclass(frozen=True)
class Estimator:
    """A way from the states of two sides to one vector that tells them apart."""

    title: str
    source: str
    misleads_when: str
    paired: bool
    """True if it needs pairs."""
    fit: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """From (positive, d_model) and (negative, d_model) to (d_model,), in float64."""


def difference_of_means(
    positive: Float[np.ndarray, "a d_model"], negative: Float[np.ndarray, "b d_model"]
) -> Float[np.ndarray, " d_model"]:
    """mean(positive) - mean(negative)."""
    return positive.mean(0) - negative.mean(0)


def principal_difference(
    positive: Float[np.ndarray, "pair d_model"], negative: Float[np.ndarray, "pair d_model"]
) -> Float[np.ndarray, " d_model"]:
    """The first principal axis of the pair differences about zero, as long as their mean along it.

    Nothing is centred: the concept is the mean of fixed-order differences, and centring removes it. Centring
    each pair on its own mean gives the same axis, because the centred members are plus and minus half of the
    difference.
    """
    differences = positive - negative
    axis = np.linalg.svd(differences, full_matrices=False)[2][0]
    return axis * (differences @ axis).mean()


def probe_weights(
    positive: Float[np.ndarray, "a d_model"], negative: Float[np.ndarray, "b d_model"]
) -> Float[np.ndarray, " d_model"]:
    """Weights of a logistic regression on standardised states, as long as the means differ along them."""
    from sklearn.linear_model import LogisticRegression  # two seconds that only this estimator needs

    states = np.concatenate([positive, negative])
    spread = states.std(0)
    if not spread.any():
        return np.zeros_like(spread)
    spread[spread < 1e-6 * spread.max()] = np.inf  # a number that never varies carries no weight
    labels = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    fitted = LogisticRegression(max_iter=500).fit((states - states.mean(0)) / spread, labels)
    axis = fitted.coef_[0] / spread
    axis /= np.linalg.norm(axis) or 1.0  # sides that lie on each other have no weights
    return axis * (difference_of_means(positive, negative) @ axis)


ESTIMATORS = {
    "means": Estimator(
        "difference of means",
        "Panickssery et al. 2023, arXiv 2312.06681; Marks & Tegmark 2023, arXiv 2310.06824",
        "The sides differ in something else too (length, topic, punctuation): the direction holds that as well.",
        False,
        difference_of_means,
    ),
    "pca": Estimator(
        "principal component of differences",
        "Zou et al. 2023, arXiv 2310.01405 (representation engineering), uncentred",
        "What varies most between the sides is not the concept, but how the pairs differ from one another.",
        True,
        principal_difference,
    ),
    "logistic": Estimator(
        "logistic probe",
        "Alain & Bengio 2016, arXiv 1610.01644; compared for steering in von Rütte et al. 2024, arXiv 2402.14433",
        "What separates best need not be what the model uses: it turns away from shared noise.",
        False,
        probe_weights,
    ),
}
"""How a direction is estimated, by id; the first is the default."""


@dataclass(frozen=True, eq=False)
class States:
    """Residual states of the two sides, at the spot a direction is read and averaged over each text."""

    positive: Float32[np.ndarray, "layer a d_model"]
    negative: Float32[np.ndarray, "layer b d_model"]
    mean_positive: Float32[np.ndarray, "layer a d_model"]
    mean_negative: Float32[np.ndarray, "layer b d_model"]


def contrast(
    model: LoadedModel,
    sides: Sides,
    *,
    name: str,
    estimator: str = "means",
    spot: str = "last",
    seed: int = 0,
    report: Report = silent,
) -> Direction:
    """Build a direction from examples, measure it at every layer and propose where to use it.

    Half of the examples (from 8 of each side on) are kept for the probe, so that what the direction is
    judged by was not made from the same texts.

    Args:
        model: whose states are read.
        sides: the examples.
        name: what the direction is called.
        estimator: one of `ESTIMATORS`.
        spot: one of `SPOTS`.
        seed: of the folds and of the shuffled labels.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the estimator or spot does not exist or needs pairs, or a text is too long for the model.
    """
    chosen = _estimator(estimator, spot, sides)
    states = read_sides(model, sides, spot, report)
    own, kept = _halves(len(sides.positive)), _halves(len(sides.negative))
    values = fitted(states.positive[:, own[0]], states.negative[:, kept[0]], chosen, report)
    layers = tuple(
        int(layer) for layer in np.flatnonzero(values.any(1))
    )  # the same last token has one embedding
    if not layers:
        raise AnalysisError("Both sides have the same states at every layer, so nothing tells them apart.")
    separation = separations(states, chosen, sides.paired, seed, report)
    layer, why = propose(tuple(s for s in separation if s.layer in layers), model.n_layers)
    return Direction(
        name=name,
        layers=layers,
        values=values[list(layers)],
        weights=weights_of(model),
        how=(
            f"The {chosen.title} of {len(own[0])} positive and {len(kept[0])} negative "
            f"{'paired ' if sides.paired else ''}texts, read at {SPOTS[spot]}"
            f"{', in the chat template' if sides.chat else ''}."
        ),
        source=chosen.source,
        layer=layer,
        why=why,
        separation=separation,
        probe=_probe(states, own[1], kept[1], layer),
    )


def _estimator(estimator: str, spot: str, sides: Sides) -> Estimator:
    if estimator not in ESTIMATORS or spot not in SPOTS:
        raise AnalysisError(
            f"There is no estimator {estimator!r} at {spot!r}; there are {', '.join(ESTIMATORS)} at {', '.join(SPOTS)}."
        )
    chosen = ESTIMATORS[estimator]
    if not sides.paired and (chosen.paired or spot == "answer"):
        raise AnalysisError(
            f"The {chosen.title} at {SPOTS[spot]} needs pairs, and these texts are a labelled set. Take the difference "
            "of means or the logistic probe, read at the last token or on average."
        )
    return chosen


def _halves(count: int) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]]:
    """Indices to build from and to keep for the probe; all in both where there are too few to share."""
    every = np.arange(count)
    return (every, every) if count < FEWEST_FOR_PROBE else (every[::2], every[1::2])


def read_sides(model: LoadedModel, sides: Sides, spot: str, report: Report = silent) -> States:
    """Read the states of every text at every layer, at one spot and on average.

    Means leave the first token out wherever there is another one: it is an attention sink.
    """
    positive, negative = (
        [model.tokenize(text, chat=sides.chat) for text in texts]
        for texts in (sides.positive, sides.negative)
    )
    spots = _spots(positive, negative, spot)
    tokens = positive + negative
    shape = (model.n_layers + 1, len(tokens), model.d_model)
    at_spot, mean = np.empty(shape, np.float32), np.empty(shape, np.float32)
    order, done = np.argsort([len(item) for item in tokens], kind="stable"), 0
    for chosen in np.array_split(order, -(-len(order) // 16)):
        report("Reading the examples", done, len(tokens))
        trace = model.run([tokens[i] for i in chosen])
        for row, i in enumerate(chosen):
            own = trace.residuals(row)
            means = own[:, 1:].mean(1) if own.shape[1] > 1 else own[:, 0]
            mean[:, i], at_spot[:, i] = means, means if spot == "mean" else own[:, spots[i]]
        done += len(chosen)
    split = len(positive)
    return States(at_spot[:, :split], at_spot[:, split:], mean[:, :split], mean[:, split:])


def _spots(positive: list[Tokens], negative: list[Tokens], spot: str) -> list[int]:
    """The token of each text that is read, positive texts first."""
    if spot != "answer":
        return [len(item) - 1 for item in positive + negative]
    apart = [_first_difference(a.ids, b.ids) for a, b in zip(positive, negative, strict=True)]
    return apart + apart


def _first_difference(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """The first position at which two texts differ; the shorter one's last where it is the other's beginning."""
    shared = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(shared) if x != y), min(len(a), len(b)) - 1)


def fitted(
    positive: Float32[np.ndarray, "layer a d_model"],
    negative: Float32[np.ndarray, "layer b d_model"],
    estimator: Estimator,
    report: Report = silent,
) -> Float32[np.ndarray, "layer d_model"]:
    """One vector per layer."""
    vectors = []
    for layer, (a, b) in enumerate(zip(positive, negative, strict=True)):
        report("Building the direction", layer, len(positive))
        vectors.append(estimator.fit(a.astype(np.float64), b.astype(np.float64)))
    return np.stack(vectors).astype(np.float32)


def separations(
    states: States, estimator: Estimator, paired: bool, seed: int = 0, report: Report = silent
) -> tuple[Separation, ...]:
    """Cross-validated separation at every layer, beside the same with shuffled labels.

    Examples are divided into folds (pairs stay together); each fold is judged by a direction and a midpoint
    built from the others.
    """
    result = []
    for layer, (a, b) in enumerate(zip(states.positive, states.negative, strict=True)):
        report("Measuring how well it separates", layer, len(states.positive))
        a, b = a.astype(np.float64), b.astype(np.float64)
        random = np.random.default_rng(seed)
        accuracy, gap = _held_out(a, b, estimator, random)
        shuffled = [
            _held_out(*_shuffled(a, b, paired, random), estimator, random)[0] for _ in range(SHUFFLES)
        ]
        result.append(
            Separation(
                layer, accuracy, _standard_error(accuracy, len(a) + len(b)), float(np.mean(shuffled)), gap
            )
        )
    return tuple(result)


def _shuffled(
    a: np.ndarray, b: np.ndarray, paired: bool, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The same states under labels that mean nothing: half of the pairs swapped, or all labels dealt anew."""
    if paired:
        swap = random.random(len(a)) < 0.5  # exactly half would make held-out pairs contradict the others
        return np.where(swap[:, None], b, a), np.where(swap[:, None], a, b)
    both = random.permutation(np.concatenate([a, b]))
    return both[: len(a)], both[len(a) :]


def _held_out(
    a: np.ndarray, b: np.ndarray, estimator: Estimator, random: np.random.Generator
) -> tuple[float, float]:
    """Accuracy and gap on examples that their fold's direction has not seen."""
    fold_a = _folds(len(a), random)
    fold_b = fold_a if len(b) == len(a) else _folds(len(b), random)  # pairs stay together
    right, scores = 0.0, ([], [])
    for fold in range(max(fold_a.max(), fold_b.max()) + 1):
        one, other = a[fold_a != fold], b[fold_b != fold]
        vector = estimator.fit(one, other)
        size = np.linalg.norm(vector)
        unit = vector / size if size > 0 else vector
        middle = (one.mean(0) + other.mean(0)) @ unit / 2
        high, low = a[fold_a == fold] @ unit - middle, b[fold_b == fold] @ unit - middle
        right += sum((1 + np.sign(high)) / 2) + sum((1 - np.sign(low)) / 2)  # on the boundary: half right
        scores[0].extend(high)
        scores[1].extend(low)
    high, low = np.array(scores[0]), np.array(scores[1])
    spread = np.sqrt((high.var() + low.var()) / 2)
    return float(right) / (len(a) + len(b)), float((high.mean() - low.mean()) / max(spread, 1e-12))


def _folds(count: int, random: np.random.Generator) -> Int[np.ndarray, " example"]:
    """The fold of each example."""
    return random.permutation(np.arange(count) % min(FOLDS, count))


def _standard_error(share: float, count: int) -> float:
    """Half of Wilson's 68 % interval, which is not zero where every example was right."""
    return float(np.sqrt(share * (1 - share) / count + 1 / (4 * count**2)) / (1 + 1 / count))


def propose(separation: tuple[Separation, ...], top: int) -> tuple[int, str]:
    """Where to act: of the middle layers whose accuracy equals the best within its error, the widest gap.

    Early layers hold the words themselves and late ones the next token; what a push there changes is less
    often the concept.
    """
    middle = [s for s in separation if 0.2 * top <= s.layer <= 0.8 * top] or list(separation)
    best = max(middle, key=lambda s: s.accuracy)
    good = [s for s in middle if s.accuracy >= best.accuracy - best.error]
    chosen = max(good, key=lambda s: s.gap)
    return chosen.layer, (
        f"Of the {len(good)} middle layers that tell {best.accuracy:.0%} of held-out examples apart (within one "
        f"standard error; {chosen.shuffled:.0%} with shuffled labels), layer {chosen.layer} has the widest gap: "
        f"{chosen.gap:.1f} standard deviations."
    )


def _probe(states: States, positive: np.ndarray, negative: np.ndarray, layer: int) -> Probe | None:
    """A difference of means over whole texts, from the examples kept back; None where they do not differ."""
    a, b = states.mean_positive[layer, positive], states.mean_negative[layer, negative]
    weights = difference_of_means(a, b)
    length = np.linalg.norm(weights)
    if not length > 0:
        return None
    weights = weights / length
    high, low = float(a.mean(0) @ weights), float(b.mean(0) @ weights)
    return Probe(layer, weights.astype(np.float32), (high + low) / 2, (high - low) / 2)
