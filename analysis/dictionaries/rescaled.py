"""Dictionaries of states that are first brought to one length: each state is scaled by itself, and scaled back.

A state is still told as bias + sum of a_i d_i + error in its own units: activations are scaled back, and what the
normalisation took away (the scale of the bias, and the mean) is carried by features of its own behind the last one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import Encoder
from analysis.edits import Site
from analysis.fingerprint import fingerprint
from analysis.models.loaded import LoadedModel

LITTLE = 1e-5
"""Added to a standard deviation before dividing, as SAELens does."""


@dataclass(frozen=True, eq=False)
class Rescaled:
    """A dictionary of normalised states, for states as they are.

    With `constant_norm_rescale` states are brought to length sqrt(width), with `layer_norm` to mean 0 and standard
    deviation 1. With s the factor that undoes it, its activations are s times the normalised state's, in the units of
    the residual stream as everywhere else; the features behind the last hold s (direction: the inner bias) and, with
    `layer_norm`, the mean above and below 0 (direction: ones).

    Source: SAELens 6.54, `normalize_activations`.
    Misleads when: activations are compared with those that SAELens or Neuronpedia show: these are s times as large.
    """

    inner: SparseDictionary
    how: Literal["constant_norm_rescale", "layer_norm"]

    signed = False

    @property
    def name(self) -> str:
        """For the person."""
        return self.inner.name

    @property
    def kind(self) -> Encoder:
        """How it decides which of its features are active."""
        return self.inner.kind

    @property
    def site(self) -> Site:
        """Where it reads."""
        return self.inner.site

    @property
    def model(self) -> str:
        """Title of the model it was made for."""
        return self.inner.model

    @property
    def card(self) -> Mapping[str, object]:
        """Everything else that is known."""
        return self.inner.card

    @cached_property
    def fingerprint(self) -> str:
        """One name for everything that decides an activation or a reconstruction."""
        return fingerprint("rescaled", self.how, self.inner.fingerprint)

    @property
    def id(self) -> str:
        """The first digits of its fingerprint."""
        return self.fingerprint[:12]

    @property
    def features(self) -> int:
        """How many there are, with those that carry the normalisation."""
        return self.inner.features + len(self._carriers)

    @property
    def width(self) -> int:
        """Numbers of a state at the site."""
        return self.inner.width

    def encode(self, x: Float[Tensor, "point width"]) -> Float[Tensor, "point feature"]:
        """Activations in the units of the states; float32."""
        states = x.float()
        if self.how == "constant_norm_rescale":
            scale = states.norm(dim=1, keepdim=True) / self.width**0.5
            normal, carried = states / scale.clamp_min(1e-30), scale
        else:
            mean = states.mean(1, keepdim=True)
            scale = (states - mean).std(1, keepdim=True)
            normal = (states - mean) / (scale + LITTLE)
            carried = torch.cat([scale, mean.relu(), (-mean).relu()], 1)
        return torch.cat([self.inner.encode(normal) * scale, carried], 1)

    def decode(self, activations: Float[Tensor, "point feature"]) -> Float[Tensor, "point width"]:
        """The states that the activations make; float32."""
        given, own = activations.float(), self.inner.features
        carriers = torch.tensor(self._carriers, device=given.device)
        bias = carriers[0]  # the inner dictionary adds it once; here it comes s times
        return self.inner.decode(given[:, :own]) - bias + given[:, own:] @ carriers

    def directions(self, features: list[int]) -> Float32[np.ndarray, "chosen width"]:
        """Decoder rows: what one unit of each of these features adds at the site."""
        return np.concatenate([self.inner.decoder, self._carriers])[features]

    def require_fit(self, model: LoadedModel) -> None:
        """Refuse a model it was not made for; raises as the inner dictionary does."""
        self.inner.require_fit(model)

    @cached_property
    def _carriers(self) -> Float32[np.ndarray, "carrier width"]:
        ones = np.ones((1, self.width), np.float32)
        rows = [self.inner.bias[None], ones, -ones]
        return np.concatenate(rows if self.how == "layer_norm" else rows[:1])
