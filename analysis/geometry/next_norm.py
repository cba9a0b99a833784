"""What is left of each number of a state behind the norm through which the network reads it next."""

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import nn

from analysis.models.loaded import LoadedModel

NORMS = ("input_layernorm", "ln_1", "self_attn_layer_norm", "ln_attn")
"""Names of the norm at the entrance of a block, by family."""


def norm_after(model: LoadedModel, layer: int) -> nn.Module | None:
    """The norm that reads the residual stream of a layer first; None where the next block reads it without one.

    Behind the last layer it is the final norm.
    """
    if layer == model.n_layers:
        return None if isinstance(model.parts.norm, nn.Identity) else model.parts.norm
    block = model.parts.blocks[layer]
    if not getattr(block, "do_layer_norm_before", True):
        return None
    return next((found for name in NORMS if (found := getattr(block, name, None)) is not None), None)


def seen_shares(
    model: LoadedModel, layer: int, states: Float32[np.ndarray, "point d_model"]
) -> Float64[np.ndarray, " d_model"] | None:
    """Share of the squared length that each number has behind the norm which reads the states next; they sum to 1.

    A dimension that is large in the stream and small here is one that the network does not see as large.

    Args:
        model: the model.
        layer: whose states.
        states: of the residual stream.

    Returns:
        None where the next block reads the stream without a norm of its own (families that normalise what is added).

    Source: Timkey & van Schijndel 2021, arXiv 2109.04404, on what a network does with dimensions that dominate
        cosines; the share itself is defined here.
    Misleads when: the weights behind the norm ignore the dimension: the share says what arrives, not what is used.
    """
    norm = norm_after(model, layer)
    if norm is None:
        return None

    def squares() -> torch.Tensor:
        return norm(torch.from_numpy(states).to(model.dtype)).double().square().sum(0)

    found = model.on_worker(squares).numpy()
    return found / found.sum()
