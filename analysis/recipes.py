"""Recipes: directions and erasures with their settings, as one change that can be kept, shared and compared."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from analysis.directions import Direction
from analysis.edits import Ablate, Edit, Positions, Reflect, SetComponent, Site, Steer, Stream
from analysis.erasers import ERASERS, EraserKind
from analysis.erasers.erasure import Erasure
from analysis.errors import AnalysisError
from analysis.models.loaded import LoadedModel

OPERATIONS = {
    "add": "add it",
    "project": "project it out",
    "reflect": "reflect it",
    "set": "set its component",
}
"""What a dose does with its direction, by id, as a verb for the person."""
STRONGEST = 10.0
"""A push ten times as long as the state itself leaves nothing of it; more is a slip of the keyboard."""


@dataclass(frozen=True, eq=False)
class Dose:
    """One direction and how it is used."""

    direction: Direction
    strength: float
    """Fraction of the usual residual norm at the layer: what is added in all layers together, or, for `set`, the
    component every layer gets. `project` and `reflect` do not use it."""
    layers: tuple[int, int]
    """First and last layer, both included."""
    operation: str = "add"
    """One of `OPERATIONS`."""
    positions: Positions = "all"
    stream: Stream = "residual"
    """What it acts on: the residual stream, or what `attention` or `mlp` of these blocks add to it."""

    def __post_init__(self):
        if self.operation not in OPERATIONS:
            raise AnalysisError(f"{self.operation!r} is no operation; there are {', '.join(OPERATIONS)}.")
        if not abs(self.strength) <= STRONGEST:  # also refuses NaN
            raise AnalysisError(
                f"A strength of {self.strength:g} was given. It is a fraction of the residual norm, from "
                f"-{STRONGEST:g} to {STRONGEST:g}; text usually breaks before 1."
            )
        first, last = self.layers
        if not 0 <= first <= last:
            raise AnalysisError(
                f"Layers {first} to {last} are no range; give the lower layer first, from 0 on."
            )
        if first == 0 and self.stream != "residual":
            raise AnalysisError(
                f"Layer 0 is the embedding, which has no {self.stream} output. Start at layer 1, or act on the "
                "residual stream."
            )
        for layer in range(first, last + 1):
            self.direction.at(layer)

    def __str__(self) -> str:
        """Everything about it in one line."""
        where = "" if self.stream == "residual" else f" of the {self.stream} output"
        return (
            f"{self.operation} {self.direction.name} ({self.direction.how}), strength {self.strength:g} of the "
            f"residual norm, layers {self.layers[0]} to {self.layers[1]}{where}, positions {self.positions}"
        )

    @property
    def range(self) -> range:
        """The layers it acts at."""
        return range(self.layers[0], self.layers[1] + 1)

    def edits(self, norms: Float32[np.ndarray, " layer"]) -> tuple[Edit, ...]:
        """The edits, one per layer, given the usual residual norm at layers 0 to L."""
        return tuple(self._edit(layer, float(norms[layer])) for layer in self.range)

    def _edit(self, layer: int, norm: float) -> Edit:
        site, vector = Site(layer, self.stream), self.direction.unit(layer)
        if self.operation == "add":
            # split evenly: the same push at every layer of a range would be as many times as strong
            return Steer(site, vector, self.strength * norm / len(self.range), self.positions)
        if self.operation == "project":
            return Ablate(site, vector, self.positions)
        if self.operation == "reflect":
            return Reflect(site, vector, self.positions)
        return SetComponent(site, vector, self.strength * norm, self.positions)


@dataclass(frozen=True, eq=False)
class Recipe:
    """A named list of erasures and doses, applied in their order."""

    name: str
    doses: tuple[Dose, ...] = ()
    erasures: tuple[Erasure, ...] = ()
    """Carried out before the doses: what is added at the same layer is not erased again."""

    def __bool__(self) -> bool:
        """False if it changes nothing."""
        return bool(self.doses or self.erasures)

    def edits(self, norms: Float32[np.ndarray, " layer"]) -> tuple[Edit, ...]:
        """Everything it changes, given the usual residual norm at layers 0 to L."""
        erased = (edit for erasure in self.erasures for edit in erasure.edits())
        return (*erased, *(edit for dose in self.doses for edit in dose.edits(norms)))

    def require_fit(self, model: LoadedModel) -> None:
        """Refuse a model that one of the directions or erasures does not belong to.

        Raises:
            AnalysisError: which one, and why.
        """
        for each in (*self.erasures, *(dose.direction for dose in self.doses)):
            each.require_fit(model)

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Everything about it, one line each for provenance: `erasure 1`, ..., `direction 1`, ..."""
        parts = {"erasure": self.erasures, "direction": self.doses}
        return tuple(
            (f"{kind} {number}", str(part))
            for kind, own in parts.items()
            for number, part in enumerate(own, 1)
        )

    @property
    def eraser_kinds(self) -> tuple[EraserKind, ...]:
        """The ways in which it erases, and that of their random controls; empty where it erases nothing."""
        methods = dict.fromkeys(erasure.method for erasure in self.erasures)
        return tuple(ERASERS[method] for method in dict.fromkeys((*methods, *["random"] * bool(methods))))

    @property
    def lowest(self) -> int:
        """The lowest layer it touches."""
        return min((each.layers[0] for each in (*self.erasures, *self.doses)), default=0)
