"""The next token before and after features are changed, and how far every token of the text is moved."""

import streamlit as st

from analysis.dictionaries.acting.feature_effect import FeatureEffect
from analysis.dictionaries.shelf import Offer
from analysis.edits import ChangeFeatures
from analysis.methods.effect import word_shift
from components.features.acting.question import draw_question
from components.features.acting.requests import Controls
from components.figures.against_null import draw_curve
from components.frame import Frame
from components.literal import literal
from components.steering import next_token


def draw(
    frame: Frame, offer: Offer, edits: tuple[ChangeFeatures, ...], effect: FeatureEffect, controls: Controls
) -> None:
    """The part of the page."""
    shown = effect.beside(controls.shown)
    next_token.draw(frame, shown, None)
    st.markdown("How far the log-odds of one token against another move after every token of the text")
    question = draw_question(frame, "shift")
    if question is None or question.against is None:
        if question is not None:
            st.caption("Choose a second token to follow the first one against it.")
        return
    shift = word_shift(frame.model, shown, (question.answer,), (question.against,))
    draw_curve(shift, key="token shift", at=frame.position)
    label = frame.model.tokenizer.label
    st.caption(
        f"{literal(label(question.answer))} against {literal(label(question.against))}: above 0 the change makes the "
        "first one likelier than it was, beside the second."
    )
