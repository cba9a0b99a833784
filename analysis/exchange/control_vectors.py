"""Directions as GGUF control vectors, for llama.cpp and repeng.

They number layers otherwise. Here layer n is the residual stream after n blocks. There
`direction.n` belongs to the output of block n, counted from 0: layer n + 1 here.

- repeng (vgel/repeng) reads vector n off `hidden_states[n + 1]` (`extract.py`, `batched_get_hiddens`) and adds
  it to what `layers[n]` returns (`control.py`).
- llama.cpp adds it where block n ends (`build_cvec(cur, il)` in its models, `llama_adapter_cvec::apply_to` in
  `src/llama-adapter.cpp`) and refuses a file that holds a `direction.0` (`common/common.cpp`,
  `llama_control_vector_load_one`). So layers 0 and 1 cannot be exported; what repeng may write as
  `direction.0` is read as layer 1.
- llama.cpp's cvector-generator calls what it found in the output of block n `direction.<n + 1>` (`pca.hpp` and
  `mean.hpp`), one layer below the one llama.cpp adds it at. Such a file is read as it is applied, and `how`
  says where it was found.

Vectors keep their lengths. Those of repeng and cvector-generator have length 1; others need another factor in
`--control-vector-scaled`.
"""

import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from analysis.directions import Direction
from analysis.errors import AnalysisError
from analysis.exchange import checks
from analysis.exchange.checks import MOST_LAYERS, MOST_POSITIONS, MOST_TEXT, Wrong, shown
from analysis.exchange.foreign import NUMBERED, by_layer, imported
from analysis.models.gguf_files import ARRAY, SCALARS, STRING

CONTROL_VECTOR = "controlvector"
FIRST_IN_GGUF = 2
"""The lowest layer that llama.cpp adds a control vector to."""
GGUF_FLOAT32, GGUF_INT32 = 0, 5
"""A tensor type and a value type, by number."""


def to_gguf(direction: Direction, model_hint: str) -> bytes:
    """A control vector for llama.cpp, in the form repeng writes; see the module for what becomes of layers.

    Only the vectors are kept, at their lengths; `gguf_losses` says which layers are not.

    Args:
        direction: of the residual stream.
        model_hint: the kind of model, as transformers calls it (`model_type`), such as `llama`.

    Raises:
        AnalysisError: nothing of the direction can be expressed, or there is no hint.
    """
    kept = _expressible(direction)
    if not 0 < len(model_hint.strip()) <= 200 or not model_hint.isprintable():
        raise AnalysisError(
            f"A control vector needs a word for the kind of model, such as 'llama'; given {shown(model_hint)}."
        )
    try:
        with tempfile.TemporaryDirectory(prefix="bathyscope-") as folder:
            path = Path(folder) / "direction.gguf"
            _write_gguf(path, {layer - 1: direction.at(layer) for layer in kept}, model_hint.strip())
            return path.read_bytes()
    except OSError as error:
        raise AnalysisError(
            f"The folder {tempfile.gettempdir()} for temporary files cannot be written to ({error.strerror}). "
            "Free some space in it."
        ) from error


def gguf_losses(direction: Direction) -> str:
    """Which layers `to_gguf` has to leave out, and why, in one sentence; empty if none."""
    lost = [str(layer) for layer in direction.layers if layer < FIRST_IN_GGUF]
    if not lost:
        return ""
    return (
        f"Layer{'s' if lost[1:] else ''} {' and '.join(lost)} will be left out: llama.cpp adds control vectors "
        f"from the second block's output on, which is layer {FIRST_IN_GGUF} here."
    )


def from_gguf(data: bytes, name: str = "imported") -> Direction:
    """Read a control vector as repeng and llama.cpp write it; see the module for what becomes of layers.

    Args:
        data: the file.
        name: what the direction will be called.

    Raises:
        AnalysisError: damaged, or no control vector.
    """
    with checks.reading(name):
        checks.require_size(data)
        said, vectors = _control_vector(_Cursor(data))
        _, hint = said.get(f"{CONTROL_VECTOR}.model_hint", (STRING, "unknown"))
        kind, _ = said.get(f"{CONTROL_VECTOR}.layer_count", (None, None))
        how = (
            f"Imported from {shown(name)}, a control vector for a model of the kind {shown(hint)}, "
            "which does not say how it was made."
        )
        if kind == GGUF_INT32:  # repeng writes it without a sign
            how += (
                " It has the form of llama.cpp's cvector-generator, which finds each vector one layer below "
                "the layer it is for."
            )
        return imported(by_layer([(block + 1, vector) for block, vector in vectors]), name, how)


