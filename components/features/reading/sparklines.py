"""Small lines, one for each feature, as one drawing: what it does from token to token."""

from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from components.figures.against_null import mode
from components.grid_data import drawable
from components.kinds import BASE, EDITED, NULL, Kind

WIDE, ROW, LABEL, NUMBER = 900, 30, 250, 60
"""Pixels of the drawing, of a row, of what names it, and of its largest value."""
INKS = {"light": "#15212e", "dark": "#e6edf2"}


def sparklines(labels: Sequence[str], values: np.ndarray, split: int, control: bool = False) -> str:
    """The drawing as SVG.

    Args:
        labels: one per feature.
        values: (position, feature) activations; each row has a scale of its own.
        split: tokens of the prompt among them: a line stands behind those.
        control: the last feature is a random one; its line is dashed.
    """
    height = ROW * len(labels)
    kinds = [EDITED, *[BASE] * (len(labels) - 1)]
    kinds[-1] = NULL if control else kinds[-1]
    rows = (
        line
        for number, (label, kind) in enumerate(zip(labels, kinds, strict=True))
        for line in _row(number, label, kind, values)
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDE}" height="{height}" viewBox="0 0 {WIDE} {height}">',
            *rows,
            *_split(split, len(values), height),
            "</svg>",
        ]
    )


def _row(number: int, label: str, kind: Kind, values: np.ndarray) -> Iterator[str]:
    middle, ink = ROW * number + ROW / 2 + 4, INKS[mode()]
    font = 'font-family="sans-serif" font-size="12"'
    yield f'<text x="0" y="{middle}" fill="{ink}" {font}>{escape(drawable(label))}</text>'
    own = values[:, number] if len(values) else np.zeros(0)
    most = float(np.abs(own).max(initial=0))
    yield f'<text x="{WIDE}" y="{middle}" fill="{ink}" text-anchor="end" {font}>{most:.3g}</text>'
    if len(own) > 1:
        dashes = ' stroke-dasharray="5 3"' if kind is NULL else ""
        look = f'stroke="{kind.color(mode())}" stroke-width="2"{dashes}'
        yield f'<path d="{_path(own, number, most)}" fill="none" {look}/>'


def _path(own: np.ndarray, number: int, most: float) -> str:
    low = min(0.0, float(own.min()))
    reach = max(most, float(own.max())) - low or 1.0
    across = LABEL + np.arange(len(own)) / (len(own) - 1) * (WIDE - LABEL - NUMBER)
    upward = ROW * (number + 1) - 4 - (own - low) / reach * (ROW - 8)
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(across, upward, strict=True))


def _split(split: int, count: int, height: int) -> Iterator[str]:
    if 0 < split < count - 1:
        x = LABEL + (split - 0.5) / (count - 1) * (WIDE - LABEL - NUMBER)
        yield f'<path d="M{x:.1f} 0V{height}" stroke="#808890" stroke-dasharray="2 3"/>'
