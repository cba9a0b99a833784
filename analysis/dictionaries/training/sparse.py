"""Products in which only a few entries count, with their gradients: what makes training fast on a processor.

A dictionary of 4,608 features of which 32 are active needs 1 in 144 of the numbers that a dense product would
make, in the decoder and in every gradient; only the encoder's own product stays whole.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import embedding_bag

CHUNK = 16_384
"""Entries whose vectors are gathered at a time, where the machine has no sparse product."""

with warnings.catch_warnings():  # it says once that this layout is young
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], (1, 1), check_invariants=False)


@dataclass(frozen=True, eq=False)
class Pattern:
    """Which entries of a (point, feature) matrix count, ordered by point."""

    rows: Int[Tensor, " entry"]
    columns: Int[Tensor, " entry"]
    shape: tuple[int, int]
    """Points and features."""

    @cached_property
    def starts(self) -> Int[Tensor, " start"]:
        """First entry of every point, and the end."""
        return _starts(self.rows, self.shape[0])

    @cached_property
    def by_feature(self) -> Int[Tensor, " entry"]:
        """Entries ordered by feature."""
        return torch.argsort(self.columns, stable=True)

    @cached_property
    def feature_starts(self) -> Int[Tensor, " start"]:
        """First of them of every feature, and the end."""
        return _starts(self.columns, self.shape[1])

    def where(self, kept: Bool[Tensor, " entry"]) -> "Pattern":
        """Some of the entries."""
        return Pattern(self.rows[kept], self.columns[kept], self.shape)


def _starts(sorted_or_not: Int[Tensor, " entry"], count: int) -> Int[Tensor, " start"]:
    starts = torch.zeros(count + 1, dtype=torch.long, device=sorted_or_not.device)
    torch.cumsum(torch.bincount(sorted_or_not, minlength=count), 0, out=starts[1:])
    return starts


def products(
    pattern: Pattern, left: Float[Tensor, "point width"], right: Float[Tensor, "feature width"]
) -> Float[Tensor, " entry"]:
    """The product left @ right.T at the pattern's entries only."""
    if torch.backends.mkl.is_available() or left.is_cuda:
        zeros = torch.zeros(len(pattern.rows), dtype=left.dtype, device=left.device)
        asked = torch.sparse_csr_tensor(
            pattern.starts, pattern.columns, zeros, pattern.shape, check_invariants=False
        )
        return torch.sparse.sampled_addmm(asked, left, right.T).values()
    found = [
        (left[rows] * right[columns]).sum(1)
        for rows, columns in zip(pattern.rows.split(CHUNK), pattern.columns.split(CHUNK), strict=True)
    ]
    return torch.cat(found)


def _bags(
    table: Float[Tensor, "item width"],
    items: Int[Tensor, " entry"],
    starts: Int[Tensor, " start"],
    weights: Float[Tensor, " entry"],
) -> Float[Tensor, "bag width"]:
    return embedding_bag(
        items, table, starts, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


def _over_points(
    pattern: Pattern, values: Float[Tensor, " entry"], table: Float[Tensor, "point width"]
) -> Float[Tensor, "feature width"]:
    order = pattern.by_feature
    return _bags(table, pattern.rows[order], pattern.feature_starts, values[order])


class _Picked(torch.autograd.Function):
    @staticmethod
    def forward(ctx, states, encoder, bias, values, pattern):
        ctx.save_for_backward(states, encoder)
        ctx.pattern = pattern
        return values.clone()

    @staticmethod
    def backward(ctx, slope):
        states, encoder = ctx.saved_tensors
        pattern = ctx.pattern
        to_encoder = _over_points(pattern, slope, states)
        to_bias = torch.zeros(len(encoder), dtype=slope.dtype, device=slope.device)
        to_bias.index_add_(0, pattern.columns, slope)
        to_states = (
            _bags(encoder, pattern.columns, pattern.starts, slope) if ctx.needs_input_grad[0] else None
        )
        return to_states, to_encoder, to_bias, None, None


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, decoder, pattern):
        ctx.save_for_backward(values, decoder)
        ctx.pattern = pattern
        return _bags(decoder, pattern.columns, pattern.starts, values)

    @staticmethod
    def backward(ctx, slope):
        values, decoder = ctx.saved_tensors
        slope = slope.contiguous()
        to_values = products(ctx.pattern, slope, decoder) if ctx.needs_input_grad[0] else None
        return to_values, _over_points(ctx.pattern, values, slope), None


def picked(
    states: Float[Tensor, "point width"],
    encoder: Float[Tensor, "feature width"],
    bias: Float[Tensor, " feature"],
    pattern: Pattern,
    values: Float[Tensor, " entry"],
) -> Float[Tensor, " entry"]:
    """The product states @ encoder.T + bias at the pattern's entries, with gradients.

    Args:
        states: what is read.
        encoder: one row for every feature.
        bias: of every feature.
        pattern: which entries.
        values: the same numbers, worked out already.
    """
    return _Picked.apply(states, encoder, bias, values.detach(), pattern)


def summed(
    pattern: Pattern, values: Float[Tensor, " entry"], decoder: Float[Tensor, "feature width"]
) -> Float[Tensor, "point width"]:
    """The sparse matrix of these values @ decoder, with gradients."""
    return _Summed.apply(values, decoder, pattern)
