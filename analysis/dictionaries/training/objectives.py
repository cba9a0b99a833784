"""What each kind of dictionary makes smaller: one function for each, from a batch to its loss."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from analysis.dictionaries.matching_pursuit import pursued
from analysis.dictionaries.training.plan import Plan, Sparsity
from analysis.dictionaries.training.sparse import Pattern, picked, products, summed

GUESSED_FROM = 16
"""Every so many-th activation tells about how large the largest of the whole batch are."""
MARGIN = 1.25
"""Share of candidates that are looked at more closely."""


@dataclass(frozen=True, eq=False)
class Weights:
    """What is learnt; features run along the first axis."""

    encoder: Float[Tensor, "feature width"]
    encoder_bias: Float[Tensor, " feature"]
    decoder: Float[Tensor, "feature width"]
    decoder_bias: Float[Tensor, " width"]
    log_threshold: Float[Tensor, " feature"]
    """Of `jumprelu`: logarithm of the threshold."""
    gate_bias: Float[Tensor, " feature"]
    """Of `gated`."""
    log_magnitude: Float[Tensor, " feature"]
    """Of `gated`: logarithm of what the pre-activation is multiplied by."""


@dataclass(frozen=True, eq=False)
class Measured:
    """A batch as the weights explain it."""

    loss: Float[Tensor, ""]
    rest: Float[Tensor, "point width"]
    """What is not reconstructed."""
    fired: Int[Tensor, " feature"]
    """How often each feature was active."""
    threshold: Float[Tensor, ""] | None = None
    """Of `batchtopk` and `matryoshka`: the smallest activation that was kept."""


Objective = Callable[[Float[Tensor, "point width"], Weights, Plan, float, bool], Measured]
"""From a batch, the weights, the plan, the penalty's weight and whether a coarse product may choose candidates."""


def top_k(
    batch: Float[Tensor, "point width"], w: Weights, plan: Plan, penalty: float, coarse: bool
) -> Measured:
    """Squared error with the k largest of every activation.

    Source: Gao et al. 2024, arXiv 2406.04093.
    """
    states = batch - w.decoder_bias
    with torch.no_grad():
        z = _agreement(states, w, coarse)
        many = min(plan.width, round(plan.k * MARGIN) if coarse else plan.k)
        values, columns = z.topk(many, dim=1)
        if coarse:
            columns = columns.sort(1).values
            values = _exact(states, w, _rowwise(columns, z.shape)).view_as(columns)
            values, kept = values.topk(plan.k, dim=1)
            columns = columns.gather(1, kept)
        pattern, values = _rowwise(columns, z.shape), values.flatten()
        positive = values > 0
        if not positive.all():
            pattern, values = pattern.where(positive), values[positive]
    return _rebuilt(batch, states, w, plan, pattern, values)


def batch_top_k(
    batch: Float[Tensor, "point width"], w: Weights, plan: Plan, penalty: float, coarse: bool
) -> Measured:
    """Squared error with the largest of the batch that are k an activation on average; of several widths their mean.

    Source: Bussmann et al. 2024, arXiv 2412.06410; nested widths: Bussmann et al. 2025, arXiv 2503.17547.
    """
    states = batch - w.decoder_bias
    with torch.no_grad():
        z = _agreement(states, w, coarse)
        pattern, values = largest(z, plan.k * len(z), MARGIN if coarse else 1.0)
        if coarse:
            values = _exact(states, w, pattern)
            kept = _kept(values, plan.k * len(z))
            pattern, values = pattern.where(kept), values[kept]
    return _rebuilt(batch, states, w, plan, pattern, values)


