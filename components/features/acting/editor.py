"""The changes at hand: one row for each, with its operation, value and places, and how another one is added."""

import numpy as np
import streamlit as st

from analysis.dictionaries.acting.feature_effect import MOST_NULLS
from analysis.dictionaries.dictionary import Dictionary
from components.features import choices
from components.features.acting.changes import (
    EVERYWHERE,
    MOST,
    PARTS,
    View,
    add,
    changes,
    put,
    remove,
    replace_at,
    undo,
)
from components.features.acting.requests import Controls
from components.features.acting.units import Units
from components.features.in_link import draw_number
from components.features.reading.names import Names
from components.frame import Frame
from components.literal import plain

OPERATIONS = {"zero": "zero it", "scale": "scale it", "clamp": "clamp it", "add": "add to it"}
FIRST = {"zero": 0.0, "scale": 2.0, "clamp": 2.0, "add": 1.0}
"""Where each operation begins: a factor for `scale`, else in multiples of the feature's maximum."""
REACH = {"scale": (-2.0, 5.0), "clamp": (-2.0, 4.0), "add": (-4.0, 4.0)}
WHERE = {
    "after_first": "all tokens but the first",
    "all": "all tokens",
    "prompt": "prompt only",
    "generated": "generated only",
}
HERE = "here"
COLUMNS = (1.9, 1.05, 2.2, 1.5, 0.4)
"""Widths of a row: name, operation, value, places, and the button that takes it out."""
OFFERED = 12
"""Features of the cursor's token that are offered."""
MEANING = {
    "zero": "Its activation becomes 0 wherever it is active.",
    "scale": "Its activation is multiplied, so it changes only where it is active. Below 0 it points the other way.",
    "clamp": "Its activation becomes this, also where it is not active.",
    "add": "So much is added to its activation, at every chosen token.",
}


def draw_editor(frame: Frame, dictionary: Dictionary, units: Units, names: Names) -> Controls:
    """The rows and the buttons under them; returns how controls are drawn."""
    rows = changes()
    with st.container(gap="xxsmall", key="feature_changes"):
        for number, view in enumerate(rows):
            if view[0] < dictionary.features:
                _draw_row(frame, number, view, units, names)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if len(rows) < MOST:
                _draw_add(frame, dictionary, units, names)
            if st.session_state.get("feature_changes_before"):
                st.button("Undo", icon=":material/undo:", on_click=undo, help="Back to the changes before.")
            if rows:
                st.button("Clear", icon=":material/clear_all:", on_click=put, args=((),), key="clear_changes")
            return _draw_controls()


def draw_empty(frame: Frame, units: Units, names: Names) -> None:
    """Nothing is changed yet: the features of the cursor's token, one click each."""
    listed = proposed(units, frame.position)
    if not listed:
        st.info(
            f"No {names.kind} is active at the cursor's token. Choose another token above, or add one by number."
        )
        return
    st.markdown(f"Nothing is changed yet. Begin with a {names.kind} that is active at the cursor's token:")
    for feature in listed[:3]:
        name, clamp, zero = st.columns((2.4, 1, 1), vertical_alignment="center")
        here = units.found.activations[frame.position, feature]
        name.markdown(f"{plain(names.long(feature))}, activation {here:.1f} here")
        clamp.button(
            f"Clamp to {FIRST['clamp']:g} × its maximum",
            key=f"begin clamp {feature}",
            on_click=add,
            args=(feature, "clamp", FIRST["clamp"] * units.largest(feature)),
            width="stretch",
            help=f"To {FIRST['clamp'] * units.largest(feature):.1f}, at all tokens but the first.",
        )
        zero.button(
            "Zero it",
            key=f"begin zero {feature}",
            on_click=add,
            args=(feature, "zero", 0.0),
            width="stretch",
            help="Wherever it is active.",
        )


def proposed(units: Units, position: int) -> list[int]:
    """The chosen feature, then the most active ones at a token."""
    chosen = choices.feature_now()
    first = [chosen] if chosen is not None and chosen < units.found.dictionary.features else []
    return list(dict.fromkeys([*first, *units.found.active(position)[:OFFERED]]))


def _draw_row(frame: Frame, number: int, view: View, units: Units, names: Names) -> None:
    name, operation, value, where, out = st.columns(COLUMNS, vertical_alignment="center", gap="small")
    feature = view[0]
    name.button(
        plain(f"{names.kind} {names.short(feature)}"),
        key=f"change {number} card",
        on_click=choices.look_at,
        args=(feature,),
        width="stretch",
        help=f"Its card. Its maximum is {units.largest(feature):.1f}, {units.where_from(feature)}; it fires at "
        f"{units.frequency[feature]:.2%} of tokens.",
    )
    with operation:
        _draw_operation(number, view, units)
    with value:
        _draw_value(number, view, units)
    with where:
        _draw_where(frame, number, view)
    out.button(
        "", icon=":material/close:", key=f"change {number} out", on_click=remove, args=(number,),
        help=f"Leave {names.kind} {feature} as it is.",
    )  # fmt: skip


