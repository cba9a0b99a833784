"""Another model beside the one that is looked at: naming it, and opening it."""

from collections.abc import Callable

import streamlit as st

from analysis import LoadedModel, ModelSpec
from analysis.models.spec import DEFAULT_SOURCE, TOYS
from components.literal import plain
from components.shelf import shelf
from components.waiting import problem, wait_for


def draw_naming(now: str, key: str, change: Callable[[str], None], help: str, **more: object) -> None:
    """A box that takes the name of a model.

    Args:
        now: the name that the view has; empty is none.
        key: of the box.
        change: receives another name before the page runs again; empty is none.
        help: what is done with the model.
        more: arguments of the box.
    """
    state = st.session_state
    state[key] = now or None
    st.selectbox(
        "Hugging Face id, local folder or .gguf file",
        list(dict.fromkeys([*filter(None, [now]), DEFAULT_SOURCE, *TOYS])),
        key=key,
        placeholder=f"{DEFAULT_SOURCE}, owner/name, /path/to/model ...",
        accept_new_options=True,
        on_change=lambda: change((state[key] or "").strip()),
        help=help,
        **more,
    )


def opened(spec: ModelSpec, key: str) -> LoadedModel | None:
    """Another model from the shelf; None while it loads, or where it cannot be opened, which is said.

    Args:
        spec: the model.
        key: names what is kept and drawn while it loads.
    """
    state = st.session_state
    asked, job = state.get(key, (None, None))
    if asked != spec:
        job = shelf().ask(spec)
        state[key] = spec, job
    if not wait_for(job, key=key):
        return None
    if (sentence := problem(job)) is None:
        return job.result()
    st.warning(plain(f"{spec.source} was not opened. {sentence}"), icon=":material/warning:")
    st.button("Try again", key=f"{key} again", on_click=lambda: state.pop(key, None))
    return None
