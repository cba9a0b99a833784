"""The path of one text at one layer, in the two axes along which it varies most, with its angles."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from jaxtyping import Float32, Float64

from analysis.geometry.cloud import Cloud
from components.figures.against_null import mode
from components.geometry.digging import Digging
from components.kinds import BASE, EDITED
from components.literal import for_plotly, literal

CHOSEN, SHARPEST, STRAIGHTEST = "the chosen token's text", "the sharpest", "the straightest"
MOST_LABELS = 48
"""Tokens up to which each is written beside its point."""


def draw_path(dig: Digging) -> None:
    """The path of the chosen token's text, or of the one whose mean angle is the largest or the smallest."""
    if dig.measured.per_point is None or dig.layer not in dig.measured.layers:
        st.caption("No text has an angle at this layer.")
        return
    angles = dig.measured.per_point[dig.measured.layers.index(dig.layer)]
    means = _means(dig.cloud, angles)
    if not np.isfinite(means).any():
        st.caption("No text has an angle at this layer.")
        return
    own = dig.cloud.texts[_text(dig, means)]
    states = dig.cloud.at(dig.layer)[own]
    if len(states) < 3:
        st.caption("This text has fewer than three tokens that count: choose a token of another.")
        return
    coordinates, share = principal_path(states)
    picture, table = st.columns([2, 1], gap="medium")
    with picture:
        _draw(dig, own, coordinates, angles[own])
        st.caption(
            f"The two axes carry {share:.0%} of this text's variance at layer {dig.layer}; angles are taken in all "
            f"{dig.cloud.d_model} dimensions, so the path may look sharper or straighter than it is."
        )
    with table:
        _draw_angles(dig.cloud, own, angles[own])


def principal_path(
    states: Float32[np.ndarray, "point d_model"],
) -> tuple[Float64[np.ndarray, "point 2"], float]:
    """States in their own two principal axes, largest loading positive, and the share of variance these carry."""
    centred = states.astype(np.float64) - states.mean(0, dtype=np.float64)
    left, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])
    found = (left * (lengths * np.where(signs, signs, 1)))[:, :2]
    total = float((lengths**2).sum())
    share = float((lengths[:2] ** 2).sum()) / total if total else 0.0
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1]))), share


def _means(cloud: Cloud, angles: np.ndarray) -> Float64[np.ndarray, " text"]:
    """Mean angle of every text; NaN where it has none."""
    return np.array([_mean(angles[own]) for own in cloud.texts])


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _text(dig: Digging, means: np.ndarray) -> int:
    """Which text is drawn."""
    options = [SHARPEST, STRAIGHTEST] if dig.point is None else [CHOSEN, SHARPEST, STRAIGHTEST]
    wanted = st.segmented_control(
        "Text", options, default=options[0], required=True, key=f"geometry_straight_text_{len(options)}"
    )
    if wanted == CHOSEN:
        return next(n for n, own in enumerate(dig.cloud.texts) if own.start <= dig.point < own.stop)
    return int(np.nanargmax(means) if wanted == SHARPEST else np.nanargmin(means))


def _draw(dig: Digging, own: slice, coordinates: np.ndarray, angles: np.ndarray) -> None:
    cloud, key = dig.cloud, f"geometry_path_{dig.measured.measure.id}_{dig.layer}_{own.start}"
    shown = [for_plotly(each) for each in cloud.shown[own]]
    figure = go.Figure()
    _add_steps(figure, cloud.position[own], coordinates)
    figure.add_scatter(
        x=coordinates[:, 0],
        y=coordinates[:, 1],
        mode="markers+text" if len(shown) <= MOST_LABELS else "markers",
        text=shown,
        textposition="top center",
        textfont={"family": "monospace", "size": 11},
        marker={"symbol": BASE.symbol, "size": 8, "color": BASE.color(mode())},
        unselected={"marker": {"opacity": 1}},
        customdata=[f"{name}: {_said(angle)}" for name, angle in zip(shown, angles, strict=True)],
        hovertemplate="%{customdata}<extra></extra>",
    )
    if dig.point is not None and own.start <= dig.point < own.stop:
        at = dig.point - own.start
        figure.add_scatter(
            x=coordinates[at : at + 1, 0],
            y=coordinates[at : at + 1, 1],
            mode="markers",
            marker={
                "symbol": "diamond-open",
                "size": 16,
                "color": EDITED.color(mode()),
                "line": {"width": 2},
            },
            hoverinfo="skip",
        )
    figure.update_layout(height=300, margin={"l": 8, "r": 8, "t": 8, "b": 8}, showlegend=False)
    figure.update_xaxes(title_text="first principal axis of this text", zeroline=False)
    figure.update_yaxes(title_text="second", zeroline=False, scaleanchor="x")

    def choose() -> None:
        if points := st.session_state[key].selection.points:
            dig.choose_point(own.start + int(points[0]["point_index"]))

    st.plotly_chart(
        figure,
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"The path of {len(shown)} tokens of one text at layer {dig.layer} in its two principal axes; their mean "
        f"angle is {_mean(angles):.2f} radians.",
    )


def _add_steps(figure: go.Figure, position: np.ndarray, coordinates: np.ndarray) -> None:
    """Lines between tokens that follow each other; none across a token that was left out."""
    breaks = np.flatnonzero(np.diff(position) != 1) + 1
    x, y = (np.insert(coordinates[:, axis], breaks, np.nan) for axis in (0, 1))
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": BASE.color(mode()), "width": 1}, hoverinfo="skip", opacity=0.7
    )


def _draw_angles(cloud: Cloud, own: slice, angles: np.ndarray) -> None:
    sharpest = int(np.nanargmax(angles)) if np.isfinite(angles).any() else None
    if sharpest is not None:
        st.markdown(f"Sharpest at {literal(cloud.shown[own][sharpest])}: {_said(angles[sharpest])}.")
    table = pd.DataFrame(
        {
            "place": cloud.position[own],
            "token": cloud.shown[own],
            "radians": angles,
            "degrees": np.degrees(angles),
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height=270,
        column_config={
            "radians": st.column_config.NumberColumn(format="%.3f"),
            "degrees": st.column_config.NumberColumn(format="%.0f"),
        },
    )


def _said(angle: float) -> str:
    return f"{angle:.2f} radians ({np.degrees(angle):.0f}°)" if np.isfinite(angle) else "no angle here"
