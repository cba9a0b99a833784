"""The four kinds of continuation, and what each wears wherever it is shown, in a text or in a chart.

A kind is never told by its colour alone: glyph, marker and line differ too.
"""

from dataclasses import dataclass
from typing import Literal

KindName = Literal["base", "edited", "null", "asked"]


@dataclass(frozen=True)
class Kind:
    label: str
    light: str
    """The colour on the light page; at least 3 to 1 on page and panel, so for marks and lines, not for text."""
    dark: str
    glyph: str
    symbol: str
    """Plotly's marker of the glyph's shape."""
    dash: str
    """Plotly's name of the line style."""
    width: float
    """Of a line in a chart, in pixels."""

    def color(self, mode: str) -> str:
        """The colour in "light" or in "dark"."""
        return self.dark if mode == "dark" else self.light


# The theme's categorical colours, but for the null: a grey that stays behind the three it is compared with.
BASE = Kind("base", "#5a646a", "#a3b3ba", "●", "circle", "solid", 1.5)
EDITED = Kind("edited", "#b9500a", "#f28e3c", "◆", "diamond", "solid", 3)
NULL = Kind("random control", "#7d8a91", "#7b8a92", "△", "triangle-up-open", "dash", 1.5)
ASKED = Kind("asked", "#5b4b9e", "#a99be6", "■", "square", "dot", 2)

KINDS: dict[KindName, Kind] = {"base": BASE, "edited": EDITED, "null": NULL, "asked": ASKED}
