"""Base, changed and random texts side by side, written from one batch."""

from analysis.dictionaries.acting.feature_effect import feature_variants
from analysis.edits import ChangeFeatures
from components.features.acting.requests import Controls
from components.features.acting.units import Units
from components.frame import Frame
from components.steering.texts import SHOWN_NULLS, draw_rows

NAME = "feature_texts"


def draw(frame: Frame, edits: tuple[ChangeFeatures, ...], units: Units, controls: Controls) -> None:
    """The part of the page; of the controls those texts are written that the band is drawn from."""
    base, edited, *random = feature_variants(
        edits, units.frequency, nulls=min(controls.nulls, SHOWN_NULLS), seed=controls.seed
    )
    kind = "random feature" if controls.shown == "feature" else "random direction"
    shown = (row for row in random if row.name.startswith(kind))
    draw_rows(frame, (base, edited, *shown), NAME)
