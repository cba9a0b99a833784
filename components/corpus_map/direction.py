"""A direction from a group of points, to be kept and steered with."""

from dataclasses import replace

import streamlit as st

from analysis import AnalysisError, Direction, library
from analysis.groups.directions import direction_of
from analysis.jobs import Report
from components.corpus_map.groups import Group
from components.figures.separation import draw_separation
from components.literal import plain
from components.steering.recipe_editor import add
from components.waiting import result_of

NAME = "Chosen points"


def draw_direction(group: Group) -> None:
    """A direction of these against the rest, to be kept and steered with."""
    name = st.text_input("Name of the direction", NAME, key="corpus_direction_name", max_chars=60)

    def work(report: Report) -> Direction:
        return direction_of(
            group.model,
            group.read.states,
            group.rows,
            NAME,
            texts=group.read.corpus.texts,
            among=group.among,
            seed=group.seed,
            report=report,
        )

    found = result_of(group.job("direction", "Building the direction", work), "corpus direction")
    if found is None:
        return
    st.markdown(plain(found.why))
    if found.separation:
        draw_separation(found, key="corpus_separation")
    st.caption(plain(f"{found.how} {found.source}."))
    with st.container(horizontal=True):
        st.button(
            "Keep it",
            icon=":material/bookmark_add:",
            key="corpus_keep",
            on_click=_keep,
            args=(found, name, False),
            help="In the library: to colour this map by it, or to use it as an axis of the map of a text.",
        )
        st.button(
            "Steer with it",
            icon=":material/explore:",
            key="corpus_steer",
            on_click=_keep,
            args=(found, name, True),
            help="Keeps the direction in the library and adds it to the recipe on the page Steer.",
        )
    if sentence := st.session_state.pop("corpus_problem", None):
        st.warning(plain(sentence), icon=":material/warning:")
    elif kept := st.session_state.pop("corpus_kept", None):
        st.success(plain(kept), icon=":material/check:")


def _keep(made: Direction, name: str, steer: bool) -> None:
    try:
        named = replace(made, name=name.strip() or NAME)
        entry = library.save_direction(named, ("map",))
        if steer:
            add(f"kept.{entry.key}")
        st.session_state.corpus_kept = (
            f"{named.name} is kept and in the recipe: open Steer."
            if steer
            else f"{named.name} is kept in the library."
        )
    except AnalysisError as error:
        st.session_state.corpus_problem = str(error)
