"""Factors of MLP activations: groups of neurons that are active together, found without gradient descent.

Semi-nonnegative factorisation: states ~ activations @ factors, where no activation is negative and a factor may have
any sign, so that one factor is a group of neurons with the sign each takes part with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor

from analysis.dictionaries.decoder import Decoder
from analysis.dictionaries.without_training.principal import axes_of
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent

Start = Literal["means", "axes"]
"""Where a fit starts: k-means of the states, or both ends of their principal axes."""
TINY = 1e-10
MOST_ITERATIONS = 300
ROUNDS = 15
"""Of k-means."""
STEPS = 300
"""Of the descent that encodes a state; always as many, so that a state's activations do not depend on its batch."""
UNSEEN = 1e-6
"""Activations below this share of the largest of a state are zero: the descent ends that near to them."""


@dataclass(frozen=True, eq=False)
class Factors(Decoder):
    """Factors of states at one site: a state is told by the nonnegative multiples of them that lie nearest to it."""

    name: str
    site: Site
    decoder: Float32[np.ndarray, "feature width"]
    """Rows of length 1."""
    bias: Float32[np.ndarray, " width"]
    """Taken off before encoding, added after decoding; zero for neurons."""
    model: str = ""
    """Title of the model it was made for; empty where nobody says."""
    card: Mapping[str, object] = field(default_factory=dict)

    signed = False

    def __post_init__(self):
        if self.bias.shape != (self.width,):
            raise AnalysisError(
                f"Factors of {self.width} numbers need a bias of as many; given {self.bias.shape}."
            )
        if not (np.isfinite(self.decoder).all() and np.isfinite(self.bias).all()):
            raise AnalysisError("The factors hold numbers that are not finite; they are spoilt.")
        for values in (self.decoder, self.bias):
            values.flags.writeable = False

    @cached_property
    def fingerprint(self) -> str:
        """One name for everything that decides an activation or a reconstruction."""
        return fingerprint("factors", str(self.site), self.decoder, self.bias)

    def encode(self, x: Float[Tensor, "point width"]) -> Float[Tensor, "point feature"]:
        """The nonnegative activations that rebuild each state best; float32."""
        states = x.float() - self._on(x, "bias")
        return nonnegative(self._on(x, "overlaps"), states @ self._on(x, "decoder").T)

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        decoder, bias = (torch.from_numpy(values.copy()) for values in (self.decoder, self.bias))
        return {"decoder": decoder, "bias": bias, "overlaps": decoder @ decoder.T}


@dataclass(frozen=True, eq=False)
class Factoring:
    """How a fit went."""

    factors: Float32[np.ndarray, "feature width"]
    """Rows of length 1."""
    activations: Float32[np.ndarray, "point feature"]
    """Of the states it was fitted to; never negative."""
    errors: Float64[np.ndarray, " iteration"]
    """Share of the states' sum of squares that is not rebuilt, before the first and after every iteration."""
    settled: bool
    """True if the last iterations changed the error by less than the tolerance."""


def semi_nonnegative(
    states: Float32[np.ndarray, "point width"],
    count: int,
    *,
    start: Start = "means",
    seed: int = 0,
    most: int = MOST_ITERATIONS,
    tolerance: float = 1e-4,
    keep: float = 1.0,
    report: Report = silent,
) -> Factoring:
    """Factor states into nonnegative activations and factors of any sign.

    In turns: F = A G (G'G + eps I)^-1, then G <- G sqrt(([A'F]+ + G[F'F]-) / ([A'F]- + G[F'F]+)), where A holds a state
    in each column, F a factor and G the activations of a factor. With all of F kept the error never rises; with
    `keep` < 1 it may, and the best iteration is returned.

    Args:
        states: one row per token, as they are: nothing is subtracted.
        count: factors; fewer than states and numbers of a state.
        start: `means` (k-means of the states) or `axes` (both ends of the principal axes).
        seed: of k-means.
        most: iterations at most.
        tolerance: it ends once ten iterations together lower the error by less than this.
        keep: winner takes all: the share of a factor's entries that stay, those with the largest magnitude, 0 to 1.
        report: progress in iterations; raises `Cancelled` to stop.

    Raises:
        AnalysisError: so many factors cannot be had, or `keep` is not in (0, 1].
    Source: Ding, Li & Jordan 2010 (semi-NMF); Shafran, Geiger & Geva 2025, arXiv 2506.10920.
    Misleads when: all of a factor is kept and it is read as the truth: activations and factors can be traded for each
        other without any error, so that even planted factors need not come back. Winner takes all finds planted
        groups of neurons; another start may still stall elsewhere.
    """
    _require(states, count, keep)
    a = torch.from_numpy(states)
    total = float(a.double().square().sum())
    if not total > 0:
        raise AnalysisError("All states are zero, so they have no factors. Read other text.")
    g = _first(states, count, start, seed)
    f, aligned, overlaps = _factors_for(a, g, keep)
    errors = [_error(total, aligned, overlaps, g)]
    best, settled = (f, g), False
    for step in range(1, most + 1):
        report("Factoring", step, most)
        g = _activations_for(aligned, overlaps, g)
        f, aligned, overlaps = _factors_for(a, g, keep)
        errors.append(_error(total, aligned, overlaps, g))
        if errors[-1] <= min(errors):
            best = f, g
        if settled := step >= 10 and errors[-11] - errors[-1] < tolerance:
            break
    return _in_order(*best, np.array(errors), settled)


