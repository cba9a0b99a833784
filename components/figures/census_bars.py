"""How many neurons of every layer are of which kind, beside the same activity over shuffled text."""

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from analysis.dictionaries.census.census import Census
from components.figures.against_null import mode

LOOKS = {
    "silent": ("#5a646a", "#a3b3ba", ""),
    "rare": ("#8a6d00", "#e6c229", "/"),
    "token": ("#0b6b78", "#3fb3c0", ""),
    "phrase": ("#2f7fb8", "#7ab8f5", "x"),
    "place": ("#b9500a", "#f28e3c", "."),
    "dense": ("#5b4b9e", "#a99be6", "\\"),
}
"""Of every kind that is drawn: its colour in light and in dark, and the pattern that tells it without colour."""


def draw_census_bars(
    census: Census, names: dict[str, str], key: str, on_choose: Callable[[int, str], None]
) -> None:
    """Stacked bars over layers, the embedding's side below; a bar that is clicked is handed on.

    Args:
        census: what is drawn.
        names: of the kinds, in the order they are stacked.
        key: names the chart.
        on_choose: receives layer and kind before the script runs again.
    """
    figure = make_subplots(
        cols=2, shared_yaxes=True, horizontal_spacing=0.03, subplot_titles=("this text", "shuffled (control)")
    )
    neurons = census.kinds.shape[1]
    both = census.counts(), census.counts(shuffled=True)
    shown = [kind for kind in names if any(sum(counts[kind]) for counts in both)]
    for column, counts in enumerate(both, 1):
        for kind in shown:
            _add(figure, column, kind, names[kind], counts[kind], neurons)
    most = max(
        (sum(counts[kind][layer] for kind in shown) for counts in both for layer in range(len(census.kinds))),
        default=0,
    )
    layers = len(census.kinds)
    figure.update_layout(
        barmode="stack",
        bargap=0.15,
        height=max(240, 110 + 14 * layers),
        margin={"l": 8, "r": 8, "t": 56, "b": 8},
        legend={"orientation": "h", "y": 1.06, "yanchor": "bottom", "traceorder": "normal"},
    )
    figure.update_xaxes(
        title_text="share of the layer's neurons",
        tickformat=".1%",
        range=[0, max(most / neurons, 0.001) * 1.05],
    )
    figure.update_yaxes(title_text="layer", dtick=1 if layers < 13 else 5, col=1)
    drawn = [(kind, column) for column in (1, 2) for kind in shown]

    def choose() -> None:
        if points := st.session_state[key].selection.points:
            on_choose(int(points[0]["y"]), drawn[int(points[0]["curve_number"])][0])

    st.plotly_chart(
        figure,
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt="Neurons by kind and layer: "
        + "; ".join(f"{names[kind]} {sum(both[0][kind])}, shuffled {sum(both[1][kind])}" for kind in shown)
        + ".",
    )


def _add(figure: go.Figure, column: int, kind: str, name: str, counts: tuple[int, ...], neurons: int) -> None:
    light, dark, pattern = LOOKS[kind]
    figure.add_bar(
        y=list(range(1, len(counts) + 1)),
        x=[count / neurons for count in counts],
        customdata=counts,
        orientation="h",
        name=name,
        legendgroup=kind,
        showlegend=column == 1,
        marker={
            "color": dark if mode() == "dark" else light,
            "pattern": {
                "shape": pattern,
                "fillmode": "overlay",
                "fgcolor": "#0e171c" if mode() == "dark" else "#ffffff",
                "size": 5,
                "solidity": 0.25,
            },
        },
        unselected={"marker": {"opacity": 1}},  # a click chooses, it does not single out a bar
        hovertemplate=f"layer %{{y}}: %{{customdata}} neurons (%{{x:.2%}})<extra>{name}</extra>",
        row=1,
        col=column,
    )
