"""Features whose directions are most alike."""

import numpy as np
from jaxtyping import Float32

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.written import written
from analysis.models.loaded import LoadedModel


def nearest(
    model: LoadedModel, dictionary: Dictionary, feature: int, count: int = 10
) -> tuple[tuple[int, float], ...]:
    """The features that add most nearly the same to the residual stream, and the cosine; the nearest first.

    Args:
        model: the model.
        dictionary: of this model.
        feature: whose neighbours; not among them.
        count: how many.

    Returns:
        Numbers and cosines, -1 to 1; ties by number.

    Misleads when: two directions are alike and never used at the same tokens: they need not mean the same.
    """
    return by_cosine(written(model, dictionary), feature, count)


def by_cosine(
    rows: Float32[np.ndarray, "feature width"], feature: int, count: int
) -> tuple[tuple[int, float], ...]:
    """The rows that point most nearly the same way as one of them; rows of length 0 are left out."""
    lengths = np.linalg.norm(rows, axis=1)
    cosines = rows @ rows[feature] / np.maximum(lengths * lengths[feature], np.finfo(np.float32).tiny)
    cosines[(lengths == 0) | (np.arange(len(rows)) == feature)] = -np.inf
    order = np.argsort(-cosines, kind="stable")[:count]
    return tuple(
        (int(other), float(np.clip(cosines[other], -1, 1))) for other in order if np.isfinite(cosines[other])
    )
