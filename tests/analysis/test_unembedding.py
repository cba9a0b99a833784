"""Directions of tokens: against autograd, the planted toy, and the causal inner product by hand."""

import itertools

import numpy as np
import pytest
import torch

from analysis.edits import BASE, Site, Steer, Variant
from analysis.errors import AnalysisError
from analysis.methods.unembedding import causal, towards_token
from analysis.models import toy as toys
from analysis.next_token import norm_gain

MAPPED = ("opt-projected", "opt-post-norm")
"""Families whose states are mapped once more between the final norm and the unembedding."""


def cosine(a, b) -> float:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def without(vector, axis):
    return vector - axis * (vector @ axis) / (axis @ axis)


# worked values


def test_the_planted_token_has_the_planted_direction(planted):
    token = planted.tokenizer.find(toys.PLANTED_TOKEN)
    for product in ("euclidean", "causal"):
        direction = towards_token(planted, token, product=product)
        assert cosine(direction.unit(2), toys.planted_direction()) > 0.99
    others = [towards_token(planted, other) for other in range(60, 90) if other != token]
    assert max(abs(cosine(other.unit(2), toys.planted_direction())) for other in others) < 0.2


def test_adding_the_direction_of_a_token_raises_exactly_that_token(planted):
    token = planted.tokenizer.find(toys.PLANTED_TOKEN)
    direction = towards_token(planted, token)
    steered = [
        Variant(f"at {layer}", (Steer(Site(layer), direction.unit(layer), 3.0),))
        for layer in direction.layers
    ]
    trace = planted.run("The sea is", variants=(BASE, *steered))
    last = torch.from_numpy(trace.values[trace.index(Site(3)), :, -1].copy())
    rows = planted.on_worker(lambda: planted.read_out(last).log_softmax(-1)).numpy()
    assert rows[0].argmax() != token
    assert (rows[1:].argmax(-1) == token).all()
    assert ((rows[1:] - rows[0]).argmax(-1) == token).all()


def test_without_a_second_token_the_average_one_stands_against_it(toy):
    words = toy.parts.head.weight.double().numpy()
    gain = toy.parts.norm.weight.double().numpy()
    direction = towards_token(toy, 70)
    assert direction.layers == (0, 1, 2, 3)
    assert (direction.values == direction.values[0]).all()
    assert np.allclose(direction.values[0], gain * (words[70] - words.mean(0)), rtol=1e-4, atol=1e-5)
    against = towards_token(toy, 70, 71)
    assert np.allclose(against.values[0], gain * (words[70] - words[71]), rtol=1e-4, atol=1e-5)
    assert np.array_equal(towards_token(toy, 71, 70).values, -against.values)


def test_a_direction_of_a_token_says_what_it_is(toy):
    direction = towards_token(toy, toy.tokenizer.find("a"), toy.tokenizer.find(" "))
    assert direction.name == "a over ·"
    assert direction.how == "The unembedding of a minus that of ·, through the final norm’s gain."
    assert "2311.03658" in direction.source
    assert direction.layer == 2  # three quarters of three blocks
    assert (direction.separation, direction.probe) == ((), None)
    other = towards_token(toy, 70, product="causal")
    assert other.how.endswith("minus that of the average token, with the causal inner product.")
    direction.require_fit(toy)


# against autograd


def test_the_gain_is_the_norms_weight_in_every_family(family):
    if family.name in MAPPED:
        with pytest.raises(AnalysisError, match="maps states once more after its final norm"):
            norm_gain(family.model)
        with pytest.raises(AnalysisError, match="Build a direction from examples"):
            towards_token(family.model, 70)
        return
    weight = family.model.parts.norm.weight.double().numpy()
    gain = 1 + weight if family.name.startswith("gemma") else weight
    assert np.allclose(norm_gain(family.model), gain, rtol=1e-4, atol=1e-4)  # the norm's epsilon, 1e-5 of 1


def test_the_direction_is_the_gradient_of_the_logit_difference(family):
    if family.name in MAPPED:
        return
    parts, token, against = family.model.parts, 70, 101
    state = np.random.default_rng(0).normal(size=family.model.d_model)
    state = torch.tensor(state - state.mean(), dtype=torch.float32, requires_grad=True)
    with torch.enable_grad():
        # before a softcap: it bends the two logits by different amounts
        logits = parts.head(parts.norm(state[None]))[0]
        (gradient,) = torch.autograd.grad(logits[token] - logits[against], state)
    gradient, state = gradient.double().numpy(), state.detach().double().numpy()
    want = without(towards_token(family.model, token, against).values[0].astype(np.float64), state)
    with torch.inference_mode():
        shifted = parts.norm(torch.from_numpy(np.stack([state, state + 1])).float())
    if torch.allclose(shifted[0], shifted[1], atol=1e-4):  # a norm that centres does not see the mean
        want = without(want, np.ones_like(state))
    assert cosine(want, gradient) > 0.999
    assert abs(gradient @ state) < 1e-4 * np.linalg.norm(gradient) * np.linalg.norm(state)


