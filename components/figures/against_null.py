"""A number of the edited run with the band of its random controls behind it."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.results import AgainstNull
from components.kinds import KINDS
from components.literal import for_plotly


def draw_curve(result: AgainstNull, key: str, *, at: int | None = None) -> None:
    """A line over places (layers or tokens) above the band from the lowest to the highest control.

    Args:
        result: what is drawn.
        key: names the chart.
        at: the place to mark: the cursor.
    """
    figure = curve(result, list(range(len(result.labels))))
    if at is not None:
        figure.add_vline(x=at, line_width=1, line_dash="dot", line_color="gray")
    figure.update_xaxes(**_ticks(result))
    draw(figure, result, key, height=270)


def curve(result: AgainstNull, places: Sequence[float], *, log: bool = False) -> go.Figure:
    """The line and its band at the given places; a logarithmic axis leaves out what is not positive."""
    figure = go.Figure()
    values, band = _positive(result.values, log), [_positive(edge, log) for edge in result.band]
    if len(result.nulls):
        _add_band(figure, places, *band, name=f"{len(result.nulls)} random")
    _add_line(figure, places, values, result)
    figure.update_xaxes(title_text="layer (0 = embedding)" if result.axis == "layer" else result.axis)
    figure.update_yaxes(
        title_text=result.unit,
        type="log" if log else "linear",
        rangemode="tozero" if result.bounds.low == 0 and not log else "normal",
    )
    return figure


def draw_shifts(result: AgainstNull, key: str) -> None:
    """One row per token: how far its log-odds moved, and how far random pushes move them."""
    figure = go.Figure()
    places = list(range(len(result.labels)))
    low, high = result.band
    style = KINDS["null"]
    color = style.color(mode())
    if len(result.nulls):
        figure.add_bar(
            y=places,
            base=low,
            x=high - low,
            orientation="h",
            width=0.8,
            marker={"color": color, "opacity": 0.45},
            name=f"{len(result.nulls)} random",
            hovertemplate="%{base:.2f} to %{customdata:.2f}<extra>random</extra>",
            customdata=high,
        )
    edited = KINDS["edited"]
    figure.add_scatter(
        x=result.values,
        y=places,
        mode="markers",
        name=edited.label,
        hovertemplate="%{x:+.2f} nats<extra></extra>",
        marker={
            "symbol": ["diamond" if out else "diamond-open" for out in result.outside],
            "size": 11,
            "color": edited.color(mode()),
            "line": {"width": 2, "color": edited.color(mode())},
        },
    )
    figure.add_vline(x=0, line_width=1, line_color="gray")
    figure.update_yaxes(
        tickvals=places,
        ticktext=[for_plotly(label) for label in result.labels],
        autorange="reversed",
        tickfont={"family": "monospace"},
    )
    figure.update_xaxes(title_text=f"{result.title.lower()} ({result.unit})")
    draw(figure, result, key, height=80 + 26 * len(places))


def _add_band(
    figure: go.Figure, places: Sequence[float], low: np.ndarray, high: np.ndarray, name: str
) -> None:
    color = KINDS["null"].color(mode())
    figure.add_scatter(x=places, y=low, mode="lines", line={"width": 0}, showlegend=False, hoverinfo="skip")
    figure.add_scatter(
        x=places,
        y=high,
        mode="lines",
        line={"width": 0},
        fill="tonexty",
        fillcolor=_translucent(color, 0.4),
        name=name,
        customdata=low,
        hovertemplate="%{customdata:.3g} to %{y:.3g}<extra>random</extra>",
    )


def _add_line(figure: go.Figure, places: Sequence[float], values: np.ndarray, result: AgainstNull) -> None:
    edited = KINDS["edited"]
    color = edited.color(mode())
    figure.add_scatter(
        x=places,
        y=values,
        mode="lines+markers",
        name=edited.label,
        line={"width": 2, "color": color},
        marker={
            "size": 7,
            "symbol": ["diamond" if out else "diamond-open" for out in result.outside],
            "color": color,
        },
        customdata=[for_plotly(label) for label in result.labels],
        hovertemplate=f"{result.axis} %{{customdata}}: %{{y:.3g}}<extra></extra>",
    )


def _ticks(result: AgainstNull) -> dict:
    if result.axis == "layer" or len(result.labels) > 40:
        return {}
    labels = [for_plotly(label) for label in result.labels]
    return {"tickvals": list(range(len(labels))), "ticktext": labels, "tickfont": {"family": "monospace"}}


def draw(figure: go.Figure, result: AgainstNull, key: str, height: int) -> None:
    """The figure on a page, with its text alternative."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="closest",
        barmode="overlay",
        legend={"orientation": "h", "yref": "paper", "y": 1.02, "yanchor": "bottom"},
    )
    out = int(result.outside.sum())
    st.plotly_chart(
        figure,
        key=key,
        config={"displayModeBar": False},
        alt=f"{result.title} ({result.unit}) by {result.axis}: {out} of {len(result.labels)} outside the random band.",
    )


def _positive(values: np.ndarray, log: bool) -> np.ndarray:
    return np.where(values > 0, values, np.nan) if log else values


def _translucent(color: str, opacity: float) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def mode() -> str:
    """`light` or `dark`."""
    return st.context.theme.type or "light"
