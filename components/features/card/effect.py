"""What zeroing the feature does to the loss, measured when somebody asks."""

import streamlit as st

from analysis import LoadedModel
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.evidence.loss_effect import AFTER, LossEffect, kept
from components.features.card.requests import effect_of
from components.literal import plain
from components.waiting import result_of


def draw_effect(model: LoadedModel, dictionary: Dictionary, evidence: Evidence, feature: int) -> None:
    """The sentence, or a button that starts measuring."""
    state = st.session_state
    known = kept(dictionary.fingerprint).get(feature)
    asked = state.get("feature_effect_of") == (dictionary.fingerprint, feature)
    if known is None and asked:
        known = result_of(effect_of(model, dictionary, evidence, feature), "loss effect")
        if known is None:
            return
    if known is None:
        st.button(
            "Measure what it does to the loss",
            icon=":material/straighten:",
            key="measure_effect",
            help="Zeroes it in its strongest texts, the dictionary's error kept, beside four random features of like "
            "frequency pushed exactly as far. Takes ten seconds or more; kept.",
            on_click=lambda: state.update(feature_effect_of=(dictionary.fingerprint, feature)),
        )
        return
    st.markdown(plain(sentence(known)))


def sentence(effect: LossEffect) -> str:
    """The effect beside its controls, in words."""
    low, high = min(effect.nulls, default=0.0), max(effect.nulls, default=0.0)
    beside = (
        f"Other features pushed as far at the same tokens: {low:+.3f} to {high:+.3f} nats, so this one "
        f"{'stands out' if effect.stands_out else 'does not stand out'}."
        if effect.nulls
        else "There is no other feature to compare it with."
    )
    return (
        f"Zeroed in {effect.texts} of its strongest texts, the loss of the token after it changes by {effect.at:+.3f} "
        f"nats (standard error {effect.spread:.3f}), that of the {AFTER} tokens behind by {effect.after:+.3f}. {beside}"
    )
