"""Taking changed features away: what they did to every token as a table, and the code."""

import pandas as pd
import streamlit as st

from analysis.dictionaries.acting.feature_effect import FeatureEffect
from analysis.dictionaries.evidence import gathering
from analysis.dictionaries.shelf import Offer
from analysis.edits import ChangeFeatures
from analysis.methods.effect import Effect
from components.features.acting.requests import Controls, Question
from components.features.acting.texts import NAME
from components.frame import Frame
from components.steering.live_texts import LiveTexts
from components.take_away import opening_lines

FREQUENCY = {
    True: (
        "from analysis.dictionaries.evidence.gathering import evidence",
        "frequency = evidence(model, dictionary).frequency.astype(float)",
    ),
    False: (
        "from analysis.dictionaries.acting.feature_nulls import frequency_in",
        "frequency = frequency_in(found.activations)",
    ),
}
"""How often features fire, over many texts where that is known and else in this one: the import, and the line."""


def draw(
    frame: Frame, offer: Offer, edits: tuple[ChangeFeatures, ...], effect: FeatureEffect, controls: Controls
) -> None:
    """The buttons and the code."""
    known = gathering.is_at_hand(frame.model, edits[0].dictionary)
    code = snippet(frame, offer, edits, controls, known)
    written = texts_written()
    with st.container(horizontal=True, key="act_away"):
        st.download_button(
            "CSV",
            along_text(effect).to_csv(index=False),
            "bathyscope-changed-features.csv",
            "text/csv",
            on_click="ignore",
            help="One row for every token: how far its prediction moves, for the change and every control.",
        )
        st.download_button(
            "Texts",
            "\n\n".join(f"{name}:\n{frame.tokens.text}{text}" for name, text in written),
            "bathyscope-changed-features.txt",
            "text/plain",
            on_click="ignore",
            disabled=not written,
            help="What was written side by side; open that part first.",
        )
    st.code(code, language="python")


def texts_written() -> list[tuple[str, str]]:
    """Name and text of every row last written beside the changes; empty where none was."""
    texts: LiveTexts | None = st.session_state.get(NAME)
    if texts is None:
        return []
    return [(variant.name, texts.text(row)) for row, variant in enumerate(texts.request.variants)]


def along_text(effect: FeatureEffect) -> pd.DataFrame:
    """One row per token: KL of its prediction, in bits, for the change and each control."""
    first = effect.beside_features
    table = pd.DataFrame({"position": range(len(first.tokens)), "token": first.tokens.labels})
    table["kl_bits_changed"] = first.kl[0]
    for each in (effect.beside_features, effect.beside_directions):
        for name, values in _controls(each):
            table[f"kl_bits_{name.replace(' ', '_')}"] = values
    for name, value in first.provenance.lines():
        table[name.replace(" ", "_")] = value
    return table


def _controls(effect: Effect):
    return zip((row.variant for row in effect.edited.rows[1:]), effect.kl[1:], strict=True)


def snippet(
    frame: Frame, offer: Offer, edits: tuple[ChangeFeatures, ...], controls: Controls, known: bool
) -> str:
    """The few lines of Python that do the same; `known`: how often features fire over many texts is at hand."""
    made = [f"    ChangeFeatures(dictionary, ({_changes(edit)},), {edit.positions!r})," for edit in edits]
    settings = f"nulls={controls.nulls}, seed={controls.seed}"
    return "\n".join(
        [
            "from analysis import ModelSpec, load",
            "from analysis.dictionaries.acting.feature_effect import feature_variants, measure_features",
            FREQUENCY[known][0],
            "from analysis.dictionaries.shelf import open_dictionary",
            "from analysis.edits import Change, ChangeFeatures",
            "from analysis.methods.effect import verdict",
            "from analysis.methods.features import text_features",
            "",
            *_opened(frame, offer, known),
            "edits = (",
            *made,
            ")",
            f"measured = measure_features(model, tokens, edits, frequency, {settings})",
            f"print(verdict(measured.beside({controls.shown!r}), {frame.position}))",
            f"variants = feature_variants(edits, frequency, {settings})[:3]",
            "for step in model.generate(tokens, variants=variants, max_new_tokens=40):",
            "    print(step.ids)  # base, changed, one control",
        ]
    )


def attribution_snippet(
    frame: Frame,
    offer: Offer,
    question: Question,
    listed: tuple[int, str],
    everywhere: bool,
    nulls: int,
    known: bool,
) -> str:
    """The few lines of Python that attribute the same log-odds.

    Args:
        frame: model, text and cursor.
        offer: what the dictionary was opened by.
        question: the tokens.
        listed: how many features are zeroed, and which.
        everywhere: they are zeroed at all tokens but the first.
        nulls: random features beside each.
        known: how often features fire over many texts is at hand.
    """
    asked = f"{frame.position}, {question.answer}, {question.against}"
    return "\n".join(
        [
            "from analysis import ModelSpec, load",
            "from analysis.dictionaries.acting.attribution import ablated, log_odds_terms",
            FREQUENCY[known][0],
            "from analysis.dictionaries.shelf import open_dictionary",
            "from analysis.methods.features import text_features",
            "",
            *_opened(frame, offer, known),
            f"terms = log_odds_terms(model, found, model.run(tokens), {asked})",
            "print(terms.features, terms.direct, terms.bias, terms.error, terms.elsewhere)",
            "print(terms.total, terms.measured)  # the same, up to rounding",
            f"features = terms.listed{listed}",
            f"zeroed = ablated(model, found, features, {asked}, frequency, everywhere={everywhere}, nulls={nulls})",
            "print(zeroed.falls.values, zeroed.falls.band)",
        ]
    )


def _opened(frame: Frame, offer: Offer, known: bool) -> list[str]:
    """Model, text, dictionary, features and how often they fire."""
    return [
        *opening_lines(frame.tokens, frame.model.revision),
        f"dictionary = open_dictionary(model, {offer.id!r})",
        "found = text_features(model, tokens, dictionary)",
        FREQUENCY[known][1],
    ]


def _changes(edit: ChangeFeatures) -> str:
    return ", ".join(f"Change({each.feature}, {each.operation!r}, {each.value:g})" for each in edit.changes)
