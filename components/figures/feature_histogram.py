"""How strongly a feature fires, over many tokens."""

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components.figures.against_null import mode
from components.kinds import EDITED


def draw_feature_histogram(edges: Sequence[float], tokens: Sequence[int], *, signed: bool, key: str) -> None:
    """Tokens by activation, with a logarithmic axis along the bottom.

    Args:
        edges: where each bin begins, and where the last one ends.
        tokens: in each bin.
        signed: True if activations may be negative: magnitudes are shown.
        key: names the chart.
    """
    edges, tokens = np.asarray(edges, float), np.asarray(tokens)
    first = max(int(np.flatnonzero(tokens)[0]) - 1, 0) if tokens.any() else 0  # no long empty beginning
    edges, tokens = edges[first:], tokens[first:]
    logs = np.log10(np.maximum(edges, np.finfo(float).tiny))
    middles = 10 ** ((logs[1:] + logs[:-1]) / 2)
    figure = go.Figure()
    figure.add_bar(
        x=np.log10(middles),
        y=tokens,
        width=np.diff(logs),
        marker={"color": EDITED.color(mode()), "line": {"width": 0}},
        customdata=np.stack([edges[:-1], edges[1:]], axis=1),
        hovertemplate="%{customdata[0]:.3g} to %{customdata[1]:.3g}: %{y} tokens<extra></extra>",
    )
    places = round_places(float(edges[0]), float(edges[-1]))
    figure.update_xaxes(
        title_text="magnitude of activation, log" if signed else "activation, log",
        tickvals=[np.log10(each) for each in places],
        ticktext=[f"{each:g}" for each in places],
    )
    figure.update_yaxes(title_text="tokens", rangemode="tozero")
    figure.update_layout(height=190, margin={"l": 8, "r": 8, "t": 8, "b": 8}, bargap=0, showlegend=False)
    most = int(tokens.argmax()) if len(tokens) else 0
    st.plotly_chart(
        figure,
        key=key,
        config={"displayModeBar": False},
        alt=f"Histogram of {int(tokens.sum()):,} activations; most tokens lie near {middles[most]:.3g}.",
    )


def round_places(low: float, high: float) -> list[float]:
    """1, 2 and 5 times the powers of ten from one number to another, both above 0."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [place for power in powers for step in (1, 2, 5) if low <= (place := step * 10.0**power) <= high]
