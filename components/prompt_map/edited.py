"""The recipe of this session as it is drawn on the map, and how to get one."""

from collections.abc import Callable

import streamlit as st

from analysis import AnalysisError, Erasure, LoadedModel, Recipe
from analysis.data.presets import concepts
from components import session
from components.frame import Frame
from components.literal import plain
from components.prompt_map.requests import NULLS, Edit
from components.recipe_link import DoseView
from components.steering.recipe_editor import add, change_recipe
from components.steering.requests import background_of, direction_of, dose_of, erasure_here, erasure_of
from components.waiting import result_of

STEER = "pages/change/steer.py"


def edit_at_hand(frame: Frame) -> Edit | None:
    """What changes the model, with the norms that scale it.

    None where there is nothing or where it is not wanted; also while a part of it is being built or where it cannot be
    used, which is said.
    """
    view = session.view()
    if not view.recipe or not view.prompt_map.edited or view.prompt_map.twin:
        return None
    usual = result_of(background_of(frame.model), "map background")
    recipe = _recipe(frame.model, view.recipe)
    return None if usual is None or recipe is None else Edit(recipe, usual)


def _recipe(model: LoadedModel, rows: tuple[DoseView, ...]) -> Recipe | None:
    jobs = [erasure_of(row.reference) if row.erases else direction_of(model, row.reference) for row in rows]
    found = [result_of(job, f"map recipe {number}") for number, job in enumerate(jobs)]
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


def draw_edit_choice(change: Callable[..., None]) -> None:
    """Whether the edited run is drawn; where nothing is edited, a few ways to begin.

    Args:
        change: changes fields of the map's choices.
    """
    rows = session.view().recipe
    with st.popover(_label(len(rows)), icon=":material/explore:", key="map_edit"):
        if rows:
            _draw_switch(change)
        else:
            st.markdown("Nothing is changed yet. Push with a concept, and see where the text goes instead:")
            _draw_concepts()
        if st.button("Open Steer", icon=":material/tune:", key="map_steer"):
            st.switch_page(STEER)
        st.caption(
            "The recipe of the page Steer is drawn here: directions, erasures, their strengths and layers."
        )


def _label(rows: int) -> str:
    if not rows:
        return "Edit the run"
    drawn = session.view().prompt_map.edited and not session.view().prompt_map.twin
    return f"Edited run: {'drawn' if drawn else 'not drawn'}"


def _draw_switch(change: Callable[..., None]) -> None:
    state, view = st.session_state, session.view().prompt_map
    state.map_edited = view.edited
    st.toggle(
        "Draw the edited run",
        key="map_edited",
        disabled=bool(view.twin),
        on_change=lambda: change(edited=state.map_edited),
        help="In the axes of the unedited run, with arrows from where a token lies to where it goes, beside "
        f"{NULLS} random controls of the same size."
        if not view.twin
        else "A random twin has no edited run.",
    )
    st.button(
        "Remove the edit", icon=":material/close:", key="map_unedit", on_click=change_recipe, args=((),)
    )


def _draw_concepts() -> None:
    grid = st.columns(3)
    for number, concept in enumerate(concepts()):
        grid[number % 3].button(
            concept.name,
            key=f"map preset {concept.id}",
            help=f"{concept.question} {concept.positive} against {concept.negative}.",
            on_click=add,
            args=(f"preset.{concept.id}",),
            width="stretch",
        )
