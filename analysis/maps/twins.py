"""Random twins: clouds and texts without the content, to see what a picture shows where there is nothing."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32


def gaussian(states: Float32[np.ndarray, "point d_model"], seed: int) -> Float32[np.ndarray, "point d_model"]:
    """As many points from the normal distribution with the states' mean and covariance.

    Mean and covariance are exact in expectation; with fewer points than numbers the cloud lies in the space the
    states span.

    Args:
        states: what to imitate.
        seed: the same seed gives the same cloud.

    Misleads when: states are compared with it one layer after another: its points are not the same from layer to
        layer unless the caller draws them together.
    """
    count, width = states.shape
    random, mean = np.random.default_rng(seed), states.mean(0, dtype=np.float64)
    centred = (states - mean).astype(np.float64) / np.sqrt(max(count - 1, 1))
    if count > width:  # the triangle has the same covariance and fewer rows
        centred = np.linalg.qr(centred, mode="r")
    return (mean + random.normal(size=(count, len(centred))) @ centred).astype(np.float32)


def dealt(texts: Sequence[Sequence[int]], seed: int) -> tuple[tuple[int, ...], ...]:
    """The same tokens dealt anew among all places of all texts; first tokens and lengths stay.

    Every token occurs as often as before, and no text says anything. A single text has its own tokens shuffled.

    Args:
        texts: token ids of every text.
        seed: the same seed deals alike.
    """
    pool = [token for text in texts for token in text[1:]]
    order = iter(np.random.default_rng(seed).permutation(len(pool)))
    return tuple((*text[:1], *(pool[next(order)] for _ in text[1:])) for text in texts)
