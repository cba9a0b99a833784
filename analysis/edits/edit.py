"""What an edit is, and where in the network and on which tokens it works."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

Stream = Literal["residual", "attention", "mlp"]
Place = Stream | Literal["neurons"]
Part = Literal["all", "after_first", "prompt", "generated"]
Positions = Part | tuple[int, ...]
"""Which tokens of the text an edit touches: absolute positions, counted from 0 with BOS, or a part of it.

`after_first` leaves the first token alone: it is an attention sink, and what is usual of other tokens is not of it.
"""


@dataclass(frozen=True, order=True)
class Site:
    """A place in the network.

    `layer` runs from 0 to L: the residual stream after `layer` blocks. 0 is the embedding as block 1
    receives it, L the last block's output *before* the final norm. With stream `attention` or `mlp` it
    names what that part of block `layer` (1 to L) adds to the residual stream; `neurons` are the MLP's
    activations behind its nonlinearity, which its last map reads.
    """

    layer: int
    stream: Place = "residual"

    def __str__(self) -> str:
        return f"layer {self.layer} {self.stream}"


@runtime_checkable
class Edit(Protocol):
    """One change at one site."""

    site: Site
    positions: Positions

    def apply(
        self, x: Float[Tensor, "position d_model"], at: Int[Tensor, " position"]
    ) -> Float[Tensor, "position d_model"]:
        """Return the edited activations.

        Args:
            x: activations at the chosen positions, in the model's dtype.
            at: absolute position of each row of `x` in the text.
        """
        ...
