"""A recipe at several strengths, each beside random imitations that keep their directions over all of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from analysis.background import Background, null_recipe, require_kind
from analysis.edits import BASE, Variant
from analysis.errors import AnalysisError
from analysis.recipes import Recipe

SCALED = ("add", "set")
"""Operations that have a strength."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The rows that have to run, and which of them stands at which version and strength."""

    rows: tuple[Variant, ...]
    """The unedited run first."""
    at: Int[np.ndarray, "version strength"]
    """Index into `rows`; version 0 is the recipe, the others its random imitations."""


def scaled(recipe: Recipe, strength: float) -> Recipe:
    """The recipe with its strongest adding or setting dose at this strength, the others in proportion.

    What it erases, projects out or reflects stays.

    Raises:
        AnalysisError: it has no such dose, all of them are at 0, or one leaves the range of strengths.
    """
    most = strongest(recipe)
    doses = tuple(
        replace(dose, strength=dose.strength / most * strength) if dose.operation in SCALED else dose
        for dose in recipe.doses
    )
    return replace(recipe, doses=doses)


def strongest(recipe: Recipe) -> float:
    """The strength, with its sign, of the adding or setting dose that is largest in size.

    Raises:
        AnalysisError: there is no such dose, or all are at 0.
    """
    own = [dose.strength for dose in recipe.doses if dose.operation in SCALED]
    if not own:
        raise AnalysisError(
            f"The recipe {_without_strength(recipe)}, so there is no strength to vary. Add a direction, or set its "
            "component."
        )
    most = max(own, key=abs)
    if most == 0:
        raise AnalysisError(
            "All strengths of the recipe are 0, so there is no proportion to keep. Give its strongest direction one."
        )
    return most


def _without_strength(recipe: Recipe) -> str:
    """What such a recipe does."""
    does = ["erases"] * bool(recipe.erasures) + ["projects or reflects its directions"] * bool(recipe.doses)
    return f"only {' and '.join(does)}" if does else "is empty"


def is_push(recipe: Recipe) -> bool:
    """True if strength 0 is the unedited model."""
    return not recipe.erasures and all(dose.operation == "add" for dose in recipe.doses)


def ordered(strengths: Sequence[float]) -> tuple[float, ...]:
    """Strengths from the lowest up.

    Raises:
        AnalysisError: there is none but 0, or one was given twice.
    """
    every = tuple(sorted(float(strength) for strength in strengths))
    if not any(every):
        raise AnalysisError(
            f"Give at least one strength other than 0; given {', '.join(map(str, every)) or 'none'}."
        )
    twice = [a for a, b in zip(every, every[1:], strict=False) if a == b]
    if twice:
        raise AnalysisError(f"The strength {twice[0]:g} was given twice. Each is measured once; remove one.")
    return every


def grid_of(
    recipe: Recipe, usual: Background, strengths: tuple[float, ...], *, nulls: int, kind: str, seed: int
) -> Grid:
    """Base, and every version at every strength; a push of strength 0 is the base.

    Args:
        recipe: what is varied.
        usual: usual norms and states of the model.
        strengths: as `scaled` takes them.
        nulls: random imitations.
        kind: how they are drawn, one of `background.KINDS`.
        seed: of the first; the others count on from it.

    Raises:
        AnalysisError: the kind does not exist, or the recipe cannot be scaled.
    """
    require_kind(kind)
    push = is_push(recipe)
    versions = [recipe, *(null_recipe(recipe, usual, kind, seed + number) for number in range(nulls))]
    rows, at = [BASE], np.zeros((len(versions), len(strengths)), int)
    for v, version in enumerate(versions):
        for s, strength in enumerate(strengths):
            edits = scaled(version, strength).edits(usual.norms)
            if strength or not push:
                at[v, s] = len(rows)
                rows.append(Variant(f"{v or 'recipe'} at {strength}", edits))
    return Grid(tuple(rows), at)
