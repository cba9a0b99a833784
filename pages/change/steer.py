"""Does this push change what the model says, more than any push of its size would?"""

import streamlit as st

from analysis import AnalysisError, Direction, Dose, Erasure, Recipe
from analysis.background import KINDS, Background
from analysis.methods.effect import verdict, word_shift, word_verdict
from components import session
from components.frame import Frame
from components.literal import plain
from components.origin import draw_origin
from components.recipe_link import DoseView
from components.requests import again
from components.steering import dose_response, inside, library, new_direction, next_token, take_away, texts
from components.steering.recipe_editor import add, draw_dose, draw_erasure, draw_presets, remove, undo
from components.steering.requests import (
    Controls,
    background_of,
    direction_of,
    dose_of,
    effect_key,
    effect_of,
    erasure_here,
    erasure_of,
    words_of,
)
from components.waiting import problem, result_of, wait_for

QUESTION = "Does this push change what the model says, more than any push of its size would?"
TEXTS, NEXT, INSIDE, DOSES, NEW, LIBRARY, AWAY = PARTS = (
    "Texts",
    "Next token",
    "Inside",
    "Dose and response",
    "New direction",
    "Library",
    "Take it away",
)


def draw(frame: Frame) -> None:
    """The page."""
    heading = st.container(gap="xxsmall")
    heading.subheader(QUESTION, anchor=False)
    usual = result_of(background_of(frame.model), "background")
    if usual is None:
        return
    recipe, controls = _draw_recipe(frame, usual)
    part = st.segmented_control(
        "Part", PARTS, default=TEXTS, key="steer_part", required=True, label_visibility="collapsed"
    )
    if part == NEW:
        new_direction.draw(frame)
    elif part == LIBRARY:
        library.draw(frame, recipe)
    elif recipe is not None and not recipe:
        st.markdown("Pick a direction to push with, and watch what it does to the text above:")
        draw_presets("empty", columns=5)
    elif recipe is not None:
        _draw_effect(frame, recipe, usual, controls, part, heading)


def _draw_recipe(frame: Frame, usual: Background) -> tuple[Recipe | None, Controls]:
    """The editor; the recipe as it stands, or None while a part of it is missing."""
    views = session.view().recipe
    with st.container(gap="xxsmall", key="recipe"):
        parts = [_draw_row(frame, number, view, usual) for number, view in enumerate(views)]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _draw_add()
            if st.session_state.get("recipes_before"):
                st.button("Undo", icon=":material/undo:", on_click=undo, help="Back to the recipe before.")
            controls = _draw_controls()
    doses = tuple(part for part in parts if isinstance(part, Dose))
    erasures = tuple(part for part in parts if isinstance(part, Erasure))
    return (None if None in parts else Recipe("recipe", doses, erasures)), controls


def _draw_row(frame: Frame, number: int, view: DoseView, usual: Background) -> Dose | Erasure | None:
    """One direction or erasure with its settings; None while it is being built or where it cannot be used."""
    job = erasure_of(view.reference) if view.erases else direction_of(frame.model, view.reference)
    if not wait_for(job, key=f"direction {number}"):
        return None
    sentence = problem(job)
    if sentence is None:
        try:
            return _draw_part(frame, number, view, job.result(), usual)
        except AnalysisError as error:
            sentence = str(error)
    text, retry, out = st.columns([7, 1, 1], vertical_alignment="center")
    text.warning(plain(sentence), icon=":material/warning:")
    retry.button("Try again", key=f"dose {number} again", on_click=again, args=(job,), width="stretch")
    out.button("Remove", key=f"dose {number} out", on_click=remove, args=(number,), width="stretch")
    return None


def _draw_part(
    frame: Frame, number: int, view: DoseView, found: Direction | Erasure, usual: Background
) -> Dose | Erasure:
    if isinstance(found, Erasure):
        erasure = erasure_here(frame.model, view, found)
        draw_erasure(frame.tokens, number, view, erasure)
        return erasure
    dose = dose_of(frame.model, view, found)
    draw_dose(frame.tokens, number, view, dose, usual)
    return dose


def _draw_add() -> None:
    with st.popover("Add a direction", icon=":material/add:", key="add_direction"):
        draw_presets("add", columns=3)
        st.button(
            "A random one",
            icon=":material/casino:",
            on_click=add,
            args=(f"random.{len(session.view().recipe)}",),
            help="See what a direction without a meaning does.",
        )
        st.caption(f"More ways under {NEW}; what you kept under {LIBRARY}.")


def _draw_controls() -> Controls:
    """How the random controls are drawn."""
    with st.popover("Controls", icon=":material/casino:", key="null_controls"):
        nulls = st.slider(
            "Random pushes beside the edit", 0, 32, 8, key="null_count", persist_state="session"
        )
        kind = st.radio(
            "Drawn from", list(KINDS), format_func=KINDS.get, key="null_kind", persist_state="session"
        )
        seed = st.number_input("Their seed", 0, 2**31 - 1, 0, key="null_seed", persist_state="session")
        st.caption(
            "Same places, same lengths, same operations; only where they point is random. Beside an erasure: a "
            "random subspace of the same rank."
        )
    return Controls(nulls, kind, seed)


def _draw_effect(
    frame: Frame, recipe: Recipe, usual: Background, controls: Controls, part: str, heading
) -> None:
    if part == TEXTS:  # before anything else: the first word should not wait for the numbers
        texts.draw(frame, recipe, usual, controls)
    if part == DOSES:
        dose_response.draw(frame, recipe, usual, controls)
    effect = result_of(effect_of(frame.model, frame.tokens, recipe, usual, controls), "effect")
    if effect is None:
        return
    key = effect_key(frame.model, frame.tokens, recipe, controls)
    words = words_of(frame.model)
    shift = None if words is None else word_shift(frame.model, effect, *words)
    sentences = [] if shift is None else [word_verdict(shift, frame.position, effect.control)]
    heading.markdown(" ".join([*sentences, verdict(effect, frame.position)]))
    if part == NEXT:
        next_token.draw(frame, effect, shift)
    elif part == INSIDE:
        inside.draw(frame, effect, key)
    elif part == AWAY:
        take_away.draw(frame, recipe, controls, effect, key)
    if part != DOSES:  # they have an origin of their own
        draw_origin(effect.provenance)


draw(st.session_state.frame)
