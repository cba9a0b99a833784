"""Curves over the layers as small multiples in SVG: one panel per measure, on the light page.

Colours are attributes, so that the picture is the same as a file of its own and inside a page that allows no styles.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.methods.geometry import Measured
from components.figures.page import text
from components.kinds import KINDS, Kind, KindName

Shown = tuple[str, KindName, Measured]
"""Name of a subject, its kind, and one measure of it."""

WIDTH, HEIGHT = 300, 190
"""Of a panel."""
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 34, 26
INK, QUIET, RULE, PAGE = "#15212e", "#56616c", "#d9dfe4", "#ffffff"
FONT = 'font-family="system-ui, Segoe UI, Helvetica Neue, Arial, sans-serif"'
NULL_DASHES = ("8 4", "2 3", "12 3 2 3")
FAR = 0.75
"""Of the curves' span: a level farther away than that is told at the edge."""
Place = Callable[[float], float]


@dataclass(frozen=True, eq=False)
class Line:
    """One subject in a panel; `others` are more runs of the same, drawn as a band."""

    name: str
    kind: KindName
    measured: Measured
    others: tuple[Measured, ...] = ()
    is_band: bool = False
    """True where the same subject has several runs in some panel, be it another one."""

    @property
    def is_constant(self) -> bool:
        """True for a cloud whose layers are all alike: a standard normal one has two."""
        return self.kind == "null" and len(self.measured.layers) <= 2

    @property
    def width(self) -> float:
        """Of the line: the model's own stands out from its controls."""
        return max(2.2, self.style.width) if self.kind != "null" else self.style.width

    @property
    def style(self) -> Kind:
        """What it wears."""
        return KINDS[self.kind]


def lines_of(shown: Sequence[Shown]) -> dict[str, tuple[Line, ...]]:
    """The lines of every measure, by its id: nulls whose names differ by their number only are one band."""
    grouped: dict[str, dict[tuple[str, str], list[Measured]]] = {}
    for name, kind, measured in shown:
        of = re.sub(r"[\s,]*(draw)?[\s,]*\d+$", "", name) if kind == "null" else name
        grouped.setdefault(measured.measure.id, {}).setdefault((of or name, kind), []).append(measured)
    bands = {who for subjects in grouped.values() for who, runs in subjects.items() if len(runs) > 1}
    return {
        id: tuple(Line(*who, first, tuple(rest), who in bands) for who, (first, *rest) in subjects.items())
        for id, subjects in grouped.items()
    }


def curves_svg(shown: Sequence[Shown], *, columns: int = 3, note: str = "") -> str:
    """A standalone picture: a key and one panel per measure.

    Args:
        shown: what is drawn.
        columns: panels beside each other.
        note: a line beneath, such as where the numbers come from.
    """
    panels = lines_of(shown)
    columns = max(1, min(columns, len(panels)))
    dashes = dashes_of(panels)
    key, below = _key(panels, dashes, columns * WIDTH)
    rows = math.ceil(len(panels) / columns)
    width, height = columns * WIDTH, below + rows * HEIGHT + (22 if note else 4)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{text(in_words(panels))}" {FONT}>',
        f'<rect width="{width}" height="{height}" fill="{PAGE}"/>',
        key,
    ]
    for number, lines in enumerate(panels.values()):
        x, y = number % columns * WIDTH, below + number // columns * HEIGHT
        parts.append(f'<g transform="translate({x} {y})">{"".join(_panel(lines, dashes))}</g>')
    if note:
        parts.append(_text(8, height - 7, note, size=10))
    return "".join([*parts, "</svg>"])


def in_words(panels: Mapping[str, Sequence[Line]]) -> str:
    """The picture as a text alternative."""
    names = dict.fromkeys(line.name for lines in panels.values() for line in lines)
    titles = [lines[0].measured.measure.title for lines in panels.values()]
    return f"{', '.join(titles)} by layer, of {', '.join(names)}."


