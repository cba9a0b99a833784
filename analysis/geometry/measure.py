"""What a measure of geometry is: one number for a layer, with everything one must know to read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from analysis.results import Bounds

Reads = Literal["cloud", "views", "skips"]
"""What a measure is taken on: a `Cloud`, several noisy `Views` of every text, or the `Skips` of every block."""


@runtime_checkable
class Given(Protocol):
    """What a measure is taken on."""

    name: str
    layers: tuple[int, ...]
    """Ascending."""

    def __len__(self) -> int:
        """Tokens, or texts where it is views of texts."""
        ...


@dataclass(frozen=True)
class NoKnobs:
    """Nothing can be turned."""


@dataclass(frozen=True, eq=False)
class Found:
    """A measure at one layer."""

    value: float
    """NaN where it is not defined."""
    per_point: Float32[np.ndarray, " point"] | None = None
    """The share of every point in it, or the same quantity for each point alone; NaN where it has none."""
    beside: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """Companions of the value, by what they are called: the quality of a fit, how many points were used."""


@dataclass(frozen=True)
class Measure:
    """One curve over the layers."""

    id: str
    title: str
    question: str
    """Id of the question it answers, one of `QUESTIONS`."""
    meaning: str
    """One sentence for a reader who sees it for the first time: what high and low mean."""
    formula: str
    """In one line of plain text."""
    source: str
    """Authors, year, arXiv."""
    misleads_when: str
    unit: str
    bounds: Bounds
    at: Callable[[Any, int, Any], Found]
    """(what it reads, layer, knobs) -> the measure at this layer. Raises AnalysisError where this layer has none."""
    needs: Callable[[Any, Any], str] = lambda given, params: ""
    """(what it reads, knobs) -> the sentence that says what the measure needs and what there is; empty where it can
    be measured."""
    params: type = NoKnobs
    """A frozen dataclass of `analysis.knobs`."""
    reads: Reads = "cloud"
    is_step: bool = False
    """True if it compares a layer with the one below it that was read: there is none at the lowest."""
    gaussian: str = ""
    """What a standard normal cloud of N points gives, as a formula in words, where there is one."""
    per_point: str = ""
    """What `Found.per_point` is, in a few words with its unit; empty where there is none."""
