"""Pictures of two sentences read beside each other."""

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from analysis.geometry.garden_path import DISTANCES, UNITS, GardenPath
from components.figures.against_null import mode
from components.kinds import BASE, EDITED, NULL, Kind
from components.literal import for_plotly
from components.ramps import ramp

KEY = "geometry_garden_picture"
ROWS = (0.56, 0.24, 0.20)
"""Shares of the picture's height: all layers, the cursor's, and surprisal."""
SQUARES = 1
"""Number of the trace whose points are layers and tokens; those of all others are tokens."""


def draw_picture(
    found: GardenPath, distance: str, layer: int, word: str, on_choose: Callable[[int, int | None], None]
) -> None:
    """Layers by tokens, the cursor's layer beside its controls, and surprisal, over one axis of tokens.

    Args:
        found: what is drawn.
        distance: one of `DISTANCES`.
        layer: the cursor's.
        word: where the sentence turns; empty if nobody knows.
        on_choose: receives the pair that is clicked, and its layer if one was, before the script runs again.
    """
    figure = make_subplots(3, 1, shared_xaxes=True, row_heights=ROWS, vertical_spacing=0.04)
    _add_grid(figure, found, distance)
    _add_layer(figure, found, distance, layer)
    _add_surprisal(figure, found)
    figure.add_hline(y=layer, line_width=1, line_dash="dot", line_color="gray", row=1, col=1)
    if (asked := found.pair_of(word)) is not None:
        figure.add_vline(x=asked, line_width=1, line_dash="dash", line_color=EDITED.color(mode()))
    _finish(figure, found, layer)

    def choose() -> None:
        if not (points := st.session_state[KEY].selection.points):
            return
        at = points[0]
        on_choose(int(at["x"]), int(at["y"]) if at["curve_number"] == SQUARES else None)

    peak_layer, peak = found.peak(distance)
    st.plotly_chart(
        figure,
        key=KEY,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"{DISTANCES[distance]} between the two sentences by layer and token: largest at {found.labels[peak]}, "
        f"layer {peak_layer}; below it the same at layer {layer} beside neutral words, and the surprisal of both "
        f"sentences.",
    )


def _add_grid(figure: go.Figure, found: GardenPath, distance: str) -> None:
    """A heat map, under squares that can be clicked: a heat map itself reports no clicks."""
    values = found.distances[distance].values
    colors = [fill for fill, _ in ramp("sequential", mode())]
    figure.add_heatmap(
        z=values,
        colorscale=[[n / (len(colors) - 1), color] for n, color in enumerate(colors)],
        zmin=0,
        colorbar={"title": UNITS[distance], "thickness": 10, "len": ROWS[0], "y": 1, "yanchor": "top"},
        hoverinfo="skip",
        row=1,
        col=1,
    )
    layer, pair = (each.ravel() for each in np.indices(values.shape))
    labels = np.array([for_plotly(label) for label in found.labels], object)
    figure.add_scatter(
        x=pair,
        y=layer,
        mode="markers",
        marker={"symbol": "square", "size": 14, "color": "rgba(0,0,0,0)"},
        unselected={"marker": {"opacity": 1}},
        text=labels[pair],
        customdata=values.ravel(),
        hovertemplate="%{text}, layer %{y}: %{customdata:.3g}<extra></extra>",
        showlegend=False,
        row=1,
        col=1,
    )


def _add_layer(figure: go.Figure, found: GardenPath, distance: str, layer: int) -> None:
    """The distances of one layer above the range of those that neutral words make."""
    low, high = (edge[layer] for edge in found.band(distance))
    color, null = EDITED.color(mode()), NULL.color(mode())
    pairs = np.arange(len(low))
    figure.add_bar(
        x=pairs,
        y=high - low,
        base=low,
        width=0.7,
        marker={"color": null, "opacity": 0.45},
        name=f"{len(found.words)} neutral words in their place",
        customdata=high,
        hovertemplate="%{base:.3g} to %{customdata:.3g}<extra>neutral words</extra>",
        row=2,
        col=1,
    )
    values = found.distances[distance].values[layer]
    figure.add_scatter(
        x=pairs,
        y=values,
        mode="lines+markers",
        line={"color": color, "width": 2},
        marker={
            "size": 8,
            "color": color,
            "symbol": ["diamond" if out else "diamond-open" for out in values > high],
        },
        unselected={"marker": {"opacity": 1}},
        name="between the sentences (filled: beyond the neutral words)",
        hovertemplate="%{y:.3g}<extra>between the sentences</extra>",
        row=2,
        col=1,
    )


