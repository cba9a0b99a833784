"""The neurons that stand out at a token: one row of marks for each layer, layers upward."""

from collections.abc import Callable

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.dictionaries.census.standing_out import StandingOut
from components.figures.against_null import mode
from components.frame import Frame
from components.kinds import EDITED, NULL
from components.literal import plain

KEY = "standing_neurons"


def draw_neurons(frame: Frame, found: StandingOut, on_choose: Callable[[int, int], None]) -> None:
    """The picture and its sentence.

    Args:
        frame: model, text and cursor.
        found: the neurons of every layer and token.
        on_choose: receives layer and neuron before the script runs again.
    """
    scores, neurons = found.scores[:, frame.position], found.neurons[:, frame.position]
    figure = go.Figure()
    _add_chance(figure, found)
    layers = np.repeat(found.layers, scores.shape[1])
    figure.add_scatter(
        x=scores.ravel(),
        y=layers,
        mode="markers",
        name="neuron",
        marker={"symbol": EDITED.symbol, "size": 8, "color": EDITED.color(mode())},
        unselected={"marker": {"opacity": 1}},
        customdata=np.stack([neurons.ravel(), found.activations[:, frame.position].ravel()], axis=1),
        hovertemplate="layer %{y}, neuron %{customdata[0]:.0f}: %{x:+.1f}, activation %{customdata[1]:.3g}"
        "<extra></extra>",
    )
    figure.update_layout(
        height=200 + 11 * len(found.layers),
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="closest",
        barmode="overlay",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    figure.update_xaxes(title_text="distance from usual (moderated standard deviations)")
    figure.update_yaxes(title_text="layer", dtick=1 if len(found.layers) < 13 else 5)

    def choose() -> None:
        points = st.session_state[KEY].selection.points
        if points and points[0].get("curve_number") == 2:
            on_choose(int(points[0]["y"]), int(points[0]["customdata"][0]))

    st.plotly_chart(
        figure,
        key=KEY,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=_sentence(found, scores, neurons),
    )
    st.caption(plain(_sentence(found, scores, neurons)))


def _add_chance(figure: go.Figure, found: StandingOut) -> None:
    """From the smallest to the largest of the control, to both sides."""
    low, high = found.chance.min(0), found.chance.max(0)
    for number, sign in enumerate((-1, 1)):
        figure.add_bar(
            y=found.layers,
            base=sign * low,
            x=sign * (high - low),
            orientation="h",
            marker={"color": NULL.color(mode()), "opacity": 0.35},
            name="largest by chance",
            showlegend=number == 0,
            hovertemplate="layer %{y}: the largest by chance<extra></extra>",
        )


def _sentence(found: StandingOut, scores: np.ndarray, neurons: np.ndarray) -> str:
    row, column = np.unravel_index(np.abs(scores).argmax(), scores.shape)
    beyond = int((np.abs(scores[:, 0]) > found.chance.max(0)).sum())
    return (
        f"Each mark is one of a layer's {scores.shape[1]} neurons that are furthest from what they do at the text's "
        f"other tokens; the furthest is neuron {neurons[row, column]} of layer {found.layers[row]} "
        f"({scores[row, column]:+.1f}). Grey: the largest of a layer where every neuron is looked at in a token drawn "
        f"at random, {len(found.chance)} times. At {beyond} of {len(found.layers)} layers a neuron lies beyond it. The "
        "usual is that of this one text: a longer one says more."
    )
