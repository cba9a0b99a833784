"""The recipe of this session on pages that only look at what it does, and how to get one there."""

from dataclasses import dataclass

import streamlit as st

from analysis import AnalysisError, Erasure, LoadedModel, Recipe
from analysis.background import Background
from analysis.data.presets import concepts
from analysis.edits import Edit
from components import session
from components.literal import plain
from components.recipe_link import DoseView
from components.steering.recipe_editor import add
from components.steering.requests import background_of, direction_of, dose_of, erasure_here, erasure_of
from components.waiting import result_of

STEER = "pages/change/steer.py"


@dataclass(frozen=True, eq=False)
class AtHand:
    """A recipe, with the norms that scale it."""

    recipe: Recipe
    usual: Background

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What it changes in a run."""
        return self.recipe.edits(self.usual.norms)


def recipe_at_hand(model: LoadedModel, key: str) -> AtHand | None:
    """The session's recipe; None where there is none, where a part of it is being built, or where it does not fit.

    Args:
        model: that it is to change.
        key: names what is waited for.
    """
    rows = session.view().recipe
    if not rows:
        return None
    usual = result_of(background_of(model), f"{key} background")
    recipe = _recipe(model, rows, key)
    return None if usual is None or recipe is None else AtHand(recipe, usual)


def _recipe(model: LoadedModel, rows: tuple[DoseView, ...], key: str) -> Recipe | None:
    jobs = [erasure_of(row.reference) if row.erases else direction_of(model, row.reference) for row in rows]
    found = [result_of(job, f"{key} recipe {number}") for number, job in enumerate(jobs)]
    if None in found:
        return None
    try:
        parts = [
            erasure_here(model, row, part) if isinstance(part, Erasure) else dose_of(model, row, part)
            for row, part in zip(rows, found, strict=True)
        ]
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/warning:")
        return None
    erasures = tuple(part for part in parts if isinstance(part, Erasure))
    return Recipe("recipe", tuple(part for part in parts if part not in erasures), erasures)


def draw_ways_to_begin(key: str) -> None:
    """The shipped concepts: each begins a recipe with one click.

    Args:
        key: names the buttons.
    """
    st.markdown("Nothing is changed yet. Push with a concept, and see where the text goes instead:")
    grid = st.columns(3)
    for number, concept in enumerate(concepts()):
        grid[number % 3].button(
            concept.name,
            key=f"{key} preset {concept.id}",
            help=f"{concept.question} {concept.positive} against {concept.negative}.",
            on_click=add,
            args=(f"preset.{concept.id}",),
            width="stretch",
        )


def draw_way_to_steer(key: str) -> None:
    """To the page on which a recipe is written."""
    if st.button("Open Steer", icon=":material/tune:", key=f"{key}_steer"):
        st.switch_page(STEER)
