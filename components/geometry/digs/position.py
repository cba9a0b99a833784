"""What made a share of the place: the path of the places, and how the shares change with depth."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.geometry.cloud import Cloud
from analysis.geometry.measures.position import Summary, taken_apart
from analysis.geometry.position import cosines
from analysis.jobs import Report
from components.figures.against_null import mode
from components.geometry.digging import Digging
from components.geometry.digs.charts import add_line, heat, of_parts, show
from components.kinds import BASE
from components.literal import plain
from components.ramps import ramp
from components.requests import held
from components.waiting import result_of

AXES = 3
NAMES = ("place", "text", "rest")


def draw(dig: Digging) -> None:
    """The places in their first axes, along the text and against each other, and the shares at every layer."""
    layer = dig.layer

    def work(report: Report) -> tuple[Summary, np.ndarray]:
        report("Taking states apart", 0.0)
        own = taken_apart(dig.cloud, layer)
        return own, _shares(dig.cloud, report)

    key = fingerprint("geometry places", dig.cloud.key, layer)
    found = result_of(held(key, "Taking states apart", work), f"dig position {layer}", height=320)
    if found is None:
        return
    own, shares = found
    path, carried = principal(own.positions)
    left, right = st.columns(2)
    with left:
        _draw_path(path, carried, own.first, layer)
        _draw_cosines(own, layer)
    with right:
        _draw_along(path, own.first, layer)
        _draw_shares(shares, dig.cloud.layers, layer)
    st.caption(plain(_in_words(own, carried, layer)))


def principal(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(place, axis) coordinates in the first principal axes, and the share of the squares that each axis carries.

    The largest coordinate of every axis is positive, so that the same places are drawn the same.
    """
    left, singular, _ = np.linalg.svd(positions, full_matrices=False)
    count = min(AXES, len(singular))
    path = left[:, :count] * singular[:count]
    signs = np.sign(path[np.abs(path).argmax(0), np.arange(count)])
    total = max((singular**2).sum(), np.finfo(float).tiny)
    return path * np.where(signs == 0, 1, signs), singular[:count] ** 2 / total


def _shares(cloud: Cloud, report: Report) -> np.ndarray:
    """(part, layer) shares of place, text and rest; NaN where a layer has none."""
    table = np.full((3, len(cloud.layers)), np.nan)
    for column, layer in enumerate(cloud.layers):
        report("Taking states apart", column / len(cloud.layers))
        try:
            shares = taken_apart(cloud, layer).shares
        except AnalysisError:
            continue
        table[:, column] = shares.position, shares.context, shares.rest
    return table


def _draw_path(path: np.ndarray, carried: np.ndarray, first: int, layer: int) -> None:
    places = np.arange(first, first + len(path))
    padded = np.pad(path, ((0, 0), (0, AXES - path.shape[1])))
    figure = go.Figure(
        go.Scatter3d(
            x=padded[:, 0],
            y=padded[:, 1],
            z=padded[:, 2],
            mode="lines+markers",
            line={"color": BASE.color(mode()), "width": 2},
            marker={
                "size": 4,
                "color": places,
                "colorscale": [fill for fill, _ in ramp("sequential", mode())][6:],
                "colorbar": {"title": {"text": "place in the text", "side": "right"}, "thickness": 12},
            },
            customdata=places,
            hovertemplate="place %{customdata}<extra></extra>",
        )
    )
    titles = {
        f"{name}axis": {"title": {"text": f"axis {i + 1} ({share:.0%})"}, "showticklabels": False}
        for i, (name, share) in enumerate(zip("xyz", carried, strict=False))
    }
    figure.update_layout(scene={"aspectmode": "data", **titles})
    show(
        figure,
        f"geometry_path_{layer}",
        f"Mean state of {len(path)} places at layer {layer} in {len(carried)} principal axes, which carry "
        f"{carried.sum():.0%} of what places differ by.",
        height=330,
    )


def _draw_along(path: np.ndarray, first: int, layer: int) -> None:
    figure = go.Figure()
    places = list(range(first, first + len(path)))
    for axis, dress in enumerate(of_parts(path.shape[1])):
        add_line(figure, f"axis {axis + 1}", dress, places, path[:, axis], "place %{x}: %{y:.3g}")
    figure.update_xaxes(title_text="place in the text (0 = first token)")
    figure.update_yaxes(title_text="coordinate (units of the states)")
    show(
        figure,
        f"geometry_along_{layer}",
        f"The first axes of the places of layer {layer} along the text: smooth waves if neighbouring places are alike.",
        height=330,
    )


def _draw_cosines(own: Summary, layer: int) -> None:
    table = cosines(own.positions, own.positions)
    places = list(range(own.first, own.first + len(table)))
    figure = heat(table, places, "places %{x} and %{y}: cosine %{z:.2f}", diverging=True, title="cosine")
    figure.update_xaxes(title_text="place in the text")
    figure.update_yaxes(title_text="place")
    show(
        figure,
        f"geometry_cosines_{layer}",
        f"Cosine between the parts of all places at layer {layer}; {_next(own):.2f} on average between neighbours.",
        height=330,
    )


def _draw_shares(table: np.ndarray, layers: tuple[int, ...], layer: int) -> None:
    figure = go.Figure()
    for name, dress, values in zip(NAMES, of_parts(3), table, strict=True):
        figure.add_scatter(
            x=layers,
            y=values,
            name=name,
            mode="lines",
            stackgroup="shares",
            line={"color": dress.color, "dash": dress.dash, "width": 1.5},
            hovertemplate=f"layer %{{x}}: %{{y:.1%}}<extra>{name}</extra>",
        )
    figure.add_vline(x=layer, line_width=1, line_dash="dot", line_color="gray")
    figure.update_xaxes(title_text="layer (0 = embedding)")
    figure.update_yaxes(title_text="share of the variance", tickformat=".0%", range=[0, 1])
    here = table[:, layers.index(layer)]
    told = ", ".join(f"{name} {share:.0%}" for name, share in zip(NAMES, here, strict=True))
    show(
        figure,
        "geometry_shares",
        f"Shares of the variance at every layer; at layer {layer}: {told}.",
        height=330,
    )


def _next(own: Summary) -> float:
    """Mean cosine between places that follow each other."""
    return float(np.nanmean(np.diag(cosines(own.positions, own.positions), 1)))


def _in_words(own: Summary, carried: np.ndarray, layer: int) -> str:
    shares = own.shares
    last = own.first + len(own.positions) - 1
    return (
        f"{len(own.contexts)} texts have all of the places {own.first} to {last}. At layer {layer} the place carries "
        f"{shares.position:.1%} of the variance ({shares.position_less_noise:.1%} less what noise gives), the text "
        f"{shares.context:.1%}, the rest {shares.rest:.1%}. The first {len(carried)} axes hold {carried.sum():.0%} of "
        f"what places differ by; places that follow each other have a mean cosine of {_next(own):.2f} (near 0 for "
        "noise)."
    )
