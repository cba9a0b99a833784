"""Concepts as vectors: right angles to the parent, all cosines, and words between the vectors of siblings."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from analysis.hierarchy.geometry import ConceptGeometry
from analysis.hierarchy.plane import Plane
from components.figures.against_null import mode
from components.kinds import ASKED, BASE, EDITED, NULL, Kind
from components.literal import for_plotly

SYMBOLS = ("circle", "square", "diamond", "triangle-up")
"""Of siblings, which never differ by colour alone."""


def draw_right_angles(found: ConceptGeometry, key: str) -> None:
    """One row per concept: its cosine to its parent over its controls, and how much of the parent it carries."""
    figure = make_subplots(
        1, 2, shared_yaxes=True, horizontal_spacing=0.03, column_widths=[0.62, 0.38],
        subplot_titles=("what it adds, to the parent", "of the parent, what it carries"),
    )  # fmt: skip
    rows = list(range(len(found.sets.edges)))
    for name, kind, width, values in (
        ("random words as the child", NULL, 0.75, found.right_angle.nulls),
        ("random words as the parent", BASE, 0.5, found.other_parents),
        ("shuffled kinds", ASKED, 0.25, found.shuffled),
    ):
        _add_ranges(figure, rows, values, name, kind, width, column=1)
    _add_ranges(figure, rows, found.carried.nulls, "random words as the child", NULL, 0.75, column=2)
    _add_marks(figure, rows, found.right_angle.values, "the same words", "diamond", column=1)
    _add_marks(figure, rows, found.carried.values, "from different words", "diamond-open", column=2)
    for column, place, dash in (
        (1, 0, "solid"),
        (1, -found.near, "dot"),
        (1, found.near, "dot"),
        (2, 1, "solid"),
    ):
        figure.add_vline(x=place, line_width=1, line_dash=dash, line_color="gray", row=1, col=column)
    names = [_named(found, down) for down, _ in found.sets.edges]
    figure.update_yaxes(tickvals=rows, ticktext=names, range=[len(rows) - 0.5, -0.5])
    reach = [found.right_angle.values, found.right_angle.nulls.ravel(), [-0.3, 0.2]]
    low, high = (float(edge(np.concatenate(reach))) for edge in (np.min, np.max))
    figure.update_xaxes(title_text="cosine (0: a right angle)", range=[low - 0.05, high + 0.05], row=1, col=1)
    reach = [found.carried.values, found.carried.nulls.ravel(), [0, 1]]
    low, high = (float(edge(np.concatenate(reach))) for edge in (np.min, np.max))
    figure.update_xaxes(
        title_text="lengths of the parent's vector (1: a right angle)",
        range=[low - 0.05, high + 0.05],
        row=1,
        col=2,
    )
    near = int((np.abs(found.right_angle.values) < found.near).sum())
    _show(
        figure,
        key,
        height=150 + 24 * len(rows),
        alt=f"Cosine of each concept to its parent: {near} of {len(rows)} near 0; random words in its place give "
        f"{found.right_angle.nulls.min():.2f} to {found.right_angle.nulls.max():.2f}.",
    )


def draw_cosines(found: ConceptGeometry, key: str) -> None:
    """Cosines between all vectors, and the same with shuffled kinds."""
    names = [_named(found, number) for number in range(len(found.sets.concepts))]
    places = list(range(len(names)))
    figure = make_subplots(
        1, 2, shared_yaxes=True, horizontal_spacing=0.02, subplot_titles=("kinds as they are", "shuffled kinds")
    )  # fmt: skip
    plain = [for_plotly(each.name) for each in found.sets.concepts]
    for column, values in enumerate((found.cosines, found.shuffled_cosines), 1):
        figure.add_heatmap(
            z=values,
            x=places,
            y=places,
            customdata=[[f"{a} and {b}" for a in plain] for b in plain],
            coloraxis="coloraxis",
            hovertemplate="%{customdata}: %{z:.2f}<extra></extra>",
            row=1,
            col=column,
        )
    figure.update_xaxes(tickvals=places, ticktext=names, tickangle=-60, showgrid=False)
    figure.update_yaxes(tickvals=places, ticktext=names, autorange="reversed", showgrid=False)
    figure.update_coloraxes(
        colorscale=st.get_option(f"theme.{mode()}.chartDivergingColors"),
        cmin=-1,
        cmax=1,
        colorbar={"title": "cosine", "thickness": 12},
    )
    _show(
        figure,
        key,
        height=200 + 20 * len(names),
        alt=f"Cosines between the vectors of {len(names)} concepts, beside the same with shuffled kinds.",
        top=32,
    )


def draw_plane(found: ConceptGeometry, real: Plane, shuffled: Plane, key: str) -> None:
    """Words of siblings between their vectors; beside it, the words dealt anew among them."""
    figure = make_subplots(
        1, 2, horizontal_spacing=0.06, subplot_titles=("kinds as they are", "the same words dealt anew")
    )
    for column, each in enumerate((real, shuffled), 1):
        _add_plane(figure, found, each, column)
    figure.update_xaxes(title_text="standard deviations of the vocabulary", zeroline=False)
    figure.update_yaxes(zeroline=False)
    for axis in ("", "2"):
        figure.update_layout({f"yaxis{axis}": {"scaleanchor": f"x{axis}"}})
    names = ", ".join(found.name(number) for number in real.concepts)
    _show(
        figure,
        key,
        height=470,
        alt=f"Words of {names} in the plane of their vectors: of the held-out words {real.nearest:.0%} lie nearest to "
        f"their own, dealt anew {shuffled.nearest:.0%}.",
    )


def _add_plane(figure: go.Figure, found: ConceptGeometry, given: Plane, column: int) -> None:
    first = column == 1
    place = {"row": 1, "col": column}
    figure.add_scatter(
        x=given.strangers[:, 0], y=given.strangers[:, 1], mode="markers", name="random words", showlegend=first,
        marker={"symbol": "circle-open", "size": 4, "color": NULL.color(mode())}, opacity=0.6,
        legendgroup="random", hoverinfo="skip", **place,
    )  # fmt: skip
    _add_edges(figure, given, place)
    colors = st.get_option(f"theme.{mode()}.chartCategoricalColors")
    for number, concept in enumerate(given.concepts):
        look = {"color": colors[number], "symbol": SYMBOLS[number]}
        name = for_plotly(found.name(concept))
        for held_out in (False, True):
            _add_words(figure, found, given, number, name, held_out, look, first, place)
    for number, concept in enumerate(given.concepts):  # above all words
        figure.add_scatter(
            x=given.corners[number : number + 1, 0],
            y=given.corners[number : number + 1, 1],
            mode="markers+text",
            text=[f"<b>{for_plotly(found.name(concept))}</b>"],
            textfont={"color": st.get_option(f"theme.{mode()}.textColor")},
            textposition="top center" if given.corners[number, 1] >= given.corners[:, 1].mean() else "bottom center",
            marker={"color": colors[number], "symbol": SYMBOLS[number], "size": 16,
                    "line": {"width": 2, "color": st.get_option(f"theme.{mode()}.textColor")}},
            showlegend=False, cliponaxis=False, hovertemplate="the vector<extra></extra>", **place,
        )  # fmt: skip
    parent = found.sets.concepts[given.concepts[0]].parent
    figure.add_scatter(
        x=given.parent[:1], y=given.parent[1:], mode="markers", legendgroup="parent", showlegend=first,
        name=f"{for_plotly(found.name(parent))} (the parent)", hovertemplate="the parent<extra></extra>",
        marker={"symbol": "x", "size": 11, "color": BASE.color(mode())}, **place,
    )  # fmt: skip


def _add_words(
    figure: go.Figure,
    found: ConceptGeometry,
    given: Plane,
    number: int,
    name: str,
    held_out: bool,
    look: dict,
    first: bool,
    place: dict,
) -> None:
    chosen = (given.corner == number) & (given.held_out == held_out)
    figure.add_scatter(
        x=given.points[chosen, 0],
        y=given.points[chosen, 1],
        mode="markers",
        name=name,
        legendgroup=name,
        showlegend=first and held_out,
        text=[for_plotly(found.labels[row]) for row in given.rows[chosen]],
        marker={**look, "size": 8 if held_out else 5},
        opacity=1.0 if held_out else 0.4,
        hovertemplate=f"%{{text}}<extra>{name}{', held out' if held_out else ''}</extra>",
        **place,
    )


def _add_edges(figure: go.Figure, given: Plane, place: dict) -> None:
    """Every corner to every other."""
    count = len(given.corners)
    ends = [(i, j) for i in range(count) for j in range(i)]
    x, y = ([value for i, j in ends for value in (line[i], line[j], None)] for line in given.corners.T)
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"width": 1, "color": "gray"}, showlegend=False, hoverinfo="skip", **place
    )  # fmt: skip


def _add_ranges(
    figure: go.Figure, rows: list[int], values: np.ndarray, name: str, kind: Kind, width: float, column: int
) -> None:
    """Lowest to highest control; a line with no height where all are one."""
    low, high = values.min(0), values.max(0)
    figure.add_bar(
        y=rows,
        base=low,
        x=high - low,
        orientation="h",
        width=width,
        name=name,
        legendgroup=name,
        showlegend=column == 1,
        marker={"color": kind.color(mode()), "opacity": 0.6},
        customdata=high,
        hovertemplate=f"%{{base:.2f}} to %{{customdata:.2f}}<extra>{name}</extra>",
        row=1,
        col=column,
    )


def _add_marks(
    figure: go.Figure, rows: list[int], values: np.ndarray, name: str, symbol: str, column: int
) -> None:
    color = EDITED.color(mode())
    figure.add_scatter(
        x=values,
        y=rows,
        mode="markers",
        name=name,
        marker={"symbol": symbol, "size": 10, "color": color, "line": {"width": 2, "color": color}},
        hovertemplate=f"%{{x:.3f}}<extra>{name}</extra>",
        row=1,
        col=column,
    )


def _named(found: ConceptGeometry, number: int) -> str:
    """A concept's name; in bold where it is a parent."""
    name = for_plotly(found.name(number))
    return f"<b>{name}</b>" if found.sets.children(number) else name


def _show(figure: go.Figure, key: str, *, height: int, alt: str, top: int = 72) -> None:
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": top, "b": 8},
        barmode="overlay",
        hovermode="closest",
        # above the titles of the two halves
        legend={"orientation": "h", "yref": "container", "y": 1, "yanchor": "top", "x": 0, "xanchor": "left"},
    )
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, alt=alt)
