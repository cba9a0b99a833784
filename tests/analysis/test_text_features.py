"""The features of a text: shares that add up, what is explained beside shuffled states, order, and what is written."""

import numpy as np
import pytest
import torch

from analysis.dictionaries.census.standing_out import moderated, standing_out
from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import JumpRelu, Linear, Relu
from analysis.dictionaries.evidence.other_layers import followed, nearest_match
from analysis.dictionaries.neurons import neurons
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.methods.features import (
    TextFeatures,
    encoded,
    explained,
    explained_together,
    shares_at,
    strongest,
    text_features,
    watched,
)
from analysis.models.decode import Sampling
from tests.planted import a_dictionary

TEXT = "the sea is deep and the sky is blue"


def made(model, decoder, *, bias=None, kind=None, layer=2) -> SparseDictionary:
    """Tied weights around a bias."""
    rows = np.asarray(decoder, np.float32)
    bias = np.zeros(rows.shape[1], np.float32) if bias is None else bias
    zeros = np.zeros(len(rows), np.float32)
    encoder = np.ascontiguousarray(rows.T)
    return SparseDictionary("made", Site(layer), kind or Relu(), encoder, zeros, rows, bias, model.title)


def of_states(model, dictionary, states) -> TextFeatures:
    tokens = model.tokenizer.tokens((97,) * len(states), prompt_length=len(states))
    return encoded(model, tokens, dictionary, np.array(states, np.float32))


def axes(*numbers, width=22):
    return np.eye(width, dtype=np.float32)[list(numbers)]


def test_shares_by_hand(toy):
    # y = (3, 4, 0, ...): 9/25 and 16/25, and nothing is left
    found = of_states(toy, made(toy, axes(0, 1)), [3 * axes(0)[0] + 4 * axes(1)[0]])
    shares = shares_at(toy, found, 0)
    assert shares.features.tolist() == [1, 0]
    assert shares.activations.tolist() == [4, 3]
    assert shares.shares == pytest.approx([16 / 25, 9 / 25])
    assert shares.cumulative == pytest.approx([16 / 25, 1])
    assert (shares.error, shares.error_length, shares.error_cosine) == (0, 0, 0)


def test_the_error_has_its_share_length_and_cosine(toy):
    found = of_states(toy, made(toy, axes(0)), [3 * axes(0)[0] + 4 * axes(5)[0]])
    shares = shares_at(toy, found, 0)
    assert shares.explained == pytest.approx(9 / 25)
    assert shares.error == pytest.approx(16 / 25)
    assert shares.error_length == pytest.approx(4 / 5)
    assert shares.error_cosine == pytest.approx(4 / 5)


def test_a_feature_that_points_against_the_state_has_a_negative_share(toy):
    # read with an encoder of its own, so that it is active although it points away
    rows = np.stack([axes(0)[0], -axes(0)[0]])
    dictionary = SparseDictionary(
        "made",
        Site(2),
        Relu(),
        np.abs(rows).T.copy(),
        np.zeros(2, np.float32),
        rows,
        np.zeros(22, np.float32),
    )
    shares = shares_at(toy, of_states(toy, dictionary, [2 * axes(0)[0]]), 0)
    assert shares.shares == pytest.approx([1, -1])
    assert shares.error == pytest.approx(1)


@pytest.mark.parametrize("layer", [0, 1, 3])
def test_shares_and_error_add_up_to_one_at_every_token(toy, layer, rng):
    dictionary = made(
        toy, rng(1).standard_normal((41, 22)), bias=rng(2).standard_normal(22).astype(np.float32), layer=layer
    )
    found = text_features(toy, toy.tokenize(TEXT), dictionary)
    for position in range(len(found.tokens)):
        shares = shares_at(toy, found, position, most=41)
        assert shares.shares.sum() + shares.error == pytest.approx(1, abs=1e-4)
        few = shares_at(toy, found, position, most=3)
        assert few.shares.sum() + few.rest + few.error == pytest.approx(1, abs=1e-4)
        assert few.active == shares.active == (found.activations[position] != 0).sum()


def test_the_bias_is_no_share(toy):
    bias = np.full(22, 7, np.float32)
    plain = shares_at(toy, of_states(toy, made(toy, axes(0, 3)), [axes(0)[0] + axes(9)[0]]), 0)
    moved = shares_at(
        toy, of_states(toy, made(toy, axes(0, 3), bias=bias), [axes(0)[0] + axes(9)[0] + bias]), 0
    )
    assert moved.shares == pytest.approx(plain.shares, abs=1e-5)
    assert moved.error == pytest.approx(plain.error, abs=1e-5)


def test_neurons_are_shares_of_what_the_mlp_adds(toy):
    tokens = toy.tokenize(TEXT)
    found = text_features(toy, tokens, neurons(toy, 2))
    added = toy.run(tokens, read=[Site(2, "mlp")]).at(Site(2, "mlp"))
    weights = toy.parts.neurons[1].weight.detach().numpy()
    shares = shares_at(toy, found, 4, most=10_000)
    assert shares.shares.sum() == pytest.approx(1, abs=1e-5)
    assert shares.error == 0
    most = shares.features[0]
    vector = weights[:, most] * shares.activations[0]
    assert shares.shares[0] == pytest.approx(vector @ added[4] / (added[4] @ added[4]), rel=1e-4)


