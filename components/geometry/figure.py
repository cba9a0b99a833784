"""One measure over the layers: the curve, what it is compared with, and its controls behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.methods.geometry import Measured
from components.figures.against_null import mode
from components.geometry.cursor import nearest
from components.geometry.subjects import Subject
from components.kinds import KINDS, NULL, Kind
from components.literal import for_plotly

HEIGHT = 230
FAR = 0.75
"""Of the other curves' span: controls farther away than that are told at the edge, and do not flatten them."""


@dataclass(frozen=True, eq=False)
class Line:
    """One subject's curve."""

    subject: Subject
    found: Measured


def style_of(subject: Subject) -> Kind:
    """What a subject wears; random weights and the Gaussian are told from each other by their dashes."""
    return KINDS[subject.kind]


def dash_of(subject: Subject) -> str:
    """Plotly's name of a subject's line style."""
    return {"random": "dashdot", "gaussian": "dot"}.get(subject.id, style_of(subject).dash)


def draw_curve(
    lines: Sequence[Line], layer: int, key: str, on_choose: Callable[[int], None], is_whole: bool = True
) -> None:
    """The figure; a point of any curve that is clicked hands on the layer of the first one at its depth.

    Args:
        lines: the base first.
        layer: the one to mark, of the base's layers.
        key: names the chart.
        on_choose: receives the layer before the script runs again.
        is_whole: False while some of the curves are still to come, which is said.
    """
    base = lines[0]
    depth = base.subject.model.n_layers
    shared = any(each.subject.model.n_layers != depth for each in lines)
    figure = curves(lines, layer, shared)
    if not is_whole:
        _say_above(figure, "more is being measured", "left")

    def choose() -> None:
        if points := st.session_state[key].selection.points:
            at = float(points[0]["x"])
            on_choose(nearest(base.found.layers, at * depth if shared else at))

    st.plotly_chart(
        figure,
        key=key,
        on_select=choose,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=_in_words(lines, layer),
    )


def curves(lines: Sequence[Line], layer: int, shared: bool) -> go.Figure:
    """Every subject's curve, over layers or over the share of depth.

    Args:
        lines: the base first.
        layer: the one to mark.
        shared: over the share of depth, as the models differ in their number of layers.
    """
    figure = go.Figure()
    shuffled = [each for each in lines if each.subject.id.startswith("shuffled")]
    others = [each for each in lines if each not in shuffled and each.subject.id != "gaussian"]
    _add_shuffled(figure, shuffled, shared)
    for each in reversed(others):  # the base on top
        _add_line(figure, each, shared)
    ends = _ends([*(each for each in others if each.subject.id != "random"), *shuffled])
    far = []
    for each in (each for each in lines if each.subject.id == "gaussian"):
        if said := _add_gaussian(figure, each, lines[0], ends, shared):
            far += said
        else:
            ends = min(ends[0], gaussian_value(each.found)), max(ends[1], gaussian_value(each.found))
    for each in (each for each in lines if each.subject.id == "random"):
        far += _cut_off(figure, each, ends)
    _say_above(figure, " · ".join(far), "right")
    depth = lines[0].subject.model.n_layers
    at = layer / depth if shared else layer
    figure.add_vline(x=at, line_width=1, line_dash="dot", line_color="gray")
    pad = 0.5 / depth if shared else 0.5
    end = 1 if shared else depth
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 20, "b": 8},  # room for what is said above the curves
        showlegend=False,
        hovermode="closest",
    )
    figure.update_xaxes(
        title_text="share of depth (0 = embedding)" if shared else "layer (0 = embedding)",
        range=[-pad, end + pad],
        tickformat=".0%" if shared else None,
        dtick=0.25 if shared else 1 if depth < 13 else 5,
        zeroline=False,
    )
    unit = "<br>".join(for_plotly(part) for part in wrap(lines[0].found.measure.unit, 26))
    figure.update_yaxes(title_text=unit, zeroline=False, nticks=6)
    return figure


