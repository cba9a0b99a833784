"""What can be turned on a projection: a default, a range and a plain sentence for every parameter."""

from dataclasses import dataclass, field, fields
from typing import Any

from analysis.errors import AnalysisError


@dataclass(frozen=True)
class Knob:
    """One parameter, as it is offered and as it is checked."""

    name: str
    title: str
    explains: str
    """One sentence: what turning it does to the picture."""
    default: bool | int | float
    low: float
    high: float
    step: float
    logarithmic: bool = False
    """True if what matters is by what factor it changes."""


def knob(
    default: bool | int | float,
    low: float,
    high: float,
    step: float,
    title: str,
    explains: str,
    logarithmic: bool = False,
) -> Any:
    """A field of a dataclass of knobs."""
    told = {"title": title, "explains": explains, "low": low, "high": high, "step": step}
    return field(default=default, metadata=told | {"logarithmic": logarithmic})


def switch(default: bool, title: str, explains: str) -> Any:
    """A field that is on or off."""
    return knob(default, 0, 1, 1, title, explains)


def knobs(params: object) -> tuple[Knob, ...]:
    """The knobs of a projection, from its class of parameters or from a value of it."""
    return tuple(Knob(each.name, default=each.default, **each.metadata) for each in fields(params))


def require_in_range(params: object) -> None:
    """Refuse parameters outside of their range; what comes from a link or a notebook was never seen by a control.

    Raises:
        AnalysisError: one is; its name and range are said.
    """
    for each in knobs(params):
        value = getattr(params, each.name)
        if type(value) is int and type(each.default) is float:
            value = float(value)
        if type(value) is not type(each.default) or not each.low <= value <= each.high:
            raise AnalysisError(
                f"{each.title} runs from {each.low:g} to {each.high:g}; given {value!r}."
                if type(each.default) is not bool
                else f"“{each.title}” is on or off; given {value!r}."
            )


def said(params: object) -> tuple[tuple[str, str], ...]:
    """Title and value of every knob, for provenance."""
    return tuple((each.title.lower(), _shown(getattr(params, each.name))) for each in knobs(params))


def _shown(value: bool | int | float) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else f"{value:g}"
