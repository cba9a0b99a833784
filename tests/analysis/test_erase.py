"""Erasing in a model: what was planted goes, what is unrelated stays, and a random subspace takes nothing."""

import numpy as np
import pytest

from analysis.captures import capture
from analysis.erasers import ERASERS
from analysis.errors import AnalysisError, Cancelled
from analysis.labelled import LabelledSet
from analysis.methods.erase import Plan, erase
from analysis.methods.probe import probe
from analysis.probing.curves import probe_layers
from analysis.probing.splits import parts


@pytest.fixture(autouse=True, scope="module")
def apart(tmp_path_factory):
    """A store of the module's own: what one test has captured, the next one takes from there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATHYSCOPE_HOME", str(tmp_path_factory.mktemp("store")))
        yield


def endings(which: int = 0, count: int = 480) -> LabelledSet:
    """Texts that end in p, q, r or s: concept 0 parts p and q from r and s, concept 1 parts p and r from q and s."""
    random = np.random.default_rng(0)
    last = random.permutation(np.arange(count) % 4)
    texts = tuple(f"{''.join(random.choice(list('abcd'), 3))} {'pqrs'[end]}" for end in last)
    targets = last // 2 if which == 0 else last % 2
    return LabelledSet(f"e{which}", f"Ending {which}", "Which?", texts, targets, ("one", "other"))


def places(count: int = 480) -> LabelledSet:
    """A number that the last letter gives away."""
    values = np.random.default_rng(1).integers(0, 8, count)
    texts = tuple(f"{'abcd'[i % 4]}{'efgh'[i // 4 % 4]} {'stuvwxyz'[v]}" for i, v in enumerate(values))
    return LabelledSet(
        "n", "Letter", "Which letter?", texts, values[:, None].astype(float), numbers=("place",)
    )


def score(model, fitted, given, layer, edits=()):
    """Held-out score of a fresh probe at one layer, and that of naming the most frequent."""
    states = capture(model, given, "last", edits=edits)
    kind = "logistic" if given.classes else "ridge"
    curve = probe_layers(states.at(layer)[None], given, kind, shuffles=0)
    return curve.at(0).score, curve.baseline


@pytest.mark.parametrize("method", ["leace", "means", "inlp", "rlace"])
def test_a_planted_concept_is_erased_and_an_unrelated_one_kept(toy, method):
    fitted = erase(toy, endings(), Plan(method, (0, 0)))
    edits = fitted.erasure.edits()
    assert score(toy, fitted, endings(), 0)[0] > 0.95
    after, chance = score(toy, fitted, endings(), 0, edits)
    assert abs(after - chance) < 0.15
    assert score(toy, fitted, endings(1), 0)[0] > 0.95
    assert score(toy, fitted, endings(1), 0, edits)[0] > 0.8


def test_a_random_subspace_of_the_same_rank_does_not_erase(toy):
    fitted = erase(toy, endings(), Plan("random", (0, 0), rank=1))
    assert fitted.erasure.rank == 1
    assert score(toy, fitted, endings(), 0, fitted.erasure.edits())[0] > 0.95


def test_numbers_are_erased(toy):
    fitted = erase(toy, places(), Plan("leace", (1, 1)))
    assert score(toy, fitted, places(), 1)[0] > 0.5
    assert score(toy, fitted, places(), 1, fitted.erasure.edits())[0] < 0.1


def test_an_erasure_does_nothing_twice(toy):
    fitted = erase(toy, endings(), Plan("leace", (2, 2)))
    edits = fitted.erasure.edits()
    once, twice = (capture(toy, endings(), edits=edits * n).at(2) for n in (1, 2))
    assert np.allclose(once, twice, atol=1e-4 * np.abs(once).max())


def test_it_is_fitted_to_the_examples_that_probes_learn_from(toy):
    given = endings()
    fitted = erase(toy, given, Plan("leace", (2, 2)))
    assert (fitted.held_out == probe(toy, given, "last", "means").curve.held_out).all()
    assert (fitted.held_out == parts(given).held_out).all()
    learned = capture(toy, given).at(2)[~fitted.held_out]
    assert np.allclose(fitted.erasure.at(2).mean, learned.mean(0), atol=1e-5)


def test_in_sequence_every_layer_follows_from_the_erased_ones_below(toy):
    given = endings()
    fitted = erase(toy, given, Plan("leace", (0, 3), sequence=True))
    erasure = fitted.erasure
    assert erasure.layers == (0, 1, 2, 3)
    own = given.targets[~fitted.held_out]
    below = capture(toy, given, edits=erasure.edits())
    for layer in erasure.layers:  # means equal at every layer although all below were erased too
        states = below.at(layer)[~fitted.held_out]
        gap = np.abs(states[own == 0].mean(0) - states[own == 1].mean(0)).max()
        assert gap < 1e-3 * states.std()
    apart = erase(toy, given, Plan("leace", (0, 3))).erasure
    assert np.allclose(apart.at(0).left, erasure.at(0).left, atol=1e-4)
    assert not np.allclose(apart.at(3).mean, erasure.at(3).mean, atol=1e-3)


def test_it_says_what_it_was_fitted_to(toy):
    fitted = erase(toy, endings(), Plan("leace", (1, 2)))
    assert fitted.erasure.how == (
        f"LEACE of “Which?” fitted to {int((~fitted.held_out).sum())} examples at layers 1, 2, read at the last token "
        "of the text."
    )
    assert (fitted.erasure.name, fitted.left_out, fitted.erasure.positions) == ("Ending 0", 0, "after_first")
    assert fitted.seconds > 0


REFUSED = {
    "an unknown method": (endings(), Plan("magic"), "'magic' is no eraser; there are leace"),
    "layers beyond the model": (endings(), Plan(layers=(2, 9)), "its layers run from 0 to 3"),
    "layers the wrong way round": (endings(), Plan(layers=(2, 1)), "Layers 2 to 1 are no range"),
    "numbers where only classes go": (places(), Plan("inlp"), "takes out classes, and Letter holds numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_erased_is_refused_in_words(toy, name):
    given, plan, sentence = REFUSED[name]
    with pytest.raises(AnalysisError, match=sentence):
        erase(toy, given, plan)


@pytest.mark.parametrize("sequence", [False, True])
def test_a_cancelled_fit_ends(toy, sequence):
    said = []

    def stop_late(message, done=0, total=None):
        said.append(message)
        if message.startswith("Layer 1"):
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        erase(toy, endings(), Plan("leace", (0, 3), sequence=sequence), stop_late)
    assert any(message.startswith("Layer 0") for message in said)


def test_every_eraser_can_be_fitted_to_a_model(toy):
    for method in ERASERS:
        fitted = erase(toy, endings(), Plan(method, (2, 2), iterations=20 if method == "rlace" else None))
        assert fitted.erasure.method == method
        fitted.erasure.require_fit(toy)


def test_a_probe_that_has_only_rounding_to_read_names_the_most_frequent(toy):
    fitted = erase(toy, endings(), Plan("leace", (2, 2)))
    after, chance = score(toy, fitted, endings(), 2, fitted.erasure.edits())
    assert after == chance
