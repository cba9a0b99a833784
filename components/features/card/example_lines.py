"""Lines of text with tokens tinted by a feature's activation, each of which can be read as the prompt."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from analysis.dictionaries.evidence.in_context import Context

_HERE = Path(__file__).parent
_mount = st.components.v2.component(
    "bathyscope_example_lines",
    js=(_HERE / "example_lines.js").read_text(encoding="utf-8"),
    css=(_HERE / "example_lines.css").read_text(encoding="utf-8"),
)
Line = tuple[float, Context]
"""Activation at the marked token, and the text around it."""


def example_lines(
    levels: Sequence[tuple[str, Sequence[Line]]],
    *,
    most: float,
    fingerprint: str,
    key: str,
    on_read: Callable[[Context], None],
) -> None:
    """Draw examples level by level.

    Args:
        levels: what each is called, and its lines.
        most: magnitude of activation that wears the full colour.
        fingerprint: which examples these are; a click on others is dropped.
        key: names them in the session.
        on_read: receives the text whose button was pressed, before the script runs again.
    """
    lines = [line for _, own in levels for line in own]

    def read() -> None:
        row = chosen_row(getattr(st.session_state.get(key), "read", None), fingerprint, len(lines))
        if row is not None:
            on_read(lines[row][1])

    _mount(
        key=key,
        data={"fingerprint": fingerprint, "levels": as_json(levels, most)},
        on_read_change=read,
    )


def chosen_row(event: object, fingerprint: str, count: int) -> int | None:
    """The line that a click means; None where it makes no sense or is about other examples."""
    if not isinstance(event, dict) or event.get("fingerprint") != fingerprint:
        return None
    row = event.get("row")
    return row if type(row) is int and 0 <= row < count else None


def as_json(levels: Sequence[tuple[str, Sequence[Line]]], most: float) -> str:
    """What the browser draws."""
    drawn, row = [], 0
    for name, own in levels:
        lines = [
            {"row": row + place, "value": number(value), "tokens": _tokens(context, value, most)}
            for place, (value, context) in enumerate(own)
        ]
        drawn.append({"name": name, "lines": lines})
        row += len(own)
    return json.dumps(drawn)


def number(value: float) -> str:
    """An activation in three digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _tokens(context: Context, value: float, most: float) -> list[dict[str, object]]:
    labels = context.tokens.labels
    found = []
    for position in context.shown:
        at = position == context.position
        activation = value if at else context.activation(position)
        token: dict[str, object] = {"label": labels[position]}
        if at:
            token["at"] = True
        if activation:
            tint = round(max(min(activation / (most or 1), 1), -1), 2)
            token |= {"tint": tint, "detail": f"activation {number(activation)}"}
        found.append(token)
    return found
