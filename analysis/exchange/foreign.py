"""Safetensors files of any tool: opened whatever they hold, and plain vectors made a direction."""

import math
import re
from typing import Any

import numpy as np
from jaxtyping import Float32
from safetensors import SafetensorError, deserialize

from analysis.directions import Direction
from analysis.exchange import checks
from analysis.exchange.checks import MOST_HEADER, MOST_LAYERS, Arrays, Wrong, parsed, shown

NUMBERED = re.compile(r"(?:(?:direction|layers?)\.)?([0-9]{1,4})", re.ASCII)
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""What plain files may hold, and how numpy reads it; bfloat16 is the upper half of a float32."""


def opened(data: bytes) -> tuple[Arrays, dict[str, str]]:
    """The tensors of any safetensors file as float32, and its metadata."""
    checks.require_size(data)
    header = int.from_bytes(data[:8], "little")
    if len(data) < 8 or header > min(MOST_HEADER, len(data) - 8):
        raise Wrong(
            f"its header would have {header:,} bytes; at most {MOST_HEADER:,} are read and it has {len(data):,} in all"
        )
    try:
        tensors = deserialize(data)
    except SafetensorError as error:
        raise Wrong(f"it is no whole safetensors file ({error})") from error
    if len(tensors) > MOST_LAYERS:
        raise Wrong(f"it holds {len(tensors):,} tensors, as a model does", "Give a file with directions.")
    # `deserialize` checks this part and does not return it
    metadata = parsed(data[8 : 8 + header].decode()).get("__metadata__") or {}
    return {name: _numbers(name, tensor) for name, tensor in tensors}, metadata


def plain_direction(arrays: Arrays, name: str, layer: int | None) -> Direction:
    """A direction of tensors whose names tell their layers, or of a single one, which belongs at `layer`."""
    numbered = {tensor: NUMBERED.fullmatch(tensor) for tensor in arrays}
    how = f"Imported from {shown(name)}, which does not say how it was made"
    if arrays and all(numbered.values()):
        vectors = by_layer([(int(numbered[tensor][1]), array) for tensor, array in arrays.items()])
        return imported(
            vectors, name, f"{how}; its numbers are taken as layers, counted from 0 at the embedding."
        )
    if len(arrays) != 1:
        raise Wrong(
            f"it holds {len(arrays)} tensors ({', '.join(map(shown, sorted(arrays)[:5])) or 'none'}); expected "
            "one vector, or several named direction.<n>, layer.<n>, layers.<n> or <n>",
            "Rename them so.",
        )
    vectors = by_layer([(0 if layer is None else checks.layer(layer), *arrays.values())])
    if layer is None:
        raise Wrong(
            "it holds one vector and does not say at which layer",
            "Give the layer it belongs to, counted from 0 at the embedding.",
        )
    return imported(vectors, name, f"{how}.")


def by_layer(pairs: list[tuple[int, np.ndarray]]) -> dict[int, np.ndarray]:
    """Vectors by layer, ascending."""
    vectors = {checks.layer(layer): vector for layer, vector in sorted(pairs, key=lambda pair: pair[0])}
    shapes = {vector.shape for vector in vectors.values()}
    if len(vectors) < len(pairs) or len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise Wrong(
            f"its {len(pairs)} tensors are for {len(vectors)} layers and of the shapes "
            f"{', '.join(str(list(shape)) for shape in sorted(shapes)[:5])}; expected one vector per layer, all of "
            "one length"
        )
    return vectors


def imported(vectors: dict[int, np.ndarray], name: str, how: str) -> Direction:
    """A direction of vectors by layer, ascending, from a file that proposes no layer."""
    layers = tuple(vectors)
    return Direction(
        name=_label(name),
        layers=layers,
        values=checks.usable(np.stack(list(vectors.values()))),
        weights="",
        how=how,
        source="The file names no method.",
        layer=layers[len(layers) // 2],
        why="The middle one of the file's layers; the file proposes none."
        if layers[1:]
        else "The only layer there is.",
    )


def _numbers(name: str, tensor: dict[str, Any]) -> Float32[np.ndarray, "..."]:
    kind, shape = tensor["dtype"], tensor["shape"]
    if kind not in DTYPES or not 1 <= len(shape) <= 2 or not math.prod(shape):
        raise Wrong(
            f"its tensor {shown(name)} is of type {kind} and shape {shape}; expected vectors of floats",
            "Save one vector per layer as float32.",
        )
    raw = np.frombuffer(tensor["data"], dtype=DTYPES[kind])
    if kind == "BF16":
        raw = (raw.astype("<u4") << 16).view("<f4")
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused as such
        return raw.astype(np.float32, copy=False).reshape(shape)


def _label(name: str) -> str:
    """A file's name as the name of a direction."""
    return "".join(c if c.isprintable() else " " for c in name).strip()[:80].strip() or "imported"
