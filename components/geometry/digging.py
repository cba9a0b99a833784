"""What a panel gets that opens what made a number."""

from collections.abc import Callable
from dataclasses import dataclass

from analysis import LoadedModel
from analysis.geometry.cloud import Cloud
from analysis.methods.geometry import Measured


@dataclass(frozen=True, eq=False)
class Digging:
    """One measure at one layer of the base subject."""

    model: LoadedModel
    measured: Measured
    given: object
    """What it was measured on: a `Cloud`, `Views` or `Skips`, as its measure says."""
    cloud: Cloud
    """The points, whatever it was measured on."""
    layer: int
    """The cursor's; one of the cloud's."""
    point: int | None
    """Number of a chosen point of the cloud."""
    choose_layer: Callable[[int], None]
    choose_point: Callable[[int], None]
