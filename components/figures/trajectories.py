"""How chosen tokens fare along the layers."""

import plotly.graph_objects as go
import streamlit as st

from analysis.results import LayerCurve
from components.literal import for_plotly

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")
MARKS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross", "triangle-down")


def trajectories(curve: LayerCurve, layer: int) -> go.Figure:
    """Lines over layers, told apart by dash and mark as well as by colour, with the cursor's layer marked."""
    figure = go.Figure()
    for i, (label, values) in enumerate(zip(curve.labels, curve.values, strict=True)):
        name = for_plotly(label)
        figure.add_scatter(
            x=list(range(len(values))),
            y=values,
            name=name,
            mode="lines+markers",
            line={"dash": DASHES[i % len(DASHES)], "width": 2},
            marker={"symbol": MARKS[i % len(MARKS)], "size": 5},
            hovertemplate=f"{name}<br>layer %{{x}}: %{{y:.1%}}<extra></extra>",
        )
    figure.add_vline(x=layer, line_width=1, line_dash="dot", line_color="gray")
    figure.update_layout(
        height=260,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": -0.28, "font": {"family": "monospace"}},
        hovermode="closest",
    )
    figure.update_xaxes(title_text="layer (0 = embedding)", range=[-0.5, curve.values.shape[1] - 0.5])
    figure.update_yaxes(title_text=curve.unit, tickformat=".0%", rangemode="tozero")
    return figure


def draw_trajectories(curve: LayerCurve, layer: int, key: str) -> None:
    """The figure on a page, with its text alternative."""
    ends = ", ".join(f"{label} {values[-1]:.0%}" for label, values in zip(curve.labels, curve.values, strict=True))
    st.plotly_chart(
        trajectories(curve, layer),
        key=key,
        config={"displayModeBar": False},
        alt=f"{curve.title} by layer; at the last layer: {ends}.",
    )
