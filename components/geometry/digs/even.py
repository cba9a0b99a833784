"""What makes states uneven at one layer: its outlier dimensions, or its hubs."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.fingerprint import fingerprint
from analysis.geometry.cloud import Cloud
from analysis.geometry.hubness import REDUCTIONS, Hubs, hubs
from analysis.geometry.isotropy import cosines, isoscore_of
from analysis.geometry.measures.even import HubKnobs, OutlierKnobs, hubs_at
from analysis.geometry.next_norm import seen_shares
from analysis.geometry.outlier_dimensions import Profile, clipped, profile
from analysis.geometry.prepared import dimensions_at
from analysis.jobs import Report
from components.figures.against_null import mode
from components.geometry.digging import Digging
from components.kinds import ASKED, BASE, EDITED, NULL
from components.requests import held
from components.waiting import result_of

LISTED = 10
"""Dimensions, or hubs, in a table."""
AROUND = 6
"""Tokens shown either side of a hub."""
MOST_SEEN = 4000
"""Tokens that are sent through the next norm."""
HEIGHT = 260
CENTRED = "subtract the mean state"


@dataclass(frozen=True, eq=False)
class Dimensions:
    """The dimensions that stand out at a layer, and what is left without the outliers."""

    means: np.ndarray
    outliers: np.ndarray
    """The furthest first."""
    profile: Profile
    """Of the furthest dimensions, whether they are outliers or not."""
    shares: np.ndarray
    """Of the squared length, of each profiled dimension."""
    seen: np.ndarray | None
    """The same behind the next norm; None where there is none."""
    cosine_clipped: float
    isoscore_clipped: float


@dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Neighbour counts at a layer, of a Gaussian cloud, and how skewed they are after each reduction."""

    points: np.ndarray
    hubs: Hubs
    gaussian: Hubs
    skews: dict[str, float]


def draw(dig: Digging) -> None:
    """The hubs behind hubness; for all other measures the dimensions that stand out."""
    if dig.measured.measure.id == "hubness":
        _draw_hubs(dig)
    else:
        _draw_dimensions(dig)


def _draw_dimensions(dig: Digging) -> None:
    own = dig.measured.params
    knobs = own if isinstance(own, OutlierKnobs) else OutlierKnobs()
    key = fingerprint("outlier dimensions", dig.model.fingerprint, dig.cloud.key, dig.layer, knobs)
    job = held(key, "Looking at dimensions", lambda report: _dimensions(dig, knobs, report))
    found = result_of(job, "geometry dig dimensions", height=HEIGHT)
    if found is None:
        return
    st.markdown(told(found, dig.layer))
    _draw_means(found, dig.layer)
    st.dataframe(
        table(found),
        hide_index=True,
        width="stretch",
        column_config={
            name: st.column_config.NumberColumn(format=form, help=help)
            for name, (form, help) in COLUMNS.items()
        },
    )


def _dimensions(dig: Digging, knobs: OutlierKnobs, report: Report) -> Dimensions:
    report("Finding outlier dimensions")
    states, known = dig.cloud.at(dig.layer), dimensions_at(dig.cloud, dig.layer)
    outliers = known.outliers(knobs.of, knobs.rule)
    values = known.mean if knobs.of == "mean" else known.spread
    asked = np.argsort(-np.abs(values - np.median(values)), kind="stable")[:LISTED]
    squares = known.mean**2 + known.spread**2
    report("Setting dimensions to zero, one after another")
    own = profile(states, asked)
    left = clipped(states, outliers) if len(outliers) else states
    report("Sending states through the next norm")
    seen = seen_shares(dig.model, dig.layer, states[dig.cloud.sample(MOST_SEEN)])
    return Dimensions(
        known.mean,
        outliers,
        own,
        squares[asked] / squares.sum(),
        None if seen is None else seen[asked],
        cosines(left).mean,
        isoscore_of(left),
    )


def told(found: Dimensions, layer: int) -> str:
    """What the outlier dimensions do, in a sentence or two."""
    count = len(found.outliers)
    if not count:
        return f"No dimension stands out at layer {layer}; the furthest are listed."
    one = count == 1
    names = ", ".join(str(each) for each in found.outliers[:LISTED].tolist()) + (
        ", ..." if count > LISTED else ""
    )
    return (
        f"At layer {layer} {count} of {len(found.means)} dimensions stand{'s' if one else ''} out: {names}. With "
        f"{'it' if one else 'them'} set to zero the mean cosine goes from {found.profile.cosine:.2f} to "
        f"{found.cosine_clipped:.2f}, and IsoScore from {found.profile.isoscore:.3f} to {found.isoscore_clipped:.3f}."
    )


