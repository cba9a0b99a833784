"""How sharply the path of a text bends: angles between successive steps, and between states some tokens apart."""

import numpy as np
from jaxtyping import Float32, Int64


def apart(
    text: Int64[np.ndarray, " point"], position: Int64[np.ndarray, " point"], tokens: int
) -> tuple[Int64[np.ndarray, " pair"], Int64[np.ndarray, " pair"]]:
    """Numbers of the points that have another one so many tokens further on in the same text, and of that one.

    Args:
        text: number of each point's text, ascending.
        position: its place in the text, ascending within a text; gaps are allowed.
        tokens: how far apart, at least 1.
    """
    if not len(text):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    room = int(position.max()) + tokens + 1
    place = text * room + position
    found = np.minimum(np.searchsorted(place, place + tokens), len(place) - 1)
    first = np.flatnonzero(place[found] == place + tokens)
    return first, found[first]


def angles(
    one: Float32[np.ndarray, "pair d_model"], other: Float32[np.ndarray, "pair d_model"]
) -> Float32[np.ndarray, " pair"]:
    """Angle between the vectors of every pair in radians, 0 to π; NaN where one of them has no length.

    From the lengths of difference and sum of the unit vectors, which is exact near 0 and π, where the arc cosine of
    a rounded number is not.

    Source: Kahan 2006, How Futile are Mindless Assessments of Roundoff in Floating-Point Computation?
    """
    one, other = _unit(one), _unit(other)
    return 2 * np.arctan2(_lengths(one - other), _lengths(one + other))


def turns(
    states: Float32[np.ndarray, "point d_model"],
    text: Int64[np.ndarray, " point"],
    position: Int64[np.ndarray, " point"],
) -> tuple[Float32[np.ndarray, " point"], int]:
    """By how much every token bends its text's path: the angle between the step to it and the step from it.

    Args:
        states: of one layer.
        text: number of each point's text, ascending.
        position: its place; a step counts between neighbouring places only.

    Returns:
        The angles in radians, 0 (straight on) to π (back again), NaN where a step is missing or has no length; and how
        many angles were lost to steps of no length, as a repeated token makes at layer 0.

    Source: Hosseini & Fedorenko 2023, arXiv 2311.04930.
    Misleads when: states are nearly independent from token to token: successive steps then share a point, and their
        angle is near 2π/3 whatever the text says.
    """
    first, second = apart(text, position, 1)
    steps = states[second] - states[first]
    leaving = np.full(len(states), -1)
    leaving[first] = np.arange(len(first))
    onward = leaving[second]
    bends = np.flatnonzero(onward >= 0)
    found = np.full(len(states), np.nan, np.float32)
    found[second[bends]] = angles(steps[bends], steps[onward[bends]])
    return found, int(np.isnan(found[second[bends]]).sum())


def state_angles(
    states: Float32[np.ndarray, "point d_model"],
    text: Int64[np.ndarray, " point"],
    position: Int64[np.ndarray, " point"],
    tokens: int = 1,
) -> Float32[np.ndarray, " point"]:
    """Angle between every token's state and that of the token `tokens` further on, about the mean of their text.

    Returns:
        Radians, 0 to π; NaN where the other token is missing or a state lies in the mean.

    Source: the function called curvature in the code of Skean et al. 2025, arXiv 2502.02013: each state is centred
        by its text's mean and scaled to length 1, and no steps are taken.
    Misleads when: it is read as curvature: it asks whether neighbouring states point the same way, not whether the
        path between them bends.
    """
    first, second = apart(text, position, tokens)
    centred = states - _means(states, text)
    found = np.full(len(states), np.nan, np.float32)
    found[first] = angles(centred[first], centred[second])
    return found


def mean_over_texts(
    values: Float32[np.ndarray, " point"], text: Int64[np.ndarray, " point"]
) -> tuple[float, int]:
    """Mean over texts of the mean over each text's points, and how many texts have any; NaN is left out."""
    known = ~np.isnan(values)
    if not known.any():
        return float("nan"), 0
    _, number = np.unique(text[known], return_inverse=True)
    sums, counts = np.bincount(number, values[known].astype(np.float64)), np.bincount(number)
    return float((sums / counts).mean()), len(counts)


def _means(states: np.ndarray, text: np.ndarray) -> Float32[np.ndarray, "point d_model"]:
    starts = np.flatnonzero(np.diff(text, prepend=text[:1] - 1))
    counts = np.diff(np.append(starts, len(text)))
    sums = np.add.reduceat(states, starts, axis=0, dtype=np.float64)
    return np.repeat((sums / counts[:, None]).astype(np.float32), counts, axis=0)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """At length 1; NaN where there is no length."""
    lengths = _lengths(vectors)
    return vectors / np.where(lengths > 0, lengths, np.nan)[:, None]


def _lengths(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
