"""The colours of a grid: one table for the browser, the SVG picture and the exported page.

Every stop is a pair (fill, ink), and the ink is readable on its fill: contrast 4.5 or more
(WCAG 2, AA). Light and dark are two designs, not one inverted.
"""

from functools import cache

STOPS = 33  # odd, so that a diverging ramp has a middle
READABLE = 4.5
MODES = ("light", "dark")

_DARK_INK = "#0a1822"
_INKS = {"light": (_DARK_INK, "#ffffff"), "dark": (_DARK_INK, "#f0f6fa")}

# From "nothing" to "everything", as deep water: pale to ink on paper, night to glow on a screen.
# The diverging pair is blue and orange, which the common colour blindnesses keep apart.
_ANCHORS = {
    ("sequential", "light"): ("#f3f7f9", "#d3e8ec", "#93cad3", "#3f97b0", "#145d83", "#0a3155"),
    ("sequential", "dark"): ("#152030", "#15374b", "#135669", "#1c8289", "#55b3a1", "#aee6cd"),
    ("diverging", "light"): ("#17528c", "#6aa5d4", "#f3f5f7", "#efab66", "#a9510a"),
    ("diverging", "dark"): ("#93c9f7", "#2d6fa9", "#1a2332", "#a35b1a", "#f7bb80"),
    ("binary", "light"): ("#eef2f5", "#bcdfe4"),
    ("binary", "dark"): ("#182333", "#15596b"),
}
KINDS = ("sequential", "diverging", "binary")


@cache
def ramp(kind: str, mode: str) -> tuple[tuple[str, str], ...]:
    """The stops of one ramp from low to high, each a pair (fill, ink) of `#rrggbb`."""
    anchors = [_to_oklab(color) for color in _ANCHORS[kind, mode]]
    count = len(anchors) if kind == "binary" else STOPS
    return tuple(_with_ink(_between(anchors, index / (count - 1)), _INKS[mode]) for index in range(count))


def contrast(one: str, other: str) -> float:
    """The WCAG contrast ratio of two colours, 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _with_ink(color: tuple[float, ...], inks: tuple[str, str]) -> tuple[str, str]:
    """The colour with the better ink. A grey too middling for either moves to where one reads."""
    lightness, a, b = color
    for step in range(200):
        shift = (-1) ** step * ((step + 1) // 2) * 0.004  # 0, then ever further to both sides
        fill = _to_hex((lightness + shift, a, b))
        ink = max(inks, key=lambda candidate: contrast(fill, candidate))
        if contrast(fill, ink) >= READABLE:
            return fill, ink
    raise AssertionError(f"No lightness makes text readable on {color}.")


def _between(anchors: list[tuple[float, ...]], t: float) -> tuple[float, ...]:
    """Straight lines through the anchors, `t` from 0 to 1."""
    place = t * (len(anchors) - 1)
    left = min(int(place), len(anchors) - 2)
    share = place - left
    return tuple(a + share * (b - a) for a, b in zip(anchors[left], anchors[left + 1], strict=True))


# OKLab (Björn Ottosson, 2020): equal steps look equal, so the middle of a ramp is not muddy.


def _to_oklab(color: str) -> tuple[float, ...]:
    red, green, blue = _linear(color)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    medium = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    return (
        0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short,
        1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short,
        0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short,
    )


def _to_hex(color: tuple[float, ...]) -> str:
    lightness, a, b = color
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return "#" + "".join(
        f"{round(255 * _encoded(channel)):02x}"
        for channel in (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )
    )


def _linear(color: str) -> tuple[float, ...]:
    """`#rrggbb` as linear light, 0 to 1."""
    channels = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)


def _encoded(channel: float) -> float:
    channel = min(max(channel, 0.0), 1.0)
    return 12.92 * channel if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055


def _luminance(color: str) -> float:
    red, green, blue = _linear(color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