COLUMNS = {
    "mean": ("%.3g", "Over all tokens."),
    "spread": ("%.3g", "Standard deviation between tokens."),
    "kurtosis": ("%.1f", "Excess: 0 for a normal distribution, large where a few tokens hold most of it."),
    "share of length": ("%.3f", "Share of the states' squared length."),
    "behind the next norm": (
        "%.3f",
        "The same share behind the norm through which the network reads this layer next: what it sees of it.",
    ),
    "adds to mean cosine": ("%.3f", "All dimensions together sum to the mean cosine."),
    "mean cosine without": ("%.3f", "With this dimension alone set to zero."),
    "IsoScore without": ("%.4f", "With this dimension alone set to zero."),
}


def table(found: Dimensions) -> pd.DataFrame:
    """One row per dimension, the furthest first."""
    own = found.profile
    rows = {
        "dimension": own.dimensions,
        "outlier": np.isin(own.dimensions, found.outliers),
        "mean": own.mean,
        "spread": own.spread,
        "kurtosis": own.kurtosis,
        "share of length": found.shares,
    }
    if found.seen is not None:
        rows["behind the next norm"] = found.seen
    return pd.DataFrame(
        rows
        | {
            "adds to mean cosine": own.adds,
            "mean cosine without": own.cosine_without,
            "IsoScore without": own.isoscore_without,
        }
    )


def _draw_means(found: Dimensions, layer: int) -> None:
    sizes, places = np.abs(found.means), np.arange(len(found.means))
    apart = np.isin(places, found.outliers)
    figure = go.Figure()
    for name, kind, chosen in (("other", BASE, ~apart), ("outlier", EDITED, apart)):
        figure.add_bar(
            x=places[chosen],
            y=sizes[chosen],
            name=name,
            width=1 if kind is BASE else max(1.0, len(places) / 150),
            marker={"color": kind.color(mode()), "line": {"width": 0}},
            hovertemplate=f"dimension %{{x}}: %{{y:.3g}}<extra>{name}</extra>",
        )
    figure.update_xaxes(title_text="dimension of the residual stream")
    figure.update_yaxes(title_text="|mean over tokens|")
    largest = int(sizes.argmax())
    _show(
        figure,
        "geometry_dig_means",
        f"Absolute mean of every dimension at layer {layer}; the largest is {sizes[largest]:.3g}, of dimension "
        f"{largest}.",
    )


