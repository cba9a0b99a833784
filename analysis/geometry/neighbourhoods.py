"""Which neighbours a layer keeps, and whether neighbours belong together."""

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64


def kept(one: Int[np.ndarray, "point k"], other: Int[np.ndarray, "point k"]) -> Float64[np.ndarray, " point"]:
    """Share of each point's k nearest neighbours in one space that are among its k nearest in another, 0 to 1.

    Args:
        one: numbers of the neighbours, no number twice in a row.
        other: of the same points in the other space.

    Source: Doimo, Glielmo, Ansuini & Laio 2020, arXiv 2007.03506.
    Misleads when: neighbours are mostly of the same text: they move together whatever the layer does.
    """
    return (one[:, :, None] == other[:, None, :]).any(2).mean(1)


def kept_by_chance(texts: Int64[np.ndarray, " point"], k: int, other_texts: bool = False) -> float:
    """What `kept` is on average if the two spaces have nothing to do with each other.

    Args:
        texts: number of each point's text.
        k: neighbours.
        other_texts: True if points of the same text are no neighbours of each other.
    """
    own = _own(texts) if other_texts else np.ones(len(texts))
    return float((k / (len(texts) - own)).mean())


def sharing(
    classes: Int[np.ndarray, " point"], near: Int[np.ndarray, "point k"]
) -> Float64[np.ndarray, " point"]:
    """Share of each point's k nearest neighbours that are of its class, 0 to 1.

    Args:
        classes: of every point.
        near: numbers of the neighbours among these points.

    Source: Doimo, Glielmo, Ansuini & Laio 2020, arXiv 2007.03506.
    Misleads when: classes differ in size: see `sharing_by_chance`.
    """
    return (classes[near] == classes[:, None]).mean(1)


def sharing_by_chance(classes: Int[np.ndarray, " point"], allowed: Bool[np.ndarray, "point point"]) -> float:
    """What `sharing` is on average if neighbours know nothing of classes.

    Args:
        classes: of every point.
        allowed: True where the column's point can be a neighbour of the row's.
    """
    same = (classes[:, None] == classes) & allowed
    return float((same.sum(1) / np.maximum(allowed.sum(1), 1)).mean())


def candidates(texts: Int64[np.ndarray, " point"], other_texts: bool) -> Bool[np.ndarray, "point point"]:
    """True where the column's point can be a neighbour of the row's: it is another one, or of another text."""
    numbers = texts if other_texts else np.arange(len(texts))
    return numbers[:, None] != numbers


def _own(texts: np.ndarray) -> np.ndarray:
    """Points of each point's text, itself among them."""
    _, which, counts = np.unique(texts, return_inverse=True, return_counts=True)
    return counts[which]
