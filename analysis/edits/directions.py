"""Edits along one direction: added, projected out, reflected, set."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from analysis.edits.edit import Positions, Site
from analysis.errors import AnalysisError


def _vector(values: np.ndarray, name: str) -> np.ndarray:
    values = np.ascontiguousarray(values, dtype=np.float32)
    if values.ndim != 1 or not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise AnalysisError(
            f"{name} needs one vector of finite numbers; given shape {values.shape} with {bad} not finite."
        )
    values.flags.writeable = False
    return values


@dataclass(frozen=True, eq=False)
class Steer:
    """Add a multiple of a direction: x + scale * direction.

    Source: Turner et al. 2023, arXiv 2308.10248 (activation addition).
    Misleads when: any push of the same length would have the same effect; compare with random directions.
    """

    site: Site
    direction: Float32[np.ndarray, " d_model"]
    """Used as given, not normalised."""
    scale: float = 1.0
    """In units of the direction's own length; 0 changes no bit."""
    positions: Positions = "all"
    label: ClassVar[str] = "add a direction"

    def __post_init__(self):
        object.__setattr__(self, "direction", _vector(self.direction, "Steer"))
        if not np.isfinite(self.scale):
            raise AnalysisError(f"Steer needs a finite scale; given {self.scale}.")

    def apply(self, x, at):
        """Return x + scale * direction."""
        if self.scale == 0:
            return x
        push = torch.from_numpy(self.direction.copy()).to(x.device) * self.scale
        return (x.float() + push).to(x.dtype)


def _unit(values: np.ndarray, name: str) -> np.ndarray:
    """A checked vector of positive length, as given: only its line counts."""
    values = _vector(values, name)
    if not np.linalg.norm(values) > 0:
        raise AnalysisError(f"{name} needs a direction of positive length; given the zero vector.")
    return values


def _component(x: Tensor, direction: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """The states in float32, the direction at unit length, and how much of it each state holds, as a column."""
    vector = torch.from_numpy(direction.copy()).to(x.device)
    unit, wide = vector / vector.norm(), x.float()
    return wide, unit, (wide @ unit)[:, None]


@dataclass(frozen=True, eq=False)
class Ablate:
    """Project a direction out: x - (x . v) v with v the direction at unit length.

    Source: Arditi et al. 2024, arXiv 2406.11717 (directional ablation).
    Misleads when: the concept is spread over several directions; the others carry on.
    """

    site: Site
    direction: Float32[np.ndarray, " d_model"]
    positions: Positions = "all"
    label: ClassVar[str] = "project a direction out"

    def __post_init__(self):
        object.__setattr__(self, "direction", _unit(self.direction, "Ablate"))

    def apply(self, x, at):
        """Return x without its component along the direction."""
        wide, unit, held = _component(x, self.direction)
        return (wide - held * unit).to(x.dtype)


@dataclass(frozen=True, eq=False)
class Reflect:
    """Turn a direction's component round: x - 2 (x . v) v with v the direction at unit length.

    Source: Ravfogel et al. 2021, arXiv 2105.06965 (AlterRep turns a representation to a boundary's other side).
    Misleads when: the component's zero is not where the concept is absent; the reflection goes through the origin.
    """

    site: Site
    direction: Float32[np.ndarray, " d_model"]
    positions: Positions = "all"
    label: ClassVar[str] = "reflect a direction"

    def __post_init__(self):
        object.__setattr__(self, "direction", _unit(self.direction, "Reflect"))

    def apply(self, x, at):
        """Return x mirrored in the plane that the direction stands on."""
        wide, unit, held = _component(x, self.direction)
        return (wide - 2 * held * unit).to(x.dtype)


@dataclass(frozen=True, eq=False)
class SetComponent:
    """Give every state the same component along a direction: x + (value - x . v) v, v at unit length.

    Source: the affine form of directional ablation; Marshall et al. 2024, arXiv 2411.09003.
    Misleads when: tokens differ in this component for good reasons; all of them are made alike.
    """

    site: Site
    direction: Float32[np.ndarray, " d_model"]
    value: float = 0.0
    """In the units of the residual stream; 0 is `Ablate`."""
    positions: Positions = "all"
    label: ClassVar[str] = "set a direction's component"

    def __post_init__(self):
        object.__setattr__(self, "direction", _unit(self.direction, "SetComponent"))
        if not np.isfinite(self.value):
            raise AnalysisError(f"SetComponent needs a finite value; given {self.value}.")

    def apply(self, x, at):
        """Return x with the component set."""
        wide, unit, held = _component(x, self.direction)
        return (wide + (self.value - held) * unit).to(x.dtype)
