"""Changes to a representation: pure data, each applied to one row of a batch at one site.

An edit returns a new tensor and never writes into the one it is given. It is computed in float32
whatever the model's dtype, and an edit that changes nothing returns its input itself, bit for bit.
"""

from dataclasses import dataclass

from analysis.edits.directions import Ablate, Reflect, SetComponent, Steer
from analysis.edits.edit import Edit, Part, Place, Positions, Site, Stream
from analysis.edits.features import FEATURE_OPERATIONS, Change, ChangeFeatures, Coder, KeepPart, PushAsFar
from analysis.edits.states import Erase, Replace

__all__ = [
    "BASE",
    "EDITS",
    "FEATURE_OPERATIONS",
    "Ablate",
    "Change",
    "ChangeFeatures",
    "Coder",
    "Edit",
    "Erase",
    "KeepPart",
    "Part",
    "Place",
    "Positions",
    "PushAsFar",
    "Reflect",
    "Replace",
    "SetComponent",
    "Site",
    "Steer",
    "Stream",
    "Variant",
    "width_of",
]

EDITS = (Steer, Ablate, Reflect, SetComponent, Erase, Replace, ChangeFeatures, PushAsFar, KeepPart)
"""Every edit there is."""


def width_of(edit: Edit) -> int | None:
    """Numbers of the states that an edit is made for; None where it does not say."""
    for name in ("direction", "values", "mean"):
        if (held := getattr(edit, name, None)) is not None:
            return held.shape[-1]
    coder = getattr(edit, "dictionary", None) or getattr(getattr(edit, "like", None), "dictionary", None)
    return None if coder is None else coder.width


@dataclass(frozen=True)
class Variant:
    """One row of a batch: a name and the edits that row runs under, applied left to right."""

    name: str
    edits: tuple[Edit, ...] = ()


BASE = Variant("base")
"""The unedited run."""
