"""A grid as a standalone SVG picture, in the colours of the page or of the night."""

import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from components.grid_data import UNDEFINED, GridData, drawable

ROW = 21
AXIS = 62
MARGIN = 16
HEAD = 38
TOKENS = 28
LEGEND = 38
CHARACTER = 6.63  # pixels a monospaced character takes at 11 pixels
_PADDING = 6
_COLUMN = (76, 160)
_LEGEND_RAMP = 140

_MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_SANS = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Paper:
    """The colours around the cells."""

    mode: str
    background: str
    text: str
    muted: str
    line: str
    accent: str


PAPERS = {
    "light": Paper("light", "#ffffff", "#15212e", "#56616c", "#d9dfe4", "#0b7285"),
    "dark": Paper("dark", "#0e1420", "#e3ebf2", "#9aa8b5", "#2b3646", "#3bc0d0"),
}


def grid_svg(
    data: GridData,
    *,
    mode: str = "light",
    cursor: tuple[int, int] | None = None,
    note: str = "",
) -> str:
    """The whole grid, every token and layer, as one SVG document.

    Args:
        data: what to draw.
        mode: "light" or "dark".
        cursor: the (position, layer) to outline, if any.
        note: one line under the picture: model, revision, method.
    """
    frame = _Frame(data, PAPERS[mode], note)
    body = [
        *_title(frame),
        *_layers(frame),
        *_cells(frame),
        *_tokens(frame),
        *_cursor(frame, cursor),
        *_legend(frame),
    ]
    return "\n".join([*_open(frame), *body, "</svg>"])


@dataclass(frozen=True)
class _Frame:
    """Where things stand. Rows count from the lowest layer, which is drawn at the bottom."""

    data: GridData
    paper: Paper
    note: str

    @property
    def column(self) -> int:
        """As wide as the longest label needs, within bounds."""
        widest = max(_width(token.label) for token in self.data.tokens)
        least, most = _COLUMN
        return min(max(math.ceil((widest + 0.5) * CHARACTER) + 2 * _PADDING, least), most)

    @property
    def width(self) -> int:
        return max(AXIS + self.column * len(self.data.tokens) + 2 * MARGIN, 520)

    @property
    def height(self) -> int:
        return self.bottom + TOKENS + LEGEND + (18 if self.note else 0) + MARGIN // 2

    @property
    def bottom(self) -> int:
        return HEAD + ROW * len(self.data.layers)

    def x(self, position: int) -> int:
        return MARGIN + AXIS + position * self.column

    def y(self, row: int) -> int:
        return self.bottom - (row + 1) * ROW


def _open(frame: _Frame) -> Iterator[str]:
    width, height, paper = frame.width, frame.height, frame.paper
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" role="img" aria-labelledby="title description"'
        f' font-family="{_SANS}" font-size="11" fill="{paper.text}">'
    )
    yield f'<title id="title">{_xml(frame.data.title)}</title>'
    yield f'<desc id="description">{_xml(frame.data.alt)}</desc>'
    yield f"<defs>{_hatch(paper)}</defs>"
    yield f'<rect width="{width}" height="{height}" fill="{paper.background}"/>'


def _hatch(paper: Paper) -> str:
    return (
        '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse"'
        ' patternTransform="rotate(45)">'
        f'<rect width="2" height="6" fill="{paper.line}"/></pattern>'
    )


def _title(frame: _Frame) -> Iterator[str]:
    yield _text(MARGIN, 24, frame.data.title, size=14, weight=600, room=frame.width - 2 * MARGIN)


def _layers(frame: _Frame) -> Iterator[str]:
    layers = frame.data.layers
    for row, layer in enumerate(layers):
        name = "embed" if layer == 0 else "last" if layer == layers[-1] else ""
        yield _text(
            frame.x(0) - 8,
            frame.y(row) + 14,
            f"{layer} {name}".strip(),
            fill=frame.paper.muted,
            anchor="end",
        )


def _cells(frame: _Frame) -> Iterator[str]:
    for row in range(len(frame.data.layers)):
        for position in range(len(frame.data.tokens)):
            yield _cell(frame, row, position)


def _cell(frame: _Frame, row: int, position: int) -> str:
    stop = frame.data.shade[row, position]
    fill, ink = "url(#hatch)", frame.paper.muted
    if stop != UNDEFINED:
        fill, ink = frame.data.scale.colors(frame.paper.mode)[stop]
    x, y, wide = frame.x(position), frame.y(row), frame.column
    parts = [f'<rect x="{x}" y="{y}" width="{wide - 1}" height="{ROW - 1}" rx="2" fill="{fill}"/>']
    if frame.data.scale.kind == "binary" and stop > 0:
        corner = x + wide - 1
        parts.append(f'<path d="M{corner - 8} {y}h8v8z" fill="{ink}"/>')
    room = wide - 2 * _PADDING
    parts.append(_mono(x + _PADDING, y + 14, frame.data.word(row, position), room, fill=ink))
    return "".join(parts)


