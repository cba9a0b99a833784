"""One name for one request: a sha256 over everything that decides its answer.

Caches are keyed by this and never by hashing arrays through a framework: those hash large arrays by
sampling and forget the types of nested dataclasses, so two different requests can share an entry.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from analysis.errors import AnalysisError

VERSION = 1
"""Raise it when the meaning of stored results changes; every older cache entry is then a miss."""


def fingerprint(*request: Any) -> str:
    """Return 64 hex digits that differ whenever any part of the request differs.

    Type names are written at every level, so `Steer(3, v)` and `Ablate(3, v)` never collide; mappings
    and sets are read in an order of their own. Arrays count in full: dtype, shape and every byte.

    Args:
        request: None, bool, int, float, str, bytes, paths, numpy arrays, and tuples, lists, sets,
            mappings and dataclasses of them; a dataclass with a `fingerprint` of its own counts as that.

    Raises:
        AnalysisError: for anything else, whose identity would be a guess.
    """
    digest = hashlib.sha256(f"bathyscope {VERSION}".encode())
    _write(digest, request)
    return digest.hexdigest()


def _write(digest: "hashlib._Hash", value: Any) -> None:
    kind = type(value)
    digest.update(f"<{kind.__module__}.{kind.__qualname__}".encode())
    if dataclasses.is_dataclass(value) and isinstance(getattr(value, "fingerprint", None), str):
        digest.update(_plain(value.fingerprint))  # it has worked out its own, and keeps it
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            digest.update(f".{field.name}".encode())
            _write(digest, getattr(value, field.name))
    elif isinstance(value, np.ndarray) and value.dtype.kind not in "OV":  # those hold addresses, or names too
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        for key in sorted(value, key=fingerprint):
            _write(digest, key)
            _write(digest, value[key])
    elif isinstance(value, (set, frozenset)):
        for item in sorted(value, key=fingerprint):
            _write(digest, item)
    elif isinstance(value, (tuple, list)):
        digest.update(str(len(value)).encode())
        for item in value:
            _write(digest, item)
    else:
        digest.update(_plain(value))
    digest.update(b">")


def _plain(value: Any) -> bytes:
    if isinstance(value, bytes):
        return b"%d:" % len(value) + value
    if value is None or isinstance(value, (bool, int, float, str, Path, np.generic)):
        text = repr(value.item() if isinstance(value, np.generic) else value)
        return f"{len(text)}:{text}".encode("utf-8", "surrogatepass")
    raise AnalysisError(
        f"A {type(value).__name__} has no fingerprint. Give plain values, arrays or dataclasses of them."
    )
