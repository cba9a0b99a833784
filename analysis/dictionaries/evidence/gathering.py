"""Evidence of a dictionary's features: what ships, what was gathered before, or gathered now over text that ships."""

from functools import cache
from pathlib import Path

from analysis import store
from analysis.corpora import Corpus
from analysis.data import corpus as shipped_text
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence import loss_effect, packed
from analysis.dictionaries.evidence.collecting import collected
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.evidence.evidence_file import FILE, read_evidence, write_evidence
from analysis.dictionaries.firing.firings import Firings, firings, named_with_threshold
from analysis.dictionaries.labels import own_labels
from analysis.dictionaries.shelf import SHIPPED
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel


def evidence(
    model: LoadedModel, dictionary: Dictionary, report: Report = silent, corpus: Corpus | None = None
) -> Evidence:
    """What is known of a dictionary's features.

    It ships beside the weights or lies in the store; where neither is so it is gathered over the text that ships with
    the program, about 25,000 tokens, and kept. Labels of a person's and measured effects are those of this moment.

    Args:
        model: the model.
        dictionary: of this model.
        report: progress; raises `Cancelled` to stop.
        corpus: gather over this text instead.

    Raises:
        AnalysisError: the dictionary is not this model's, or the disk is full.
    """
    dictionary.require_fit(model)
    place = None if corpus is not None else shipped_file(dictionary)
    if place is None:
        place = _gathered(model, dictionary, corpus or sample_text(), report)
    return now(read_evidence(place, model), dictionary)


def now(found: Evidence, dictionary: Dictionary) -> Evidence:
    """The same with the labels that a person has given by now, and the effects that were measured by now."""
    return found.with_labels(own_labels.own_labels(dictionary.fingerprint)).with_effects(
        loss_effect.measured(dictionary.fingerprint)
    )


def is_at_hand(model: LoadedModel, dictionary: Dictionary) -> bool:
    """True if evidence ships or was gathered already, so that reading it takes no time."""
    return shipped_file(dictionary) is not None or _place(model, dictionary, sample_text()).exists()


@cache
def sample_text() -> Corpus:
    """The text that ships with the program, as a corpus."""
    return Corpus(
        id="shipped",
        name="Ordinary text",
        texts=shipped_text.documents(),
        source="Sampled from SmolLM2-135M-Instruct itself; it ships with the program.",
    )


@cache
def _shipped_files() -> dict[str, Path]:
    """Evidence that ships, by the fingerprint of its dictionary."""
    return {
        packed.read_about(path).get("dictionary", ""): path for path in sorted(SHIPPED.glob(f"*/*/{FILE}"))
    }


def shipped_file(dictionary: Dictionary) -> Path | None:
    """Where the evidence of a dictionary that ships lies; None where it does not."""
    return _shipped_files().get(dictionary.fingerprint)


def _place(model: LoadedModel, dictionary: Dictionary, corpus: Corpus) -> Path:
    key = fingerprint("evidence", model.fingerprint, named_with_threshold(dictionary), tuple(corpus.texts))
    return store.home() / "evidence" / key / FILE


def _gathered(model: LoadedModel, dictionary: Dictionary, corpus: Corpus, report: Report) -> Path:
    place = _place(model, dictionary, corpus)
    with store.held(f"evidence-{place.parent.name}", report, "Waiting: it is being gathered elsewhere"):
        if not place.exists():
            found = firings(model, dictionary, corpus, report=report)
            made = evidence_of(model, dictionary, found, f"{corpus.name}: {corpus.source}", report)
            write_evidence(made, place)
    return place


def evidence_of(
    model: LoadedModel, dictionary: Dictionary, found: Firings, text: str, report: Report = silent
) -> Evidence:
    """Evidence from firings that are at hand.

    Args:
        model: the model.
        dictionary: of this model.
        found: what fires.
        text: what the tokens are from, in a sentence.
        report: progress; raises `Cancelled` to stop.
    """
    about = {
        "model": model.title,
        "revision": model.revision,
        "dtype": model.dtype_name,
        "text": text,
        "tokens": str(len(found)),
        "counted": str(found.counted),
        "whole": "yes" if found.whole else "no",
    }
    return Evidence(
        dictionary.fingerprint, about, model.tokenizer, **collected(model, dictionary, found, report)
    )
