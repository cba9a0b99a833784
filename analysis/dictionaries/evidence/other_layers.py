"""A feature's nearest match in a dictionary of another layer, by what both write into the residual stream."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.written import written
from analysis.errors import AnalysisError
from analysis.models.loaded import LoadedModel

DRAWS = 50


@dataclass(frozen=True)
class Match:
    """The nearest feature of another dictionary."""

    feature: int
    cosine: float
    """Between the two directions, -1 to 1."""
    chance: float
    """The best cosine that the same direction with shuffled coordinates finds there, the largest of all draws."""


def nearest_match(
    model: LoadedModel,
    dictionary: Dictionary,
    feature: int,
    other: Dictionary,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Match:
    """The feature of another dictionary whose direction is nearest, ties by number.

    Args:
        model: the model of both.
        dictionary: where the feature is from.
        feature: its number.
        other: where a match is sought.
        draws: directions of shuffled coordinates beside it.
        seed: of the shuffles.

    Raises:
        AnalysisError: there is no such feature, or a direction has no length.
    Source: Laptev, Balagansky, Aksenov & Gavrilov 2025, arXiv 2502.03032: features of layers by decoder cosine.
    Misleads when: layers write the same thing along different directions: a low cosine does not say that the meaning
        is missing there.
    """
    if not 0 <= feature < dictionary.features:
        raise AnalysisError(
            f"{dictionary.name} has features 0 to {dictionary.features - 1}; given {feature}."
        )
    rows = _unit(written(model, other))
    own = _unit(written(model, dictionary, [feature]))[0]
    if not own.any():
        raise AnalysisError(f"Feature {feature} writes nothing, so that nothing is nearest to it.")
    cosines = rows @ own
    nearest = int(cosines.argmax())
    rng = np.random.default_rng(seed)
    shuffled = np.stack([own[rng.permutation(len(own))] for _ in range(draws)])
    return Match(nearest, float(cosines[nearest]), float((shuffled @ rows.T).max()))


def followed(
    own: Float32[np.ndarray, " point"],
    others: Float32[np.ndarray, "point feature"],
    feature: int,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """How closely a feature's activation is followed by another's over tokens, and by random ones that are active.

    Args:
        own: activations of the feature.
        others: activations of another dictionary at the same tokens.
        feature: the one that is compared.
        draws: random features at most, of those that are active at some of the tokens.
        seed: of their draw.

    Returns:
        Correlation with that feature, and the largest with a random one; NaN where one of the two never varies.
    Misleads when: there are few tokens: many features then correlate by chance, as the second number shows.
    """
    varying = np.flatnonzero(np.ptp(others, axis=0) > 0) if len(others) else np.zeros(0, np.int64)
    varying = varying[varying != feature]
    drawn = np.random.default_rng(seed).permutation(varying)[:draws]
    found = [_correlation(own, others[:, each]) for each in (feature, *drawn)]
    return found[0], max(found[1:], default=float("nan"))


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if not len(one) or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _unit(rows: Float32[np.ndarray, "feature d_model"]) -> Float32[np.ndarray, "feature d_model"]:
    """At unit length; rows without length stay as they are."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)
