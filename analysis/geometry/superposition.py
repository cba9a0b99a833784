"""Superposition: how much more directions there are than dimensions, and how much they overlap.

A matrix of n rows of m numbers can have at most m rows at right angles to each other. What a model keeps as rows (a
vector for every word it reads or writes, a direction for every feature) is far more, so rows overlap.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from scipy.special import betaln

from analysis.causal import distinct
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.numerics import in_chunks

SOURCE = "Liu, Liu & Gore 2025, arXiv 2505.10465; lower bound: Welch 1974"
CHUNK = 8192
"""Rows that are held in float64 at a time."""
SAMPLE = 2000
"""Rows of which all pairs are taken for the histogram."""
EDGES = np.linspace(-1, 1, 101)
"""Of the histogram's bins."""
WHICH = {"embedding": "embedding", "unembedding": "unembedding"}
"""Matrices of a model whose rows belong to words, by id."""

Parts = Callable[[], Iterable[Float64[np.ndarray, "row m"]]]
"""Gives the rows of a matrix some at a time, as often as it is asked, always in the same order."""


@dataclass(frozen=True, eq=False)
class Overlaps:
    """How much the rows of a matrix lie in each other's direction."""

    rows: int
    """Rows that count: those that are not zero, and of equal ones one if whoever gave them left the others out."""
    width: int
    centred: bool
    """True if the mean row was subtracted first."""
    mean_square: float
    """Mean of the squared cosine over all pairs of different rows, 0 to 1."""
    mean_cosine: float
    """Mean cosine over the same pairs, -1 to 1."""
    spectrum: Float64[np.ndarray, " m"]
    """Share of the rows' squared length along each principal axis from zero, largest first; they sum to 1."""
    histogram: Int64[np.ndarray, " bin"]
    """Cosines of all pairs among a sample of the rows, in bins between `EDGES`."""

    def __post_init__(self):
        for values in (self.spectrum, self.histogram):
            values.flags.writeable = False

    @property
    def by_chance(self) -> float:
        """Mean squared cosine of rows in random directions: 1 / m."""
        return 1 / self.width

    @property
    def welch(self) -> float:
        """The least mean squared cosine so many rows of this width can have: 0 for no more rows than numbers."""
        return max(0.0, (self.rows - self.width) / (self.width * (self.rows - 1)))


def parts_of(matrix: Float[np.ndarray, "n m"]) -> Parts:
    """The rows of a matrix in memory, such as a dictionary's decoder directions.

    Rows that occur several times come once.
    """

    def parts() -> Iterator[np.ndarray]:
        return _once(np.asarray(matrix[part], np.float64) for part in in_chunks(len(matrix), CHUNK))

    return parts


def words_of(model: LoadedModel, which: Literal["embedding", "unembedding"]) -> Parts:
    """The rows of a model's embedding or unembedding that belong to tokens; of equal rows one.

    Rows without a token (a padded vocabulary) are left out.
    """
    weight = _weight(model, which)
    piece = model.tokenizer.piece
    named = [
        row for row in range(min(model.vocabulary, len(weight))) if piece(row) != f"<unused {row}>".encode()
    ]
    rows = torch.tensor(named)

    def parts() -> Iterator[np.ndarray]:
        for part in in_chunks(len(rows), CHUNK):
            yield model.on_worker(lambda own=rows[part]: weight[own].double()).numpy()

    return lambda: _once(parts())


def tied(model: LoadedModel) -> bool:
    """True if a model reads and writes words with one and the same matrix."""
    one, other = (_weight(model, which) for which in ("embedding", "unembedding"))
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape


def overlaps(parts: Parts, *, centred: bool = False, seed: int = 0, report: Report = silent) -> Overlaps:
    """Mean squared overlap of rows at length 1, without forming pairs.

    With V the rows at length 1 the mean over pairs of different rows is `(|V'V|^2 - n) / (n (n - 1))`.

    Args:
        parts: gives the rows; see `parts_of` and `words_of`.
        centred: subtract the mean row first.
        seed: of the sample for the histogram.
        report: progress in rows; raises `Cancelled` to stop.

    Raises:
        AnalysisError: fewer than two rows are not zero.

    Source: Liu, Liu & Gore 2025, arXiv 2505.10465; Welch 1974, IEEE Transactions on Information Theory 20.
    Misleads when: the rows share a mean: it adds the square of the mean cosine to every pair, and has nothing to do
        with how many directions there are. Look at the centred number too.
    """
    count, mean = _mean(parts, report)
    chosen = np.sort(np.random.default_rng(seed).permutation(count)[:SAMPLE])
    done, kept, sample = 0, 0, []
    total, second = np.zeros(len(mean)), np.zeros((len(mean), len(mean)))
    for rows in _units(parts, mean if centred else np.zeros(len(mean))):
        report("Multiplying rows", done, count)
        sample.append(rows[chosen[(chosen >= done) & (chosen < done + len(rows))] - done])
        done, kept = done + len(rows), kept + int(rows.any(1).sum())
        total, second = total + rows.sum(0), second + rows.T @ rows
    if kept < 2:
        raise AnalysisError(
            f"Overlaps are between rows that are not zero; there are {kept}. Give at least 2."
        )
    pairs = kept * (kept - 1)
    return Overlaps(
        kept,
        len(mean),
        centred,
        float(np.clip(((second**2).sum() - kept) / pairs, 0, 1)),
        float(np.clip((total @ total - kept) / pairs, -1, 1)),
        np.maximum(np.linalg.eigvalsh(second)[::-1] / kept, 0),
        _histogram(np.concatenate(sample)),
    )


def chance_density(width: int) -> Float64[np.ndarray, " bin"]:
    """Density of the cosine between random directions at the middle of every bin of the histogram.

    It is proportional to `(1 - c^2)^((m - 3) / 2)`.

    Args:
        width: numbers of a row, at least 2.
    """
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    return np.exp((width - 3) / 2 * np.log1p(-(middle**2)) - betaln(0.5, (width - 1) / 2))


def _weight(model: LoadedModel, which: str) -> torch.Tensor:
    return (
        model.parts.head if which == "unembedding" else model.parts.backbone.get_input_embeddings()
    ).weight


def _once(parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Of equal rows only the first."""
    seen: set[int] = set()
    for rows in parts:
        yield rows[distinct(rows, seen)]


def _mean(parts: Parts, report: Report) -> tuple[int, np.ndarray]:
    count, total = 0, np.zeros(())
    for rows in parts():
        report("Reading rows", count)
        count, total = count + len(rows), total + rows.sum(0)
    if count < 2:
        raise AnalysisError(f"Overlaps are between different rows; there are {count}. Give at least 2.")
    return count, total / count


def _units(parts: Parts, away: np.ndarray) -> Iterator[np.ndarray]:
    """The rows at length 1 after something was subtracted; those that are zero then stay zero."""
    for rows in parts():
        moved = rows - away
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        yield moved / np.where(length > 0, length, 1)


def _histogram(rows: Float64[np.ndarray, "sampled m"]) -> Int64[np.ndarray, " bin"]:
    rows = rows[rows.any(1)]
    cosines = np.clip((rows @ rows.T)[np.triu_indices(len(rows), 1)], -1, 1)
    return np.histogram(cosines, EDGES)[0].astype(np.int64)