def _draw_operation(number: int, view: View, units: Units) -> None:
    state, key = st.session_state, f"change {number} operation"
    state[key] = view[1]

    def choose() -> None:
        first = FIRST[state[key]] * (1 if state[key] == "scale" else units.largest(view[0]))
        replace_at(number, operation=state[key], value=first)

    st.selectbox(
        "Operation",
        list(OPERATIONS),
        format_func=OPERATIONS.get,
        key=key,
        on_change=choose,
        label_visibility="collapsed",
    )


def _draw_value(number: int, view: View, units: Units) -> None:
    feature, operation, value, _ = view
    if operation == "zero":
        st.caption(MEANING["zero"])
        return
    unit = 1.0 if operation == "scale" else units.largest(feature)
    state, key = st.session_state, f"change {number} value"
    low, high = REACH[operation]
    shown = round(value / unit, 2)
    state[key] = shown
    factor = operation == "scale"
    st.slider(
        "Factor" if factor else "Value in multiples of its maximum",
        min(low, shown),
        max(high, shown),
        step=0.05,
        key=key,
        format="%.2f times" if factor else "%.2f × its maximum",
        on_change=lambda: replace_at(number, value=state[key] * unit),
        label_visibility="collapsed",
        help=f"{MEANING[operation]} Now {value:g}"
        + (
            "."
            if factor
            else f" in units of activation; its maximum is {unit:.4g}, {units.where_from(feature)}."
        ),
    )


def _draw_where(frame: Frame, number: int, view: View) -> None:
    state, key, where = st.session_state, f"change {number} where", view[3]
    labels = WHERE | {HERE: f"the cursor's token ({frame.position})"}
    if where not in PARTS and where != str(frame.position):
        labels[where] = f"token {where.replace('_', ', ')}"
    state[key] = HERE if where == str(frame.position) else where

    def choose() -> None:
        replace_at(number, where=str(frame.position) if state[key] == HERE else state[key])

    st.selectbox(
        "Tokens", list(labels), format_func=labels.get, key=key, on_change=choose, label_visibility="collapsed",
        help="The first token is an attention sink, which a dictionary does not describe.",
    )  # fmt: skip


def _draw_add(frame: Frame, dictionary: Dictionary, units: Units, names: Names) -> None:
    with st.popover(f"Add a {names.kind}", icon=":material/add:", key="add_feature"):
        st.caption("Active at the cursor's token, the most active first:")
        grid = st.columns(2)
        for place, feature in enumerate(proposed(units, frame.position)):
            here = units.found.activations[frame.position, feature]
            grid[place % 2].button(
                f"{plain(names.short(feature))} ({here:.1f})",
                key=f"add {feature}",
                on_click=_add,
                args=(feature, units),
                width="stretch",
            )
        st.number_input(
            f"Or by number, 0 to {dictionary.features - 1}",
            0,
            dictionary.features - 1,
            value=None,
            key="add_by_number",
            on_change=lambda: _add(st.session_state.add_by_number, units),
            placeholder="press Enter to add",
        )
        st.button(
            "A random one",
            icon=":material/casino:",
            on_click=lambda: _add(_any(units, len(changes())), units),
            help=f"See what a {names.kind} does that nobody chose.",
        )


def _add(feature: int | None, units: Units) -> None:
    if feature is not None:
        add(feature, "clamp", FIRST["clamp"] * units.largest(feature), EVERYWHERE)


def _any(units: Units, seed: int) -> int:
    """A feature that fires now and then, drawn at random."""
    alive = np.flatnonzero(units.frequency > 0)
    pool = alive if len(alive) else np.arange(len(units.frequency))
    return int(np.random.default_rng(seed).choice(pool))


def _draw_controls() -> Controls:
    kinds = {"feature": "features that fire as often", "push": "random directions"}
    with st.popover("Controls", icon=":material/casino:", key="feature_controls"):
        nulls = draw_number("Controls of each kind beside the change", "nulls", 8, 0, MOST_NULLS, step=1)
        state, wanted = st.session_state, choices.chosen("band", "feature")
        state.feature_shown = wanted if wanted in kinds else "feature"
        shown = st.radio(
            "Drawn as the grey band",
            list(kinds),
            format_func=kinds.get,
            key="feature_shown",
            on_change=lambda: choices.choose("band", state.feature_shown),
        )
        seed = draw_number("Their seed", "null_seed", 0, 0, 2**31 - 1)
        st.caption(
            "At every token a control pushes exactly as far as the change does, along another feature of like "
            "frequency or along a random direction. The dictionary's error stays in place in all of them."
        )
    return Controls(nulls, seed, shown)