def test_no_state_has_no_shares(toy):
    found = of_states(toy, made(toy, axes(0, 1)), [np.zeros(22)])
    shares = shares_at(toy, found, 0)
    assert shares.active == 0
    assert np.isnan(shares.error)


def test_a_token_that_does_not_exist_is_refused(toy):
    found = of_states(toy, made(toy, axes(0)), axes(0, 1))
    with pytest.raises(AnalysisError, match="tokens 0 to 1; given 2"):
        shares_at(toy, found, 2)


def test_first_tokens_and_outliers_do_not_count(toy):
    states = np.ones((6, 22))
    states[3] *= 8.1
    assert of_states(toy, made(toy, axes(0)), states).counts.tolist() == [
        False,
        True,
        True,
        False,
        True,
        True,
    ]
    states[3] /= 8.1 / 7.9
    assert of_states(toy, made(toy, axes(0)), states).counts.tolist() == [False, *[True] * 5]
    assert of_states(toy, made(toy, axes(0)), states[:1]).counts.tolist() == [True]


def test_what_a_dictionary_was_made_for_is_explained_and_shuffled_states_are_not(toy, rng):
    decoder = axes(0, 1, 2)
    states = np.abs(rng(0).standard_normal((12, 3))) @ decoder
    found = of_states(toy, made(toy, decoder), states)
    result = explained(found, draws=8)
    assert result.values == pytest.approx(np.ones(12), abs=1e-6)
    assert result.nulls.mean() < 0.4
    assert explained_together(found) == pytest.approx(1)


def test_a_dictionary_that_knows_nothing_explains_no_more_than_chance(toy, rng):
    decoder = rng(3).standard_normal((41, 22)).astype(np.float32)
    decoder /= np.linalg.norm(decoder, axis=1, keepdims=True)
    dictionary = made(toy, decoder, kind=JumpRelu(np.full(41, 1.0, np.float32)))
    found = of_states(toy, dictionary, rng(4).standard_normal((200, 22)))
    result = explained(found, draws=10)
    own, random = result.values.mean(), result.nulls.mean(1)
    assert abs(own - random.mean()) < 4 * random.std()


def test_explained_shares_by_hand_and_with_a_seed(toy):
    states = np.stack([3 * axes(0)[0] + 4 * axes(5)[0]] * 4)
    found = of_states(toy, made(toy, axes(0, 7, 9, 11)), states)
    one, again, other = (explained(found, seed=seed) for seed in (0, 0, 1))
    assert one.values == pytest.approx([9 / 25] * 4)
    assert np.array_equal(one.nulls, again.nulls)
    assert not np.array_equal(one.nulls, other.nulls)
    # the same shuffle for all tokens keeps equal tokens equal
    assert (np.ptp(one.nulls, axis=1) == 0).all()


def test_the_strongest_features_stand_in_the_order_of_their_peaks(toy):
    values = np.zeros((5, 22), np.float32)
    values[0, 9] = 100  # an attention sink decides nothing
    values[4, 0], values[1, 1], values[2, 2], values[2, 3] = 5, 4, 1, 3
    values[3, 2] = 0.5
    found = of_states(toy, made(toy, axes(*range(22))), values + 1e-9)
    assert strongest(found, most=4) == [1, 3, 2, 0]
    assert strongest(found, most=2) == [1, 0]


def test_strongest_in_sum_is_another_question(toy):
    values = np.zeros((4, 22), np.float32)
    values[1, 0] = 5
    values[1:, 1] = 3
    found = of_states(toy, made(toy, axes(0, 1)), values)
    assert strongest(found, most=1) == [0]
    assert strongest(found, most=1, by="sum") == [1]


def test_features_that_are_never_active_are_left_out(toy):
    found = of_states(toy, made(toy, axes(0, 1)), [axes(0)[0], axes(1)[0], axes(1)[0]])
    assert strongest(found) == [1]


def test_signed_features_are_ranked_by_magnitude(toy):
    states = [np.zeros(22), -3 * axes(0)[0] + axes(1)[0]]
    found = of_states(toy, made(toy, axes(0, 1), kind=Linear()), states)
    assert strongest(found) == [0, 1]
    assert shares_at(toy, found, 1).activations.tolist() == [-3, 1]


def test_a_text_is_read_as_state_by_state(toy):
    dictionary, tokens = a_dictionary(toy), toy.tokenize(TEXT)
    found = text_features(toy, tokens, dictionary)
    states = toy.run(tokens).at(Site(2))
    assert np.allclose(found.states, states, atol=1e-6)
    assert np.array_equal(found.activations, dictionary.encode(torch.from_numpy(states.copy())).numpy())
    assert np.allclose(found.rebuilt + found.error, found.states, atol=1e-6)


