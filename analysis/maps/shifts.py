"""How far a recipe moves the points of a map, beside its random controls, in the picture and in the full space."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from analysis.controls import CONTROLS, Control
from analysis.results import AgainstNull, Bounds, Provenance


@dataclass(frozen=True, eq=False)
class Shifts:
    """The same points under a recipe and under each of its random imitations."""

    edited: Float32[np.ndarray, "layer point axis"]
    """Coordinates, in the basis of the unedited run."""
    nulls: Float32[np.ndarray, "null layer point axis"]
    lengths: Float32[np.ndarray, "layer point"]
    """How far the recipe moves each state, in the full space and the map's scale."""
    null_lengths: Float32[np.ndarray, "null layer point"]
    unit: str
    """Of the lengths."""
    layers: tuple[int, ...]
    labels: tuple[str, ...]
    """One per point."""
    control: Control
    """What the random rows are."""
    provenance: Provenance

    def __post_init__(self):
        for values in (self.edited, self.nulls, self.lengths, self.null_lengths):
            values.flags.writeable = False

    def by_layer(self, point: int) -> AgainstNull:
        """How far one point moves, at every layer."""
        labels = tuple(map(str, self.layers))
        return self._beside("layer", labels, self.lengths[:, point], self.null_lengths[:, :, point])

    def by_token(self, layer: int) -> AgainstNull:
        """How far every point moves, at one layer."""
        at = self.layers.index(layer)
        return self._beside("token", self.labels, self.lengths[at], self.null_lengths[:, at])

    def _beside(self, axis: str, labels: tuple[str, ...], own: np.ndarray, random: np.ndarray) -> AgainstNull:
        return AgainstNull(
            "Length of the move", self.unit, Bounds(0, None), self.provenance, axis, labels, own.copy(), random.copy()
        )  # fmt: skip

    def verdict(self, layer: int, point: int | None = None) -> str:
        """One sentence: does the recipe move this point, or the points on average, further than chance does?

        Args:
            layer: where.
            point: which; None is the mean over all of them.
        """
        at = self.layers.index(layer)
        who, chosen = ("this token moves", [point]) if point is not None else ("tokens move", slice(None))
        own = float(self.lengths[at, chosen].mean())
        random = self.null_lengths[:, at, chosen].mean(-1)
        if own == 0:
            return f"At layer {layer} nothing moves: the edit has not reached this place."
        moved = f"At layer {layer} {who} by {own:.2g}{' on average' * (point is None)} ({self.unit})"
        if not len(random):
            return f"{moved}; without random controls nobody can say whether that is much."
        controls, alike = CONTROLS[self.control]
        band = f"{len(random)} random {controls} {alike} ({random.min():.2g} to {random.max():.2g})"
        chance = f"by chance alone that happens once in {len(random) + 1}"
        if own > random.max():
            return f"{moved}, further than all {band}; {chance}."
        if own < random.min():
            return f"{moved}, less far than all {band}; {chance}."
        return f"{moved}, **within the band** of {band}: as far as any {self.control} would move it."
