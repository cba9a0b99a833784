"""What a probe said of every held-out example, beside what is true of it: a table, a time line, or a map."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.methods.probe import Probed
from analysis.probing.curves import LayerScore
from analysis.probing.measures import coordinates
from components.figures.against_null import mode
from components.kinds import BASE, EDITED
from components.literal import for_plotly
from components.ramps import ramp

MOST_LINES = 400
MOST_COUNTED = 16
"""Classes up to which every cell of a table holds its number."""


def draw_confusion(probed: Probed, found: LayerScore, key: str) -> None:
    """Held-out examples by class (down) and by what they were taken for (across)."""
    table, names = found.confusion, [for_plotly(name) for name in probed.given.classes]
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    stops = ramp("sequential", mode())
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=names,
            y=names,
            text=table,
            colorscale=[fill for fill, _ in stops],
            zmin=0,
            zmax=1,
            showscale=False,
            hovertemplate="%{y} taken for %{x}: %{text}<extra></extra>",
        )
    )
    if len(names) <= MOST_COUNTED:
        _add_counts(figure, table, shares, names, [ink for _, ink in stops])
    figure.update_yaxes(autorange="reversed", title_text="is", type="category")
    figure.update_xaxes(title_text="taken for", type="category")
    figure.update_layout(height=max(220, 26 * len(names) + 110), margin={"l": 8, "r": 8, "t": 8, "b": 8})
    right = float(np.trace(table) / table.sum())
    st.plotly_chart(
        figure,
        key=key,
        config={"displayModeBar": False},
        alt=f"{int(table.sum()):,} held-out examples by class and by what they were taken for; {right:.0%} are right.",
    )


def _add_counts(
    figure: go.Figure, table: np.ndarray, shares: np.ndarray, names: list[str], inks: list[str]
) -> None:
    """The numbers, each in the ink that can be read on its cell: plotly's own is grey on grey in the middle."""
    figure.add_scatter(
        x=names * len(names),
        y=np.repeat(names, len(names)).tolist(),
        mode="text",
        text=table.ravel().tolist(),
        textfont={"color": [inks[round(share * (len(inks) - 1))] for share in shares.flat]},
        hoverinfo="skip",
        showlegend=False,
    )


def draw_numbers(probed: Probed, found: LayerScore, key: str) -> None:
    """True against told; a map where the numbers are latitude and longitude."""
    held = np.flatnonzero(probed.curve.held_out)
    wanted, texts = probed.given.targets[held], [_about(probed, i) for i in held]
    place = coordinates(probed.given.numbers)
    figure = go.Figure()
    if place is not None:
        _add_map(figure, wanted[:, place], found.predicted[:, place], texts)
        figure.update_xaxes(title_text="longitude", range=[-180, 180])
        figure.update_yaxes(title_text="latitude", range=[-60, 80], scaleanchor="x")
    else:
        _add_diagonal(figure, wanted[:, 0], found.predicted[:, 0], texts)
        figure.update_xaxes(title_text=f"{for_plotly(probed.given.numbers[0])}, true")
        figure.update_yaxes(title_text="told by the probe")
    figure.update_layout(
        height=400,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})


def _add_map(figure: go.Figure, wanted: np.ndarray, told: np.ndarray, texts: list[str]) -> None:
    for (lat, lon), (at_lat, at_lon) in zip(wanted[:MOST_LINES], told[:MOST_LINES], strict=True):
        figure.add_scatter(
            x=[lon, at_lon], y=[lat, at_lat], mode="lines", line={"width": 0.5, "color": "gray"},
            opacity=0.5, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    _add_points(figure, wanted[:, 1], wanted[:, 0], texts, "true place", BASE)
    _add_points(figure, told[:, 1], told[:, 0], texts, "told by the probe", EDITED)


def _add_diagonal(figure: go.Figure, wanted: np.ndarray, told: np.ndarray, texts: list[str]) -> None:
    ends = [float(wanted.min()), float(wanted.max())]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", name="right", line={"color": BASE.color(mode()), "width": 1}
    )
    _add_points(figure, wanted, told, texts, "held-out example", EDITED)


def _add_points(figure: go.Figure, x, y, texts: list[str], name: str, kind) -> None:
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        name=name,
        text=texts,
        marker={"color": kind.color(mode()), "symbol": kind.symbol, "size": 6, "opacity": 0.8},
        hovertemplate="%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
    )


def _about(probed: Probed, example: int) -> str:
    span, text = probed.given.spans[example], probed.given.texts[example]
    return for_plotly(text if span is None else text[slice(*span)])
