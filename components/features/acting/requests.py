"""What changing features asks of the analysis, as shared jobs keyed by the request's fingerprint."""

from dataclasses import dataclass

from analysis import LoadedModel, Tokens
from analysis.controls import Control
from analysis.dictionaries.acting.attribution import Ablation, Attribution, ablated, likeliest, log_odds_terms
from analysis.dictionaries.acting.feature_effect import FeatureEffect, measure_features
from analysis.dictionaries.acting.feature_nulls import Frequency
from analysis.edits import ChangeFeatures
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from analysis.methods.features import TextFeatures
from components.requests import held, trace_of

OFFERED = 12
"""Likely next tokens that are offered as the question's."""


@dataclass(frozen=True)
class Controls:
    """How the random controls are drawn, and which are shown."""

    nulls: int = 8
    seed: int = 0
    shown: Control = "feature"
    """`feature`, or `push` for random directions; both run in any case."""


@dataclass(frozen=True)
class Question:
    """Which next token is asked about, and against which one; None is the mean over the vocabulary."""

    answer: int
    against: int | None


def effect_of(
    model: LoadedModel,
    tokens: Tokens,
    edits: tuple[ChangeFeatures, ...],
    frequency: Frequency,
    controls: Controls,
) -> Job[FeatureEffect]:
    """What changed features do to this text, beside their controls."""
    text, settings = (tokens.ids, tokens.prompt_length), (controls.nulls, controls.seed)
    key = fingerprint("effect of features", model.fingerprint, text, edits, frequency, settings)

    def work(report: Report) -> FeatureEffect:
        base = trace_of(model, tokens)
        return measure_features(
            model,
            tokens,
            edits,
            frequency,
            base=base,
            nulls=controls.nulls,
            seed=controls.seed,
            report=report,
        )

    return held(key, "Measuring the effect", work)


def likeliest_of(model: LoadedModel, tokens: Tokens, position: int) -> Job[list[int]]:
    """The most likely next tokens after a token."""
    key = fingerprint("likeliest tokens", model.fingerprint, tokens.ids, position)
    return held(
        key,
        "Reading the next token",
        lambda report: likeliest(model, trace_of(model, tokens), position, OFFERED),
    )


def attribution_of(
    model: LoadedModel, found: TextFeatures, position: int, question: Question
) -> Job[Attribution]:
    """What every active feature adds directly to the log-odds."""
    key = _key("attribution", model, found, position, question)

    def work(report: Report) -> Attribution:
        trace = trace_of(model, found.tokens)
        return log_odds_terms(model, found, trace, position, question.answer, question.against)

    return held(key, "Adding up what features contribute", work)


def ablation_of(
    model: LoadedModel,
    found: TextFeatures,
    features: tuple[int, ...],
    position: int,
    question: Question,
    frequency: Frequency,
    everywhere: bool,
    nulls: int,
) -> Job[Ablation]:
    """What zeroing each of some features does to the log-odds."""
    key = _key("ablation", model, found, position, question, features, frequency, everywhere, nulls)

    def work(report: Report) -> Ablation:
        return ablated(
            model, found, features, position, question.answer, question.against, frequency,
            everywhere=everywhere, nulls=nulls, report=report,
        )  # fmt: skip

    return held(key, "Zeroing features, one at a time", work)


def _key(what: str, model: LoadedModel, found: TextFeatures, *more: object) -> str:
    return fingerprint(what, model.fingerprint, found.tokens.ids, found.dictionary.fingerprint, *more)
