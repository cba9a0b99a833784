"""Products of a weight with few rows, which is what a decoding step is made of.

Reading the weight bounds them, so what counts is how often and in what order it is read. Measured on two cores
with AVX-512 for four maps of each block of a 135M model, float32, in ms for 1, 2, 4, 6 and 8 rows: `x @ weight'`, what
`nn.Linear` does, 21 30 27 21 24; `weight @ x'` 21 8 13 20 22, and 6 for one row in two halves; the weight
repacked by oneDNN 12 14 11 9 13.
"""

import functools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

MOST = 8
"""Rows up to which these routes are taken."""
PACKED_FROM = 3
"""Rows from which on a repacked copy of the weight is worth its memory."""
LARGEST_COPY = 2**30
"""Bytes: the maps of a larger model are not copied."""


def quicken(modules: Iterable[nn.Module], wanted: Callable[[], bool]) -> None:
    """Give the linear maps among these modules a faster route for few rows, taken while it is wanted.

    Args:
        modules: any modules; only float32 linear maps in main memory change.
        wanted: asked at every product, since the results equal the usual ones up to rounding only.
    """
    maps = [module for module in modules if _is_faster(module)]
    copy = _can_copy() and sum(each.weight.nbytes for each in maps) <= LARGEST_COPY
    for each in maps:
        each.forward = functools.partial(_forward, wanted, each, _Copy(each) if copy else None, each.forward)


def _is_faster(module: nn.Module) -> bool:
    if type(module) is not nn.Linear or not torch.backends.mkl.is_available():
        return False
    return module.weight.dtype == torch.float32 and module.weight.device.type == "cpu"


def _can_copy() -> bool:
    """True where this build of torch has the two operators, which it does not document."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")


class _Copy:
    """The weight as oneDNN likes to read it, made at the first use and again when the weight has changed."""

    def __init__(self, module: nn.Linear):
        self._module, self._of, self._weight = module, None, None

    def times(self, rows: Tensor) -> Tensor:
        weight = self._module.weight
        if self._of != (state := (weight.data_ptr(), weight._version)):
            self._of, self._weight = state, torch.ops.mkldnn._reorder_linear_weight(weight.detach(), MOST)
        return torch.ops.mkldnn._linear_pointwise(rows, self._weight, self._module.bias, "none", [], "")


def _forward(
    wanted: Callable[[], bool], module: nn.Linear, copy: _Copy | None, usual: Callable, x: Tensor
) -> Tensor:
    count = x.numel() // x.shape[-1]
    if count > MOST or not wanted():
        return usual(x)
    rows = x.reshape(count, -1)
    result = copy.times(rows) if copy and count >= PACKED_FROM else _turned(module, rows)
    return result.view(*x.shape[:-1], -1)


def _turned(module: nn.Linear, rows: Tensor) -> Tensor:
    product = _one(module.weight, rows) if len(rows) == 1 else torch.mm(module.weight, rows.T).T
    return product.contiguous() if module.bias is None else product.contiguous().add_(module.bias)


def _one(weight: Tensor, row: Tensor) -> Tensor:
    """A single row takes a slow routine, unless it is multiplied by two halves, or as two rows."""
    if len(weight) % 2 == 0 and weight.is_contiguous():
        return torch.bmm(weight.view(2, len(weight) // 2, -1), row.T.expand(2, -1, -1)).view(1, -1)
    return torch.mm(weight, torch.cat((row, row)).T)[:, :1].T
