"""The recipe of this session as it is drawn on the map, and how to get one."""

from collections.abc import Callable

import streamlit as st

from components import session
from components.frame import Frame
from components.prompt_map.requests import NULLS
from components.steering.at_hand import AtHand, draw_way_to_steer, draw_ways_to_begin, recipe_at_hand
from components.steering.recipe_editor import change_recipe


def edit_at_hand(frame: Frame) -> AtHand | None:
    """What changes the model, with the norms that scale it.

    None where there is nothing or where it is not wanted; also while a part of it is being built or where it cannot be
    used, which is said.
    """
    view = session.view()
    if not view.prompt_map.edited or view.prompt_map.twin:
        return None
    return recipe_at_hand(frame.model, "map")


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
            draw_ways_to_begin("map")
        draw_way_to_steer("map")
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
