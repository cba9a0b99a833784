"""How the charts of these panels are put on the page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.geometry.cloud import Cloud
from components.figures.against_null import mode
from components.figures.trajectories import DASHES, MARKS
from components.kinds import Kind
from components.literal import for_plotly
from components.ramps import ramp

HEIGHT = 290
BEFORE = 6
"""Tokens of the same text that are shown before a token."""


@dataclass(frozen=True)
class Dress:
    """How a line looks."""

    color: str
    dash: str
    symbol: str
    width: float


def show(figure: go.Figure, key: str, alt: str, height: int = HEIGHT) -> None:
    """A chart with its text alternative; the legend stands above it."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "yref": "paper", "y": 1.02, "yanchor": "bottom"},
    )
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt)


def add_line(
    figure: go.Figure,
    name: str,
    dress: Dress,
    x: Sequence[float],
    y: Sequence[float],
    told: str,
    **more: object,
) -> None:
    """One line.

    Args:
        figure: receives it.
        name: as the legend has it.
        dress: what it wears.
        x: ascending.
        y: NaN where there is nothing.
        told: what is shown at a point, with plotly's `%{x}` and `%{y}`.
        more: for the line of plotly.
    """
    figure.add_scatter(
        x=x,
        y=y,
        name=for_plotly(name),
        mode="lines+markers",
        line={"color": dress.color, "dash": dress.dash, "width": dress.width},
        marker={"color": dress.color, "symbol": dress.symbol, "size": 6},
        hovertemplate=f"{told}<extra>{for_plotly(name)}</extra>",
        **more,
    )


def of_kind(kind: Kind) -> Dress:
    """What a kind wears everywhere."""
    return Dress(kind.color(mode()), kind.dash, kind.symbol, kind.width)


def of_parts(count: int) -> list[Dress]:
    """What parts of one thing wear: the theme's categories, told apart by dash and mark as well."""
    colors = st.get_option(f"theme.{mode()}.chartCategoricalColors")
    return [Dress(colors[i % len(colors)], DASHES[i], MARKS[i], 2) for i in range(count)]


def heat(
    values: np.ndarray, names: Sequence[object], told: str, *, diverging: bool = False, title: str = ""
) -> go.Figure:
    """A square table as colours, from 0 to 1, or from -1 to 1 where it diverges.

    Args:
        values: rows are drawn upwards.
        names: of rows and columns.
        told: what is shown at a cell, with plotly's `%{x}`, `%{y}` and `%{z}`.
        diverging: whether there are values below zero.
        title: of the scale.
    """
    stops = ramp("diverging" if diverging else "sequential", mode())
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=list(names),
            y=list(names),
            zmin=-1 if diverging else 0,
            zmax=1,
            colorscale=[fill for fill, _ in stops],
            hovertemplate=f"{told}<extra></extra>",
            colorbar={"title": {"text": title, "side": "right"}, "thickness": 12},
        )
    )
    figure.update_yaxes(scaleanchor="x", constrain="domain")
    figure.update_xaxes(constrain="domain")
    return figure


def in_context(cloud: Cloud, point: int) -> str:
    """A token between angle quotes, after the tokens before it in its text."""
    text = cloud.text[point]
    start = max(int(np.searchsorted(cloud.text, text)), point - BEFORE)
    return f"{''.join(cloud.shown[start:point])} ‹{cloud.shown[point]}›"
