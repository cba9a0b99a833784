"""What made a dimension: its scale and its line; and which neighbours a layer keeps."""

from dataclasses import replace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.geometry.cloud import Cloud, standard_normal
from analysis.geometry.intrinsic_dimension import Line, two_nn_line
from analysis.geometry.measures.dimensions import Overlap, TwoNN, overlaps, ratios, scales
from analysis.geometry.neighbours import different, neighbours, separate
from analysis.jobs import Report
from components.figures.against_null import mode
from components.geometry.digging import Digging
from components.geometry.digs.charts import add_line, heat, in_context, of_kind, show
from components.kinds import ASKED, BASE, NULL
from components.literal import literal, plain
from components.requests import held
from components.waiting import result_of

FEW = 1000
"""Points that are compared for all pairs of layers."""
DOTS = 400
"""Points of the line that are drawn."""
ENDS = 5
"""Tokens that are listed at either end."""
OVERLAPS = ("neighbourhood_overlap", "label_overlap")
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
Scales = tuple[tuple[int, ...], np.ndarray]


def draw(dig: Digging) -> None:
    """Dimension against scale and the line of TwoNN, or what is kept between layers, and of which tokens."""
    if dig.measured.measure.id in OVERLAPS:
        _draw_overlaps(dig)
    else:
        _draw_dimension(dig)
    _draw_ends(dig)


def _draw_dimension(dig: Digging) -> None:
    most, layer = dig.measured.params.compared, dig.layer
    discard = getattr(dig.measured.params, "discard", TwoNN().discard)

    def work(report: Report) -> tuple[Scales, Scales, Line]:
        report("Comparing distances at every scale", 0.0)
        own = scales(dig.cloud, layer, most)
        line = two_nn_line(ratios(separate(dig.cloud, layer, most)), discard)
        report("Comparing distances in a normal cloud", 0.5)
        return own, _normal(dig.cloud, most), line

    key = fingerprint("geometry scales", dig.cloud.key, layer, most, discard)
    job = held(key, "Comparing distances at every scale", work)
    if (found := result_of(job, f"dig dimensions {layer}", height=290)) is None:
        return
    own, normal, line = found
    left, right = st.columns(2)
    with left:
        _draw_scales(own, normal, layer)
    with right:
        _draw_line(line, layer)
    st.caption(plain(_in_words(own, normal, line, layer)))


def _normal(cloud: Cloud, most: int) -> Scales:
    """The same for as many standard normal points; only those that are compared are drawn."""
    few = min(len(cloud), most)
    small = replace(
        cloud,
        layers=cloud.layers[:1],
        values=cloud.values[:1],
        rows=cloud.rows[:few],
        text=cloud.text[:few],
        position=cloud.position[:few],
        token=cloud.token[:few],
        shown=cloud.shown[:few],
        labels=(),
        _made={},
    )
    normal = standard_normal(small)
    return scales(normal, normal.layers[0], most)


def _draw_scales(own: Scales, normal: Scales, layer: int) -> None:
    figure = go.Figure()
    for name, kind, (ns, (values, errors)) in (
        ("standard normal cloud", NULL, normal),
        (f"layer {layer}", BASE, own),
    ):
        add_line(
            figure,
            name,
            of_kind(kind),
            ns,
            values,
            "n = %{x}: %{y:.1f} dimensions",
            error_y={"array": errors, "thickness": 1, "width": 0},
        )
    figure.update_xaxes(type="log", title_text="scale n (neighbours n and 2n are compared)", tickvals=own[0])
    figure.update_yaxes(type="log", title_text="intrinsic dimension", tickvals=TICKS)
    alt = ", ".join(f"{value:.1f} at n = {n}" for n, value in zip(own[0], own[1][0], strict=True))
    show(figure, f"geometry_scales_{layer}", f"Intrinsic dimension of layer {layer} by scale: {alt}.")


def _draw_line(line: Line, layer: int) -> None:
    some = np.unique(np.linspace(0, len(line.across) - 1, DOTS).astype(int))
    figure = go.Figure()
    figure.add_scatter(
        x=line.across[some],
        y=line.up[some],
        name="tokens",
        mode="markers",
        marker={"size": 4, "color": BASE.color(mode())},
        hovertemplate="ratio %{customdata:.3f}<extra></extra>",
        customdata=np.exp(line.across[some]),
    )
    end = line.across[-1]
    add_line(
        figure,
        f"slope {line.dimension:.1f}",
        of_kind(ASKED),
        [0, end],
        [0, line.dimension * end],
        "ln ratio %{x:.2f}",
    )
    figure.update_xaxes(title_text="ln (second nearest distance / nearest)")
    figure.update_yaxes(title_text="-ln (1 - share of tokens so far)")
    show(
        figure,
        f"geometry_line_{layer}",
        f"Ratios of neighbour distances at layer {layer}: a line with slope {line.dimension:.1f}, R2 {line.r2:.3f}.",
    )


