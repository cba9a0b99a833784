"""Changes to a representation: pure data, each applied to one row of a batch at one site.

An edit returns a new tensor and never writes into the one it is given. It is computed in float32
whatever the model's dtype, and an edit that changes nothing returns its input itself, bit for bit.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from analysis.errors import AnalysisError

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


@dataclass(frozen=True, eq=False)
class Erase:
    """Take a subspace out, about a mean: x - left right (x - mean).

    Source: Belrose et al. 2023, arXiv 2306.03819 (LEACE); orthogonal where `left` is `right` transposed.
    Misleads when: what was erased comes back: later layers rebuild it from other tokens, and it may be there in a form
    that is not linear.
    """

    site: Site
    mean: Float32[np.ndarray, " d_model"]
    left: Float32[np.ndarray, "d_model rank"]
    right: Float32[np.ndarray, "rank d_model"]
    positions: Positions = "all"
    label: ClassVar[str] = "erase a concept"

    def __post_init__(self):
        mean, left, right = (np.array(each, np.float32) for each in (self.mean, self.left, self.right))
        fits = left.ndim == 2 and left.shape == right.shape[::-1] and mean.shape == left.shape[:1]
        if not fits or not all(np.isfinite(each).all() for each in (mean, left, right)):
            raise AnalysisError(
                "Erase needs a finite mean (d_model,), left (d_model, rank) and right (rank, d_model); given shapes "
                f"{mean.shape}, {left.shape} and {right.shape}."
            )
        for name, each in (("mean", mean), ("left", left), ("right", right)):
            each.flags.writeable = False
            object.__setattr__(self, name, each)

    def apply(self, x, at):
        """Return x without its part in the subspace."""
        if not self.left.shape[1]:
            return x
        mean, left, right = (
            torch.tensor(each, device=x.device) for each in (self.mean, self.left, self.right)
        )
        wide = x.float()
        return (wide - (wide - mean) @ right.T @ left.T).to(x.dtype)


@dataclass(frozen=True, eq=False)
class Replace:
    """Put other activations in place of the model's own (activation patching).

    Source: Vig et al. 2020, arXiv 2004.12265; Meng et al. 2022, arXiv 2202.05262.
    Misleads when: the replacement is far from anything the model produces.
    """

    site: Site
    values: Float32[np.ndarray, "chosen d_model"]
    """One row for each of `positions`, in their order."""
    positions: tuple[int, ...]
    label: ClassVar[str] = "replace by other activations"

    def __post_init__(self):
        values = np.ascontiguousarray(self.values, dtype=np.float32)
        apart = isinstance(self.positions, tuple) and len(set(self.positions)) == len(self.positions)
        if not apart or values.shape[:-1] != (len(self.positions),) or not np.isfinite(values).all():
            raise AnalysisError(
                f"Replace needs a tuple of different positions and one finite vector for each; given positions "
                f"{self.positions!r} and values of shape {values.shape}."
            )
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    def apply(self, x, at):
        """Return the replacement rows of the positions in `at`."""
        order = [self.positions.index(position) for position in at.tolist()]
        return torch.from_numpy(self.values[order]).to(x)


FEATURE_OPERATIONS = ("zero", "scale", "clamp", "add")
"""What can be done to the activation of a feature."""


@runtime_checkable
class Coder(Protocol):
    """What an edit of features needs of a dictionary: see `analysis.dictionaries.dictionary.Dictionary`."""

    site: Site

    @property
    def fingerprint(self) -> str:
        """One name for everything that decides an activation."""
        ...

    @property
    def features(self) -> int:
        """How many there are."""
        ...

    @property
    def width(self) -> int:
        """Numbers of a state."""
        ...

    def encode(self, x: Float[Tensor, "point width"]) -> Float[Tensor, "point feature"]:
        """Activations, in float32."""
        ...

    def decode(self, activations: Float[Tensor, "point feature"]) -> Float[Tensor, "point width"]:
        """The states that activations make, in float32."""
        ...

    def directions(self, features: list[int]) -> Float32[np.ndarray, "chosen width"]:
        """Decoder rows."""
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


EDITS = (Steer, Ablate, Reflect, SetComponent, Erase, Replace, ChangeFeatures, PushAsFar, KeepPart)
"""Every edit there is."""


@dataclass(frozen=True)
class Variant:
    """One row of a batch: a name and the edits that row runs under, applied left to right."""

    name: str
    edits: tuple[Edit, ...] = ()


BASE = Variant("base")
"""The unedited run."""