def _add_surprisal(figure: go.Figure, found: GardenPath) -> None:
    pairs = np.arange(len(found.pairs))
    for name, kind, side in (("surprisal, misleads", EDITED, 0), ("surprisal, marked", BASE, 1)):
        figure.add_scatter(
            x=pairs,
            y=found.surprisal[side][found.pairs[:, side]],
            mode="lines+markers",
            name=name,
            line={"color": kind.color(mode()), "width": 1.5, "dash": "dot" if side else "solid"},
            marker={"symbol": kind.symbol, "size": 7},
            unselected={"marker": {"opacity": 1}},
            hovertemplate=f"%{{y:.1f}} bits<extra>{name}</extra>",
            row=3,
            col=1,
        )


def _finish(figure: go.Figure, found: GardenPath, layer: int) -> None:
    labels = [for_plotly(label) for label in found.labels]
    figure.update_xaxes(showgrid=False, zeroline=False)
    figure.update_xaxes(
        tickvals=list(range(len(labels))),
        ticktext=labels,
        tickfont={"family": "monospace"},
        tickangle=-45,
        row=3,
        col=1,
    )
    figure.update_yaxes(
        title_text="layer (0 = embedding)",
        showgrid=False,
        zeroline=False,
        dtick=1 if len(found.distances["raw"].values) < 14 else 5,
        row=1,
        col=1,
    )
    figure.update_yaxes(title_text=f"at layer {layer}", rangemode="tozero", row=2, col=1)
    figure.update_yaxes(title_text="bits", rangemode="tozero", row=3, col=1)
    figure.update_layout(
        height=620,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="closest",
        hoverdistance=40,  # of few layers the cells are higher than the squares
        legend={"orientation": "h", "yref": "paper", "y": 1.02, "yanchor": "bottom"},
    )


def draw_over_layers(
    key: str,
    named: Sequence[tuple[str, Kind, np.ndarray]],
    band: tuple[np.ndarray, np.ndarray] | None,
    unit: str,
    layer: int,
) -> None:
    """Lines of one token over the layers, by name and kind, above the range of its controls where there are any."""
    figure = go.Figure()
    layers = list(range(len(named[0][2])))
    if band is not None:
        figure.add_scatter(
            x=layers + layers[::-1],
            y=np.concatenate([band[1], band[0][::-1]]),
            fill="toself",
            mode="none",
            fillcolor=NULL.color(mode()),
            opacity=0.35,
            name="neutral words",
            hoverinfo="skip",
        )
    for name, kind, values in named:
        figure.add_scatter(
            x=layers,
            y=values,
            mode="lines+markers",
            name=name,
            line={"color": kind.color(mode()), "dash": kind.dash, "width": 2},
            marker={"symbol": kind.symbol, "size": 6},
            hovertemplate=f"layer %{{x}}: %{{y:.3g}}<extra>{name}</extra>",
        )
    figure.add_vline(x=layer, line_width=1, line_dash="dot", line_color="gray")
    figure.update_layout(
        height=240,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "yref": "paper", "y": 1.02, "yanchor": "bottom"},
    )
    figure.update_xaxes(title_text="layer (0 = embedding)", dtick=1 if len(layers) < 14 else 5)
    figure.update_yaxes(title_text=unit, rangemode="tozero")
    names = " and ".join(name for name, _, _ in named)
    st.plotly_chart(
        figure,
        key=key,
        config={"displayModeBar": False},
        alt=f"One token over the layers ({unit}): {names}; at layer {layer} {named[0][2][layer]:.3g}.",
    )
