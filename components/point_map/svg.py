"""A map at one layer as a standalone SVG picture, in the colours of the page or of the night."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np

from components.figures.grid_svg import PAPERS, Paper
from components.grid_data import drawable
from components.kinds import KINDS
from components.point_map.colors import at, category_color, extra_color, shape, stops
from components.point_map.data import WORN, Categories, MapData
from components.point_map.packing import bounds

MOST_POINTS = 5_000
"""Points that are drawn; of more, every so many-th is, and the picture says so."""
_LABELS = 80
_LEFT, _RIGHT, _TOP, _LEGEND = 54, 16, 40, 58
_CHARACTER = 6.7  # pixels of a monospaced character at 11 pixels
_TURN = (-0.6, 0.42)  # of a map in three dimensions: yaw and pitch, as in the browser
_MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_SANS = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

Pixels = tuple[float, float]


def map_svg(data: MapData, *, layer: int, mode: str = "light", width: int = 1000, height: int = 720) -> str:
    """One layer of a map as an SVG document.

    Args:
        data: the map.
        layer: the layer to draw; of the layers that the map has, the nearest.
        mode: "light" or "dark".
        width, height: pixels of the whole picture.
    """
    frame = min(range(len(data.layers)), key=lambda at: abs(data.layers[at] - layer))
    sheet = _Sheet(data, frame, PAPERS[mode], width, height)
    return "\n".join(
        [
            *_open(sheet),
            *_ground(sheet),
            '<g clip-path="url(#field)">',
            *_nulls(sheet),
            *_trails(sheet),
            *_points(sheet),
            *_edited(sheet),
            *_extra(sheet),
            *_labels(sheet),
            "</g>",
            *_legend(sheet),
            "</svg>",
        ]
    )


@dataclass(frozen=True)
class _Sheet:
    """Where things stand on the picture."""

    data: MapData
    frame: int
    paper: Paper
    width: int
    height: int

    @property
    def bottom(self) -> int:
        return self.height - _LEGEND

    @property
    def flat(self) -> bool:
        return self.data.dimensions == 2

    @cached_property
    def drawn(self) -> range:
        return range(0, self.data.count, max(1, math.ceil(self.data.count / MOST_POINTS)))

    @cached_property
    def radius(self) -> float:
        return min(max(10 * len(self.drawn) ** -0.18, 1.6), 6.0)

    @cached_property
    def _turn(self) -> np.ndarray:
        """Rows: right and up."""
        if self.flat:
            return np.eye(2)
        (cos_y, sin_y), (cos_p, sin_p) = ((math.cos(angle), math.sin(angle)) for angle in _TURN)
        return np.array([[cos_y, 0, sin_y], [sin_p * sin_y, cos_p, -sin_p * cos_y]])

    @cached_property
    def _view(self) -> tuple[np.ndarray, float]:
        """The middle of everything, and pixels per unit: the same on both axes."""
        low, high = bounds(self.data)
        wide, tall = self.width - _LEFT - _RIGHT, self.bottom - _TOP - 34
        if self.flat:
            spans = high - low
            return (low + high) / 2, 0.94 * float(min(wide / spans[0], tall / spans[1]))
        return (low + high) / 2, 1.05 * min(wide, tall) / float(np.linalg.norm(high - low))

    @property
    def middle(self) -> Pixels:
        return (_LEFT + self.width - _RIGHT) / 2, (_TOP + self.bottom - 34) / 2

    def pixels(self, place: np.ndarray) -> Pixels | None:
        """Where coordinates are drawn; None where they are not."""
        if not np.isfinite(place).all():
            return None
        centre, scale = self._view
        right, up = self._turn @ (np.asarray(place, np.float64) - centre)
        return self.middle[0] + scale * right, self.middle[1] - scale * up

    def data_at(self, x: float, y: float) -> Pixels:
        """The coordinates at a pixel of a flat map."""
        centre, scale = self._view
        return centre[0] + (x - self.middle[0]) / scale, centre[1] - (y - self.middle[1]) / scale

    def color(self, point: int) -> str:
        color, mode = self.data.color, self.paper.mode
        if isinstance(color, Categories):
            code = int(color.codes[point])
            return category_color(code if code < WORN else -1, mode)
        values = color.values[self.frame] if color.values.ndim == 2 else color.values
        if not np.isfinite(values[point]):
            return category_color(-1, mode)
        return at(stops(color.diverging, mode), (values[point] - color.low) / (color.high - color.low))

    def shape(self, point: int) -> str:
        color = self.data.color
        if not isinstance(color, Categories) or not 0 <= color.codes[point] < WORN:
            return "circle"
        return shape(int(color.codes[point]))


def _open(sheet: _Sheet) -> Iterator[str]:
    width, height, data = sheet.width, sheet.height, sheet.data
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-labelledby="title description"'
        f' font-family="{_SANS}" font-size="11" fill="{sheet.paper.text}">'
    )
    yield f'<title id="title">{_xml(data.title)}</title>'
    yield f'<desc id="description">{_xml(data.alt)}</desc>'
    yield (
        f'<defs><clipPath id="field"><rect x="0" y="{_TOP}" width="{width}"'
        f' height="{sheet.bottom - _TOP}"/></clipPath></defs>'
    )
    yield f'<rect width="{width}" height="{height}" fill="{sheet.paper.background}"/>'
    yield _text(16, 24, data.title, size=14, weight=600, room=width - 150)
    yield _text(width - _RIGHT, 24, f"layer {data.layers[sheet.frame]}", anchor="end", fill=sheet.paper.muted)


def _ground(sheet: _Sheet) -> Iterator[str]:
    axes = sheet.data.axes
    if sheet.flat:
        yield from _grid(sheet)
    foot = f"{axes[0]} →" if sheet.flat else " · ".join(axes)
    yield _text(sheet.width - _RIGHT, sheet.bottom - 6, foot, anchor="end", weight=600)
    if sheet.flat:
        up = _text(0, 0, f"{axes[1]} →", anchor="end", weight=600)
        yield f'<g transform="translate(14 {_TOP + 4}) rotate(-90)">{up}</g>'


def _grid(sheet: _Sheet) -> Iterator[str]:
    left, right, top, bottom = _LEFT, sheet.width - _RIGHT, _TOP, sheet.bottom - 34
    (low_x, low_y), (high_x, high_y) = sheet.data_at(left, bottom), sheet.data_at(right, top)
    step = _nice(max(high_x - low_x, high_y - low_y) / 9)
    centre, scale = sheet._view
    for value in _multiples(low_x, high_x, step):
        x = sheet.middle[0] + (value - centre[0]) * scale
        yield f'<path d="M{x:.1f} {top}V{bottom}" stroke="{sheet.paper.line}" stroke-width="{_weight(value)}"/>'
        yield _text(x, bottom + 14, _tick(value, step), anchor="middle", fill=sheet.paper.muted)
    for value in _multiples(low_y, high_y, step):
        y = sheet.middle[1] - (value - centre[1]) * scale
        yield f'<path d="M{left} {y:.1f}H{right}" stroke="{sheet.paper.line}" stroke-width="{_weight(value)}"/>'
        yield _text(left - 6, y + 4, _tick(value, step), anchor="end", fill=sheet.paper.muted)


def _weight(value: float) -> float:
    return 1.4 if value == 0 else 0.6


def _nulls(sheet: _Sheet) -> Iterator[str]:
    color = KINDS["null"].color(sheet.paper.mode)
    for overlay in sheet.data.overlays:
        if overlay.kind != "null":
            continue
        places = [sheet.pixels(overlay.frames[sheet.frame, point]) for point in sheet.drawn]
        outline = "".join(_outline("triangle", place, sheet.radius) for place in places if place)
        yield f'<path d="{outline}" fill="none" stroke="{color}" stroke-opacity="0.55"/>'


def _trails(sheet: _Sheet) -> Iterator[str]:
    data = sheet.data
    if data.trails != "all" or len(data.layers) < 2:
        return
    opacity = min(max(2 * len(sheet.drawn) ** -0.5, 0.05), 0.45)
    for point in sheet.drawn:
        places = [sheet.pixels(place) for place in data.frames[:, point]]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in filter(None, places))
        yield (
            f'<polyline points="{line}" fill="none" stroke="{sheet.color(point)}"'
            f' stroke-opacity="{opacity:.2f}" stroke-width="1.3" stroke-linejoin="round"/>'
        )


def _points(sheet: _Sheet) -> Iterator[str]:
    halo = f' stroke="{sheet.paper.background}" stroke-width="0.7"' if len(sheet.drawn) <= 2_000 else ""
    opacity = min(max(2.4 * len(sheet.drawn) ** -0.13, 0.5), 0.95)
    yield f'<g class="points" fill-opacity="{opacity:.2f}"{halo}>'
    for point in sheet.drawn:
        place = sheet.pixels(sheet.data.frames[sheet.frame, point])
        if place:
            yield f'<path d="{_outline(sheet.shape(point), place, sheet.radius)}" fill="{sheet.color(point)}"/>'
    yield "</g>"


def _edited(sheet: _Sheet) -> Iterator[str]:
    color = KINDS["edited"].color(sheet.paper.mode)
    for overlay in sheet.data.overlays:
        if overlay.kind != "edited":
            continue
        for point in sheet.drawn:
            begin = sheet.pixels(sheet.data.frames[sheet.frame, point])
            end = sheet.pixels(overlay.frames[sheet.frame, point])
            if begin and end:
                yield _arrow(begin, end, color, free=sheet.radius)
                yield f'<path d="{_outline("diamond", end, sheet.radius * 0.9)}" fill="{color}"/>'


def _arrow(begin: Pixels, end: Pixels, color: str, free: float) -> str:
    """An arrow that leaves the mark at its end free."""
    (x1, y1), (x2, y2) = begin, end
    far = math.hypot(x2 - x1, y2 - y1)
    if far < 1 + free:  # a point that did not move has no arrow
        return ""
    right, down = (x2 - x1) / far, (y2 - y1) / far
    x2, y2 = x2 - free * right, y2 - free * down
    head = min(7.0, 0.6 * (far - free))
    bx, by = x2 - head * right, y2 - head * down
    wing = 0.42 * head
    return (
        f'<path class="arrow" d="M{x1:.1f} {y1:.1f}L{bx:.1f} {by:.1f}" stroke="{color}" stroke-width="1.5"/>'
        f'<path d="M{x2:.1f} {y2:.1f}L{bx - wing * down:.1f} {by + wing * right:.1f}'
        f'L{bx + wing * down:.1f} {by - wing * right:.1f}z" fill="{color}"/>'
    )


def _extra(sheet: _Sheet) -> Iterator[str]:
    if not sheet.data.extra:
        return
    color = extra_color(sheet.paper.mode)
    for place, label in zip(sheet.data.extra.frames[sheet.frame], sheet.data.extra.labels, strict=True):
        spot = sheet.pixels(place)
        if spot:
            outline = _outline("diamond", spot, max(sheet.radius * 1.5, 6))
            yield f'<path d="{outline}" fill="{color}" stroke="{sheet.paper.background}"/>'
            yield _label(sheet, (spot[0] + 9, spot[1] + 4), label, weight=700)


def _labels(sheet: _Sheet) -> Iterator[str]:
    """Beside the points where there is room, in their order; none where there are too many."""
    data = sheet.data
    if not data.labels or len(sheet.drawn) > 400:
        return
    taken: list[tuple[float, float, float]] = []
    for point in sheet.drawn:
        place = sheet.pixels(data.frames[sheet.frame, point])
        if not place or len(taken) >= _LABELS:
            continue
        text = _shortened(data.labels[point], 22)
        x, y, wide = place[0] + sheet.radius + 3, place[1] + 4, _CHARACTER * len(text)
        if all(abs(y - other_y) > 12 or x + wide < a or x > b for a, b, other_y in taken):
            taken.append((x, x + wide, y))
            yield _label(sheet, (x, y), text)


def _label(sheet: _Sheet, at_: Pixels, text: str, weight: int = 400) -> str:
    halo = f' stroke="{sheet.paper.background}" stroke-width="3" stroke-opacity="0.8" paint-order="stroke"'
    return _text(*at_, text, family=_MONO, weight=weight, more=halo, room=200)


def _legend(sheet: _Sheet) -> Iterator[str]:
    x, y = 16.0, sheet.bottom + 24
    for icon, text, wide in (*_color_keys(sheet), *_run_keys(sheet)):
        if x + wide > sheet.width - 16:
            x, y = 16.0, y + 18
        if y > sheet.height - 6:
            return
        yield f'<g transform="translate({x:.1f} {y})">{icon}{text}</g>'
        x += wide
    if len(sheet.drawn) < sheet.data.count:
        note = f"{len(sheet.drawn):,} of {sheet.data.count:,} points"
        yield _text(
            sheet.width - _RIGHT, sheet.height - 10, note, anchor="end", size=10, fill=sheet.paper.muted
        )


Key = tuple[str, str, float]


def _color_keys(sheet: _Sheet) -> Iterator[Key]:
    color, mode = sheet.data.color, sheet.paper.mode
    if isinstance(color, Categories):
        for code, name in enumerate(color.names[:WORN]):
            yield _key(_outline(shape(code), (6, -4), 5), f'fill="{category_color(code, mode)}"', name)
        if len(color.names) > WORN:
            look = f'fill="{category_color(-1, mode)}"'
            yield _key(_outline("circle", (6, -4), 5), look, f"{len(color.names) - WORN} others")
        return
    title = f"{color.title} ({color.unit})" if color.unit else color.title
    title = _shortened(title, 40)
    start = _CHARACTER * len(title) + 14
    colors = stops(color.diverging, mode)
    steps = "".join(
        f'<rect x="{start + 4 * step}" y="-9" width="4.5" height="9" fill="{fill}"/>'
        for step, fill in enumerate(colors)
    )
    end = start + 4 * len(colors)
    numbers = _text(start, 12, f"{color.low:.3g}", fill=sheet.paper.muted, size=10) + _text(
        end, 12, f"{color.high:.3g}", fill=sheet.paper.muted, size=10, anchor="end"
    )
    yield steps + numbers, _text(0, 0, title, weight=600), end + 24


def _run_keys(sheet: _Sheet) -> Iterator[Key]:
    mode = sheet.paper.mode
    edited = [overlay for overlay in sheet.data.overlays if overlay.kind == "edited"]
    nulls = [overlay for overlay in sheet.data.overlays if overlay.kind == "null"]
    for overlay in edited:
        yield _key(
            _outline("diamond", (6, -4), 5), f'fill="{KINDS["edited"].color(mode)}"', f"→ {overlay.label}"
        )
    if nulls:
        name = nulls[0].label if len(nulls) == 1 else f"{len(nulls)} {nulls[0].label}s"
        yield _key(
            _outline("triangle", (6, -4), 5), f'fill="none" stroke="{KINDS["null"].color(mode)}"', name
        )
    if sheet.data.extra:
        yield _key(_outline("diamond", (6, -4), 5), f'fill="{extra_color(mode)}"', sheet.data.extra.name)


def _key(outline: str, look: str, name: str) -> Key:
    text = _shortened(name, 28)
    return f'<path d="{outline}" {look}/>', _text(17, 0, text), 17 + _CHARACTER * len(text) + 18


def _outline(name: str, place: Pixels, radius: float) -> str:
    """A closed path around `place`; every shape has about the area of the circle."""
    x, y = place
    if name == "circle":
        r = radius
        return (
            f"M{x - r:.1f} {y:.1f}a{r:.2f} {r:.2f} 0 1 0 {2 * r:.2f} 0a{r:.2f} {r:.2f} 0 1 0 {-2 * r:.2f} 0z"
        )
    corners = [(x + radius * right, y + radius * down) for right, down in _CORNERS[name]]
    return "M" + "L".join(f"{right:.1f} {down:.1f}" for right, down in corners) + "z"


_PLUS = (
    *((-0.36, -1.05), (0.36, -1.05), (0.36, -0.36), (1.05, -0.36), (1.05, 0.36), (0.36, 0.36)),
    *((0.36, 1.05), (-0.36, 1.05), (-0.36, 0.36), (-1.05, 0.36), (-1.05, -0.36), (-0.36, -0.36)),
)
_CORNERS: dict[str, Sequence[Pixels]] = {
    "square": ((-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)),
    "triangle": ((0, -1.25), (1.17, 0.78), (-1.17, 0.78)),
    "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    "plus": _PLUS,
    "cross": tuple(((a - b) * math.sqrt(0.5), (a + b) * math.sqrt(0.5)) for a, b in _PLUS),
}


def _nice(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _multiples(low: float, high: float, step: float) -> list[float]:
    return [place * step for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _tick(value: float, step: float) -> str:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{digits}f}".replace("-", "−")


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 11,
    weight: int = 400,
    fill: str | None = None,
    anchor: str = "start",
    family: str | None = None,
    room: float | None = None,
    more: str = "",
) -> str:
    """One line of text, its direction kept to itself."""
    if room is not None:
        text = _shortened(text, int(room / (_CHARACTER * size / 11)))
    look = {
        "font-size": size if size != 11 else None,
        "font-weight": weight if weight != 400 else None,
        "fill": fill,
        "text-anchor": anchor if anchor != "start" else None,
        "font-family": family,
    }
    attributes = "".join(f' {name}="{value}"' for name, value in look.items() if value is not None)
    return (
        f'<text x="{x:.1f}" y="{y:.1f}"{attributes}{more} xml:space="preserve"'
        f' style="unicode-bidi:isolate">{_xml(text)}</text>'
    )


def _shortened(text: str, characters: int) -> str:
    text = drawable(text)
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _xml(text: str) -> str:
    return escape(drawable(text))
