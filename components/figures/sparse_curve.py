"""How well few neurons tell classes apart, by how many are used, beside what tells nothing."""

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from analysis.probing.sparse import SparseCurve
from components.figures.against_null import mode
from components.kinds import ASKED, BASE, EDITED, NULL

MEASURES = ("accuracy", "F1")


def draw_sparse_curve(found: SparseCurve, k: int, key: str, on_choose: Callable[[int], None]) -> None:
    """Accuracy and F1 on held-out examples over k; a number of neurons that is clicked is handed on.

    Args:
        found: what is drawn.
        k: the number to mark.
        key: names the chart.
        on_choose: receives k before the script runs again.
    """
    figure = make_subplots(1, 2, shared_yaxes=True, subplot_titles=MEASURES, horizontal_spacing=0.04)
    for number in range(2):
        _add_measure(figure, found, number)
    figure.add_vline(x=k, line_width=1, line_dash="dot", line_color="gray")
    every_other = [str(k) if rank % 2 == 0 else "" for rank, k in enumerate(found.ks)]  # all would touch
    figure.update_xaxes(type="log", title_text="neurons used", tickvals=found.ks, ticktext=every_other)
    figure.update_yaxes(tickformat=".0%", range=[0, 1.03])
    figure.update_yaxes(title_text="on held-out examples", col=1)
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        legend={"orientation": "h", "y": -0.28, "yanchor": "top"},
    )

    def choose() -> None:
        if points := st.session_state[key].selection.points:
            on_choose(int(points[0]["x"]))

    at = found.at(k)
    st.plotly_chart(
        figure,
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Held-out accuracy and F1 by the number of neurons; {k} tell {at.accuracy:.0%}, F1 {at.f1:.2f}.",
    )


def _add_measure(figure: go.Figure, found: SparseCurve, number: int) -> None:
    """One of `MEASURES`: the probe, as many random neurons, shuffled labels, and for accuracy the usual class."""
    ks, scores = list(found.ks), found.scores
    shuffled = [[both[number] for both in score.shuffled] for score in scores]
    _add_area(figure, number, ks, list(map(min, shuffled)), list(map(max, shuffled)), NULL)
    if number == 0:
        _add_area(figure, 0, ks, [score.low for score in scores], [score.high for score in scores], EDITED)
    own = [(score.accuracy, score.f1)[number] for score in scores]
    lines = [
        ("shuffled labels", NULL, [sum(each) / len(each) for each in shuffled]),
        ("random neurons", ASKED, [score.random[number] for score in scores]),
        ("most telling neurons", EDITED, own),
    ]
    if number == 0:
        lines.insert(0, ("most frequent class", BASE, [found.baseline] * len(ks)))
    for name, kind, values in lines:
        figure.add_scatter(
            x=ks,
            y=values,
            name=name,
            legendgroup=name,
            showlegend=number == 0,
            mode="lines+markers" if kind is EDITED else "lines",
            line={"color": kind.color(mode()), "dash": kind.dash, "width": kind.width},
            marker={"symbol": kind.symbol, "size": 8},
            unselected={"marker": {"opacity": 1}},
            hovertemplate=f"%{{x}} neurons: %{{y:.1%}}<extra>{name}</extra>",
            row=1,
            col=number + 1,
        )


def _add_area(
    figure: go.Figure, number: int, ks: list[int], low: list[float], high: list[float], kind
) -> None:
    figure.add_scatter(
        x=ks + ks[::-1],
        y=high + low[::-1],
        fill="toself",
        mode="none",
        fillcolor=kind.color(mode()),
        opacity=0.18 if kind is EDITED else 0.3,
        showlegend=False,
        hoverinfo="skip",
        row=1,
        col=number + 1,
    )
