"""How a training goes: what is explained, how many features are active, how many are dead, and what the model loses."""

import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from analysis.dictionaries.training.plan import Plan, Step
from components.figures.against_null import mode
from components.kinds import ASKED, EDITED

PANELS = ("Explained variance", "Active features (L0)", "Dead features", "Loss increase (nats)")


def draw_training_curves(curve: tuple[Step, ...], plan: Plan, key: str) -> None:
    """Four small curves over the activations looked at.

    Args:
        curve: steps so far, at least one.
        plan: what is trained: the wanted number of active features is drawn as a line.
        key: names the chart.
    """
    figure = make_subplots(1, 4, subplot_titles=PANELS, horizontal_spacing=0.06)
    seen = [step.number * plan.batch for step in curve]
    checked = [step for step in curve if step.increase is not None]
    _add(figure, 1, seen, [1 - step.unexplained for step in curve], "%{y:.1%}")
    _add(figure, 2, seen, [step.l0 for step in curve], "%{y:.1f}")
    _add(figure, 3, seen, [step.dead / plan.width for step in curve], "%{y:.1%}")
    _add(
        figure,
        4,
        [step.number * plan.batch for step in checked],
        [step.increase for step in checked],
        "%{y:.3f}",
    )
    figure.add_hline(
        plan.k,
        row=1,
        col=2,
        line_dash=ASKED.dash,
        line_color=ASKED.color(mode()),
        annotation_text=f"k = {plan.k}",
    )
    figure.update_xaxes(
        title_text="activations looked at", range=[0, plan.steps * plan.batch], nticks=4, rangemode="tozero"
    )
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02], row=1, col=1)
    figure.update_yaxes(
        tickformat=".0%", range=[0, max(0.1, *(step.dead / plan.width for step in curve))], row=1, col=3
    )
    figure.update_layout(height=230, margin={"l": 8, "r": 8, "t": 28, "b": 8}, showlegend=False)
    figure.update_annotations(font_size=12)
    last = curve[-1]
    lost = _lost(checked)
    st.plotly_chart(
        figure,
        key=key,
        config={"displayModeBar": False},
        alt=f"After {last.number} of {plan.steps} steps {1 - last.unexplained:.0%} of a batch's variance is explained "
        f"with {last.l0:.1f} features at a token; {last.dead} of {plan.width} features are dead. {lost}",
    )
    st.caption(lost)


def _lost(checked: list[Step]) -> str:
    """What the model loses on held-out text, at the last look."""
    if not checked:
        return "What the model loses with rebuilt states is measured six times on the way."
    last = checked[-1]
    share = "" if last.recovered is None else f"; {last.recovered:.1%} of what zero states cost is recovered"
    return (
        f"With rebuilt states the model's loss on held-out text rises by {last.increase:.2f} nats a token{share} (at "
        f"step {last.number:,})."
    )


def _add(figure: go.Figure, column: int, x: list, y: list, hover: str) -> None:
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines+markers" if len(x) < 12 else "lines",
        marker={"symbol": EDITED.symbol, "size": 6},
        line={"color": EDITED.color(mode()), "width": 2},
        hovertemplate=f"%{{x:,}} activations: {hover}<extra>{PANELS[column - 1]}</extra>",
        row=1,
        col=column,
    )
