"""The token strip: the prompt in its tokens, one of them under the cursor."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from components import cursor_link
from components.cursor_link import link_of, reported
from components.grid_data import GridToken, chosen_position, token_as_json

_HERE = Path(__file__).parent
JAVASCRIPT = (_HERE / "token_strip.js").read_text(encoding="utf-8")
STYLE = (_HERE / "token_strip.css").read_text(encoding="utf-8")

_mount = st.components.v2.component(
    "bathyscope_token_strip", js=f"{cursor_link.JAVASCRIPT}\n{JAVASCRIPT}", css=STYLE
)


def token_strip(
    tokens: Sequence[GridToken],
    *,
    fingerprint: str,
    cursor_position: int,
    key: str,
    values: Sequence[float | None] | None = None,
    on_choose: Callable[[int], None] | None = None,
) -> int | None:
    """Draw the tokens; answer the position that was chosen since the last run.

    Args:
        tokens: the prompt, and what was generated after it.
        fingerprint: which tokens these are; answers about others are dropped.
        cursor_position: the token to show as chosen.
        key: names this strip in the session.
        values: how strongly each token is tinted, 0 to 1; None or NaN is not tinted.
        on_choose: receives the position *before* the script runs again; the answer is then None.

    Raises:
        ValueError: when there is not one value per token.
    """
    if values is not None and len(values) != len(tokens):
        raise ValueError(f"{len(values)} values do not tint {len(tokens)} tokens.")
    link = link_of(key)

    def read(event: object) -> int | None:
        return chosen_position(event, fingerprint, len(tokens))

    def tell() -> None:
        event = reported(key)
        chosen = link.news(event, read)
        if on_choose and chosen is not None:
            link.settle(event, chosen)
            on_choose(chosen)

    event = reported(key)
    chosen = link.news(event, read)
    # What was just chosen is newer than the cursor this run came with.
    if chosen is None or link.placed is None:
        link.place(cursor_position if chosen is None else chosen)
    _mount(
        key=key,
        data={
            "key": key,
            "strip": _as_json(tokens, fingerprint, values),
            "placed": {"serial": link.serial, "cursor": {"position": int(link.placed)}},
        },
        on_cursor_change=tell,
    )
    link.settle(event, chosen)
    return chosen


def _as_json(tokens: Sequence[GridToken], fingerprint: str, values: Sequence[float | None] | None) -> str:
    return json.dumps(
        {
            "fingerprint": fingerprint,
            "tokens": [token_as_json(token) for token in tokens],
            "values": [_tint(value) for value in values] if values is not None else None,
        }
    )


def _tint(value: float | None) -> float | None:
    if value is None or value != value:
        return None
    return round(min(max(float(value), 0.0), 1.0), 3)
