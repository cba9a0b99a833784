"""What a map of points shows, as plain data.

Axes: `layer` grows upward from the embedding, `point` is one thing on the map (a token, a text), `axis` is
one of the two or three directions of the picture.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from components.kinds import KINDS

if TYPE_CHECKING:
    from components.point_map.packing import Packed

WORN = 12
"""Categories that wear a colour and a shape of their own; the names after them share one grey."""


@dataclass(frozen=True, eq=False)
class Categories:
    """A colour and a shape for each name.

    Args:
        codes: int [point], indices into `names`; negative where a point has none.
        names: in the order of the legend; the first twelve are told apart.
        title: what the names are names of.
    """

    codes: np.ndarray
    names: tuple[str, ...]
    title: str = ""

    def __post_init__(self) -> None:
        codes = np.asarray(self.codes)
        if codes.ndim != 1 or codes.dtype.kind not in "iu":
            raise ValueError(f"codes are whole numbers [point], not {codes.dtype} {codes.shape}.")
        if codes.size and codes.max() >= len(self.names):
            raise ValueError(f"The code {codes.max()} has no name; there are {len(self.names)}.")
        object.__setattr__(self, "codes", _read_only(np.maximum(codes, -1), np.int32))


@dataclass(frozen=True, eq=False)
class Scale:
    """A colour for each number.

    Args:
        values: float [point], or [layer, point] where the number changes with the layer; NaN is drawn grey.
        title, unit: what the number is and what it is measured in.
        low, high: the numbers at the two ends; outside them the colour stays at the end.
        diverging: two colours that part at the middle of low and high; one colour that deepens otherwise.
    """

    values: np.ndarray
    title: str
    unit: str
    low: float
    high: float
    diverging: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"A scale runs from low to high, not from {self.low} to {self.high}.")
        values = np.asarray(self.values)
        if values.ndim not in (1, 2):
            raise ValueError(f"values are [point] or [layer, point], not {values.shape}.")
        object.__setattr__(self, "values", _read_only(values, np.float32))


@dataclass(frozen=True, eq=False)
class Overlay:
    """Another run of the same points, drawn over them.

    Args:
        kind: "edited" is drawn with arrows from the points to it, "null" as a faint cloud.
        frames: float [layer, point, axis], of the shape of the map's own.
        name: what the legend calls it; the kind's own word if empty.
    """

    kind: Literal["edited", "null"]
    frames: np.ndarray
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in ("edited", "null"):
            raise ValueError(f"An overlay is edited or null, not {self.kind!r}.")
        object.__setattr__(self, "frames", _read_only(self.frames, np.float32))

    @property
    def label(self) -> str:
        return self.name or KINDS[self.kind].label


@dataclass(frozen=True, eq=False)
class Extra:
    """Points added to the map out of sample; drawn larger, always with their labels.

    Args:
        frames: float [layer, extra, axis].
        labels: one for each.
        name: what the legend calls them.
    """

    frames: np.ndarray
    labels: tuple[str, ...]
    name: str = "added"

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", _read_only(self.frames, np.float32))


@dataclass(frozen=True, eq=False)
class MapData:
    """Every point of a map at every layer, its label and its colour.

    Args:
        fingerprint: of what is drawn; events about another are dropped.
        layers: ascending layer numbers, one frame each.
        axes: the titles of the two or three axes.
        frames: float [layer, point, axis]; a point with a NaN is not drawn at that layer.
        labels: short, one per point, whitespace already visible; none at all is allowed.
        color: what the points wear.
        trails: "all" draws every point's way through the layers, "chosen" only that of the point under the
            pointer and of the chosen one.
        overlays: other runs of the same points.
        extra: points added out of sample.
        title, alt: the name of the picture, and the picture in words.

    Raises:
        ValueError: when shapes disagree.
    """

    fingerprint: str
    layers: tuple[int, ...]
    axes: tuple[str, ...]
    frames: np.ndarray
    labels: tuple[str, ...]
    color: Categories | Scale
    trails: Literal["all", "chosen"] = "chosen"
    overlays: tuple[Overlay, ...] = ()
    extra: Extra | None = None
    title: str = "Map"
    alt: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", _read_only(self.frames, np.float32))
        self._check_frames()
        self._check_color()
        for overlay in self.overlays:
            if overlay.frames.shape != self.frames.shape:
                raise ValueError(f"An overlay has the map's shape {self._shape}, not {overlay.frames.shape}.")
        if self.extra:
            self._check_extra(self.extra)

    @property
    def _shape(self) -> tuple[int, ...]:
        return self.frames.shape

    @property
    def count(self) -> int:
        """How many points there are."""
        return self._shape[1]

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return self._shape[2]

    def _check_frames(self) -> None:
        if len(self.axes) not in (2, 3):
            raise ValueError(f"A map has two or three axes, not {len(self.axes)}.")
        if not self.layers or list(self.layers) != sorted(set(self.layers)):
            raise ValueError(f"Layers ascend without repetition, unlike {self.layers}.")
        shape = self._shape
        if len(shape) != 3 or shape[0] != len(self.layers) or shape[2] != len(self.axes) or not shape[1]:
            wanted = (len(self.layers), "point", len(self.axes))
            raise ValueError(f"frames are [layer, point, axis] {wanted}, not {shape}.")
        if self.labels and len(self.labels) != self.count:
            raise ValueError(f"{len(self.labels)} labels do not name {self.count} points.")
        if self.trails not in ("all", "chosen"):
            raise ValueError(f'Trails are drawn for "all" or for the "chosen", not {self.trails!r}.')

    def _check_color(self) -> None:
        if isinstance(self.color, Categories):
            shape, allowed = self.color.codes.shape, [(self.count,)]
        else:
            shape, allowed = self.color.values.shape, [(self.count,), (len(self.layers), self.count)]
        if shape not in allowed:
            raise ValueError(f"The colours have the shape {shape}, not {' or '.join(map(str, allowed))}.")

    def _check_extra(self, extra: Extra) -> None:
        wanted = (len(self.layers), len(extra.labels), self.dimensions)
        if extra.frames.shape != wanted:
            raise ValueError(f"Extra frames are [layer, extra, axis] {wanted}, not {extra.frames.shape}.")

    @cached_property
    def packed(self) -> "Packed":
        """The map as the browser reads it."""
        from components.point_map.packing import pack

        return pack(self)


def _read_only(values: np.ndarray, dtype: type) -> np.ndarray:
    values = np.asarray(values)
    # a view is enough where nothing has to change: a million points are not copied
    kept = values if values.dtype == dtype and not values.flags.writeable else np.array(values, dtype=dtype)
    kept.flags.writeable = False
    return kept