def snmf(
    states: Float32[np.ndarray, "point width"],
    site: Site,
    count: int,
    *,
    start: Start = "means",
    seed: int = 0,
    most: int = MOST_ITERATIONS,
    keep: float = 1.0,
    model: str = "",
    card: Mapping[str, object] | None = None,
    report: Report = silent,
) -> Factors:
    """Factors of states as a dictionary: of neurons as they are, of other streams without their mean.

    Factors have length 1 and come in order of how much of the states they hold. Encoding finds the nonnegative
    activations that lie nearest to a state, with the factors as they are. `card["curve"]` holds the error of every
    iteration, `card["settled"]` whether it had stopped falling.

    Args:
        states: one row per token; first tokens and outliers left out.
        site: where they were read.
        count: factors.
        start: where the fit starts.
        seed: of k-means.
        most: iterations at most.
        keep: share of a factor's entries that stay.
        model: title of the model.
        card: what else is to be known of it.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: as `semi_nonnegative`.
    Source: Shafran, Geiger & Geva 2025, arXiv 2506.10920.
    Misleads when: another start gives other factors; see how well a second one agrees.
    """
    bias = np.zeros(states.shape[1], np.float32)
    if site.stream != "neurons":
        bias = states.mean(0, dtype=np.float64).astype(np.float32)
    fit = semi_nonnegative(states - bias, count, start=start, seed=seed, most=most, keep=keep, report=report)
    said = {
        "method": "SNMF",
        "settled": fit.settled,
        "iterations": len(fit.errors) - 1,
        "curve": fit.errors.tolist(),
        "keep": keep,
    }
    name = (
        f"Layer {site.layer}, {count:,} factors of {'neurons' if site.stream == 'neurons' else site.stream}"
    )
    return Factors(name, site, fit.factors, bias, model, {**said, **(card or {})})


def nonnegative(
    overlaps: Float[Tensor, "feature feature"], aligned: Float[Tensor, "point feature"]
) -> Float[Tensor, "point feature"]:
    """The nonnegative g of every point that makes |x - g F|^2 least, where overlaps = F F' and aligned = x F'.

    Projected gradient descent with momentum that starts again wherever it would turn back (O'Donoghue & Candes 2015),
    always `STEPS` steps.

    Source: Beck & Teboulle 2009 (FISTA).
    Misleads when: two factors are nearly the same: how an activation is shared between them is then arbitrary.
    """
    step = 1 / float(torch.linalg.eigvalsh(overlaps.double())[-1].clamp_min(TINY))
    found = ahead = torch.relu(aligned * step)
    momentum = torch.ones(len(aligned), 1)
    for _ in range(STEPS):
        moved = torch.relu(ahead - step * (ahead @ overlaps - aligned))
        change = moved - found
        turned = ((ahead - moved) * change).sum(1, keepdim=True) > 0
        momentum[turned] = 1.0
        grown = (1 + torch.sqrt(1 + 4 * momentum.square())) / 2
        ahead = moved + torch.where(turned, 0.0, (momentum - 1) / grown) * change
        found, momentum = moved, grown
    return torch.where(found > UNSEEN * found.amax(1, keepdim=True), found, 0.0)


