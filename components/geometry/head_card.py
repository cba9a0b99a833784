"""The unembedding as a bottleneck: its spectrum beside a random matrix, and what cutting it down costs."""

from functools import partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis import LoadedModel
from analysis.fingerprint import fingerprint
from analysis.geometry.head import SOURCE, Head, cut_losses, ordinary_endings, read_head, usual_cuts
from analysis.jobs import Report
from components.figures.against_null import mode
from components.kinds import ASKED, BASE, EDITED, NULL, Kind
from components.literal import plain
from components.requests import held
from components.waiting import result_of

MEANING = (
    "The last matrix turns a state of {width:,} numbers into scores for {vocabulary:,} words. If a few of its singular "
    "values are far larger than the others, few directions decide what is said: a bottleneck that small models are "
    "reported to run into late in training."
)
MISLEADS = (
    "Misleads when: rows share a mean, which is then the first singular direction and shifts all scores alike; words "
    "that never occurred in training keep the vectors they began with; or the loss of a cut head is read as that of a "
    "narrower model, which would have been trained to be narrow."
)
CUT = "geometry_head_cut"


def draw_head(model: LoadedModel) -> None:
    """The card: the spectrum, its numbers, and on request the loss when only the strongest directions are kept."""
    key = fingerprint("head spectrum", model.fingerprint)
    job = held(key, "Reading the unembedding", lambda report: read_head(model, report=report))
    head = result_of(job, key="geometry head", height=260)
    if head is None:
        return
    st.markdown(plain(MEANING.format(width=head.width, vocabulary=head.vocabulary)))
    _draw_spectrum(head)
    _draw_numbers(head)
    _draw_cuts(model, head)
    st.caption(plain(f"{MISLEADS} Source: {SOURCE}."))


def _draw_spectrum(head: Head) -> None:
    figure = go.Figure()
    lines = [("random matrix of this shape", NULL, head.random), ("unembedding", BASE, head.singular)]
    if head.with_gain is not None:
        # on its own scale: a gain that multiplies everything says nothing about the shape
        scale = np.linalg.norm(head.singular) / np.linalg.norm(head.with_gain)
        lines.append(("norm's gain folded in, rescaled", ASKED, head.with_gain * scale))
    for name, kind, values in lines:
        _add(figure, name, kind, np.arange(1, len(values) + 1), np.where(values > 0, values, np.nan))
    figure.update_xaxes(type="log", title_text="singular direction, strongest first", dtick=1)
    figure.update_yaxes(type="log", title_text="singular value", dtick=1)
    _finish(
        figure,
        "geometry_head_spectrum",
        f"Singular values of the unembedding, both axes logarithmic: the first is {head.singular[0]:.3g}, the median "
        f"{np.median(head.singular):.3g}; of a random matrix {head.random[0]:.3g} and {np.median(head.random):.3g}.",
    )


def _draw_numbers(head: Head) -> None:
    rows = [
        (name, entropy, rank, rank / len(head.singular)) for name, (entropy, rank) in head.numbers().items()
    ]
    st.dataframe(
        pd.DataFrame(rows, columns=["matrix", "singular entropy (nats)", "effective rank", "share of all"]),
        hide_index=True,
        width="stretch",
        column_config={
            "singular entropy (nats)": st.column_config.NumberColumn(
                format="%.3f",
                help="How far the singular values are from being all alike: 0 is perfectly even.",
            ),
            "effective rank": st.column_config.NumberColumn(
                format="%.1f", help="How many equally strong directions they amount to."
            ),
            "share of all": st.column_config.NumberColumn(format="percent"),
        },
    )
    first = head.singular[0] ** 2 / (head.singular**2).sum()
    st.caption(plain(f"The first direction holds {first:.0%} of the squared length of all word vectors."))


def _draw_cuts(model: LoadedModel, head: Head) -> None:
    """The loss of a head that keeps its strongest directions only."""
    asked = st.session_state.get(CUT) == model.fingerprint
    if not asked:
        st.button(
            "Cut the head down",
            key="geometry_head_ask",
            icon=":material/content_cut:",
            help="Measures the loss on shipped text when only the strongest directions are kept; some seconds.",
            on_click=partial(_ask, model.fingerprint),
        )
        return

    def work(report: Report) -> np.ndarray:
        states, following = ordinary_endings(model, report)
        return cut_losses(model, head, states, following, usual_cuts(len(head.singular)), report)

    key = fingerprint("head cuts", model.fingerprint)
    losses = result_of(held(key, "Cutting the head", work), key="geometry head cuts", height=260)
    if losses is not None:
        _draw_losses(head, losses)


def _ask(fingerprint_of_model: str) -> None:
    st.session_state[CUT] = fingerprint_of_model


def _draw_losses(head: Head, losses: np.ndarray) -> None:
    cuts = usual_cuts(len(head.singular))
    figure = go.Figure()
    _add(figure, "strongest directions kept", EDITED, np.array(cuts), losses, markers=True)
    figure.add_hline(
        y=float(np.log(head.vocabulary)), line_width=1, line_dash="dash", line_color=NULL.color(mode())
    )
    figure.add_hline(y=float(losses[-1]), line_width=1, line_dash="dot", line_color=BASE.color(mode()))
    figure.update_xaxes(
        type="log", title_text="singular directions kept", tickvals=cuts, ticktext=list(map(str, cuts))
    )
    figure.update_yaxes(title_text="loss (nats per token)", rangemode="tozero")
    _finish(
        figure,
        "geometry_head_losses",
        f"Loss by the number of directions kept: {losses[-1]:.2f} nats with all {cuts[-1]}, {losses[-2]:.2f} with "
        f"{cuts[-2]}.",
    )
    st.caption(
        plain(
            f"With all {cuts[-1]:,} directions the loss is {losses[-1]:.2f} nats per token, with the strongest "
            f"{cuts[-2]:,} it is {losses[-2]:.2f}. Dotted: the whole head; dashed: all words equally likely."
        )
    )


def _add(
    figure: go.Figure, name: str, kind: Kind, ranks: np.ndarray, values: np.ndarray, markers: bool = False
) -> None:
    figure.add_scatter(
        x=ranks,
        y=values,
        name=name,
        mode="lines+markers" if markers else "lines",
        line={"color": kind.color(mode()), "dash": kind.dash, "width": kind.width},
        marker={"symbol": kind.symbol, "size": 7},
        hovertemplate=f"%{{x}}: %{{y:.3g}}<extra>{name}</extra>",
    )


def _finish(figure: go.Figure, key: str, alt: str) -> None:
    figure.update_layout(
        height=280,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "yref": "paper", "y": 1.02, "yanchor": "bottom"},
    )
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt)
