"""Choosing a model, loading it without losing the one that is open, and its badge."""

import streamlit as st

from analysis import LoadedModel, ModelSpec
from analysis.models.spec import DEFAULT_SOURCE, TOYS
from components import session
from components.literal import literal, plain
from components.shelf import shelf
from components.waiting import problem, wait_for

DTYPES = {"auto": "automatic", "float32": "float32 (exact)", "bfloat16": "bfloat16 (half the memory)"}


def current_model() -> LoadedModel | None:
    """The model of this session's view, loading it first; None while the first one loads or has failed.

    While another model loads, the one that is open stays on the page; if loading fails or is cancelled, it
    stays for good and the view returns to it.
    """
    state, spec = st.session_state, session.view().spec
    open_model: LoadedModel | None = state.get("model")
    if open_model is not None and open_model.spec == spec:
        return open_model
    if state.get("refused_spec") == spec:
        return None  # until another one is asked for, or the same one again
    if state.get("loading_spec") != spec:
        state.loading, state.loading_spec = shelf().ask(spec), spec
    if not wait_for(state.loading, key="loading", height=0 if open_model else 420):
        return open_model
    state.loading_spec = None
    if (sentence := problem(state.loading)) is None:
        _take_over(state.loading.result(), open_model)
    else:
        _keep(open_model, spec, sentence)
    return state.get("model")


def _take_over(model: LoadedModel, before: LoadedModel | None) -> None:
    st.session_state.model = model
    if before is not None and before.fingerprint != model.fingerprint:
        # ids and layers of one model mean nothing in another
        session.change(generated=(), position=None, layer=None, target=None, pinned=())
    session.fit_to(model)


def _keep(model: LoadedModel | None, asked: ModelSpec, sentence: str) -> None:
    st.session_state.model_problem = f"{asked.source} was not opened. {sentence}"
    if model is None:
        st.session_state.refused_spec = asked
    else:
        session.change(spec=model.spec)


def draw_problem() -> None:
    """Say why the model last asked for was not opened, until it is dismissed or another one opens."""
    sentence = st.session_state.get("model_problem")
    if not sentence:
        return
    text, button = st.columns([8, 1], vertical_alignment="center")
    with text:
        st.error(plain(sentence), icon=":material/error:")
    button.button("Dismiss", on_click=lambda: st.session_state.pop("model_problem", None), width="stretch")


def draw_picker(model: LoadedModel | None) -> None:
    """The model's name, opening a form for another one."""
    name = model.title if model else "No model"
    with st.popover(name, icon=":material/neurology:", key="model_popover", on_change="rerun"):
        st.caption(
            "The packaged model needs no network. Anything else is read as safetensors; nothing is executed."
        )
        choices = [DEFAULT_SOURCE, *TOYS]
        asked = st.selectbox(
            "Hugging Face id, local folder or .gguf file",
            choices,
            index=None,
            placeholder=f"{DEFAULT_SOURCE}, owner/name, /path/to/model ...",
            accept_new_options=True,
            key="picker_source",
        )
        left, right = st.columns(2)
        revision = left.text_input("Revision", placeholder="default branch", key="picker_revision")
        dtype = right.selectbox("Numbers", list(DTYPES), format_func=DTYPES.get, key="picker_dtype")
        st.button(
            "Open",
            type="primary",
            on_click=_open,
            args=(asked or (model.spec.source if model else DEFAULT_SOURCE), revision or None, dtype),
        )
        if model is not None:
            st.caption(
                f"Open now: {model.n_layers} layers, d_model {model.d_model:,}, vocabulary {model.vocabulary:,}, "
                f"{model.n_parameters / 1e6:,.0f}M parameters, {model.n_bytes / 2**20:,.0f} MiB, "
                f"context {model.context or 0:,} tokens."
            )


def _open(source: str, revision: str | None, dtype: str) -> None:
    for name in ("model_problem", "loading_spec", "refused_spec"):
        st.session_state.pop(name, None)
    st.session_state.model_popover = False
    session.change(spec=ModelSpec(source.strip(), revision, dtype))


def draw_badge(model: LoadedModel) -> None:
    """What the model proved at load; red says in words what is wrong."""
    failed = [check for check in model.parity if not check.passed]
    label = f":red[{len(failed)} check{'s' * (len(failed) > 1)} failed]" if failed else "parity ok"
    icon = ":material/gpp_bad:" if failed else ":material/verified_user:"
    with st.popover(label, icon=icon, key="badge"):
        st.caption(f"What {literal(model.title)} proved when it was opened, {model.dtype_name}:")
        for check in model.parity:
            mark = ":green[:material/check:]" if check.passed else ":red[:material/close:]"
            st.markdown(f"{mark} {plain(check.sentence)}")
        st.caption(f"revision {literal(model.revision)}")


def draw_way_on() -> None:
    """What to do where no model is open and none is loading."""
    if st.session_state.get("model_problem"):
        st.info("Open another model with the picker above.", icon=":material/arrow_upward:")
        st.button(
            "Open the packaged model", type="primary", on_click=_open, args=(DEFAULT_SOURCE, None, "auto")
        )