def random_factors(like: Factors, seed: int) -> Factors:
    """Factors in random directions, as many as there are: what factors must beat."""
    rows = np.random.default_rng(seed).standard_normal(like.decoder.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Factors("random directions", like.site, rows.astype(np.float32), like.bias.copy(), like.model)


def _require(states: np.ndarray, count: int, keep: float) -> None:
    room = min(states.shape) - 1
    if not 1 <= count <= room:
        raise AnalysisError(
            f"{len(states):,} states of {states.shape[1]:,} numbers can be told by 1 to {room:,} factors; given "
            f"{count:,}. Ask for fewer, or read more text."
        )
    if not 0 < keep <= 1:
        raise AnalysisError(f"The share of a factor that stays lies above 0 and up to 1; given {keep:g}.")


def _first(states: np.ndarray, count: int, start: Start, seed: int) -> Tensor:
    """Activations to begin with; all of them are positive, since a zero would stay zero for ever."""
    if start == "axes":
        return _along_axes(states, count)
    labels = _nearest_means(torch.from_numpy(states), count, seed)
    return torch.nn.functional.one_hot(labels, count).float() + 0.2  # as Ding, Li & Jordan begin


def _along_axes(states: np.ndarray, count: int) -> Tensor:
    """The positive ends of the principal axes, and the negative ones, as far as they are needed."""
    half = ceil(count / 2)
    _, axes = axes_of((states.T @ states).astype(np.float64), half, len(states) + 1)
    along = torch.from_numpy(states) @ torch.from_numpy(axes.astype(np.float32))
    both = torch.stack([torch.relu(along), torch.relu(-along)], 2).flatten(1)[:, :count]
    return both + 0.01 * float(both.mean())


def _nearest_means(x: Tensor, count: int, seed: int) -> Tensor:
    """Number of each point's mean after a few rounds of k-means; an empty group gets the point that is worst off."""
    generator = torch.Generator().manual_seed(seed)
    means = x[torch.randperm(len(x), generator=generator)[:count]]
    for _ in range(ROUNDS):
        distances = means.square().sum(1) - 2 * x @ means.T
        nearest, labels = distances.min(1)
        counts = torch.bincount(labels, minlength=count)
        sums = torch.zeros_like(means).index_add_(0, labels, x)
        means = sums / counts.clamp_min(1)[:, None]
        empty = (counts == 0).nonzero()[:, 0]
        worst = (nearest + x.square().sum(1)).argsort(descending=True, stable=True)
        means[empty] = x[worst[: len(empty)]]
    return labels


def _factors_for(a: Tensor, g: Tensor, keep: float) -> tuple[Tensor, Tensor, Tensor]:
    """The factors that rebuild the states best from these activations; the states and the factors along them.

    Where not all is kept, each factor's largest entries stay.
    """
    overlap = (g.T @ g).double()
    ridge = TINY * overlap.diagonal().mean() * torch.eye(len(overlap), dtype=torch.float64)
    f = torch.linalg.solve(overlap + ridge, (g.T @ a).double()).float()
    if keep < 1:
        kept = f.abs().topk(ceil(keep * f.shape[1]), dim=1).indices
        f = torch.zeros_like(f).scatter(1, kept, f.gather(1, kept))
    return f, a @ f.T, f @ f.T


def _activations_for(aligned: Tensor, overlaps: Tensor, g: Tensor) -> Tensor:
    """One multiplicative step, which keeps every activation positive or zero."""
    up = torch.relu(aligned) + g @ torch.relu(-overlaps)
    down = torch.relu(-aligned) + g @ torch.relu(overlaps)
    return g * torch.sqrt(up / down.clamp_min(torch.finfo(down.dtype).tiny))


def _error(total: float, aligned: Tensor, overlaps: Tensor, g: Tensor) -> float:
    """Share of the sum of squares that is left: |A|^2 - 2 <A'F, G> + <F'F, G'G>, over |A|^2."""
    wide = g.double()
    cross = (aligned.double() * wide).sum()
    own = (overlaps.double() * (wide.T @ wide)).sum()
    return max(float(total - 2 * cross + own) / total, 0.0)


def _in_order(f: Tensor, g: Tensor, errors: np.ndarray, settled: bool) -> Factoring:
    """Factors of length 1, those first that hold most of the states."""
    lengths = f.norm(dim=1)
    f, g = f / lengths.clamp_min(TINY)[:, None], g * lengths
    order = g.square().sum(0).argsort(descending=True, stable=True)
    f, g = f[order].contiguous(), g[:, order].contiguous()
    return Factoring(f.numpy(), g.numpy(), errors, settled)
