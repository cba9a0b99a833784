"""Weights that somebody else wrote: safetensors of any float type, read as float32, and refused in words."""

from pathlib import Path

import numpy as np
import psutil
from safetensors import SafetensorError, safe_open

from analysis import store
from analysis.errors import AnalysisError
from analysis.models.files import PICKLES, Tensor, tensors

MEMORY_SHARE = 0.5
"""Of the memory that is free, the share a dictionary may take."""
MOST_HEADER = 4_000_000
"""Bytes; a dictionary's header has a few hundred."""
FLOATS = ("F64", "F32", "F16", "BF16")


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Every tensor of a file, as float32.

    Args:
        path: a safetensors file; its header is checked against the memory that is free before anything is read.

    Raises:
        AnalysisError: it is missing, cut short, no safetensors file, damaged, or too large for the memory.
    """
    _require_room(path, header(path))
    try:
        with safe_open(path, framework="pt") as opened:
            checked = store.CONTENT in (opened.metadata() or {})
            if not checked:
                return {name: opened.get_tensor(name).float().numpy() for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    own, _ = store.read_tensors(path)
    return {name: np.ascontiguousarray(values, np.float32) for name, values in own.items()}


def header(path: Path) -> list[Tensor]:
    """Names, types and shapes of a file's tensors, without reading them.

    Raises:
        AnalysisError: as `read_weights`.
    """
    if not path.is_file():
        raise AnalysisError(_missing(path))
    with open(path, "rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
    if not 0 < length <= min(MOST_HEADER, max(path.stat().st_size - 8, 0)):
        raise _damaged(path, f"{store.size_text(path.stat().st_size)} with a header that does not fit in")
    try:
        found = tensors(path)
    except AnalysisError as error:
        raise _damaged(path, error.__cause__ or error) from error
    odd = next((each for each in found if each.kind not in FLOATS), None)
    if odd is not None:
        raise AnalysisError(
            f"{path} holds the tensor {odd.name[:60]!r} of type {odd.kind}; a dictionary's are floats. Give the file "
            "that SAELens or sparsify wrote."
        )
    return found


def _require_room(path: Path, found: list[Tensor]) -> None:
    needed = sum(each.size for each in found) * 4
    room = int(psutil.virtual_memory().available * MEMORY_SHARE)
    if needed > room:
        raise AnalysisError(
            f"{path} takes {store.size_text(needed)} of memory; {store.size_text(room)} may be used. Choose a "
            "dictionary with fewer features."
        )


def _missing(path: Path) -> str:
    pickled = sorted(each.name for each in path.parent.glob("*") if each.suffix in PICKLES)
    if pickled:
        return (
            f"{path.parent} holds its weights only as {pickled[0]}, a pickle, which can run any code when opened. Only "
            "safetensors are opened. Save the dictionary as safetensors where you trust it (SAELens: save_model)."
        )
    return (
        f"{path.parent} has no {path.name}. Give the folder that holds cfg.json beside it; if it was downloaded, "
        "download it again."
    )


def _damaged(path: Path, reason: object) -> AnalysisError:
    return AnalysisError(
        f"{path} was cut short, or is no safetensors file ({str(reason)[:200]}). Download or copy it again."
    )
