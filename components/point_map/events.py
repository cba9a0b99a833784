"""What comes back from a map in a browser: it may be stale or forged, so it is read, never trusted."""

import base64
import binascii
from collections.abc import Mapping, Sequence

import numpy as np

from components.point_map.data import MapData

View = tuple[int, int | None]  # (layer, point)
Selection = tuple[int, ...]


def view_of(event: object, data: MapData) -> View | None:
    """The layer shown and the point chosen, or None if the event does not fit this map."""
    if not _about(event, data):
        return None
    layer, point = _whole(event.get("layer")), _whole(event.get("point"))
    if layer not in data.layers:
        return None
    if event.get("point") is None:
        return layer, None
    return (layer, point) if point is not None and 0 <= point < data.count else None


def selection_of(event: object, data: MapData) -> Selection | None:
    """The points selected, ascending, or None if the event does not fit this map."""
    if not _about(event, data):
        return None
    first, bits = _whole(event.get("first")), event.get("bits")
    most = -(-data.count // 8)
    if first is None or not isinstance(bits, str) or len(bits) > 4 * (most // 3 + 1):
        return None
    try:
        raw = base64.b64decode(bits, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not 0 <= first <= most or first + len(raw) > most:
        return None
    found = np.flatnonzero(np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")) + 8 * first
    return tuple(found[found < data.count].tolist())


def as_bits(selected: Sequence[int], count: int) -> dict[str, object]:
    """The points selected as the browser reads and writes them: one bit each, empty bytes at both ends cut."""
    chosen = np.asarray([point for point in selected if 0 <= point < count], dtype=np.int64)
    marks = np.zeros(count, dtype=bool)
    marks[chosen] = True
    packed = np.packbits(marks, bitorder="little")
    used = np.flatnonzero(packed)
    first, last = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
    return {"first": first, "bits": base64.b64encode(packed[first:last].tobytes()).decode("ascii")}


def _about(event: object, data: MapData) -> bool:
    return isinstance(event, Mapping) and event.get("fingerprint") == data.fingerprint


def _whole(value: object) -> int | None:
    """JSON has one number type, so 3.0 counts as 3."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
