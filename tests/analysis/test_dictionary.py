"""Dictionaries: activations and reconstructions by hand, what fits a model, and what a feature writes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.dictionaries.dictionary import Dictionary, SparseDictionary, reconstructed
from analysis.dictionaries.encoders import Gated, GroupMax, JumpRelu, Linear, Relu, TopK
from analysis.dictionaries.fit import fits, same_model
from analysis.dictionaries.neurons import neurons
from analysis.dictionaries.rescaled import Rescaled
from analysis.dictionaries.written import written
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.methods.features import text_features
from tests.planted import a_dictionary

Z = torch.tensor([[3.0, -1.0, 0.5, 2.0], [-1.0, -2.0, -3.0, -0.5], [1.0, 1.5, 0.2, 0.1]])
ARRAY = np.float32


def by_hand(kind) -> list[list[float]]:
    return np.round(kind.activate(Z.clone()).numpy(), 4).tolist()


def test_every_encoder_by_hand():
    assert by_hand(Relu()) == [
        [3, 0, 0.5, 2],
        [0, 0, 0, 0],
        [1, 1.5, np.float32(0.2).round(4), ARRAY(0.1).round(4)],
    ]
    assert by_hand(TopK(2)) == [[3, 0, 0, 2], [0, 0, 0, 0], [1, 1.5, 0, 0]]
    assert by_hand(GroupMax(2)) == [[3, 0, 0, 2], [0, 0, 0, 0], [0, 1.5, pytest.approx(0.2), 0]]
    assert by_hand(JumpRelu(np.array([2, 0, 1, 2], ARRAY))) == [
        [3, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 1.5, 0, 0],
    ]
    assert by_hand(Linear()) == np.round(Z.numpy(), 4).tolist()
    gate, magnitude = np.array([-2, 0, 0, -3], ARRAY), np.array([1, 0, -1, 0], ARRAY)
    twice = np.log(np.array([2, 1, 1, 1], ARRAY))
    assert by_hand(Gated(gate, magnitude, twice)) == [[7, 0, 0, 0], [0, 0, 0, 0], [0, 1.5, 0, 0]]


def test_an_encoder_without_a_feature_to_keep_is_refused():
    for kind in (TopK, GroupMax):
        with pytest.raises(AnalysisError, match="k >= 1"):
            kind(0)


def test_a_state_is_what_was_rebuilt_and_the_error(toy, rng):
    dictionary = replace(a_dictionary(toy, 2), bias=rng(4).standard_normal(22).astype(ARRAY))
    tokens = toy.tokenize("the sea is deep")
    found = text_features(toy, tokens, dictionary)
    assert np.array_equal(found.rebuilt + found.error, found.rebuilt + (found.states - found.rebuilt))
    x = torch.from_numpy(found.states)
    a = torch.relu((x - torch.tensor(dictionary.bias)) @ torch.tensor(dictionary.encoder))
    expected = (a * (a > 0.5)) @ torch.tensor(dictionary.decoder) + torch.tensor(dictionary.bias)
    assert torch.allclose(reconstructed(dictionary, x), expected, atol=1e-5)


def test_orthonormal_directions_with_room_for_all_rebuild_exactly(toy, rng):
    axes = np.linalg.qr(rng(1).standard_normal((22, 22)))[0].astype(ARRAY)
    pair = np.concatenate([axes, -axes])
    parts = np.ascontiguousarray(pair.T), np.zeros(44, ARRAY), pair, rng(2).standard_normal(22).astype(ARRAY)
    dictionary = SparseDictionary("d", Site(1), TopK(22), *parts)
    x = torch.from_numpy(rng(3).standard_normal((30, 22)).astype(ARRAY))
    assert torch.allclose(reconstructed(dictionary, x), x, atol=1e-5)


def test_the_fingerprint_is_of_everything_that_decides_an_activation_and_of_nothing_else(toy):
    one = a_dictionary(toy, 2)
    assert replace(one, name="other", card={"seed": 1}).fingerprint == one.fingerprint
    changed = [
        replace(one, site=Site(1)),
        replace(one, kind=TopK(3)),
        replace(one, bias=one.bias + 1),
        replace(one, decoder=one.decoder * 2),
        replace(one, subtracts_bias=False),
        replace(one, kind=JumpRelu(np.full(41, 0.4, ARRAY))),
    ]
    assert len({each.fingerprint for each in (one, *changed)}) == len(changed) + 1


def test_every_kind_keeps_the_protocol(toy):
    sparse = a_dictionary(toy, 2)
    for each in (sparse, Rescaled(sparse, "layer_norm"), neurons(toy, 1)):
        assert isinstance(each, Dictionary)
        assert each.directions([0, 1]).shape == (2, each.width)
        assert each.encode(torch.ones(3, each.width)).shape == (3, each.features)


def test_shapes_that_disagree_and_numbers_that_are_not_finite_are_refused(toy, unchecked):
    one = a_dictionary(toy, 2)
    with pytest.raises(AnalysisError, match="bias of shape"):
        replace(one, bias=np.zeros(3, ARRAY))
    spoilt = one.decoder.copy()
    spoilt[0, 0] = np.inf
    with pytest.raises(AnalysisError, match="not finite"):
        replace(one, decoder=spoilt)


# ---- what fits


@pytest.mark.parametrize(
    ("named", "title", "same"),
    [
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct", True),
        ("smollm2-135m-instruct", "org/SmolLM2-135M-Instruct", True),
        ("HuggingFaceTB/SmolLM2-135M", "SmolLM2-135M-Instruct", False),
        ("gpt2-small", "openai-community/gpt2", True),
        ("gpt2", "gpt2-medium", False),
        ("", "anything", True),
    ],
)
def test_models_are_matched_by_the_last_part_of_their_names(named, title, same):
    assert same_model(named, title) is same


def test_a_place_fits_by_layer_and_width(toy):
    neurons_there = toy.n_neurons
    assert fits(toy, "", Site(0), 22) and fits(toy, toy.title, Site(3, "neurons"), neurons_there)
    assert not fits(toy, "", Site(4), 22) and not fits(toy, "", Site(0, "mlp"), 22)
    assert not fits(toy, "", Site(1), neurons_there) and not fits(toy, "other", Site(1), 22)


def test_another_model_is_refused_with_both_names(toy):
    with pytest.raises(AnalysisError, match=r"made for google/gemma.*toy"):
        replace(a_dictionary(toy, 2), model="google/gemma").require_fit(toy)
    with pytest.raises(AnalysisError, match="layer 7"):
        replace(a_dictionary(toy, 2), site=Site(7)).require_fit(toy)


# ---- what is written


def test_a_neuron_writes_its_column_of_the_last_map(toy):
    dictionary = neurons(toy, 2)
    found = written(toy, dictionary, [0, 5])
    weight = toy.parts.neurons[1].weight.float().numpy()
    columns = weight.T if weight.shape[0] == toy.d_model else weight
    assert np.allclose(found, columns[[0, 5]] * toy.parts.write_scale, atol=1e-6)


def test_a_feature_of_the_residual_stream_writes_its_direction(toy):
    dictionary = a_dictionary(toy, 2)
    assert np.array_equal(written(toy, dictionary, [3]), dictionary.decoder[[3]])
    assert written(toy, dictionary).shape == (41, 22)
