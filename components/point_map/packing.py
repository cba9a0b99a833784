"""A map as few bytes: a header in JSON, then arrays as they stand in memory. cloud.js reads it.

Positions are stored in units of the bounds that all frames share: as float32 while that costs little, else
as uint16, which places a point on one of 65,535 steps per axis. The top step means "not drawn".
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from components.grid_data import drawable
from components.kinds import KINDS
from components.point_map.colors import SHAPES, palette
from components.point_map.data import WORN, Categories, MapData, Scale
from components.ramps import MODES

_ALIGNED = 8  # bytes; typed arrays of a browser begin at multiples of their size
FLOATS_UP_TO = 120_000
"""Coordinates that are sent as float32."""
_FINE_UP_TO = 500_000  # values of a scale that are sent in 65,535 steps, not 255
_LAST = {np.dtype("u1"): 254, np.dtype("<u2"): 65_534}  # the step after it says "none"


@dataclass(frozen=True, eq=False)
class Packed:
    """The parts of a message about one map."""

    header: dict[str, object]
    body: bytes

    @cached_property
    def content(self) -> str:
        """Names what is packed, so that a browser that has it reads no further."""
        head = json.dumps(self.header).encode()
        return hashlib.blake2b(self.body, key=hashlib.blake2b(head, digest_size=32).digest()).hexdigest()[:24]

    def message(self, **around: object) -> bytes:
        """Header and arrays in one piece, with what the component adds to the header."""
        head = json.dumps(
            {**around, "content": self.content, "map": self.header}, separators=(",", ":"), allow_nan=False
        ).encode("ascii")
        head += b" " * (-(4 + len(head)) % _ALIGNED)
        return len(head).to_bytes(4, "little") + head + self.body


class _Body:
    """Arrays one after the other, and where each begins."""

    def __init__(self) -> None:
        self.places: dict[str, tuple[str, int, int]] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, name: str, values: np.ndarray) -> None:
        kind = values.dtype.str[1:]  # u1, u2, u4 or f4
        part = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        self.places[name] = (kind, self._size, values.size)
        part += b"\0" * (-len(part) % _ALIGNED)
        self._parts.append(part)
        self._size += len(part)

    @property
    def bytes(self) -> bytes:
        return b"".join(self._parts)


def pack(data: MapData) -> Packed:
    """Header and body of a map."""
    body = _Body()
    low, high = bounds(data)
    _add_frames(body, data, low, high)
    _add_labels(body, data)
    color = (
        _add_categories(body, data.color) if isinstance(data.color, Categories) else _add_scale(body, data)
    )
    return Packed(
        {
            "fingerprint": data.fingerprint,
            "title": drawable(data.title),
            "alt": drawable(data.alt),
            "layers": data.layers,
            "axes": [drawable(axis) for axis in data.axes],
            "count": data.count,
            "low": low.tolist(),
            "high": high.tolist(),
            "trails": data.trails,
            "color": color,
            "shapes": SHAPES,
            "palette": _palettes(data),
            "overlays": [_overlay(overlay) for overlay in data.overlays],
            "extra": _extra(data),
            "arrays": body.places,
        },
        body.bytes,
    )


def bounds(data: MapData) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest coordinate of each axis over everything that is drawn, float64 [axis]."""
    clouds = [data.frames, *(overlay.frames for overlay in data.overlays)]
    if data.extra:
        clouds.append(data.extra.frames)
    rows = [cloud.reshape(-1, data.dimensions) for cloud in clouds]
    seen = [row[np.isfinite(row).all(axis=1)] for row in rows]
    seen = [row for row in seen if len(row)]
    if not seen:
        return np.full(data.dimensions, -0.5), np.full(data.dimensions, 0.5)
    low = np.min([row.min(axis=0) for row in seen], axis=0).astype(np.float64)
    high = np.max([row.max(axis=0) for row in seen], axis=0).astype(np.float64)
    flat = high <= low
    room = np.where(flat, np.maximum(np.abs(low), 1.0) / 2, 0.0)
    return low - room, high + room


