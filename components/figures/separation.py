"""How well a direction separates its sides, layer by layer, beside shuffled labels."""

import plotly.graph_objects as go
import streamlit as st

from analysis import Direction
from components.kinds import KINDS


def draw_separation(direction: Direction, key: str) -> None:
    """Held-out accuracy with its standard error, the shuffled control, and the proposed layer."""
    rows, mode = direction.separation, st.context.theme.type or "light"
    edited, null = KINDS["edited"], KINDS["null"]
    layers = [row.layer for row in rows]
    figure = go.Figure()
    figure.add_scatter(
        x=layers,
        y=[row.shuffled for row in rows],
        name="shuffled labels",
        mode="lines",
        line={"color": null.color(mode), "dash": null.dash, "width": 2},
        hovertemplate="layer %{x}: %{y:.0%}<extra>shuffled</extra>",
    )
    figure.add_scatter(
        x=layers,
        y=[row.accuracy for row in rows],
        error_y={"array": [row.error for row in rows], "thickness": 1, "width": 2},
        name="held-out accuracy",
        mode="lines+markers",
        line={"color": edited.color(mode), "width": 2},
        marker={"size": 6},
        customdata=[row.gap for row in rows],
        hovertemplate="layer %{x}: %{y:.0%}, gap %{customdata:.1f} sd<extra></extra>",
    )
    figure.add_vline(
        x=direction.layer,
        line_width=1,
        line_dash="dot",
        line_color="gray",
        annotation_text="proposed",
        annotation_position="bottom right",
    )
    figure.update_layout(
        height=260,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    figure.update_xaxes(title_text="layer (0 = embedding)")
    figure.update_yaxes(title_text="accuracy", tickformat=".0%", range=[0, 1.05])
    best = max(rows, key=lambda row: row.accuracy)
    st.plotly_chart(
        figure,
        key=key,
        config={"displayModeBar": False},
        alt=f"Held-out accuracy by layer; the best is {best.accuracy:.0%} at layer {best.layer}.",
    )
