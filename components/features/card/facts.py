"""A feature's numbers in words: how often it fires, how strongly, and what its label is worth."""

import numpy as np
import streamlit as st

from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.labels.feature_labels import HOLDS
from analysis.dictionaries.labels.rule import PEAKS
from components.features.card.example_lines import number
from components.literal import literal, plain

KINDS = {
    "dead": "Fires at none of these tokens",
    "dense": "Fires at a tenth of all tokens or more",
    "positional": "Half of its firings lie in one eighth of the texts",
    "token": "Half of its activation or more is on one word",
    "context": "No single word has half of its activation",
}


def answer(evidence: Evidence, feature: int) -> str:
    """The card in one sentence of Markdown."""
    label, count = (
        plain(evidence.label(feature)),
        round(float(evidence.frequency[feature]) * evidence.counted),
    )
    if not count:
        return f"**Feature {feature}** fires at none of the {evidence.counted:,} tokens that are known."
    top = literal(evidence.word(int(evidence.top_token[feature])))
    fires = "is among the 64 largest" if not evidence.whole else "fires"
    return (
        f"**Feature {feature}, {label}**: {fires} at {count:,} of {evidence.counted:,} tokens; "
        f"{float(evidence.token_precision[feature]):.0%} of its activation is on {top}."
    )


def draw_facts(evidence: Evidence, feature: int) -> None:
    """Four numbers, each with what it means."""
    frequency, kind = float(evidence.frequency[feature]), evidence.kinds()[feature]
    often, most, worth, alone = st.columns(4, gap="small")
    often.metric("Fires at", f"{frequency:.2%}", help=_often(evidence))
    high, low = float(evidence.largest[feature]), float(evidence.smallest[feature])
    most.metric(
        "Maximum" if not evidence.signed else "Range",
        number(high) if not evidence.signed else f"{number(low)} to {number(high)}",
        help=f"Mean where it fires: {float(evidence.mean[feature]):.3g}. In the units of the dictionary's activations.",
    )
    worth.metric("Label foretells", _score(evidence.detection[feature]), help=_detection(evidence, feature))
    share = float(evidence.context[feature])
    alone.metric(
        "Needs context",
        "-" if np.isnan(share) else f"{share:.0%}",
        help="Share of its activation at its strongest examples that the token by itself, at the beginning of a "
        "text, does not give. 0 %: the token alone does it. Many features want some context, whichever.",
    )
    st.caption(plain(f"Kind: {kind}. {KINDS[kind]}. {_control(evidence, feature)}"))


def _often(evidence: Evidence) -> str:
    if evidence.whole:
        return "Share of the tokens that count: first tokens and outliers of norm do not."
    return (
        "All features have some activation everywhere; counted are the tokens at which this one is among the 64 "
        "largest magnitudes."
    )


def _score(value: np.floating) -> str:
    return "-" if np.isnan(value) else f"{float(value):.2f}".lstrip("0")


def _control(evidence: Evidence, feature: int) -> str:
    if feature in evidence.own:
        return f"The label is yours; the automatic one is: {evidence.labels[feature]}."
    if np.isnan(evidence.detection[feature]):
        return (
            "No rule about tokens foretells where it fires. Its label names words at which it fires most strongly: "
            "read it as examples, not as a meaning."
        )
    chance = _score(evidence.detection_null[feature])
    return f"The best of 19 random features' rules foretells it with {chance}."


def _detection(evidence: Evidence, feature: int) -> str:
    beside = " The score is that of the automatic label, not of yours." if feature in evidence.own else ""
    strong = evidence.labels[feature].startswith(PEAKS)
    fires, firings = ("fires strongly", "strong firings") if strong else ("fires", "firings")
    return (
        f"Balanced accuracy with which the label's rule tells on held-out text where the feature {fires}: the mean of "
        f"the share of {firings} that it names and of other tokens that it leaves alone; .50 is chance. Rules below "
        f"{HOLDS:.2f} are no labels.{' Strong is half of its largest activation or more.' if strong else ''}{beside}"
    )