def _draw_hubs(dig: Digging) -> None:
    params = dig.measured.params
    key = fingerprint("hubs", dig.cloud.key, dig.layer, params)
    job = held(
        key, "Counting neighbours", lambda report: _neighbourhoods(dig.cloud, dig.layer, params, report)
    )
    found = result_of(job, "geometry dig hubs", height=HEIGHT)
    if found is None:
        return
    own = found.hubs
    st.markdown(
        f"At layer {dig.layer} the largest hub is among the {own.k} nearest of {own.counts.max():,} of "
        f"{len(own.counts):,} tokens, and {own.nobodys:.0%} are nobody's neighbour. Of a Gaussian cloud of as many "
        f"points the largest is so for {found.gaussian.counts.max():,}, and {found.gaussian.nobodys:.0%} are nobody's."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        _draw_counts(found)
    with right:
        _draw_reductions(found, params)
    _draw_table(dig, found)


def _neighbourhoods(cloud: Cloud, layer: int, params: HubKnobs, report: Report) -> Neighbourhoods:
    report("Counting neighbours", 0, 2 + len(REDUCTIONS))
    points, own = hubs_at(cloud, layer, params)
    report("Counting neighbours in a Gaussian cloud", 1, 2 + len(REDUCTIONS))
    random = np.random.default_rng(0).standard_normal((len(points), cloud.d_model), dtype=np.float32)
    gaussian = hubs(random, params.k, params.metric, params.reduction)
    skews = {}
    for done, (id, name) in enumerate(REDUCTIONS.items(), 2):
        report(f"Reducing hubs: {name}", done, 2 + len(REDUCTIONS))
        skews[_short(name)] = hubs_at(cloud, layer, replace(params, reduction=id))[1].skew
    if params.first != "centred":
        skews[CENTRED] = hubs_at(cloud, layer, replace(params, reduction="none", first="centred"))[1].skew
    return Neighbourhoods(points, own, gaussian, skews)


def _draw_counts(found: Neighbourhoods) -> None:
    most = int(max(found.hubs.counts.max(), found.gaussian.counts.max()))
    edges = np.unique(np.concatenate([[0], np.geomspace(1, most + 1, 24)]).round())
    figure = go.Figure()
    for name, kind, each in (("Gaussian cloud", NULL, found.gaussian), ("these tokens", EDITED, found.hubs)):
        shares = np.histogram(each.counts, edges)[0] / len(each.counts)
        figure.add_scatter(
            x=edges[:-1],
            y=shares,
            name=name,
            mode="lines+markers",
            line={"color": kind.color(mode()), "dash": kind.dash, "width": kind.width, "shape": "hvh"},
            marker={"symbol": kind.symbol, "size": 6},
            hovertemplate=f"from %{{x:.0f}}: %{{y:.1%}}<extra>{name}</extra>",
        )
    figure.update_xaxes(
        title_text=f"times among the {found.hubs.k} nearest (bins widen)", tickvals=_ticks(edges)
    )
    figure.update_yaxes(title_text="share of tokens", tickformat=".0%", rangemode="tozero")
    _show(
        figure,
        "geometry_dig_counts",
        f"How often tokens are neighbours: skewness {found.hubs.skew:.2f}, of the Gaussian cloud "
        f"{found.gaussian.skew:.2f}.",
    )


def _ticks(edges: np.ndarray) -> list[float]:
    return [float(edge) for edge in edges[:: max(1, len(edges) // 6)]]


def _draw_reductions(found: Neighbourhoods, params: HubKnobs) -> None:
    chosen = _short(REDUCTIONS[params.reduction])
    names = list(found.skews)
    figure = go.Figure()
    figure.add_bar(
        y=names,
        x=[found.skews[name] for name in names],
        orientation="h",
        marker={"color": [(EDITED if name == chosen else ASKED).color(mode()) for name in names]},
        hovertemplate="%{y}: skewness %{x:.2f}<extra></extra>",
        showlegend=False,
    )
    figure.add_vline(x=found.gaussian.skew, line_width=1.5, line_dash="dash", line_color=NULL.color(mode()))
    figure.update_xaxes(title_text="skewness (dashed: Gaussian cloud)")
    figure.update_yaxes(autorange="reversed")
    shown = ", ".join(f"{name} {value:.2f}" for name, value in found.skews.items())
    _show(figure, "geometry_dig_reductions", f"Hubness after each reduction: {shown}.")


def _short(name: str) -> str:
    """A reduction's name without what stands in brackets."""
    return name.partition(" (")[0]


def _draw_table(dig: Digging, found: Neighbourhoods) -> None:
    order = np.argsort(-found.hubs.counts, kind="stable")[:LISTED]
    points = found.points[order].tolist()
    key = f"geometry_dig_hubs_{dig.layer}"

    def choose() -> None:
        if rows := st.session_state[key].selection.rows:
            dig.choose_point(points[rows[0]])

    st.markdown("The hubs")
    st.dataframe(
        pd.DataFrame(
            {
                "a neighbour of": found.hubs.counts[order],
                "token": [dig.cloud.shown[point] for point in points],
                "in its text": [in_context(dig.cloud, point) for point in points],
                "position": dig.cloud.position[points],
            }
        ),
        key=key,
        on_select=choose,
        selection_mode="single-row",
        hide_index=True,
        width="stretch",
        column_config={
            "a neighbour of": st.column_config.NumberColumn(
                help=f"Tokens that have it among their {found.hubs.k} nearest."
            )
        },
    )


def in_context(cloud: Cloud, point: int) -> str:
    """A token in brackets, between the tokens around it in its text."""
    text = next(each for each in cloud.texts if each.start <= point < each.stop)
    start, stop = max(text.start, point - AROUND), min(text.stop, point + AROUND + 1)
    before, after = cloud.shown[start:point], cloud.shown[point + 1 : stop]
    return f"{''.join(before)}[{cloud.shown[point]}]{''.join(after)}"


def _show(figure: go.Figure, key: str, alt: str) -> None:
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        barmode="overlay",
        legend={"orientation": "h", "yref": "paper", "y": 1.02, "yanchor": "bottom"},
    )
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt)
