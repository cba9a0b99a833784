"""Controls of the page Features whose value travels in the link."""

from collections.abc import Callable, Iterable

import streamlit as st

from components.features.choices import choose, chosen


def in_link(
    name: str, usual: object, read: Callable[[str], object | None], shown: str = ""
) -> dict[str, object]:
    """The arguments that make a control show what the link says, and write there what is chosen.

    Args:
        name: of the choice in the link.
        usual: value where the link says nothing, or what makes no sense; it takes no room there.
        read: the value that a text means; None where it means none.
        shown: key of the control; empty is the choice's name.
    """
    state, key = st.session_state, shown or name
    said = read(chosen(name, ""))
    state[key] = usual if said is None else said
    return {
        "key": key,
        "on_change": lambda: choose(name, None if state[key] == usual else str(state[key])),
    }


def among(options: Iterable[object]) -> Callable[[str], object | None]:
    """Reads one of these."""
    return {str(option): option for option in options}.get


def within(
    lowest: float, highest: float, kind: type = int, step: float | None = None
) -> Callable[[str], float | None]:
    """Reads a number of a range; one between two steps is the nearer step."""

    def read(text: str) -> float | None:
        try:
            number = kind(text)
        except ValueError:
            return None
        if not lowest <= number <= highest:
            return None
        return number if step is None else kind(round(round(number / step) * step, 9))

    return read


def draw_number(
    label: str,
    name: str,
    usual: float,
    lowest: float,
    highest: float,
    *,
    step: float | None = None,
    help: str | None = None,
) -> float:
    """A number to type, or to slide where it goes in steps; as `usual` it is whole or not.

    Args:
        label: what it is.
        name: of the choice in the link.
        usual: where it stands before anybody chooses.
        lowest: the least.
        highest: the most.
        step: of a slider; None is a field to type in.
        help: what stands behind the question mark.
    """
    asked = in_link(name, usual, within(lowest, highest, type(usual), step))
    if step is None:
        return st.number_input(label, lowest, highest, help=help, **asked)
    return st.slider(label, lowest, highest, step=step, help=help, **asked)
