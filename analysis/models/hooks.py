"""Permanent hooks that do nothing until a plan says so.

Hooks are installed once, when a model is loaded, and stay. Adding and removing them per request on a
shared model leaks one session's edits into another's forward passes. What they do comes from a
`ContextVar`, empty by default, so a pass without a plan runs exactly as plain transformers.
"""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor, nn

from analysis.edits import Edit, Site, Variant
from analysis.models import few_rows
from analysis.models.layouts import Parts


@dataclass
class Plan:
    """What one forward pass reads and changes."""

    lengths: tuple[int, ...]
    """Tokens of each row in this pass; rows are padded on the right, and edits leave padding alone."""
    prompt_lengths: tuple[int, ...]
    """Tokens of each row's prompt: tells `prompt` from `generated` positions."""
    reads: frozenset[Site] = frozenset()
    edits: dict[Site, list[tuple[int, Edit]]] = field(default_factory=dict)
    """For every edited site, (row, edit) in the order of application."""
    start: int = 0
    """Absolute position of the first column: under a key-value cache a pass sees new tokens only."""
    resume: tuple[int, Tensor] | None = None
    """(layer, residual stream at that layer): blocks up to that layer are not computed."""
    until: int | None = None
    """Blocks above this layer are not computed: for passes that nobody reads further up. None computes all."""
    few_rows: bool = False
    """Passes of a few columns may take faster products, equal up to float32 rounding only; see `few_rows`."""
    room: dict[Site, Tensor] = field(default_factory=dict)
    """Where to keep what is read, in float32; sites without room are kept in memory of their own."""
    captured: dict[Site, Tensor] = field(default_factory=dict)
    """Filled by the pass: (row, position, d_model) for every site in `reads`."""

    def touches(self, site: Site) -> bool:
        """True if the pass reads or edits this site."""
        # an empty set is asked nothing: hashing a site 91 times would cost a decoding step 0.1 ms
        return bool(self.reads and site in self.reads or self.edits and site in self.edits)

    def skips(self, layer: int) -> bool:
        """True if the block that ends at this layer is not computed."""
        below = self.resume is not None and layer <= self.resume[0]
        return below or (self.until is not None and layer > self.until)


_PLAN: ContextVar[Plan | None] = ContextVar("plan", default=None)


@contextmanager
def carrying_out(plan: Plan) -> Iterator[Plan]:
    """Let the forward passes of this thread, inside the block, follow the plan."""
    token = _PLAN.set(plan)
    try:
        yield plan
    finally:
        _PLAN.reset(token)


def install(parts: Parts) -> None:
    """Put the hooks on a freshly loaded model; called once per model."""
    parts.blocks[0].register_forward_pre_hook(_on_embedding, with_kwargs=True)
    for index, (block, attention, mlp) in enumerate(
        zip(parts.blocks, parts.attention, parts.mlp, strict=True)
    ):
        layer = index + 1
        block.forward = functools.partial(_skippable, layer, parts.layout.block_returns_tuple, block.forward)
        block.register_forward_hook(_on_output(Site(layer), 1.0))
        attention.register_forward_hook(_on_output(Site(layer, "attention"), parts.write_scale))
        mlp.register_forward_hook(_on_output(Site(layer, "mlp"), parts.write_scale))
    for index, reader in enumerate(parts.neurons):
        reader.register_forward_pre_hook(_on_input(Site(index + 1, "neurons")))
    inside = itertools.chain(*(part.modules() for part in (*parts.blocks, parts.head)))
    few_rows.quicken(inside, _few_rows_will_do)


def _few_rows_will_do() -> bool:
    plan = _PLAN.get()
    return plan is not None and plan.few_rows


def edits_of(rows: Sequence[Variant]) -> dict[Site, list[tuple[int, Edit]]]:
    """(row, edit) of every site, for a pass whose rows run under these variants."""
    by_site: dict[Site, list[tuple[int, Edit]]] = {}
    for row, variant in enumerate(rows):
        for edit in variant.edits:
            by_site.setdefault(edit.site, []).append((row, edit))
    return by_site