def dashes_of(panels: Mapping[str, Sequence[Line]]) -> dict[str, str]:
    """The dashes of every subject by its name: nulls differ by them, as they share a colour."""
    lines = [line for each in panels.values() for line in each]
    nulls = list(dict.fromkeys(line.name for line in lines if line.kind == "null" and not line.is_band))
    found = {name: NULL_DASHES[number % len(NULL_DASHES)] for number, name in enumerate(nulls)}
    drawn = {"solid": "none", "dash": "8 4", "dot": "2 4"}
    return {line.name: drawn[line.style.dash] for line in lines} | found


def _panel(lines: Sequence[Line], dashes: Mapping[str, str]) -> Iterator[str]:
    measure = lines[0].measured.measure
    yield _text(LEFT, 14, measure.title, size=12, fill=INK, weight=600)
    yield _text(LEFT, 27, measure.unit, size=10)
    shared = _depths(lines)
    place = _places(lines, shared)
    if place is None:
        yield _text(LEFT, HEIGHT / 2, "no value", size=11)
        return
    x, y, across, up = place
    yield from _axes(x, y, across, up, shared)
    for line in sorted(lines, key=lambda line: ("null", "asked", "base", "edited").index(line.kind)):
        yield from _drawn(line, x, y, across, shared, dashes[line.name])


def _depths(lines: Sequence[Line]) -> bool:
    """True if models of different depths are drawn: then a layer is a share of the depth."""
    return len({max(line.measured.layers) for line in lines if not line.is_constant}) > 1


def level_of(line: Line) -> float:
    """The one value of a cloud whose layers are alike; NaN for a curve."""
    known = line.measured.values[np.isfinite(line.measured.values)]
    return float(known.mean()) if line.is_constant and len(known) else float("nan")


def _is_near(level: float, values: np.ndarray) -> bool:
    """False where it lies so far from the curves that it would flatten them."""
    if not np.isfinite(level) or not len(values):
        return False
    span = np.ptp(values) or 0.1 * abs(values[0])
    return values.min() - FAR * span <= level <= values.max() + FAR * span


def _at(measured: Measured, shared: bool) -> np.ndarray:
    layers = np.array(measured.layers, float)
    return layers / max(1.0, layers[-1]) if shared else layers


def _places(lines: Sequence[Line], shared: bool) -> tuple[Place, Place, list[float], list[float]] | None:
    """Where a layer and a value lie, and the marks of both axes; None where there is no value."""
    own = [line for line in lines if not line.is_constant]
    every = np.concatenate([each.values for line in own for each in (line.measured, *line.others)] or [[]])
    every = every[np.isfinite(every)].astype(float)
    every = np.append(every, [level for level in map(level_of, lines) if _is_near(level, every)])
    reach = [_at(line.measured, shared) for line in lines if not line.is_constant]
    if not every.size or not reach:
        return None
    first, last = min(each[0] for each in reach), max(each[-1] for each in reach)
    up = ticks(every.min(), every.max())
    low, high = min(up[0], every.min()), max(up[-1], every.max())
    across = [0, 0.25, 0.5, 0.75, 1] if shared else [each for each in ticks(first, last, 5) if each % 1 == 0]

    def x(layer: float) -> float:
        return LEFT + (layer - first) / max(1e-9, last - first) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    return x, y, [each for each in across if first <= each <= last], up


def ticks(low: float, high: float, about: int = 3) -> list[float]:
    """Round numbers that span an interval, its ends within a step of them."""
    if not high > low:
        low, high = low - 0.5 * max(1.0, abs(low)), high + 0.5 * max(1.0, abs(high))
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough * 0.999)
    start = math.floor(low / step + 1e-9)
    end = math.ceil(high / step - 1e-9)
    return [round(each * step, 12) for each in range(start, end + 1)]


def _axes(x: Place, y: Place, across: Sequence[float], up: Sequence[float], shared: bool) -> Iterator[str]:
    for value in up:
        yield f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="{RULE}"/>'
        yield _text(LEFT - 5, y(value) + 3.5, f"{value:g}", size=10, anchor="end")
    for layer in across:
        yield _text(x(layer), HEIGHT - BOTTOM + 13, f"{layer:.0%}" if shared else f"{layer:g}", 10, "middle")
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield _text(middle, HEIGHT - 3, "share of the depth" if shared else "layer", size=9, anchor="middle")


