"""The map of a text as a link holds it: its axes, its scale, what is drawn beside it, and what colours it."""

from dataclasses import dataclass, fields, replace
from urllib.parse import parse_qsl, urlencode

from analysis.maps.basis import BASES
from analysis.maps.scaling import SCALES
from components.recipe_link import ERASED, REFERENCE
from components.tints import MEASURE

LONGEST = 1_000
"""Characters that are read from an address."""
TWINS = ("gaussian", "shuffled")
COLORS = ("position", "token", "norm", "moved", "distortion", "surprise", "edit")


@dataclass(frozen=True)
class PromptMapView:
    """The choices of the page of one text."""

    basis: str = "pooled"
    """One of `analysis.maps.basis.BASES`."""
    scale: str = "unit"
    axes: int = 2
    """Two or three; of concepts there are as many as are chosen."""
    concepts: tuple[str, ...] = ()
    """References of the directions that are axes, as recipes name them."""
    edited: bool = True
    """Draw the run under the recipe, where there is one."""
    first: bool = False
    """Draw the first token and outliers of norm."""
    twin: str = ""
    """A random twin in the text's place; empty is the text."""
    seed: int = 0
    """Of the twin and of the recipe's random controls."""
    color: str = "position"
    """What colours the points: one of `COLORS`, or `MEASURE` and the id of a measure."""


FIRST = PromptMapView()


def to_text(view: PromptMapView) -> str:
    """The choices in one query parameter, those that differ from the first ones; empty where none does."""
    said = {field.name: getattr(view, field.name) for field in fields(view)}
    said = {name: value for name, value in said.items() if value != getattr(FIRST, name)}
    return urlencode({name: _written(value) for name, value in said.items()})


def from_text(text: str) -> PromptMapView:
    """The choices a query parameter means; parts that make no sense are the first ones."""
    view = FIRST
    for name, value in parse_qsl(text[:LONGEST]):
        if name in _READ and (found := _READ[name](value)) is not None:
            view = replace(view, **{name: found})
    return view


def _written(value: object) -> object:
    if isinstance(value, tuple):
        return " ".join(value)
    return int(value) if isinstance(value, bool) else value


def _one_of(known):
    return lambda value: value if value in known else None


def _color(value: str) -> str | None:
    """Which measures there are is told by whoever looks one up."""
    id = value.removeprefix(MEASURE)
    return value if value in COLORS or (id != value and id.isidentifier() and len(id) < 40) else None


def _flag(value: str) -> bool | None:
    return {"0": False, "1": True}.get(value)


def _seed(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _concepts(value: str) -> tuple[str, ...] | None:
    """Directions, each once and at most three; all or none."""
    found = tuple(dict.fromkeys(value.split()))
    known = all(REFERENCE.fullmatch(each) and not each.startswith(ERASED) for each in found)
    return found if known and len(found) <= 3 else None


_READ = {
    "basis": _one_of(tuple(BASES)),
    "scale": _one_of(tuple(SCALES)),
    "axes": lambda value: int(value) if value in ("2", "3") else None,
    "concepts": _concepts,
    "edited": _flag,
    "first": _flag,
    "twin": _one_of(TWINS),
    "seed": _seed,
    "color": _color,
}
