"""A recipe beside its random imitations: the rows of one batch, and what the imitations are called."""

from typing import Literal

from analysis.background import Background, null_recipe
from analysis.edits import BASE, Variant
from analysis.recipes import Recipe

EDITED = "edited"
"""Name of the recipe's row."""
Control = Literal["push", "erasure", "change", "feature"]
"""What a random imitation is: of doses, of erasures, of both, or of changed features."""
CONTROLS: dict[Control, tuple[str, str]] = {
    "push": ("pushes", "of the same size"),
    "erasure": ("erasures", "of the same rank"),
    "change": ("changes", "of the same size and rank"),
    "feature": ("features", "that fire as often, pushed as far"),
}
"""Its plural, and what it has in common with the recipe."""


def variants_of(
    recipe: Recipe, usual: Background, *, nulls: int, kind: str, seed: int
) -> tuple[Variant, ...]:
    """Base, the recipe and its random imitations, as rows of one batch."""
    random = (null_recipe(recipe, usual, kind, seed + number) for number in range(nulls))
    edited = Variant(EDITED, recipe.edits(usual.norms))
    return (
        BASE,
        edited,
        *(Variant(f"random {i + 1}", each.edits(usual.norms)) for i, each in enumerate(random)),
    )


def control_of(recipe: Recipe) -> Control:
    """What the random imitations of a recipe are."""
    if not recipe.erasures:
        return "push"
    return "change" if recipe.doses else "erasure"