def _tokens(frame: _Frame) -> Iterator[str]:
    y, paper = frame.bottom, frame.paper
    yield f'<path d="M{MARGIN} {y}.5H{frame.x(len(frame.data.tokens))}" stroke="{paper.line}"/>'
    for position, token in enumerate(frame.data.tokens):
        x = frame.x(position)
        if token.generated:
            yield (
                f'<path d="M{x} {y + 1}H{x + frame.column - 1}" stroke="{paper.accent}"'
                ' stroke-width="2" stroke-dasharray="2 2"/>'
            )
        yield _mono(
            x + _PADDING,
            y + 18,
            token.label,
            frame.column - 2 * _PADDING,
            fill=paper.muted if token.special else paper.text,
            weight=400 if token.special else 600,
            style="italic" if token.generated else "normal",
        )


def _cursor(frame: _Frame, cursor: tuple[int, int] | None) -> Iterator[str]:
    if cursor is None or cursor[1] not in frame.data.layers:
        return
    x, y = frame.x(cursor[0]), frame.y(frame.data.layers.index(cursor[1]))
    yield (
        f'<rect x="{x - 1}" y="{y - 1}" width="{frame.column + 1}" height="{ROW + 1}" rx="3"'
        f' fill="none" stroke="{frame.paper.accent}" stroke-width="2"/>'
    )


def _legend(frame: _Frame) -> Iterator[str]:
    scale, paper = frame.data.scale, frame.paper
    x, y = frame.x(0), frame.bottom + TOKENS + 20
    yield _text(x, y, frame.data.value_label)
    x += round((_width(frame.data.value_label) + 2) * CHARACTER)
    colors = [fill for fill, _ in scale.colors(paper.mode)]
    low, high = scale.ends
    names = ("no", "yes") if scale.kind == "binary" else (f"{low:.3g}", f"{high:.3g}")
    yield _text(x, y, names[0], fill=paper.muted)
    x += round((_width(names[0]) + 1) * CHARACTER)
    yield from _ramp(x, y, list(reversed(colors)) if scale.reverse else colors)
    yield _text(x + _LEGEND_RAMP + 7, y, names[1], fill=paper.muted)
    if frame.note:
        room = frame.width - 2 * MARGIN
        yield _text(MARGIN, y + 24, frame.note, size=10, fill=paper.muted, room=room)


def _ramp(x: float, y: float, colors: list[str]) -> Iterator[str]:
    step = _LEGEND_RAMP / len(colors)
    for index, color in enumerate(colors):
        # Half a pixel over the next one: no seams between neighbours.
        yield (
            f'<rect x="{x + index * step:.2f}" y="{y - 9}" width="{step + 0.5:.2f}" height="9"'
            f' fill="{color}"/>'
        )


def _mono(x: float, y: float, text: str, room: float, **look: object) -> str:
    return _text(x, y, text, room=room, family=_MONO, **look)


def _text(
    x: float,
    y: float,
    text: str,
    *,
    room: float | None = None,
    size: int = 11,
    fill: str | None = None,
    weight: int = 400,
    style: str = "normal",
    anchor: str = "start",
    family: str | None = None,
) -> str:
    """One line of text, shortened to `room` pixels, its direction kept to itself."""
    if room is not None:
        text = _shortened(drawable(text), int(room / (CHARACTER * size / 11)))
    look = {
        "font-size": size if size != 11 else None,
        "fill": fill,
        "font-weight": weight if weight != 400 else None,
        "font-style": style if style != "normal" else None,
        "text-anchor": anchor if anchor != "start" else None,
        "font-family": family,
    }
    attributes = "".join(f' {name}="{value}"' for name, value in look.items() if value is not None)
    return (
        f'<text x="{x}" y="{y}"{attributes} xml:space="preserve"'
        f' style="unicode-bidi:isolate">{_xml(text)}</text>'
    )


def _shortened(text: str, characters: int) -> str:
    """The text in at most `characters` columns of a monospaced font, an ellipsis at the cut."""
    if _width(text) <= characters:
        return text
    kept, used = "", 0
    for character in text:
        used += _width(character)
        if used > characters - 1:
            break
        kept += character
    return kept + "…"


def _width(text: str) -> int:
    """Columns of a monospaced font: wide East Asian characters take two, marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _xml(text: str) -> str:
    return escape(drawable(text))
