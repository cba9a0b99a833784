"""An erasure alone, or together with what steers the model on the page Steer."""

import streamlit as st

from analysis import AnalysisError, LoadedModel, Recipe
from analysis.erasers.erasure import Erasure
from components import session
from components.literal import plain
from components.steering.requests import direction_of, dose_of
from components.waiting import result_of


def recipe_with(model: LoadedModel, erasure: Erasure) -> Recipe | None:
    """The recipe of this page; None while a direction of it is being built or cannot be used."""
    views = [view for view in session.view().recipe if not view.reference.startswith("erased.")]
    if not views or not st.toggle(
        f"Steer as well, with the recipe of the page Steer ({len(views)})", key="erase_and_steer"
    ):
        return Recipe("erasure", (), (erasure,))
    directions = [
        result_of(direction_of(model, view.reference), key=f"direction {n}") for n, view in enumerate(views)
    ]
    try:
        doses = [
            dose_of(model, view, direction)
            for view, direction in zip(views, directions, strict=True)
            if direction is not None
        ]
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/warning:")
        return None
    return Recipe("erasure and directions", tuple(doses), (erasure,)) if len(doses) == len(views) else None
