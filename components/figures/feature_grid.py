"""Features by tokens: how strong each is at each, the features in the order of the tokens where they peak."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components.figures.against_null import mode
from components.kinds import EDITED, NULL
from components.literal import for_plotly
from components.ramps import ramp

ROW, LEAST = 20, 150
"""Pixels of a row, and of what stands around the rows."""
LONGEST_TOKEN = 12
MOST_MARKS = 2_000
"""Cells that can be clicked one by one; of more, only those with an activation."""


@dataclass(frozen=True, eq=False)
class FeatureGrid:
    """What is drawn."""

    values: np.ndarray
    """(feature, position) activations."""
    features: tuple[int, ...]
    """Numbers, the uppermost row first."""
    names: tuple[str, ...]
    """One per feature, as on the axis."""
    tokens: tuple[str, ...]
    """As shown."""
    positions: tuple[int, ...]
    """Of the tokens in the text."""
    counts: tuple[bool, ...]
    """False for tokens that do not count."""
    signed: bool
    kind: str
    """What one feature is called."""

    @property
    def reach(self) -> float:
        """The magnitude of the full colour: the largest at tokens that count."""
        known = np.abs(self.values[:, np.array(self.counts)])
        return float(known.max(initial=0)) or 1.0


def draw_feature_grid(
    grid: FeatureGrid,
    *,
    feature: int | None,
    position: int,
    key: str,
    on_choose: Callable[[int, int], None],
) -> None:
    """The grid with its cursor.

    Args:
        grid: what is drawn.
        feature: the one that is looked at.
        position: the cursor's token.
        key: names the chart.
        on_choose: receives feature and position of a cell before the script runs again.
    """
    figure = _cells(grid)
    _add_left_out(figure, grid)
    _add_marks(figure, grid)
    _add_cursor(figure, grid, feature, position)
    _lay_out(figure, grid)

    def choose() -> None:
        if points := st.session_state[key].selection.points:
            on_choose(grid.features[int(points[0]["y"])], grid.positions[int(points[0]["x"])])

    st.plotly_chart(
        figure,
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=in_words(grid),
    )


def in_words(grid: FeatureGrid) -> str:
    """The picture in a sentence."""
    if not grid.features:
        return "No feature is active."
    row, column = np.unravel_index(np.abs(grid.values * np.array(grid.counts)).argmax(), grid.values.shape)
    return (
        f"Activation of {len(grid.features)} {grid.kind}s at {len(grid.tokens)} tokens; the largest is "
        f"{grid.values[row, column]:.3g}, of {grid.names[row]} at {grid.tokens[column]}."
    )


def _cells(grid: FeatureGrid) -> go.Figure:
    colors = [fill for fill, _ in ramp("diverging" if grid.signed else "sequential", mode())]
    scale = [[number / (len(colors) - 1), color] for number, color in enumerate(colors)]
    shown = np.where((grid.values != 0) & np.array(grid.counts), grid.values, np.nan)
    return go.Figure(
        go.Heatmap(
            z=shown,
            zmin=-grid.reach if grid.signed else 0,
            zmax=grid.reach,
            colorscale=scale,
            xgap=1,
            ygap=1,
            hoverinfo="skip",
            colorbar={"title": {"text": "activation", "side": "right"}, "thickness": 10, "len": 0.6},
        )
    )


def _add_left_out(figure: go.Figure, grid: FeatureGrid) -> None:
    """A grey column for each token that does not count: its numbers would drown the others."""
    for column, counts in enumerate(grid.counts):
        if not counts:
            grey = NULL.color(mode())
            figure.add_vrect(column - 0.5, column + 0.5, fillcolor=grey, opacity=0.18, line_width=0)


def _add_marks(figure: go.Figure, grid: FeatureGrid) -> None:
    """Unseen squares: a heatmap tells nobody where it was clicked."""
    rows, columns = np.indices(grid.values.shape).reshape(2, -1)
    values = grid.values[rows, columns]
    if len(values) > MOST_MARKS:
        rows, columns, values = (each[values != 0] for each in (rows, columns, values))
    hidden = {"marker": {"opacity": 0}}
    told = [
        (for_plotly(grid.tokens[column]), for_plotly(grid.names[row]), grid.positions[column])
        for row, column in zip(rows, columns, strict=True)
    ]
    figure.add_scatter(
        x=columns,
        y=rows,
        mode="markers",
        marker={"symbol": "square", "size": ROW - 2, "opacity": 0},
        selected=hidden,
        unselected=hidden,
        customdata=[(*words, value) for words, value in zip(told, values.tolist(), strict=True)],
        hovertemplate=f"%{{customdata[0]}} (token %{{customdata[2]}})<br>{grid.kind} %{{customdata[1]}}<br>"
        "activation %{customdata[3]:.3g}<extra></extra>",
        showlegend=False,
    )


def _add_cursor(figure: go.Figure, grid: FeatureGrid, feature: int | None, position: int) -> None:
    line = {"color": EDITED.color(mode()), "width": 1.5}
    if position in grid.positions:
        column = grid.positions.index(position)
        figure.add_vrect(column - 0.5, column + 0.5, line=line, layer="above")
    if feature in grid.features:
        row = grid.features.index(feature)
        figure.add_hrect(row - 0.5, row + 0.5, line=line, layer="above")


def _lay_out(figure: go.Figure, grid: FeatureGrid) -> None:
    figure.update_layout(
        height=LEAST + ROW * len(grid.features), margin={"l": 8, "r": 8, "t": 8, "b": 8}, hovermode="closest"
    )
    figure.update_yaxes(
        tickvals=list(range(len(grid.names))),
        ticktext=[for_plotly(name) for name in grid.names],
        range=[len(grid.names) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
        title_text=f"{grid.kind}, by where it peaks",
    )
    figure.update_xaxes(**_token_axis(grid.tokens))


def _token_axis(tokens: Sequence[str]) -> dict:
    labels = [for_plotly(_cut(token)) for token in tokens]
    return {
        "tickvals": list(range(len(labels))),
        "ticktext": labels,
        "tickfont": {"family": "monospace"},
        "tickangle": -60 if len(labels) > 8 else 0,
        "range": [-0.5, len(labels) - 0.5],
        "showgrid": False,
        "zeroline": False,
        "title_text": "token",
    }


def _cut(token: str) -> str:
    return token if len(token) <= LONGEST_TOKEN else f"{token[: LONGEST_TOKEN - 1]}…"
