"""What adds up to the log-odds of a next token, as bars: features, the dictionary's error, and everything else."""

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from analysis.dictionaries.acting.attribution import Attribution
from components.figures.against_null import mode
from components.kinds import BASE, EDITED, NULL
from components.literal import for_plotly

ROW = 24
"""Pixels of a bar with its gap."""


MARGIN = 0.42
"""Room for the numbers at the bars' ends, as a share of the longest bar: half a page is narrow."""
Row = tuple[str, float, str]
"""Name, nats and kind of a bar: `feature`, or `rest` for what is none."""


def feature_rows(found: Attribution, features: Sequence[int], name: Callable[[int], str]) -> list[Row]:
    """A bar for each of some features.

    Args:
        found: the terms.
        features: active ones, in the order of their bars.
        name: what a feature is called.
    """
    nats = dict(zip(found.features, map(float, found.direct), strict=True))
    return [(name(feature), nats[feature], "feature") for feature in features]


def sum_rows(found: Attribution, kind: str) -> list[Row]:
    """The sum: all features together, then what is no feature, as far as there is any of it."""
    rest = {"bias": found.bias, "error": found.error, elsewhere(found): found.elsewhere}
    rest |= {"biases of norm and unembedding": found.constant}
    return [
        (f"all {len(found.features):,} {kind}s", found.explained, "feature"),
        *((title, nats, "rest") for title, nats in rest.items() if nats),
    ]


def elsewhere(found: Attribution) -> str:
    """What the rest of the stream is, seen from the dictionary's site."""
    return "later blocks" if found.site.stream == "residual" else "the rest of the stream"


def draw_bars(rows: Sequence[Row], key: str) -> None:
    """The bars, one below the other; those of features are filled, the others hatched.

    Args:
        rows: what is drawn, from top to bottom.
        key: names the chart.
    """
    places, nats = list(range(len(rows))), np.array([value for _, value, _ in rows])
    figure = go.Figure()
    for kind, style, pattern in (("feature", EDITED, ""), ("rest", BASE, "/")):
        own = [place for place in places if rows[place][2] == kind]
        figure.add_bar(
            y=own,
            x=nats[own],
            orientation="h",
            width=0.72,
            marker={
                "color": style.color(mode()),
                "pattern": {"shape": pattern, "size": 6},
                "line": {"width": 1, "color": style.color(mode())},
            },
            text=[f"{value:+.2f}" for value in nats[own]],
            textposition="outside",
            cliponaxis=False,
            customdata=[for_plotly(rows[place][0]) for place in own],
            hovertemplate="%{customdata}: %{x:+.3f} nats<extra></extra>",
        )
    figure.add_vline(x=0, line_width=1, line_color=NULL.color(mode()))
    reach = max(float(np.abs(nats).max()), 1e-6)
    low, high = min(0.0, float(nats.min())), max(0.0, float(nats.max()))
    figure.update_xaxes(
        title_text="added to the log-odds (nats)", range=[low - MARGIN * reach, high + MARGIN * reach]
    )
    figure.update_yaxes(
        tickvals=places, ticktext=[for_plotly(each) for each, _, _ in rows], range=[len(rows) - 0.4, -0.6]
    )
    figure.update_layout(
        height=64 + ROW * len(rows),
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        showlegend=False,
    )
    st.plotly_chart(
        figure,
        key=key,
        config={"displayModeBar": False},
        alt="What adds to the log-odds, in nats: "
        + "; ".join(f"{title} {value:+.2f}" for title, value, _ in rows),
    )