def columns(edit: Edit, length: int, prompt_length: int, start: int = 0) -> Int[Tensor, " chosen"]:
    """Columns that an edit touches in a row of a pass over `length` tokens from position `start` on."""
    at = torch.arange(start, start + length)
    if edit.positions == "all":
        keep = torch.ones_like(at, dtype=torch.bool)
    elif edit.positions == "after_first":
        keep = at > 0
    elif edit.positions == "prompt":
        keep = at < prompt_length
    elif edit.positions == "generated":
        keep = at >= prompt_length
    else:
        keep = torch.isin(at, torch.tensor(edit.positions, dtype=at.dtype))
    return keep.nonzero()[:, 0]


def count(model: nn.Module) -> int:
    """Hooks on a model, of every kind; constant from load to close."""
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def _on_embedding(block: nn.Module, args: tuple, kwargs: dict):
    plan = _PLAN.get()
    if plan is None or not plan.touches(Site(0)):
        return None
    if args:
        return (_visit(plan, Site(0), args[0]), *args[1:]), kwargs
    return args, kwargs | {"hidden_states": _visit(plan, Site(0), kwargs["hidden_states"])}


def _on_input(site: Site) -> Callable:
    """A hook on what a module is given."""

    def hook(module: nn.Module, args: tuple):
        plan = _PLAN.get()
        if plan is None or not plan.touches(site):
            return None
        return (_visit(plan, site, args[0]), *args[1:])

    return hook


def _on_output(site: Site, scale: float) -> Callable:
    """A forward hook for one site; `scale` is what the family multiplies the output by when adding it."""

    def hook(module: nn.Module, args: tuple, output):
        plan = _PLAN.get()
        if plan is None or not plan.touches(site):
            return None
        tensor = output[0] if isinstance(output, tuple) else output
        added = tensor if scale == 1.0 else tensor * scale
        changed = _visit(plan, site, added)
        if site not in plan.edits:
            return None
        if scale != 1.0:  # scaling there and back rounds: what no edit changed must keep its bits
            changed = torch.where(changed == added, tensor, changed / scale)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return hook


def _visit(plan: Plan, site: Site, tensor: Tensor) -> Tensor:
    """Apply the site's edits, then keep what it holds; returns the tensor the model goes on with."""
    flat = tensor.dim() == 2  # OPT's MLP runs on (row * position, d_model)
    shaped = tensor.view(len(plan.lengths), -1, tensor.shape[-1]) if flat else tensor
    if site in plan.edits:
        shaped = _edited(plan, plan.edits[site], shaped)
    if site in plan.reads:
        plan.captured[site] = _kept(plan, site, shaped.detach())
    return shaped.reshape(tensor.shape)


def _kept(plan: Plan, site: Site, tensor: Tensor) -> Tensor:
    """A copy, as some families go on to write into the tensor in place; made where it is to lie, if that is known."""
    return plan.room[site].copy_(tensor) if site in plan.room else tensor.clone()


def _edited(plan: Plan, edits: list[tuple[int, Edit]], tensor: Tensor) -> Tensor:
    result = tensor.clone()
    for row, edit in edits:
        chosen = columns(edit, plan.lengths[row], plan.prompt_lengths[row], plan.start)
        if len(chosen):
            result[row, chosen] = edit.apply(result[row, chosen], chosen + plan.start)
    return result


def _skippable(layer: int, as_tuple: bool, forward: Callable, *args, **kwargs):
    """A block's forward, passed over where the plan resumes above it or ends below it."""
    plan = _PLAN.get()
    if plan is None or not plan.skips(layer):
        return forward(*args, **kwargs)
    given = args[0] if args else kwargs["hidden_states"]
    residual = plan.resume[1].to(given) if plan.resume and layer == plan.resume[0] else given
    return (residual, None) if as_tuple else residual
