"""One file of states that is written example by example and later mapped layer by layer.

It is written with plain writes, not through a mapping: on a full disk a mapping kills the process, and what is
written through one counts as the process's own memory.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64

from analysis.errors import AnalysisError
from analysis.store import size_text


class StatesFile:
    """An array of layers, examples and numbers on disk, float32, open for writing.

    Args:
        path: of the `.npy` file.
        shape: layers, examples and numbers; a file of another shape, or none, is made anew.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]):
        self.path, self.shape = path, shape
        with _in_words(path, self.size):
            if shape_of(path) != shape:
                np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
            self._start = np.load(path, mmap_mode="r").offset
            self._file = open(path, "r+b", buffering=0)  # noqa: SIM115, it is closed on leaving

    @property
    def size(self) -> int:
        """Bytes of its numbers."""
        return int(np.prod(self.shape)) * 4

    def __enter__(self) -> "StatesFile":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def write(
        self, layer: int, examples: Int64[np.ndarray, " row"], states: Float32[np.ndarray, "row width"]
    ) -> None:
        """Write the states of some examples at one layer, counted among those of the file.

        Raises:
            AnalysisError: the disk is full or the file cannot be written; what was kept before stays.
        """
        order = np.argsort(examples, kind="stable")
        examples, states = examples[order], np.ascontiguousarray(states[order])
        edges = np.flatnonzero(np.diff(examples) != 1) + 1  # neighbours in the file are written together
        with _in_words(self.path, self.size):
            for run, own in zip(np.split(examples, edges), np.split(states, edges), strict=True):
                self._write_at(layer * self.shape[1] + int(run[0]), own)

    def keep(self) -> None:
        """Wait until everything written is on the disk.

        Raises:
            AnalysisError: as for `write`.
        """
        with _in_words(self.path, self.size):
            os.fsync(self._file.fileno())

    def _write_at(self, row: int, states: np.ndarray) -> None:
        self._file.seek(self._start + 4 * row * self.shape[2])
        left = memoryview(states).cast("B")
        while left:  # a disk that fills up takes a part and refuses the rest
            left = left[self._file.write(left) :]


@contextmanager
def _in_words(path: Path, size: int) -> Iterator[None]:
    """Turn what the system says of a file into a sentence."""
    try:
        yield
    except OSError as error:
        needs = f"{path.parent} takes {size_text(size)} in all"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise AnalysisError(
                f"The disk is full: {needs}. What was read is kept: free some space and go on, or set "
                "BATHYSCOPE_HOME to a folder on another disk."
            ) from error
        raise AnalysisError(f"{path} cannot be written ({error}); {needs}.") from error


def shape_of(path: Path) -> tuple[int, ...] | None:
    """The shape of the array in a file; None where there is none, or it is damaged."""
    try:
        return np.load(path, mmap_mode="r").shape
    except (OSError, ValueError):
        return None
