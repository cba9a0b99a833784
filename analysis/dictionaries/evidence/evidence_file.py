"""Evidence as one small file: whole numbers without loss, decimals to three digits."""

from pathlib import Path

import numpy as np

from analysis.dictionaries.evidence import packed
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.models.loaded import LoadedModel

FILE = "evidence.safetensors"
STEPS = ("example_values", "promotes", "suppresses")
"""Rows of decimals that are kept to 1/255 of their largest."""
HALVES = (
    "detection",
    "detection_null",
    "context",
    "positions",
    "token_precision",
    "together_share",
    "direct",
)
PLAIN = (
    "starts",
    "histogram",
    "example_tokens",
    "promoted",
    "suppressed",
    "top_token",
    "together",
    "chunk_bits",
)
EXACT = ("frequency", "mean", "largest", "smallest")


def write_evidence(found: Evidence, path: Path) -> None:
    """Write evidence as one compressed file, decimals to three digits; labels of a person's are not in it.

    Raises:
        AnalysisError: the disk is full or the place cannot be written to.
    """
    arrays = {name: getattr(found, name) for name in PLAIN + EXACT}
    arrays |= {name: getattr(found, name).astype(np.float16) for name in HALVES}
    arrays["ids"] = found.ids.astype(np.uint16) if found.ids.max(initial=0) < 2**16 else found.ids
    for name in STEPS:
        arrays[name], arrays[f"{name}_most"] = packed.in_steps(np.nan_to_num(getattr(found, name)))
    arrays["labels"] = np.frombuffer("\n".join(found.labels).encode(), np.uint8)
    about = dict(found.about) | {"dictionary": found.dictionary, "n_chunks": str(found.n_chunks)}
    packed.write_packed(path, arrays, about)


def read_evidence(path: Path, model: LoadedModel) -> Evidence:
    """Read what `write_evidence` wrote.

    Args:
        path: of the file.
        model: its tokenizer names the tokens.

    Raises:
        AnalysisError: the file is missing or damaged.
    """
    arrays, about = packed.read_packed(path)
    for name in STEPS:
        arrays[name] = packed.from_steps(arrays[name], arrays.pop(f"{name}_most"))
    arrays |= {name: arrays[name].astype(np.float32) for name in HALVES}
    arrays["ids"] = arrays["ids"].astype(np.int32)
    labels = tuple(arrays.pop("labels").tobytes().decode().split("\n"))
    dictionary, n_chunks = about.pop("dictionary"), int(about.pop("n_chunks"))
    return Evidence(dictionary, about, model.tokenizer, labels=labels, n_chunks=n_chunks, **arrays)