def test_what_is_watched_while_writing_is_what_the_text_says_afterwards(toy):
    dictionary, tokens = a_dictionary(toy), toy.tokenize(TEXT)
    sampling = Sampling(1.0, seed=3)
    steps = list(watched(toy, tokens, dictionary, [5, 0, 7], sampling=sampling, most=9))
    ids = tuple(step.id for step in steps if step.id is not None)
    plain = [step.ids[0] for step in toy.generate(tokens, sampling=sampling, max_new_tokens=9)]
    assert list(ids) == plain[: len(ids)]
    seen = np.concatenate([step.activations for step in steps])
    whole = text_features(toy, toy.tokenizer.continued(tokens, ids), dictionary)
    assert len(seen) == len(tokens) + len(steps) - 1
    assert np.allclose(seen, whole.activations[: len(seen), [5, 0, 7]], atol=1e-4)


def test_a_feature_that_does_not_exist_cannot_be_watched(toy):
    with pytest.raises(AnalysisError, match="features 0 to 40; given 41"):
        next(watched(toy, toy.tokenize(TEXT), a_dictionary(toy), [41]))


def test_moderated_scores_by_hand():
    # neuron 0: others 0, 1, 2, 3 (mean 1.5, sd 1.291), here 10; neuron 1 is constant but for the last token
    values = np.array([[0, 7], [1, 7], [2, 7], [3, 7], [10, 7]], np.float32)
    counts = np.ones(5, bool)
    sd = np.std([0, 1, 2, 3], ddof=1)
    scores = moderated(values, counts)
    assert scores[4, 0] == pytest.approx((10 - 1.5) / (sd + np.median([sd, 0])), rel=1e-5)
    assert (scores[:, 1] == 0).all()


def test_a_token_that_does_not_count_says_nothing_of_what_is_usual():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((8, 11)).astype(np.float32)
    counts = np.arange(8) > 0
    other = values.copy()
    other[0] = 1e3
    assert np.array_equal(moderated(values, counts)[1:], moderated(other, counts)[1:])
    assert (np.abs(moderated(other, counts)[0]) > np.abs(moderated(values, counts)[0])).all()


def test_the_neurons_that_are_kept_are_the_furthest_and_chance_has_a_seed(toy):
    tokens = toy.tokenize(TEXT)
    found = standing_out(toy, tokens)
    assert found.layers == (1, 2, 3)
    assert found.scores.shape == (3, len(tokens), 6)
    assert (np.diff(np.abs(found.scores), axis=2) <= 0).all()
    assert np.array_equal(found.chance, standing_out(toy, tokens).chance)
    assert not found.counts[0]
    site = Site(2, "neurons")
    values = toy.run(tokens, read=[site]).at(site)
    row = moderated(values, found.counts)[5]
    assert found.neurons[1, 5, 0] == np.abs(row).argmax()
    assert found.activations[1, 5, 0] == values[5, found.neurons[1, 5, 0]]


def test_a_short_text_cannot_say_what_is_usual(toy):
    with pytest.raises(AnalysisError, match="needs 6 tokens or more, and this text has 3"):
        standing_out(toy, toy.tokenize("abc"))


def test_a_rotated_copy_is_matched_and_its_chance_is_below(toy, rng):
    dictionary = a_dictionary(toy)
    order = rng(0).permutation(41)
    copy = made(toy, dictionary.decoder[order] * 3, layer=3)
    match = nearest_match(toy, dictionary, 7, copy)
    assert order[match.feature] == 7
    assert match.cosine == pytest.approx(1, abs=1e-5)
    assert match.chance < 0.95


def test_directions_that_have_nothing_to_do_with_each_other_match_by_chance_only(toy):
    chances = [
        nearest_match(toy, a_dictionary(toy, seed=1), feature, a_dictionary(toy, layer=3, seed=2))
        for feature in range(41)
    ]
    assert sum(each.cosine > each.chance for each in chances) <= 5


def test_a_neuron_is_matched_by_what_it_writes(toy):
    other = made(toy, toy.parts.neurons[0].weight.detach().numpy().T.copy(), layer=1)
    match = nearest_match(toy, neurons(toy, 1), 3, other)
    assert (match.feature, match.cosine) == (3, pytest.approx(1, abs=1e-5))


def test_what_follows_a_feature_correlates_more_than_chance(rng):
    own = rng(0).standard_normal(60).astype(np.float32)
    others = rng(1).standard_normal((60, 30)).astype(np.float32)
    others[:, 4] = own + 0.1 * others[:, 4]
    found, chance = followed(own, others, 4)
    assert found > 0.98
    assert chance < 0.6
    assert followed(own, others, 4) == (found, chance)


def test_what_never_varies_has_no_correlation():
    zeros = np.zeros((5, 3), np.float32)
    assert np.isnan(followed(np.arange(5, dtype=np.float32), zeros, 0)).all()
