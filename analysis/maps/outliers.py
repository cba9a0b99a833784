"""Points that a map leaves out: the first position, and norms far above all others."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Int64

from analysis.samples import usual_norms


def sinks(
    positions: Sequence[int] | Int64[np.ndarray, " point"], norms: Float32[np.ndarray, "layer point"]
) -> Bool[np.ndarray, " point"]:
    """True for points at position 0, and for those whose norm is far above their layer's median at some layer.

    A text's first token is an attention sink: on the default model its norm is about 25,000 where others have 150,
    and as one of the points it would decide every axis and every mean. The median is that of the points behind it.

    Args:
        positions: place of every point in its text, counted from 0.
        norms: residual norms.

    Misleads when: almost all points are outliers, so that the median is one of theirs.
    """
    first = np.asarray(positions) == 0
    found = first.copy()
    found[~first] = ~usual_norms(norms[:, ~first])
    return found