def quantised(frames: np.ndarray, low: np.ndarray, high: np.ndarray, fine: bool) -> np.ndarray:
    """Coordinates in units of the bounds, [..., axis]: float32 0 to 65534/65535, or uint16 0 to 65,534."""
    last = _LAST[np.dtype("<u2")]
    steps = (frames - low) / (high - low) * last
    missing = ~np.isfinite(steps).all(axis=-1)
    if fine:
        units = (steps / (last + 1)).astype(np.float32)
        units[missing] = 1.0
        return units
    with np.errstate(invalid="ignore"):
        whole = np.clip(np.rint(steps), 0, last).astype("<u2")
    whole[missing] = last + 1
    return whole


def _add_frames(body: _Body, data: MapData, low: np.ndarray, high: np.ndarray) -> None:
    fine = data.frames.size * (1 + len(data.overlays)) <= FLOATS_UP_TO
    body.add("frames", quantised(data.frames, low, high, fine))
    for number, overlay in enumerate(data.overlays):
        body.add(f"overlay{number}", quantised(overlay.frames, low, high, fine))
    if data.extra:
        body.add("extra", quantised(data.extra.frames, low, high, fine))


def _add_labels(body: _Body, data: MapData) -> None:
    """The different labels once, and for each point which one it has."""
    if not data.labels:
        return
    places: dict[str, int] = {}
    codes = [places.setdefault(label, len(places)) for label in data.labels]
    text = "\n".join(map(drawable, places))  # what is drawable has no line ends
    body.add("labels", np.frombuffer(text.encode("utf-8", "replace"), np.uint8))
    if len(places) < len(codes):
        body.add("labelCodes", np.asarray(codes, "<u2" if len(places) <= 65_536 else "<u4"))


def _add_categories(body: _Body, color: Categories) -> dict[str, object]:
    kind = np.dtype("u1") if len(color.names) <= _LAST[np.dtype("u1")] else np.dtype("<u2")
    body.add("tint", np.where(color.codes < 0, _LAST[kind] + 1, color.codes).astype(kind))
    counts = np.bincount(color.codes[color.codes >= 0], minlength=len(color.names))
    return {
        "kind": "categories",
        "title": drawable(color.title),
        "names": [drawable(name) for name in color.names],
        "counts": counts.tolist(),
        "none": int((color.codes < 0).sum()),
        "worn": WORN,
    }


def _add_scale(body: _Body, data: MapData) -> dict[str, object]:
    scale: Scale = data.color
    kind = np.dtype("<u2") if scale.values.size <= _FINE_UP_TO else np.dtype("u1")
    defined = np.isfinite(scale.values)
    found = scale.values[defined].astype(np.float64)
    # from the least to the most that occurs: the card tells numbers that the colours cut off
    least, most = (found.min(), found.max()) if found.size else (scale.low, scale.high)
    span = most - least or 1.0
    with np.errstate(invalid="ignore"):
        steps = np.rint((scale.values - least) / span * _LAST[kind])
    body.add("tint", np.where(defined, steps, _LAST[kind] + 1).astype(kind))
    return {
        "kind": "scale",
        "title": drawable(scale.title),
        "unit": drawable(scale.unit),
        "low": float(scale.low),
        "high": float(scale.high),
        "least": float(least),
        "span": float(span),
        "diverging": bool(scale.diverging),
        "undefined": int((~defined).sum()),
        "perLayer": scale.values.ndim == 2,
    }


def _palettes(data: MapData) -> dict[str, object]:
    diverging = data.color.diverging if isinstance(data.color, Scale) else None
    return {mode: palette(diverging, mode) for mode in MODES}


def _overlay(overlay) -> dict[str, str]:
    return {"kind": overlay.kind, "name": drawable(overlay.label), "glyph": KINDS[overlay.kind].glyph}


def _extra(data: MapData) -> dict[str, object] | None:
    if not data.extra:
        return None
    return {
        "name": drawable(data.extra.name),
        "labels": [drawable(label) for label in data.extra.labels],
    }
