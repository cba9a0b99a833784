"""Circles: days and months without a dictionary, and clusters of directions with one."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.dictionaries.whole import clusters, cycles
from analysis.dictionaries.whole.clusters import Shape, Shapes
from analysis.dictionaries.whole.cycles import SETS, Circle, Cycle, fewest_p
from components import session
from components.features import choices
from components.features.whole_parts.requests import cycle_job, firings_job, known_of, shapes_job
from components.features.whole_parts.seen import Seen, ending, named, refused, remember
from components.figures.against_null import mode
from components.figures.whole_charts import add_cloud, show
from components.kinds import EDITED, NULL
from components.literal import for_plotly, plain
from components.view_controls import segments
from components.waiting import result_of

WHAT = SETS | {"clusters": "clusters of this dictionary"}
PLANES = {"first": "components 1 and 2", "second": "components 2 and 3"}
COSINES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7)
FIRST = 0.3
BY = {"nearest": "Two nearest", "mean": "Alike on average"}
CLEAR = 0.05
TOP_TOKENS = 8
"""Of a cluster's tokens, those with a colour of their own."""


def draw(seen: Seen) -> None:
    """This question."""
    what = choices.chosen("whole.circles", "days")
    what = what if what in WHAT else "days"
    segments(
        "What is looked at",
        {name: said[0].upper() + said[1:] for name, said in WHAT.items()},
        key="whole_circles",
        now=what,
        change=lambda now: choices.choose("whole.circles", None if now == "days" else now),
    )
    if what == "clusters":
        _draw_clusters(seen)
    else:
        _draw_cycle(seen, what)


def _draw_cycle(seen: Seen, id: str) -> None:
    plane = choices.chosen("whole.plane", "first")
    plane = plane if plane in PLANES else "first"
    segments(
        "Plane",
        PLANES,
        key="whole_plane",
        now=plane,
        change=lambda now: choices.choose("whole.plane", None if now == "first" else now),
    )
    found = result_of(cycle_job(seen.model, id), f"whole cycle {id}", height=360)
    if found is None:
        return
    circles = found.first if plane == "first" else found.second
    layer = seen.frame.layer
    if layer is None or layer not in found.layers:
        layer = min(circles, key=lambda each: (each.p, each.length)).layer
    own = circles[found.layers.index(layer)]
    seen.answer(_cycle_answer(found, circles, own, plane))
    left, right = st.columns([1, 1.2], gap="medium")
    with left:
        _draw_words(found, own, plane)
    with right:
        _draw_by_layer(found, circles, layer)
    table = _cycle_table(circles)
    with st.expander("All layers as a table"):
        st.dataframe(table, hide_index=True, width="stretch")
        st.download_button(
            "CSV", lambda: table.to_csv(index=False), f"bathyscope-{id}.csv", "text/csv", on_click="ignore"
        )
    ending(
        seen,
        f"The mean state of each of the {SETS[id]} over {found.sentences} sentences that all of them share "
        "(those that begin with the word are left out: a first token is an attention sink), along two "
        "principal components of these means; lines join the words in their order. p is the share of all orders in "
        "which the way from word to word and back is no longer than in theirs. This needs no dictionary.",
        cycles.MISLEADS,
        cycles.SOURCE,
        [
            "from analysis.dictionaries.whole.cycles import cycle",
            f"found = cycle(model, {id!r}, 0)",
            "print([(each.layer, each.p, each.in_order) for each in found.first])",
        ],
        orders=f"{found.orders:,}" + (", all there are" if found.exact else ", drawn at random"),
        seed=0,
    )


def _cycle_answer(found: Cycle, circles: tuple[Circle, ...], own: Circle, plane: str) -> str:
    clear = [each.layer for each in circles if each.p <= CLEAR]
    where = (
        f"the {SETS[found.id]} stand in their order around a circle" if own.in_order
        else f"the {SETS[found.id]} do not stand exactly in their order around the middle"
    )  # fmt: skip
    few = f"At {len(clear)} of {len(circles)} layers p is {CLEAR:g} or less; by chance {CLEAR * len(circles):.1f}."
    return (
        f"At layer {own.layer} {where} (plane of {PLANES[plane]}, {own.share:.0%} of what parts them): p = "
        f"{own.p:.2g}, where {fewest_p(len(found.words)):.2g} is the least there can be. {few}"
    )


