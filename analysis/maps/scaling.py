"""How long states are on a map: as long as they are, or all alike."""

from typing import Literal

import numpy as np
from jaxtyping import Float32

from analysis.errors import AnalysisError

Scale = Literal["unit", "raw"]
SCALES: dict[Scale, str] = {
    "unit": "every state divided by its own length, so that only directions count",
    "raw": "states as long as they are, so that long ones count most",
}
"""How states are scaled before anything is measured between them, by id."""


def require_scale(scale: str) -> None:
    """Refuse a scale that does not exist.

    Raises:
        AnalysisError: with the scales there are.
    """
    if scale not in SCALES:
        raise AnalysisError(f"{scale!r} is no scale; there are {', '.join(SCALES)}.")


def scaled(
    states: Float32[np.ndarray, "*points d_model"], scale: str
) -> Float32[np.ndarray, "*points d_model"]:
    """States in the lengths a map is drawn with; a state of length zero stays zero.

    With `unit` the Euclidean distance orders pairs as their cosine does.

    Args:
        states: residual states; any number of leading axes.
        scale: one of `SCALES`.

    Raises:
        AnalysisError: there is no such scale.
    """
    require_scale(scale)
    if scale == "raw":
        return states
    lengths = np.linalg.norm(states, axis=-1, keepdims=True)
    return states / np.where(lengths > 0, lengths, np.float32(1))
