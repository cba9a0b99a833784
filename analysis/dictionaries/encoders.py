"""How a dictionary decides which of its features are active: one small frozen object for each architecture.

Every encoder is given the pre-activations z = (x - bias) @ W_enc + b_enc of some states (point, feature) and gives
activations of the same shape; features that are not active are exactly zero.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from analysis.errors import AnalysisError


@dataclass(frozen=True)
class Relu:
    """Active wherever positive: max(z, 0).

    Source: Bricken et al. 2023; Cunningham et al. 2023, arXiv 2309.08600.
    """

    label: ClassVar[str] = "ReLU"
    signed: ClassVar[bool] = False

    def activate(self, z: Float[Tensor, "point feature"]) -> Float[Tensor, "point feature"]:
        """Return max(z, 0)."""
        return torch.relu(z)


@dataclass(frozen=True)
class TopK:
    """The k largest of every state, as far as they are positive.

    Source: Gao et al. 2024, arXiv 2406.04093.
    """

    k: int
    label: ClassVar[str] = "TopK"
    signed: ClassVar[bool] = False

    def __post_init__(self):
        if self.k < 1:
            raise AnalysisError(f"TopK keeps k >= 1 features of every state; given k = {self.k}.")

    def activate(self, z: Float[Tensor, "point feature"]) -> Float[Tensor, "point feature"]:
        """Return z with all but the k largest positive values of each row zero."""
        values, indices = z.topk(min(self.k, z.shape[1]), dim=1)
        return torch.zeros_like(z).scatter(1, indices, torch.relu(values))


@dataclass(frozen=True)
class GroupMax:
    """The largest of each of k groups of neighbouring features, as far as it is positive.

    Source: the sparsify library (EleutherAI 2024), a fast stand-in for TopK.
    """

    k: int
    """Groups; it divides the number of features."""
    label: ClassVar[str] = "GroupMax"
    signed: ClassVar[bool] = False

    def __post_init__(self):
        if self.k < 1:
            raise AnalysisError(f"GroupMax needs k >= 1 groups; given k = {self.k}.")

    def activate(self, z: Float[Tensor, "point feature"]) -> Float[Tensor, "point feature"]:
        """Return z with all but the largest positive value of every group zero."""
        groups = torch.relu(z).unflatten(1, (self.k, -1))
        values, indices = groups.max(dim=2, keepdim=True)
        return torch.zeros_like(groups).scatter(2, indices, values).flatten(1)


@dataclass(frozen=True, eq=False)
class JumpRelu:
    """Active above a threshold of its own: z where z > theta, and z > 0.

    Source: Rajamanoharan et al. 2024, arXiv 2407.14435; BatchTopK (Bussmann et al. 2024, arXiv 2412.06410) is used in
    this form after training, with one threshold for all features.
    """

    threshold: Float32[np.ndarray, " feature"]
    label: ClassVar[str] = "JumpReLU"
    signed: ClassVar[bool] = False

    def activate(self, z: Float[Tensor, "point feature"]) -> Float[Tensor, "point feature"]:
        """Return z where it is above the threshold, zero elsewhere."""
        active = torch.relu(z)
        return active * (active > self._tensor.to(z))

    @cached_property
    def _tensor(self) -> Tensor:
        with torch.inference_mode(False):  # whoever asks first, others may want gradients
            return torch.tensor(self.threshold)


@dataclass(frozen=True, eq=False)
class Gated:
    """One read-out decides whether, another one how much.

    Active where (x - bias) W + b_gate > 0, with the value max((x - bias) W * exp(r_mag) + b_mag, 0). It is given z
    without any bias added.

    Source: Rajamanoharan et al. 2024, arXiv 2404.16014.
    """

    b_gate: Float32[np.ndarray, " feature"]
    b_mag: Float32[np.ndarray, " feature"]
    r_mag: Float32[np.ndarray, " feature"]
    label: ClassVar[str] = "gated"
    signed: ClassVar[bool] = False

    def activate(self, z: Float[Tensor, "point feature"]) -> Float[Tensor, "point feature"]:
        """Return the magnitude where the gate is open, zero elsewhere."""
        b_gate, b_mag, r_mag = (each.to(z) for each in self._tensors)
        return torch.relu(z * torch.exp(r_mag) + b_mag) * (z + b_gate > 0)

    @cached_property
    def _tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        with torch.inference_mode(False):
            return torch.tensor(self.b_gate), torch.tensor(self.b_mag), torch.tensor(self.r_mag)


@dataclass(frozen=True)
class Linear:
    """The coordinates themselves, signed and all of them: principal and independent components."""

    label: ClassVar[str] = "linear"
    signed: ClassVar[bool] = True

    def activate(self, z: Float[Tensor, "point feature"]) -> Float[Tensor, "point feature"]:
        """Return z."""
        return z


Encoder = Relu | TopK | GroupMax | JumpRelu | Gated | Linear
"""Encoders that look at one state's pre-activations only."""
