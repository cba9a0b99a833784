"""States to learn from, on disk: read once, in shards that appear whole, and streamed back shuffled."""

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32

from analysis import samples, store
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.tokens import Tokens

KIND = "activations"
WINDOWS = 256
"""Stretches of text in a shard: at most 32,768 states of 128-token stretches."""
TOGETHER = 16
"""Stretches in one pass."""
BUFFER = 4
"""Shards that are in memory at a time, shuffled together."""
ROWS = 4_096
"""States that are widened at a time."""
ASIDE = 20
"""Every so manieth text is held out."""
MOST_KEPT = 8 * 2**30
"""Bytes of states that stay on disk; what was used longest ago goes first."""
ABOUT, MOMENTS = "about.json", "moments.safetensors"


@dataclass(frozen=True, eq=False)
class Activations:
    """States of a text at one site, on disk."""

    shards: tuple[Path, ...]
    rows: tuple[int, ...]
    """States in every shard."""
    unit: float
    """What a stored number is multiplied by: float16 holds numbers up to 65,504 only."""
    mean: Float32[np.ndarray, " width"]
    scale: float
    """What centred states are multiplied by to have a mean length of sqrt(width)."""
    longest: float
    """Norm above which states were left out."""
    left_out: int
    """First tokens, and states with a norm above 8 times the median."""

    def __len__(self) -> int:
        """States."""
        return sum(self.rows)

    @property
    def width(self) -> int:
        """Numbers of a state."""
        return len(self.mean)

    def groups(self, epoch: int, seed: int) -> list[list[int]]:
        """Shards that are in memory together, one group after the other, in the order of an epoch."""
        order = np.random.default_rng((seed, epoch)).permutation(len(self.shards)).tolist()
        return [order[start : start + BUFFER] for start in range(0, len(order), BUFFER)]

    def batches(self, size: int, seed: int, start: int = 0) -> Iterator[Float32[np.ndarray, "point width"]]:
        """Batches of centred states of a mean length of sqrt(width), shuffled, without an end.

        At most `BUFFER` shards are in memory. The states of a group that fill no batch are left out of that epoch.

        Args:
            size: states in a batch.
            seed: of the order; the same seed gives the same batches.
            start: batches to leave out: a training that goes on begins there.

        Raises:
            AnalysisError: there are fewer states than fill a batch.
        """
        self.require(size)
        epoch = 0
        while True:
            for number, group in enumerate(self.groups(epoch, seed)):
                count = sum(self.rows[shard] for shard in group) // size
                if start >= count:
                    start -= count
                    continue
                held = self._held(group)
                order = np.random.default_rng((seed, epoch, number)).permutation(len(held))
                for batch in range(start, count):
                    yield self._centred(held[order[batch * size : (batch + 1) * size]])
                start = 0
            epoch += 1

    def require(self, size: int) -> None:
        """Refuse a batch that the states cannot fill.

        Raises:
            AnalysisError: with the numbers.
        """
        if sum(sorted(self.rows)[:BUFFER]) < size:
            raise AnalysisError(
                f"The text has {len(self):,} tokens that count, and a batch takes {size:,}. Bring more text, or "
                "choose a smaller batch."
            )

    def _held(self, group: Sequence[int]) -> Float16[np.ndarray, "point width"]:
        return np.concatenate([np.load(self.shards[shard], mmap_mode="r") for shard in group])

    def _centred(self, stored: Float16[np.ndarray, "point width"]) -> Float32[np.ndarray, "point width"]:
        return ((stored.astype(np.float32) * self.unit - self.mean) * self.scale).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Stretches:
    """A text in stretches: those to learn from in a shuffled order, and those held out."""

    training: tuple[Tokens, ...]
    held_out: tuple[Tokens, ...]

    @property
    def tokens(self) -> int:
        """To learn from, first ones among them."""
        return sum(map(len, self.training))


def stretches(
    model: LoadedModel,
    texts: Sequence[str],
    *,
    tokens: int,
    length: int = samples.WINDOW,
    seed: int = 0,
    report: Report = silent,
) -> Stretches:
    """Cut texts into stretches, and hold every 20th text out; of fewer than 20 texts every 20th stretch.

    Args:
        model: whose tokens.
        texts: each is cut by itself, equal ones count once.
        tokens: to learn from, about; of more text, stretches are drawn at random.
        length: tokens of a stretch.
        seed: of the order.
        report: progress in texts.
    """
    own = []
    distinct = tuple(dict.fromkeys(texts))
    for number in range(0, len(distinct), 100):
        report("Splitting texts into tokens", number, len(distinct))
        own += samples.windows(model, distinct[number : number + 100], length)
    units = [each for each in own if each]
    if len(units) < ASIDE:
        units = [[each] for text in units for each in text]
    held = [each for number, text in enumerate(units) if number % ASIDE == ASIDE - 1 for each in text]
    rest = [each for number, text in enumerate(units) if number % ASIDE != ASIDE - 1 for each in text]
    rng = np.random.default_rng(seed)
    chosen, total = [], 0
    for place in rng.permutation(len(rest)):
        if total >= tokens:
            break
        chosen.append(rest[place])
        total += len(rest[place])
    return Stretches(tuple(chosen), tuple(held[place] for place in rng.permutation(len(held))))


