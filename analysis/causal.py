"""The causal inner product: angles between tokens that do not depend on the basis a model happens to use.

Logits are products of the last state with the unembedding's rows, so any invertible map of the rows, undone on
the states, gives the same model. Dividing by the rows' covariance takes that freedom away, and makes concepts that
can be varied freely of each other orthogonal. In that space a concept is a vector, not only a direction.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.numerics import in_chunks

SOURCE = "Park, Choe & Veitch 2023, arXiv 2311.03658"
FLOOR = 1e-6
"""Eigenvalues of the unembedding's covariance below this share of the largest are raised to it."""
CHUNK = 16_384
"""Rows of the unembedding that are held in float64 at a time."""


@dataclass(frozen=True, eq=False)
class Whitening:
    """The map after which the plain inner product is the causal one."""

    mean: Float64[np.ndarray, " d_model"]
    """Of the rows that count."""
    root: Float64[np.ndarray, "d_model d_model"]
    """Their covariance to the power of -1/2, symmetric."""
    rows: int
    """Rows that count: named tokens, and of equal rows one."""

    def __post_init__(self):
        for values in (self.mean, self.root):
            values.flags.writeable = False

    def __call__(self, words: Float64[np.ndarray, "token d_model"]) -> Float64[np.ndarray, "token d_model"]:
        """Rows of the unembedding, centred and whitened: 1 is the vocabulary's standard deviation anywhere."""
        return (words - self.mean) @ self.root


def whitening(model: LoadedModel, report: Report = silent) -> Whitening:
    """Centre and whiten a model's unembedding, in float64 and a part at a time.

    Rows without a token (a padded vocabulary) are left out, and rows that occur several times count once.

    Source: Park et al. 2023, arXiv 2311.03658.
    Misleads when: the vocabulary was extended after training: rows that were never trained shape the covariance.
    """
    return from_moments(*moments(model, report))


def moments(
    model: LoadedModel, report: Report = silent
) -> tuple[Float64[np.ndarray, " d_model"], Float64[np.ndarray, "d_model d_model"], int]:
    """Mean and covariance of the unembedding's rows, and how many count: named tokens, and of equal rows one."""
    named = _named(model)
    width = model.parts.head.weight.shape[1]
    count, total, square, seen = 0, np.zeros(width), np.zeros((width, width)), set()
    for part in in_chunks(len(named), CHUNK):
        report("Reading the unembedding", part.start, len(named))
        rows = rows_of(model, named[part])
        rows = rows[distinct(rows, seen)]
        count, total, square = count + len(rows), total + rows.sum(0), square + rows.T @ rows
    mean = total / count
    return mean, square / count - np.outer(mean, mean), count


def from_moments(
    mean: Float64[np.ndarray, " d_model"], covariance: Float64[np.ndarray, "d_model d_model"], rows: int
) -> Whitening:
    """The whitening of rows with this mean and covariance."""
    size, axes = _spectrum(covariance)
    return Whitening(mean, (axes / np.sqrt(size)) @ axes.T, rows)


def causal(
    words: Float64[np.ndarray, "vocab d_model"], difference: Float64[np.ndarray, " d_model"]
) -> Float64[np.ndarray, " d_model"]:
    """S^-1 difference, S the covariance of the unembedding's rows over the vocabulary.

    Rows that occur several times (unused entries of a padded vocabulary) count once.
    """
    size, axes = _spectrum(np.cov(words[distinct(words)], rowvar=False, bias=True))
    return axes @ ((axes.T @ difference) / size)


def concept_vector(words: Float64[np.ndarray, "token d_model"]) -> Float64[np.ndarray, " d_model"]:
    """The vector l of the concept that a set of tokens shares.

    With m the mean of the tokens and S their covariance, shrunk as Ledoit & Wolf do, `g = S^-1 m` at length 1 is
    the direction in which the set stands furthest from the average token for its spread, and `l = (g'm) g`.

    Args:
        words: whitened and centred, each token once.

    Raises:
        AnalysisError: there are fewer than two tokens, or they share nothing.

    Source: Park et al. 2024, arXiv 2406.01506; Ledoit & Wolf 2004, 10.1016/S0047-259X(03)00096-4.
    Misleads when: the set has fewer than about 50 tokens: the shrinkage then decides more than the tokens do.
    """
    if len(words) < 2:
        raise AnalysisError(f"A concept needs at least 2 tokens; given {len(words)}. Add words to its set.")
    mean = words.mean(0)
    direction = _times_inverse(words - mean, mean)
    length = np.linalg.norm(direction)
    if length == 0:
        raise AnalysisError("These tokens share nothing: their mean is the average token. Give others.")
    direction = direction / length
    return (mean @ direction) * direction


def rows_of(model: LoadedModel, ids: Int64[np.ndarray, " token"]) -> Float64[np.ndarray, "token d_model"]:
    """Rows of the unembedding, as they are."""
    return model.on_worker(lambda: model.parts.head.weight[ids].double()).numpy()


def distinct(
    rows: Float64[np.ndarray, "row d_model"], seen: set[int] | None = None
) -> Int64[np.ndarray, " kept"]:
    """The first of every group of equal rows; those in `seen` are left out, and new ones enter it."""
    seen = set() if seen is None else seen
    marks = [hash(row.tobytes()) for row in rows]
    kept = [i for i, mark in enumerate(marks) if not (mark in seen or seen.add(mark))]
    return np.array(kept, np.int64)


def _named(model: LoadedModel) -> Int64[np.ndarray, " token"]:
    piece = model.tokenizer.piece
    named = [index for index in range(model.vocabulary) if piece(index) != f"<unused {index}>".encode()]
    return np.array(named, np.int64)


def _spectrum(covariance: Float64[np.ndarray, "d_model d_model"]) -> tuple[np.ndarray, np.ndarray]:
    size, axes = np.linalg.eigh(covariance)
    return np.maximum(size, FLOOR * size[-1]), axes


def _times_inverse(
    centred: Float64[np.ndarray, "token d_model"], mean: Float64[np.ndarray, " d_model"]
) -> Float64[np.ndarray, " d_model"]:
    """S^-1 mean, S the shrunk covariance; the pseudo-inverse where nothing was shrunk.

    Sets are smaller than d_model, so the inverse is taken between tokens: Woodbury's identity.
    """
    count, width = centred.shape
    gram = centred @ centred.T
    shrinkage, size = _shrinkage(gram, width)
    ridge, kept = shrinkage * size, 1 - shrinkage
    if ridge == 0:
        return np.linalg.pinv(centred.T @ centred / count, hermitian=True) @ mean
    if count >= width:
        return np.linalg.solve(kept * (centred.T @ centred) / count + ridge * np.eye(width), mean)
    inner = np.linalg.solve(kept * gram + count * ridge * np.eye(count), centred @ mean)
    return (mean - kept * (centred.T @ inner)) / ridge


def _shrinkage(gram: Float64[np.ndarray, "token token"], width: int) -> tuple[float, float]:
    """Ledoit & Wolf's share of the identity, 0 to 1, and the identity's size, from products between tokens."""
    count = len(gram)
    size = float(np.trace(gram)) / count / width
    square = float((gram**2).sum()) / count**2
    spread = square / width - size**2
    noise = (float((np.diag(gram) ** 2).sum()) / count - square) / count / width
    return (0.0 if noise <= 0 else min(noise / spread, 1.0) if spread > 0 else 1.0), size
