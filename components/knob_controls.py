"""Controls for what can be turned: a slider, a switch or a list for every knob, each with its plain sentence."""

from collections.abc import Callable, Sequence

import streamlit as st

from analysis.knobs import Knob, knobs

Turned = tuple[tuple[str, float | str], ...]
"""Names and values of the knobs that differ from their defaults, by name."""


def params_of(kind: type, turned: Sequence[tuple[str, float | str]]) -> object:
    """The parameters with these knobs turned; what it does not have, or is out of range, stays as it is.

    Args:
        kind: a frozen dataclass of `analysis.knobs`.
        turned: names and values, such as a link holds them.
    """
    known = dict(turned)
    found = ((each.name, _fitting(each, known.get(each.name))) for each in knobs(kind))
    return kind(**{name: value for name, value in found if value is not None})


def turned_of(params: object) -> Turned:
    """Those of the knobs that differ from their defaults, as a link holds them."""
    pairs = ((each, getattr(params, each.name)) for each in knobs(params))
    return tuple(
        sorted(
            (each.name, value if each.options else float(value))
            for each, value in pairs
            if value != each.default
        )
    )


def draw_knob(each: Knob, now: bool | int | float | str, key: str, turn: Callable[[object], None]) -> None:
    """One control.

    Args:
        each: what is turned.
        now: where it stands.
        key: of the control.
        turn: receives another value before the script runs again.
    """
    state = st.session_state
    state[key] = now
    told = {"key": key, "help": each.explains, "on_change": lambda: turn(state[key])}
    if each.options:
        st.selectbox(each.title, list(each.options), format_func=each.options.get, **told)
    elif isinstance(each.default, bool):
        st.toggle(each.title, **told)
    elif each.logarithmic:
        st.select_slider(each.title, _by_factors(each, now), format_func="{:g}".format, **told)
    else:
        kind = type(each.default)
        st.slider(each.title, kind(each.low), kind(each.high), step=kind(each.step), **told)


def _fitting(each: Knob, value: float | str | None) -> bool | int | float | str | None:
    """The value as the knob holds it; None where it has no such value."""
    if each.options:
        return value if value in each.options else None
    if not isinstance(value, (int, float)) or not each.low <= value <= each.high:
        return None
    return type(each.default)(value)


def _by_factors(each: Knob, now: float) -> list[float]:
    """1, 2 and 5 times the powers of ten within the range, and the value at hand."""
    kind = type(each.default)
    steps = {m * 10.0**power for power in range(-6, 5) for m in (1, 2, 5)}
    within = {kind(round(step, 9)) for step in steps if each.low <= step <= each.high}
    return sorted(within | {now})