def harvest(
    model: LoadedModel, site: Site, windows: Sequence[Tokens], report: Report = silent
) -> Activations:
    """Run stretches of text up to a site and keep the states of tokens that count, or read them if they are kept.

    A stretch's first token is an attention sink and is left out, as are states longer than 8 times the median of the
    first batch. What a stopped or killed run has finished stays: a shard appears whole or not at all.

    Args:
        model: the model.
        site: where its states are read.
        windows: stretches of text, in the order that decides the shards.
        report: progress in tokens; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there is no such site, nothing counts, or the disk is full.
    Misleads when: the text is unlike what will be looked at later; a dictionary knows what its text had.
    """
    if not windows:
        raise AnalysisError(
            "The text is too short to learn from: no stretch of more than 8 tokens is left after some are held out. "
            "Bring more text."
        )
    ids = [np.array(window.ids, np.int32) for window in windows]
    lengths = np.array([len(each) for each in ids])
    key = fingerprint("activations", model.fingerprint, site, np.concatenate(ids), lengths)
    place = store.folder(KIND, key)
    with store.held(f"{KIND}-{key}", report, "Waiting for the same states, which are being read elsewhere"):
        found = _Harvest(model, site, list(windows), place).finish(report)
        store.prune(KIND, MOST_KEPT, place)
    return found


@dataclass(frozen=True)
class _Harvest:
    model: LoadedModel
    site: Site
    windows: list[Tokens]
    place: Path

    def finish(self, report: Report) -> Activations:
        """Read the shards that are not there yet, then what is known of all."""
        paths = [self.place / f"{number:05d}.npy" for number in range(-(-len(self.windows) // WINDOWS))]
        total, done = sum(map(len, self.windows)), 0
        missing = [path for path in paths if not path.exists()]
        if missing:
            share = len(missing) / len(paths)
            store.require_space(self.place, int(total * self._width * 2 * share), "The states to learn from")
        for path, start in zip(paths, range(0, len(self.windows), WINDOWS), strict=True):
            own = self.windows[start : start + WINDOWS]
            if not path.exists():
                _write(path, self._read(own, report, done, total))
            done += sum(map(len, own))
        rows = tuple(len(np.load(path, mmap_mode="r")) for path in paths)
        longest, unit = self._measure()
        mean, scale = self._moments(paths, unit, report)
        return Activations(tuple(paths), rows, unit, mean, scale, longest, total - sum(rows))

    @property
    def _width(self) -> int:
        return self.model.n_neurons if self.site.stream == "neurons" else self.model.d_model

    def _read(self, own: list[Tokens], report: Report, done: int, total: int) -> np.ndarray:
        longest, unit = self._measure()
        found = []
        for batch in samples.batches(own, TOGETHER):
            report("Reading states", done, total)
            states = self._states(batch)
            usual = states[np.linalg.norm(states, axis=1) <= longest]
            found.append((usual / unit).astype(np.float16))
            done += sum(map(len, batch))
        return np.concatenate(found)

    def _states(self, batch: list[Tokens]) -> Float32[np.ndarray, "point width"]:
        trace = self.model.run(batch, read=[self.site])
        return np.concatenate([trace.at(self.site, row)[1:] for row in range(len(batch))])

    def _measure(self) -> tuple[float, float]:
        """The longest state that counts, and the size of its numbers: of the first batch, for all."""
        path = self.place / ABOUT
        if not path.exists():
            middle = float(np.median(np.linalg.norm(self._states(self.windows[:TOGETHER]), axis=1)))
            if not middle > 0:
                raise AnalysisError(f"The states at {self.site} are all zero; there is nothing to learn.")
            said = {"longest": samples.OUTLIER * middle, "unit": middle / self._width**0.5}
            store.write_json(path, said)
        said = store.read_json(path)
        return said["longest"], said["unit"]

    def _moments(
        self, paths: list[Path], unit: float, report: Report
    ) -> tuple[Float32[np.ndarray, " width"], float]:
        """Mean, and what centred states are multiplied by to have a mean length of sqrt(width)."""
        path = self.place / MOMENTS
        if not path.exists():
            report("Averaging states")
            count = sum(len(part) for part in _parts(paths))
            if count < 2:
                raise AnalysisError(
                    f"The text has {count} tokens that count; there is nothing to learn. Bring more."
                )
            mean = sum(part.sum(0, dtype=np.float64) for part in _parts(paths)) * unit / count
            lengths = sum(
                np.linalg.norm(part.astype(np.float64) * unit - mean, axis=1).sum() for part in _parts(paths)
            )
            scale = np.array(self._width**0.5 * count / max(lengths, 1e-30))
            store.write_tensors(path, {"mean": mean.astype(np.float32), "scale": scale}, {})
        said, _ = store.read_tensors(path)
        return said["mean"], float(said["scale"])


def _parts(paths: list[Path]) -> Iterator[np.ndarray]:
    for path in paths:
        stored = np.load(path, mmap_mode="r")
        for start in range(0, len(stored), ROWS):
            yield stored[start : start + ROWS]


def _write(path: Path, states: np.ndarray) -> None:
    """Write a shard whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=".", suffix=".npy", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, states)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as error:
        full = (
            "The disk is full"
            if error.errno == errno.ENOSPC
            else f"{path} cannot be written ({error.strerror})"
        )
        raise AnalysisError(
            f"{full}: a shard of states needs {store.size_text(states.nbytes)}. Free some space and start again; what "
            "was read so far is kept."
        ) from error
    finally:
        Path(name).unlink(missing_ok=True)
