"""What a feature's card asks of the analysis, as shared jobs."""

from analysis import LoadedModel
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence import loss_effect
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.evidence.in_context import Context, in_context
from analysis.dictionaries.evidence.loss_effect import LossEffect
from analysis.dictionaries.evidence.nearest import nearest
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from components.requests import held


def contexts_key(model: LoadedModel, dictionary: Dictionary, evidence: Evidence, feature: int) -> str:
    """Names a feature's examples."""
    tokens = evidence.example_tokens[feature]
    return fingerprint(
        "contexts", model.fingerprint, dictionary.fingerprint, len(evidence.ids), feature, tokens
    )


def places(evidence: Evidence, feature: int) -> list[tuple]:
    """Stretch and position of all examples, level by level."""
    return [evidence.stretch(each.token) for _, own in evidence.examples(feature) for each in own]


def contexts_of(
    model: LoadedModel, dictionary: Dictionary, evidence: Evidence, feature: int
) -> Job[tuple[Context, ...]]:
    """The feature's activation all around its examples."""

    def work(report: Report) -> tuple[Context, ...]:
        return in_context(model, dictionary, feature, places(evidence, feature), report)

    return held(contexts_key(model, dictionary, evidence, feature), "Reading the examples", work)


def nearest_of(
    model: LoadedModel, dictionary: Dictionary, feature: int
) -> Job[tuple[tuple[int, float], ...]]:
    """The features with the most similar directions."""
    key = fingerprint("nearest features", model.fingerprint, dictionary.fingerprint, feature)
    return held(key, "Comparing directions", lambda report: nearest(model, dictionary, feature))


def effect_of(
    model: LoadedModel, dictionary: Dictionary, evidence: Evidence, feature: int
) -> Job[LossEffect]:
    """What zeroing the feature does to the loss; kept."""

    def work(report: Report) -> LossEffect:
        strongest = [
            evidence.stretch(each.token) for _, own in evidence.examples(feature)[:1] for each in own
        ]
        found = loss_effect.loss_effect(
            model, dictionary, feature, strongest, evidence.frequency, report=report
        )
        loss_effect.keep(dictionary.fingerprint, found)
        return found

    key = fingerprint("loss effect", model.fingerprint, dictionary.fingerprint, len(evidence.ids), feature)
    return held(key, "Measuring the effect on the loss", work)
