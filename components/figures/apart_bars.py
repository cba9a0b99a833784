"""Features that tell two things apart, as bars to either side, over what chance does."""

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.dictionaries.labels.rule import UNCLEAR
from analysis.dictionaries.telling_apart.apart import Apart, PromptsApart
from components.figures.against_null import mode
from components.kinds import ASKED, BASE, EDITED, NULL
from components.literal import for_plotly

LONGEST = 36
"""Characters of a label beside a bar."""


def draw_effects(
    found: Apart, labels: Sequence[str], most: int, key: str, on_choose: Callable[[int], None]
) -> None:
    """The largest effects with their intervals, over the band of shuffled labels.

    Args:
        found: what is drawn.
        labels: of all features; empty where they are not known.
        most: bars.
        key: names the chart.
        on_choose: receives the feature of a bar that is clicked, before the script runs again.
    """
    shown = found.order[:most]
    figure = go.Figure()
    figure.add_vrect(
        -found.band, found.band, fillcolor=NULL.color(mode()), opacity=0.3, line_width=0, layer="below"
    )
    figure.add_scatter(
        x=[None],
        y=[None],
        mode="markers",
        marker={"symbol": "square", "size": 12, "color": NULL.color(mode()), "opacity": 0.5},
        name="shuffled labels, largest of all features",
    )
    first, second = found.names
    _add_bars(
        figure,
        shown,
        found.effect[shown],
        (f"more in {first}", f"more in {second}"),
        "effect %{x:+.2f} (%{customdata[1]:+.2f} to %{customdata[2]:+.2f})",
        found.low[shown],
        found.high[shown],
    )
    figure.update_xaxes(title_text="effect (difference of means over the spread within kinds)")
    beyond = int(found.outside[shown].sum())
    alt = f"Effects of the {len(shown)} features furthest apart; {beyond} lie beyond the band of shuffled labels."
    _draw(figure, shown, labels, key, alt, on_choose)


def draw_differences(
    found: PromptsApart, labels: Sequence[str], most: int, key: str, on_choose: Callable[[int], None]
) -> None:
    """The largest differences between two prompts; nothing is known of chance.

    Args:
        found: what is drawn.
        labels: of all features; empty where they are not known.
        most: bars.
        key: names the chart.
        on_choose: receives the feature of a bar that is clicked, before the script runs again.
    """
    shown = found.order[:most]
    shown = shown[found.difference[shown] != 0]
    figure = go.Figure()
    values = found.difference[shown]
    _add_bars(figure, shown, values, ("more in A", "more in B"), "A less B: %{x:+.3g}")
    figure.update_xaxes(title_text="difference of activations, A less B (unit of states)")
    alt = f"Differences of the {len(shown)} features that differ most between the two prompts."
    _draw(figure, shown, labels, key, alt, on_choose)


def _add_bars(
    figure: go.Figure,
    shown: np.ndarray,
    values: np.ndarray,
    names: tuple[str, str],
    hover: str,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
) -> None:
    """One colour and pattern for each side."""
    ends = np.stack([values if low is None else low, values if high is None else high])
    for name, kind, own in ((names[0], EDITED, values > 0), (names[1], ASKED, values <= 0)):
        rows = np.flatnonzero(own)
        bars = {"color": kind.color(mode()), "pattern": {"shape": "" if kind is EDITED else "/"}}
        below, above = np.maximum([values - ends[0], ends[1] - values], 0)[:, rows]
        errors = {"array": above, "arrayminus": below, "symmetric": False, "visible": low is not None}
        figure.add_bar(
            x=values[rows],
            y=rows,
            orientation="h",
            name=for_plotly(name),
            marker=bars,
            error_x=errors | {"color": BASE.color(mode()), "thickness": 1.2, "width": 3},
            customdata=np.stack([shown[rows], *ends[:, rows]], axis=1),
            hovertemplate=f"feature %{{customdata[0]:d}}: {hover}<extra></extra>",
            unselected={"marker": {"opacity": 1}},  # a click opens a card, it does not single out a bar
        )


def _draw(
    figure: go.Figure,
    shown: np.ndarray,
    labels: Sequence[str],
    key: str,
    alt: str,
    on_choose: Callable[[int], None],
) -> None:
    figure.update_yaxes(
        tickvals=list(range(len(shown))),
        ticktext=[for_plotly(_name(feature, labels)) for feature in shown.tolist()],
        range=[len(shown) - 0.4, -0.6],
        automargin=True,
        title_text="feature",
    )
    figure.add_vline(x=0, line_width=1, line_color="gray")
    figure.update_layout(
        height=110 + 24 * len(shown),
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        barmode="overlay",
        legend={"orientation": "h", "yref": "paper", "y": 1.01, "yanchor": "bottom"},
    )

    def choose() -> None:
        if points := st.session_state[key].selection.points:
            row = points[0].get("y")
            if row is not None:
                on_choose(int(shown[round(row)]))

    st.plotly_chart(
        figure,
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=alt,
    )


def _name(feature: int, labels: Sequence[str]) -> str:
    label = labels[feature] if feature < len(labels) else ""
    if not label or label == UNCLEAR:
        return f"{feature}"
    return f"{label if len(label) <= LONGEST else label[: LONGEST - 1] + '…'}  {feature}"
