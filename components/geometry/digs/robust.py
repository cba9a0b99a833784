"""What made a number of robustness: the noisy texts, and how near their states stay to one another."""

from difflib import SequenceMatcher

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.errors import AnalysisError
from analysis.geometry.invariance import Cosines, view_cosines
from analysis.geometry.views import Views
from components.figures.against_null import mode
from components.geometry.digging import Digging
from components.kinds import BASE, NULL
from components.literal import literal, plain
from components.ramps import ramp

ENDS = 5
"""Texts that are shown at either end."""
SHOWN = 240
"""Characters of an example, and of a text in a table."""
BINS = 60
MATRIX = 60
"""Texts up to which all similarities are drawn; of more, the first so many."""


def draw(dig: Digging) -> None:
    """Cosines between the views of a text beside those of different texts, and the texts at both ends."""
    views: Views = dig.given
    if dig.layer not in views.layers:
        st.caption(f"Layer {dig.layer} was not read for noisy copies; there are {len(views.layers)} layers.")
        return
    centred = bool(getattr(dig.measured.params, "centred", True))
    try:
        found = view_cosines(views.at(dig.layer), centred)
    except AnalysisError as error:
        st.caption(plain(str(error)))
        return
    left, right = st.columns(2)
    with left:
        _draw_histogram(found, dig.layer)
    with right:
        _draw_matrix(found, dig.layer)
    st.caption(plain(_in_words(found, views, dig.layer, centred)))
    _draw_examples(views, found)
    _draw_ends(views, found, dig.layer)


def _others(found: Cosines) -> np.ndarray:
    return found.other[~np.eye(len(found.same), dtype=bool)]


def _draw_histogram(found: Cosines, layer: int) -> None:
    """Shares, as there are far more pairs of different texts."""
    figure, others = go.Figure(), _others(found)
    edges = np.linspace(min(others.min(initial=1), found.same.min()), 1, BINS + 1)
    for name, kind, values in (("different texts", NULL, others), ("copies of one text", BASE, found.same)):
        counts = np.histogram(values, edges)[0] / max(len(values), 1)
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges),
            name=name,
            marker={
                "color": kind.color(mode()),
                "opacity": 0.6,
                "pattern": {"shape": "/" if kind is NULL else ""},
            },
            hovertemplate=f"cosine %{{x:.3f}}: %{{y:.1%}}<extra>{name}</extra>",
        )
    figure.update_layout(
        height=280,
        barmode="overlay",
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "yref": "paper", "y": 1.02, "yanchor": "bottom"},
    )
    figure.update_xaxes(title_text="cosine between two noisy copies")
    figure.update_yaxes(title_text="share of pairs", tickformat=".0%", rangemode="tozero")
    st.plotly_chart(
        figure,
        key=f"geometry_robust_histogram_{layer}",
        config={"displayModeBar": False},
        alt=f"Cosines at layer {layer}: copies of one text have a median of {np.median(found.same):.2f}, copies of "
        f"different texts {np.median(others):.2f}.",
    )


def _draw_matrix(found: Cosines, layer: int) -> None:
    shown = found.other[:MATRIX, :MATRIX]
    figure = go.Figure(
        go.Heatmap(
            z=shown.astype(np.float32),
            colorscale=[fill for fill, _ in ramp("sequential", mode())],
            zmax=1,
            colorbar={"title": "cosine", "thickness": 10},
            hovertemplate="text %{y}, first copy; text %{x}, second copy: %{z:.3f}<extra></extra>",
        )
    )
    figure.update_layout(height=280, margin={"l": 8, "r": 8, "t": 8, "b": 8})
    figure.update_xaxes(title_text="second copy of text", constrain="domain")
    figure.update_yaxes(title_text="first copy of text", autorange="reversed", scaleanchor="x")
    st.plotly_chart(
        figure,
        key=f"geometry_robust_matrix_{layer}",
        config={"displayModeBar": False},
        alt=f"Cosines between the first copies of {len(shown)} texts and their second copies at layer {layer}; the "
        "diagonal holds copies of the same text.",
    )


def _in_words(found: Cosines, views: Views, layer: int, centred: bool) -> str:
    others = _others(found)
    nearest = np.mean(found.other.argmax(1) == np.arange(len(found.same)))
    less = ", less the mean state" if centred else ""
    out = (
        f" {views.left_out:,} texts do not count: a copy was a single token or of outlying norm."
        if views.left_out
        else ""
    )
    return (
        f"{len(views):,} texts, {views.copies} copies each, mean states at layer {layer}{less}. Median cosine "
        f"{np.median(found.same):.3f} between copies of one text, {np.median(others):.3f} between different ones. For "
        f"{nearest:.0%} of texts the nearest second copy is their own (chance {1 / len(views):.1%}).{out}"
    )


def _draw_examples(views: Views, found: Cosines) -> None:
    with st.expander("What the noise looks like"):
        for row in range(min(3, len(views))):
            st.markdown(f"Text {row}, cosine {found.same[row]:.3f}")
            given = [("as it is", views.originals[row])] if views.originals else []
            copies = [(f"copy {number + 1}", text) for number, text in enumerate(views.examples[row])]
            for name, text in (*given, *copies[:2]):
                st.markdown(f"- {name}: {literal(_short(text))}")


def _draw_ends(views: Views, found: Cosines, layer: int) -> None:
    """The texts whose copies stay nearest, and those whose copies part."""
    order = np.argsort(found.same, kind="stable")
    ends = min(ENDS, len(order) // 2)
    shown = [*order[:ends].tolist(), *order[len(order) - ends :][::-1].tolist()]
    st.markdown(f"**Least and most robust texts at layer {layer}**")
    st.dataframe(
        pd.DataFrame(
            {
                "cosine": found.same[shown],
                "characters alike": [_alike(views, row) for row in shown],
                "text": shown,
                "first copy": [_short(views.examples[row][0]) for row in shown],
                "second copy": [_short(views.examples[row][1]) for row in shown],
            }
        ),
        key=f"geometry_robust_ends_{layer}",
        hide_index=True,
        width="stretch",
        column_config={
            "cosine": st.column_config.NumberColumn(format="%.3f"),
            "characters alike": st.column_config.NumberColumn(
                format="percent", help="How much the two copies have in common as strings."
            ),
        },
    )


def _alike(views: Views, row: int) -> float:
    """Share of characters that both copies have in the same order."""
    first, second = views.examples[row][:2]
    return SequenceMatcher(None, first, second, autojunk=False).ratio()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}..."
