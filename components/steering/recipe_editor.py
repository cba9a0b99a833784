"""The recipe at hand: one row per direction or erasure, with its settings, and undo."""

from dataclasses import replace

import streamlit as st

from analysis import ERASERS, Direction, Dose, Erasure, Tokens, library
from analysis.background import Background
from analysis.data.presets import Concept, concepts
from analysis.directions import span
from analysis.edits import Positions
from analysis.recipes import OPERATIONS
from components import session
from components.literal import literal, plain
from components.recipe_link import ERASED, MOST_DOSES, PARTS, DoseView

CHOSEN = "chosen"
WHERE = {
    "all": "all tokens",
    "after_first": "all but the first",
    "prompt": "prompt only",
    "generated": "generated only",
    CHOSEN: "chosen tokens",
}
SITES = {"residual": "the residual stream", "attention": "what attention adds", "mlp": "what the MLP adds"}
COLUMNS = (1.5, 1.25, 2.2, 1.9, 1.35, 0.45)
"""Widths of a row: name, operation, strength, layers, tokens, and the button that takes it out."""
MOST_REMEMBERED = 30
STRENGTH_HELP = (
    "A fraction of the usual residual norm at that layer; attention sinks are left out of the norm. In a range of "
    "layers it is split evenly. Text usually breaks somewhere between 0.3 and 1."
)


def change_recipe(doses: tuple[DoseView, ...]) -> None:
    """Put another recipe in place of the one at hand, which `undo` brings back."""
    before = session.view().recipe
    if doses == before:
        return
    st.session_state.setdefault("recipes_before", []).append(before)
    del st.session_state.recipes_before[:-MOST_REMEMBERED]
    session.change(recipe=doses)


def undo() -> None:
    """Back to the recipe before the last change."""
    if before := st.session_state.get("recipes_before"):
        session.change(recipe=before.pop())


def add(reference: str) -> None:
    """One more direction, at the layer it proposes."""
    _add_row(DoseView(reference))


def add_erasure(key: str) -> None:
    """One more erasure: that of the library under this key, at its own layers and tokens.

    Raises:
        AnalysisError: there is none, or it is damaged.
    """
    _add_row(DoseView(f"{ERASED}{key}", positions=library.load_erasure(key).positions))


def _add_row(row: DoseView) -> None:
    rows = session.view().recipe
    if len(rows) < MOST_DOSES:
        change_recipe((*rows, row))


def _add_preset(concept: Concept) -> None:
    """A built-in concept; a person who has not typed anything yet gets a prompt on which it shows."""
    view = session.view()
    if not view.recipe and view.prompt == session.View().prompt:
        session.show_text(concept.prompts[0], concept.chat)
    add(f"preset.{concept.id}")


def change_dose(number: int, **fields: object) -> None:
    """Change settings of one row."""
    doses = list(session.view().recipe)
    if number < len(doses):
        doses[number] = replace(doses[number], **fields)
        change_recipe(tuple(doses))


def remove(number: int) -> None:
    """Take one row out."""
    doses = session.view().recipe
    change_recipe(doses[:number] + doses[number + 1 :])


def draw_dose(tokens: Tokens, number: int, view: DoseView, dose: Dose, usual: Background) -> None:
    """One row: what is pushed, how, how hard, where."""
    direction = dose.direction
    name, operation, strength, layers, where, out = _columns()
    with name:
        _draw_name(view, number, direction)
    with operation:
        _draw_operation(view, number)
    with strength:
        _draw_strength(view, number, dose, usual)
    with layers:
        _draw_layers(view, number, direction)
    with where:
        _draw_where(view, number, tokens)
    with out:
        _draw_remove(number, direction.name)


def draw_erasure(tokens: Tokens, number: int, view: DoseView, erasure: Erasure) -> None:
    """One row: what is erased and by which method; its layers are those it was fitted at."""
    name, method, rank, layers, where, out = _columns()
    with name:
        _draw_erasure_name(number, erasure)
    method.caption(f"erased by {plain(ERASERS[erasure.method].title)}")
    rank.caption(_rank(erasure))
    layers.caption(f"layer{'s' * (len(erasure.layers) > 1)} {span(erasure.layers)}, as fitted")
    with where:
        _draw_where(view, number, tokens)
    with out:
        _draw_remove(number, erasure.name)


def _columns():
    return st.columns(COLUMNS, vertical_alignment="center", gap="small")


def _rank(erasure: Erasure) -> str:
    """How much of a state is taken out."""
    up_to = "up to " * (len({each.rank for each in erasure.erasers}) > 1)
    return f"rank {up_to}{erasure.rank} of {erasure.erasers[0].d} dimensions"


def _draw_erasure_name(number: int, erasure: Erasure) -> None:
    kind = ERASERS[erasure.method]
    with st.popover(plain(erasure.name), width="stretch", key=f"dose {number} name"):
        st.markdown(plain(erasure.how))
        st.markdown(f"On what it was fitted to: {plain(kind.guarantee)}")
        st.markdown(f"Misleads when: {plain(kind.misleads_when)}")
        st.caption(
            "At one layer erasures come first: what a direction adds there stays until the next layer that erases."
        )
        st.caption(plain(f"Source: {kind.source}"))
        st.caption(f"Fitted in {literal(erasure.weights or 'a file that does not say')}")


