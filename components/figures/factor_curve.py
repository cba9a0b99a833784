"""How a fit without training went: variance by component, tails by component, or error by iteration."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from components.figures.against_null import mode
from components.kinds import BASE, EDITED, NULL, Kind


def draw_fit(card: Mapping[str, object], key: str) -> None:
    """The curve that belongs to the way a dictionary was fitted.

    Args:
        card: of a dictionary of principal or independent components, or of factors.
        key: names the chart.
    """
    figure, said = {"PCA": _variance, "ICA": _tails, "SNMF": _errors}[card["method"]](card)
    figure.update_layout(
        height=270,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=said)


def _variance(card: Mapping[str, object]) -> tuple[go.Figure, str]:
    together = np.cumsum(card["variance"])
    figure = go.Figure()
    _add(figure, np.arange(1, len(together) + 1), together, "together", EDITED, "%{x} components: %{y:.1%}")
    figure.update_xaxes(title_text="components")
    figure.update_yaxes(title_text="share of variance", tickformat=".0%", range=[0, 1.03])
    return figure, f"{len(together)} components hold {together[-1]:.0%} of the variance they were fitted to."


def _tails(card: Mapping[str, object]) -> tuple[go.Figure, str]:
    figure = go.Figure()
    for name, kind, what in (
        ("components", EDITED, "kurtosis"),
        ("fitted to Gaussian numbers", NULL, "kurtosis_gaussian"),
        ("random axes of these states", BASE, "kurtosis_random"),
    ):
        values = np.sort(card[what])[::-1]
        _add(figure, np.arange(1, len(values) + 1), values, name, kind, "rank %{x}: %{y:.1f}")
    figure.update_xaxes(title_text="components, heaviest tail first")
    figure.update_yaxes(title_text="excess kurtosis (0 = Gaussian)")
    middle = float(np.median(card["kurtosis"]))
    return figure, f"Excess kurtosis of the components, {middle:.1f} in the middle, beside two controls."


def _errors(card: Mapping[str, object]) -> tuple[go.Figure, str]:
    figure = go.Figure()
    errors = card["curve"]
    _add(figure, np.arange(len(errors)), errors, "error", EDITED, "iteration %{x}: %{y:.1%}")
    figure.update_xaxes(title_text="iteration")
    figure.update_yaxes(title_text="squares not rebuilt", tickformat=".0%", rangemode="tozero")
    return (
        figure,
        f"The error falls from {errors[0]:.0%} to {errors[-1]:.0%} in {len(errors) - 1} iterations.",
    )


def _add(figure: go.Figure, x: np.ndarray, y, name: str, kind: Kind, hover: str) -> None:
    figure.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines",
        line={"color": kind.color(mode()), "dash": kind.dash, "width": kind.width},
        hovertemplate=f"{hover}<extra>{name}</extra>",
    )
