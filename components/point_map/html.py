"""A map as one HTML file that works without a server: the same picture, its labels, its origin.

Nothing in it can load or send anything; see components/figures/page.py. The points travel as base64, which
cannot close a script element; words enter as escaped text or inside those bytes.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from components import point_map
from components.figures import page
from components.grid_data import drawable
from components.point_map.data import Categories, MapData
from components.point_map.events import as_bits

MOST_POINTS = 20_000
"""Points of one page; with 31 layers, its file has about 4 MB."""
_LISTED = 500  # rows of the table twin
_HEIGHT = 640
_SCRIPT = Path(__file__).with_name("map_html.js").read_text(encoding="utf-8")


def map_html(
    data: MapData,
    *,
    title: str,
    explanation: Sequence[str],
    provenance: Mapping[str, object],
    code: str = "",
    layer: int | None = None,
    point: int | None = None,
) -> str:
    """The whole page as text.

    Args:
        data: the map.
        title: the question the picture answers.
        explanation: paragraphs: what you see, when it misleads.
        provenance: where the numbers come from: model, revision, dtype, seed, method.
        code: the lines of Python that compute the same.
        layer, point: what is shown at first; the last layer and no point by default.

    Raises:
        ValueError: when there are more points than a page holds.
    """
    if data.count > MOST_POINTS:
        raise ValueError(
            f"A page of its own holds at most {MOST_POINTS:,} points, not {data.count:,}: "
            "save a picture, or draw fewer points."
        )
    shown = data.layers[-1] if layer is None else layer
    style = f"{point_map.STYLE}\n{page.STYLE}"
    script = f"{point_map.JAVASCRIPT}\n{_SCRIPT}"
    return "\n".join(
        [
            *page.head(title, style, script),
            "<header>",
            f"<h1>{page.text(title)}</h1>",
            '<button type="button" id="theme" aria-pressed="false">Dark</button>',
            "</header>",
            '<div id="map"></div>',
            "<noscript><p>The table at the end holds the same labels and numbers.</p></noscript>",
            *(f'<p class="explanation">{page.text(paragraph)}</p>' for paragraph in explanation),
            *page.provenance_list(provenance),
            *page.code_block(code),
            *_table(data, shown),
            "</main>",
            f'<script type="text/plain" id="map-data">{_message(data, shown, point)}</script>',
            f'<script type="module">{script}</script>',
            "</body>",
            "</html>",
        ]
    )


def _message(data: MapData, layer: int, point: int | None) -> str:
    placed = {"serial": 0, "cursor": {"layer": layer, "point": point}}
    selection = {"serial": 0, "cursor": as_bits((), data.count)}
    message = data.packed.message(key="map", height=_HEIGHT, placed=placed, selection=selection)
    return base64.b64encode(message).decode("ascii")


def _table(data: MapData, layer: int) -> Iterator[str]:
    """The points at one layer."""
    frame = min(range(len(data.layers)), key=lambda at: abs(data.layers[at] - layer))
    rows = min(data.count, _LISTED)
    count = f"{rows:,} of {data.count:,} points" if rows < data.count else f"{rows:,} points"
    yield "<details>"
    yield f"<summary>The same as a table: {count} at layer {data.layers[frame]}</summary>"
    yield '<div class="table" tabindex="0" role="region" aria-label="table">'
    yield f"<table><caption>{page.text(data.alt or data.title)}</caption><thead><tr>"
    for name in ("point", "label", *data.axes, data.color.title or "name"):
        yield f'<th scope="col">{page.text(name)}</th>'
    yield "</tr></thead>\n<tbody>"
    for point in range(rows):
        label = data.labels[point] if data.labels else f"#{point}"
        numbers = "".join(f"<td>{_number(value)}</td>" for value in data.frames[frame, point])
        yield (
            f'<tr><th scope="row">{point}</th><td><bdi>{page.text(label)}</bdi></td>'
            f"{numbers}<td><bdi>{page.text(_meaning(data, frame, point))}</bdi></td></tr>"
        )
    yield "</tbody></table>\n</div>\n</details>"


def _meaning(data: MapData, frame: int, point: int) -> str:
    if isinstance(data.color, Categories):
        code = int(data.color.codes[point])
        return drawable(data.color.names[code]) if code >= 0 else "none"
    values = data.color.values
    return _number(values[frame, point] if values.ndim == 2 else values[point])


def _number(value: float) -> str:
    return f"{value:.4g}" if value == value else "not defined"