def _draw_remove(number: int, name: str) -> None:
    st.button(
        "",
        icon=":material/close:",
        key=f"dose {number} remove",
        on_click=remove,
        args=(number,),
        help=f"Take {plain(name)} out of the recipe",
    )


def _draw_name(view: DoseView, number: int, direction: Direction) -> None:
    with st.popover(plain(direction.name), width="stretch", key=f"dose {number} name"):
        st.markdown(plain(direction.how))
        st.markdown(plain(direction.why))
        st.caption(plain(f"Source: {direction.source}"))
        st.caption(f"Found in {literal(direction.weights or 'a file that does not say')}")
        _draw_site(view, number)


def _draw_site(view: DoseView, number: int) -> None:
    state, key = st.session_state, f"dose {number} site"
    state[key] = view.stream

    def choose() -> None:
        first, last = view.layers or (1, 1)
        from_one = {} if first else {"layers": (1, max(1, last))}  # the embedding has no such outputs
        change_dose(number, stream=state[key], **from_one)

    st.radio("It acts on", list(SITES), format_func=SITES.get, key=key, on_change=choose)


def _draw_operation(view: DoseView, number: int) -> None:
    state, key = st.session_state, f"dose {number} operation"
    state[key] = view.operation
    st.selectbox(
        "Operation",
        list(OPERATIONS),
        format_func=OPERATIONS.get,
        key=key,
        on_change=lambda: change_dose(number, operation=state[key]),
        label_visibility="collapsed",
    )


def _draw_strength(view: DoseView, number: int, dose: Dose, usual: Background) -> None:
    if view.operation not in ("add", "set"):
        st.caption("It has no strength.")
        return
    state, key = st.session_state, f"dose {number} strength"
    state[key] = float(view.strength)
    reach = max(1.0, abs(view.strength))
    norm = float(usual.norms[list(dose.range)].mean())
    st.slider(
        f"Strength of {plain(dose.direction.name)}",
        -reach,
        reach,
        step=0.01,
        key=key,
        format="%+.2f of the norm",
        on_change=lambda: change_dose(number, strength=round(state[key], 4)),
        label_visibility="collapsed",
        help=f"{STRENGTH_HELP} Here that norm is {norm:,.0f}, so the push has length {abs(view.strength) * norm:,.0f}.",
    )


def _draw_layers(view: DoseView, number: int, direction: Direction) -> None:
    first, last = view.layers or (direction.layer, direction.layer)
    known = direction.layers
    if len(known) < 2:
        st.caption(f"layer {known[0]}, the only one")
        return
    state, key = st.session_state, f"dose {number} layers"
    low, high = max(known[0], view.stream != "residual"), known[-1]
    state[key] = (min(max(first, low), high), min(max(last, low), high))
    st.slider(
        f"Layers of {plain(direction.name)}",
        low,
        high,
        key=key,
        format="layer %d",
        on_change=lambda: change_dose(number, layers=tuple(state[key])),
        label_visibility="collapsed",
        help=f"{direction.why} Drag both ends apart to push at several layers.",
    )


def _draw_where(view: DoseView, number: int, tokens: Tokens) -> None:
    state, key = st.session_state, f"dose {number} where"
    state[key] = view.positions if view.positions in PARTS else CHOSEN

    def choose() -> None:
        asked = state[key]
        change_dose(number, positions=asked if asked != CHOSEN else (len(tokens) - 1,))

    st.selectbox(
        "Tokens", list(WHERE), format_func=WHERE.get, key=key, on_change=choose, label_visibility="collapsed"
    )
    if state[key] == CHOSEN:
        _draw_chosen_tokens(view.positions, number, tokens)


def _draw_chosen_tokens(positions: Positions, number: int, tokens: Tokens) -> None:
    state, key = st.session_state, f"dose {number} tokens"
    state[key] = [position for position in positions if position < len(tokens)]

    def choose() -> None:
        if state[key]:  # an edit of no token would be no edit
            change_dose(number, positions=tuple(sorted(state[key])))

    labels = tokens.labels
    st.multiselect(
        "Which tokens",
        range(len(tokens)),
        format_func=lambda position: f"{position} {labels[position]}",
        key=key,
        on_change=choose,
        label_visibility="collapsed",
    )


def draw_presets(place: str, columns: int) -> None:
    """The built-in concepts, one button each; `place` tells the same buttons elsewhere apart."""
    grid = st.columns(columns)
    for number, concept in enumerate(concepts()):
        grid[number % columns].button(
            concept.name,
            key=f"{place} preset {concept.id}",
            help=f"{concept.question} {concept.positive} against {concept.negative}.",
            on_click=_add_preset,
            args=(concept,),
            width="stretch",
        )
