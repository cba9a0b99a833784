"""An erasure to keep: in the library, in the recipe of the page Steer, as a file, as code."""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from analysis import AnalysisError, LoadedModel, exchange, library
from analysis.data.labelled_sets import IDS
from analysis.directions import span
from analysis.erasers import ERASERS
from analysis.erasers.erasure import Erasure
from analysis.methods.erase import Fitted
from components.frame import Frame
from components.literal import plain
from components.steering.recipe_editor import add_erasure

FILE = "bathyscope-erasure.safetensors"


def draw(frame: Frame, fitted: Fitted) -> None:
    """The part of the page."""
    erasure = fitted.erasure
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Keep this erasure as", _proposed(erasure), key="erasure_name", max_chars=80)
        st.button("Keep", icon=":material/bookmark_add:", type="primary", on_click=_keep, args=(erasure,))
        st.button(
            "Use on Steer",
            icon=":material/explore:",
            on_click=_use,
            args=(erasure,),
            help="Keeps it, and adds it to the recipe of the page Steer, before its directions.",
        )
        st.download_button(
            "Safetensors",
            lambda: exchange.erasure_to_bytes(erasure),
            FILE,
            "application/octet-stream",
            on_click="ignore",
            icon=":material/download:",
            help="Everything that is known of it: vectors, method, examples, weights.",
        )
    if sentence := st.session_state.pop("erasure_problem", None):
        st.warning(plain(sentence), icon=":material/warning:")
    elif done := st.session_state.pop("erasure_kept", None):
        st.success(plain(done), icon=":material/check:")
    st.caption("What was kept, and files of others, are found on the page Steer under Library.")
    if (code := code_of(frame.model, fitted)) is not None:
        st.markdown("The same in Python")
        st.code(code, language="python")


def _proposed(erasure: Erasure) -> str:
    return f"no {erasure.name}: {ERASERS[erasure.method].title} at {span(erasure.layers)}"[:80]


def _keep(erasure: Erasure) -> None:
    _attempt(erasure, lambda key: None, "is kept.")


def _use(erasure: Erasure) -> None:
    _attempt(erasure, add_erasure, "is kept and in the recipe: open Steer.")


def _attempt(erasure: Erasure, then: Callable[[str], None], said: str) -> None:
    state = st.session_state
    try:
        named = replace(erasure, name=state.get("erasure_name") or _proposed(erasure))
        entry = library.save_erasure(named, ("erased",))
        then(entry.key)
        state.erasure_kept = f"{entry.name} {said}"
    except AnalysisError as error:
        state.erasure_problem = str(error)


def code_of(model: LoadedModel, fitted: Fitted) -> str | None:
    """The lines that fit it again and certify it; None for examples that only this session has."""
    if fitted.given.id not in IDS:
        return None
    spec, plan = model.spec, fitted.plan
    return f"""from analysis import ModelSpec, load
from analysis.background import background
from analysis.certificates.certify import certify
from analysis.data.labelled_sets import labelled_set
from analysis.methods.erase import Plan, erase

model = load(ModelSpec({spec.source!r}, {spec.revision!r}, {spec.dtype!r}))
plan = {plan!r}
fitted = erase(model, labelled_set({fitted.given.id!r}), plan)
print(certify(model, fitted, background(model)).summary())
"""
