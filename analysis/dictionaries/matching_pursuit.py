"""Matching pursuit: a state is taken apart one direction at a time, each explaining what the earlier left over."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from analysis.dictionaries.decoder import Decoder
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint

TOGETHER = 128
"""States that are taken apart at a time: what they agree with should stay near the processor."""
MOST_FEATURES = 8_192
"""Features up to which their products with each other are kept: 268 MB at this many."""


def pursued(
    x: Float[Tensor, "point width"],
    rows: Float[Tensor, "feature width"],
    k: int,
    tolerance: float = 0.0,
    gram: Float[Tensor, "feature feature"] | None = None,
    stops_on_repeat: bool = False,
) -> tuple[Int[Tensor, "point turn"], Float[Tensor, "point turn"]]:
    """The features that explain each state, in the order they are taken, and how much of each.

    At every turn the direction that agrees most with the rest is taken, as far as they agree: r -= (r . d) d. It ends
    after k turns, when no direction agrees with the rest, or when the rest is no longer than `tolerance`; later turns
    have a value of zero. A feature may be taken again; its amounts then add up.

    Args:
        x: states, the bias taken off.
        rows: unit directions.
        k: turns at most.
        tolerance: length of the rest below which it ends, in units of x.
        gram: rows @ rows.T if at hand: saves the product of every turn.
        stops_on_repeat: a state's first turn that takes a feature again is its last.

    Source: Mallat & Zhang 1993; Costa et al. 2025, arXiv 2506.03093.
    """
    rest = x.clone()
    agreement = rest @ rows.T
    left = (x * x).sum(1)
    going = torch.ones(len(x), dtype=torch.bool, device=x.device)
    chosen, amounts = [], []
    for _ in range(k):
        best, feature = agreement.max(1)
        amount = torch.relu(best) * (going & (left > tolerance**2))
        if stops_on_repeat and chosen:
            going &= ~(torch.stack(chosen, 1) == feature[:, None]).any(1)
        chosen.append(feature)
        amounts.append(amount)
        if not amount.any():
            break
        rest = torch.addcmul(rest, amount[:, None], rows[feature], value=-1)
        left = (rest * rest).sum(1)
        agreement = (
            rest @ rows.T
            if gram is None
            else torch.addcmul(agreement, amount[:, None], gram[feature], value=-1)
        )
    return torch.stack(chosen, 1), torch.stack(amounts, 1)


@dataclass(frozen=True, eq=False)
class MatchingPursuit(Decoder):
    """A dictionary whose encoder is matching pursuit over its own unit directions.

    Source: Costa, Fel, Lubana, Tolooshams & Ba 2025 (From Flat to Hierarchical), arXiv 2506.03093.
    Misleads when: activations are read as independent: each depends on what was taken before it, so a small change of
        a state can change all that follow.
    """

    name: str
    site: Site
    decoder: Float32[np.ndarray, "feature width"]
    """Unit rows; also the encoder."""
    bias: Float32[np.ndarray, " width"]
    """Taken off before encoding, added after decoding."""
    k: int
    """Turns at most."""
    tolerance: float = 0.0
    """Length of the rest at which it ends, in units of the state."""
    stops_on_repeat: bool = False
    """True if the first turn that takes a feature again is the last, as in SAELens unless told otherwise."""
    model: str = ""
    """Title of the model it was made for; empty where nobody says."""
    card: Mapping[str, object] = field(default_factory=dict)
    """Everything else that is known."""

    signed = False

    def __post_init__(self):
        if self.decoder.ndim != 2 or self.bias.shape != self.decoder.shape[1:]:
            raise AnalysisError(
                f"A dictionary of {len(self.decoder)} directions needs a bias as long as each; given directions "
                f"{self.decoder.shape} and a bias {self.bias.shape}."
            )
        if not np.isfinite(self.decoder).all() or not np.isfinite(self.bias).all():
            raise AnalysisError("The dictionary holds numbers that are not finite; it is spoilt.")
        lengths = np.linalg.norm(self.decoder, axis=1)
        if np.abs(lengths - 1).max() > 1e-2:
            raise AnalysisError(
                "Matching pursuit needs directions of length 1; given lengths from "
                f"{lengths.min():.3g} to {lengths.max():.3g}. Divide each by its length."
            )
        if self.k < 1 or not self.tolerance >= 0:
            raise AnalysisError(
                f"Matching pursuit takes k >= 1 turns and a tolerance >= 0; given {self.k} and {self.tolerance}."
            )
        parts = {"decoder": self.decoder / lengths[:, None], "bias": self.bias}
        object.__setattr__(
            self, "_tensors", {n: torch.tensor(v, dtype=torch.float32) for n, v in parts.items()}
        )
        self.decoder.flags.writeable = False
        self.bias.flags.writeable = False

    @cached_property
    def fingerprint(self) -> str:
        """One name for everything that decides an activation or a reconstruction."""
        return fingerprint(
            "matching pursuit",
            str(self.site),
            self.decoder,
            self.bias,
            self.k,
            float(self.tolerance),
            self.stops_on_repeat,
        )

    def encode(self, x: Float[Tensor, "point width"]) -> Float[Tensor, "point feature"]:
        """Activations, exactly zero where a feature was not taken; float32."""
        rows, bias = self._on(x, "decoder"), self._on(x, "bias")
        gram = self._gram.to(x.device) if self.features <= MOST_FEATURES and len(x) >= TOGETHER else None
        activations = torch.zeros(len(x), self.features, device=x.device)
        for into, states in zip(activations.split(TOGETHER), x.split(TOGETHER), strict=True):
            chosen, amounts = pursued(
                states.float() - bias, rows, self.k, self.tolerance, gram, self.stops_on_repeat
            )
            into.scatter_add_(1, chosen, amounts)
        return activations

    @cached_property
    def _gram(self) -> Tensor:
        rows = self._tensors["decoder"]
        return rows @ rows.T
