"""Taking a table of features away: as CSV with where it comes from, and the code that computes it."""

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from analysis.dictionaries.shelf import Offer
from analysis.results import Provenance
from components.frame import Frame
from components.take_away import opening_lines


def draw_away(
    table: pd.DataFrame | Callable[[], pd.DataFrame],
    code: str,
    provenance: Provenance,
    name: str,
) -> None:
    """The button and the code.

    Args:
        table: what is taken away, or what makes it.
        code: Python that computes it.
        provenance: written into every row's last columns.
        name: of the file, behind the program's.
    """
    with st.expander("Take it away", icon=":material/download:"):
        st.download_button(
            "CSV",
            lambda: with_origin(table() if callable(table) else table, provenance).to_csv(index=False),
            f"bathyscope-{name}.csv",
            "text/csv",
            on_click="ignore",
            key=f"away {name}",
        )
        st.code(code, language="python")


def with_origin(table: pd.DataFrame, provenance: Provenance) -> pd.DataFrame:
    """The table with where it comes from in every row."""
    said = {"model": provenance.model, "revision": provenance.revision, "dtype": provenance.dtype}
    said |= {"method": provenance.method} | dict(provenance.settings)
    named = {key if key not in table else f"{key} (made)": value for key, value in said.items()}
    return table.assign(**named)


def dictionary_lines(frame: Frame, offer: Offer) -> Sequence[str]:
    """Python that opens this session's model as `model` and the dictionary as `dictionary`."""
    model_line = opening_lines(frame.tokens, frame.model.revision)[0]
    return model_line, f"dictionary = open_dictionary(model, {offer.id!r})"
