"""Edits of features: the laws they keep, whatever the dictionary."""

import numpy as np
import pytest
import torch

from analysis.dictionaries.acting.feature_nulls import (
    direction_controls,
    feature_controls,
    frequency_in,
    matched_features,
)
from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import JumpRelu, Linear, Relu, TopK
from analysis.dictionaries.neurons import neurons
from analysis.edits import BASE, Change, ChangeFeatures, KeepPart, PushAsFar, Site, Variant
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from tests.planted import a_dictionary

TEXT = "the sea is deep"
TWO = SparseDictionary(
    "two features of the plane",
    Site(2),
    Relu(),
    np.eye(2, dtype=np.float32),
    np.array([0.0, -1.0], np.float32),
    np.array([[3.0, 0.0], [0.0, 2.0]], np.float32),
    np.array([1.0, 1.0], np.float32),
)
"""a = relu(x - (1, 1) + (0, -1)); decoder rows (3, 0) and (0, 2)."""
AT = torch.tensor([1])


@pytest.fixture(scope="module")
def dictionary(toy):
    return a_dictionary(toy)


@pytest.fixture(scope="module")
def states(toy):
    return torch.tensor(toy.run(TEXT).at(Site(2)))


def every(states) -> torch.Tensor:
    return torch.arange(len(states))


def active(dictionary, states) -> int:
    """A feature that fires at some tokens and not at others."""
    share = (dictionary.encode(states) != 0).float().mean(0)
    return int(((share > 0) & (share < 1)).nonzero()[0])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(0, "zero"), (5 - 4 * 3, 4)),  # x = (5, 4): a = (4, 2)
        (Change(0, "scale", 3.0), (5 + 8 * 3, 4)),
        (Change(1, "clamp", 7.0), (5, 4 + 5 * 2)),
        (Change(1, "add", -0.5), (5, 4 - 0.5 * 2)),
        (Change(0, "scale", 1.0), (5, 4)),
        (Change(1, "clamp", 2.0), (5, 4)),
    ],
)
def test_every_operation_by_hand(change, expected):
    x = torch.tensor([[5.0, 4.0]])
    assert ChangeFeatures(TWO, (change,)).apply(x, AT).tolist() == [list(map(float, expected))]


def test_several_features_are_read_from_the_same_state():
    edit = ChangeFeatures(TWO, (Change(0, "zero"), Change(1, "add", 1.0)))
    assert edit.apply(torch.tensor([[5.0, 4.0]]), AT).tolist() == [[-7.0, 6.0]]


def test_keeping_a_part_by_hand():
    x = torch.tensor([[5.0, 4.0]])  # bias (1, 1) + 4 (3, 0) + 2 (0, 2) + error
    assert KeepPart(TWO, "features").apply(x, AT).tolist() == [[13.0, 5.0]]
    assert KeepPart(TWO, "error").apply(x, AT).tolist() == [[-7.0, 0.0]]


@pytest.mark.parametrize("kind", [JumpRelu(np.full(41, 0.5, np.float32)), TopK(5), Linear()])
def test_what_the_dictionary_explains_and_its_error_are_the_state(toy, states, kind):
    dictionary = a_dictionary(toy, kind=kind)
    explained = KeepPart(dictionary, "features").apply(states, every(states))
    rest = KeepPart(dictionary, "error").apply(states, every(states))
    bias = dictionary.decode(torch.zeros(1, 41))
    torch.testing.assert_close(explained + rest - bias, states, rtol=1e-5, atol=1e-5)


def test_zeroing_every_active_feature_leaves_what_keeping_the_error_leaves(dictionary, states):
    found = dictionary.encode(states[3:4])[0].nonzero()[:, 0].tolist()
    assert found
    zeroed = ChangeFeatures(dictionary, tuple(Change(each, "zero") for each in found))
    torch.testing.assert_close(
        zeroed.apply(states[3:4], AT), KeepPart(dictionary, "error").apply(states[3:4], AT), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_changes_nothing_changes_no_bit(dictionary, states, dtype):
    x = states[3:4].to(dtype)
    fires = dictionary.encode(x)[0] != 0
    feature, silent = int(fires.nonzero()[0]), int((~fires).nonzero()[0])
    for change in (Change(feature, "scale", 1.0), Change(feature, "add", 0.0), Change(silent, "zero"),
                   Change(silent, "scale", 9.0), Change(silent, "clamp", 0.0)):  # fmt: skip
        edit = ChangeFeatures(dictionary, (change,))
        assert edit.apply(x, every(x)) is x
        assert PushAsFar(edit, np.ones((1, 22), np.float32)).apply(x, every(x)) is x


def test_only_tokens_at_which_the_feature_is_active_change_where_it_is_zeroed(dictionary, states):
    feature = active(dictionary, states)
    fires = dictionary.encode(states)[:, feature] != 0
    after = ChangeFeatures(dictionary, (Change(feature, "zero"),)).apply(states, every(states))
    assert torch.equal((after != states).any(1), fires)


def test_a_change_lies_along_its_decoder_row_and_the_error_stays(dictionary, states):
    feature = active(dictionary, states)
    after = ChangeFeatures(dictionary, (Change(feature, "clamp", 3.0),)).apply(states, every(states))
    row = torch.tensor(dictionary.directions([feature])[0])
    moved = (after - states).double()
    expected = (3.0 - dictionary.encode(states)[:, feature]).double()[:, None] * row.double()
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-5)


