"""Directions that can be had without building one: the shipped concepts, the library's, and a control."""

from analysis import library
from analysis.data.presets import concepts

CONTROL = "random.0"


def offered_directions() -> dict[str, str]:
    """Their names, by reference."""
    shipped = {f"preset.{each.id}": each.name for each in concepts()}
    kept = {
        f"kept.{entry.key}": f"{entry.name} (library)"
        for entry in library.entries()
        if entry.kind == "direction"
    }
    return shipped | kept | {CONTROL: "a random direction, as a control"}
