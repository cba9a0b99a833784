"""The on-disk store: fitted things and converted models, in one folder of the user's.

Files appear whole or not at all: they are written beside their place and then renamed, so that a killed
process or a full disk leaves no half a file that a later run would trust.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from analysis.errors import AnalysisError
from analysis.jobs import Report

if TYPE_CHECKING:  # the launcher must not wait for pandas
    import pandas as pd

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
MARK = b"bathyscope"
"""Metadata key of a table's mark."""
CONTENT = "content_sha256"
"""Metadata key kept by the store itself: a safetensors header says nothing about flipped bytes."""


def home() -> Path:
    """The store's folder: `$BATHYSCOPE_HOME`, else `$XDG_CACHE_HOME/bathyscope`, else `~/.cache/bathyscope`."""
    if chosen := os.environ.get("BATHYSCOPE_HOME"):
        return Path(chosen).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache").expanduser().absolute() / "bathyscope"


def folder(kind: str, key: str) -> Path:
    """The folder `home()/kind/key`, made if it is not there.

    Args:
        kind: what is kept, in one word: `models`, `lenses`, ...
        key: a fingerprint or a `safe_name`.

    Raises:
        AnalysisError: `kind` or `key` could leave the store, or the folder cannot be made.
    """
    place = home() / _checked(kind) / _checked(key)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AnalysisError(
            f"The folder {place} cannot be made ({error.strerror}). "
            "Set BATHYSCOPE_HOME to a folder that can be written to."
        ) from error
    return place


