"""What somebody wants a curve compared with: the prompt, other texts, another model, or the model under a recipe."""

from collections.abc import Callable

import streamlit as st

from analysis import ModelSpec, Tokens
from components import session
from components.frame import Frame
from components.geometry.choices import change, corpus_at_hand, texts_offered
from components.geometry.subjects import Subject
from components.geometry_link import AGAINST, PROMPT, GeometryView
from components.other_model import draw_naming, opened
from components.steering.at_hand import draw_way_to_steer, draw_ways_to_begin, recipe_at_hand
from components.steering.requests import recipe_key

AGAINST_NAMES = {
    "": "nothing",
    "prompt": "the prompt",
    "texts": "other texts",
    "model": "another model",
    "recipe": "the edited model",
}


def compared_with(frame: Frame, base: Subject) -> Subject | None:
    """What is compared; None where nothing is, or while it is not there, which is said."""
    against = session.view().geometry.against
    return _COMPARED[against](frame, base) if against else None


def draw_against(view: GeometryView) -> None:
    """What it is compared with, and which."""
    state = st.session_state
    label = f"Compared with: {AGAINST_NAMES[view.against]}"
    with st.popover(label, icon=":material/compare_arrows:", key="geometry_compare"):
        state.geometry_against = view.against
        st.radio(
            "Compare with",
            ["", *AGAINST],
            format_func=AGAINST_NAMES.get,
            key="geometry_against",
            on_change=lambda: change(against=state.geometry_against, other=""),
        )
        if view.against == "texts":
            _draw_other_texts(view)
        elif view.against == "model":
            _draw_other_model()
        elif view.against == "recipe":
            _draw_recipe()


def _draw_other_texts(view: GeometryView) -> None:
    state = st.session_state
    offered = {id: name for id, name in texts_offered().items() if id not in (view.data, PROMPT)}
    if view.other not in offered:
        change(other=next(iter(offered)))
    state.geometry_other = session.view().geometry.other
    st.selectbox(
        "Texts",
        list(offered),
        format_func=offered.get,
        key="geometry_other",
        on_change=lambda: change(other=state.geometry_other),
        help="Texts of your own are there once they were brought above.",
    )


def _draw_other_model() -> None:
    draw_naming(
        session.view().geometry.other,
        "geometry_model",
        lambda name: change(other=name),
        "It reads the same texts. Where it has another number of layers, curves are drawn over the share of depth.",
    )


def _draw_recipe() -> None:
    if not session.view().recipe:
        draw_ways_to_begin("geometry")
    else:
        st.caption("The same model under the recipe of the page Steer.")
    draw_way_to_steer("geometry")


def _prompt(frame: Frame, base: Subject) -> Subject | None:
    if isinstance(base.texts, Tokens):
        st.caption("The prompt is what is measured; compare it with something else.")
        return None
    return Subject("compared", "The prompt", "asked", base.model, frame.tokens, base.how)


def _texts(frame: Frame, base: Subject) -> Subject | None:
    corpus = corpus_at_hand(session.view().geometry.other)
    if corpus is None:
        st.caption("These texts are still to be brought: choose them above for a moment.")
        return None
    return Subject("compared", corpus.name, "asked", base.model, corpus, base.how)


def _model(frame: Frame, base: Subject) -> Subject | None:
    source = session.view().geometry.other
    if not source:
        return None
    other = opened(ModelSpec(source), "geometry_loading")
    if other is None:
        return None
    texts = base.texts
    if isinstance(texts, Tokens):
        texts = other.tokenize(session.view().prompt)
    return Subject("compared", other.title, "asked", other, texts, base.how)


def _recipe(frame: Frame, base: Subject) -> Subject | None:
    found = recipe_at_hand(base.model, "geometry")
    if found is None:
        return None
    return Subject(
        "edited",
        "Edited",
        "edited",
        base.model,
        base.texts,
        base.how,
        edits=found.edits,
        edited=recipe_key(found.recipe),
    )


_COMPARED: dict[str, Callable[[Frame, Subject], Subject | None]] = {
    "prompt": _prompt,
    "texts": _texts,
    "model": _model,
    "recipe": _recipe,
}
