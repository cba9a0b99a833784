"""Bathyscope: the frame around every page. Start it with `make run`."""

import streamlit as st

from components import session
from components.frame import draw_frame

PAGES = (st.Page("pages/read/lens.py", title="Read", icon=":material/grid_on:", default=True),)

st.set_page_config(page_title="Bathyscope", page_icon=":material/water:", layout="wide")
page = st.navigation(list(PAGES), position="top")
st.session_state.frame = draw_frame()
page.run()
session.write_address()