def companion(value: float) -> str:
    """What stands beside a value, counts without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def gaussian_value(found: Measured) -> float:
    """The one value of a Gaussian, all of whose layers are alike: at the last layer that has one."""
    return float(found.values[np.isfinite(found.values)][-1])


def _add_line(figure: go.Figure, line: Line, shared: bool) -> None:
    kind, color = style_of(line.subject), style_of(line.subject).color(mode())
    is_null = line.subject.kind == "null"
    figure.add_scatter(
        x=_places(line, shared),
        y=line.found.values,
        name=for_plotly(line.subject.name),
        mode="lines" if is_null else "lines+markers",
        line={"color": color, "dash": dash_of(line.subject), "width": kind.width if is_null else 2.5},
        marker={"symbol": kind.symbol, "size": 6, "color": color},
        unselected={"marker": {"opacity": 1}},  # a click chooses a layer, it does not single out a point
        customdata=_hover(line),
        hovertemplate=f"%{{customdata}}<extra>{for_plotly(line.subject.name)}</extra>",
    )


def _add_shuffled(figure: go.Figure, lines: Sequence[Line], shared: bool) -> None:
    """A band from the lowest to the highest draw; a single one is a line."""
    if len(lines) < 2:
        for each in lines:
            _add_line(figure, each, shared)
        return
    values = np.stack([each.found.values for each in lines])
    low, high = np.fmin.reduce(values), np.fmax.reduce(values)
    known = np.isfinite(low)
    color = NULL.color(mode())
    places = np.array(_places(lines[0], shared))[known]
    edge = {"width": 0.75, "color": color}
    figure.add_scatter(x=places, y=low[known], mode="lines", line=edge, hoverinfo="skip")
    figure.add_scatter(
        x=places,
        y=high[known],
        mode="lines",
        line=edge,
        fill="tonexty",
        fillcolor=_translucent(color, 0.35),
        customdata=low[known],
        hovertemplate=f"%{{customdata:.3g}} to %{{y:.3g}}<extra>{len(lines)} draws of shuffled tokens</extra>",
    )


def _add_gaussian(
    figure: go.Figure, line: Line, base: Line, ends: tuple[float, float], shared: bool
) -> list[str]:
    """A level line; where it lies far outside, what to say of it instead."""
    value, (low, high) = gaussian_value(line.found), _with_room(ends)
    if low <= value <= high:
        places = _places(base, shared)
        figure.add_scatter(
            x=[places[0], places[-1]],
            y=[value, value],
            mode="lines",
            line={"color": NULL.color(mode()), "dash": dash_of(line.subject), "width": 2},
            hovertemplate=f"Gaussian: {value:.3g}<extra></extra>",
        )
        return []
    return [f"Gaussian: {value:.3g} {'↑' if value > high else '↓'}"]


def _cut_off(figure: go.Figure, line: Line, ends: tuple[float, float]) -> list[str]:
    """Let a control that runs far away leave the picture; what to say of it then."""
    (own_low, own_high), (low, high) = _ends([line]), _with_room(ends)
    if low <= own_low and own_high <= high:
        return []
    bottom = ends[0] if own_low < low else min(own_low, ends[0])
    top = ends[1] if own_high > high else max(own_high, ends[1])
    pad = 0.1 * (top - bottom)
    figure.update_yaxes(range=[bottom - pad, top + pad])
    reach = [f"{own_high:.3g} ↑"] * (own_high > high) + [f"{own_low:.3g} ↓"] * (own_low < low)
    return [f"{line.subject.name}: to {' and '.join(reach)}"]


def _with_room(ends: tuple[float, float]) -> tuple[float, float]:
    low, high = ends
    room = FAR * max(high - low, 1e-6 * max(abs(low), abs(high), 1e-12))
    return low - room, high + room


def _say_above(figure: go.Figure, text: str, side: str) -> None:
    if not text:
        return
    figure.add_annotation(
        text=text,
        xref="paper",
        yref="paper",
        x=0 if side == "left" else 1,
        y=1,
        xanchor=side,
        yanchor="bottom",
        showarrow=False,
        font={"size": 11},
    )


def _ends(lines: Sequence[Line]) -> tuple[float, float]:
    values = np.concatenate([each.found.values for each in lines])
    return float(np.nanmin(values)), float(np.nanmax(values))


def _places(line: Line, shared: bool) -> list[float]:
    depth = line.subject.model.n_layers
    return [layer / depth if shared else layer for layer in line.found.layers]


def _hover(line: Line) -> list[str]:
    """Layer, value, how many points, and the companions of the value."""
    found = line.found
    texts = []
    for row, layer in enumerate(found.layers):
        said = [f"layer {layer}: {found.values[row]:.4g}", f"N {found.count:,}"]
        said += [f"{name}: {companion(values[row])}" for name, values in found.beside.items()]
        texts.append("<br>".join(map(for_plotly, said)))
    return texts


def _in_words(lines: Sequence[Line], layer: int) -> str:
    found = lines[0].found
    value = found.values[found.layers.index(layer)]
    others = ", ".join(each.subject.name for each in lines[1:]) or "nothing"
    return (
        f"{found.measure.title} ({found.measure.unit}) over layers {found.layers[0]} to {found.layers[-1]}: "
        f"{value:.3g} at layer {layer}; beside it {others}."
    )


def _translucent(color: str, opacity: float) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
