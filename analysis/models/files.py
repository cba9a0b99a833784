"""Where a model's files lie, and a name for exactly those weights."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from analysis.errors import AnalysisError

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".msgpack", ".h5")
SAMPLE = 4096
SPREAD = 64

FloatNames = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""Bytes of one number, by the name safetensors gives its type."""


@dataclass(frozen=True)
class ModelFiles:
    """A model on this disk, ready to be opened without a network."""

    folder: Path
    """Holds config.json, safetensors and tokenizer files."""
    source_title: str
    """The model's name as shown: a hub id, a folder's or file's name."""
    revision: str
    """Names these weights: the commit on the hub, else 16 hex digits of `identity`. Fits are kept under it."""
    kind: Literal["packaged", "hub", "folder", "gguf"]
    gguf_file: str | None
    """The GGUF file that the folder was converted from."""
    bytes_on_disk: int
    """Of the safetensors files."""
    note: str
    """What a person should know about these files, in sentences; empty where there is nothing to say."""


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, sorted by name.

    Raises:
        AnalysisError: there are none, or the index names one that is missing.
    """
    index = folder / "model.safetensors.index.json"
    single = folder / "model.safetensors"
    if single.is_file() or not index.is_file():
        found = [single] if single.is_file() else sorted(folder.glob("*.safetensors"))
        if not found:
            raise AnalysisError(_without_safetensors(folder))
        return found
    named = {str(name) for name in read_json_file(index).get("weight_map", {}).values()}
    for name in sorted(named):
        if Path(name).name != name or not (folder / name).is_file():
            raise AnalysisError(
                f"{index} names the weight file {name!r}, which is not in the folder. "
                "Copy the missing file there, or download the model again."
            )
    return [folder / name for name in sorted(named)]


def require_model_folder(folder: Path) -> None:
    """Refuse a folder that cannot be opened safely.

    Raises:
        AnalysisError: no config.json, no safetensors, an adapter, or code of its own.
    """
    if (folder / "adapter_config.json").is_file():
        raise AnalysisError(
            f"{folder} holds an adapter (adapter_config.json), which only changes another model. "
            "Merge it into its base model (peft: merge_and_unload, save_pretrained) and give that folder."
        )
    if not (folder / "config.json").is_file():
        raise AnalysisError(
            f"{folder} has no config.json, so it is not a model folder as transformers saves it. "
            + (_gguf_hint(folder) or "Give the folder that holds config.json and *.safetensors.")
        )
    require_known_code(read_json_file(folder / "config.json"), str(folder))
    weight_files(folder)


def require_known_code(config: dict[str, Any], title: str) -> None:
    """Refuse a model that brings its own Python code.

    Raises:
        AnalysisError: config.json has `auto_map` and transformers has no architecture of that name.
    """
    from transformers import CONFIG_MAPPING

    if config.get("auto_map") and str(config.get("model_type")) not in CONFIG_MAPPING:
        raise AnalysisError(
            f"{title} needs Python code of its own (model type {config.get('model_type')!r}, auto_map in "
            "config.json). Code from model folders is never run. Choose a model whose architecture is part of "
            "transformers."
        )


def read_json_file(path: Path) -> dict[str, Any]:
    """A JSON object from a model folder.

    Raises:
        AnalysisError: the file cannot be read or holds no JSON object.
    """
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise AnalysisError(f"{path} is damaged ({error}). Download or save the model again.") from error
    if not isinstance(value, dict):
        raise AnalysisError(f"{path} holds no JSON object. Download or save the model again.")
    return value


@dataclass(frozen=True)
class Tensor:
    """One entry of a safetensors header."""

    name: str
    kind: str
    """The type's name in safetensors: `F32`, `BF16`, ..."""
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        size = 1
        for axis in self.shape:
            size *= axis
        return size


def tensors(path: Path) -> list[Tensor]:
    """What a safetensors file holds, from its header alone.

    Raises:
        AnalysisError: the file is cut short or is no safetensors file.
    """
    try:
        with safe_open(path, framework="numpy") as opened:
            slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118, not a dict
            return [Tensor(n, s.get_dtype(), tuple(s.get_shape())) for n, s in slices.items()]
    except (SafetensorError, OSError) as error:
        raise AnalysisError(
            f"{path} is damaged or was cut short ({error}). Download or copy the file again."
        ) from error


def identity(folder: Path) -> str:
    """16 hex digits that change whenever a folder's weights or configuration do.

    Reads kilobytes of gigabytes: config.json and each file's header in full, then 4 KiB at 64 places spread
    evenly over each file, its end included. Training touches every number, so it cannot miss that; an edit
    by hand of a few numbers between the places it can.

    Raises:
        AnalysisError: a safetensors file is damaged.
    """
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in weight_files(folder):
        digest.update(path.name.encode())
        tensors(path)  # refuses a damaged header before its length is trusted
        digest.update(_header(path))
        _sample(digest, path)
    return digest.hexdigest()[:16]


def file_identity(path: Path) -> str:
    """16 hex digits of one weight file, by its first and last MB and the places `identity` reads."""
    digest = hashlib.sha256()
    with open(path, "rb") as opened:
        digest.update(opened.read(1 << 20))
        opened.seek(max(0, path.stat().st_size - (1 << 20)))
        digest.update(opened.read())
    _sample(digest, path)
    return digest.hexdigest()[:16]


def bytes_on_disk(folder: Path) -> int:
    """Bytes of a folder's safetensors files."""
    return sum(path.stat().st_size for path in weight_files(folder))


def _header(path: Path) -> bytes:
    with open(path, "rb") as opened:
        return opened.read(int.from_bytes(opened.read(8), "little"))


def _sample(digest: Any, path: Path) -> None:
    size = path.stat().st_size
    digest.update(str(size).encode())
    with open(path, "rb") as opened:
        for place in _places(size):
            opened.seek(place)
            digest.update(opened.read(SAMPLE))


def _places(size: int) -> Iterator[int]:
    last = max(0, size - SAMPLE)
    return (last * step // (SPREAD - 1) for step in range(SPREAD))


def _without_safetensors(folder: Path) -> str:
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
    if pickled:
        return (
            f"{folder} holds its weights only as {pickled[0]}, a pickle, which can run any code when opened. "
            "Only safetensors are opened. Save the model once more with "
            "save_pretrained(..., safe_serialization=True) where you trust it."
        )
    return f"{folder} holds no *.safetensors file. " + (
        _gguf_hint(folder) or "Copy the model's weights there as safetensors."
    )


def _gguf_hint(folder: Path) -> str:
    found = sorted(folder.glob("*.gguf"))
    return f"It holds a GGUF file: give that file itself, {found[0]}." if found else ""
