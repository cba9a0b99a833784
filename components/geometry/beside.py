"""What is drawn beside a curve: controls that mean nothing, and what somebody wants it compared with."""

from dataclasses import replace

import streamlit as st

from analysis import Tokens
from analysis.corpora import Corpus
from components import session
from components.frame import Frame
from components.geometry.choices import change, how_of
from components.geometry.compared import compared_with, draw_against
from components.geometry.subjects import Subject
from components.geometry_link import MOST_SHUFFLES, GeometryView


def draw_beside(frame: Frame, texts: Corpus | Tokens) -> tuple[Subject, ...]:
    """The row of what is drawn beside, and everything that is drawn.

    Args:
        frame: model and prompt.
        texts: what is measured; tokens are the prompt.

    Returns:
        The base, what it is compared with, and its controls, in the order in which they are measured.
    """
    view = session.view().geometry
    base = Subject("base", _name(texts), "base", frame.model, texts, how_of(view))
    with st.container(horizontal=True, vertical_alignment="center", key="geometry_beside"):
        _draw_controls(view)
        draw_against(view)
    compared = compared_with(frame, base)
    if compared is not None and compared.model is not base.model:
        base = replace(base, name=base.model.title)  # the texts are the same
    return (base, *filter(None, [compared]), *_controls(base, view))


def _name(texts: Corpus | Tokens) -> str:
    return "The prompt" if isinstance(texts, Tokens) else texts.name


def _controls(base: Subject, view: GeometryView) -> list[Subject]:
    """The cheap one first."""
    own = base.model, base.texts, base.how
    found = [Subject("gaussian", "Gaussian", "null", *own, imitates=base)] if view.gaussian else []
    found += [
        Subject(f"shuffled {seed + 1}", f"Shuffled tokens, draw {seed + 1}", "null", *own, deal=seed)
        for seed in range(view.shuffles)
    ]
    if view.random:
        found.append(Subject("random", "Random weights", "null", *own, random=True))
    return found


def _draw_controls(view: GeometryView) -> None:
    state = st.session_state
    with st.popover(_controls_label(view), icon=":material/blur_on:", key="geometry_controls"):
        st.caption("A shape that a control has, too, says nothing about what was learned or what is said.")
        state.geometry_shuffles = view.shuffles
        st.segmented_control(
            "Draws of shuffled tokens",
            range(MOST_SHUFFLES + 1),
            key="geometry_shuffles",
            required=True,
            on_change=lambda: change(shuffles=state.geometry_shuffles),
            help="The same tokens dealt anew among all places of all texts: lengths and frequencies stay, and no text "
            "says anything any more. Two draws or more are drawn as the band between them.",
        )
        _draw_switch(
            "random",
            "Random weights",
            "The same architecture and tokenizer before it learned anything. Takes as much memory as the model.",
        )
        _draw_switch(
            "gaussian",
            "Gaussian",
            "As many points whose every number is an independent normal draw: what the measure gives for so few points "
            "where there is no shape at all.",
        )


def _controls_label(view: GeometryView) -> str:
    shuffled = [f"{view.shuffles} shuffled"] * bool(view.shuffles)
    on = [*shuffled, *["random weights"] * view.random, *["Gaussian"] * view.gaussian]
    return f"Controls: {', '.join(on) or 'none'}"


def _draw_switch(name: str, label: str, help: str) -> None:
    state, key = st.session_state, f"geometry_{name}"
    state[key] = getattr(session.view().geometry, name)
    st.toggle(label, key=key, on_change=lambda: change(**{name: state[key]}), help=help)
