"""Edits of a dictionary's features; what the dictionary does not explain is left as it is."""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from analysis.edits.edit import Positions, Site
from analysis.errors import AnalysisError

FEATURE_OPERATIONS = ("zero", "scale", "clamp", "add")
"""What can be done to the activation of a feature."""


@runtime_checkable
class Coder(Protocol):
    """What an edit of features needs of a dictionary."""

    site: Site
    """Where it reads, and where its features are changed."""

    @property
    def fingerprint(self) -> str:
        """One name for everything that decides an activation or a reconstruction."""
        ...

    @property
    def features(self) -> int:
        """How many there are."""
        ...

    @property
    def width(self) -> int:
        """Numbers of a state at the site."""
        ...

    def encode(self, x: Float[Tensor, "point width"]) -> Float[Tensor, "point feature"]:
        """Activations, exactly zero where a feature is not active; float32."""
        ...

    def decode(self, activations: Float[Tensor, "point feature"]) -> Float[Tensor, "point width"]:
        """The states that the activations make: bias + activations @ decoder; float32."""
        ...

    def directions(self, features: list[int]) -> Float32[np.ndarray, "chosen width"]:
        """Decoder rows: what one unit of each of these features adds at the site."""
        ...


@dataclass(frozen=True)
class Change:
    """What is done to the activation a of one feature."""

    feature: int
    operation: str
    """`zero`: 0 in place of a; `scale`: value * a; `clamp`: value in place of a, also where it is not active; `add`:
    a + value."""
    value: float = 0.0
    """A factor for `scale`, else in units of activation; `zero` does not use it."""

    def __post_init__(self):
        if self.operation not in FEATURE_OPERATIONS:
            raise AnalysisError(
                f"A feature can be changed by {', '.join(FEATURE_OPERATIONS)}; given {self.operation!r}."
            )
        if not np.isfinite(self.value):
            raise AnalysisError(f"A feature is changed by a finite value; given {self.value}.")

    def __str__(self) -> str:
        said = {"zero": "zero", "scale": "{:g} times", "clamp": "clamped to {:g}", "add": "{:+g}"}
        return f"feature {self.feature} {said[self.operation].format(self.value)}"

    def difference(self, activation: Float[Tensor, " point"]) -> Float[Tensor, " point"]:
        """What is added to the activations."""
        if self.operation == "add":
            return torch.full_like(activation, self.value)
        if self.operation == "clamp":
            return self.value - activation
        return activation * ((self.value if self.operation == "scale" else 0.0) - 1)


@dataclass(frozen=True, eq=False)
class ChangeFeatures:
    """Change features of a dictionary and leave its error in place: x + sum of (a'_i - a_i) d_i.

    Source: Templeton et al. 2024 (Scaling Monosemanticity: clamping with the error kept); Lieberum et al. 2024,
    arXiv 2408.05147.
    Misleads when: a value lies far above what the feature ever has, or another feature pushed as far does the same.
    """

    dictionary: Coder
    changes: tuple[Change, ...]
    """Each of another feature; all are read from the same state."""
    positions: Positions = "after_first"
    site: Site = field(init=False)
    """Where the dictionary reads."""
    label: ClassVar[str] = "change features"

    def __post_init__(self):
        object.__setattr__(self, "site", self.dictionary.site)
        features, count = self.features, self.dictionary.features
        if not features or len(set(features)) < len(features):
            raise AnalysisError(f"Every feature is changed once, and one at least; given {features}.")
        if not all(0 <= feature < count for feature in features):
            raise AnalysisError(f"The dictionary has features 0 to {count - 1}; given {features}.")

    @property
    def features(self) -> list[int]:
        """The features that are changed, in the order of the changes."""
        return [change.feature for change in self.changes]

    def apply(self, x, at):
        """Return x with the features changed and everything else as it was."""
        return _added(x, self.differences(x) @ self.rows(x))

    def differences(self, x: Float[Tensor, "position width"]) -> Float[Tensor, "position change"]:
        """By how much each feature's activation changes, in float32.

        Raises:
            AnalysisError: the states are not those that the dictionary reads.
        """
        activations = _encoded(self.dictionary, x)
        return torch.stack([each.difference(activations[:, each.feature]) for each in self.changes], 1)

    def rows(self, x: Float[Tensor, "position width"]) -> Float[Tensor, "change width"]:
        """Decoder rows of the changed features."""
        return torch.tensor(self.dictionary.directions(self.features), device=x.device)


