"""What made a convexity: the score of every class, and what lies on the way between two of a class."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.fingerprint import fingerprint
from analysis.geometry.convexity import Paths, path
from analysis.geometry.measures.convex import Graph, Scored, Segments, on_graph, on_segments
from analysis.jobs import Report
from components.figures.against_null import mode
from components.geometry.digging import Digging
from components.geometry.digs.charts import in_context, show
from components.kinds import ASKED, BASE, NULL
from components.literal import for_plotly, plain
from components.requests import held
from components.waiting import result_of

MOST = 24
"""Classes that are drawn: those with the lowest scores."""
LONGEST = 12
"""Points of a way that are listed."""
WHICH = {"worst": "most foreign points", "longest": "most points"}


def draw(dig: Digging) -> None:
    """The score of every class beside shuffled labels and chance, and one way between two points of a class."""
    own, layer = dig.measured.params, dig.layer
    graph = own if isinstance(own, Graph) else Graph(compared=own.compared)

    def work(report: Report) -> tuple[Scored, Scored, Paths]:
        report("Searching shortest ways", 0.0)
        over, paths = on_graph(dig.cloud, layer, graph)
        report("Looking along straight lines", 0.5)
        return (on_segments(dig.cloud, layer, own) if isinstance(own, Segments) else over), over, paths

    key = fingerprint("geometry convex", dig.cloud.key, layer, own)
    found = result_of(held(key, "Looking between points of a class", work), f"dig convex {layer}", height=320)
    if found is None:
        return
    shown, over, paths = found
    left, right = st.columns(2)
    with left:
        _draw_classes(shown, layer)
    with right:
        _draw_way(dig, over, paths)


def _draw_classes(scored: Scored, layer: int) -> None:
    among = scored.among
    scores = scored.found.of_classes(among.classes)
    mixed = scored.shuffled.of_classes(scored.shuffled_classes)
    order = sorted(scores, key=lambda each: scores[each])[:MOST]
    names = [for_plotly(among.names[each]) for each in order]
    figure = go.Figure()
    figure.add_bar(
        y=names,
        x=[scores[each] for each in order],
        orientation="h",
        name="score",
        marker={"color": BASE.color(mode()), "opacity": 0.35},
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    for name, kind, values in (
        ("shuffled labels", NULL, [mixed.get(each, np.nan) for each in order]),
        ("share of points", ASKED, [float((among.classes == each).mean()) for each in order]),
    ):
        figure.add_scatter(
            y=names,
            x=values,
            name=name,
            mode="markers",
            marker={"symbol": kind.symbol, "size": 10, "color": kind.color(mode()), "line": {"width": 2}},
            hovertemplate=f"%{{y}}: %{{x:.1%}}<extra>{name}</extra>",
        )
    figure.update_xaxes(
        title_text="share of what lies between that is of the class", tickformat=".0%", range=[0, 1.03]
    )
    figure.update_yaxes(type="category")
    mean, null = scored.found.mean(among.classes), scored.shuffled.mean(scored.shuffled_classes)
    show(
        figure,
        f"geometry_classes_{layer}",
        f"Convexity of {len(scores)} classes at layer {layer}: {mean:.0%} on average, {null:.0%} with shuffled labels.",
        height=110 + 24 * len(order),
    )
    more = f" The {MOST} lowest of {len(scores)} classes are drawn." if len(scores) > MOST else ""
    st.caption(
        plain(
            f"{len(among.points):,} points, {len(scored.found.pairs):,} pairs. On average {mean:.0%}, with labels "
            f"shuffled among texts {null:.0%}, by chance {among.class_share:.0%}.{more}"
        )
    )


def _draw_way(dig: Digging, over: Scored, paths: Paths) -> None:
    among = over.among
    named = {among.names[each]: each for each in over.found.of_classes(among.classes)}
    choose, which = st.columns(2)
    name = choose.selectbox("Class", sorted(named), key="geometry_convex_class")
    wanted = which.selectbox("Way with the", list(WHICH), format_func=WHICH.get, key="geometry_convex_way")
    way = example(over, paths, named[name], wanted)
    if len(way) < 3:
        st.caption("All pairs of this class are neighbours, or no way leads between them.")
        return
    own = [among.names[among.classes[each]] for each in way]
    st.dataframe(
        pd.DataFrame(
            {
                "token in its text": [in_context(dig.cloud, int(among.points[each])) for each in way],
                "class": own,
                "of the class": [each == name for each in own],
            }
        ),
        hide_index=True,
        width="stretch",
    )
    foreign = sum(each != name for each in own)
    st.caption(
        plain(
            f"Shortest way over nearest neighbours between two points of “{name}”: {len(way) - 2} points lie between, "
            f"{foreign} of another class."
        )
    )


def example(over: Scored, paths: Paths, wanted: int, which: str) -> tuple[int, ...]:
    """The way between a pair of a class that has the most foreign points on it, or the most points at all.

    Args:
        over: the pairs and classes.
        paths: between them.
        wanted: number of the class.
        which: one of `WHICH`.

    Returns:
        Numbers among the compared points, both ends among them; empty where no way leads. Ways longer than what can
        be listed are not taken.
    """
    classes, best, found = over.among.classes, -1, ()
    for one, other in over.found.pairs[classes[over.found.pairs[:, 0]] == wanted].tolist():
        way = path(paths, one, other)
        inner = classes[list(way[1:-1])] if len(way) > 2 else np.empty(0, np.int64)
        rank = int((inner != wanted).sum()) if which == "worst" else len(inner)
        if rank > best and len(way) <= LONGEST:
            best, found = rank, way
    return found