def _draw_words(found: Cycle, own: Circle, plane: str) -> None:
    figure = go.Figure()
    around = np.append(np.arange(len(found.words)), 0)
    names = [for_plotly(word) for word in found.words]
    figure.add_scatter(
        x=own.points[around, 0],
        y=own.points[around, 1],
        mode="lines+markers+text",
        text=[*names, ""],
        textposition="top center",
        line={"color": EDITED.color(mode()), "width": 1.5},
        marker={"color": EDITED.color(mode()), "symbol": EDITED.symbol, "size": 9},
        customdata=[*names, names[0]],
        hovertemplate="%{customdata}<extra></extra>",
        showlegend=False,
    )
    reach = 1.25 * float(np.abs(own.points).max() or 1)
    one, other = PLANES[plane].removeprefix("components ").split(" and ")
    figure.update_xaxes(title_text=f"component {one} (residual stream)", range=[-reach, reach])
    figure.update_yaxes(title_text=f"component {other}", range=[-reach, reach], scaleanchor="x")
    show(
        figure,
        f"whole_cycle_{found.id}_{plane}_{own.layer}",
        f"Mean states of {', '.join(found.words)} at layer {own.layer}; in order: {'yes' if own.in_order else 'no'}.",
        380,
    )


def _draw_by_layer(found: Cycle, circles: tuple[Circle, ...], layer: int) -> None:
    figure = go.Figure()
    ordered = [each.in_order for each in circles]
    figure.add_scatter(
        x=[each.layer for each in circles],
        y=[each.p for each in circles],
        mode="lines+markers",
        name="p; filled where exactly in order",
        line={"color": EDITED.color(mode()), "width": 2},
        marker={
            "color": EDITED.color(mode()),
            "symbol": ["diamond" if o else "diamond-open" for o in ordered],
            "size": 9,
        },
        hovertemplate="layer %{x}: p = %{y:.4f}<extra></extra>",
    )
    ends = [circles[0].layer - 0.5, circles[-1].layer + 0.5]
    for height, name, dash in (
        (CLEAR, f"p = {CLEAR:g}", "dash"),
        (fewest_p(len(found.words)), "least possible", "dot"),
    ):
        figure.add_scatter(
            x=ends,
            y=[height, height],
            mode="lines",
            name=name,
            line={"color": NULL.color(mode()), "dash": dash, "width": 1.5},
            hoverinfo="skip",
        )
    figure.add_vline(x=layer, line_width=1, line_dash="dot", line_color="gray")
    figure.update_xaxes(title_text="layer (0 = embedding)")
    ticks = [10.0**power for power in range(-5, 1)]
    figure.update_yaxes(
        title_text="p: share of orders as short",
        type="log",
        range=[np.log10(fewest_p(len(found.words))) - 0.3, 0.05],
        tickvals=ticks,
        ticktext=[f"{each:g}" for each in ticks],
    )
    show(
        figure,
        f"whole_cycle_layers_{found.id}",
        "p by layer: " + ", ".join(f"{each.p:.3g} at {each.layer}" for each in circles) + ".",
        380,
        on_choose=lambda at: session.change(layer=int(at)),
    )


def _cycle_table(circles: tuple[Circle, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "layer": [each.layer for each in circles],
            "p": [each.p for each in circles],
            "way over its mean": [each.length for each in circles],
            "exactly in order": [each.in_order for each in circles],
            "share of variance": [each.share for each in circles],
        }
    )


def _draw_clusters(seen: Seen) -> None:
    why = "Neurons are axes of their own and all of them are active, so they form no clusters that fire together."
    if refused(seen, why):
        return
    by, least = _draw_joining()
    found = result_of(shapes_job(seen.model, seen.dictionary, by, least), "whole shapes", height=420)
    if found is None or (known := known_of(seen)) is None:
        return
    number = _draw_list(found, known)
    own = found.found[number]
    seen.answer(_clusters_answer(found))
    left, right = st.columns(2, gap="medium")
    plane = max(own.planes, key=lambda each: each.irreducible)
    with left:
        _draw_shape(seen, own, plane.axes)
    with right:
        _draw_normal(own, plane.axes)
    names = "; ".join(named(known, feature) for feature in own.features[:12])
    st.caption(
        plain(
            f"Features {names}. {own.firing:,} tokens. Score {own.score:.3f} bits; the normal cloud of the same "
            f"covariance {own.normal_score:.3f}; p = {found.p(own):.2g} among random clusters."
        )
    )
    ending(
        seen,
        f"Directions are clustered ({BY[by].lower()}, from cosine {least:g} on). What a cluster "
        "makes up of the states at tokens where any of it fires is drawn along its principal components. Separability "
        "is the least mutual information of two coordinates over rotations, in bits; the mixture index the largest "
        "share of points in a narrow strip; the score is (1 - mixture) times separability, averaged over "
        "consecutive planes.",
        clusters.MISLEADS,
        clusters.SOURCE,
        _code(by, least),
        least_cosine=least,
        random_clusters=clusters.RANDOM,
        seed=0,
    )


