"""How a number is computed: its formula, its source, when it misleads, and what can be turned."""

from dataclasses import replace

import streamlit as st

from analysis.geometry.measure import Measure
from analysis.knobs import knobs
from components.geometry.choices import change, params_at, turn
from components.geometry_link import PROMPT, GeometryView
from components.knob_controls import draw_knob, turned_of
from components.literal import literal, plain


def draw_how(measure: Measure, view: GeometryView) -> None:
    """What stands behind a card's question mark."""
    st.markdown(f"**{plain(measure.title)}**, {plain(measure.unit)}")
    st.markdown(literal(measure.formula))
    if measure.gaussian:
        st.caption(plain(f"A Gaussian gives: {measure.gaussian}"))
    st.markdown(f"**Misleads when** {plain(_begun(measure.misleads_when))}")
    st.caption(plain(measure.source))
    _draw_knobs(measure)
    if measure.per_point and view.data == PROMPT:
        st.button(
            "Colour the prompt's tokens by it",
            icon=":material/palette:",
            key=f"geometry_tint_{measure.id}",
            help=plain(f"{measure.per_point[:1].upper()}{measure.per_point[1:]}."),
            on_click=change,
            kwargs={"tint": measure.id},
        )
    elif measure.per_point:
        st.caption(plain(f"Also known for every token: {measure.per_point}. Measure the prompt to see it."))


def _draw_knobs(measure: Measure) -> None:
    params = params_at(measure)
    for each in knobs(params):

        def tell(value: object, name: str = each.name) -> None:
            turn(measure, turned_of(replace(params_at(measure), **{name: value})))

        draw_knob(each, getattr(params, each.name), f"geometry_knob_{measure.id}_{each.name}", tell)
    if turned_of(params):
        st.button("As at first", key=f"geometry_reset_{measure.id}", on_click=turn, args=(measure, ()))


def _begun(sentence: str) -> str:
    """As the end of a sentence that has begun."""
    sentence = sentence.removeprefix("Misleads when").lstrip(": ")
    return f"{sentence[:1].lower()}{sentence[1:]}"