def _in_words(own: Scales, normal: Scales, line: Line, layer: int) -> str:
    first, last = own[1][0][0], own[1][0][-1]
    falls = (
        "It falls much with the scale, so the smallest distances are mostly noise, or the surface is bent."
        if last < 0.6 * first
        else "It grows with the scale: near tokens lie on fewer dimensions than far ones."
        if last > 1.4 * first
        else "It changes little with the scale."
    )
    return (
        f"At layer {layer} the dimension is {first:.1f} between nearest neighbours and {last:.1f} at scale "
        f"{own[0][-1]}. {falls} As many standard normal points give {normal[1][0][0]:.0f} to "
        f"{normal[1][0][-1]:.0f}. Where tokens lie evenly on a surface the dots on the right follow the line; R2 is "
        f"{line.r2:.3f}."
    )


def _draw_overlaps(dig: Digging) -> None:
    own = dig.measured.params
    params = Overlap(own.k, own.by, own.other_texts, min(own.compared, FEW))

    def work(report: Report) -> np.ndarray:
        report("Comparing the neighbours of all pairs of layers")
        return overlaps(dig.cloud, params)

    key = fingerprint("geometry overlaps", dig.cloud.key, params)
    table = result_of(held(key, "Comparing neighbours", work), "dig overlaps", height=360)
    if table is None:
        return
    left, right = st.columns(2)
    with left:
        _draw_table(dig, table, params)
    with right:
        _draw_neighbours(dig)


def _draw_table(dig: Digging, table: np.ndarray, params: Overlap) -> None:
    layers = dig.cloud.layers
    figure = heat(table, layers, "layers %{x} and %{y}: %{z:.0%} kept", title="share kept")
    for add in (figure.add_hline, figure.add_vline):
        place = {"y" if add == figure.add_hline else "x": dig.layer}
        add(line_width=1, line_dash="dot", line_color="gray", **place)
    figure.update_xaxes(title_text="layer (0 = embedding)")
    figure.update_yaxes(title_text="layer")
    ends = table[0, -1]
    show(
        figure,
        "geometry_overlaps",
        f"Share of {params.k} nearest neighbours kept between all pairs of layers; {ends:.0%} from the first to the "
        "last.",
        height=360,
    )
    st.caption(
        plain(
            f"Among {min(len(dig.cloud), params.compared):,} tokens; between unrelated layers "
            f"{params.k / max(1, min(len(dig.cloud), params.compared) - 1):.1%} would be kept."
        )
    )


def _draw_neighbours(dig: Digging) -> None:
    """The chosen token's nearest tokens at the layer below, and at this one."""
    if dig.point is None:
        st.caption("Choose a token below to see its neighbours here and one layer below.")
        return
    try:
        lower = dig.cloud.below(dig.layer)
    except AnalysisError:
        lower = None
    lists = {layer: _nearest(dig, layer) for layer in (lower, dig.layer) if layer is not None}
    st.markdown(f"Nearest to {literal(in_context(dig.cloud, dig.point))}")
    if (here := lists[dig.layer]) is None:
        st.caption("This token is not among those compared: an equal one comes earlier.")
        return
    below = lists.get(lower)
    columns = {f"layer {dig.layer}": [in_context(dig.cloud, other) for other in here]}
    if below is not None:
        columns["kept"] = [other in below for other in here]
        columns[f"layer {lower}"] = [in_context(dig.cloud, other) for other in below]
    narrow = st.column_config.CheckboxColumn(
        width="small", help=f"Whether it was among the nearest at layer {lower} as well."
    )
    st.dataframe(
        pd.DataFrame(columns), hide_index=True, width="stretch", height=330, column_config={"kept": narrow}
    )


def _nearest(dig: Digging, layer: int) -> list[int] | None:
    """Numbers of the neighbours of the chosen token, among those compared and itself."""
    own = dig.measured.params
    points = different(dig.cloud, (layer,), own.compared)
    if dig.point not in points:
        points = np.sort(np.append(points, dig.point))
        same = (dig.cloud.at(layer)[points] == dig.cloud.at(layer)[dig.point]).all(1)
        points = points[~same | (points == dig.point)]
    found = neighbours(dig.cloud, layer, points, cosine=own.by == "angle", other_texts=own.other_texts)
    row = int(np.searchsorted(points, dig.point))
    return found.near[row, : own.k].tolist()


def _draw_ends(dig: Digging) -> None:
    """The tokens with the lowest and the highest value at this layer; one that is clicked is chosen."""
    measured = dig.measured
    if measured.per_point is None or dig.layer not in measured.layers:
        return
    own = measured.per_point[measured.layers.index(dig.layer)]
    known = np.flatnonzero(np.isfinite(own)) if len(own) == len(dig.cloud) else np.empty(0, int)
    if not len(known):
        return
    order = known[np.argsort(own[known], kind="stable")]
    ends = min(ENDS, len(order) // 2)
    shown = np.concatenate([order[:ends], order[len(order) - ends :]]) if ends else order
    name = measured.measure.per_point
    st.markdown(f"**Tokens with the lowest and the highest {name}**")
    key = f"geometry_dimension_ends_{dig.layer}"

    def choose() -> None:
        if rows := st.session_state[key].selection.rows:
            dig.choose_point(int(shown[rows[0]]))

    st.dataframe(
        pd.DataFrame(
            {"token in its text": [in_context(dig.cloud, each) for each in shown], name: own[shown]}
        ),
        key=key,
        on_select=choose,
        selection_mode="single-row",
        hide_index=True,
        width="stretch",
        column_config={name: st.column_config.NumberColumn(format="%.2f", width="small")},
    )
