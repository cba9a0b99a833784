"""What the lines of all cards wear, said once above them."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape

import streamlit as st

from components.figures.against_null import mode
from components.geometry.figure import dash_of, style_of
from components.geometry.subjects import Subject

DASHES = {"solid": "", "dash": "6 3", "dot": "2 3", "dashdot": "7 3 2 3"}
MARKS = {
    "base": '<circle cx="17" cy="7" r="3.5"/>',
    "edited": '<path d="M17 2.5 21.5 7 17 11.5 12.5 7Z"/>',
    "asked": '<rect x="13.5" y="3.5" width="7" height="7"/>',
    "null": "",
}
"""Circle, diamond, square."""


def draw_legend(subjects: Sequence[Subject]) -> None:
    """One row: a line in its style, and whose it is."""
    shuffled = [each for each in subjects if each.id.startswith("shuffled")]
    rows = [_entry(_line(each), each.name) for each in subjects if each not in shuffled]
    if len(shuffled) > 1:
        rows.append(_entry(_band(shuffled[0]), f"shuffled tokens, {len(shuffled)} draws"))
    elif shuffled:
        rows.append(_entry(_line(shuffled[0]), "shuffled tokens"))
    style = "display:flex;flex-wrap:wrap;gap:2px 18px;font-size:0.85rem;align-items:center"
    st.html(f'<div style="{style}" role="note" aria-label="Legend">{"".join(rows)}</div>')


def _entry(swatch: str, name: str) -> str:
    # a picture by itself: drawings inside of a page's HTML are taken out as unsafe
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" width="34" height="14">{swatch}</svg>'
    image = f'<img alt="" src="data:image/svg+xml;base64,{b64encode(drawing.encode()).decode()}">'
    return f'<span style="display:inline-flex;gap:6px;align-items:center">{image}{escape(name)}</span>'


def _line(subject: Subject) -> str:
    color, dash = style_of(subject).color(mode()), DASHES[dash_of(subject)]
    stroke = f'stroke="{color}" stroke-width="2" stroke-dasharray="{dash}"'
    return f'<path d="M0 7H34" {stroke}/><g fill="{color}">{MARKS[subject.kind]}</g>'


def _band(subject: Subject) -> str:
    color = style_of(subject).color(mode())
    return (
        f'<rect x="0" y="2" width="34" height="10" fill="{color}" fill-opacity="0.35" stroke="{color}" '
        'stroke-width="0.75"/>'
    )
