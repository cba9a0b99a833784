"""The picture of a certificate as SVG, in colours that the page around it defines."""

import math
from collections.abc import Callable, Sequence

from analysis.certificates.certificate import Certificate
from analysis.probing.measures import Score

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 900, 300, 48, 28, 8
KEYS = (
    ("after", "after"),
    ("after, new examples", "fresh_after"),
    ("before", "before"),
    ("after a random subspace", "random"),
)
"""Name and field of `LayerEvidence`, as the key lists them; the first lies on top."""
BANDED = ("before", "after")

Place = Callable[[float], float]


def certificate_svg(certificate: Certificate) -> str:
    """Scores over layers with their intervals, the erased layers and chance."""
    x, y, ticks = _axes(certificate)
    parts = [_frame(certificate, x, y, ticks)]
    for _, field in reversed(KEYS):
        scores = [getattr(each, field) for each in certificate.layers]
        layers = [each.layer for each in certificate.layers]
        if field in BANDED:
            parts.append(_band(field, layers, scores, x, y))
        parts.append(_line(field, layers, scores, x, y))
    label = f"Held-out {certificate.measure} by layer, before and after the erasure"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _axes(certificate: Certificate) -> tuple[Place, Place, list[float]]:
    first, last = certificate.layers[0].layer - 0.6, certificate.layers[-1].layer + 0.6
    lows = [each.after.low for each in certificate.layers] + [
        each.fresh_after.low for each in certificate.layers
    ]
    low = max(-0.5, math.floor(min(*lows, certificate.chance) * 5) / 5)
    ticks = [low + 0.2 * step for step in range(round((1 - low) / 0.2) + 1)]

    def x(layer: float) -> float:
        return LEFT + (layer - first) / (last - first) * (WIDTH - LEFT)

    def y(value: float) -> float:
        return TOP + (1 - max(value, low)) / (1 - low) * (HEIGHT - TOP - BOTTOM)

    return x, y, ticks


def _frame(certificate: Certificate, x: Place, y: Place, ticks: Sequence[float]) -> str:
    erased, layers = certificate.erasure.layers, [each.layer for each in certificate.layers]
    shade = x(erased[0] - 0.5), x(erased[-1] + 0.5) - x(erased[0] - 0.5)
    every = max(1, len(layers) // 12)
    parts = [
        f'<rect class="erased" x="{shade[0]:.1f}" y="{TOP}" width="{shade[1]:.1f}" height="{HEIGHT - TOP - BOTTOM}"/>'
    ]
    for tick in ticks:
        parts.append(f'<path class="axis" d="M{LEFT} {y(tick):.1f}H{WIDTH}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.1f}</text>')
    for layer in layers[::every]:
        parts.append(f'<text x="{x(layer):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{layer}</text>')
    parts.append(f'<path class="chance" d="M{LEFT} {y(certificate.chance):.1f}H{WIDTH}"/>')
    return "".join(parts)


def _line(field: str, layers: Sequence[int], scores: Sequence[Score], x: Place, y: Place) -> str:
    points = " ".join(
        f"{x(layer):.1f},{y(each.value):.1f}" for layer, each in zip(layers, scores, strict=True)
    )
    dots = "".join(
        f'<circle class="dot {field}" cx="{x(layer):.1f}" cy="{y(each.value):.1f}" r="2.5"/>'
        for layer, each in zip(layers, scores, strict=True)
    )
    return f'<polyline class="line {field}" points="{points}"/>{dots}'


def _band(field: str, layers: Sequence[int], scores: Sequence[Score], x: Place, y: Place) -> str:
    edge = [(x(layer), y(each.high)) for layer, each in zip(layers, scores, strict=True)]
    edge += [(x(layer), y(each.low)) for layer, each in zip(layers, scores, strict=True)][::-1]
    return f'<polygon class="band {field}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in edge)}"/>'
