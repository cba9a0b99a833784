"""A grid as one HTML file that works without a server: the same widget, its numbers, its origin.

Nothing in it can load or send anything: the content security policy forbids all but the two
scripts and styles written here, known by their hashes. Model text enters as escaped text or as
JSON that cannot close its own script element.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from components import lens_grid
from components.figures import page
from components.grid_data import GridData

_PAGE_SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

# What would end a script element, or a line of JavaScript, in the middle of a string.
_UNSAFE_IN_SCRIPT = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def grid_html(
    data: GridData,
    *,
    title: str,
    explanation: Sequence[str],
    provenance: Mapping[str, object],
    code: str = "",
    cursor: tuple[int, int] | None = None,
) -> str:
    """The whole page as text.

    Args:
        data: the grid.
        title: the question the picture answers.
        explanation: paragraphs: what you see, when it misleads.
        provenance: where the numbers come from: model, revision, dtype, seed, method.
        code: the lines of Python that compute the same.
        cursor: the (position, layer) shown at first.
    """
    style = f"{lens_grid.STYLE}\n{page.STYLE}"
    script = f"{lens_grid.JAVASCRIPT}\n{_PAGE_SCRIPT}"
    return "\n".join(
        [
            *page.head(title, style, script),
            *_picture(data, title, cursor),
            *(f'<p class="explanation">{page.text(paragraph)}</p>' for paragraph in explanation),
            *page.provenance_list(provenance),
            *page.code_block(code),
            *_table(data),
            "</main>",
            f'<script type="application/json" id="grid-data">{_json(data)}</script>',
            f'<script type="module">{script}</script>',
            "</body>",
            "</html>",
        ]
    )


def _picture(data: GridData, title: str, cursor: tuple[int, int] | None) -> Iterator[str]:
    position, layer = cursor or (len(data.tokens) - 1, data.layers[-1])
    yield "<header>"
    yield f"<h1>{page.text(title)}</h1>"
    yield '<button type="button" id="theme" aria-pressed="false">Dark</button>'
    yield "</header>"
    yield f'<div id="grid" data-position="{int(position)}" data-layer="{int(layer)}"></div>'
    yield '<p class="reading"><output id="reading" aria-live="off"></output></p>'
    yield "<noscript><p>The table at the end holds the same words and numbers.</p></noscript>"


def _table(data: GridData) -> Iterator[str]:
    yield "<details>"
    yield f"<summary>The same as a table: likeliest word and {page.text(data.value_label)}</summary>"
    yield '<div class="table" tabindex="0" role="region" aria-label="table">'
    yield f"<table><caption>{page.text(data.alt)}</caption>"
    yield '<thead><tr><th scope="col">layer</th>'
    for position, token in enumerate(data.tokens):
        yield f'<th scope="col">{position}: <bdi>{page.text(token.label)}</bdi></th>'
    yield "</tr></thead>\n<tbody>"
    for row in reversed(range(len(data.layers))):
        yield f'<tr><th scope="row">{data.layers[row]}</th>{"".join(_row(data, row))}</tr>'
    yield "</tbody></table>\n</div>\n</details>"


def _row(data: GridData, row: int) -> Iterator[str]:
    for position in range(len(data.tokens)):
        value = data.value[row, position]
        number = f"{value:.4g}" if value == value else "not defined"
        yield f"<td><bdi>{page.text(data.word(row, position))}</bdi> <span>{number}</span></td>"


def _json(data: GridData) -> str:
    return data.as_json().translate(_UNSAFE_IN_SCRIPT)
