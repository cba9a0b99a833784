"""What is erased, as a link holds it: the eraser, the layers and how; the concept is the one that is probed."""

import re
from dataclasses import dataclass

from analysis.erasers import ERASERS

MOST_RANK, MOST_ITERATIONS = 64, 5_000


@dataclass(frozen=True)
class EraseView:
    """The choices of the erase page."""

    method: str = "leace"
    layers: tuple[int, int] | None = None
    """First and last erased layer; None is the middle of the model."""
    sequence: bool = False
    rank: int | None = None
    """None leaves it to the method."""
    iterations: int | None = None
    asked: bool = False
    """True once it was to be fitted: then a link that is opened fits it."""


def to_text(view: EraseView) -> str:
    """The choices in one query parameter; empty where they are the first ones."""
    if view == EraseView():
        return ""
    layers = "-" if view.layers is None else f"{view.layers[0]}-{view.layers[1]}"
    rest = ("-" if number is None else str(number) for number in (view.rank, view.iterations))
    return "*".join([view.method, layers, str(int(view.sequence)), *rest, str(int(view.asked))])


def from_text(text: str) -> EraseView:
    """The choices a query parameter means, or the first ones."""
    found = re.fullmatch(
        r"([a-z]{1,20})\*(?:-|(\d{1,3})-(\d{1,3}))\*([01])\*(?:-|(\d{1,4}))\*(?:-|(\d{1,4}))\*([01])", text
    )
    if found is None or found[1] not in ERASERS:
        return EraseView()
    first, last, rank, iterations = (
        None if number is None else int(number) for number in found.group(2, 3, 5, 6)
    )
    layers = None if first is None or last is None or first > last else (first, last)
    return EraseView(
        found[1],
        layers,
        found[4] == "1",
        rank if rank and rank <= MOST_RANK else None,
        iterations if iterations and iterations <= MOST_ITERATIONS else None,
        found[7] == "1",
    )
