"""What these questions ask of the analysis, as shared jobs keyed by the request's fingerprint."""

import numpy as np

from analysis import LoadedModel
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.evidence.gathering import evidence, now, sample_text
from analysis.dictionaries.firing.firings import Firings, firings
from analysis.dictionaries.shelf import Offer, open_dictionary
from analysis.dictionaries.whole.atlas import Atlas, atlas, nearest
from analysis.dictionaries.whole.clusters import Shapes, alike, joined, shapes
from analysis.dictionaries.whole.crystals import Crystals, WordStates, crystals, pairs_of, word_states
from analysis.dictionaries.whole.cycles import Cycle, cycle
from analysis.dictionaries.whole.families import Families, families
from analysis.dictionaries.whole.lobes import Lobes, lobes
from analysis.dictionaries.whole.matching import Matching, match_activations, match_directions
from analysis.dictionaries.whole.spectrum import DecoderSpectrum, decoder_spectrum
from analysis.dictionaries.written import written
from analysis.fingerprint import fingerprint
from analysis.jobs import Job, Report
from components.features.whole_parts.seen import Seen
from components.requests import held
from components.waiting import result_of

SEED = 0
NEAREST = 8
MIXES_BY_LAYER = 2
"""Draws of each control of crystals where every layer is looked at."""


def evidence_job(model: LoadedModel, dictionary: Dictionary) -> Job[Evidence]:
    """What is known of the features."""
    key = fingerprint("whole evidence", model.fingerprint, dictionary.fingerprint)
    return held(key, "Gathering evidence", lambda report: evidence(model, dictionary, report))


def known_of(seen: Seen) -> Evidence | None:
    """What is known of the features, with the labels that were given by now; None while it is gathered."""
    found = result_of(evidence_job(seen.model, seen.dictionary), "whole evidence")
    return None if found is None else now(found, seen.dictionary)


def atlas_job(model: LoadedModel, dictionary: Dictionary, projection: str, twin: bool) -> Job[Atlas]:
    """The map of directions, or of random ones."""
    key = fingerprint("atlas", model.fingerprint, dictionary.fingerprint, projection, twin, SEED)

    def work(report: Report) -> Atlas:
        report("Reading directions")
        return atlas(written(model, dictionary), projection, twin=twin, seed=SEED, report=report)

    return held(key, "Drawing directions", work)


def nearest_job(
    model: LoadedModel, dictionary: Dictionary, feature: int
) -> Job[tuple[tuple[int, float], ...]]:
    """The features whose directions have the highest cosine with one's, and that cosine."""
    key = fingerprint("nearest directions", model.fingerprint, dictionary.fingerprint, feature, NEAREST)

    def work(report: Report) -> tuple[tuple[int, float], ...]:
        report("Comparing directions")
        return nearest(written(model, dictionary), feature, NEAREST)

    return held(key, "Comparing directions", work)


def lobes_job(model: LoadedModel, dictionary: Dictionary, count: int) -> Job[Lobes]:
    """Features parted by what they fire with."""
    key = fingerprint("lobes", model.fingerprint, dictionary.fingerprint, count, SEED)

    def work(report: Report) -> Lobes:
        known = evidence(model, dictionary, report)
        return lobes(known.chunks(), written(model, dictionary), known.frequency, count, SEED, report)

    return held(key, "Parting features into lobes", work)


def spectra_job(model: LoadedModel, offers: tuple[Offer, ...]) -> Job[dict[str, DecoderSpectrum]]:
    """The spectrum of several dictionaries' directions, by the id of the offer."""
    key = fingerprint("decoder spectra", model.fingerprint, tuple(each.id for each in offers), SEED)

    def work(report: Report) -> dict[str, DecoderSpectrum]:
        found = {}
        for number, offer in enumerate(offers):
            report(f"Reading {offer.name}", number, len(offers))
            found[offer.id] = decoder_spectrum(written(model, open_dictionary(model, offer.id)), SEED)
        return found

    return held(key, "Comparing spectra", work)


def cycle_job(model: LoadedModel, id: str) -> Job[Cycle]:
    """Words that follow each other in a circle."""
    key = fingerprint("cycle", model.fingerprint, id, SEED)
    return held(key, f"Reading {id}", lambda report: cycle(model, id, SEED, report))


