"""The curves of one question, each in a card: what it is, where it runs, and what it is at the cursor's layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from analysis.geometry.cloud import Cloud
from analysis.geometry.measure import Measure
from analysis.methods.geometry import Measured
from components import session
from components.cache import results
from components.geometry.choices import change
from components.geometry.cursor import layer_now
from components.geometry.figure import HEIGHT, Line, companion, draw_curve
from components.geometry.how import draw_how
from components.geometry.requests import Plan, Refused, Wanted
from components.literal import plain

BESIDE = 2
"""Cards in a row."""
UNITS = {"cloud": "tokens", "views": "texts", "skips": "tokens"}


@dataclass(frozen=True, eq=False)
class Card:
    """One measure of all subjects, as far as it is known."""

    measure: Measure
    wanted: tuple[Wanted, ...]
    """The base first."""
    plan: Plan

    @property
    def base(self) -> Measured | Refused | None:
        """The curve itself; None while it is still to come."""
        return self.plan.of(self.wanted[0])

    @property
    def lines(self) -> tuple[Line, ...]:
        """All that are there, the base first."""
        found = ((each, self.plan.of(each)) for each in self.wanted)
        return tuple(Line(each.subject, one) for each, one in found if isinstance(one, Measured))

    @property
    def is_whole(self) -> bool:
        """True if nothing is still to come."""
        return all(self.plan.of(each) is not None for each in self.wanted)


def cards_of(plan: Plan) -> tuple[Card, ...]:
    """The cards of what is wanted, in the order of the measures."""
    measures = dict.fromkeys(each.measure for each in plan.wanted)
    return tuple(
        Card(measure, tuple(each for each in plan.wanted if each.measure is measure), plan)
        for measure in measures
    )


def clouds_of(cards: Sequence[Card]) -> dict[str, Cloud]:
    """Those clouds that the curves were taken on and that are still at hand, by the names of their subjects."""
    subjects = {line.subject.name: line.subject for card in cards for line in card.lines}
    jobs = {name: results().peek(subject.key("cloud")) for name, subject in subjects.items()}
    done = {name: job for name, job in jobs.items() if job is not None and job.wait(0) and job.error is None}
    return {name: job.result().given for name, job in done.items()}


def draw_cards(cards: Sequence[Card], cursor: int | None, draw_opened: Callable[[Card, int], None]) -> None:
    """All cards; below the row of the one that is open, what opens its numbers.

    Args:
        cards: of the shown question.
        cursor: the cursor's layer; None leaves it to the cards.
        draw_opened: draws what is below an open card, at a layer.
    """
    opened = session.view().geometry.open
    for start in range(0, len(cards), BESIDE):
        row = cards[start : start + BESIDE]
        for column, card in zip(st.columns(BESIDE, gap="medium"), row, strict=False):
            with (
                column,
                st.container(
                    border=True, height="stretch", gap="xsmall", key=f"geometry_card_{card.measure.id}"
                ),
            ):
                _draw_card(card, cursor, card.measure.id == opened)
        for card in row:
            if card.measure.id == opened and isinstance(card.base, Measured):
                draw_opened(card, layer_now(card.base.layers, cursor))


def _draw_card(card: Card, cursor: int | None, is_open: bool) -> None:
    measure = card.measure
    _draw_head(card, is_open)
    if isinstance(card.base, Refused):
        st.caption(plain(card.base.sentence))
        st.caption(plain(measure.meaning))
        return
    if card.base is None:
        st.skeleton(HEIGHT)
    else:
        layer = layer_now(card.base.layers, cursor)
        draw_curve(
            card.lines,
            layer,
            f"geometry_curve_{measure.id}",
            lambda chosen: choose(measure, chosen),
            card.is_whole,
        )
        st.markdown(_value(card, layer))
    st.caption(plain(measure.meaning))


def _draw_head(card: Card, is_open: bool) -> None:
    measure = card.measure
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(measure.title)}**", width="stretch")
        if isinstance(card.base, Measured):
            st.button(
                "Close" if is_open else "Open",
                icon=":material/close:" if is_open else ":material/zoom_in:",
                type="tertiary",
                key=f"geometry_open_{measure.id}",
                help="What makes this number at the cursor's layer; a click on the curve opens it, too.",
                on_click=change,
                kwargs={"open": "" if is_open else measure.id},
            )
        with st.popover("How", icon=":material/info:", key=f"geometry_how_{measure.id}", type="tertiary"):
            draw_how(measure, session.view().geometry)


def choose(measure: Measure, layer: int) -> None:
    """A point of a curve moves the cursor, and opens what is behind it."""
    session.change(layer=layer)
    change(open=measure.id)


def _value(card: Card, layer: int) -> str:
    """The value at a layer, how many points it is of, its companions and its controls."""
    found = card.base
    row = found.layers.index(layer)
    value = found.values[row]
    shown = "no value" if np.isnan(value) else f"{value:.4g}"
    said = [f"{found.count:,} {UNITS[card.measure.reads]}"]
    said += [
        f"{name} {companion(values[row])}"
        for name, values in found.beside.items()
        if np.isfinite(values[row])
    ]
    note = next((note for note in found.notes if note.startswith(f"Layer {layer}:")), "")
    return f"**{plain(shown)}** at layer {layer} · {plain(', '.join(said))}" + (
        f"  \n{plain(note)}" if note else ""
    )