def safe_name(text: str) -> str:
    """A key made of any text: readable, and different for different texts."""
    readable = re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-._+")[:60]
    return f"{readable or 'x'}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def write_tensors(path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    """Write named arrays and their metadata as one safetensors file.

    Raises:
        AnalysisError: the disk is full or the place cannot be written to; no partial file is left.
    """
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    size = sum(array.nbytes for array in arrays.values())
    kept = {**metadata, CONTENT: _digest(arrays)}
    _write_whole(path, size, lambda partial: save_file(arrays, partial, metadata=kept))


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read what `write_tensors` wrote.

    Raises:
        AnalysisError: the file is missing, cut short or damaged; the caller may delete it and fit again.
    """
    try:
        with safe_open(path, framework="numpy") as stored:
            metadata = dict(stored.metadata() or {})
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118, not a dict
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error
    if metadata.pop(CONTENT, None) != _digest(tensors):
        raise _unreadable(path, "its contents do not match its checksum")
    return tensors, metadata


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON; raises as `write_tensors` does."""
    text = json.dumps(value, ensure_ascii=False, indent=1).encode()
    _write_whole(path, len(text), lambda partial: partial.write_bytes(text))


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote; raises as `read_tensors` does."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def write_table(path: Path, table: "pd.DataFrame", mark: str) -> None:
    """Write a table as Parquet, with a mark that says what it was made from; raises as `write_tensors` does."""
    import pyarrow.parquet

    arrow = pyarrow.Table.from_pandas(table, preserve_index=False)
    marked = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), MARK: mark.encode()})
    _write_whole(path, arrow.nbytes, lambda partial: pyarrow.parquet.write_table(marked, partial))


def mark_of(path: Path) -> str | None:
    """The mark `write_table` gave a table; None where there is no such file, or it is damaged."""
    import pyarrow.parquet

    try:
        return (pyarrow.parquet.read_schema(path).metadata or {}).get(MARK, b"").decode()
    except (OSError, pyarrow.ArrowException):
        return None


def read_table(path: Path) -> "pd.DataFrame":
    """Read what `write_table` wrote; raises as `read_tensors` does."""
    import pandas as pd
    import pyarrow

    try:
        return pd.read_parquet(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise _unreadable(path, error) from error


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill that takes `target`'s place once the block has ended well, and is removed otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name[:60]}.", dir=target.parent))
    try:
        yield partial
        if target.exists():  # left by an older run that the caller found unusable
            shutil.rmtree(target)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def held(name: str, report: Report, message: str) -> Iterator[None]:
    """Hold a lock across threads and processes; the operating system frees it when its holder dies.

    Args:
        name: what is locked, as a key of the store.
        report: told while another process has the lock; raises `Cancelled` to stop waiting.
        message: what it is told.
    """
    lock = FileLock(folder("locks", name) / "lock", thread_local=False)
    while not _acquired(lock):
        report(message)
    try:
        yield
    finally:
        lock.release()


def prune(kind: str, most: int, *keep: Path) -> None:
    """Delete the folders of one kind that were used longest ago, until the rest takes no more than `most` bytes.

    A folder whose lock (`kind-key`, see `held`) somebody holds is being written and stays. Files that another
    process has mapped stay readable to it until it lets go of them.

    Args:
        kind: as for `folder`.
        most: bytes.
        keep: folders that are in use, the first of them now: it counts as used. They stay whatever their size.
    """
    os.utime(keep[0])
    folders = sorted(
        (place for place in (home() / _checked(kind)).iterdir() if place.is_dir()),
        key=lambda place: place.stat().st_mtime,
        reverse=True,
    )
    total = 0
    for place in folders:
        total += sum(file.stat().st_size for file in place.iterdir())
        if total > most and place not in keep:
            _delete_unless_held(place, f"{kind}-{place.name}")


def _delete_unless_held(place: Path, lock_name: str) -> None:
    lock = FileLock(folder("locks", lock_name) / "lock", thread_local=False)
    if _acquired(lock, patience=0):
        try:
            shutil.rmtree(place, ignore_errors=True)
        finally:
            lock.release()


def require_space(place: Path, needed: int, what: str) -> None:
    """Refuse work that would fill the disk.

    Args:
        place: a path on the disk in question; need not exist.
        needed: bytes.
        what: what would be written, as the subject of a sentence.

    Raises:
        AnalysisError: less than `needed` bytes, and a tenth on top, are free.
    """
    existing = next(parent for parent in (place, *place.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < needed * 1.1:
        raise AnalysisError(
            f"{what} needs {size_text(needed)} on the disk that holds {existing}, and {size_text(free)} are free. "
            "Free some space, or set BATHYSCOPE_HOME (for hub downloads HF_HOME) to a folder on another disk."
        )


def size_text(size: int | float) -> str:
    """Bytes as a person reads them: 98,362,432 is `98.4 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(size) < 999.5:
            return f"{size:.0f} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _acquired(lock: FileLock, patience: float = 0.2) -> bool:
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        return False
    return True


def _checked(name: str) -> str:
    if not isinstance(name, str) or not KEY.fullmatch(name) or ".." in name:
        raise AnalysisError(
            f"{name!r} cannot name a folder of the store: expected up to 128 letters, digits and . _ + -, "
            "beginning with a letter or digit, without '..'. Use a fingerprint or store.safe_name(text)."
        )
    return name


def _write_whole(path: Path, size: int, write: Callable[[Path], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:60]}.", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        write(partial)
        _flush(partial)
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise _unwritable(path, size, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with open(path, "rb+") as written:  # a rename may reach the disk before the data it names
        os.fsync(written.fileno())


def _unwritable(path: Path, size: int, error: Exception) -> AnalysisError:
    # safetensors writes in native code and reports the system's error only in its text
    full = getattr(error, "errno", None) == errno.ENOSPC or f"os error {errno.ENOSPC})" in str(error)
    if full:
        return AnalysisError(
            f"The disk is full: {path} needs {size:,} bytes. Free some space, or set BATHYSCOPE_HOME to a "
            "folder on another disk. Nothing was written."
        )
    return AnalysisError(
        f"{path} cannot be written ({error}). Set BATHYSCOPE_HOME to a folder that can be written to."
    )


def _unreadable(path: Path, reason: object) -> AnalysisError:
    if isinstance(reason, FileNotFoundError):
        return AnalysisError(f"There is no stored file {path}. Make it again.")
    return AnalysisError(
        f"The stored file {path} cannot be read ({reason}). Delete it, and what it held will be made again."
    )


def _digest(tensors: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(tensors.items()):
        digest.update(f"{name}\0{array.dtype}\0{array.shape}\0".encode())
        digest.update(np.asarray(array, order="C").reshape(-1).view(np.uint8))
    return digest.hexdigest()