def test_clamping_is_adding_what_is_missing(dictionary, states):
    feature, x = active(dictionary, states), states[2:3]
    own = float(dictionary.encode(x)[0, feature])
    clamped = ChangeFeatures(dictionary, (Change(feature, "clamp", 4.0),)).apply(x, AT)
    added = ChangeFeatures(dictionary, (Change(feature, "add", 4.0 - own),)).apply(x, AT)
    torch.testing.assert_close(clamped, added, rtol=0, atol=1e-6)


def test_adding_and_taking_away_cancel_one_after_the_other(toy, dictionary):
    there = ChangeFeatures(dictionary, (Change(4, "add", 2.0),), "all")
    back = ChangeFeatures(dictionary, (Change(4, "add", -2.0),), "all")
    trace = toy.run(TEXT, variants=(BASE, Variant("both", (there, back))))
    np.testing.assert_allclose(trace.residuals(1), trace.residuals(0), atol=1e-5)
    alone = toy.run(TEXT, variants=(Variant("one", (there,)),))
    assert np.abs(alone.residuals() - trace.residuals(0))[2:].max() > 0.1


def test_in_bfloat16_the_sum_is_made_in_float32_and_rounded_once(dictionary, states):
    x = states.bfloat16()
    edit = ChangeFeatures(dictionary, (Change(4, "add", 1.7), Change(9, "add", -0.3)))
    rows = torch.tensor(dictionary.directions([4, 9]))
    expected = (x.float() + torch.tensor([[1.7, -0.3]]) @ rows).bfloat16()
    assert torch.equal(edit.apply(x, every(x)), expected)


def test_earlier_layers_and_tokens_stay_as_they_were(toy, dictionary):
    edit = ChangeFeatures(dictionary, (Change(4, "add", 3.0),), (5,))
    trace = toy.run(TEXT, variants=(BASE, Variant("edited", (edit,))))
    idle = toy.run(TEXT, variants=(BASE, Variant("idle")))
    assert np.array_equal(trace.residuals(1)[:2], idle.residuals(1)[:2])
    assert np.array_equal(trace.residuals(1)[:, :5], idle.residuals(1)[:, :5])
    assert not np.array_equal(trace.residuals(1)[2:, 5], idle.residuals(1)[2:, 5])


def test_the_first_token_is_left_alone_unless_asked_for(toy, dictionary):
    edit = ChangeFeatures(dictionary, (Change(4, "add", 3.0),))
    trace = toy.run(TEXT, variants=(BASE, Variant("edited", (edit,))))
    changed = (np.abs(trace.at(Site(2), 1) - trace.at(Site(2), 0)) > 1e-3).any(1)
    assert changed.tolist() == [False] + [True] * (len(changed) - 1)


def test_neurons_are_changed_where_the_mlp_keeps_them(toy):
    own = neurons(toy, 2)
    edit = ChangeFeatures(own, (Change(7, "clamp", 2.5), Change(1, "zero")), "all")
    assert edit.site == Site(2, "neurons")
    trace = toy.run(TEXT, read=[edit.site, Site(2)], variants=(BASE, Variant("edited", (edit,))))
    base, after = trace.at(edit.site, 0), trace.at(edit.site, 1)
    assert np.allclose(after[:, 7], 2.5, atol=1e-6)
    assert np.allclose(after[:, 1], 0, atol=1e-6)
    others = [i for i in range(own.features) if i not in (1, 7)]
    np.testing.assert_allclose(after[:, others], base[:, others], atol=1e-6)
    assert np.abs(trace.at(Site(2), 1) - trace.at(Site(2), 0)).max() > 1e-3


def test_what_makes_no_sense_is_refused(toy, dictionary):
    for changes in ((), (Change(3, "zero"), Change(3, "zero")), (Change(41, "zero"),), (Change(-1, "zero"),)):
        with pytest.raises(AnalysisError):
            ChangeFeatures(dictionary, changes)
    for wrong in (("double", 1.0), ("clamp", float("nan")), ("add", float("inf"))):
        with pytest.raises(AnalysisError):
            Change(3, *wrong)
    edit = ChangeFeatures(dictionary, (Change(3, "add", 1.0),))
    with pytest.raises(AnalysisError, match="of them zero"):
        PushAsFar(edit, np.zeros((1, 22), np.float32))


