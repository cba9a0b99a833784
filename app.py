"""Bathyscope: the frame around every page. Start it with `make run`."""

from pathlib import Path

import streamlit as st

from components import session, waiting
from components.frame import draw_frame

PAGES = (
    st.Page("pages/read/lens.py", title="Read", icon=":material/grid_on:", default=True),
    st.Page("pages/map/prompt.py", title="Map", icon=":material/scatter_plot:", url_path="map"),
    st.Page("pages/map/corpus.py", title="Corpus", icon=":material/bubble_chart:", url_path="corpus"),
    st.Page("pages/read/geometry.py", title="Geometry", icon=":material/landscape:", url_path="geometry"),
    st.Page("pages/concepts/features.py", title="Features", icon=":material/category:", url_path="features"),
    st.Page("pages/concepts/probe.py", title="Probe", icon=":material/troubleshoot:"),
    st.Page("pages/change/steer.py", title="Steer", icon=":material/explore:"),
    st.Page("pages/change/erase.py", title="Erase", icon=":material/ink_eraser:"),
)

ICON = Path(__file__).parent / "components" / "icon.png"  # an icon by name would be fetched from elsewhere

st.set_page_config(page_title="Bathyscope", page_icon=ICON, layout="wide")
waiting.begin_run()
page = st.navigation(list(PAGES), position="top")
st.session_state.frame = draw_frame()
session.write_address()
if st.session_state.frame is not None:
    page.run()
waiting.draw_what_polls()
