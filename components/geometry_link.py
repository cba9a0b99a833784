"""What the page Geometry shows as a link holds it: which texts, which question, what it is compared with."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl, urlencode

LONGEST = 2_000
"""Characters that are read from an address."""
LONGEST_NAME = 300
"""Characters of a model's name or folder."""
MOST_KNOBS = 12
SHIPPED, PROMPT = "ordinary", "prompt"
"""Ids of texts that are no labelled set and that nobody brought: those that ship, and the prompt."""
MOST_TEXTS = (16, 64, 200, 500)
LENGTHS = (16, 32, 64, 128)
STRIDES = (1, 2, 5)
TOKENS = ("all", "words", "others", "last")
MOST_SHUFFLES = 3
AGAINST = ("prompt", "texts", "model", "recipe")


@dataclass(frozen=True)
class GeometryView:
    """The choices of the page."""

    data: str = SHIPPED
    """The texts: those that ship, the prompt, a labelled set, or what somebody brought."""
    most: int = 64
    """Texts at most."""
    length: int = 64
    """Tokens of each at most."""
    stride: int = 1
    """Every layer is read, every second, every fifth."""
    tokens: str = "all"
    """Which tokens count, one of `analysis.methods.geometry.TOKENS`."""
    outliers: bool = False
    """First tokens and outliers of norm count, too."""
    shuffles: int = 2
    """Draws of shuffled tokens beside the curve."""
    random: bool = True
    """The same architecture with random weights beside it."""
    gaussian: bool = True
    """A Gaussian cloud beside it."""
    against: str = ""
    """What it is compared with, one of `AGAINST`; empty is nothing."""
    other: str = ""
    """Id of the texts, or name of the model, that it is compared with."""
    question: str = ""
    """Id of the question; empty is the first one."""
    open: str = ""
    """Id of the measure that is looked into; empty is none."""
    point: int | None = None
    """Number of a chosen point."""
    tint: str = ""
    """Id of the measure that colours the prompt's tokens; empty leaves it to the page."""
    knobs: tuple[tuple[str, float | str], ...] = ()
    """`measure.knob` and value of all that were turned."""


FIRST = GeometryView()


def to_text(view: GeometryView) -> str:
    """The choices in one query parameter, those that differ from the first ones; empty where none does."""
    said = {
        field.name: getattr(view, field.name)
        for field in fields(view)
        if field.name != "knobs" and getattr(view, field.name) != getattr(FIRST, field.name)
    }
    said |= {f"knob.{name}": _knob_text(value) for name, value in view.knobs}
    return urlencode({name: int(value) if isinstance(value, bool) else value for name, value in said.items()})


def from_text(text: str) -> GeometryView:
    """The choices a query parameter means; parts that make no sense are the first ones.

    What is no set, question or measure is told by whoever looks it up.
    """
    view = FIRST
    for name, value in parse_qsl(text[:LONGEST]):
        if name.startswith("knob.") and len(view.knobs) < MOST_KNOBS:
            view = replace(view, knobs=(*view.knobs, *_knob(name.removeprefix("knob."), value)))
        elif (read := _READ.get(name)) is not None and (found := read(value)) is not None:
            view = replace(view, **{name: found})
    return view


def _knob_text(value: float | str) -> str:
    """A word stands for itself, a number is written so that it is read back as it was."""
    return f"'{value}" if isinstance(value, str) else repr(float(value))


def _knob(name: str, value: str) -> tuple[tuple[str, float | str], ...]:
    measure, _, own = name.partition(".")
    if _name(measure) is None or _name(own) is None:
        return ()
    if value.startswith("'"):
        return ((name, value[1:]),) if _word(value[1:]) else ()
    try:
        number = float(value)
    except ValueError:
        return ()
    return ((name, number),) if abs(number) <= 1e9 else ()


def _name(value: str) -> str | None:
    return value if value.isascii() and value.isidentifier() and len(value) < 40 else None


def _word(value: str) -> bool:
    return len(value) < 40 and value.replace("-", "_").isidentifier()


def _flag(value: str) -> bool | None:
    return {"0": False, "1": True}.get(value)


def _whole(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _one_of(*known: object) -> Callable[[str], object | None]:
    by_text = {str(each): each for each in known}
    return by_text.get


_READ = {
    "data": _name,
    "most": _one_of(*MOST_TEXTS),
    "length": _one_of(*LENGTHS),
    "stride": _one_of(*STRIDES),
    "tokens": _one_of(*TOKENS),
    "outliers": _flag,
    "shuffles": _one_of(*range(MOST_SHUFFLES + 1)),
    "random": _flag,
    "gaussian": _flag,
    "against": _one_of(*AGAINST),
    "other": lambda value: value[:LONGEST_NAME],
    "question": _name,
    "open": _name,
    "point": _whole,
    "tint": _name,
}
