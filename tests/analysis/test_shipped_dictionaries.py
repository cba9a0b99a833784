"""The dictionaries that ship: what their cards promise, and that they keep it on text they never saw."""

import json

import numpy as np
import pytest
import torch

from analysis import load
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.evidence.evidence_file import FILE, read_evidence
from analysis.dictionaries.evidence.gathering import shipped_file
from analysis.dictionaries.formats.sae_config import CONFIG
from analysis.dictionaries.quality import quality
from analysis.dictionaries.shelf import SHIPPED, offered, open_dictionary
from analysis.models.spec import ModelSpec

LAYERS = (8, 16, 24)
NEVER_SEEN = (
    "When the lighthouse keeper's daughter came home from school, the storm had already torn two slates from the roof, "
    "and her father stood in the kitchen with a lamp in one hand and a letter in the other. He did not look up.",
    "Mix the flour with a pinch of salt, rub in the butter until it looks like crumbs, and add just enough cold water "
    "to bring it together. Let the dough rest for half an hour before you roll it out on a floured table.",
    "The council voted on Tuesday to close the old bridge for repairs. Engineers said that the work would take "
    "at least nine months, and that lorries would have to drive through the next town until the spring of next year.",
    "def median(numbers):\n    ordered = sorted(numbers)\n    middle = len(ordered) // 2\n    if len(ordered) % 2:\n"
    "        return ordered[middle]\n    return (ordered[middle - 1] + ordered[middle]) / 2\n",
    "Photosynthesis turns light into chemical energy. In the leaves of green plants, chlorophyll absorbs red and blue "
    "light; water is split, oxygen is set free, and carbon dioxide from the air is built into sugar.",
    "Dear Mrs Okafor, thank you for your kind letter of 3 March. We are sorry that the parcel reached you late "
    "and with a broken lid, and we have sent a second one today, for which you will of course not be charged.",
)
"""Written for this test."""


@pytest.fixture(scope="module")
def model():
    return load(ModelSpec(dtype="float32"))


@pytest.fixture(scope="module", params=LAYERS)
def layer(request) -> int:
    return request.param


def card(layer: int) -> dict:
    (path,) = SHIPPED.glob(f"*/layer-{layer}/{CONFIG}")
    return json.loads(path.read_text())["metadata"]


def known(model, layer: int) -> Evidence:
    (path,) = SHIPPED.glob(f"*/layer-{layer}/{FILE}")
    return read_evidence(path, model)


def test_the_middle_layer_meets_its_bar():
    said, own = card(16), card(16)["quality"]
    assert own["explained_variance"] >= 0.82 and own["l0"] <= 32
    assert own["loss_increase"] <= 0.20 and own["dead_share"] <= 0.05
    assert said["training_tokens"] >= 3_000_000 and "seed" in said


def test_everything_that_ships_is_small():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) <= 40_000_000


def test_each_is_offered_and_explains_states_it_never_saw(model, layer):
    """A third of a thousand tokens: far fewer than the card's, so bounds are wide; nulls lie far below them."""
    (offer,) = (each for each in offered(model) if each.id == f"shipped.layer-{layer}")
    dictionary = open_dictionary(model, offer.id)
    found = quality(model, dictionary, [model.tokenize(text) for text in NEVER_SEEN])
    promised = card(layer)["quality"]
    assert found.explained == pytest.approx(promised["explained_variance"], abs=0.08)
    assert found.explained > max(0.7, found.random_explained + 0.2)
    assert 15 < found.l0 < 45
    assert found.increase < 0.5 and found.increase < 0.3 * min(found.random_increase, found.mean)


def test_every_feature_that_fires_has_examples_of_many_tokens(model, layer):
    evidence = known(model, layer)
    dictionary = open_dictionary(model, f"shipped.layer-{layer}")
    assert shipped_file(dictionary) is not None and evidence.dictionary == dictionary.fingerprint
    assert evidence.counted >= 200_000 and evidence.features == dictionary.features
    fires = evidence.frequency > 0
    assert fires.mean() > 0.95
    assert all(evidence.examples(int(feature)) for feature in np.flatnonzero(fires))
    assert np.mean([label.startswith("unclear") for label in evidence.labels]) < 0.25


def test_examples_are_what_the_model_does(model, layer):
    """The strongest example of some features, run again: the activation is the one that was kept."""
    evidence, dictionary = known(model, layer), open_dictionary(model, f"shipped.layer-{layer}")
    for feature in np.flatnonzero(evidence.frequency > 1e-4)[::700]:
        level, (best, *_) = evidence.examples(int(feature))[0]
        stretch, position = evidence.stretch(best.token)
        states = model.run(stretch, read=[dictionary.site]).at(dictionary.site)
        activation = float(dictionary.encode(torch.tensor(states[position : position + 1]))[0, feature])
        assert activation == pytest.approx(best.value, rel=0.02)
