"""Firings on their way: entries batch after batch, in growing files or in memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int32, Int64
from torch import Tensor

from analysis.dictionaries.dictionary import Dictionary
from analysis.errors import AnalysisError

LARGEST = 64
"""Magnitudes that are kept of every token where features are not sparse."""
SPARSE = 256
"""Active features a token, beyond which a dictionary does not count as sparse."""
EXTREMES = 48
"""Activations that are then kept of every feature at either end, wherever they lie."""


def fires_above(dictionary: Dictionary) -> float | None:
    """The activation above which a feature counts as firing, where the dictionary's card says one; else None.

    None means that a feature fires where its activation is not zero. Components have no such zero: they are active at
    every token.
    """
    said = getattr(dictionary, "card", {}).get("threshold")
    number = isinstance(said, (int, float)) and not isinstance(said, bool)
    return float(said) if dictionary.signed and number and said > 0 else None


@dataclass(frozen=True, eq=False)
class Kept:
    """Everything that was kept."""

    offsets: Int64[np.ndarray, " edge"]
    features: Int32[np.ndarray, " entry"]
    values: Float32[np.ndarray, " entry"]
    whole: bool
    extremes: tuple[np.ndarray, np.ndarray] | tuple[()]


class FiringsFile:
    """Takes states batch by batch and keeps what fires.

    Args:
        dictionary: encodes them.
        folder: where `features.npy` and `values.npy` are to lie in the end; None holds them in memory.
    """

    def __init__(self, dictionary: Dictionary, folder: Path | None):
        self._dictionary, self._folder = dictionary, folder
        self._parts: dict[str, list[np.ndarray]] = {"features": [], "values": []}
        self._files = (
            {name: open(folder / f"{name}.part", "wb") for name in self._parts} if folder else {}  # noqa: SIM115
        )
        self._active: list[np.ndarray] = []
        self._norms: list[np.ndarray] = []
        self._threshold = fires_above(dictionary)
        self._whole = self._threshold is not None or not dictionary.signed
        self._highest, self._lowest = _Extremes(1), _Extremes(-1)
        self._count = 0

    def __enter__(self) -> "FiringsFile":
        return self

    def __exit__(self, *_) -> None:
        for file in self._files.values():
            file.close()

    def __len__(self) -> int:
        """Tokens so far."""
        return self._count

    @property
    def norms(self) -> Float32[np.ndarray, " point"]:
        """Lengths of all states so far."""
        return np.concatenate(self._norms) if self._norms else np.zeros(0, np.float32)

    def add(self, states: Float[np.ndarray, "point width"], counts: Bool[np.ndarray, " point"]) -> None:
        """Take the next states; those that do not count leave no entry.

        Raises:
            AnalysisError: the disk is full.
        """
        with torch.inference_mode():
            activations = self._dictionary.encode(torch.from_numpy(np.ascontiguousarray(states, np.float32)))
            outside = torch.from_numpy(~np.asarray(counts))
            activations = activations.masked_fill(outside[:, None], 0)  # it may be the states' own memory
            if self._threshold is not None:
                activations = activations.masked_fill(activations <= self._threshold, 0)
            if not self._count:
                self._whole &= float((activations != 0).sum(1).float().mean()) <= SPARSE
            if not self._whole:
                tokens = torch.arange(self._count, self._count + len(states), dtype=torch.int32)
                for extremes in (self._highest, self._lowest):
                    extremes.add(activations[~outside], tokens[~outside])
                activations = _largest(activations)
            rows, columns = activations.nonzero(as_tuple=True)
            self._write("features", columns.int().numpy())
            self._write("values", activations[rows, columns].numpy())
        self._active.append(np.bincount(rows.numpy(), minlength=len(states)))
        self._norms.append(np.linalg.norm(states, axis=1).astype(np.float32))
        self._count += len(states)

    def finish(self, counts: Bool[np.ndarray, " point"]) -> Kept:
        """Everything kept, without the entries of tokens that do not count after all.

        Raises:
            AnalysisError: the disk is full.
        """
        active = np.concatenate(self._active) if self._active else np.zeros(0, np.int64)
        left_out = np.repeat(~counts, active)
        features, values = self._all("features", np.int32), self._all("values", np.float32)
        if left_out.any():
            features, values = features[~left_out], values[~left_out]
        offsets = np.concatenate([[0], np.cumsum(np.where(counts, active, 0))]).astype(np.int64)
        for part in self._folder.glob("*.part") if self._folder else ():
            part.unlink()
        extremes = () if self._whole else _joined(self._highest, self._lowest, counts)
        return Kept(offsets, features, values, self._whole, extremes)

    def _write(self, name: str, values: np.ndarray) -> None:
        if not self._files:
            self._parts[name].append(values)
            return
        try:
            self._files[name].write(values.tobytes())
        except OSError as error:
            raise AnalysisError(
                f"The disk is full or cannot be written to: {self._folder} ({error.strerror}). Free some space and "
                "start again."
            ) from error

    def _all(self, name: str, dtype: type) -> np.ndarray:
        if not self._files:
            parts = self._parts[name]
            return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)
        self._files[name].close()
        path = self._folder / f"{name}.part"
        return np.fromfile(path, dtype)


class _Extremes:
    """The largest activations of every feature so far, with their tokens; of the negated ones if `sign` is -1."""

    def __init__(self, sign: int):
        self.sign = sign
        self.values: Tensor | None = None
        self.tokens: Tensor | None = None

    def add(self, activations: Tensor, tokens: Tensor) -> None:
        signed = activations * self.sign
        places = tokens[:, None].expand(signed.shape)
        if self.values is not None:
            signed, places = torch.cat([self.values, signed]), torch.cat([self.tokens, places])
        self.values, order = signed.topk(min(EXTREMES, len(signed)), dim=0)
        self.tokens = places.gather(0, order)


def _joined(
    highest: _Extremes, lowest: _Extremes, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | tuple[()]:
    """Tokens and values of both ends, a row for each feature; those of the wrong sign or place are -1 and 0."""
    if highest.values is None:
        return ()
    tokens = torch.cat([highest.tokens, lowest.tokens]).T.numpy().astype(np.int32)
    values = torch.cat([highest.values, -lowest.values]).T.numpy().astype(np.float32)
    half = values.shape[1] // 2
    wrong = ~counts[tokens]
    wrong[:, :half] |= values[:, :half] <= 0
    wrong[:, half:] |= values[:, half:] >= 0
    return np.where(wrong, -1, tokens).astype(np.int32), np.where(wrong, 0, values).astype(np.float32)


def _largest(activations: Tensor) -> Tensor:
    """All but the largest magnitudes of every row set to zero."""
    count = min(LARGEST, activations.shape[1])
    order = activations.abs().topk(count, dim=1).indices
    return torch.zeros_like(activations).scatter(1, order, activations.gather(1, order))
