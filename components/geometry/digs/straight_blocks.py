"""What every block does, three ways side by side: how far it turns states, the entropy it adds, what it is worth."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.fingerprint import fingerprint
from analysis.geometry.measures.straight import STRAIGHT
from analysis.geometry.skips import Skips
from analysis.jobs import Report
from analysis.methods.geometry import Measured, measured
from components.figures.against_null import mode
from components.geometry.digging import Digging
from components.geometry.digs.straight_tokens import ENDS, draw_table, ends, values_at
from components.kinds import BASE, EDITED
from components.literal import plain
from components.requests import held
from components.waiting import result_of

SIDE_BY_SIDE = ("block_influence", "entropy_gain", "skip_cost")
ON_THE_CLOUD = SIDE_BY_SIDE[:2]
HEADS = {"block_influence": "turned most", "skip_cost": "predicted worse"}


def draw_blocks(dig: Digging) -> None:
    """All that is known of the blocks, the tokens that suffer or turn most, and how the three ways agree."""
    found = _found(dig)
    if found is None:
        return
    for column, each in zip(st.columns(len(found), gap="medium"), found, strict=True):
        with column:
            st.markdown(f"**{plain(each.measure.title)}**")
            _draw(dig, each)
    st.caption(plain(" ".join(filter(None, (_costs(dig), _agreement(found), _entropy(found))))))
    if dig.measured.measure.id in HEADS:
        _draw_tokens(dig)


def _found(dig: Digging) -> list[Measured] | None:
    """The curves; None while they are measured. The cost takes runs of its own, so it is there only if it was asked."""

    def work(report: Report) -> list[Measured]:
        return [
            dig.measured
            if dig.measured.measure.id == id
            else measured(dig.model, dig.cloud, _measure(id), report=report)
            for id in ON_THE_CLOUD
        ]

    own = dig.measured.measure.id
    key = fingerprint(
        "geometry blocks", dig.cloud.key, dig.cloud.name, len(dig.cloud), own, dig.measured.params
    )
    found = result_of(held(key, "Measuring the blocks", work), key=f"dig blocks {own}", height=240)
    if found is None:
        return None
    return [*found, dig.measured] if own == "skip_cost" else found


def _measure(id: str):
    return next(each for each in STRAIGHT if each.id == id)


def _draw(dig: Digging, found: Measured) -> None:
    key = f"geometry_blocks_{found.measure.id}"
    figure = go.Figure()
    here = [layer == dig.layer for layer in found.layers]
    base, edited = BASE.color(mode()), EDITED.color(mode())
    shown = "layer %{x}: %{y:.3g}<extra></extra>"
    if found.measure.id == "skip_cost":
        colors = [edited if is_here else base for is_here in here]
        figure.add_bar(
            x=found.layers,
            y=found.values,
            marker={"color": colors},
            hovertemplate=shown,
            unselected={"marker": {"opacity": 1}},
        )
    else:
        figure.add_scatter(
            x=found.layers,
            y=found.values,
            mode="lines+markers",
            line={"color": base, "width": 2},
            marker={"symbol": BASE.symbol, "size": 6, "color": base},
            unselected={"marker": {"opacity": 1}},
            hovertemplate=shown,
        )
    figure.add_vline(x=dig.layer, line_width=1, line_dash="dot", line_color="gray")
    figure.add_hline(y=0, line_width=1, line_color="gray")
    figure.update_layout(height=240, margin={"l": 8, "r": 8, "t": 8, "b": 8}, showlegend=False)
    figure.update_xaxes(title_text="layer at which the block ends")
    figure.update_yaxes(title_text=found.measure.unit)

    def choose() -> None:
        if points := st.session_state[key].selection.points:
            dig.choose_layer(int(points[0]["x"]))

    st.plotly_chart(
        figure,
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"{found.measure.title} ({found.measure.unit}) of every block; the largest is "
        f"{np.nanmax(found.values):.3g} at layer {found.layers[int(np.nanargmax(found.values))]}.",
    )


def _costs(dig: Digging) -> str:
    if not isinstance(dig.given, Skips):
        return (
            "What a block is worth takes a run without it: open the cost of passing a block over to see it "
        )
        "beside these."
    nats, layers = dig.given.nats, dig.given.layers
    cheap, dear = int(nats.argmin()), int(nats.argmax())
    return (
        f"Over {len(dig.given):,} tokens the loss is {dig.given.base_nats:.3f} nats with all blocks. The block that "
        f"ends at layer {layers[dear]} costs most ({nats[dear]:+.3f}), the one at layer {layers[cheap]} least "
        f"({nats[cheap]:+.3f})."
    )


def _agreement(found: Sequence[Measured]) -> str:
    """Whether the cheap measure orders the blocks as their true cost does."""
    by_id = {each.measure.id: dict(zip(each.layers, each.values, strict=True)) for each in found}
    if "skip_cost" not in by_id:
        return ""
    cost = by_id["skip_cost"]
    said = [f"{value:+.2f} for {name}" for name, id in (("influence", "block_influence"), ("entropy", "entropy_gain"))
            if np.isfinite(value := _rank_correlation(cost, by_id[id]))]  # fmt: skip
    return f"Rank correlation with the cost over blocks: {', '.join(said)}." if said else ""


def _rank_correlation(one: dict[int, float], other: dict[int, float]) -> float:
    layers = [layer for layer in one if np.isfinite(one[layer]) and np.isfinite(other.get(layer, np.nan))]
    if len(layers) < 3:
        return float("nan")
    ranks = [
        np.argsort(np.argsort([of[layer] for layer in layers], kind="stable"), kind="stable")
        for of in (one, other)
    ]
    return float(np.corrcoef(ranks)[0, 1])


def _entropy(found: Sequence[Measured]) -> str:
    own = next(each for each in found if each.measure.id == "entropy_gain")
    entropies = own.beside.get("entropy in nats")
    if entropies is None or not np.isfinite(entropies).any():
        return ""
    lowest = own.layers[int(np.nanargmin(entropies))]
    return (
        f"Behind a block, entropy is lowest at layer {lowest}: the method that prunes by entropy leaves all blocks "
        f"up to there alone."
    )


def _draw_tokens(dig: Digging) -> None:
    """The tokens with the largest and the smallest value at this layer."""
    values = values_at(dig)
    if values is None:
        return
    given = dig.given if isinstance(dig.given, Skips) else dig.cloud
    head, about = HEADS[dig.measured.measure.id], dig.measured.measure.per_point
    show = partial(draw_table, dig, given, values=values, about=about)
    for column, name, numbers in zip(
        st.columns(2, gap="medium"), (f"Tokens {head}", "Least of all"), ends(values, ENDS), strict=True
    ):
        with column:
            st.markdown(f"**{name}**")
            show(numbers, name=name.split()[0].lower())
