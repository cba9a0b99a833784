"""What changed features do to the next token: the controls of a change, and what is said about it."""

import dataclasses

import numpy as np
import pytest

from analysis import next_token
from analysis.dictionaries.acting.feature_effect import (
    MOST_NULLS,
    feature_variants,
    measure_features,
    side_verdict,
)
from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import Relu
from analysis.dictionaries.neurons import neurons
from analysis.edits import BASE, Change, ChangeFeatures, Site, Variant
from analysis.errors import AnalysisError, Cancelled
from analysis.methods.effect import ROUNDING, movers, verdict, word_shift
from tests.planted import a_dictionary

TEXT = "the sea is deep"
EVEN = np.full(41, 0.1)
HERE = 6


@pytest.fixture(scope="module")
def tokens(toy):
    return toy.tokenize(TEXT)


@pytest.fixture(scope="module")
def dictionary(toy):
    return a_dictionary(toy)


@pytest.fixture(scope="module")
def edits(dictionary):
    return (ChangeFeatures(dictionary, (Change(4, "clamp", 30.0),)),)


@pytest.fixture(scope="module")
def measured(toy, tokens, edits):
    return measure_features(toy, tokens, edits, EVEN, nulls=5, seed=3)


def test_the_edited_row_is_the_edit_itself(toy, tokens, edits, measured):
    both = toy.run(tokens, variants=(BASE, Variant("edited", edits)))
    last = [both.residuals(row)[-1] for row in (0, 1)]
    expected = next_token.divergences(toy, last[0], last[1][None])[0]
    for effect in (measured.beside_features, measured.beside_directions):
        np.testing.assert_allclose(effect.kl[0], expected, atol=1e-4)
        assert effect.edited.rows[0].variant == "edited"


def test_both_kinds_of_controls_run_beside_it_and_are_not_mixed_up(measured):
    features, directions = measured.beside("feature"), measured.beside("push")
    assert features.nulls == directions.nulls == 5
    assert [row.variant for row in features.edited.rows[1:]] == [f"random feature {i}" for i in range(1, 6)]
    assert [row.variant for row in directions.edited.rows[1:]] == [
        f"random direction {i}" for i in range(1, 6)
    ]
    assert features.kl.shape == directions.kl.shape == (6, len(features.tokens))
    assert not np.allclose(features.kl[1:], directions.kl[1:])
    assert (features.control, directions.control) == ("feature", "push")


def test_before_the_first_changed_token_nothing_moves(measured):
    assert measured.beside("feature").kl[:, 0].max() < ROUNDING
    assert measured.beside("feature").kl[:, 1:].min() > 0


def test_the_numbers_of_steering_can_be_had_of_it(toy, measured):
    effect = measured.beside("feature")
    moved = movers(toy, effect, HERE)
    assert moved.shift.nulls.shape == (5, len(moved.labels))
    shift = word_shift(toy, effect, (3,), (8,))
    assert np.abs(shift.values[1:]).max() > 0.01
    assert "features" in moved.summary()


def test_the_same_request_gives_the_same_numbers_and_another_seed_others(toy, tokens, edits, measured):
    again = measure_features(toy, tokens, edits, EVEN, nulls=5, seed=3)
    other = measure_features(toy, tokens, edits, EVEN, nulls=5, seed=4)
    for control in ("feature", "push"):
        np.testing.assert_allclose(again.beside(control).kl, measured.beside(control).kl, atol=1e-6)
        assert not np.allclose(other.beside(control).kl[1:], measured.beside(control).kl[1:])


def test_a_random_feature_lies_in_its_own_band_about_as_often_as_chance_says(toy, tokens, dictionary):
    outside = []
    for feature in range(6):
        edits = (ChangeFeatures(dictionary, (Change(feature, "add", 10.0),)),)
        effect = measure_features(toy, tokens, edits, EVEN, nulls=7, seed=feature).beside("feature")
        outside.append(effect.along_text().outside[1:].mean())
    assert 0.02 < np.mean(outside) < 0.6  # 2 in 8 by chance


