"""What the page Features asks of the analysis, as shared jobs keyed by the request's fingerprint."""

from analysis import LoadedModel, Tokens
from analysis.dictionaries import shelf
from analysis.dictionaries.census.standing_out import StandingOut, standing_out
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence import gathering
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.evidence.other_layers import Match, nearest_match
from analysis.fingerprint import fingerprint
from analysis.jobs import Job
from analysis.methods.features import TextFeatures, TokenShares, explained, shares_at, text_features
from analysis.results import AgainstNull
from components.requests import held

READING = 0.3
"""Seconds in which evidence that is at hand is read."""


def dictionary_of(model: LoadedModel, id: str) -> Job[Dictionary]:
    """The dictionary that an offer of the shelf names."""
    key = fingerprint("dictionary", model.fingerprint, id)
    return held(key, "Opening the dictionary", lambda report: shelf.open_dictionary(model, id))


def features_of(model: LoadedModel, tokens: Tokens, dictionary: Dictionary) -> Job[TextFeatures]:
    """The features of a text."""
    key = fingerprint("features of a text", model.fingerprint, tokens.ids, dictionary.fingerprint)
    return held(key, "Reading features", lambda report: text_features(model, tokens, dictionary, report))


def shares_of(model: LoadedModel, found: TextFeatures, position: int) -> Job[TokenShares]:
    """How the features of one token add up to its state."""
    key = _of_text("shares of a token", model, found, position)
    return held(key, "Adding up features", lambda report: shares_at(model, found, position))


def explained_of(model: LoadedModel, found: TextFeatures) -> Job[AgainstNull]:
    """How much of every token's state the dictionary explains."""
    key = _of_text("explained share of a text", model, found)
    return held(key, "Comparing with shuffled states", lambda report: explained(found, report=report))


def match_of(model: LoadedModel, dictionary: Dictionary, feature: int, other: Dictionary) -> Job[Match]:
    """The nearest feature of another layer's dictionary."""
    key = fingerprint("nearest match", model.fingerprint, dictionary.fingerprint, feature, other.fingerprint)
    return held(key, "Looking for a match", lambda report: nearest_match(model, dictionary, feature, other))


def standing_out_of(model: LoadedModel, tokens: Tokens) -> Job[StandingOut]:
    """The neurons of all layers that stand out at each token."""
    key = fingerprint("neurons that stand out", model.fingerprint, tokens.ids)
    return held(key, "Reading all neurons", lambda report: standing_out(model, tokens, report=report))


def _of_text(what: str, model: LoadedModel, found: TextFeatures, *more: object) -> str:
    return fingerprint(what, model.fingerprint, found.tokens.ids, found.dictionary.fingerprint, *more)


def evidence_of(model: LoadedModel, dictionary: Dictionary) -> Job[Evidence]:
    """What is known of the features over the text that ships, gathered where it is not there yet."""
    key = fingerprint("what is known of features", model.fingerprint, dictionary.fingerprint)
    return held(
        key, "Gathering what features fire on", lambda report: gathering.evidence(model, dictionary, report)
    )


def evidence_at_hand(model: LoadedModel, dictionary: Dictionary) -> Evidence | None:
    """The same where it can be had at once, with a person's own labels of this moment; nothing is gathered."""
    if not gathering.is_at_hand(model, dictionary):
        return None
    job = evidence_of(model, dictionary)
    job.wait(READING)
    return gathering.now(job.result(), dictionary) if job.state == "done" else None
