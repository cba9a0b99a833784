"""What can be turned: a default, a range or a list, and a plain sentence for every parameter."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from analysis.errors import AnalysisError


@dataclass(frozen=True)
class Knob:
    """One parameter, as it is offered and as it is checked."""

    name: str
    title: str
    explains: str
    """One sentence: what turning it does."""
    default: bool | int | float | str
    low: float = 0
    high: float = 0
    step: float = 0
    logarithmic: bool = False
    """True if what matters is by what factor it changes."""
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Of a choice, what can be chosen and how it is called; empty for numbers and switches."""


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


def choice(options: Mapping[str, str], title: str, explains: str) -> Any:
    """A field that is one of several words, by default the first."""
    told = {"title": title, "explains": explains, "options": MappingProxyType(dict(options))}
    return field(default=next(iter(options)), metadata=told)


def knobs(params: object) -> tuple[Knob, ...]:
    """All knobs, from a class of parameters or from a value of it."""
    return tuple(Knob(each.name, default=each.default, **each.metadata) for each in fields(params))


def require_in_range(params: object) -> None:
    """Refuse parameters outside of their range; what comes from a link or a notebook was never seen by a control.

    Raises:
        AnalysisError: one is; its name and range are said.
    """
    for each in knobs(params):
        value = getattr(params, each.name)
        if each.options:
            _require_option(each, value)
            continue
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
    return tuple((each.title.lower(), _shown(each, getattr(params, each.name))) for each in knobs(params))


def _require_option(each: Knob, value: object) -> None:
    if value not in each.options:
        raise AnalysisError(f"{each.title} is one of {', '.join(each.options)}; given {value!r}.")


def _shown(each: Knob, value: bool | int | float | str) -> str:
    if each.options:
        return each.options[value]
    return ("no", "yes")[value] if isinstance(value, bool) else f"{value:g}"
