"""What is the same on every page: model, prompt, tokens and the cursor over them.

The frame is drawn before the page, so the page gets a model, its tokens and a cursor that fits them.
"""

from dataclasses import dataclass

import streamlit as st

from analysis import AnalysisError, LoadedModel, Tokens
from analysis.data.examples import EXAMPLES
from components import model_picker, session
from components.literal import plain
from components.reading_grid import grid_tokens
from components.token_strip import token_strip


@dataclass(frozen=True)
class Frame:
    """What every page starts from."""

    model: LoadedModel
    tokens: Tokens
    """The prompt, and what was generated after it."""
    position: int
    """The cursor's token."""
    layer: int | None
    """The cursor's layer; None leaves it to the page."""


def draw_frame() -> Frame:
    """Draw the frame and return what the page needs; ends the run where there is nothing to show."""
    head = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="head")
    session.view()
    model = model_picker.current_model()
    with head:
        _title()
        model_picker.draw_picker(model)
        if model is not None:
            model_picker.draw_badge(model)
    model_picker.draw_problem()
    model = model_picker.require_model(model)
    _draw_prompt(model)
    tokens = _tokens(model)
    view = session.view()
    position = len(tokens) - 1 if view.position is None else min(view.position, len(tokens) - 1)
    layer = None if view.layer is None else min(view.layer, model.n_layers)
    _draw_tokens(tokens, model, position)
    return Frame(model, tokens, position, layer)


def draw_layer_slider(model: LoadedModel, layer: int) -> None:
    """The cursor's layer, shared by every page."""
    st.session_state.layer_slider = layer
    st.slider(
        f"Layer (0 = embedding, {model.n_layers} = last block, before the final norm)",
        0,
        model.n_layers,
        key="layer_slider",
        on_change=lambda: session.change(layer=st.session_state.layer_slider),
    )


def _title() -> None:
    st.markdown("**Bathyscope**", width="content")


def _draw_prompt(model: LoadedModel) -> None:
    view = session.view()
    if "prompt_text" not in st.session_state:
        st.session_state.prompt_text = view.prompt
    st.session_state.chat_switch = view.chat
    text, controls = st.columns([4, 1.35], vertical_alignment="bottom")
    with text:
        st.text_area(
            "Prompt",
            key="prompt_text",
            height=80,
            max_chars=session.LONGEST_PROMPT,
            on_change=_read_prompt,
            placeholder="Type a text and press Ctrl+Enter.",
            help="Ctrl+Enter runs it. Special tokens written out, such as <|im_end|>, become those tokens.",
        )
    with controls:
        st.toggle(
            "Chat template",
            key="chat_switch",
            on_change=_read_prompt,
            disabled=not model.tokenizer.has_template,
            help="Write the prompt as the user's turn of a conversation. The tokens below show exactly what is sent."
            if model.tokenizer.has_template
            else "This model defines no chat template.",
        )
        run, examples = st.columns([1, 1.4])
        run.button("Run", type="primary", on_click=_read_prompt, width="stretch")
        with examples.popover("Examples", width="stretch"):
            for number, example in enumerate(EXAMPLES):
                st.button(
                    f"{example.kind}: {plain(example.prompt)}",
                    key=f"example {number}",
                    help=example.look_for,
                    on_click=_take_example,
                    args=(number,),
                    width="stretch",
                )


def _read_prompt() -> None:
    state, view = st.session_state, session.view()
    if (state.prompt_text, state.chat_switch) != (view.prompt, view.chat) or view.generated:
        session.show_text(state.prompt_text, state.chat_switch)


def _take_example(number: int) -> None:
    example = EXAMPLES[number]
    model = st.session_state.get("model")
    chat = example.chat and model is not None and model.tokenizer.has_template
    st.session_state.prompt_text = example.prompt
    session.show_text(example.prompt, chat)


def _tokens(model: LoadedModel) -> Tokens:
    """The text as the model receives it; ends the run with a sentence if it cannot."""
    view = session.view()
    try:
        tokens = model.tokenize(view.prompt, chat=view.chat and model.tokenizer.has_template)
        model.check_length(tokens)
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        session.write_address()
        st.stop()
    return model.tokenizer.continued(tokens, _generated(model, len(tokens)))


def _generated(model: LoadedModel, length: int) -> tuple[int, ...]:
    """The view's generated tokens, as far as they exist in this model and fit its context."""
    ids = session.view().generated
    room = (model.context or length + len(ids)) - length
    return ids[: max(room, 0)] if all(index < model.vocabulary for index in ids) else ()


def _draw_tokens(tokens: Tokens, model: LoadedModel, position: int) -> None:
    token_strip(
        grid_tokens(tokens),
        fingerprint=f"{model.fingerprint}{hash(tokens.ids)}",
        cursor_position=position,
        key="token_strip",
        on_choose=lambda chosen: session.change(position=chosen),
    )
    bos = model.tokenizer.bos
    counted = f"{len(tokens):,} tokens"
    if len(tokens) > tokens.prompt_length:
        counted += f", {len(tokens) - tokens.prompt_length} of them generated"
    counted += f", BOS {model.tokenizer.label(bos)} among them" if bos is not None else ", no BOS (as this tokenizer defines)"
    st.caption(plain(f"{counted}. {tokens.note}".strip()))