def test_a_dictionary_of_another_width_is_refused_before_anything_runs(toy):
    change = ChangeFeatures(TWO, (Change(0, "zero"),))
    for edit in (change, PushAsFar(change, np.ones((1, 2), np.float32)), KeepPart(TWO, "error")):
        with pytest.raises(AnalysisError, match="needs vectors of 22 numbers; given 2"):
            toy.run(TEXT, variants=(Variant("edited", (edit,)),))
    with pytest.raises(AnalysisError, match="states of 2 numbers"):
        change.apply(torch.zeros(1, 22), AT)


def test_what_decides_an_edit_decides_its_name(dictionary, toy):
    other = a_dictionary(toy, seed=1)
    edits = [
        ChangeFeatures(of, (Change(3, operation, value),), positions)
        for of in (dictionary, other)
        for operation, value in (("clamp", 1.0), ("clamp", 2.0), ("add", 1.0))
        for positions in ("all", "after_first")
    ]
    edits += [PushAsFar(edits[0], np.full((1, 22), value, np.float32)) for value in (1.0, 2.0)]
    assert len({fingerprint(edit) for edit in edits}) == len(edits)


# controls


def test_a_control_pushes_as_far_at_every_token_and_elsewhere(dictionary, states):
    changes = (Change(active(dictionary, states), "zero"), Change(9, "add", 0.7))
    edit = ChangeFeatures(dictionary, changes)
    own = edit.apply(states, every(states)) - states
    for row in (*feature_controls((edit,), np.full(41, 0.1), 4), *direction_controls((edit,), 4)):
        push = row.edits[0].apply(states, every(states)) - states
        np.testing.assert_allclose(push.norm(dim=1), own.norm(dim=1), rtol=1e-3, atol=1e-5)
        assert torch.cosine_similarity(push[3], own[3], dim=0) < 0.9


def test_a_control_of_a_feature_is_pushed_along_that_other_feature(dictionary, states):
    edit = ChangeFeatures(dictionary, (Change(9, "add", 0.7),))
    control = PushAsFar(edit, 5 * dictionary.directions([20]))
    push = control.apply(states, every(states)) - states
    expected = 0.7 * torch.tensor(dictionary.directions([20])).expand_as(push)
    torch.testing.assert_close(push, expected, rtol=0, atol=1e-5)


def test_matched_features_fire_about_as_often_and_are_never_the_feature_itself(toy):
    frequency = np.geomspace(1e-5, 1e-1, 1000)
    dictionary = a_dictionary(toy, features=1000)
    drawn = matched_features(dictionary, 500, frequency, 12, seed=0)
    assert len(set(drawn)) == 12
    assert 500 not in drawn
    apart = np.abs(np.log(frequency[drawn] / frequency[500]))
    assert apart.max() < 33 * np.log(frequency[1] / frequency[0])
    assert apart.max() < np.median(np.abs(np.log(frequency / frequency[500]))) / 4
    assert drawn == matched_features(dictionary, 500, frequency, 12, seed=0)
    assert drawn != matched_features(dictionary, 500, frequency, 12, seed=1)
    assert not set(drawn) & set(matched_features(dictionary, 500, frequency, 12, 0, without=drawn))


def test_features_that_never_fire_stand_in_for_one_that_never_does(toy):
    frequency = np.where(np.arange(200) < 100, 0.0, 0.2)
    dictionary = a_dictionary(toy, features=200)
    assert max(matched_features(dictionary, 3, frequency, 8, seed=0)) < 100
    assert min(matched_features(dictionary, 103, frequency, 8, seed=0)) >= 100


def test_a_small_dictionary_offers_fewer_controls_and_says_no_lies(toy, states):
    dictionary = a_dictionary(toy, features=4)
    edit = ChangeFeatures(dictionary, (Change(0, "add", 1.0),))
    assert len(feature_controls((edit,), np.full(4, 0.1), 8)) == 3
    assert len(direction_controls((edit,), 8)) == 8
    with pytest.raises(AnalysisError, match="as many frequencies"):
        matched_features(dictionary, 0, np.full(5, 0.1), 2, 0)


def test_one_feature_has_one_stand_in_in_all_edits_of_a_row(dictionary):
    edits = (
        ChangeFeatures(dictionary, (Change(1, "add", 1.0), Change(2, "add", 1.0)), (3,)),
        ChangeFeatures(dictionary, (Change(2, "clamp", 1.0),), (4,)),
    )
    for row in (*feature_controls(edits, np.full(41, 0.1), 3), *direction_controls(edits, 3)):
        first, second = row.edits
        assert np.array_equal(first.stand_ins[1], second.stand_ins[0])
        assert not np.array_equal(first.stand_ins[0], first.stand_ins[1])


def test_frequency_leaves_the_first_token_out():
    activations = np.array([[1, 1, 0], [0, 1, 0], [0, -2, 0], [3, 1, 0]], np.float32)
    assert frequency_in(activations).tolist() == [1 / 3, 1.0, 0.0]
    assert frequency_in(activations[:1]).tolist() == [0.0, 0.0, 0.0]
