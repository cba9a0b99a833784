"""What made an entropy or a rank: the spectrum of one layer, and the texts at both ends of prompt entropy."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from jaxtyping import Float64

from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.geometry.cloud import Cloud
from analysis.geometry.decay import Decay, decay
from analysis.geometry.measures.kept import OfSlope
from analysis.geometry.ranks import participation_ratio, random_singular_values
from analysis.geometry.spectrum import spectrum
from analysis.jobs import Report
from components.figures.against_null import mode
from components.geometry.digging import Digging
from components.kinds import ASKED, BASE, NULL
from components.literal import plain
from components.requests import held
from components.waiting import result_of

ENDS = 5
"""Texts that are shown at either end."""
SHOWN = 160
"""Characters of a text that are shown."""
HALF, MOST = 0.5, 0.9
"""Shares of the variance whose axes are counted."""


def draw(dig: Digging) -> None:
    """The spectrum of the chosen layer beside noise of the same size, and texts where the measure is about texts."""
    cloud, layer = dig.cloud, dig.layer
    if len(cloud) < 3:
        st.caption("A spectrum needs at least 3 tokens.")
        return

    def work(report: Report) -> tuple[np.ndarray, np.ndarray]:
        report("Finding the principal axes")
        own = spectrum(cloud, layer)
        return own, _noise(cloud, float(own.sum()))

    key = fingerprint("geometry spectrum", cloud.key, cloud.name, len(cloud), layer)
    found = result_of(held(key, "Finding the principal axes", work), key=f"dig kept {layer}", height=260)
    if found is None:
        return
    own, noise = found
    if not own.any():
        st.caption(f"All states are equal at layer {layer}: they have no spectrum.")
        return
    left, right = st.columns(2)
    with left:
        _draw_spectrum(own, noise, _fit(dig, own), layer)
    with right:
        _draw_cumulative(own, noise, layer)
    st.caption(plain(_in_words(own, noise, cloud, layer)))
    if dig.measured.measure.id.startswith("prompt_entropy") and dig.measured.per_point is not None:
        _draw_texts(dig)


def _noise(cloud: Cloud, variance: float) -> Float64[np.ndarray, " rank"]:
    """The spectrum of as many standard normal points, scaled to the same total variance."""
    squares = random_singular_values(len(cloud) - 1, cloud.d_model) ** 2
    return squares * variance / squares.sum()


def _fit(dig: Digging, eigenvalues: Float64[np.ndarray, " rank"]) -> Decay | None:
    """The line through the middle of the spectrum, with the ranks of the measure if it has any."""
    params = dig.measured.params if isinstance(dig.measured.params, OfSlope) else OfSlope()
    try:
        return decay(eigenvalues, params.first, params.last)
    except AnalysisError:
        return None


def _draw_spectrum(
    own: Float64[np.ndarray, " rank"], noise: Float64[np.ndarray, " rank"], fit: Decay | None, layer: int
) -> None:
    figure = go.Figure()
    if fit is not None:
        figure.add_vrect(
            x0=fit.first,
            x1=fit.last,
            fillcolor=ASKED.color(mode()),
            opacity=0.12,
            line_width=0,
            layer="below",
        )
    for name, kind, values in (("standard normal cloud", NULL, noise), (f"layer {layer}", BASE, own)):
        _add(figure, name, kind, np.arange(1, len(values) + 1), np.where(values > 0, values, np.nan))
    if fit is not None:
        ranks = np.array([fit.first, fit.last], float)
        _add(figure, f"slope -{fit.slope:.2f}", ASKED, ranks, fit.at(ranks))
    figure.update_yaxes(
        type="log", title_text="variance (state units squared)", dtick=1, exponentformat="power"
    )
    _finish(
        figure,
        f"geometry_spectrum_{layer}",
        f"Variance along each of {len(own)} principal axes of layer {layer}, both axes logarithmic"
        + (f"; slope -{fit.slope:.2f} from rank {fit.first} to {fit.last}." if fit else "."),
    )


def _draw_cumulative(
    own: Float64[np.ndarray, " rank"], noise: Float64[np.ndarray, " rank"], layer: int
) -> None:
    figure = go.Figure()
    for name, kind, values in (("standard normal cloud", NULL, noise), (f"layer {layer}", BASE, own)):
        _add(figure, name, kind, np.arange(1, len(values) + 1), np.cumsum(values) / values.sum())
    figure.update_yaxes(title_text="share of the variance so far", tickformat=".0%", range=[0, 1.03])
    _finish(
        figure,
        f"geometry_cumulative_{layer}",
        f"Share of the variance in the first axes of layer {layer}: {_count(own, HALF)} axes hold half of it, "
        f"{_count(own, MOST)} hold 90 %.",
    )


def _add(figure: go.Figure, name: str, kind: object, ranks: np.ndarray, values: np.ndarray) -> None:
    figure.add_scatter(
        x=ranks,
        y=values,
        name=name,
        mode="lines",
        line={"color": kind.color(mode()), "dash": kind.dash, "width": kind.width},
        hovertemplate=f"axis %{{x}}: %{{y:.3g}}<extra>{name}</extra>",
    )


def _finish(figure: go.Figure, key: str, alt: str) -> None:
    figure.update_xaxes(type="log", title_text="principal axis, strongest first", dtick=1)
    figure.update_layout(
        height=280,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "yref": "paper", "y": 1.02, "yanchor": "bottom"},
    )
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt)


def _count(eigenvalues: Float64[np.ndarray, " rank"], share: float) -> int:
    """How many of the first axes hold a share of the variance."""
    held_so_far = np.cumsum(eigenvalues) / eigenvalues.sum()
    return min(int(np.searchsorted(held_so_far, share)) + 1, len(eigenvalues))


def _in_words(
    own: Float64[np.ndarray, " rank"], noise: Float64[np.ndarray, " rank"], cloud: Cloud, layer: int
) -> str:
    return (
        f"At layer {layer} the first of {len(own):,} axes holds {own[0] / own.sum():.0%} of the variance, "
        f"{_count(own, HALF):,} hold half and {_count(own, MOST):,} hold 90 %. {len(cloud):,} standard normal points "
        f"would need {_count(noise, HALF):,} and {_count(noise, MOST):,}. Participation ratio "
        f"{participation_ratio(own):.1f}, of noise {participation_ratio(noise):.1f}. Noise is scaled to the same total "
        "variance; the shaded ranks are those of the slope."
    )


def _draw_texts(dig: Digging) -> None:
    """The texts with the lowest and the highest entropy at this layer; one that is clicked is chosen."""
    cloud, measured = dig.cloud, dig.measured
    own = measured.per_point[measured.layers.index(dig.layer)]
    starts = np.array([text.start for text in cloud.texts])
    if len(own) != len(cloud):
        return
    order = starts[np.argsort(own[starts], kind="stable")]
    known = order[np.isfinite(own[order])]
    if not len(known):
        return
    ends = min(ENDS, len(known) // 2)
    shown = np.concatenate([known[:ends], known[len(known) - ends :][::-1]]) if ends else known
    table = pd.DataFrame(
        {
            measured.measure.per_point: own[shown],
            "tokens": [int((cloud.text == cloud.text[point]).sum()) for point in shown],
            "text": [_text_of(cloud, point) for point in shown],
        }
    )
    st.markdown(f"**Texts with the lowest and the highest entropy at layer {dig.layer}**")
    key = f"geometry_texts_{dig.layer}"

    def choose() -> None:
        if rows := st.session_state[key].selection.rows:
            dig.choose_point(int(shown[rows[0]]))

    st.dataframe(
        table,
        key=key,
        on_select=choose,
        selection_mode="single-row",
        hide_index=True,
        width="stretch",
        column_config={
            measured.measure.per_point: st.column_config.NumberColumn(format="%.3f"),
            "text": st.column_config.TextColumn(width="large"),
        },
    )


def _text_of(cloud: Cloud, point: int) -> str:
    """The beginning of a point's text, as far as its tokens count."""
    own = np.flatnonzero(cloud.text == cloud.text[point])
    words = "".join(cloud.shown[row] for row in own)
    return words if len(words) <= SHOWN else f"{words[:SHOWN]}..."
