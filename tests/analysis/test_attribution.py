"""Why one next token rather than another: sums that add up, closed forms, and features that were planted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import next_token
from analysis.dictionaries.acting.attribution import ablated, likeliest, log_odds_terms
from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import JumpRelu, Relu
from analysis.dictionaries.neurons import neurons
from analysis.edits import BASE, Change, ChangeFeatures, KeepPart, Site, Variant
from analysis.errors import AnalysisError, Cancelled
from analysis.methods.features import text_features
from tests.planted import a_dictionary

TEXT = "the sea is deep"
HERE = 5
EVEN = np.full(41, 0.1)


@pytest.fixture(scope="module")
def tokens(toy):
    return toy.tokenize(TEXT)


@pytest.fixture(scope="module")
def trace(toy, tokens):
    return toy.run(tokens)


def terms(model, tokens, dictionary, answer=3, against=8, position=HERE):
    return log_odds_terms(
        model, text_features(model, tokens, dictionary), model.run(tokens), position, answer, against
    )


def with_bias(dictionary) -> SparseDictionary:
    bias = np.random.default_rng(4).normal(size=dictionary.width).astype(np.float32)
    return replace(dictionary, bias=bias)


@pytest.mark.parametrize("against", [8, None])
@pytest.mark.parametrize("layer", [0, 1, 3])
def test_the_terms_add_up_to_the_models_own_log_odds(toy, tokens, trace, layer, against):
    found = terms(toy, tokens, with_bias(a_dictionary(toy, layer)), against=against)
    state = torch.tensor(trace.residuals()[-1, HERE])[None]
    logits = toy.on_worker(lambda: toy.read_out(state)[0].double().numpy())
    other = logits[8] if against is not None else logits.mean()
    assert found.measured == pytest.approx(logits[3] - other, abs=1e-4)
    assert found.total == pytest.approx(found.measured, abs=1e-4)
    assert found.gap < 1e-4
    assert abs(found.explained) > 1e-3
    assert abs(found.bias) > 1e-4
    assert abs(found.error) > 1e-4


def test_at_the_last_layer_nothing_is_left_for_later_blocks(toy, tokens):
    assert terms(toy, tokens, a_dictionary(toy, 3)).elsewhere == pytest.approx(0, abs=1e-4)
    assert abs(terms(toy, tokens, a_dictionary(toy, 1)).elsewhere) > 1e-2


def test_a_feature_adds_its_activation_times_its_direction_read_by_the_norm_and_the_unembedding(
    toy, tokens, trace
):
    dictionary = a_dictionary(toy, 3)
    found = terms(toy, tokens, dictionary)
    last = trace.residuals()[-1, HERE].astype(np.float64)
    norm = toy.network.model.norm
    scale = 1 / np.sqrt((last**2).mean() + norm.variance_epsilon)
    reader = scale * norm.weight.double().detach().numpy()
    rows = toy.network.lm_head.weight.double().detach().numpy()
    expected = dictionary.directions(list(found.features)).astype(np.float64) @ (reader * (rows[3] - rows[8]))
    np.testing.assert_allclose(found.direct, found.activations * expected, atol=1e-4)
    assert (np.diff(np.abs(found.direct)) <= 1e-12).all()


def test_the_question_turned_round_changes_every_sign(toy, tokens):
    one, other = (terms(toy, tokens, a_dictionary(toy, 2), *pair) for pair in ((3, 8), (8, 3)))
    assert one.features == other.features
    np.testing.assert_allclose(one.direct, -other.direct, atol=1e-5)
    assert one.measured == pytest.approx(-other.measured, abs=1e-5)


def test_a_planted_feature_that_points_to_a_token_comes_first(toy, tokens, trace):
    rows = toy.network.lm_head.weight.double().detach().numpy()
    gain = next_token.norm_gain(toy)
    planted = (gain * (rows[3] - rows[8])).astype(np.float32)
    others = a_dictionary(toy, 3)
    directions = np.concatenate([others.decoder[:5], planted[None] / np.linalg.norm(planted)])
    dictionary = SparseDictionary(
        "planted", Site(3), Relu(), np.zeros((22, 6), np.float32), np.ones(6, np.float32), directions,
        np.zeros(22, np.float32),
    )  # fmt: skip
    found = terms(toy, tokens, dictionary)
    assert found.features[0] == 5
    assert found.direct[0] > 0


def test_neurons_are_read_through_the_last_map_of_their_block(toy, tokens):
    own = neurons(toy, 3)
    found = terms(toy, tokens, own)
    down = toy.network.model.layers[2].mlp.down_proj.weight.double().detach().numpy()
    twin = SparseDictionary(
        "what neurons write", Site(3), Relu(), np.zeros((22, own.features), np.float32),
        np.ones(own.features, np.float32), np.ascontiguousarray(down.T, np.float32), np.zeros(22, np.float32),
    )  # fmt: skip
    each = dict(zip((same := terms(toy, tokens, twin)).features, same.direct, strict=True))
    expected = [each[i] * a for i, a in zip(found.features, found.activations, strict=True)]
    np.testing.assert_allclose(found.direct, expected, atol=1e-4)
    assert (found.bias, found.error) == (0, 0)
    assert found.gap < 1e-4


def test_families_with_another_norm_or_head_add_up_too(family):
    if family.model.parts.after_norm is not None or not family.model.parts.neurons:
        pytest.skip("its neurons or its head cannot be read this way")
    model = family.model
    tokens = model.tokenize("the sea")
    for dictionary in (a_dictionary(model, model.n_layers), neurons(model, 2)):
        found = terms(model, tokens, dictionary, 3, 8, len(tokens) - 1)
        assert found.gap < 1e-3
    last = terms(model, tokens, a_dictionary(model, model.n_layers), 3, 8, len(tokens) - 1)
    assert last.elsewhere == pytest.approx(0, abs=1e-3)


def test_the_likeliest_tokens_are_the_models_own(toy, tokens, trace):
    logits = toy.network(torch.tensor([tokens.ids])).logits[0, HERE]
    assert likeliest(toy, trace, HERE) == logits.topk(2).indices.tolist()


# ablation


def test_zeroing_a_feature_is_the_edit_that_zeroes_it(toy, tokens):
    dictionary = a_dictionary(toy, 2)
    found = text_features(toy, tokens, dictionary)
    features = found.active(HERE)[:3]
    result = ablated(toy, found, features, HERE, 3, 8, EVEN, nulls=3)
    for feature, fall in zip(features, result.falls.values, strict=True):
        edit = ChangeFeatures(dictionary, (Change(feature, "zero"),), (HERE,))
        both = toy.run(tokens, variants=(BASE, Variant("zeroed", (edit,))))
        odds = next_token.word_odds(toy, both.values[-1, :, HERE], [3], [8])
        assert fall == pytest.approx(odds[0] - odds[1], abs=1e-3)
    assert result.falls.nulls.shape == (3, 3)
    assert result.falls.labels == tuple(map(str, features))


def test_dropping_a_whole_part_is_the_edit_that_drops_it(toy, tokens):
    found = text_features(toy, tokens, with_bias(a_dictionary(toy, 2)))
    result = ablated(toy, found, found.active(HERE)[:1], HERE, 3, 8, EVEN, nulls=0)
    for part, fall in (("error", result.all_features), ("features", result.error)):
        row = Variant("kept", (KeepPart(found.dictionary, part, (HERE,)),))
        odds = next_token.word_odds(toy, toy.run(tokens, variants=(BASE, row)).values[-1, :, HERE], [3], [8])
        assert fall == pytest.approx(odds[0] - odds[1], abs=1e-3)
    assert abs(result.all_features) > 1e-2


def test_at_the_last_layer_zeroing_agrees_with_the_direct_effect_where_the_norm_hardly_moves(toy, tokens):
    dictionary = a_dictionary(toy, 3, kind=JumpRelu(np.full(41, 1e-6, np.float32)))
    dictionary = replace(dictionary, decoder=dictionary.decoder * np.float32(1e-3))
    found = text_features(toy, tokens, dictionary)
    direct = log_odds_terms(toy, found, toy.run(tokens), HERE, 3, 8)
    result = ablated(toy, found, direct.features[:4], HERE, 3, 8, EVEN, nulls=0)
    np.testing.assert_allclose(result.falls.values, direct.direct[:4], atol=2e-4)
    assert result.falls.nulls.shape == (0, 4)


def test_a_feature_that_carries_the_answer_leaves_its_controls_and_the_text_after_it_does_not_count(
    toy, tokens
):
    rows = toy.network.lm_head.weight.double().detach().numpy()
    planted = (next_token.norm_gain(toy) * (rows[3] - rows[8])).astype(np.float32)
    planted /= np.linalg.norm(planted)
    others = a_dictionary(toy, 3, features=80)
    encoder = np.zeros((22, 81), np.float32)
    dictionary = SparseDictionary(
        "planted", Site(3), Relu(), encoder, np.full(81, 8.0, np.float32),
        np.concatenate([others.decoder, planted[None]]), np.zeros(22, np.float32),
    )  # fmt: skip
    found = text_features(toy, tokens, dictionary)
    result = ablated(toy, found, [80], HERE, 3, 8, np.full(81, 1.0), nulls=16)
    assert result.falls.values[0] > result.falls.nulls.max()
    cut = text_features(toy, tokens.cut(HERE + 1), dictionary)
    again = ablated(toy, cut, [80], HERE, 3, 8, np.full(81, 1.0), nulls=16)
    assert again.falls.values[0] == pytest.approx(result.falls.values[0], abs=1e-5)


def test_zeroing_everywhere_reaches_what_other_tokens_hand_on(toy, tokens):
    found = text_features(toy, tokens, a_dictionary(toy, 1))
    features = found.active(HERE)[:2]
    here, everywhere = (
        ablated(toy, found, features, HERE, 3, 8, EVEN, everywhere=each, nulls=1).falls.values
        for each in (False, True)
    )
    assert np.abs(here - everywhere).min() > 1e-4


def test_against_the_mean_logit(toy, tokens):
    found = text_features(toy, tokens, a_dictionary(toy, 2))
    feature = found.active(HERE)[0]
    falls = ablated(toy, found, [feature], HERE, 3, None, EVEN, nulls=0).falls.values
    edit = ChangeFeatures(found.dictionary, (Change(feature, "zero"),), (HERE,))
    both = toy.run(tokens, variants=(BASE, Variant("zeroed", (edit,))))
    states = torch.tensor(both.values[-1, :, HERE])
    logits = toy.on_worker(lambda: toy.read_out(states).double().numpy())
    odds = logits[:, 3] - logits.mean(1)
    assert falls[0] == pytest.approx(odds[0] - odds[1], abs=1e-3)


def test_questions_without_an_answer_are_refused(toy, tokens, trace):
    found = text_features(toy, tokens, a_dictionary(toy, 2))
    for position, answer, against in ((99, 3, 8), (HERE, 3, 3), (HERE, 10**6, 8), (HERE, 3, -1)):
        with pytest.raises(AnalysisError):
            log_odds_terms(toy, found, trace, position, answer, against)
    with pytest.raises(AnalysisError, match="No feature is active"):
        ablated(toy, found, [], HERE, 3, 8, EVEN)


def test_ablating_can_be_stopped_between_batches(toy, tokens, monkeypatch):
    monkeypatch.setattr("analysis.dictionaries.acting.attribution.TOKENS_AT_ONCE", 12)
    found, seen = text_features(toy, tokens, a_dictionary(toy, 2)), []

    def report(message, done=None, total=None):
        seen.append((done, total))
        if len(seen) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        ablated(toy, found, found.active(HERE)[:4], HERE, 3, 8, EVEN, nulls=2, report=report)
    assert seen == [(0, 14), (2, 14), (4, 14)]
