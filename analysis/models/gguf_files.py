"""Read a GGUF file once and keep it as safetensors: loading falls from many seconds to under one."""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from analysis import store
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent

CONVERSION = 1
"""Raise it when what `convert` writes changes; every folder made before is then made again."""

LARGE = 8 * 2**30
"""Bytes in float32 above which a converted model is kept in bfloat16."""

DIGITS_FIRST = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"})
"""Vocabularies whose merges were learned with every digit split off before anything else.

llama.cpp names the rule in `tokenizer.ggml.pre`; transformers reads these files without it and would
write two spaces before a digit as two tokens where the model was trained on one.
"""

# The scalar types of GGUF by number: the bytes each takes. 8 is a string, 9 an array.
SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9
MOST_ENTRIES = 1_000_000


class _Damaged(Exception):
    """What is wrong with a file, in a few words."""


@dataclass
class Header:
    """What a GGUF file says of itself."""

    values: dict[str, Any] = field(default_factory=dict)
    """Its strings and numbers; arrays are walked over and left out."""
    parameters: int = 0
    """Numbers in all tensors."""


def read_header(path: Path) -> Header:
    """Walk through a GGUF file's header, trusting no length in it.

    The reader of the gguf package believes what a file says of its own sizes; this walk comes first, so
    that a damaged file ends in a sentence and not in an endless loop or a full memory.

    Raises:
        AnalysisError: the file is missing, is no GGUF file, or is damaged or cut short.
    """
    if not path.is_file():
        raise AnalysisError(
            f"There is no file {path}. Check the path; it must name a .gguf file on this machine."
        )
    try:
        with open(path, "rb") as opened:
            return _Walk(opened, path.stat().st_size).header()
    except OSError as error:
        raise AnalysisError(f"{path} cannot be read ({error.strerror}). Check its permissions.") from error
    except _Damaged as damage:
        raise AnalysisError(
            f"{path} cannot be opened as GGUF: {damage}. Download or copy the file again."
        ) from damage