def test_a_planted_feature_leaves_both_bands_on_its_own_words(toy, tokens):
    rows = toy.network.lm_head.weight.double().detach().numpy()
    planted = (next_token.norm_gain(toy) * (rows[3] - rows[8])).astype(np.float32)
    others = a_dictionary(toy, 3, features=80)
    dictionary = SparseDictionary(
        "planted", Site(3), Relu(), np.zeros((22, 81), np.float32), np.ones(81, np.float32),
        np.concatenate([others.decoder, planted[None] / np.linalg.norm(planted)]), np.zeros(22, np.float32),
    )  # fmt: skip
    edits = (ChangeFeatures(dictionary, (Change(80, "add", 20.0),)),)
    effect = measure_features(toy, tokens, edits, np.full(81, 0.1), nulls=10)
    for control in ("feature", "push"):
        shift = word_shift(toy, effect.beside(control), (3,), (8,))
        assert shift.values[HERE] > shift.nulls[:, HERE].max() + 0.5


def test_neurons_are_changed_beside_other_neurons(toy, tokens):
    own = neurons(toy, 2)
    edits = (ChangeFeatures(own, (Change(3, "clamp", 4.0),)),)
    effect = measure_features(toy, tokens, edits, np.ones(own.features), nulls=3)
    assert effect.beside("feature").kl[:, 1:].min() > 0


def test_what_is_said_names_the_controls(measured):
    sentence = verdict(measured.beside("feature"), HERE)
    assert "random features that fire as often" in sentence
    short = side_verdict(measured.beside("push"), HERE)
    assert short.startswith("Of 5 random directions of the same length it lies ")


@pytest.mark.parametrize(("own", "place"), [(9.0, "above"), (2.0, "**within**"), (0.5, "below")])
def test_the_short_verdict_by_hand(measured, own, place):
    kl = np.array([[0.0, own], [0.0, 1.0], [0.0, 3.0]], np.float32)
    effect = dataclasses.replace(measured.beside("push"), kl=kl)
    assert f"it lies {place} the band (1.00 to 3.00 bits)" in side_verdict(effect, 1)
    assert side_verdict(effect, 0) == ""


def test_the_rows_are_base_edited_and_controls(edits):
    random = [f"random {kind} {number}" for kind in ("feature", "direction") for number in (1, 2)]
    assert [row.name for row in feature_variants(edits, EVEN, nulls=2)] == ["base", "edited", *random]
    assert [row.name for row in feature_variants(edits, EVEN, nulls=0)] == ["base", "edited"]


def test_where_it_comes_from_says_what_was_changed(measured):
    said = dict(measured.beside("feature").provenance.lines())
    assert said["change 1"] == "feature 4 clamped to 30, positions after_first"
    assert "like frequency" in said["controls"]


def test_what_cannot_be_measured_is_refused(toy, tokens, edits, dictionary):
    with pytest.raises(AnalysisError, match="No feature is changed"):
        measure_features(toy, tokens, (), EVEN)
    with pytest.raises(AnalysisError, match="one dictionary"):
        other = ChangeFeatures(a_dictionary(toy, seed=8), (Change(0, "zero"),))
        measure_features(toy, tokens, (*edits, other), EVEN)
    with pytest.raises(AnalysisError, match="controls of each kind"):
        measure_features(toy, tokens, edits, EVEN, nulls=MOST_NULLS + 1)
    wrong = dataclasses.replace(dictionary, model="another model")
    with pytest.raises(AnalysisError, match="another model"):
        measure_features(toy, tokens, (ChangeFeatures(wrong, (Change(0, "zero"),)),), EVEN)


def test_it_can_be_stopped(toy, tokens, edits):
    def report(*said):
        raise Cancelled

    with pytest.raises(Cancelled):
        measure_features(toy, tokens, edits, EVEN, report=report)