def jump_relu(
    batch: Float[Tensor, "point width"], w: Weights, plan: Plan, penalty: float, coarse: bool
) -> Measured:
    """Squared error + penalty * number of active features; thresholds learn through a window around themselves.

    Source: Rajamanoharan et al. 2024, arXiv 2407.14435.
    """
    states = batch - w.decoder_bias
    thresholds = w.log_threshold.exp()
    with torch.no_grad():
        z = _agreement(states, w, False)
        pattern = _pattern(z > torch.clamp_min(thresholds - plan.bandwidth / 2, 0))
        values = z[pattern.rows, pattern.columns]
    values = picked(states, w.encoder, w.encoder_bias, pattern, values)
    own = thresholds.index_select(0, pattern.columns)
    active = Jump.apply(values, own, plan.bandwidth)
    counted = Count.apply(values, own, plan.bandwidth)
    rest = batch - summed(pattern, active, w.decoder) - w.decoder_bias
    loss = rest.pow(2).sum(1).mean() + penalty * counted.sum() / len(batch)
    return Measured(loss, rest, _often(pattern.columns[active.detach() > 0], plan.width))


def relu(
    batch: Float[Tensor, "point width"], w: Weights, plan: Plan, penalty: float, coarse: bool
) -> Measured:
    """Squared error + penalty * sum of activations, decoder rows having length 1.

    Source: Bricken et al. 2023; Cunningham et al. 2023, arXiv 2309.08600.
    """
    active = torch.relu((batch - w.decoder_bias) @ w.encoder.T + w.encoder_bias)
    rest = batch - active @ w.decoder - w.decoder_bias
    return Measured(rest.pow(2).sum(1).mean() + penalty * active.sum(1).mean(), rest, (active > 0).sum(0))


def gated(
    batch: Float[Tensor, "point width"], w: Weights, plan: Plan, penalty: float, coarse: bool
) -> Measured:
    """Squared error + penalty * sum of open gates + squared error of what the gates alone would rebuild.

    The last term learns the gates, through a decoder that it leaves alone.

    Source: Rajamanoharan et al. 2024, arXiv 2404.16014.
    """
    z = (batch - w.decoder_bias) @ w.encoder.T
    gates = torch.relu(z + w.gate_bias)
    active = torch.relu(z * w.log_magnitude.exp() + w.encoder_bias) * (gates > 0)
    rest = batch - active @ w.decoder - w.decoder_bias
    by_gates = batch - gates @ w.decoder.detach() - w.decoder_bias.detach()
    loss = (rest.pow(2).sum(1) + by_gates.pow(2).sum(1) + penalty * gates.sum(1)).mean()
    return Measured(loss, rest, (active > 0).sum(0))


def pursuit(
    batch: Float[Tensor, "point width"], w: Weights, plan: Plan, penalty: float, coarse: bool
) -> Measured:
    """Squared length of what matching pursuit leaves over after k turns, with gradients through every turn.

    Source: Costa et al. 2025, arXiv 2506.03093.
    """
    states = batch - w.decoder_bias
    with torch.no_grad():
        gram = w.decoder @ w.decoder.T
        chosen, amounts = pursued(states, w.decoder, plan.k, gram=gram)
    rest = states
    for turn in chosen.T:
        direction = w.decoder.index_select(0, turn)
        amount = torch.relu((rest * direction).sum(1, keepdim=True))
        rest = rest - amount * direction
    return Measured(rest.pow(2).sum(1).mean(), rest, _often(chosen[amounts > 0], plan.width))


OBJECTIVES: dict[Sparsity, Objective] = {
    "topk": top_k,
    "batchtopk": batch_top_k,
    "matryoshka": batch_top_k,
    "jumprelu": jump_relu,
    "relu": relu,
    "gated": gated,
    "pursuit": pursuit,
}


class Jump(torch.autograd.Function):
    """z where it is above its threshold; the threshold's gradient comes from a window around it."""

    @staticmethod
    def forward(ctx, values, thresholds, bandwidth):
        """Return the activations."""
        ctx.save_for_backward(values, thresholds)
        ctx.bandwidth = bandwidth
        return values * (values > thresholds)

    @staticmethod
    def backward(ctx, slope):
        """Of z where it is active, and -(threshold / bandwidth) in the window."""
        values, thresholds = ctx.saved_tensors
        near = _window(values, thresholds, ctx.bandwidth)
        return slope * (values > thresholds), -slope * thresholds * near, None


