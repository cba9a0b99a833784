"""What a probe scores, layer by layer, beside everything that scores without reading the concept."""

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

from analysis.methods.probe import Probed
from components.figures.against_null import mode
from components.kinds import ASKED, BASE, EDITED, NULL


def draw_probe_curve(probed: Probed, layer: int, key: str, on_choose: Callable[[int], None]) -> None:
    """Score with its interval, shuffled labels, control task and baseline; a layer that is clicked is handed on.

    Args:
        probed: what is drawn.
        layer: the one to mark: the cursor.
        key: names the chart.
        on_choose: receives the layer before the script runs again.
    """
    accuracy = bool(probed.given.classes)
    layers = [at for at, _ in probed.scores]
    scores = [each for _, each in probed.scores]
    figure = go.Figure()
    _add_band(figure, layers, scores)
    _add_range(figure, layers, scores)
    control = [("control task", ASKED, [each.control for each in scores])] if probed.has_control else []
    for name, kind, values in (
        *control,
        ("shuffled labels", NULL, [each.shuffled_mean for each in scores]),
        ("most frequent" if accuracy else "always the mean", BASE, [probed.curve.baseline] * len(layers)),
        ("probe", EDITED, [each.score for each in scores]),
    ):
        figure.add_scatter(
            x=layers,
            y=values,
            name=name,
            mode="lines+markers" if kind is EDITED else "lines",
            line={"color": kind.color(mode()), "dash": kind.dash, "width": kind.width},
            marker={"symbol": kind.symbol, "size": 7},
            unselected={"marker": {"opacity": 1}},  # a click chooses a layer, it does not single out a point
            hovertemplate=f"layer %{{x}}: %{{y:{'.1%' if accuracy else '.2f'}}}<extra>{name}</extra>",
        )
    figure.add_vline(x=layer, line_width=1, line_dash="dot", line_color="gray")
    figure.update_layout(
        height=360,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    first, last = probed.layers[0], probed.layers[-1]  # all of them, where a stopped probe has a few
    figure.update_xaxes(
        title_text="layer (0 = embedding)", range=[first - 0.5, last + 0.5], dtick=1 if last < 13 else 5
    )
    low = (
        min([0.0, *(each.low for each in scores)])
        if accuracy
        else max(-0.5, min(each.low for each in scores))
    )
    figure.update_yaxes(
        title_text="held-out accuracy" if accuracy else "held-out R2",
        tickformat=".0%" if accuracy else ".1f",
        range=[min(low, -0.1 if not accuracy else 0), 1.03],
    )
    best = probed.at(probed.best)

    def choose() -> None:
        if points := st.session_state[key].selection.points:
            on_choose(int(points[0]["x"]))

    st.plotly_chart(
        figure,
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Held-out score by layer; the best is {best.score:.2f} at layer {probed.best}.",
    )


def _add_range(figure: go.Figure, layers: list[int], scores: list) -> None:
    """Lowest to highest of the shuffles."""
    figure.add_scatter(
        x=layers + layers[::-1],
        y=[max(each.shuffled) for each in scores] + [min(each.shuffled) for each in scores][::-1],
        fill="toself",
        mode="none",
        fillcolor=NULL.color(mode()),
        opacity=0.3,
        showlegend=False,
        hoverinfo="skip",
    )


def _add_band(figure: go.Figure, layers: list[int], scores: list) -> None:
    figure.add_scatter(
        x=layers + layers[::-1],
        y=[each.high for each in scores] + [each.low for each in scores][::-1],
        fill="toself",
        mode="none",
        fillcolor=EDITED.color(mode()),
        opacity=0.18,
        name="95% interval",
        hoverinfo="skip",
    )
