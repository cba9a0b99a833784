"""Controls of one part of the view: they show what it says, and change it."""

from collections.abc import Callable, Mapping

import streamlit as st


def segments(
    label: str,
    options: Mapping,
    *,
    key: str,
    now: object,
    change: Callable[[object], None],
    help: str | None = None,
) -> None:
    """A row of choices without a label of its own.

    Args:
        label: for those who do not see the row.
        options: what is shown, by value.
        key: of the control.
        now: the value that the view has.
        change: receives another one before the page runs again.
        help: what stands behind the row's question mark.
    """
    state = st.session_state
    state[key] = now
    st.segmented_control(
        label,
        list(options),
        format_func=options.get,
        key=key,
        required=True,
        on_change=lambda: change(state[key]),
        label_visibility="collapsed",
        width="content",
        help=help,
    )