def _code(by: str, least: float) -> list[str]:
    """What computes the shapes."""
    group = "joined" if by == "nearest" else "alike"
    return [
        "from analysis.dictionaries.evidence.gathering import sample_text",
        "from analysis.dictionaries.firing.firings import firings",
        f"from analysis.dictionaries.whole.clusters import {group}, shapes",
        "from analysis.dictionaries.written import written",
        "fired, rows = firings(model, dictionary, sample_text()), written(model, dictionary)",
        f"found = shapes(fired.by_token, rows, {group}(rows, {least}), 0)",
        "print([(each, found.p(each)) for each in found.found[:3]])",
    ]


def _draw_joining() -> tuple[str, float]:
    """How directions are clustered, and from which cosine on."""
    by = choices.chosen("whole.joined", "nearest")
    by = by if by in BY else "nearest"
    said = choices.chosen("whole.cosine", str(FIRST))
    least = float(said) if said in map(str, COSINES) else FIRST
    st.session_state.whole_cosine = least
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        segments(
            "How directions are clustered",
            BY,
            key="whole_joined",
            now=by,
            change=lambda now: remember("whole.joined", now, "nearest"),
            help="Each direction joined to its two nearest, which may make chains; or groups whose members are alike "
            "on average.",
        )
        st.select_slider(
            "From this cosine on",
            COSINES,
            key="whole_cosine",
            on_change=lambda: remember("whole.cosine", st.session_state.whole_cosine, FIRST),
            width=320,
        )
    return by, least


def _clusters_answer(found: Shapes) -> str:
    clear = [each for each in found.found if found.p(each) <= CLEAR and each.score > each.normal_score]
    large = (
        f" {found.too_large} larger than {clusters.LARGEST} features are left out." if found.too_large else ""
    )
    return (
        f"{len(clear)} of {len(found.found)} clusters that fire often enough are harder to take apart than normal "
        f"clouds and than 95% of {len(found.random)} random clusters, where {CLEAR * len(found.found):.1f} would be by "
        f"chance.{large}"
    )


def _draw_list(found: Shapes, known) -> int:
    table = pd.DataFrame(
        {
            "score (bits)": [each.score for each in found.found],
            "normal cloud": [each.normal_score for each in found.found],
            "p": [found.p(each) for each in found.found],
            "features": [len(each.features) for each in found.found],
            "tokens": [each.firing for each in found.found],
            "labels": [
                "; ".join(known.label(feature) for feature in each.features[:4]) for each in found.found
            ],
        }
    )
    event = st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height=220,
        on_select="rerun",
        selection_mode="single-row",
        key="whole_shapes",
        column_config={
            name: st.column_config.NumberColumn(format="%.3f")
            for name in ("score (bits)", "normal cloud", "p")
        },
    )
    rows = event.selection.rows
    return rows[0] if rows and rows[0] < len(found.found) else 0


def _draw_shape(seen: Seen, own: Shape, axes: tuple[int, int]) -> None:
    fired = result_of(firings_job(seen.model, seen.dictionary), "whole firings")
    points = own.coordinates[:, list(axes)]
    figure = go.Figure()
    if fired is None:
        add_cloud(figure, "tokens", points, [""] * len(points))
    else:
        ids = np.asarray(fired.ids)[own.tokens]
        common, counts = np.unique(ids, return_counts=True)
        top = common[np.argsort(-counts, kind="stable")][:TOP_TOKENS]
        label = seen.model.tokenizer.label
        for number, token in enumerate(top.tolist()):
            here = ids == token
            add_cloud(figure, label(token), points[here], [label(token)] * int(here.sum()), number)
        rest = ~np.isin(ids, top)
        add_cloud(figure, "other tokens", points[rest], [label(int(each)) for each in ids[rest]], 8, 4, 0.5)
    _axes(figure, axes, own)
    alt = f"{len(points)} tokens in the plane of components {axes[0] + 1} and {axes[1] + 1} of the cluster."
    show(figure, f"whole_shape_{own.features[0]}", alt, 400)


def _draw_normal(own: Shape, axes: tuple[int, int]) -> None:
    """The normal cloud that the score is compared with."""
    from analysis.maps.twins import gaussian

    points = gaussian(own.coordinates, 0)[:, list(axes)]
    figure = go.Figure()
    figure.add_scatter(
        x=points[:, 0],
        y=points[:, 1],
        mode="markers",
        name="normal points of the same covariance",
        marker={"color": NULL.color(mode()), "symbol": NULL.symbol, "size": 5},
        hoverinfo="skip",
        showlegend=True,
    )
    _axes(figure, axes, own)
    show(figure, f"whole_shape_normal_{own.features[0]}", "Normal points of the same covariance.", 400)


def _axes(figure: go.Figure, axes: tuple[int, int], own: Shape) -> None:
    one, other = axes
    figure.update_xaxes(title_text=f"component {one + 1} ({own.shares[one]:.0%} of the cluster's variance)")
    figure.update_yaxes(title_text=f"component {other + 1} ({own.shares[other]:.0%})", scaleanchor="x")
