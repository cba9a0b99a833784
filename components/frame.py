"""What is the same on every page: model, prompt, tokens and the cursor over them.

The frame is drawn before the page, so the page gets a model, its tokens and a cursor that fits them.
"""

from dataclasses import dataclass

import streamlit as st

from analysis import AnalysisError, LoadedModel, Tokens
from analysis.data.examples import EXAMPLES
from components import model_picker, session
from components.continuing import draw_continuing, draw_live_text, is_continuing
from components.literal import plain
from components.reading_grid import grid_tokens
from components.token_strip import token_strip

BESIDE = (2.55, 1)
"""Widths of the picture and of the panel beside it."""
READABLE = """<style>
button[data-variant="segmented_control"][data-selected="true"],
button[data-variant="pills"][data-selected="true"] { color: inherit !important; }
</style>"""
"""What is chosen is told by its ground and border: in the accent colour its text has a contrast of 3.5 in dark."""


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


def draw_frame() -> Frame | None:
    """Draw the frame and return what the page needs; None where there is nothing to show, and why is said."""
    with st.container(gap="xsmall"):
        return _draw_rows()


def _draw_rows() -> Frame | None:
    st.html(READABLE)
    head = st.container(horizontal=True, vertical_alignment="center", key="head")
    session.view()
    model = model_picker.current_model()
    with head:
        st.markdown("**Bathyscope**", width="stretch")
        if model is not None:
            _draw_choices(model)
        model_picker.draw_picker(model)
        if model is not None:
            model_picker.draw_badge(model)
    model_picker.draw_problem()
    if model is None:
        model_picker.draw_way_on()
        return None
    _draw_prompt(model)
    if (tokens := _tokens(model)) is None:
        return None
    position, layer = _cursor(tokens, model)
    text, continuing = st.columns(BESIDE, gap="medium")
    with text:
        _draw_tokens(tokens, model, position)
    with continuing:
        draw_continuing(model, tokens)
    return Frame(model, tokens, position, layer)


def _cursor(tokens: Tokens, model: LoadedModel) -> tuple[int, int | None]:
    """The view's cursor, moved to the edge where it lies outside this text and model."""
    view, last = session.view(), len(tokens) - 1
    position = None if view.position is None else min(view.position, last)
    layer = None if view.layer is None else min(view.layer, model.n_layers)
    session.change(position=position, layer=layer)
    return last if position is None else position, layer


def draw_layer_slider(model: LoadedModel, layer: int) -> None:
    """The cursor's layer, shared by every page."""
    st.session_state.layer_slider = layer
    st.slider(
        f"Layer, 0 to {model.n_layers}",
        0,
        model.n_layers,
        key="layer_slider",
        help=f"The residual stream after so many blocks: 0 is the embedding, {model.n_layers} the last block's "
        "output, before the final norm.",
        on_change=lambda: session.change(layer=st.session_state.layer_slider),
    )


def _draw_prompt(model: LoadedModel) -> None:
    prompt = session.view().prompt
    replaced = st.session_state.get("prompt_text", prompt) != prompt
    if replaced:  # by an example, or by a page
        st.session_state.prompt_text = prompt
    text, run = st.columns([9, 1], vertical_alignment="bottom")
    text.text_area(
        "Prompt",
        # a slow browser draws two runs as one: what only the first of them said would be lost
        value="" if replaced else prompt,
        key="prompt_text",
        height=68,
        max_chars=session.LONGEST_PROMPT,
        on_change=_read_prompt,
        placeholder="Type a text and press Ctrl+Enter, or pick one of the examples above.",
        label_visibility="collapsed",
    )
    run.button(
        "Run",
        type="primary",
        on_click=_read_prompt,
        width="stretch",
        help="Also Ctrl+Enter in the prompt. Special tokens written out, such as <|im_end|>, become those tokens.",
    )


def _draw_choices(model: LoadedModel) -> None:
    """How the prompt is written, and prompts to start from."""
    st.session_state.chat_switch = session.view().chat
    st.toggle(
        "Chat template",
        key="chat_switch",
        on_change=_read_prompt,
        disabled=not model.tokenizer.has_template,
        help="Write the prompt as the user's turn of a conversation. The tokens below show exactly what is sent."
        if model.tokenizer.has_template
        else "This model defines no chat template.",
        width="content",
    )
    with st.popover("Examples", icon=":material/lightbulb:", key="examples", on_change="rerun"):
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
    st.session_state.examples = False
    session.show_text(example.prompt, chat)


def _tokens(model: LoadedModel) -> Tokens | None:
    """The text as the model receives it; None, with a sentence, if it cannot."""
    view = session.view()
    try:
        tokens = model.tokenize(view.prompt, chat=view.chat and model.tokenizer.has_template)
        model.check_length(tokens)
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        return None
    room = (model.context or session.LONGEST_PROMPT) - len(tokens)
    session.change(generated=view.generated[:room])  # a link may name more than the context holds
    return model.tokenizer.continued(tokens, session.view().generated)


def _draw_tokens(tokens: Tokens, model: LoadedModel, position: int) -> None:
    strip, count = st.columns([5, 1], gap="small")
    with strip:
        token_strip(
            grid_tokens(tokens),
            fingerprint=f"{model.fingerprint}{hash(tokens.ids)}",
            cursor_position=position,
            key="token_strip",
            on_choose=lambda chosen: session.change(position=chosen),
        )
    count.caption(_counted(tokens), help=plain(_bos(model)), text_alignment="right")
    if is_continuing():
        draw_live_text()
    elif note := _note(tokens):
        st.caption(plain(note))


def _counted(tokens: Tokens) -> str:
    generated = len(tokens) - tokens.prompt_length
    return f"{len(tokens):,} {'token' if len(tokens) == 1 else 'tokens'}" + (
        f", {generated:,} of them generated" if generated else ""
    )


def _bos(model: LoadedModel) -> str:
    bos = model.tokenizer.bos
    if bos is None:
        return "Without a beginning-of-text token, as this tokenizer defines."
    return (
        f"The beginning-of-text token {model.tokenizer.label(bos)} is among them, as this tokenizer defines."
    )


def _note(tokens: Tokens) -> str:
    """What the tokenizer did to the text, and what a link cannot hold."""
    unlinked = "" if session.fits_link(session.view().prompt) else "The text is too long for a link."
    return " ".join(filter(None, (tokens.note, unlinked)))
