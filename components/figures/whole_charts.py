"""Charts of a whole dictionary: clouds of points, spectra, and numbers beside what chance gives."""

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components.figures.against_null import mode
from components.figures.trajectories import DASHES, MARKS
from components.kinds import EDITED, NULL
from components.literal import for_plotly

HEIGHT = 320


def colors() -> list[str]:
    """The theme's categories."""
    return st.get_option(f"theme.{mode()}.chartCategoricalColors")


def show(
    figure: go.Figure,
    key: str,
    alt: str,
    height: int = HEIGHT,
    on_choose: Callable[[object], None] | None = None,
) -> None:
    """A chart with its text alternative; the legend stands above it.

    Args:
        figure: the chart.
        key: names it.
        alt: the chart in words.
        height: in pixels.
        on_choose: receives the `x` or the `customdata` of a point that is clicked, before the page runs again.
    """
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="closest",
        legend={"orientation": "h", "yref": "paper", "y": 1.02, "yanchor": "bottom"},
    )
    more = {}
    if on_choose is not None:
        figure.update_traces(unselected={"marker": {"opacity": 1}}, selector={"type": "scatter"})

        def choose() -> None:
            if points := st.session_state[key].selection.points:
                on_choose(points[0].get("customdata", points[0].get("x")))

        more = {"on_select": choose, "selection_mode": "points"}
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt, **more)


def add_cloud(
    figure: go.Figure,
    name: str,
    points: np.ndarray,
    told: Sequence[str],
    number: int = 0,
    size: int = 6,
    opacity: float = 0.8,
) -> None:
    """Points of one group, with a colour and a mark of its own.

    Args:
        figure: receives them.
        name: as the legend has it.
        points: (point, 2).
        told: what is shown at each.
        number: of the group.
        size: of a mark.
        opacity: of a mark.
    """
    wears = colors()
    figure.add_scatter(
        x=points[:, 0],
        y=points[:, 1],
        name=for_plotly(name),
        mode="markers",
        marker={
            "size": size,
            "color": wears[number % len(wears)],
            "symbol": MARKS[number % len(MARKS)],
            "opacity": opacity,
        },
        customdata=[for_plotly(each) for each in told],
        hovertemplate=f"%{{customdata}}<extra>{for_plotly(name)}</extra>",
    )


def add_spectrum(figure: go.Figure, name: str, values: np.ndarray, number: int) -> None:
    """Shares of variance by rank."""
    wears = colors()
    figure.add_scatter(
        x=np.arange(1, len(values) + 1),
        y=values,
        name=for_plotly(name),
        mode="lines",
        line={"color": wears[number % len(wears)], "dash": DASHES[number % len(DASHES)], "width": 2.5},
        hovertemplate=f"rank %{{x}}: %{{y:.2%}}<extra>{for_plotly(name)}</extra>",
    )


def add_random(figure: go.Figure, name: str, x: np.ndarray, draws: np.ndarray) -> None:
    """From the lowest to the highest of the random draws."""
    low, high = draws.min(0), draws.max(0)
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        name=for_plotly(name),
        mode="lines",
        line={"width": 1.5, "color": NULL.color(mode()), "dash": NULL.dash},
        fill="toself",
        hoverinfo="skip",
    )


def beside_chance(
    rows: Sequence[tuple[str, float, Sequence[float]]],
    key: str,
    alt: str,
    unit: str,
    name: str = "this dictionary",
) -> None:
    """One row a measure: its value, and the range of the same in its control.

    Args:
        rows: name, value and draws of the control.
        key: names the chart.
        alt: the chart in words.
        unit: title of the axis.
        name: what the values are of.
    """
    figure = go.Figure()
    names = [for_plotly(name) for name, _, _ in rows]
    low, high = (
        np.array([edge(draws) for _, _, draws in rows], float)
        for edge in (lambda d: min(d), lambda d: max(d))
    )
    span = max([abs(value) for _, value, _ in rows] + [abs(each) for each in high]) or 1
    figure.add_bar(
        y=names,
        base=low,
        x=np.maximum(high - low, 0.008 * span),
        orientation="h",
        width=0.5,
        name="control",
        marker={"color": NULL.color(mode()), "opacity": 0.6},
        customdata=np.stack([low, high], 1),
        hovertemplate="%{customdata[0]:.3f} to %{customdata[1]:.3f}<extra>control</extra>",
    )
    figure.add_scatter(
        y=names,
        x=[value for _, value, _ in rows],
        mode="markers",
        name=name,
        marker={"symbol": EDITED.symbol, "size": 11, "color": EDITED.color(mode())},
        hovertemplate="%{x:.3f}<extra>%{y}</extra>",
    )
    figure.update_xaxes(title_text=unit, zeroline=True)
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(barmode="overlay")
    show(figure, key, alt, height=90 + 44 * len(rows))
