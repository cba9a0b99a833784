"""The grid of features by tokens as a standalone picture, and as a page that needs no server."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from components.figures.feature_grid import FeatureGrid, in_words
from components.figures.page import STYLE, code_block, head, provenance_list, text
from components.grid_data import ColorScale, drawable

CELL, LEFT, BELOW, ABOVE = 18, 230, 90, 24
INK, FONT = "#15212e", 'font-family="monospace" font-size="11"'
LONGEST = 34


def feature_grid_svg(grid: FeatureGrid, note: str = "") -> str:
    """The picture, on white.

    Args:
        grid: what is drawn.
        note: where it comes from, in a line.
    """
    wide = LEFT + CELL * len(grid.tokens) + 60
    high = ABOVE + CELL * len(grid.features) + BELOW
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">',
            f"<title>{escape(drawable(in_words(grid)))}</title>",
            f'<rect width="{wide}" height="{high}" fill="#ffffff"/>',
            *_cells(grid),
            *_names(grid),
            *_tokens(grid),
            f'<text x="8" y="14" fill="{INK}" {FONT}>{escape(note)}</text>',
            "</svg>",
        ]
    )


def feature_grid_html(
    grid: FeatureGrid,
    *,
    title: str,
    answer: Sequence[str],
    provenance: Mapping[str, object],
    code: str,
) -> str:
    """The whole page as text.

    Args:
        grid: what is drawn.
        title: the question.
        answer: sentences under it.
        provenance: where the numbers come from.
        code: Python that computes the same.
    """
    return "\n".join(
        [
            *head(title, STYLE, ""),
            f"<h1>{text(title)}</h1>",
            *(f'<p class="explanation">{text(each)}</p>' for each in answer),
            f"<figure>{feature_grid_svg(grid)}</figure>",
            *_table(grid),
            *provenance_list(provenance),
            *code_block(code),
            "</main></body></html>",
        ]
    )


def _cells(grid: FeatureGrid) -> Iterator[str]:
    scale = ColorScale(
        "diverging" if grid.signed else "sequential", -grid.reach if grid.signed else 0, grid.reach
    )
    colors, shades = scale.colors("light"), scale.shade(grid.values)
    for column in (number for number, counts in enumerate(grid.counts) if not counts):
        tall = CELL * len(grid.features)
        yield f'<rect x="{LEFT + CELL * column}" y="{ABOVE}" width="{CELL - 1}" height="{tall}" fill="#e4e8ea"/>'
    for row, column in zip(*(grid.values * grid.counts).nonzero(), strict=True):
        x, y = LEFT + CELL * column, ABOVE + CELL * row
        told = f"{grid.names[row]} at {grid.tokens[column]}: {grid.values[row, column]:.3g}"
        yield (
            f'<rect x="{x}" y="{y}" width="{CELL - 1}" height="{CELL - 1}" fill="{colors[shades[row, column]][0]}">'
            f"<title>{escape(drawable(told))}</title></rect>"
        )


def _names(grid: FeatureGrid) -> Iterator[str]:
    for row, name in enumerate(grid.names):
        shown = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
        y = ABOVE + CELL * row + CELL - 5
        yield f'<text x="{LEFT - 6}" y="{y}" text-anchor="end" fill="{INK}" {FONT}>{escape(drawable(shown))}</text>'


def _tokens(grid: FeatureGrid) -> Iterator[str]:
    y = ABOVE + CELL * len(grid.features) + 12
    for column, token in enumerate(grid.tokens):
        x = LEFT + CELL * column + CELL / 2
        yield (
            f'<text x="{x}" y="{y}" transform="rotate(60 {x} {y})" fill="{INK}" {FONT}>'
            f"{escape(drawable(token[:12]))}</text>"
        )


def _table(grid: FeatureGrid) -> Iterator[str]:
    """The numbers behind the picture."""
    yield "<details><summary>Every activation in numbers</summary><table><tr><th>token</th>"
    yield from (f"<th>{text(name)}</th>" for name in grid.names)
    yield "</tr>"
    for column, token in enumerate(grid.tokens):
        cells = "".join(f"<td>{value:.3g}</td>" for value in grid.values[:, column])
        yield f"<tr><th>{text(token)}</th>{cells}</tr>"
    yield "</table></details>"