class Count(torch.autograd.Function):
    """1 where z is above its threshold; the threshold's gradient is -(1 / bandwidth) in a window around it."""

    @staticmethod
    def forward(ctx, values, thresholds, bandwidth):
        """Return zeros and ones."""
        ctx.save_for_backward(values, thresholds)
        ctx.bandwidth = bandwidth
        return (values > thresholds).to(values)

    @staticmethod
    def backward(ctx, slope):
        """Nothing to z."""
        values, thresholds = ctx.saved_tensors
        return None, -slope * _window(values, thresholds, ctx.bandwidth), None


def _window(values: Tensor, thresholds: Tensor, bandwidth: float) -> Tensor:
    return ((values - thresholds).abs() < bandwidth / 2) / bandwidth


def _agreement(states: Tensor, w: Weights, coarse: bool) -> Float[Tensor, "point feature"]:
    if not coarse:
        return torch.addmm(w.encoder_bias, states, w.encoder.T)
    bias, left, right = (each.bfloat16() for each in (w.encoder_bias, states, w.encoder))
    return torch.addmm(bias, left, right.T)


def _exact(states: Tensor, w: Weights, pattern: Pattern) -> Float[Tensor, " entry"]:
    return products(pattern, states, w.encoder) + w.encoder_bias[pattern.columns]


def _rowwise(columns: Int[Tensor, "point kept"], shape: torch.Size) -> Pattern:
    rows = torch.arange(len(columns), device=columns.device).repeat_interleave(columns.shape[1])
    return Pattern(rows, columns.flatten(), tuple(shape))


def _pattern(mask: Tensor) -> Pattern:
    rows, columns = mask.nonzero(as_tuple=True)
    return Pattern(rows, columns, tuple(mask.shape))


def largest(
    z: Float[Tensor, "point feature"], count: int, margin: float = 1.0
) -> tuple[Pattern, Float[Tensor, " entry"]]:
    """The `count` largest positive entries, or somewhat more of them where there is a margin.

    A threshold guessed from a few rows leaves few candidates, and the largest of those are the largest of all.
    """
    some = z[::GUESSED_FROM].flatten()
    wanted = min(len(some), round(count / len(z) * len(z[::GUESSED_FROM]) * margin * 1.15) + 64)
    guess = torch.clamp_min(some.topk(wanted, sorted=False).values.min(), 0)
    pattern = _pattern(z > guess)
    if len(pattern.rows) < count:
        guess = torch.clamp_min(z.flatten().topk(min(count, z.numel()), sorted=False).values.min(), 0)
        pattern = _pattern((z >= guess) & (z > 0))
    values = z[pattern.rows, pattern.columns]
    kept = _kept(values, round(count * margin))
    return pattern.where(kept), values[kept]


def _kept(values: Float[Tensor, " entry"], count: int) -> Tensor:
    """True for the `count` largest that are positive."""
    kept = torch.zeros(len(values), dtype=torch.bool, device=values.device)
    kept[values.topk(min(count, len(values)), sorted=False).indices] = True
    return kept & (values > 0)


def _rebuilt(
    batch: Tensor, states: Tensor, w: Weights, plan: Plan, pattern: Pattern, values: Tensor
) -> Measured:
    """Squared error of every width's own reconstruction, their mean."""
    smallest = values.min() if len(values) else values.new_zeros(())
    active = picked(states, w.encoder, w.encoder_bias, pattern, values)
    rest, losses, below = batch - w.decoder_bias, [], 0
    for width in plan.widths:
        if len(plan.widths) > 1:
            own = (pattern.columns >= below) & (pattern.columns < width)
            rest = rest - summed(pattern.where(own), active[own], w.decoder)
        else:
            rest = rest - summed(pattern, active, w.decoder)
        losses.append(rest.pow(2).sum(1).mean())
        below = width
    return Measured(torch.stack(losses).mean(), rest, _often(pattern.columns, plan.width), smallest)


def _often(columns: Int[Tensor, " entry"], width: int) -> Int[Tensor, " feature"]:
    return torch.bincount(columns.flatten(), minlength=width)