# the causal inner product


def test_the_causal_vector_in_closed_form(rng):
    words = rng(1).normal(size=(50, 5)) @ rng(2).normal(size=(5, 5))
    difference = words[3] - words[8]
    centred = words - words.mean(0)
    want = np.linalg.solve(centred.T @ centred / 50, difference)
    assert np.allclose(causal(words, difference), want, rtol=1e-9)


def test_the_causal_vector_by_hand():
    words = np.array([[3.0, 1], [3, -1], [-3, 1], [-3, -1]])  # covariance diag(9, 1)
    assert np.allclose(causal(words, np.array([6.0, 2])), [6 / 9, 2], atol=1e-12)


def test_rows_that_occur_several_times_count_once(rng):
    words = rng(3).normal(size=(40, 4))
    padded = np.concatenate([words, np.repeat(words[:1], 100, 0)])
    difference = words[0] - words[1]
    assert np.allclose(causal(padded, difference), causal(words, difference), rtol=1e-9)


def test_numbers_that_no_word_uses_do_not_explode(rng):
    words = rng(4).normal(size=(40, 6))
    words[:, 2] = 0
    vector = causal(words, words[0] - words[1])
    assert np.isfinite(vector).all()
    assert abs(vector[2]) < 1e-6


def test_whitened_words_have_unit_covariance_and_keep_their_products(rng):
    words, state = rng(5).normal(size=(60, 4)) @ rng(6).normal(size=(4, 4)), rng(7).normal(size=4)
    inverse = np.stack([causal(words, axis) for axis in np.eye(4)])  # S^-1, row by row
    assert np.allclose(inverse, inverse.T, rtol=1e-8)
    size, axes = np.linalg.eigh(inverse)
    root = axes @ np.diag(np.sqrt(size)) @ axes.T  # S^(-1/2)
    whitened = words @ root
    assert np.allclose(np.cov(whitened, rowvar=False, bias=True), np.eye(4), atol=1e-9)
    assert np.allclose(whitened @ (np.linalg.inv(root) @ state), words @ state, atol=1e-9)


def test_the_causal_product_does_not_depend_on_the_basis(rng):
    words, mixing = rng(8).normal(size=(60, 4)), rng(9).normal(size=(4, 4))
    mixed = words @ mixing.T + 3

    def product(table, a, b):
        return (table[a] - table[b]) @ causal(table, table[2] - table[5])

    for a, b in ((0, 1), (2, 5), (7, 30)):
        assert product(mixed, a, b) == pytest.approx(product(words, a, b), rel=1e-7)
    euclid = [(table[0] - table[1]) @ (table[2] - table[5]) for table in (words, mixed)]
    assert euclid[0] != pytest.approx(euclid[1], rel=0.1)


def test_moving_a_state_causally_leaves_unrelated_contrasts_alone(rng):
    """Words that are every combination of four concepts, each concept on an axis of a skew basis."""
    mixing = rng(10).normal(size=(4, 4))
    choices = np.array(list(itertools.product((1.0, -1.0), repeat=4)))
    words = choices @ mixing.T
    state = rng(11).normal(size=4)
    first = words[0] - words[8]  # differ in the first concept alone
    moved = state + causal(words, first)
    for other in (4, 2, 1):  # words that differ from the first one in another concept
        contrast = words[0] - words[other]
        assert contrast @ moved == pytest.approx(contrast @ state, abs=1e-6)
        assert abs(contrast @ first) > 0.1, "the plain difference would have moved it"
    assert first @ moved > first @ state + 0.1


def test_the_causal_direction_is_divided_by_the_gain_of_the_norm(toy):
    words = toy.parts.head.weight.double().numpy()
    gain = toy.parts.norm.weight.double().numpy()
    direction = towards_token(toy, 70, 101, product="causal")
    assert np.allclose(
        direction.values[0] * gain, causal(words, words[70] - words[101]), rtol=1e-3, atol=1e-4
    )
    assert cosine(direction.values[0], towards_token(toy, 70, 101).values[0]) < 0.99


# contracts


def test_tokens_that_cannot_be_meant_are_refused(toy):
    with pytest.raises(AnalysisError, match="Both tokens are the same"):
        towards_token(toy, 70, 70)
    for token, against in ((283, None), (-1, None), (70, 283), (70, -1)):
        wrong = against if token == 70 else token
        with pytest.raises(
            AnalysisError, match=f"Token {wrong} does not exist: this vocabulary has 283 entries"
        ):
            towards_token(toy, token, against)
