"""Curves over the layers as one HTML file that works without a server: the picture, every number, what each means."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from analysis.geometry.measure import Measure
from analysis.knobs import said
from analysis.methods.geometry import Measured
from components.figures.geometry_svg import Shown, curves_svg, lines_of
from components.figures.page import STYLE as PAGE_STYLE
from components.figures.page import code_block, head, provenance_list, text

STYLE = PAGE_STYLE + (Path(__file__).parent / "geometry_html.css").read_text(encoding="utf-8")


def geometry_html(shown: Sequence[Shown], *, title: str, answer: Sequence[str] = (), code: str = "") -> str:
    """The whole page as text.

    Args:
        shown: what is drawn; one measure at least.
        title: the question.
        answer: sentences under it.
        code: Python that computes the same.
    """
    return "\n".join(
        [
            *head(title, STYLE, ""),
            f"<h1>{text(title)}</h1>",
            *(f'<p class="explanation">{text(each)}</p>' for each in answer),
            f"<figure>{curves_svg(shown)}</figure>",
            *_measures(shown),
            *provenance_list(origin(shown[0][2])),
            *code_block(code),
            "</main></body></html>",
        ]
    )


def _measures(shown: Sequence[Shown]) -> Iterator[str]:
    """Every measure in words and as a table."""
    yield "<h2>What is drawn</h2>"
    for id in lines_of(shown):
        own = [each for each in shown if each[2].measure.id == id]
        yield '<section class="measure">'
        yield from in_words(own[0][2].measure, own[0][2].params)
        yield f"<details><summary>Values by layer, with N</summary>{_values(own)}</details>"
        notes = dict.fromkeys(f"{name}: {note}" for name, _, one in own for note in one.notes)
        yield from (f'<p class="quiet">{text(note)}</p>' for note in notes)
        yield "</section>"


def in_words(measure: Measure, params: object) -> Iterator[str]:
    """What a measure is, where it comes from and when it misleads."""
    yield f"<h3>{text(measure.title)}</h3><p>{text(measure.meaning)}</p>"
    knobs = "; ".join(f"{name} {value}" for name, value in said(params))
    for name, value in (
        ("Formula", measure.formula),
        ("Unit", measure.unit),
        ("Settings", knobs),
        ("What a standard normal cloud gives", measure.gaussian),
        ("Source", measure.source),
        ("Misleads when", measure.misleads_when),
    ):
        if value:
            yield f'<p class="quiet">{name}: {text(value)}</p>'


def _values(shown: Sequence[Shown]) -> str:
    layers = sorted({layer for _, _, one in shown for layer in one.layers})
    rows = [[layer, *(_value(one, layer) for _, _, one in shown)] for layer in layers]
    return html_table(["layer", *(f"{name} (N {one.count:,})" for name, _, one in shown)], rows)


def _value(measured: Measured, layer: int) -> str:
    if layer not in measured.layers:
        return ""
    value = measured.values[measured.layers.index(layer)]
    return f"{value:.5g}" if np.isfinite(value) else "none"


def html_table(names: Iterable[object], rows: Iterable[Sequence[object]], style: str = "") -> str:
    """A table with one row of names."""
    top = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    shown = f' class="{style}"' if style else ""
    return (
        f'<div class="table"><table{shown}><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def origin(measured: Measured) -> dict[str, str]:
    """Where the numbers come from, without what differs from measure to measure."""
    own = {"method", "source", "misleads when", "formula", *(name for name, _ in said(measured.params))}
    return {name: value for name, value in measured.curve.provenance.lines() if name not in own}
