"""Directions, erasures and recipes as files: safetensors keeps everything, GGUF is for llama.cpp and repeng.

Files come from and go to a browser, so they are bytes here. Nothing in them is trusted: whatever bytes are
given, the answer is a direction, an erasure, a recipe or an `AnalysisError`.
"""

from pathlib import PurePath

from analysis.directions import Direction
from analysis.errors import AnalysisError
from analysis.exchange import checks
from analysis.exchange.checks import MOST_TEXT, Wrong, shown
from analysis.exchange.control_vectors import from_gguf, gguf_losses, to_gguf
from analysis.exchange.own_files import (
    content_key,
    erasure_from_bytes,
    erasure_to_bytes,
    from_safetensors,
    parts,
    recipe_from_bytes,
    recipe_or_erasure_from_bytes,
    recipe_to_bytes,
    to_safetensors,
)

__all__ = [
    "MOST_TEXT",
    "content_key",
    "erasure_from_bytes",
    "erasure_to_bytes",
    "from_gguf",
    "from_safetensors",
    "gguf_losses",
    "parts",
    "read",
    "recipe_from_bytes",
    "recipe_or_erasure_from_bytes",
    "recipe_to_bytes",
    "to_gguf",
    "to_safetensors",
]

UNSAFE = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".npy", ".npz")
UNSAFE_STARTS = (b"PK\3\4", b"\x80", b"\x93NUMPY")
"""Archives (torch), pickles, numpy: how such files begin under any name."""


def read(data: bytes, filename: str, layer: int | None = None) -> Direction:
    """A direction from any file that can hold one, told apart by its beginning and its name.

    Args:
        data: the file.
        filename: what it is called; its suffix decides where the beginning does not.
        layer: for a safetensors file with a single vector that does not say its layer.

    Raises:
        AnalysisError: the file is of no known or no safe kind, is damaged, or holds no direction.
    """
    suffix, name = PurePath(filename).suffix.lower(), PurePath(filename).stem
    lettered = data[8:9] == b"{"  # safetensors begin with a length, which may look like anything
    if suffix in UNSAFE or (data.startswith(UNSAFE_STARTS) and not lettered):
        raise AnalysisError(
            f"{shown(filename)} is a pickle or an array without names: the one could run code when it is "
            "opened, the other does not say what it holds. Save the vectors as .safetensors or .gguf instead."
        )
    if data.startswith(b"GGUF") or suffix == ".gguf":
        return from_gguf(data, name)
    if suffix == ".safetensors" or lettered:
        return from_safetensors(data, name, layer)
    with checks.reading(filename):
        checks.require_size(data)
        raise Wrong("it is neither a safetensors nor a GGUF file", "Give a .safetensors or .gguf file.")
