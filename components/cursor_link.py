"""Python's half of a cursor that lives on both sides of the wire; cursor_link.js is the other.

The browser moves its cursor at once and reports afterwards, so an answer from here may be
older than what the reader sees. Hence two rules:

- A cursor that only echoes what the browser reported is not sent back. It could pull a cursor
  that has moved on, and it would make every key press resend the whole grid: as long as the
  data is unchanged, Streamlit finds the message in its cache.
- A cursor from elsewhere (a link, a slider, another component) is *placed*: it is sent with a
  serial, and the browser obeys each serial once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import streamlit as st

from components.grid_data import event_number

Cursor = TypeVar("Cursor")  # a (position, layer), or a position alone

JAVASCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def _fresh_serial() -> int:
    # The clock, not zero: a browser that outlived a restart must not meet a serial twice.
    return time.time_ns() // 1_000_000


@dataclass
class CursorLink(Generic[Cursor]):
    """What this side knows of one mounted component."""

    shown: Cursor | None = None  # what the browser shows, as far as is known
    placed: Cursor | None = None  # the last cursor that was sent
    serial: int = field(default_factory=_fresh_serial)
    handled: int | None = None  # the number of the last event that was read

    def place(self, cursor: Cursor) -> None:
        """Send `cursor`, unless the browser shows it already."""
        if cursor != self.shown:
            self.placed = self.shown = cursor
            self.serial += 1

    def news(self, event: object, read: Callable[[object], Cursor | None]) -> Cursor | None:
        """The cursor of an event not handled before, or None.

        An event that does not fit leaves the browser with a cursor unknown to us, so that the
        next `place` sends.
        """
        if event_number(event) in (None, self.handled):
            return None
        cursor = read(event)
        if cursor is None:
            self.shown = None
        return cursor

    def settle(self, event: object, cursor: Cursor | None) -> None:
        """Count the event as handled. Until then, a run that was cut short finds it again."""
        self.handled = event_number(event)
        if cursor is not None:
            self.shown = cursor


def link_of(key: str) -> CursorLink:
    """The link of the component mounted under `key` in this session."""
    return st.session_state.setdefault(f"{key}:link", CursorLink())


def reported(key: str) -> object:
    """The last event of the component mounted under `key`, whatever the browser made of it."""
    state = st.session_state.get(key)
    return state.get("cursor") if hasattr(state, "get") else None