class _Walk:
    """One pass over a header, in which every length is held against the file's size."""

    def __init__(self, opened: BinaryIO, size: int):
        self._opened, self._size = opened, size

    def header(self) -> Header:
        if self._take(4) != b"GGUF":
            raise _Damaged("it does not begin with the four letters GGUF")
        version = self._number("<I")
        if version not in (2, 3):
            raise _Damaged(f"it is of version {version}, and only versions 2 and 3 are known")
        tensors, entries = self._count(), self._count()
        header = Header()
        for _ in range(entries):
            name, kind = self._text(), self._number("<I")
            value = self._value(kind)
            if value is not None:
                header.values[name] = value
        self._tensors(header, tensors)
        return header

    def _tensors(self, header: Header, count: int) -> None:
        ends = [self._tensor(header) for _ in range(count)]
        alignment = header.values.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= 1 << 20:
            raise _Damaged(f"its alignment is {alignment!r}")
        start = -(-self._opened.tell() // alignment) * alignment
        if ends and start + max(ends) > self._size:
            raise _Damaged(
                f"its tensors end at byte {start + max(ends):,} and the file has {self._size:,}: it was cut short"
            )

    def _tensor(self, header: Header) -> int:
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        name, axes = self._text(), self._number("<I")
        if not 0 < axes <= 8:
            raise _Damaged(f"its tensor {name!r} has {axes} axes")
        numbers = 1
        for _ in range(axes):
            numbers *= self._number("<Q")
        kind, offset = self._number("<I"), self._number("<Q")
        if kind not in GGMLQuantizationType.__members__.values():
            raise _Damaged(f"its tensor {name!r} is of the unknown type {kind}")
        block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        header.parameters += numbers
        return offset + numbers * block_bytes // block

    def _value(self, kind: int) -> Any:
        if kind == STRING:
            return self._text()
        if kind == ARRAY:
            return self._skip_array()
        if kind not in SCALARS:
            raise _Damaged(f"it holds a value of the unknown type {kind}")
        data = self._take(SCALARS[kind])
        return int.from_bytes(data, "little") if kind not in (6, 12) else None

    def _skip_array(self) -> None:
        kind, length = self._number("<I"), self._number("<Q")
        least = 8 if kind == STRING else SCALARS.get(kind, 0)
        if not least or length * least > self._size:
            raise _Damaged(f"it holds an array of {length:,} values of type {kind}, more than the file can")
        if kind != STRING:
            self._take(length * least)
            return
        for _ in range(length):
            self._take(self._number("<Q"))

    def _text(self) -> str:
        return self._take(self._number("<Q")).decode("utf-8", "replace")

    def _count(self) -> int:
        count = self._number("<Q")
        if count > MOST_ENTRIES:
            raise _Damaged(f"it claims {count:,} entries")
        return count

    def _number(self, form: str) -> int:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _take(self, size: int) -> bytes:
        if size > self._size - self._opened.tell():
            raise _Damaged("it ends in the middle of its header: it was cut short")
        return self._opened.read(size)


def convert(path: Path, key: str, title: str, report: Report = silent) -> tuple[Path, str]:
    """Read a GGUF file into the store as safetensors, once.

    Args:
        path: a file that is known to be whole (see `read_header`).
        key: names these weights; a folder already kept under it is used as it is.
        title: the model's name as shown.
        report: told how far it is.

    Returns:
        The folder, and sentences on what was done to the file's contents.

    Raises:
        AnalysisError: the architecture is unknown to transformers, or disk or memory do not suffice.
    """
    if kept := converted(key):
        return kept
    with store.held(f"convert-{key}", report, f"Waiting for another process that is converting {title}"):
        if kept := converted(key):
            return kept
        header = read_header(path)
        wide = header.parameters * 4 <= LARGE
        store.require_space(store.home(), header.parameters * (4 if wide else 2), f"{title} as safetensors")
        target = _place(key)
        with store.new_folder(target) as partial:
            note = _write(path, partial, header, title, wide, report)
            store.write_json(
                partial / "source.json", {"title": title, "note": note, "conversion": CONVERSION}
            )
        return target, note


def converted(key: str) -> tuple[Path, str] | None:
    """The folder kept under `key` and its note, None if there is none."""
    target = _place(key)
    if not (target / "source.json").is_file():  # written last, into a folder that appears whole
        return None
    return target, str(store.read_json(target / "source.json")["note"])


def _place(key: str) -> Path:
    return store.folder("models", key) / f"v{CONVERSION}"


def _write(path: Path, partial: Path, header: Header, title: str, wide: bool, report: Report) -> str:
    import torch

    from analysis.models.loading_bars import reported

    model, tokenizer = read(path, torch.float32 if wide else torch.bfloat16, title, report)
    message = f"Writing {title} to the store"
    report(message)
    model.config.name_or_path = title
    with reported(report, message):
        model.save_pretrained(partial)
    notes = [
        f"Weights were quantised when the file was made; they are kept as read, in {model.dtype}.".replace(
            "torch.", ""
        )
    ]
    notes += mend_tokenizer(tokenizer, model.config, header.values.get("tokenizer.ggml.pre"))
    tokenizer.save_pretrained(partial)
    return " ".join(notes)


def read(path: Path, dtype: Any, title: str, report: Report = silent) -> tuple[Any, Any]:
    """Model and tokenizer straight from a GGUF file, as transformers reads it.

    Raises:
        AnalysisError: transformers cannot read this file.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    from analysis.models.gguf_once import parsed_once
    from analysis.models.loading_bars import reported

    message = f"Reading {title} from GGUF (first time only)"
    where = {"gguf_file": path.name, "local_files_only": True, "trust_remote_code": False}
    plain = GgufConfig(dequantize=True)  # some architectures would else stay packed in memory
    report(message)
    try:
        with reported(report, message), parsed_once():
            model = AutoModelForCausalLM.from_pretrained(
                path.parent, dtype=dtype, quantization_config=plain, **where
            )
            report(f"Reading the tokenizer of {title}")
            tokenizer = AutoTokenizer.from_pretrained(path.parent, **where)
    except (ValueError, OSError, RuntimeError, KeyError, IndexError, TypeError, NotImplementedError) as error:
        raise AnalysisError(
            f"{path.name} is a whole GGUF file, but transformers cannot read it ({_first_line(error)}). "
            "Use the model's safetensors instead."
        ) from error
    _forget_quantisation(model, title)
    return model.eval(), tokenizer


def _forget_quantisation(model: Any, title: str) -> None:
    packed = [name for name, values in model.named_parameters() if not values.is_floating_point()]
    if packed:
        raise AnalysisError(
            f"{title} stays quantised in memory ({packed[0]}), so its numbers cannot be read. "
            "Use the model's safetensors instead."
        )
    # the numbers are plain by now, yet transformers refuses to save while the config says otherwise
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.is_quantized = False
    model.hf_quantizer = None


def mend_tokenizer(tokenizer: Any, config: Any, rule: str | None) -> list[str]:
    """Undo what a GGUF file cannot say to transformers; returns a sentence for each change or doubt.

    Args:
        tokenizer: changed in place.
        config: the model's, for its context length.
        rule: the file's `tokenizer.ggml.pre`, how text is split before merging.
    """
    from tokenizers import pre_tokenizers

    if context := getattr(config, "max_position_embeddings", None):
        tokenizer.model_max_length = context
    backend = tokenizer.backend_tokenizer
    if rule in DIGITS_FIRST and "Digits" not in str(backend.pre_tokenizer):
        digits = pre_tokenizers.Digits(individual_digits=True)
        backend.pre_tokenizer = pre_tokenizers.Sequence([digits, backend.pre_tokenizer])
        return [
            f"Digits are split off first, as this vocabulary ({rule}) was trained; the GGUF reader leaves it out."
        ]
    return (
        []
        if rule is None or rule in _rules_known()
        else [
            f"The file asks to split text by the rule {rule!r}, which was not checked: some tokens may differ from "
            "the original tokenizer's."
        ]
    )


def _rules_known() -> frozenset[str]:
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    return frozenset({"default", "gpt-2", *DIGITS_FIRST, *GGUF_PRE_TOKENIZER_SPLITS})


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
