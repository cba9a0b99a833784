"""The cursor's layer among those that were read, and the layer of another model at the same depth."""

from collections.abc import Sequence


def nearest(layers: Sequence[int], wanted: float) -> int:
    """Of some layers the one nearest to this; of two the lower."""
    return min(layers, key=lambda layer: (abs(layer - wanted), layer))


def layer_now(layers: Sequence[int], cursor: int | None) -> int:
    """The layer that is looked at: the cursor's, or the middle one where there is no cursor."""
    return nearest(layers, (layers[0] + layers[-1]) / 2 if cursor is None else cursor)
