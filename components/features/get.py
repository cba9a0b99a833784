"""Get a dictionary: what is on the shelf, and how another one comes there."""

from importlib import import_module
from importlib.util import find_spec

import streamlit as st

from components.features.choices import choose, chosen
from components.frame import Frame

WAYS = {
    "shelf": "On the shelf",
    "bring": "Bring one",
    "train": "Train one",
    "fit": "Without training",
}
PANELS = {
    "shelf": "components.features.getting.on_shelf",
    "bring": "components.features.getting.bring",
    "train": "components.features.train_panel",
    "fit": "components.features.factor_panel",
}


def draw(frame: Frame) -> None:
    """This part of the page."""
    state = st.session_state
    wanted = chosen("get", "shelf")
    state.features_get = wanted if wanted in WAYS else "shelf"
    st.segmented_control(
        "How",
        list(WAYS),
        format_func=WAYS.get,
        key="features_get",
        required=True,
        label_visibility="collapsed",
        on_change=lambda: choose("get", state.features_get),
    )
    panel = PANELS[state.features_get]
    if find_spec(panel) is None:
        st.info("This is not part of this installation.", icon=":material/extension_off:")
        return
    import_module(panel).draw(frame)