@dataclass(frozen=True, eq=False)
class PushAsFar:
    """Push along other directions as far as a change of features pushes: its control, token by token.

    Every changed feature has a stand-in, a direction of its own. What is added is the same combination of stand-ins,
    at every token of exactly the length that the change's own push has there.

    Source: norm-matched random directions as in Arditi et al. 2024, arXiv 2406.11717.
    Misleads when: the change reaches tokens by what it does to their activation; a stand-in is pushed, never removed.
    """

    like: ChangeFeatures
    stand_ins: Float32[np.ndarray, "change width"]
    """One direction for each change; lengths do not count."""
    positions: Positions = field(init=False)
    site: Site = field(init=False)
    label: ClassVar[str] = "push as far as a change of features"

    def __post_init__(self):
        rows = np.array(self.stand_ins, np.float32)
        shape = (len(self.like.changes), self.like.dictionary.width)
        if rows.shape != shape or not np.isfinite(rows).all() or not np.linalg.norm(rows, axis=1).all():
            raise AnalysisError(
                f"A control of {shape[0]} changed features needs as many finite directions of {shape[1]} numbers, none "
                f"of them zero; given shape {rows.shape}."
            )
        rows.flags.writeable = False
        object.__setattr__(self, "stand_ins", rows)
        object.__setattr__(self, "site", self.like.site)
        object.__setattr__(self, "positions", self.like.positions)

    def apply(self, x, at):
        """Return x, pushed as far as the change would push it."""
        differences, own = self.like.differences(x), self.like.rows(x)
        other = torch.tensor(self.stand_ins, device=x.device)
        other = other * (own.norm(dim=1) / other.norm(dim=1))[:, None]
        push = differences @ other
        wanted = (differences @ own).norm(dim=1, keepdim=True)
        return _added(x, push * wanted / push.norm(dim=1, keepdim=True).clamp_min(1e-30))


@dataclass(frozen=True, eq=False)
class KeepPart:
    """Keep of a state only what a dictionary explains, or only what it does not.

    `features` keeps bias + sum of a_i d_i and drops the error; `error` sets all features to zero and keeps bias and
    error.

    Source: Marks et al. 2024, arXiv 2403.19647 (error terms of sparse autoencoders as nodes of their own).
    Misleads when: attention sinks are replaced too: they lie outside the dictionary, and the model needs them.
    """

    dictionary: Coder
    part: str
    """`features` or `error`."""
    positions: Positions = "after_first"
    site: Site = field(init=False)
    label: ClassVar[str] = "keep what a dictionary explains, or the rest"

    def __post_init__(self):
        object.__setattr__(self, "site", self.dictionary.site)
        if self.part not in ("features", "error"):
            raise AnalysisError(f"Of a state `features` or `error` can be kept; given {self.part!r}.")

    def apply(self, x, at):
        """Return that part of x."""
        activations = _encoded(self.dictionary, x)
        if self.part == "features":
            return self.dictionary.decode(activations).to(x.dtype)
        explained = self.dictionary.decode(activations) - self.dictionary.decode(
            torch.zeros_like(activations)
        )
        return _added(x, -explained)


def _encoded(dictionary: Coder, x: Tensor) -> Tensor:
    if x.shape[-1] != dictionary.width:
        raise AnalysisError(
            f"The dictionary reads states of {dictionary.width} numbers at {dictionary.site}; this model has "
            f"{x.shape[-1]} there. Choose a dictionary of this model."
        )
    return dictionary.encode(x)


def _added(x: Tensor, push: Tensor) -> Tensor:
    """The sum in float32; `x` itself where there is nothing to add."""
    return (x.float() + push).to(x.dtype) if push.any() else x
