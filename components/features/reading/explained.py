"""How much of every token's state the dictionary explains, beside states it was not trained on."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.dictionaries.shelf import Offer
from analysis.methods.features import TextFeatures, explained_together
from analysis.results import AgainstNull
from components import session
from components.features.reading.names import Names
from components.features.requests import explained_of
from components.figures.against_null import mode
from components.frame import Frame
from components.kinds import EDITED, NULL
from components.literal import for_plotly, plain
from components.waiting import result_of

MOST_TICKS = 60
FLOOR = -0.25
"""What is explained worse than so is drawn at the lower edge."""


def draw(frame: Frame, offer: Offer, found: TextFeatures, names: Names, feature: int | None) -> None:
    """The curve, the table and what they say."""
    if names.kind == "neuron":
        st.info(
            "Neurons leave nothing unexplained: they are all of what the MLP computes. How much a dictionary leaves "
            "is shown for sparse ones; choose one above, or get one."
        )
        return
    result = result_of(explained_of(frame.model, found), "explained share", height=260)
    if result is None:
        return
    st.markdown(_sentence(found, result))
    _draw_curve(found, result, frame.position)
    _draw_table(found, result)
    st.caption(
        "Explained: 1 - |error|² / |state - bias|² of each token. Random: the same states with their coordinates "
        f"shuffled, {len(result.nulls)} times (seed 0), which keeps their lengths and the angles between them. "
        f"Bars are cut at {FLOOR:.0%}. Tokens without a mark do not count: the first one, an attention sink, and "
        "outliers of norm; the table has their numbers. The list of a token counts its error by its projection on the "
        "state instead of by its length, so that shares add up."
    )


def _sentence(found: TextFeatures, result: AgainstNull) -> str:
    counted = found.counts & np.isfinite(result.values)
    if not counted.any():
        return "No token of this text counts: write a longer one."
    worst = int(np.flatnonzero(counted)[result.values[counted].argmin()])
    active = (found.activations[found.counts] != 0).sum(1).mean()
    chance = float(np.nanmax(result.nulls[:, counted]))
    return (
        f"Over the text, {active:.0f} features a token explain {explained_together(found):.0%} of the states; of "
        f"shuffled ones at most {chance:.0%}. Least is explained at {plain(found.tokens.labels[worst])} "
        f"({result.values[worst]:.0%})."
    )


def _draw_curve(found: TextFeatures, result: AgainstNull, position: int) -> None:
    figure = go.Figure()
    places = list(range(len(result.labels)))
    low, high = result.band
    cut = np.maximum(low, FLOOR)
    figure.add_bar(
        x=places,
        base=cut,
        y=np.maximum(high, FLOOR) - cut,
        marker={
            "color": NULL.color(mode()),
            "opacity": 0.45,
            "line": {"width": 2, "color": NULL.color(mode())},
        },
        name="random states",
        customdata=np.stack([low, high], axis=1),
        hovertemplate="%{customdata[0]:.0%} to %{customdata[1]:.0%}<extra>random states</extra>",
    )
    active = (found.activations != 0).sum(1)
    figure.add_scatter(
        x=places,
        y=np.where(found.counts, np.maximum(result.values, FLOOR), np.nan),
        mode="lines+markers",
        name="this text",
        line={"color": EDITED.color(mode()), "width": 2},
        marker={"size": 8, "symbol": EDITED.symbol},
        unselected={"marker": {"opacity": 1}},
        customdata=[
            (for_plotly(label), value, count)
            for label, value, count in zip(result.labels, result.values, active, strict=True)
        ],
        hovertemplate="%{customdata[0]}: %{customdata[1]:.1%} by %{customdata[2]} features<extra></extra>",
    )
    figure.add_vline(x=position, line_width=1, line_dash="dot", line_color="gray")
    figure.update_layout(
        height=300,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="closest",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    figure.update_yaxes(title_text="explained share", tickformat=".0%", range=[FLOOR, 1.03])
    figure.update_xaxes(title_text="token", **_ticks(result))

    def choose() -> None:
        if points := st.session_state.explained_curve.selection.points:
            session.change(position=int(points[0]["x"]))

    st.plotly_chart(
        figure,
        key="explained_curve",
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Explained share of {len(places)} tokens, beside shuffled states.",
    )


def _ticks(result: AgainstNull) -> dict:
    if len(result.labels) > MOST_TICKS:
        return {}
    labels = [for_plotly(label) for label in result.labels]
    return {"tickvals": list(range(len(labels))), "ticktext": labels, "tickfont": {"family": "monospace"}}


def _draw_table(found: TextFeatures, result: AgainstNull) -> None:
    with st.expander("Every token in numbers"):
        st.dataframe(
            token_table(found, result),
            hide_index=True,
            width="stretch",
            column_config={
                name: st.column_config.NumberColumn(name, format="percent")
                for name in ("explained", "random (highest)")
            }
            | {
                name: st.column_config.NumberColumn(name, format="%.1f")
                for name in ("length of the state", "length of the error")
            },
        )


def token_table(found: TextFeatures, result: AgainstNull) -> pd.DataFrame:
    """One row a token."""
    return pd.DataFrame(
        {
            "position": np.arange(len(found.tokens)),
            "token": found.tokens.labels,
            "counts": found.counts,
            "active": (found.activations != 0).sum(1),
            "explained": result.values,
            "random (highest)": result.band[1],
            "length of the state": np.linalg.norm(found.states - found.origin, axis=1),
            "length of the error": np.linalg.norm(found.error, axis=1),
        }
    )
