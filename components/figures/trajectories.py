"""How chosen tokens fare along the layers."""

from collections.abc import Iterable, Mapping, Sequence

import plotly.graph_objects as go
import streamlit as st

from analysis.results import LayerCurve
from components.literal import for_plotly

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")
MARKS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross", "triangle-down")


def trajectories(curve: LayerCurve, layer: int) -> go.Figure:
    """Lines over layers, told apart by dash and mark as well as by colour, with the cursor's layer marked."""
    figure = _lines(zip(curve.labels, curve.values, strict=True), "%{y:.1%}")
    figure.add_vline(x=layer, line_width=1, line_dash="dot", line_color="gray")
    rows = -(-len(curve.labels) // 3)  # three names fit beside each other in the panel
    figure.update_layout(
        height=230 + 22 * rows,
        margin={"l": 8, "r": 8, "t": 8, "b": 22 * rows + 48},
        legend={
            "orientation": "h",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "font": {"family": "monospace"},
        },
        hovermode="closest",
    )
    figure.update_xaxes(title_text="layer (0 = embedding)", range=[-0.5, curve.values.shape[1] - 0.5])
    figure.update_yaxes(title_text=curve.unit, tickformat=".0%", rangemode="tozero")
    return figure


def _lines(
    named: Iterable[tuple[str, Sequence[float | None]]], shown: str, layers: Sequence[int] | None = None
) -> go.Figure:
    figure, colors = go.Figure(), _colors()
    for i, (label, values) in enumerate(named):
        name = for_plotly(label)
        figure.add_scatter(
            x=list(range(len(values)) if layers is None else layers),
            y=values,
            name=name,
            mode="lines+markers",
            line={"dash": DASHES[i % len(DASHES)], "width": 2, "color": colors[i % len(colors)]},
            marker={"symbol": MARKS[i % len(MARKS)], "size": 5},
            hovertemplate=f"{name}<br>layer %{{x}}: {shown}<extra></extra>",
        )
    return figure


def _colors() -> list[str]:
    """The theme's categories; plotly's own would be drawn otherwise, too dim on the dark page."""
    return st.get_option(f"theme.{st.context.theme.type or 'light'}.chartCategoricalColors")


def draw_by_layer(
    named: Mapping[str, Sequence[float]],
    unit: str,
    key: str,
    log: bool = False,
    layers: Sequence[int] | None = None,
) -> None:
    """Plain lines over layers, all of them or those given; on a logarithmic axis zeros are left out."""
    drawn = {name: [value or None for value in values] if log else values for name, values in named.items()}
    figure = _lines(drawn.items(), "%{y:.3g}", layers)
    figure.update_layout(
        height=280,
        margin={"l": 8, "r": 8, "t": 8, "b": 70},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
    )
    figure.update_xaxes(title_text="layer (0 = embedding)")
    figure.update_yaxes(title_text=unit, type="log" if log else "linear", dtick=1 if log else None)
    ends = ", ".join(f"{name} {values[0]:.3g} to {values[-1]:.3g}" for name, values in named.items())
    st.plotly_chart(
        figure,
        key=key,
        config={"displayModeBar": False},
        alt=f"{unit} by layer, {_extent(layers)}: {ends}.",
    )


def _extent(layers: Sequence[int] | None) -> str:
    return "from the embedding to the last" if layers is None else f"from layer {layers[0]} to {layers[-1]}"


def draw_trajectories(curve: LayerCurve, layer: int, key: str) -> None:
    """The figure on a page, with its text alternative."""
    ends = ", ".join(
        f"{label} {values[-1]:.0%}" for label, values in zip(curve.labels, curve.values, strict=True)
    )
    st.plotly_chart(
        trajectories(curve, layer),
        key=key,
        config={"displayModeBar": False},
        alt=f"{curve.title} by layer; at the last layer: {ends}.",
    )
