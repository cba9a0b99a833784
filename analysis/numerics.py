"""Sums over the vocabulary without ever holding all of it.

All logits of 26 layers x 512 tokens x 262,000 words would take 14 GB. Rows go through in chunks under a
byte budget, in buffers that are used again, and only what is asked for is kept.
"""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

CHUNK_BYTES = 128 * 2**20
"""Size of one block of float32 logits. Larger ones multiply no faster; smaller ones do so more slowly."""

_BLOCK = 64
"""The largest of a row are looked for in the blocks whose maxima are largest."""


def rows_per_chunk(vocabulary: int) -> int:
    """Rows of float32 logits that fit the byte budget."""
    return max(1, CHUNK_BYTES // (4 * vocabulary))


def largest(x: Float[Tensor, "row vocab"], k: int) -> tuple[Float[Tensor, "row k"], Int[Tensor, "row k"]]:
    """The k largest of every row, largest first, in one pass over memory.

    The k largest elements lie in the k blocks with the largest maxima, so only those are sorted.
    """
    rows, width = x.shape
    whole = width - width % _BLOCK
    if whole < k * _BLOCK:
        return _in_order(*x.topk(min(k, width)))
    maxima = x[:, :whole].unflatten(1, (-1, _BLOCK)).amax(-1)
    blocks = maxima.topk(k).indices
    columns = (blocks[:, :, None] * _BLOCK + torch.arange(_BLOCK)).flatten(1)
    if whole < width:
        tail = torch.arange(whole, width).expand(rows, -1)
        columns = torch.cat([columns, tail], 1)
    values, inner = x.gather(1, columns).topk(k)
    return _in_order(values, columns.gather(1, inner))


def _in_order(values: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Largest first, ties by id, so that the same request draws the same picture."""
    by_id = ids.argsort(-1)
    values, ids = values.gather(1, by_id), ids.gather(1, by_id)
    order = values.sort(dim=-1, descending=True, stable=True).indices
    return values.gather(1, order), ids.gather(1, order)


class Distribution:
    """Statistics of softmax(logits), row by row, sharing one exponential.

    Args:
        logits: float32; kept by reference.
        scratch: a buffer of the same shape that is overwritten.
        peak: the largest logit of every row, where it is known already.
    """

    def __init__(
        self,
        logits: Float[Tensor, "row vocab"],
        scratch: Float[Tensor, "row vocab"],
        peak: Float[Tensor, "row 1"] | None = None,
    ):
        self.logits = logits
        peak = logits.amax(-1, keepdim=True) if peak is None else peak
        self._weights = torch.sub(logits, peak, out=scratch).exp_()
        self._total = self._weights.sum(-1)
        self.log_total = peak[:, 0] + self._total.log()
        """log sum exp of each row, in nats."""

    def entropy(self) -> Float[Tensor, " row"]:
        """Entropy in nats, 0 to log(vocab)."""
        mean_logit = _dot(self._weights, self.logits) / self._total
        return (self.log_total - mean_logit).clamp_min(0)

    def probabilities(self, row: int) -> Float[Tensor, "1 vocab"]:
        """The probabilities of one row, counted from the end if negative."""
        return (self._weights[row] / self._total[row])[None]


def divergence(
    reference: Float[Tensor, "#row vocab"],
    reference_entropy: Float[Tensor, " #row"],
    logits: Float[Tensor, "row vocab"],
    log_total: Float[Tensor, " row"],
) -> Float[Tensor, " row"]:
    """KL(reference || softmax(logits)) in nats, of every row; a single reference serves them all.

    sum p (log p - log q) = -H(p) - sum p z + log sum exp z, with p the reference and z the logits.
    """
    return (log_total - reference_entropy - _dot(reference, logits)).clamp_min(0)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Row-wise inner products, summed in pairs: a plain running sum over a vocabulary loses three digits."""
    return torch.linalg.vecdot(a, b)


def in_chunks(total: int, size: int) -> Iterator[slice]:
    """Consecutive slices that cover `total` rows."""
    return (slice(start, min(start + size, total)) for start in range(0, total, size))


Readout = Callable[[Float[Tensor, "row d_model"]], Float[Tensor, "row vocab"]]
"""From last-layer residual states to logits."""
