"""What is trained, and how one step of it went."""

from dataclasses import dataclass
from typing import Literal, get_args

from analysis.errors import AnalysisError

Sparsity = Literal["topk", "batchtopk", "matryoshka", "jumprelu", "relu", "gated", "pursuit"]
PENALISED = ("jumprelu", "relu", "gated")
"""Kept sparse by a penalty, not by counting."""


@dataclass(frozen=True)
class Plan:
    """What is trained, and how."""

    width: int
    """Features."""
    k: int
    """Features active at a time: of every activation for `topk` and `pursuit` (at most), on average for the others."""
    samples: int
    """Activations that are looked at; those of a small store several times."""
    sparsity: Sparsity = "batchtopk"
    batch: int = 4096
    rate: float = 5e-4
    warm_up: float = 0.05
    """Share of all steps in which the rate grows from nothing."""
    decay: float = 0.3
    """Share of all steps, the last ones, in which it falls to nothing."""
    auxiliary: float = 1 / 32
    """Weight of the loss that lets dead features explain what the living leave over."""
    dead_after: int = 400_000
    """Activations without firing after which a feature counts as dead."""
    nested: tuple[int, ...] = ()
    """Of `matryoshka`: widths that have to do by themselves, ascending; the last is the whole width."""
    penalty: float | None = None
    """Of those with a penalty: its weight; None lets it grow and shrink until k features are active on average."""
    bandwidth: float = 0.05
    """Of `jumprelu`: width of the window around a threshold in which it feels a gradient."""
    seed: int = 0

    def __post_init__(self):
        if self.sparsity not in get_args(Sparsity):
            raise AnalysisError(
                f"{self.sparsity!r} is no kind of dictionary; there are {', '.join(get_args(Sparsity))}."
            )
        if not 1 <= self.k <= self.width:
            raise AnalysisError(
                f"k is how many features may be active at a time, from 1 to all {self.width:,}; given {self.k}."
            )
        nested = self.nested
        if list(nested) != sorted(set(nested)) or (nested and (nested[0] < 1 or nested[-1] != self.width)):
            raise AnalysisError(
                f"Nested widths ascend from at least 1 and end at the whole width, {self.width:,}; given {nested}."
            )

    @property
    def steps(self) -> int:
        """Batches."""
        return max(1, self.samples // self.batch)

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths whose reconstructions are learnt; the whole one only, but for `matryoshka`."""
        if self.sparsity != "matryoshka":
            return (self.width,)
        return self.nested or tuple(max(1, self.width * part // 16) for part in (1, 2, 4, 8, 16))


@dataclass(frozen=True)
class Step:
    """How one step went."""

    number: int
    unexplained: float
    """Share of the batch's variance that is not reconstructed."""
    l0: float
    """Features active at a time."""
    dead: int
    """Features that have not fired for long."""
    rate: float
    loss: float = 0.0
    """What was made smaller, per activation."""
    increase: float | None = None
    """Nats a token by which the model's loss on held-out text rises with rebuilt states; None where not measured."""
    recovered: float | None = None
    """Of what zero states cost the model there, the share that rebuilt ones do not: 1 is everything."""
