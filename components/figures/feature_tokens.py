"""The tokens that a feature promotes and suppresses, as two short rows of bars."""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from components.figures.against_null import mode
from components.kinds import ASKED, EDITED
from components.literal import for_plotly

SHOWN = 8
"""Tokens at either end."""


def draw_feature_tokens(
    promoted: Sequence[tuple[str, float]], suppressed: Sequence[tuple[str, float]], key: str
) -> None:
    """Bars to the right for tokens that gain, to the left for those that lose.

    Args:
        promoted: tokens and logits, the strongest first.
        suppressed: the same of those that lose; logits are negative.
        key: names the chart.
    """
    rows = [*promoted[:SHOWN], *reversed(suppressed[:SHOWN])]
    values = [value for _, value in rows]
    figure = go.Figure()
    figure.add_bar(
        x=values,
        y=list(range(len(rows))),
        orientation="h",
        marker={"color": [(EDITED if value > 0 else ASKED).color(mode()) for value in values]},
        customdata=[for_plotly(token) for token, _ in rows],
        hovertemplate="%{customdata}: %{x:+.2f} logits<extra></extra>",
    )
    figure.update_yaxes(
        autorange="reversed",
        tickmode="array",
        tickvals=list(range(len(rows))),
        ticktext=[for_plotly(token) for token, _ in rows],
        tickfont={"family": "monospace", "size": 11},
        automargin=True,
    )
    figure.update_xaxes(title_text="logits, direct path", zeroline=True, zerolinewidth=1)
    figure.update_layout(
        height=30 + 19 * len(rows) + 40,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        showlegend=False,
        bargap=0.25,
    )
    st.plotly_chart(
        figure,
        key=key,
        config={"displayModeBar": False},
        alt="Promoted: "
        + ", ".join(token for token, _ in promoted[:5])
        + "; suppressed: "
        + ", ".join(token for token, _ in suppressed[:5])
        + ".",
    )
