"""How well few features tell classes apart, by how many are used, beside what tells nothing and what tells all."""

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from analysis.dictionaries.telling_apart.sparse_probe import SparseProbe, Told
from components.figures.against_null import mode
from components.kinds import ASKED, BASE, EDITED, NULL, Kind

MEASURES = ("balanced accuracy", "AUROC")


def draw_probe(
    found: SparseProbe,
    k: int,
    raw: str,
    key: str,
    on_choose: Callable[[int], None],
    features: str = "features",
) -> None:
    """Both measures on held-out examples over k; a number of features that is clicked is handed on.

    Args:
        found: what is drawn.
        k: the number to mark.
        raw: what the numbers of the raw state are called; empty where the features are those numbers.
        key: names the chart.
        on_choose: receives k before the script runs again.
        features: what features are called.
    """
    figure = make_subplots(1, 2, shared_yaxes=True, subplot_titles=MEASURES, horizontal_spacing=0.04)
    for number in range(2):
        _add_measure(figure, found, number, raw, features)
    figure.add_vline(x=k, line_width=1, line_dash="dot", line_color="gray")
    figure.update_xaxes(
        type="log", title_text="features used", tickvals=found.ks, ticktext=list(map(str, found.ks))
    )
    lowest = min(0.5 * found.chance, *(each.shuffled.min() for each in found.scores))
    figure.update_yaxes(tickformat=".0%", range=[max(lowest - 0.03, 0), 1.03])
    figure.update_yaxes(title_text="on held-out examples", col=1)
    figure.update_layout(
        height=330,
        margin={"l": 8, "r": 8, "t": 24, "b": 8},
        legend={"orientation": "h", "y": -0.24, "yanchor": "top"},
    )

    def choose() -> None:
        if points := st.session_state[key].selection.points:
            on_choose(int(points[0]["x"]))

    at = found.at(k).features
    st.plotly_chart(
        figure,
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Held-out balanced accuracy and AUROC by the number of features; {k} tell {at.balanced.value:.0%}, "
        f"AUROC {at.auroc.value:.2f}; all raw numbers tell {found.dense.balanced.value:.0%}.",
    )


def _add_measure(figure: go.Figure, found: SparseProbe, number: int, raw: str, features: str) -> None:
    """One of `MEASURES`."""
    ks, scores = list(found.ks), found.scores

    def of(told: Sequence[Told]) -> list:
        return [(each.balanced, each.auroc)[number] for each in told]

    shuffled = np.array([each.shuffled[:, number] for each in scores])
    own = of([each.features for each in scores])
    _add_area(figure, number, ks, shuffled.min(1), shuffled.max(1), NULL)
    _add_area(figure, number, ks, [each.low for each in own], [each.high for each in own], EDITED)
    dense = of([found.dense])[0].value
    lines: list[tuple[str, Kind, str, Sequence[float]]] = [
        ("all numbers of the state", BASE, "solid", [dense] * len(ks)),
        (f"random {features}", ASKED, "dot", [each.value for each in of([each.random for each in scores])]),
        ("shuffled labels", NULL, "dash", shuffled.mean(1)),
    ]
    if raw:
        lines.append(
            (f"best {raw}", BASE, "dash", [each.value for each in of([each.raw for each in scores])])
        )
    lines.append((f"best {features}", EDITED, "solid", [each.value for each in own]))
    for name, kind, dash, values in lines:
        figure.add_scatter(
            x=ks,
            y=values,
            name=name,
            legendgroup=name,
            showlegend=number == 0,
            mode="lines+markers" if kind is EDITED or (kind is BASE and dash == "dash") else "lines",
            line={"color": kind.color(mode()), "dash": dash, "width": kind.width},
            marker={"symbol": kind.symbol, "size": 8 if kind is EDITED else 6},
            unselected={"marker": {"opacity": 1}},
            hovertemplate=f"%{{x}}: %{{y:.1%}}<extra>{name}</extra>",
            row=1,
            col=number + 1,
        )


def _add_area(
    figure: go.Figure, number: int, ks: list[int], low: Sequence[float], high: Sequence[float], kind: Kind
) -> None:
    figure.add_scatter(
        x=ks + ks[::-1],
        y=[*high, *list(low)[::-1]],
        fill="toself",
        mode="none",
        fillcolor=kind.color(mode()),
        opacity=0.18 if kind is EDITED else 0.3,
        showlegend=False,
        hoverinfo="skip",
        row=1,
        col=number + 1,
    )
