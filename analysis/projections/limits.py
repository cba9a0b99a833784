"""What a projection can be asked for before somebody has to say that they mean it, and about how long it takes."""

from collections.abc import Sequence

import numpy as np

from analysis.errors import AnalysisError
from analysis.projections.kinds import PROJECTIONS

KEY_LAYERS, KEY_POINTS = 12, 2_000
"""Layers and points of an aligned map: all layers are laid out at once, in memory and in time."""
MANY = 200_000
"""Points from which on only what is linear is drawn without being asked again."""
MILLISECONDS = {"umap": 0.9, "aligned": 2.8, "tsne": 3.0, "pacmap": 0.3}
"""Of one point at one layer on one core of the machine it was measured on (2,000 states of 576 numbers), to tell an
order of magnitude."""


def key_layers(layers: Sequence[int], most: int = KEY_LAYERS) -> tuple[int, ...]:
    """Some of the layers, evenly spread, the first and the last among them; all where they are no more."""
    if len(layers) <= most:
        return tuple(layers)
    at = np.linspace(0, len(layers) - 1, most).round().astype(int)
    return tuple(layers[i] for i in at)


def seconds(id: str, points: int, layers: int) -> float:
    """About how long a projection takes, an order of magnitude; 0 for what is linear."""
    return MILLISECONDS.get(id, 0) * points * layers / 1000


def require_affordable(id: str, points: int, layers: int, anyway: bool) -> None:
    """Refuse what takes very long, unless somebody means it.

    Args:
        id: one of `PROJECTIONS`.
        points: of each layer.
        layers: how many.
        anyway: they mean it.

    Raises:
        AnalysisError: with an estimate, and with what to ask for instead.
    """
    kind = PROJECTIONS[id]
    if anyway or kind.linear:
        return
    about = duration(seconds(id, points, layers))
    if id == "aligned" and (layers > KEY_LAYERS or points > KEY_POINTS):
        raise AnalysisError(
            f"An aligned map lays all its layers out at once: {layers} layers of {points:,} points take about {about}. "
            f"Choose at most {KEY_LAYERS} layers and {KEY_POINTS:,} points, or UMAP, which goes layer after layer."
        )
    if points >= MANY:
        raise AnalysisError(
            f"{kind.title} of {points:,} points at {layers} layer{'s' * (layers != 1)} takes about {about}. Draw a "
            f"sample of fewer than {MANY:,} points, or PCA, which takes seconds."
        )


def duration(seconds: float) -> str:
    """A rough duration in words."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.0f} hours"