def _expressible(direction: Direction) -> list[int]:
    kept = [layer for layer in direction.layers if layer >= FIRST_IN_GGUF]
    if not kept:
        raise AnalysisError(
            f"The direction {shown(direction.name)} has layers up to {direction.layers[-1]}. llama.cpp adds control "
            f"vectors from layer {FIRST_IN_GGUF} on; export this one as safetensors."
        )
    return kept


def _write_gguf(path: Path, vectors: dict[int, np.ndarray], model_hint: str) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(path, CONTROL_VECTOR)
    writer.add_string(f"{CONTROL_VECTOR}.model_hint", model_hint)
    writer.add_uint32(f"{CONTROL_VECTOR}.layer_count", len(vectors))
    for block, vector in vectors.items():
        writer.add_tensor(f"direction.{block}", vector)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class _Cursor:
    """A place in a GGUF file that no length in it can lead astray.

    The gguf package's own reader makes objects of every list in a file, which a hostile one can fill memory
    with; a control vector holds none that matter.
    """

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise Wrong("it ends in the middle of its header: it was cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def whole(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def text(self) -> str:
        size = self.whole(8)
        if size > MOST_TEXT:
            raise Wrong(f"a text in its header has {size:,} bytes; a control vector has up to {MOST_TEXT:,}")
        return self.take(size).decode("utf-8", "replace")

    def value(self) -> tuple[int, str | int | None]:
        """A value's type and the value; lists are walked over."""
        kind = self.whole(4)
        if kind == STRING:
            return kind, self.text()
        if kind == ARRAY:
            return kind, self.skip(*struct.unpack("<IQ", self.take(12)))
        if kind not in SCALARS:
            raise Wrong(f"it holds a value of the unknown type {kind}")
        return kind, self.whole(SCALARS[kind])

    def skip(self, kind: int, length: int) -> None:
        if kind in SCALARS:
            self.take(SCALARS[kind] * length)
            return
        if kind != STRING or length > MOST_POSITIONS:
            raise Wrong(f"it holds a list of {length:,} values of type {kind}, which no control vector has")
        for _ in range(length):
            self.text()


def _control_vector(cursor: _Cursor) -> tuple[dict[str, Any], list[tuple[int, np.ndarray]]]:
    """What a file says of itself as {name: (type, value)}, and its vectors with their blocks."""
    if cursor.take(4) != b"GGUF":
        raise Wrong("it does not begin with the four letters GGUF")
    version, tensors, entries = struct.unpack("<IQQ", cursor.take(20))
    if version not in (2, 3) or max(tensors, entries) > MOST_LAYERS:
        raise Wrong(
            f"it is of version {version} with {tensors:,} tensors and {entries:,} entries; expected version 2 or 3 "
            f"and up to {MOST_LAYERS:,}",
            "Give a control vector.",
        )
    said = {cursor.text(): cursor.value() for _ in range(entries)}
    if (kind := said.get("general.architecture", (0, "none"))[1]) != CONTROL_VECTOR:
        raise Wrong(
            f"it holds a {shown(kind)} and not a {CONTROL_VECTOR}",
            "A model is opened as a model, by its path.",
        )
    return said, _vectors(cursor, said, tensors)


def _vectors(cursor: _Cursor, said: dict[str, Any], tensors: int) -> list[tuple[int, np.ndarray]]:
    found = [_place(cursor) for _ in range(tensors)]
    places = [place for place in found if place is not None]
    _, alignment = said.get("general.alignment", (None, 32))
    if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
        raise Wrong(f"its alignment is {shown(alignment)}")
    start = -(-cursor.at // alignment) * alignment
    end = max((start + offset + 4 * length for _, length, offset in places), default=0)
    if not places or end > len(cursor.data) or sum(4 * length for _, length, _ in places) > len(cursor.data):
        raise Wrong(
            f"its {len(places)} vectors would end at byte {end:,} and it has {len(cursor.data):,}: it holds none or "
            "was cut short"
        )
    return [
        (block, np.frombuffer(cursor.data, "<f4", length, start + offset)) for block, length, offset in places
    ]


def _place(cursor: _Cursor) -> tuple[int, int, int] | None:
    """Block, length and offset of the next tensor; None if it is no direction."""
    name, axes = cursor.text(), cursor.whole(4)
    shape = struct.unpack(f"<{min(axes, 8)}Q", cursor.take(8 * min(axes, 8)))
    kind, offset = struct.unpack("<IQ", cursor.take(12))
    if not name.startswith("direction."):
        return None
    number = NUMBERED.fullmatch(name)
    if number is None or len(shape) != 1 or kind != GGUF_FLOAT32:
        raise Wrong(
            f"its tensor {shown(name)} is of type {kind} and shape {list(shape)}; expected direction.<n>, type "
            f"{GGUF_FLOAT32} (float32) and one axis"
        )
    return int(number[1]), shape[0], offset
