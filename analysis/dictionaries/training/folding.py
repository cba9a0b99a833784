"""From trained weights to a dictionary: the centring and scaling of the training go into the biases."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32

from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import Encoder, Gated, JumpRelu, Relu, TopK
from analysis.dictionaries.matching_pursuit import MatchingPursuit
from analysis.dictionaries.training.objectives import Weights
from analysis.dictionaries.training.plan import Plan
from analysis.edits import Site

TRAINED_AS = {
    "topk": "TopK",
    "batchtopk": "BatchTopK",
    "matryoshka": "Matryoshka BatchTopK",
    "jumprelu": "JumpReLU",
    "relu": "ReLU",
    "gated": "gated",
    "pursuit": "matching pursuit",
}


@dataclass(frozen=True, eq=False)
class Scaling:
    """What states went through before training: (x - mean) * scale."""

    mean: Float32[np.ndarray, " width"]
    scale: float = 1.0


def folded(
    weights: Weights,
    plan: Plan,
    threshold: float,
    scaling: Scaling,
    site: Site,
    name: str,
    model: str,
    card: Mapping[str, object],
) -> SparseDictionary | MatchingPursuit:
    """The dictionary that takes and gives states as they are.

    With y = (x - mean) * scale, z of y is scale times z' of x, where z' has the same encoder, biases divided by the
    scale, and the bias mean + decoder_bias / scale. Activations are then in units of the states; decoder rows keep
    their length of 1.

    Args:
        weights: as trained.
        plan: how.
        threshold: of `batchtopk` and `matryoshka`, before scaling.
        scaling: what the states went through.
        site: where the dictionary reads.
        name: for the person.
        model: its title.
        card: what else is known.
    """
    size = scaling.scale
    decoder = _numbers(weights.decoder)
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    bias = (scaling.mean + _numbers(weights.decoder_bias) / size).astype(np.float32)
    card = {"trained_as": TRAINED_AS[plan.sparsity], **card}
    if plan.sparsity == "pursuit":
        return MatchingPursuit(name, site, decoder, bias, plan.k, model=model, card=card)
    encoder = np.ascontiguousarray(_numbers(weights.encoder).T)
    encoder_bias = _numbers(weights.encoder_bias) / np.float32(size)
    if plan.sparsity == "gated":
        encoder_bias = np.zeros_like(encoder_bias)
    kind = _kind(weights, plan, threshold, size)
    return SparseDictionary(name, site, kind, encoder, encoder_bias, decoder, bias, model, card=card)


def _kind(weights: Weights, plan: Plan, threshold: float, size: float) -> Encoder:
    if plan.sparsity == "topk":
        return TopK(plan.k)
    if plan.sparsity == "relu":
        return Relu()
    if plan.sparsity == "jumprelu":
        return JumpRelu(np.exp(_numbers(weights.log_threshold)) / np.float32(size))
    if plan.sparsity == "gated":
        gate, magnitude = (
            _numbers(each) / np.float32(size) for each in (weights.gate_bias, weights.encoder_bias)
        )
        return Gated(gate, magnitude, _numbers(weights.log_magnitude))
    return JumpRelu(np.full(plan.width, threshold / size, np.float32))


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy().copy()
