"""Can this concept be removed, what remains of it, and what does that cost?"""

from dataclasses import replace

import streamlit as st

from analysis import Recipe
from analysis.background import Background
from analysis.methods.effect import verdict
from analysis.methods.erase import Fitted
from components import session
from components.erasing import certificate, comparison, kept
from components.erasing.choices import draw_choices, fit_to
from components.erasing.requests import cost_of, fitted_key, fitted_of, plan_of
from components.erasing.together import recipe_with
from components.frame import Frame
from components.literal import plain
from components.origin import draw_origin
from components.probing.choices import draw_concept, draw_examples
from components.steering import inside, next_token, texts
from components.steering.requests import Controls, background_of, effect_key, effect_of
from components.waiting import result_of

QUESTION = "Can this concept be removed, what remains of it, and what does that cost?"
TEXTS, NEXT, INSIDE, CERTIFICATE, COMPARE, KEEP = PARTS = (
    "Texts",
    "Next token",
    "Inside",
    "Certificate",
    "Compare erasers",
    "Keep",
)
NULLS = 8


def draw(frame: Frame) -> None:
    """The page."""
    heading = st.container(gap="xxsmall")
    heading.subheader(QUESTION, anchor=False)
    given = draw_concept()
    if given is None:
        return
    fit_to(given)
    plan = plan_of(frame.model, session.view().erase, session.view().probe.spot)
    draw_choices(frame.model, given, plan)
    draw_examples(given)
    if not session.view().erase.asked:
        _draw_invitation()
        return
    usual = result_of(background_of(frame.model), key="background")
    fitted = result_of(fitted_of(frame.model, given, plan), key="erasing")
    if usual is None or fitted is None:
        return
    _draw_fitted(frame, fitted, usual, fitted_key(frame.model, given, plan), heading)


def _draw_invitation() -> None:
    st.caption(
        "Reads every example once, fits the eraser to two thirds of them, and lets you watch what the model says "
        "without the concept. The rest of the examples judges what is left of it."
    )
    st.button("Erase it", type="primary", icon=":material/ink_eraser:", on_click=_ask)


def _ask() -> None:
    session.change(erase=replace(session.view().erase, asked=True))


def _draw_fitted(frame: Frame, fitted: Fitted, usual: Background, key: str, heading) -> None:
    st.caption(plain(_said(fitted)))
    with st.container(horizontal=True, vertical_alignment="center"):
        part = st.segmented_control(
            "Part", PARTS, default=TEXTS, key="erase_part", required=True, label_visibility="collapsed"
        )
        st.button(
            "Prompt with a held-out example",
            icon=":material/casino:",
            on_click=_show_example,
            args=(fitted,),
            help="Another one at every click: a text that the eraser has not seen.",
        )
    if part == CERTIFICATE:
        certificate.draw(frame, fitted, key, usual)
    elif part == COMPARE:
        comparison.draw(frame, fitted)
    elif part == KEEP:
        kept.draw(frame, fitted)
    else:
        recipe = recipe_with(frame.model, fitted.erasure)
        if recipe is not None:
            _draw_live(frame, recipe, usual, part, heading)


def _show_example(fitted: Fitted) -> None:
    rows = fitted.held_out.nonzero()[0]
    shown = st.session_state.get("erase_shown", 0)
    text = fitted.given.texts[rows[shown % len(rows)]]
    st.session_state.erase_shown = shown + 1
    session.show_text(text, chat=False)


def _said(fitted: Fitted) -> str:
    """What was fitted, in one line."""
    erasure, ranks = fitted.erasure, {each.rank for each in fitted.erasure.erasers}
    rank = f"rank {min(ranks)}" if len(ranks) == 1 else f"rank {min(ranks)} to {max(ranks)}"
    steps = sum(each.iterations for each in erasure.erasers)
    searched = f", {steps} iterations" if steps else ""
    left_out = f" {fitted.left_out} examples that are read at a text's first token are left out." * bool(
        fitted.left_out
    )
    return (
        f"{erasure.how} {rank[0].upper()}{rank[1:]}{searched}, {fitted.seconds:.2f} s; "
        f"{int(fitted.held_out.sum())} examples are held out.{left_out}"
    )


def _draw_live(frame: Frame, recipe: Recipe, usual: Background, part: str, heading) -> None:
    controls = Controls(NULLS)
    if part == TEXTS:  # before anything else: the first word should not wait for the numbers
        texts.draw(frame, recipe, usual, controls)
    effect = result_of(effect_of(frame.model, frame.tokens, recipe, usual, controls), key="effect")
    if effect is None:
        return
    heading.markdown(verdict(effect, frame.position))
    if part == TEXTS:
        _draw_cost(frame, recipe, usual)
    elif part == NEXT:
        next_token.draw(frame, effect, None)
    elif part == INSIDE:
        inside.draw(frame, effect, effect_key(frame.model, frame.tokens, recipe, controls))
    draw_origin(effect.provenance)


def _draw_cost(frame: Frame, recipe: Recipe, usual: Background) -> None:
    """What it costs on text that is not about the concept."""
    found = result_of(cost_of(frame.model, recipe, usual), key="cost")
    if found is not None:
        base, own, random = found
        st.caption(
            f"On ordinary text the next token moves by {own.bits:.2f} bits on average ({random.bits:.2f} for a random "
            f"control), and perplexity goes from {base.perplexity:.2f} to {own.perplexity:.2f} "
            f"({random.perplexity:.2f})."
        )


draw(st.session_state.frame)