def _drawn(line: Line, x: Place, y: Place, across: Sequence[float], shared: bool, dash: str) -> Iterator[str]:
    color, width = line.style.light, line.width
    if line.is_constant:
        yield _level(line, y, dash)
        return
    if line.is_band:
        yield from _band(line, x, y, shared, color)
        return
    at, values = _at(line.measured, shared), line.measured.values
    for run in runs(values):
        points = " ".join(f"{x(at[i]):.1f},{y(float(values[i])):.1f}" for i in run)
        yield f'<polyline points="{points}" fill="none" {_stroke(color, width, dash)}/>'
        if line.kind != "null":
            yield "".join(_mark(line.kind, x(at[i]), y(float(values[i])), color) for i in run)


def _level(line: Line, y: Place, dash: str) -> str:
    """A line across, or a number at the edge where the line would lie far outside."""
    level = level_of(line)
    if not np.isfinite(level):
        return ""
    at = y(level)
    if TOP - 1 <= at <= HEIGHT - BOTTOM + 1:
        return f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" {_stroke(line.style.light, line.width, dash)}/>'
    edge = TOP + 9 if at < TOP else HEIGHT - BOTTOM - 4
    arrow = "\u2191" if at < TOP else "\u2193"
    return _text(WIDTH - RIGHT - 2, edge, f"{line.name} {level:.3g} {arrow}", size=9, anchor="end")


def runs(values: np.ndarray) -> list[np.ndarray]:
    """Numbers of neighbouring layers that have a value: a curve breaks where there is none."""
    there = np.flatnonzero(np.isfinite(values))
    return [each for each in np.split(there, np.flatnonzero(np.diff(there) > 1) + 1) if len(each)]


def _band(line: Line, x: Place, y: Place, shared: bool, color: str) -> Iterator[str]:
    every = np.stack([each.values for each in (line.measured, *line.others)])
    low, high = np.fmin.reduce(every), np.fmax.reduce(every)
    at = _at(line.measured, shared)
    for run in runs(low):
        edge = [(at[i], high[i]) for i in run] + [(at[i], low[i]) for i in run[::-1]]
        points = " ".join(f"{x(a):.1f},{y(float(b)):.1f}" for a, b in edge)
        # the outline keeps a band of no width in sight
        yield f'<polygon points="{points}" fill="{color}" fill-opacity="0.35" stroke="{color}" stroke-width="1"/>'


def _mark(kind: str, x: float, y: float, color: str) -> str:
    if kind == "edited":
        return f'<path d="M{x:.1f} {y - 3:.1f}l3 3l-3 3l-3 -3z" fill="{color}"/>'
    if kind == "asked":
        return f'<rect x="{x - 2:.1f}" y="{y - 2:.1f}" width="4" height="4" fill="{color}"/>'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.8" fill="{color}"/>'


def _stroke(color: str, width: float, dash: str) -> str:
    dashed = "" if dash == "none" else f' stroke-dasharray="{dash}"'
    return f'stroke="{color}" stroke-width="{width}"{dashed}'


def _key(panels: Mapping[str, Sequence[Line]], dashes: Mapping[str, str], width: float) -> tuple[str, int]:
    """What the lines are, in as many rows as they need; and where the panels begin."""
    parts, x, y = [], 10.0, 16
    for line in {line.name: line for lines in panels.values() for line in lines}.values():
        needed = 44 + 6.4 * len(line.name)
        if x + needed > width and x > 10:
            x, y = 10.0, y + 18
        color = line.style.light
        if line.is_band:
            parts.append(
                f'<rect x="{x}" y="{y - 8}" width="24" height="9" fill="{color}" fill-opacity="0.35" stroke="{color}"/>'
            )
        else:
            stroke = _stroke(color, line.width, dashes[line.name])
            parts.append(f'<path d="M{x} {y - 4}h24" {stroke}/>')
            parts.append("" if line.kind == "null" else _mark(line.kind, x + 12, y - 4, color))
        parts.append(_text(x + 30, y, line.name, size=11))
        x += needed
    return "".join(parts), y + 12


def _text(
    x: float,
    y: float,
    words: str,
    size: int = 11,
    anchor: str = "start",
    fill: str = QUIET,
    weight: int = 400,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="{fill}">{text(words)}</text>'
    )
