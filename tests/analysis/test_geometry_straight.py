"""How straight and how linear: paths of known bends, maps of known fit, blocks that add nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ortho_group

from analysis.corpora import Corpus
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.geometry.blocks import (
    histogram_entropy,
    influences,
    kernel_entropy,
    median_square,
    neighbour_entropy,
)
from analysis.geometry.cloud import Cloud, standard_normal
from analysis.geometry.context import beyond_embedding, mean_cosine, mean_over_tokens, self_similarities
from analysis.geometry.curvature import angles, apart, mean_over_texts, state_angles, turns
from analysis.geometry.least_squares import LeastSquares, dealt_parts, spread
from analysis.geometry.linearity import linearity
from analysis.geometry.measures.straight import STRAIGHT
from analysis.geometry.skips import read_skips
from analysis.knobs import knobs
from analysis.models import toy as toys
from analysis.results import Bounds

TEXT = "The sea is deep and the other one is not."
MEASURES = {each.id: each for each in STRAIGHT}
ON_CLOUDS = [each for each in STRAIGHT if each.reads == "cloud"]


def one_text(states) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    states = np.asarray(states, np.float32)
    return states, np.zeros(len(states), np.int64), np.arange(len(states))


def cloud_of(values, texts: int = 1, token=None) -> Cloud:
    values = np.asarray(values, np.float32)
    count = values.shape[1]
    own = count // texts
    return Cloud(
        name="made",
        layers=tuple(range(len(values))),
        values=values,
        rows=np.arange(count),
        text=np.arange(count) // own,
        position=np.arange(count) % own + 1,
        token=np.arange(count) if token is None else np.asarray(token),
        shown=("a",) * count,
    )


def found(id: str, cloud, layer: int, **turned):
    measure = MEASURES[id]
    params = measure.params(**turned)
    assert measure.needs(cloud, params) == ""
    return measure.at(cloud, layer, params)


# curvature


def test_a_straight_line_does_not_bend(rng):
    direction = rng(0).normal(size=7)
    path = one_text(100 + np.cumsum(rng(1).uniform(1, 3, 9))[:, None] * direction)
    np.testing.assert_allclose(turns(*path)[0][1:-1], 0, atol=1e-4)  # float32 points
    exact = one_text(np.arange(9)[:, None] * np.array([1.0, 2, -4]))
    assert np.abs(turns(*exact)[0][1:-1]).max() < 1e-6


@pytest.mark.parametrize("corners", [3, 4, 6, 12])
def test_a_regular_polygon_bends_by_its_outer_angle(corners):
    around = np.arange(2 * corners) * 2 * np.pi / corners
    bends, lost = turns(*one_text(np.stack([np.cos(around), np.sin(around)], 1)))
    np.testing.assert_allclose(bends[1:-1], 2 * np.pi / corners, atol=1e-5)
    assert lost == 0 and np.isnan(bends[[0, -1]]).all()


def test_a_staircase_bends_by_right_angles():
    stairs = np.repeat(np.arange(6), 2)[:11]
    bends, _ = turns(*one_text(np.stack([stairs[1:], stairs[:-1]], 1)))
    np.testing.assert_allclose(bends[1:-1], np.pi / 2, atol=1e-6)


def test_turning_back_is_the_largest_bend():
    assert turns(*one_text([[0, 0], [1, 0], [0.5, 0]]))[0][1] == pytest.approx(np.pi, abs=1e-6)


def test_curvature_is_the_papers_formula(rng):
    states = rng(0).normal(size=(20, 5)).astype(np.float32)
    steps = np.diff(states.astype(np.float64), axis=0)
    unit = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    expected = np.arccos((unit[1:] * unit[:-1]).sum(1))
    np.testing.assert_allclose(turns(*one_text(states))[0][1:-1], expected, atol=1e-5)
    assert found("curvature", cloud_of(states[None]), 0).value == pytest.approx(expected.mean(), abs=1e-5)


def test_curvature_knows_neither_rotation_nor_place_nor_scale(rng):
    states = rng(0).normal(size=(30, 6))
    moved = 5 * states @ ortho_group.rvs(6, random_state=1) + 3
    np.testing.assert_allclose(turns(*one_text(states))[0], turns(*one_text(moved))[0], atol=1e-4)


def test_independent_tokens_bend_by_two_thirds_of_pi_and_a_random_walk_by_a_right_angle(rng):
    states = rng(0).normal(size=(2000, 576))
    assert np.nanmean(turns(*one_text(states))[0]) == pytest.approx(2 * np.pi / 3, abs=0.005)
    assert np.nanmean(turns(*one_text(np.cumsum(states, 0)))[0]) == pytest.approx(np.pi / 2, abs=0.005)


def test_steps_of_no_length_are_left_out_and_counted():
    bends, lost = turns(*one_text([[0, 0], [1, 0], [1, 0], [1, 1], [2, 1], [2, 2]]))
    assert lost == 2
    np.testing.assert_allclose(bends[3:5], np.pi / 2, atol=1e-6)
    assert np.isnan(bends[[0, 1, 2, 5]]).all()


def test_no_step_crosses_a_gap_or_the_end_of_a_text():
    text, position = np.array([0, 0, 0, 0, 1, 1, 1]), np.array([1, 2, 4, 5, 0, 1, 2])
    first, second = apart(text, position, 1)
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 1), (2, 3), (4, 5), (5, 6)]
    assert list(zip(*(each.tolist() for each in apart(text, position, 2)), strict=True)) == [(1, 2), (4, 6)]
    states = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    assert np.flatnonzero(~np.isnan(turns(states, text, position)[0])).tolist() == [5]
    assert not len(apart(text[:0], position[:0], 1)[0])


def test_every_text_counts_alike_however_long_it_is():
    values, text = np.array([1, np.nan, 1, 1, 4], np.float32), np.array([0, 0, 0, 0, 1])
    assert mean_over_texts(values, text) == (2.5, 2)
    assert np.isnan(mean_over_texts(values[1:2], text[1:2])[0])


def test_angles_near_zero_are_exact():
    one = np.array([[1, 0]], np.float32)
    for angle in (1e-5, 1e-3, 1.0):
        other = np.array([[np.cos(angle), np.sin(angle)]], np.float32)
        assert angles(one, other)[0] == pytest.approx(angle, rel=1e-3)
    assert angles(one, one)[0] == 0 and angles(one, -one)[0] == pytest.approx(np.pi, abs=1e-6)
    assert np.isnan(angles(one, 0 * one)[0])


@pytest.mark.parametrize("k", [1, 2, 5])
def test_angles_between_states_are_those_of_the_published_code(rng, k):
    prompt = rng(k).normal(size=(17, 6)) + 2
    centred = prompt - prompt.mean(0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    pairs = [np.arccos(np.clip(unit[i] @ unit[i + k], -1, 1)) for i in range(len(unit) - k)]
    both = np.concatenate([prompt, 3 * prompt])[None]
    result = found("state_angle", cloud_of(both, texts=2), 0, tokens=k)
    assert result.value == pytest.approx(np.mean(pairs), abs=1e-5)
    np.testing.assert_allclose(result.per_point[: 17 - k], pairs, atol=1e-5)


def test_a_state_in_the_mean_of_its_text_has_no_angle():
    states = one_text([[1, 0], [0, 0], [-1, 0]])
    assert np.isnan(state_angles(*states)).all()
    assert state_angles(*states, tokens=2)[0] == pytest.approx(np.pi, abs=1e-6)


# linearity


def r2_of(x, y) -> float:
    """The published formula, by singular values in float64."""
    x, y = (np.asarray(each, np.float64) for each in (x, y))
    x, y = x - x.mean(0), y - y.mean(0)
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    return 1 - ((x @ np.linalg.lstsq(x, y, rcond=None)[0] - y) ** 2).sum()


def bent(rng, points=400, width=17, small=1e-3):
    """A cloud whose axes differ a thousandfold, and the same after a step that is not linear."""
    below = (
        rng(0).normal(size=(points, width))
        * np.geomspace(1, small, width)
        @ ortho_group.rvs(width, random_state=2)
    )
    below[:, 3] *= 300
    above = below + 0.03 * np.tanh(below @ rng(3).normal(size=(width, width)) * 3)
    return below.astype(np.float32), above.astype(np.float32)


def test_linearity_is_the_published_formula_to_many_digits(rng):
    below, above = bent(rng)
    fit = linearity(below, above)
    assert 1 - fit.with_skip == pytest.approx(1 - r2_of(below, above), rel=1e-4)
    assert fit.without_skip == pytest.approx(r2_of(below, above.astype(np.float64) - below), abs=1e-4)
    assert 0.01 < fit.without_skip < 0.99


def test_an_exact_linear_map_is_linear(rng):
    below = rng(0).normal(size=(300, 11)).astype(np.float32)
    above = (below @ rng(1).normal(size=(11, 11)) + 7).astype(np.float32)
    fit = linearity(below, above)
    assert fit.with_skip == pytest.approx(1, abs=1e-9) and fit.without_skip == pytest.approx(1, abs=1e-9)
    assert fit.relative.max() < 1e-4


def test_independent_layers_give_dimensions_over_points(rng):
    below, above = rng(0).normal(size=(2, 600, 173)).astype(np.float32)
    fit = linearity(below, above)
    assert fit.with_skip == pytest.approx(173 / 599, abs=0.01)
    assert fit.without_skip == pytest.approx((1 + 173 / 599) / 2, abs=0.01)


def test_linearity_knows_no_invertible_map_below_and_no_rotation_and_scale_above(rng):
    below, above = bent(rng, small=0.3)
    base = linearity(below, above).with_skip
    mixed = (below @ rng(5).normal(size=(17, 17))).astype(np.float32)
    turned = (3 * above @ ortho_group.rvs(17, random_state=4)).astype(np.float32)
    assert linearity(mixed, turned).with_skip == pytest.approx(base, abs=1e-6)


def test_what_is_carried_over_makes_a_step_look_linear(rng):
    below, noise = rng(0).normal(size=(2, 2000, 20)).astype(np.float32)
    fit = linearity(below, below + 0.08 * noise)
    assert fit.with_skip > 0.99 and fit.without_skip < 0.02


def test_what_is_missed_of_the_tokens_adds_up_to_what_is_not_linear(rng):
    below, above = bent(rng)
    fit = linearity(below, above)
    assert (fit.relative.astype(np.float64) ** 2).mean() == pytest.approx(1 - fit.with_skip, rel=1e-4)
    cloud = cloud_of([below, above], texts=10)
    each = found("token_nonlinearity", cloud, 1)
    assert each.value == pytest.approx(fit.relative.mean())
    assert each.beside["in units of the residual stream"] == pytest.approx(fit.missed.mean(), rel=1e-6)


def test_missed_tokens_are_those_of_the_same_map(rng):
    below, above = bent(rng)
    x, y = (each.astype(np.float64) - each.mean(0, dtype=np.float64) for each in (below, above))
    expected = np.linalg.norm(x @ np.linalg.lstsq(x, y, rcond=None)[0] - y, axis=1)
    np.testing.assert_allclose(linearity(below, above).missed, expected, rtol=1e-3, atol=1e-6)


def test_a_token_that_jumps_is_the_one_the_map_misses(rng):
    below = rng(0).normal(size=(500, 8)).astype(np.float32)
    above = below.copy()
    above[123] += 5
    assert linearity(below, above).missed.argmax() == 123


def test_fewer_points_than_dimensions_fit_exactly_and_predict_nothing(rng):
    below, above = rng(0).normal(size=(2, 40, 60)).astype(np.float32)
    fit = linearity(below, above, dealt_parts(np.arange(40) // 4, 5))
    assert fit.with_skip == pytest.approx(1, abs=1e-6)
    assert fit.held_out_with_skip < 0.5


def test_repeated_states_and_a_number_that_never_changes_do_no_harm(rng):
    states = rng(0).normal(size=(50, 6)).astype(np.float32)[rng(1).integers(0, 50, 400)]
    states[:, 2] = 4
    above = states + np.tanh(states)
    assert linearity(states, above).with_skip == pytest.approx(r2_of(states, above), abs=1e-6)


def test_held_out_texts_are_predicted_by_a_map_of_the_others(rng):
    below, above = bent(rng, points=300)
    part = dealt_parts(np.arange(300) // 10, 5)
    fit = linearity(below, above, part)
    out = part == 0
    x, y = below.astype(np.float64), above.astype(np.float64)
    middle = x[~out].mean(0), y[~out].mean(0)
    fitted = np.linalg.lstsq(x[~out] - middle[0], y[~out] - middle[1], rcond=None)[0]
    left = y[out] - middle[1] - (x[out] - middle[0]) @ fitted
    expected = 1 - (left**2).sum() / ((y[out] - y[out].mean(0)) ** 2).sum()
    assert 1 - fit.held_out_with_skip == pytest.approx(1 - expected, rel=1e-3)
    assert fit.held_out_without_skip < fit.without_skip
    assert np.isnan(linearity(below, above).held_out_with_skip)


def test_texts_are_dealt_whole_and_evenly():
    text = np.repeat([3, 5, 6, 9, 11, 12, 20], 4)
    part = dealt_parts(text, 3)
    assert all(len(set(part[text == each])) == 1 for each in set(text))
    assert sorted(np.bincount(part) // 4) == [2, 2, 3]
    assert set(dealt_parts(np.zeros(5, np.int64), 3)) == {0}


def test_layers_that_do_not_vary_are_refused(rng):
    states = rng(0).normal(size=(30, 4)).astype(np.float32)
    with pytest.raises(AnalysisError, match="All states of a layer are equal"):
        linearity(np.ones_like(states), states)
    with pytest.raises(AnalysisError, match="All states of a layer are equal"):
        linearity(states, np.full_like(states, 0.1))
    still = linearity(states, states + 1)
    assert still.with_skip == pytest.approx(1)
    with pytest.raises(AnalysisError, match="same step"):
        _ = still.without_skip


def test_a_spread_that_is_rounding_is_none():
    assert spread(np.full((1000, 3), 0.1, np.float32)) == 0
    assert spread(np.array([[1, 0], [-1, 0]], np.float32)) == 1


# context


def test_the_embedding_tells_all_of_itself_and_nothing_of_noise(rng):
    embeddings = rng(0).normal(size=(90, 12)).astype(np.float32)[rng(1).integers(0, 90, 3000)]
    noise = rng(2).normal(size=(3000, 12)).astype(np.float32)
    cloud = cloud_of(
        [embeddings, embeddings @ rng(3).normal(size=(12, 12)), embeddings + 3 * noise, noise], texts=30
    )
    shares = [found("contextualisation", cloud, layer).value for layer in cloud.layers]
    assert shares[0] == pytest.approx(0, abs=1e-9) and shares[1] == pytest.approx(0, abs=1e-6)
    assert shares[2] == pytest.approx(0.9, abs=0.03)
    assert shares[3] == pytest.approx(1, abs=0.02) and shares[3] > 1


def test_no_text_takes_part_in_what_predicts_it(rng):
    embeddings, states = rng(0).normal(size=(2, 60, 4)).astype(np.float32)
    part = dealt_parts(np.arange(60) // 10, 3)
    squares = LeastSquares(embeddings, part, (0, 1, 2))
    shares = beyond_embedding(squares, embeddings, states)
    for held in range(3):
        out = part == held
        x, y = embeddings.astype(np.float64), states.astype(np.float64)
        middle = x[~out].mean(0), y[~out].mean(0)
        fitted = np.linalg.lstsq(x[~out] - middle[0], y[~out] - middle[1], rcond=None)[0]
        left = y[out] - middle[1] - (x[out] - middle[0]) @ fitted
        np.testing.assert_allclose(shares[out], (left**2).sum(1) / spread(states), rtol=1e-4)
    with pytest.raises(AnalysisError, match="nothing to predict"):
        beyond_embedding(squares, embeddings, np.ones_like(states))


def test_self_similarity_by_hand():
    states = np.array([[1, 0], [0, 2], [3, 0], [0, 1], [-1, 0]], np.float32)
    token = np.array([7, 7, 7, 2, 5])
    np.testing.assert_allclose(self_similarities(states, token), [0.5, 0, 0.5, np.nan, np.nan], atol=1e-12)
    assert np.isnan(self_similarities(states, token, fewest=4)).all()
    # pairs: 0·1 0, 0·2 1, 0·3 0, 0·4 -1, 1·2 0, 1·3 1, 1·4 0, 2·3 0, 2·4 -1, 3·4 0
    assert mean_cosine(states) == pytest.approx(0, abs=1e-12)
    result = found("self_similarity", cloud_of(states[None], token=token), 0, fewest=3)
    assert result.value == pytest.approx(1 / 3)
    assert result.beside["tokens that recur"] == 1


def test_a_frequent_token_counts_no_more_than_another():
    assert mean_over_tokens(np.array([0, 0, 0, 1, 1, np.nan]), np.array([1, 1, 1, 2, 2, 3])) == 0.5
    assert np.isnan(mean_over_tokens(np.array([np.nan]), np.array([1])))


def test_mean_cosine_is_that_of_all_pairs(rng):
    states = rng(0).normal(size=(40, 6)).astype(np.float32) + 1
    unit = states / np.linalg.norm(states, axis=1, keepdims=True)
    expected = (unit @ unit.T)[np.triu_indices(40, 1)].mean()
    assert mean_cosine(states) == pytest.approx(expected, abs=1e-6)
    assert np.isnan(mean_cosine(np.zeros((4, 3), np.float32)))


def test_states_that_are_their_tokens_are_as_alike_as_can_be(rng):
    token = rng(0).integers(0, 20, 400)
    states = rng(1).normal(size=(20, 9)).astype(np.float32)[token]
    np.testing.assert_allclose(self_similarities(states, token, 5), 1, atol=1e-6)
    strangers = rng(2).normal(size=(400, 9)).astype(np.float32)
    assert abs(found("self_similarity", cloud_of(strangers[None], token=token), 0).value) < 0.03


# blocks


def test_block_influence_by_hand():
    below = np.array([[1, 0], [1, 0], [1, 0], [2, 0], [0, 0]], np.float32)
    above = np.array([[3, 0], [0, 1], [-2, 0], [1, 1], [1, 0]], np.float32)
    np.testing.assert_allclose(influences(below, above), [0, 1, 2, 1 - 0.5**0.5, np.nan], atol=1e-6)


def test_a_block_that_changes_nothing_has_no_influence_and_adds_no_entropy(rng):
    states = rng(0).normal(size=(300, 7)).astype(np.float32)
    cloud = cloud_of([states, states])
    assert found("block_influence", cloud, 1).value == 0
    for estimator in ("histogram", "kernel", "neighbours"):
        assert found("entropy_gain", cloud, 1, estimator=estimator).value == 0


def test_a_histogram_of_evenly_spread_numbers_has_the_logarithm_of_its_bins():
    even = np.stack([np.arange(1000), -7 * np.arange(1000) + 3], 1).astype(np.float32)
    assert histogram_entropy(even, 20) == pytest.approx(2 * np.log(20), abs=0.01)
    halves = np.repeat([[0.0, 5.0], [1.0, 5.0]], 4, axis=0).astype(np.float32)
    assert histogram_entropy(halves, 10) == pytest.approx(np.log(2))
    assert histogram_entropy(halves[:4], 10) == 0


def test_histograms_know_neither_unit_nor_place(rng):
    states = rng(0).normal(size=(500, 4)).astype(np.float32)
    moved = states * np.array([2, -0.5, 4, 8], np.float32)
    assert histogram_entropy(moved, 20) == pytest.approx(histogram_entropy(states, 20), abs=0.05)


def test_noise_adds_entropy_whichever_way_it_is_measured(rng):
    clusters = rng(0).normal(size=(3, 5)).astype(np.float32)[rng(1).integers(0, 3, 900)]
    clusters += 0.01 * rng(2).normal(size=clusters.shape).astype(np.float32)
    noisy = clusters + 0.5 * rng(3).normal(size=clusters.shape).astype(np.float32)
    for estimator in ("histogram", "kernel", "neighbours"):
        assert found("entropy_gain", cloud_of([clusters, noisy]), 1, estimator=estimator).value > 0.05


@pytest.mark.parametrize("width", [1, 3, 5])
def test_neighbours_find_the_entropy_of_a_normal_distribution(rng, width):
    states = 2.5 * rng(0).normal(size=(4000, width)).astype(np.float32)
    expected = width / 2 * np.log(2 * np.pi * np.e * 2.5**2)
    assert neighbour_entropy(states) == pytest.approx(expected, rel=0.02)
    assert neighbour_entropy(np.repeat(states[:500], 3, axis=0)) == neighbour_entropy(states[:500])
    with pytest.raises(AnalysisError, match="6 different points; there are 4"):
        neighbour_entropy(np.repeat(states[:4], 5, axis=0))


def test_a_kernels_entropy_is_that_of_its_eigenvalues(rng):
    states = rng(0).normal(size=(60, 3)).astype(np.float32)
    squares = ((states[:, None].astype(np.float64) - states[None]) ** 2).sum(-1)
    width = median_square(states)
    assert width == pytest.approx(np.median(squares[np.triu_indices(60, 1)]))
    kernel = np.exp(-squares / (2 * width)) / 60
    shares = np.linalg.eigvalsh(kernel)
    assert kernel_entropy(states, width, 4) == pytest.approx(-np.log((shares**4).sum()) / 3, rel=1e-6)
    assert kernel_entropy(states, width, 2) == pytest.approx(-np.log((shares**2).sum()), rel=1e-6)
    assert kernel_entropy(np.ones((60, 3), np.float32), width) == pytest.approx(0, abs=1e-12)
    assert kernel_entropy(1e4 * states, width) == pytest.approx(np.log(60), rel=1e-6)
    with pytest.raises(AnalysisError, match="coincide"):
        kernel_entropy(states, median_square(np.ones((5, 2), np.float32)))
    with pytest.raises(AnalysisError, match="order 2 or 4"):
        kernel_entropy(states, width, 3)


# passing blocks over


def corpus(*texts: str) -> Corpus:
    return Corpus("c", "a corpus", texts, pd.DataFrame(index=range(len(texts))))


def test_a_block_that_adds_nothing_costs_nothing_at_all(wrapped):
    made = toys.build("toy:random")
    block = made.network.model.layers[1]
    with torch.no_grad():
        block.self_attn.o_proj.weight.zero_()
        block.mlp.down_proj.weight.zero_()
    model = wrapped(made.network, made.tokenizer, "toy with an idle block")
    skips = read_skips(model, corpus(TEXT, "Another text.", "A third."))
    assert skips.layers == (1, 2, 3)
    assert (skips.rise(2) == 0).all() and skips.nats[1] == 0
    assert (skips.rise(1) != 0).any() and (skips.rise(3) != 0).any()
    model.close()


def test_a_block_costs_what_a_network_without_it_loses(toy, wrapped):
    skips = read_skips(toy, corpus(TEXT))
    tokens = toy.tokenize(TEXT)
    for layer in (1, 2, 3):
        made = toys.build("toy:random")
        kept = [block for number, block in enumerate(made.network.model.layers, 1) if number != layer]
        for number, block in enumerate(kept):
            block.self_attn.layer_idx = number
        made.network.model.layers = torch.nn.ModuleList(kept)
        made.network.config.num_hidden_layers = 2
        with torch.inference_mode():
            logits = made.network(torch.tensor([tokens.ids])).logits[0].double().log_softmax(-1)
        losses = -logits[:-1].gather(1, torch.tensor(tokens.ids[1:])[:, None])[:, 0].numpy()
        np.testing.assert_allclose(skips.without[layer - 1], losses, rtol=1e-4)
        expected = losses.mean() - skips.base_nats
        result = found("skip_cost", skips, layer)
        assert (
            result.value
            == pytest.approx(expected, abs=1e-4)
            == pytest.approx(skips.nats[layer - 1], abs=1e-4)
        )
        assert result.beside["share of tokens predicted worse"] == (losses > skips.base).mean()


def test_losses_belong_to_the_tokens_of_texts_of_any_length(toy):
    texts = (TEXT, "Short.", "Somewhat longer than that.")
    together, length = read_skips(toy, corpus(*texts, texts[0])), 12
    alone = [read_skips(toy, corpus(each)) for each in texts]
    assert len(together) == sum(map(len, alone)) == len(together.shown)
    rows = [np.concatenate([each.base[:, None], each.without.T], 1) for each in alone]
    for number in range(3):
        own = together.text == number
        joint = np.concatenate([together.base[own, None], together.without[:, own].T], 1)
        match = next(each for each in rows if len(each) == len(joint))
        np.testing.assert_allclose(joint, match, atol=1e-4)
    cut = read_skips(toy, corpus(*texts), texts=2, length=length)
    assert len(set(cut.text)) == 2 and cut.position.max() < length and cut.position.min() == 1


def test_texts_without_a_prediction_are_refused(toy):
    with pytest.raises(AnalysisError, match="No text has two tokens"):
        read_skips(toy, corpus("a"))
    with pytest.raises(AnalysisError, match="two tokens; asked for 0"):
        read_skips(toy, corpus(TEXT), texts=0)
    with pytest.raises(AnalysisError, match="No block ends at layer 0"):
        read_skips(toy, corpus(TEXT)).rise(0)


def test_progress_counts_the_blocks(toy):
    told = []
    read_skips(toy, corpus(TEXT), report=lambda message, done=0, total=None: told.append((done, total)))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]


# the list


def states_of(toy) -> Cloud:
    texts = [TEXT, "The other text is about the other sea.", "There is the one and the other in it."]
    traces = [toy.run(each) for each in texts]
    values = [np.stack([trace.at(Site(layer))[1:] for layer in range(4)]) for trace in traces]
    lengths = [each.shape[1] for each in values]
    return Cloud(
        name="texts",
        layers=(0, 1, 2, 3),
        values=np.concatenate(values, 1),
        rows=np.arange(sum(lengths)),
        text=np.repeat(np.arange(3), lengths),
        position=np.concatenate([np.arange(1, n + 1) for n in lengths]),
        token=np.concatenate([trace.tokens[0].ids[1:] for trace in traces]),
        shown=("x",) * sum(lengths),
    )


@pytest.mark.parametrize("measure", ON_CLOUDS, ids=lambda each: each.id)
def test_every_measure_can_be_taken_of_states_and_of_their_controls(toy, measure):
    cloud = states_of(toy)
    for given in (cloud, standard_normal(cloud)):
        params = measure.params()
        assert measure.needs(given, params) == ""
        for layer in given.layers[1:]:
            one, again = measure.at(given, layer, params), measure.at(replace(given, _made={}), layer, params)
            assert np.isfinite(one.value) and one.value == again.value
            measure.bounds.require(np.array([one.value], np.float32), measure.title)
            assert (one.per_point is not None) == bool(measure.per_point)
            if one.per_point is not None:
                assert one.per_point.shape == (len(given),) and one.per_point.dtype == np.float32


@pytest.mark.parametrize("measure", ON_CLOUDS, ids=lambda each: each.id)
def test_what_cannot_be_measured_is_said_with_numbers(toy, measure):
    cloud = states_of(toy)
    ids = (each[:1] for each in (cloud.text, cloud.position, cloud.token))
    single = Cloud("one", (2,), cloud.values[2:3], cloud.rows[:1], *ids, ("x",))
    sentence = measure.needs(single, measure.params())
    assert (
        sentence.endswith(".") and any(each.isdigit() for each in sentence) or "two layers; one" in sentence
    )


def test_the_gaussian_values_are_those_that_are_said(rng):
    count, width = 2400, 60
    cloud = standard_normal(
        cloud_of(np.zeros((2, count, width)), texts=120, token=rng(0).integers(0, 200, count))
    )
    share = width / (count - 1)
    expected = {
        "curvature": 2 * np.pi / 3,
        "state_angle": np.pi / 2 + 1 / 19,
        "linearity": share,
        "linearity_without_skip": (1 + share) / 2,
        "token_nonlinearity": np.sqrt(1 - share),
        "contextualisation": 1 / (1 - width / (count * 2 / 3)),
        "self_similarity": 0,
        "block_influence": 1,
    }
    for id, value in expected.items():
        assert MEASURES[id].gaussian
        assert found(id, cloud, 1).value == pytest.approx(value, abs=0.012), id


def test_linearity_shows_held_out_texts_where_asked(rng):
    below, above = bent(rng)
    cloud = cloud_of([below, above], texts=20)
    same, out = (found("linearity_without_skip", cloud, 1, tested=each) for each in ("same", "held_out"))
    assert out.value < same.value and dict(out.beside) == dict(same.beside)
    assert out.value == same.beside["R2 on held-out texts"]
    measure = MEASURES["linearity"]
    assert "at least 2 texts" in measure.needs(cloud_of([below, above]), measure.params(tested="held_out"))


def test_knobs_turn_what_they_name():
    named = {(id, each.name) for id, measure in MEASURES.items() for each in knobs(measure.params)}
    assert named == {
        ("state_angle", "tokens"),
        ("linearity", "tested"),
        ("linearity_without_skip", "tested"),
        ("self_similarity", "fewest"),
        ("entropy_gain", "estimator"),
        ("entropy_gain", "bins"),
        ("entropy_gain", "points"),
    }
    assert isinstance(MEASURES["linearity"].bounds, Bounds)
