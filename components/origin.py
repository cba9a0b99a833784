"""Where a result comes from, folded away below it."""

import pandas as pd
import streamlit as st

from analysis import Provenance
from components.literal import plain


def draw_origin(provenance: Provenance) -> None:
    """When it misleads, and everything needed to compute it again."""
    with st.expander("When this misleads, and where it comes from"):
        st.markdown(plain(provenance.misleads_when))
        lines = pd.DataFrame(provenance.lines(), columns=["", "value"])
        st.dataframe(lines, hide_index=True, width="stretch")
