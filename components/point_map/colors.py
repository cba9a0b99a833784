"""What the points of a map wear: one table for the browser and for the SVG picture.

A category is never told by its colour alone: the first six differ in shape too, and no two of the twelve wear
the same pair.
"""

from components.kinds import EDITED, NULL
from components.ramps import ramp

SHAPES = ("circle", "square", "triangle", "diamond", "plus", "cross")

# The theme's categorical colours in an order in which neighbours differ most.
_CATEGORIES = {
    "light": ("#0b6b78", "#b9500a", "#5b4b9e", "#8a6d00", "#a83a73", "#2f7fb8", "#4b7a2b", "#7a4a35"),
    "dark": ("#3fb3c0", "#f28e3c", "#a99be6", "#e6c229", "#e58fbd", "#7ab8f5", "#93c572", "#d2a08a"),
}
_OTHER = {"light": "#8b979d", "dark": "#66757e"}
_ACCENT = {"light": "#c2185b", "dark": "#ff7aa8"}
_MIDDLE = {"light": "#b3bcc2", "dark": "#56646d"}

# A mark must be seen on the page, where a cell may fade into it: pale ends are cut off.
_PALE_STOPS = {"light": 11, "dark": 11}


def shape(code: int) -> str:
    """The shape of a category."""
    return SHAPES[code % len(SHAPES)]


def category_color(code: int, mode: str) -> str:
    """The colour of a category; negative for the grey of all others."""
    colors = _CATEGORIES[mode]
    return colors[code % len(colors)] if code >= 0 else _OTHER[mode]


def stops(diverging: bool, mode: str) -> list[str]:
    """The colours of a scale from its low to its high end, equally spaced."""
    if not diverging:
        return [fill for fill, _ in ramp("sequential", mode)][_PALE_STOPS[mode] :]
    fills = [fill for fill, _ in ramp("diverging", mode)]
    half = len(fills) // 2
    return [
        mixed(fill, _MIDDLE[mode], max(0.0, 1 - abs(place - half) / (0.6 * half)))
        for place, fill in enumerate(fills)
    ]


def palette(diverging: bool | None, mode: str) -> dict[str, object]:
    """All colours of one mode as the browser reads them; `diverging` is None for categories."""
    return {
        "stops": [] if diverging is None else stops(diverging, mode),
        "categories": _CATEGORIES[mode],
        "other": _OTHER[mode],
        "edited": EDITED.color(mode),
        "null": NULL.color(mode),
        "extra": _ACCENT[mode],
    }


def extra_color(mode: str) -> str:
    """The colour of points added out of sample."""
    return _ACCENT[mode]


def at(colors: list[str], share: float) -> str:
    """The colour of a scale at `share`, 0 to 1."""
    place = min(max(share, 0.0), 1.0) * (len(colors) - 1)
    left = min(int(place), len(colors) - 2)
    return mixed(colors[left], colors[left + 1], place - left)


def mixed(one: str, other: str, share: float) -> str:
    """`one` with a share of the other, 0 to 1."""
    pairs = ((int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in pairs)
