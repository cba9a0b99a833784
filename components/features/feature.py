"""A feature's card: what it fires on, what it does, and which others are like it."""

import json
from urllib.parse import quote

import streamlit as st

from analysis import LoadedModel
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.card import card
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.evidence.in_context import Context
from analysis.dictionaries.evidence.loss_effect import kept
from analysis.dictionaries.shelf import Offer
from components import session
from components.features.acting import changes
from components.features.card.choosing import draw_choosing, draw_offer
from components.features.card.effect import draw_effect
from components.features.card.example_lines import example_lines
from components.features.card.facts import answer, draw_facts
from components.features.card.naming import draw_naming
from components.features.card.others import draw_others
from components.features.card.requests import contexts_key, contexts_of, places
from components.features.choices import change
from components.features.finding.known import draw_evidence
from components.figures.feature_histogram import draw_feature_histogram
from components.figures.feature_tokens import draw_feature_tokens
from components.frame import BESIDE, Frame
from components.origin import draw_origin
from components.waiting import result_of


def draw(frame: Frame, offer: Offer, dictionary: Dictionary, heading) -> None:
    """This part of the page.

    Args:
        frame: model, text and cursor.
        offer: what the dictionary was opened by.
        dictionary: the dictionary.
        heading: takes the sentence of answer.
    """
    feature = session.view().features.feature
    if feature is not None and feature >= dictionary.features:
        st.info(f"This dictionary has features 0 to {dictionary.features - 1:,}; there is no {feature:,}.")
        feature = None
    if feature is None:
        evidence = draw_evidence(frame.model, dictionary)
        draw_offer(frame, dictionary, evidence)
        return
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall", key="feature_row")
    with row:
        draw_choosing(dictionary, feature)
    evidence = draw_evidence(frame.model, dictionary)
    if evidence is None:
        return
    heading.markdown(answer(evidence, feature))
    with row:
        _draw_actions(offer, dictionary, evidence, feature)
    _draw_card(frame.model, dictionary, evidence, feature)


def _draw_card(model: LoadedModel, dictionary: Dictionary, evidence: Evidence, feature: int) -> None:
    left, right = st.columns(BESIDE, gap="medium")
    with left:
        draw_facts(evidence, feature)
        _draw_examples(model, dictionary, evidence, feature)
    with right:
        _draw_numbers(evidence, feature)
        draw_others(model, dictionary, evidence, feature)
        if evidence.examples(feature):
            draw_effect(model, dictionary, evidence, feature)
    draw_origin(evidence.provenance())


def _draw_actions(offer: Offer, dictionary: Dictionary, evidence: Evidence, feature: int) -> None:
    draw_naming(dictionary, evidence, feature)
    st.button(
        "Act on it",
        icon=":material/tune:",
        key="act_on_feature",
        help="Change it live: it is first held at its maximum; other operations and values can be chosen there.",
        on_click=_act,
        args=(evidence, feature),
    )
    if known := offer.card.get("neuronpedia_id"):
        st.link_button(
            "Neuronpedia",
            f"https://neuronpedia.org/{quote(str(known))}/{feature}",
            icon=":material/open_in_new:",
            help="What others found out about this feature. It opens a page of another site.",
        )
    st.download_button(
        "JSON",
        lambda: json.dumps(
            card(dictionary, evidence, feature, kept(dictionary.fingerprint).get(feature)),
            ensure_ascii=False,
            indent=1,
        ),
        f"feature-{feature}.json",
        "application/json",
        on_click="ignore",
        icon=":material/download:",
        help="Everything on this card, examples among it.",
    )


def _act(evidence: Evidence, feature: int) -> None:
    most = max((evidence.largest[feature], evidence.smallest[feature]), key=abs)
    changes.add(feature, "clamp", float(most) or 1.0)
    change(part="act")


def _draw_examples(model: LoadedModel, dictionary: Dictionary, evidence: Evidence, feature: int) -> None:
    levels = evidence.examples(feature)
    if not levels:
        st.info(
            f"It fires at none of the {evidence.counted:,} tokens that are known: it is dead, or its topic did not "
            "come up. Evidence over more text would tell."
        )
        return
    contexts = result_of(contexts_of(model, dictionary, evidence, feature), "feature contexts")
    if contexts is None:
        contexts = tuple(Context(tokens, at, None) for tokens, at in places(evidence, feature))
    rest = iter(contexts)
    lines = [(level.name, [(each.value, next(rest)) for each in own]) for level, own in levels]
    example_lines(
        lines,
        most=max(abs(float(evidence.largest[feature])), abs(float(evidence.smallest[feature]))),
        fingerprint=contexts_key(model, dictionary, evidence, feature),
        key="feature_examples",
        on_read=lambda context: _read(model, context),
    )
    st.caption(
        "The framed token is the example, with its activation in front; tokens are tinted by the feature's activation "
        "on them. The lower levels tell what the feature mostly does; the strongest alone flatter it."
    )


def _read(model: LoadedModel, context: Context) -> None:
    """Take the text of an example as the prompt, its cursor on the token."""
    session.show_text(context.text, False)
    session.change(position=len(model.tokenize(context.before_and_token)) - 1)
    change(part="prompt")


def _draw_numbers(evidence: Evidence, feature: int) -> None:
    if evidence.histogram[feature].any():
        st.markdown("**How strongly it fires**")
        draw_feature_histogram(
            evidence.edges(feature).tolist(),
            evidence.histogram[feature].tolist(),
            signed=evidence.signed,
            key="feature_histogram",
        )
    promoted, suppressed = (
        [(evidence.word(token), float(value)) for token, value in zip(ids, values, strict=True) if token >= 0]
        for ids, values in (
            (evidence.promoted[feature], evidence.promotes[feature]),
            (evidence.suppressed[feature], evidence.suppresses[feature]),
        )
    )
    if promoted and evidence.mean[feature]:
        st.markdown(
            "**Promotes and suppresses**",
            help="What its mean activation adds to logits on the direct path: through the final norm's gain, at the "
            "usual length of last-layer states, and the unembedding. Later blocks read it in other ways, the more of "
            "them there are.",
        )
        draw_feature_tokens(promoted, suppressed, "feature_tokens")
