"""Arrays made small enough to ship: whole numbers without loss, rows of decimals to 1/255 of their largest."""

import json
import lzma
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from safetensors import SafetensorError, safe_open

from analysis import store
from analysis.errors import AnalysisError

STEPS = 255
"""Levels of a row of decimals on either side of 0 or, where none is negative, above it."""


def write_packed(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, str]) -> None:
    """Write arrays of any shape as compressed bytes in one safetensors file; decimals keep their type.

    Raises:
        AnalysisError: the disk is full or the place cannot be written to.
    """
    shapes = {name: (values.dtype.str, values.shape) for name, values in arrays.items()}
    tensors = {name: _squeezed(values) for name, values in arrays.items()}
    store.write_tensors(path, tensors, {"about": json.dumps(dict(about)), "shapes": json.dumps(shapes)})


def read_packed(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read what `write_packed` wrote; nothing can be changed in it.

    Raises:
        AnalysisError: the file is missing, cut short or damaged.
    """
    tensors, metadata = store.read_tensors(path)
    try:
        shapes = json.loads(metadata["shapes"])
        arrays = {name: _restored(tensors[name], *shapes[name]) for name in shapes}
        return arrays, json.loads(metadata["about"])
    except (KeyError, ValueError, TypeError, lzma.LZMAError) as error:
        raise AnalysisError(
            f"{path} is no file of packed arrays ({error}). Delete it, and what it held will be made again."
        ) from error


def read_about(path: Path) -> dict[str, str]:
    """What was said of a packed file, without unpacking it; nothing of one that cannot be read."""
    try:
        with safe_open(path, framework="numpy") as stored:
            return json.loads((stored.metadata() or {})["about"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return {}


def _squeezed(values: np.ndarray) -> UInt8[np.ndarray, " byte"]:
    """Bytes of equal weight next to each other: the high ones are mostly alike."""
    planes = np.ascontiguousarray(values).reshape(-1, 1).view(np.uint8).T
    packed = lzma.compress(np.ascontiguousarray(planes).tobytes(), format=lzma.FORMAT_XZ, preset=6)
    return np.frombuffer(packed, np.uint8)


def _restored(packed: UInt8[np.ndarray, " byte"], dtype: str, shape: list[int]) -> np.ndarray:
    size = np.dtype(dtype).itemsize
    planes = np.frombuffer(lzma.decompress(packed.tobytes()), np.uint8).reshape(size, -1)
    values = np.ascontiguousarray(planes.T).view(dtype).reshape(shape)
    values.flags.writeable = False
    return values


def in_steps(
    values: Float32[np.ndarray, "row column"],
) -> tuple[np.ndarray, Float32[np.ndarray, " row"]]:
    """Every row as whole multiples of 1/255 of its largest magnitude, which comes beside them."""
    most = np.abs(values).max(axis=1, initial=0).astype(np.float32)
    scale = np.where(most > 0, most, 1)[:, None]
    return np.round(values / scale * STEPS).astype(np.int16), most


def from_steps(steps: np.ndarray, most: Float32[np.ndarray, " row"]) -> Float32[np.ndarray, "row column"]:
    """What `in_steps` was given, to within half a step."""
    return (steps.astype(np.float32) / STEPS * most[:, None]).astype(np.float32)
