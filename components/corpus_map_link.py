"""A map of many texts as a link holds it: which texts, what a point is, how they are laid out, what colours them."""

from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl, urlencode

from components.probe_link import BROUGHT

LONGEST = 2_000
"""Characters that are read from an address."""
LONGEST_WORD = 200
MOST_KNOBS = 8
SCALES = ("unit", "raw")
STRIDES = (1, 2, 5)
TWINS = ("gaussian", "dealt")


@dataclass(frozen=True)
class CorpusMapView:
    """The choices of the page of many texts."""

    data: str = "senses"
    """A shipped set, or what somebody brought (`own`, `written`)."""
    spot: str = "span"
    """What a point is: a place of `analysis.captures.SPOTS`, or `word`."""
    word: str = ""
    """The words whose occurrences are points."""
    stride: int = 1
    """Every layer is read, every second, every fifth."""
    projection: str = "pca"
    knobs: tuple[tuple[str, float], ...] = ()
    """The projection's parameters that differ from its own first ones."""
    axes: int = 2
    scale: str = "unit"
    seed: int = 0
    color: str = ""
    """What colours the points; empty leaves it to the page."""
    point: int | None = None
    """The chosen point: an example's number, counted from 0."""
    prompt: bool = False
    """True puts the prompt on the map."""
    first: bool = False
    """True draws first tokens and norm outliers as well."""
    twin: str = ""
    """A random twin in the texts' place, one of `TWINS`; empty is the texts."""
    asked: bool = False
    """True once it was to be drawn: a link then reads the texts, where it carries them."""


FIRST = CorpusMapView()


def to_text(view: CorpusMapView) -> str:
    """The choices in one query parameter, those that differ from the first ones; empty where none does."""
    said = {
        field.name: getattr(view, field.name)
        for field in fields(view)
        if field.name != "knobs" and getattr(view, field.name) != getattr(FIRST, field.name)
    }
    said |= {f"knob.{name}": repr(value) for name, value in view.knobs}
    return urlencode({name: int(value) if isinstance(value, bool) else value for name, value in said.items()})


def from_text(text: str) -> CorpusMapView:
    """The choices a query parameter means; parts that make no sense are the first ones.

    What is no set, place, projection or column is told by whoever looks it up: they change with what is brought.
    """
    view = FIRST
    for name, value in parse_qsl(text[:LONGEST]):
        if name.startswith("knob.") and len(view.knobs) < MOST_KNOBS:
            view = replace(view, knobs=(*view.knobs, *_knob(name.removeprefix("knob."), value)))
        elif (read := _READ.get(name)) is not None and (found := read(value)) is not None:
            view = replace(view, **{name: found})
    return replace(
        view, asked=view.asked and view.data not in BROUGHT
    )  # a link cannot carry what was brought


def _knob(name: str, value: str) -> tuple[tuple[str, float], ...]:
    try:
        number = float(value)
    except ValueError:
        return ()
    return ((name, number),) if _name(name) and abs(number) < 1e6 else ()


def _name(value: str) -> str | None:
    return value if value.isidentifier() and len(value) < 40 else None


def _flag(value: str) -> bool | None:
    return {"0": False, "1": True}.get(value)


def _whole(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


_READ = {
    "data": _name,
    "spot": _name,
    "word": lambda value: value[:LONGEST_WORD],
    "stride": lambda value: int(value) if value in map(str, STRIDES) else None,
    "projection": _name,
    "axes": lambda value: int(value) if value in ("2", "3") else None,
    "scale": lambda value: value if value in SCALES else None,
    "seed": _whole,
    "color": lambda value: value[:LONGEST_WORD],
    "point": _whole,
    "prompt": _flag,
    "first": _flag,
    "twin": lambda value: value if value in TWINS else None,
    "asked": _flag,
}
