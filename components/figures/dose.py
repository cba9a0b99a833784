"""A measure over the strengths of a recipe, with what simply asking gives and where the text breaks."""

import streamlit as st

from analysis.methods.dose import DoseResponse
from analysis.results import AgainstNull
from components.figures.against_null import curve, draw, mode
from components.kinds import KINDS


def draw_measure(
    found: DoseResponse, result: AgainstNull, key: str, *, asked: float | None = None, log: bool = False
) -> None:
    """One curve over strengths.

    Args:
        found: where the text breaks and where the recipe works.
        result: the measure.
        key: names the chart.
        asked: the measure where the prompt simply asks for it.
        log: draw on a logarithmic axis.
    """
    figure = curve(result, found.strengths, log=log)
    kind = KINDS["asked"]
    if asked is not None:
        ends = [found.strengths[0], found.strengths[-1]]
        figure.add_scatter(
            x=ends,
            y=[asked, asked],
            mode="lines",
            name="simply asking",
            line={"color": kind.color(mode()), "dash": kind.dash, "width": kind.width},
            hovertemplate="%{y:.3g}<extra>simply asking</extra>",
        )
    if found.useful is not None:
        low, high = sorted(found.useful)
        figure.add_vrect(
            x0=low - 0.01, x1=high + 0.01, fillcolor=KINDS["edited"].color(mode()), opacity=0.1, line_width=0
        )
    for strength in found.breaks_at:
        if strength is not None:
            figure.add_vline(
                x=strength, line_width=1, line_dash="dash", line_color="gray", annotation_text="breaks"
            )
    figure.add_vline(x=0, line_width=1, line_color="gray", opacity=0.5)
    st.markdown(f"**{result.title}**")
    draw(figure, result, key, height=260)
