"""The next token before and after, and how far every token of the text is moved."""

import pandas as pd
import streamlit as st

from analysis.methods.effect import Effect, Movers, movers
from analysis.results import AgainstNull
from components.figures.against_null import draw_curve, draw_shifts
from components.frame import Frame
from components.literal import literal


def draw(frame: Frame, effect: Effect, shift: AgainstNull | None) -> None:
    """The part of the page; `shift` is that of the words the recipe stands for, if they are known."""
    position, model = frame.position, frame.model
    moved = movers(model, effect, position)
    left, right = st.columns([1.25, 1], gap="medium")
    after = literal(frame.tokens.labels[position])
    with left:
        st.markdown(f"What may follow {after}: tokens whose odds move most")
        draw_shifts(moved.shift, key="shifts")
        st.caption(moved.summary())
    with right:
        st.markdown("Probability before and after")
        _draw_table(moved)
    if shift is not None:
        st.markdown("How far the odds of the words it stands for move after every token")
        draw_curve(shift, key="word shift", at=position)
    st.markdown("How far the prediction moves after every token of the text")
    draw_curve(effect.along_text(), key="along text", at=position)


def _draw_table(moved: Movers) -> None:
    table = pd.DataFrame(
        {
            "token": moved.labels,
            "base": moved.base,
            "edited": moved.edited,
            "log-odds": moved.shift.values,
        }
    )
    if len(moved.shift.nulls):
        table["random"] = [f"{a:+.1f} to {b:+.1f}" for a, b in zip(*moved.shift.band, strict=True)]
    bar = {"format": "%.3f", "min_value": 0, "max_value": 1}
    st.dataframe(
        table,
        hide_index=True,
        row_height=26,
        height=26 * (len(table) + 1) + 10,
        column_config={
            "token": st.column_config.TextColumn("token", width=88),
            "base": st.column_config.ProgressColumn("base", width=98, **bar),
            "edited": st.column_config.ProgressColumn("edited", width=98, **bar),
            "log-odds": st.column_config.NumberColumn("log-odds", format="%+.2f", width=66),
            "random": st.column_config.TextColumn("random", width=104),
        },
    )