def shapes_job(model: LoadedModel, dictionary: Dictionary, by: str, least: float) -> Job[Shapes]:
    """Clusters of directions and their shapes."""
    key = fingerprint("shapes", model.fingerprint, dictionary.fingerprint, by, least, SEED)

    def work(report: Report) -> Shapes:
        found = firings(model, dictionary, sample_text(), report=report)
        report("Joining directions")
        rows = written(model, dictionary)
        groups = joined(rows, least) if by == "nearest" else alike(rows, least)
        return shapes(found.by_token, rows, groups, SEED, report)

    return held(key, "Looking for shapes", work)


def firings_job(model: LoadedModel, dictionary: Dictionary) -> Job[Firings]:
    """What fires over the text that ships with the program."""
    key = fingerprint("whole firings", model.fingerprint, dictionary.fingerprint)
    return held(key, "Reading text", lambda report: firings(model, dictionary, sample_text(), report=report))


def words_job(model: LoadedModel) -> Job[WordStates]:
    """States of the words of built-in relations."""
    key = fingerprint("relations", model.fingerprint)
    return held(key, "Reading words", lambda report: word_states(model, report))


def crystals_job(model: LoadedModel, states: WordStates, layer: int) -> Job[Crystals]:
    """Parallelograms at one layer."""
    key = fingerprint("crystals", model.fingerprint, layer, SEED)
    pairs = pairs_of(states.words, np.ascontiguousarray(states.at(layer)))
    return held(key, "Looking for parallelograms", lambda report: crystals(pairs, SEED))


def feature_crystals_job(model: LoadedModel, states: WordStates, dictionary: Dictionary) -> Job[Crystals]:
    """Parallelograms among the activations of a dictionary's features."""
    import torch

    key = fingerprint("crystals of features", model.fingerprint, dictionary.fingerprint, SEED)

    def work(report: Report) -> Crystals:
        report("Encoding words")
        with torch.inference_mode():
            own = dictionary.encode(torch.from_numpy(states.at(dictionary.site.layer).copy())).numpy()
        return crystals(pairs_of(states.words, own), SEED)

    return held(key, "Looking for parallelograms", work)


def crystals_by_layer_job(model: LoadedModel, states: WordStates) -> Job[tuple[Crystals, ...]]:
    """Parallelograms at every layer."""
    key = fingerprint("crystals by layer", model.fingerprint, SEED, MIXES_BY_LAYER)

    def work(report: Report) -> tuple[Crystals, ...]:
        found = []
        for number, layer in enumerate(states.layers):
            report("Looking for parallelograms", number, len(states.layers))
            found.append(crystals(pairs_of(states.words, states.at(layer)), SEED, MIXES_BY_LAYER))
        return tuple(found)

    return held(key, "Looking for parallelograms layer by layer", work)


def families_job(model: LoadedModel, dictionary: Dictionary, least: float) -> Job[Families]:
    """Features below more general ones."""
    key = fingerprint("families", model.fingerprint, dictionary.fingerprint, least, SEED)

    def work(report: Report) -> Families:
        found = firings(model, dictionary, sample_text(), report=report)
        return families(found.by_token, least, SEED, found.counted, report)

    return held(key, "Looking for families", work)


def matching_job(
    model: LoadedModel, dictionary: Dictionary, with_: tuple[LoadedModel, Offer], by: str
) -> Job[Matching]:
    """Pairs of features of this dictionary and another one, of the same or of another model."""
    whose, offer = with_
    key = fingerprint(
        "matching", model.fingerprint, dictionary.fingerprint, whose.fingerprint, offer.id, by, SEED
    )

    def work(report: Report) -> Matching:
        report("Opening the other dictionary")
        other = open_dictionary(whose, offer.id)
        rows = written(model, dictionary), written(whose, other)
        if by == "directions":
            return match_directions(*rows, SEED, report)
        one = firings(model, dictionary, sample_text(), report=report)
        two = firings(whose, other, sample_text(), report=report)
        return match_activations(one, two, rows, SEED, report)

    return held(key, "Matching features", work)
