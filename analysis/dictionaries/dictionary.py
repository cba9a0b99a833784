"""A dictionary: many directions, of which a few at a time make up a state.

A state x is told as x = bias + sum of a_i d_i + error. The a_i are what `encode` gives, the d_i are the rows of the
`decoder`, and the error is whatever is left: it is never hidden, and an edit of features leaves it in place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from analysis.dictionaries.decoder import Decoder
from analysis.dictionaries.encoders import Encoder
from analysis.edits import Coder, Site
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.models.loaded import LoadedModel


@runtime_checkable
class Dictionary(Coder, Protocol):
    """What every kind of dictionary offers: sparse autoencoders, the model's own neurons, components, factors."""

    name: str
    """For the person, as in `Layer 16, 4,608 features`."""
    signed: bool
    """True if an activation may be negative."""

    @property
    def id(self) -> str:
        """The first twelve digits of its fingerprint: they stand in links, and name what was found of its features."""
        ...

    def require_fit(self, model: LoadedModel) -> None:
        """Refuse a model it was not made for.

        Raises:
            AnalysisError: what was given and what it was made for.
        """
        ...


@dataclass(frozen=True, eq=False)
class SparseDictionary(Decoder):
    """An encoder and a decoder with weights: a sparse autoencoder of any kind, or components.

    z = (x - bias) @ encoder + encoder_bias; a = kind.activate(z); x' = a @ decoder + bias.
    """

    name: str
    site: Site
    kind: Encoder
    encoder: Float32[np.ndarray, "width feature"]
    encoder_bias: Float32[np.ndarray, " feature"]
    decoder: Float32[np.ndarray, "feature width"]
    bias: Float32[np.ndarray, " width"]
    """Added after decoding."""
    model: str = ""
    """Title of the model it was made for, without precision; empty where nobody says."""
    subtracts_bias: bool = True
    """True if the bias is taken off before encoding."""
    card: Mapping[str, object] = field(default_factory=dict)
    """Everything else that is known: training text, seed, figures of quality, SAELens' metadata (`neuronpedia_id`)."""

    def __post_init__(self):
        arrays = {name: getattr(self, name) for name in ("encoder", "encoder_bias", "decoder", "bias")}
        width, features = arrays["encoder"].shape
        expected = {"encoder_bias": (features,), "decoder": (features, width), "bias": (width,)}
        wrong = [name for name, shape in expected.items() if arrays[name].shape != shape]
        if wrong:
            raise AnalysisError(
                f"A dictionary of {features} features for states of {width} numbers needs {wrong[0]} of shape "
                f"{expected[wrong[0]]}; given {arrays[wrong[0]].shape}."
            )
        for name, values in arrays.items():
            if not np.isfinite(values).all():
                raise AnalysisError(
                    f"The dictionary's {name} holds numbers that are not finite; it is spoilt."
                )
        # torch shares the memory, and warns of arrays that another dictionary has closed
        own = {n: values if values.flags.writeable else values.copy() for n, values in arrays.items()}
        object.__setattr__(self, "_tensors", {n: torch.from_numpy(values) for n, values in own.items()})
        for name, values in own.items():
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    @cached_property
    def fingerprint(self) -> str:
        """One name for everything that decides an activation or a reconstruction."""
        parts = self.encoder, self.encoder_bias, self.decoder, self.bias
        # of plain values alone: labels and evidence are kept under it, and outlive the code's layout
        kind = self.kind.label, *(getattr(self.kind, each.name) for each in fields(self.kind) if each.init)
        return fingerprint("dictionary", str(self.site), kind, self.subtracts_bias, *parts)

    @property
    def signed(self) -> bool:
        """True if an activation may be negative."""
        return self.kind.signed

    def encode(self, x: Float[Tensor, "point width"]) -> Float[Tensor, "point feature"]:
        """Activations, exactly zero where a feature is not active; float32."""
        states = x.float()
        if self.subtracts_bias:
            states = states - self._on(x, "bias")
        return self.kind.activate(torch.addmm(self._on(x, "encoder_bias"), states, self._on(x, "encoder")))


def reconstructed(dictionary: Dictionary, x: Float[Tensor, "point width"]) -> Float[Tensor, "point width"]:
    """What the dictionary makes of states; x minus this is its error."""
    return dictionary.decode(dictionary.encode(x))
