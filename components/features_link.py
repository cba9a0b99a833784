"""What the page Features shows as a link holds it: which dictionary, which feature, which part of the page."""

from dataclasses import dataclass, fields
from urllib.parse import parse_qsl, urlencode

LONGEST = 8_000
"""Characters that are read from an address: a prompt of 600 characters takes up to nine for each."""
LONGEST_NAME = 120
MOST_CHOICES = 32
PARTS = ("prompt", "feature", "find", "act", "whole", "get")
"""Ids of the page's parts."""


@dataclass(frozen=True)
class FeaturesView:
    """The choices of the page."""

    dictionary: str = ""
    """Id of an offer of `analysis.dictionaries.shelf`; empty is the one nearest to the middle."""
    feature: int | None = None
    """The feature that is looked into; None is none."""
    part: str = "prompt"
    """One of `PARTS`."""
    query: str = ""
    """What is searched for."""
    changes: tuple[tuple[int, str, float, str], ...] = ()
    """Features that are changed: number, operation (`zero`, `scale`, `clamp`, `add`), value, places as in a recipe."""
    also: tuple[tuple[str, str], ...] = ()
    """Name and value of what a part of the page lets choose besides; whoever reads one checks it."""


FIRST = FeaturesView()


def to_text(view: FeaturesView) -> str:
    """The choices in one query parameter, those that differ from the first ones; empty where none does."""
    said = {
        field.name: getattr(view, field.name)
        for field in fields(view)
        if field.name not in ("changes", "also") and getattr(view, field.name) != getattr(FIRST, field.name)
    }
    if view.changes:
        said["changes"] = "~".join(f"{n}_{what}_{value:g}_{where}" for n, what, value, where in view.changes)
    return urlencode(said | {f"also.{name}": value for name, value in view.also})


def from_text(text: str) -> FeaturesView:
    """The choices a query parameter means; parts that make no sense are the first ones."""
    given = dict(parse_qsl(text[:LONGEST]))
    number = given.get("feature", "")
    return FeaturesView(
        dictionary=given.get("dictionary", "")[:LONGEST_NAME],
        feature=int(number) if number.isdecimal() and len(number) < 8 else None,
        part=given["part"] if given.get("part") in PARTS else FIRST.part,
        query=given.get("query", "")[:LONGEST_NAME],
        also=tuple((name[5:], value) for name, value in given.items() if name.startswith("also."))[
            :MOST_CHOICES
        ],
        changes=tuple(filter(None, map(_change, filter(None, given.get("changes", "").split("~")))))[:16],
    )


def _change(text: str) -> tuple[int, str, float, str] | None:
    number, _, rest = text.partition("_")
    what, _, rest = rest.partition("_")
    value, _, where = rest.partition("_")
    try:
        amount = float(value)
    except ValueError:
        return None
    if not number.isdecimal() or what not in ("zero", "scale", "clamp", "add") or not abs(amount) < 1e9:
        return None
    return int(number), what, amount, where[:60]
