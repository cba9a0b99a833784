"""Two measures side by side over how many features are used: what such charts share."""

from collections.abc import Callable, Sequence

import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from components.figures.against_null import mode
from components.kinds import EDITED, Kind


def two_measures(measures: tuple[str, str], title: str, ks: Sequence[int], ticks: Sequence[str]) -> go.Figure:
    """An empty chart of two measures on held-out examples.

    Args:
        measures: their names.
        title: of the axis of counts.
        ks: the counts.
        ticks: what is written at each of them.
    """
    figure = make_subplots(1, 2, shared_yaxes=True, subplot_titles=measures, horizontal_spacing=0.04)
    figure.update_xaxes(type="log", title_text=title, tickvals=list(ks), ticktext=list(ticks))
    figure.update_yaxes(tickformat=".0%", range=[0, 1.03])
    figure.update_yaxes(title_text="on held-out examples", col=1)
    figure.update_layout(
        height=330,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        legend={"orientation": "h", "y": -0.26, "yanchor": "top"},
    )
    return figure


def add_area(
    figure: go.Figure,
    number: int,
    ks: Sequence[int],
    low: Sequence[float],
    high: Sequence[float],
    kind: Kind,
) -> None:
    """The area between two lines, in one of the measures (0 or 1)."""
    figure.add_scatter(
        x=[*ks, *list(ks)[::-1]],
        y=[*high, *list(low)[::-1]],
        fill="toself",
        mode="none",
        fillcolor=kind.color(mode()),
        opacity=0.18 if kind is EDITED else 0.3,
        showlegend=False,
        hoverinfo="skip",
        row=1,
        col=number + 1,
    )


def add_line(
    figure: go.Figure,
    number: int,
    ks: Sequence[int],
    values: Sequence[float],
    name: str,
    kind: Kind,
    dash: str = "",
    marked: bool = False,
) -> None:
    """One line in one of the measures (0 or 1); both wear one entry of the legend."""
    figure.add_scatter(
        x=list(ks),
        y=list(values),
        name=name,
        legendgroup=name,
        showlegend=number == 0,
        mode="lines+markers" if marked else "lines",
        line={"color": kind.color(mode()), "dash": dash or kind.dash, "width": kind.width},
        marker={"symbol": kind.symbol, "size": 8 if kind is EDITED else 6},
        unselected={"marker": {"opacity": 1}},
        hovertemplate=f"%{{x}}: %{{y:.1%}}<extra>{name}</extra>",
        row=1,
        col=number + 1,
    )


def show(figure: go.Figure, k: int, key: str, alt: str, on_choose: Callable[[int], None]) -> None:
    """Draw it with one count marked; a count that is clicked is handed on before the script runs again."""
    figure.add_vline(x=k, line_width=1, line_dash="dot", line_color="gray")

    def choose() -> None:
        if points := st.session_state[key].selection.points:
            on_choose(int(points[0]["x"]))

    st.plotly_chart(
        figure,
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=alt,
    )
