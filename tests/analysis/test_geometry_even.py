"""How even states lie: isotropy in four definitions, outlier dimensions, whitening, and overlaps of a matrix's rows."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf as reference_ledoit_wolf

from analysis.errors import AnalysisError
from analysis.geometry.cloud import Cloud, standard_normal
from analysis.geometry.isotropy import anisotropy, cosines, isoscore, isoscore_of, partition_isotropy
from analysis.geometry.measures.even import EVEN, FirstKnobs, OutlierKnobs, PartitionKnobs, SpreadKnobs
from analysis.geometry.next_norm import norm_after, seen_shares
from analysis.geometry.outlier_dimensions import by_dimension, clipped, profile, share_within
from analysis.geometry.prepared import FIRST, prepared, why_not
from analysis.geometry.spectrum import spectra
from analysis.geometry.superposition import (
    EDGES,
    chance_density,
    overlaps,
    parts_of,
    tied,
    words_of,
)
from analysis.geometry.whitening import zca, zipfian
from analysis.knobs import knobs

seeds = st.integers(0, 2**31 - 1)
WIDTH = 12


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def turned(seed: int, width: int) -> np.ndarray:
    """A random rotation or reflection."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


def spread(states: np.ndarray) -> np.ndarray:
    return spectra(states.astype(np.float32))[0]


def cloud_of(*layers: np.ndarray, texts: int = 4, tokens: np.ndarray | None = None) -> Cloud:
    values = np.stack(layers).astype(np.float32)
    count = values.shape[1]
    text = np.arange(count) * texts // count
    return Cloud(
        name="made up",
        layers=tuple(range(len(values))),
        values=values,
        rows=np.arange(count),
        text=text,
        position=np.arange(count),
        token=np.arange(count) if tokens is None else tokens,
        shown=tuple(f"t{i}" for i in range(count)),
        key="made up",
    )


def measure(id: str):
    return next(each for each in EVEN if each.id == id)


def taken(id: str, cloud: Cloud, layer: int = 0, **turned_knobs):
    own = measure(id)
    return own.at(cloud, layer, own.params(**turned_knobs))


# IsoScore and the largest axis


def published_isoscore(variances: np.ndarray) -> float:
    """The recipe of the paper, step by step."""
    d = len(variances)
    rescaled = np.sqrt(d) * variances / np.linalg.norm(variances)
    defect = np.linalg.norm(rescaled - 1) / np.sqrt(2 * (d - np.sqrt(d)))
    used = (d - defect**2 * (d - np.sqrt(d))) ** 2 / d**2
    return (d * used - 1) / (d - 1)


@given(seeds, st.integers(2, 40))
def test_isoscore_is_the_papers_recipe(seed, width):
    variances = np.random.default_rng(seed).exponential(size=width)
    assert isoscore(variances, width) == pytest.approx(published_isoscore(variances), abs=1e-10)


@pytest.mark.parametrize(
    "used, expected", [(1, 0), (2, 0.0204081633), (10, 0.1836734694), (25, 0.4897959184)]
)
def test_isoscore_of_some_equal_axes_out_of_fifty(used, expected):
    assert isoscore(np.ones(used), 50) == pytest.approx(expected, abs=1e-9)
    crossed = np.zeros((2 * used, 50))
    crossed[np.arange(used), np.arange(used)], crossed[used + np.arange(used), np.arange(used)] = 1, -1
    assert isoscore_of(crossed) == pytest.approx(expected, abs=1e-9)


def test_points_on_a_line_have_isoscore_zero_and_one_axis():
    line = np.outer(np.arange(9), np.array([1.0, -2, 3])).astype(np.float32)
    assert isoscore(spread(line), 3) == pytest.approx(0, abs=1e-9)
    assert isoscore_of(line) == pytest.approx(0, abs=1e-6)
    assert anisotropy(spread(line), 3) == pytest.approx(1)


@given(seeds)
def test_isoscore_ignores_turning_moving_and_scaling(seed):
    states = normal(seed, 60, WIDTH).astype(np.float64) * np.geomspace(3, 0.5, WIDTH)
    moved = 7 * states @ turned(seed, WIDTH) + np.arange(WIDTH)
    assert isoscore_of(moved) == pytest.approx(isoscore_of(states), abs=1e-9)
    assert isoscore_of(states) == pytest.approx(isoscore(spread(states), WIDTH), abs=1e-5)


@pytest.mark.parametrize("count, width, tolerance", [(500, 50, 0.005), (5000, 50, 0.005), (600, 200, 0.01)])
def test_isoscore_of_a_gaussian_is_what_its_formula_says(count, width, tolerance):
    expected = (width / (1 + width / count) - 1) / (width - 1)
    assert isoscore_of(normal(3, count, width)) == pytest.approx(expected, abs=tolerance)
    cloud = standard_normal(cloud_of(np.zeros((count, width))))
    assert taken("isoscore", cloud).value == pytest.approx(expected, abs=tolerance)


def test_the_largest_axis_of_a_gaussian_is_at_its_edge():
    count, width = 5000, 50
    expected = (1 + np.sqrt(width / count)) ** 2 / width
    assert taken("anisotropy", cloud_of(normal(0, count, width))).value == pytest.approx(expected, rel=0.04)


def test_the_largest_axis_by_hand():
    assert anisotropy(np.array([6.0, 3.0, 1.0]), 5) == pytest.approx(0.6)


def test_states_that_are_all_the_same_have_no_spread():
    same = np.full((20, 5), 300.1, np.float32)
    with pytest.raises(AnalysisError, match="one and the same"):
        isoscore_of(same)
    with pytest.raises(AnalysisError, match="one and the same"):
        isoscore(np.zeros(5), 5)
    with pytest.raises(AnalysisError, match="nothing varies"):
        anisotropy(np.zeros(5), 5)


# mean cosine


def brute_mean_cosine(states: np.ndarray) -> np.ndarray:
    """Every pair, one after another."""
    units = states / np.linalg.norm(states, axis=1, keepdims=True)
    pairs = units @ units.T
    np.fill_diagonal(pairs, np.nan)
    return pairs


@given(seeds)
def test_mean_cosine_over_all_pairs_is_exact(seed):
    states = np.random.default_rng(seed).normal(size=(23, WIDTH)) + 0.4
    found, pairs = cosines(states), brute_mean_cosine(states)
    assert found.mean == pytest.approx(np.nanmean(pairs), abs=1e-12)
    np.testing.assert_allclose(found.of_point, np.nanmean(pairs, 1), atol=1e-12)
    units = states / np.linalg.norm(states, axis=1, keepdims=True)
    by_hand = [np.nanmean(_off_diagonal(np.outer(units[:, j], units[:, j]))) for j in range(WIDTH)]
    np.testing.assert_allclose(found.of_dimension, by_hand, atol=1e-12)


def _off_diagonal(pairs: np.ndarray) -> np.ndarray:
    np.fill_diagonal(pairs, np.nan)
    return pairs


def test_mean_cosine_by_hand():
    found = cosines(np.array([[2.0, 0], [0, 3], [1, 1]]))
    assert found.mean == pytest.approx((0 + np.sqrt(0.5) + np.sqrt(0.5)) / 3)
    assert found.of_point == pytest.approx([np.sqrt(0.5) / 2, np.sqrt(0.5) / 2, np.sqrt(0.5)])
    assert found.of_dimension == pytest.approx([np.sqrt(0.5) / 3, np.sqrt(0.5) / 3])


def test_a_state_that_is_zero_has_no_direction_and_is_left_out():
    found = cosines(np.array([[1.0, 0], [0, 0], [1, 0]]))
    assert found.mean == 1
    np.testing.assert_allclose(found.of_point, [1, np.nan, 1])
    with pytest.raises(AnalysisError, match="not zero"):
        cosines(np.zeros((4, 3)))


def test_a_shared_mean_gives_the_cosine_it_should():
    states = normal(1, 3000, 400) + 1
    assert cosines(states).mean == pytest.approx(0.5, abs=0.003)  # |m|^2 / (|m|^2 + trace of the covariance)
    cloud = cloud_of(states)
    assert taken("mean_cosine", cloud, first="centred").value == pytest.approx(0, abs=0.001)
    assert taken("mean_cosine", standard_normal(cloud)).value == pytest.approx(0, abs=0.001)


def test_every_point_tells_its_own_mean_cosine():
    found = taken("mean_cosine", cloud_of(normal(1, 50, WIDTH) + 0.5))
    assert found.value == pytest.approx(float(found.per_point.mean()), abs=1e-6)


# partition isotropy


def test_few_points_give_the_partition_function_that_all_eigenvectors_give(rng):
    states = rng(3).normal(size=(7, 20)) + 0.5
    axes = np.linalg.eigh(states.T @ states)[1]
    logs = np.log(np.exp(np.concatenate([states @ axes, -states @ axes], axis=1)).sum(0))
    assert partition_isotropy(states) == pytest.approx(logs.min() - logs.max(), abs=1e-9)


def test_partition_isotropy_by_hand():
    one = np.array([[3.0, 0], [3, 0]])  # eigenvectors are the axes; Z = 2 e^3, 2 e^-3, 2, 2
    assert partition_isotropy(one) == pytest.approx(-6)
    cross = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    assert partition_isotropy(cross) == pytest.approx(0, abs=1e-12)


@given(seeds)
def test_partition_isotropy_is_the_published_ratio_in_logs_and_ignores_turning(seed):
    states = np.random.default_rng(seed).normal(size=(40, 5)) * np.geomspace(2, 0.5, 5) + 0.3
    axes = np.linalg.eigh(states.T @ states)[1]
    sums = np.exp(states @ np.concatenate([axes, -axes], axis=1)).sum(0)
    assert partition_isotropy(states) == pytest.approx(np.log(sums.min() / sums.max()), abs=1e-10)
    assert partition_isotropy(states @ turned(seed, 5)) == pytest.approx(partition_isotropy(states), abs=1e-8)


def test_partition_isotropy_of_large_states_does_not_overflow():
    states = (normal(0, 30, 4) + 1) * 2000
    found = taken("partition_isotropy", cloud_of(states), lengths="raw").value
    axes = np.linalg.eigh(states.T.astype(np.float64) @ states)[1]
    logs = logsumexp(states @ np.concatenate([axes, -axes], axis=1), axis=0)
    assert np.isfinite(found) and found < -1000
    assert found == pytest.approx(logs.min() - logs.max(), rel=1e-4)


def test_partition_isotropy_of_directions_is_near_zero_for_a_gaussian_and_far_for_a_cone():
    cloud = cloud_of(normal(0, 800, 60) + 2)
    assert taken("partition_isotropy", cloud).value < -1
    assert taken("partition_isotropy", standard_normal(cloud)).value > -0.1


# outlier dimensions


def test_planted_dimensions_are_found_furthest_first():
    states = normal(0, 400, 64)
    states[:, 17] += 30
    states[:, 5] -= 9
    known = by_dimension(states)
    assert known.outliers().tolist() == [17]  # its size widens the standard deviation behind which 5 hides
    assert known.outliers(rule="robust").tolist() == [17, 5]
    assert by_dimension(clipped(states, np.array([17]))).outliers().tolist() == [5]


def test_dimensions_that_vary_more_are_found_by_their_spread():
    states = normal(0, 400, 64)
    states[:, 9] *= 20
    known = by_dimension(states)
    assert known.outliers("spread").tolist() == [9]
    assert known.outliers("spread", "robust").tolist() == [9]


def test_the_published_rule_by_hand():
    means = np.zeros(20)
    means[3] = 1  # mean .05, standard deviation sqrt(.0475) = .218: 1 is 4.36 of them away
    assert by_dimension(np.stack([means, means])).outliers().tolist() == [3]
    few = np.zeros(8)
    few[3] = 1  # mean .125, standard deviation .331: 2.65 of them away
    assert by_dimension(np.stack([few, few])).outliers().tolist() == []


@pytest.mark.parametrize("rule", ["published", "robust"])
def test_standardised_states_have_no_outlier_dimensions(rule):
    states = normal(0, 300, 64) * np.geomspace(100, 0.1, 64).astype(np.float32)
    states[:, 17] += 3000
    kept = prepared(cloud_of(states), 0, "standardised").states
    np.testing.assert_allclose(kept.std(0), 1, rtol=1e-3)
    for of in ("mean", "spread"):
        assert by_dimension(kept).outliers(of, rule).tolist() == []


def test_a_gaussian_has_about_as_many_outlier_dimensions_as_its_tails_hold():
    cloud = cloud_of(normal(0, 200, 4000))
    assert taken("outlier_dimensions", cloud).value == pytest.approx(0.0027 * 4000, abs=8)
    assert taken("outlier_dimensions", cloud, rule="robust").value == 0


def test_clipping_a_planted_dimension_takes_its_cosine_away():
    states = normal(0, 1000, 50)
    states[:, 7] += 40
    cloud = cloud_of(states)
    whole, after = taken("mean_cosine", cloud), taken("mean_cosine", cloud, first="clipped")
    assert whole.value > 0.95
    assert whole.beside["number of that dimension"] == 7
    assert whole.beside["added by the strongest dimension"] == pytest.approx(whole.value, abs=0.001)
    assert after.value == pytest.approx(0, abs=0.005)
    found = taken("outlier_dimensions", cloud)
    assert found.value == 1
    np.testing.assert_allclose(found.per_point, states[:, 7] ** 2 / (states**2).sum(1), rtol=1e-5)


def test_a_profile_tells_what_each_dimension_does():
    states = normal(0, 500, 20)
    states[:, 3] += 10
    states[:, 4] = 0
    states[0, 4] = 100  # one token holds all of it
    found = profile(states, np.array([3, 4, 5]))
    assert found.cosine == pytest.approx(cosines(states).mean)
    assert found.cosine_without[0] == pytest.approx(cosines(clipped(states, np.array([3]))).mean)
    assert found.isoscore_without[1] == pytest.approx(isoscore_of(clipped(states, np.array([4]))))
    assert found.isoscore == pytest.approx(isoscore_of(states))
    assert found.mean[0] == pytest.approx(10, abs=0.2) and found.spread[0] == pytest.approx(1, abs=0.1)
    one = 1 / 500  # a number that one token has: (1 - 3 p (1 - p)) / (p (1 - p)) - 3
    assert found.kurtosis[1] == pytest.approx((1 - 3 * one * (1 - one)) / (one * (1 - one)) - 3, rel=1e-4)
    assert found.kurtosis[2] == pytest.approx(0, abs=0.6)


def test_shares_within_dimensions_by_hand():
    states = np.array([[3.0, 4], [0, 0], [1, 0]])
    np.testing.assert_allclose(share_within(states, np.array([0])), [9 / 25, np.nan, 1])
    np.testing.assert_allclose(share_within(states[:1], np.array([], np.int64)), [0])


# whitening


@given(seeds)
def test_zca_makes_the_covariance_the_identity_and_is_symmetric(seed):
    states = (
        np.random.default_rng(seed).normal(size=(90, 8)) @ np.random.default_rng(seed + 1).normal(size=(8, 8))
        + 5
    )
    found = zca(states, shrinkage=0.0)
    white = found.apply(states)
    np.testing.assert_allclose(white.mean(0), 0, atol=1e-8)
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(8), atol=1e-8)
    np.testing.assert_allclose(found.matrix, found.matrix.T, atol=1e-12 * np.abs(found.matrix).max())


def test_zca_moves_centred_states_less_than_other_whitenings_do():
    states = np.random.default_rng(0).normal(size=(200, 6)) * np.geomspace(2, 0.5, 6)
    centred, white = states - states.mean(0), zca(states, shrinkage=0.0).apply(states)
    moved = ((white - centred) ** 2).sum()
    for seed in range(5):
        assert moved < ((white @ turned(seed, 6) - centred) ** 2).sum()
    assert moved < ((zipfian(states, np.ones(200)).apply(states) - centred) ** 2).sum()


@given(seeds)
def test_zipfian_whitening_is_exact_under_its_frequencies(seed):
    random = np.random.default_rng(seed)
    states, counts = random.normal(size=(70, 6)) * 3 + 1, random.zipf(1.5, 70).clip(1, 1000).astype(float)
    white, p = zipfian(states, counts).apply(states), counts / counts.sum()
    np.testing.assert_allclose(p @ white, 0, atol=1e-8)
    np.testing.assert_allclose((white * p[:, None]).T @ white, np.eye(6), atol=1e-8)


def test_zipfian_whitening_is_the_published_decomposition():
    random = np.random.default_rng(0)
    states, p = random.normal(size=(40, 5)), random.dirichlet(np.ones(40))
    mean = p @ states
    _, sizes, axes = np.linalg.svd(np.sqrt(p)[:, None] * (states - mean), full_matrices=False)
    published = (states - mean) @ (axes.T / sizes)
    found = zipfian(states, p).apply(states)[:, ::-1]  # largest axis last; signs are free
    np.testing.assert_allclose(np.abs(found), np.abs(published), atol=1e-9)


def test_equal_frequencies_whiten_as_zca_does_up_to_a_rotation():
    states = np.random.default_rng(0).normal(size=(50, 5)) * [1, 2, 3, 4, 5]
    one, other = zipfian(states, np.full(50, 7.0)).apply(states), zca(states, shrinkage=0.0).apply(states)
    np.testing.assert_allclose(one @ one.T, other @ other.T, atol=1e-9)


def test_a_frequency_counts_as_so_many_equal_rows():
    states = np.random.default_rng(0).normal(size=(20, 4))
    counts = np.arange(1, 21)
    one = zipfian(states, counts.astype(float))
    other = zipfian(np.repeat(states, counts, axis=0), np.ones(counts.sum()))
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-12)
    np.testing.assert_allclose(one.matrix @ one.matrix.T, other.matrix @ other.matrix.T, atol=1e-9)


@pytest.mark.parametrize("count, width", [(30, 50), (300, 20)])
def test_shrinkage_is_ledoit_and_wolfs(count, width):
    states = np.random.default_rng(0).normal(size=(count, width)) * np.linspace(1, 2, width)
    assert zca(states).shrinkage == pytest.approx(reference_ledoit_wolf(states)[1], abs=1e-10)


def test_what_cannot_be_inverted_is_refused_unless_shrunk():
    states = np.random.default_rng(0).normal(size=(10, 20))
    with pytest.raises(AnalysisError, match="no inverse"):
        zca(states, shrinkage=0.0)
    assert zca(states).shrinkage > 0
    with pytest.raises(AnalysisError, match="one and the same"):
        zca(np.ones((10, 3)))
    for frequencies in (-np.ones(10), np.zeros(10)):
        with pytest.raises(AnalysisError, match="needs a frequency"):
            zipfian(states, frequencies)


def test_whitening_is_measured_on_texts_it_was_not_fitted_on():
    uneven = normal(0, 2000, 20) * np.geomspace(30, 0.3, 20).astype(np.float32) + 5
    cloud = cloud_of(uneven, texts=10)
    kept = prepared(cloud, 0, "whitened")
    assert set(cloud.text[kept.points].tolist()) == {1, 3, 5, 7, 9}
    assert taken("isoscore", cloud).value < 0.2
    after = taken("isoscore", cloud, first="whitened")
    noisy = 20 / (1 + 20 / 1000 + 20 / 1000)  # of the texts fitted on, and of those measured on
    assert after.value == pytest.approx((noisy - 1) / 19, abs=0.01)
    assert after.beside["points used"] == len(kept.points) == 1000
    found = taken("mean_cosine", cloud, first="whitened")
    assert found.value == pytest.approx(0, abs=0.005)
    assert np.isnan(found.per_point[cloud.text % 2 == 0]).all()
    assert np.isfinite(found.per_point[cloud.text % 2 == 1]).all()


def test_a_token_that_occurs_often_moves_the_whitened_mean_only_where_it_counts_often():
    token = np.where(np.arange(400) % 4 > 0, 0, np.arange(400))  # three quarters are one token
    states = normal(0, 400, 5)
    states[token == 0] += 10
    cloud = cloud_of(states, texts=8, tokens=token)
    assert taken("mean_cosine", cloud, first="whitened").value == pytest.approx(0, abs=0.03)
    assert taken("mean_cosine", cloud, first="whitened_types").value > 0.3


def test_whitening_needs_two_texts():
    cloud = cloud_of(normal(0, 50, 4), texts=1)
    assert "at least 2 texts" in why_not(cloud, "whitened")
    assert "at least 2 texts" in measure("isoscore").needs(cloud, SpreadKnobs(first="whitened"))
    assert measure("isoscore").needs(cloud, SpreadKnobs()) == ""
    narrow = cloud_of(normal(0, 40, 12), texts=4)
    assert "at least 24 tokens to fit on" in why_not(narrow, "whitened") and "has 20" in why_not(
        narrow, "whitened"
    )


# what all of them owe


@pytest.mark.parametrize("own", EVEN, ids=lambda own: own.id)
def test_every_measure_and_every_choice_of_it_stays_in_its_bounds(own):
    cloud = cloud_of(normal(0, 120, 20) + 1, normal(1, 120, 20) * np.geomspace(5, 0.1, 20), texts=6)
    for params in choices(own.params):
        assert own.needs(cloud, params) == ""
        for layer in cloud.layers:
            found = own.at(cloud, layer, params)
            own.bounds.require(np.array([found.value], np.float32), own.id)
            assert np.isfinite(found.value)
            assert (found.per_point is not None) == bool(own.per_point)
            assert found.per_point is None or found.per_point.shape == (120,)
            again = own.at(replace(cloud, _made={}), layer, params)
            assert again.value == found.value


def choices(params: type):
    """The defaults, and everything that can be chosen, one at a time."""
    yield params()
    for each in knobs(params):
        yield from (params(**{each.name: option}) for option in list(each.options)[1:])


@pytest.mark.parametrize("own", EVEN, ids=lambda own: own.id)
def test_every_measure_says_what_it_needs(own):
    lonely = cloud_of(normal(0, 1, 4), texts=1)
    assert "there are 1" in own.needs(lonely, own.params())


def test_every_choice_of_what_is_done_first_is_offered_but_where_it_changes_nothing():
    (spread_first,) = knobs(SpreadKnobs)
    (cosine_first,) = knobs(FirstKnobs)
    assert dict(cosine_first.options) == FIRST
    assert FIRST.keys() - spread_first.options.keys() == {"centred"}
    assert {each.name for each in fields(OutlierKnobs)} == {"of", "rule"}
    assert {each.name for each in fields(PartitionKnobs)} == {"lengths", "first", "points"}


# what the network sees of a dimension


@pytest.mark.parametrize("name", ["llama", "gpt2", "opt", "falcon-new", "gemma2"])
def test_the_norm_that_reads_a_layer_next_gets_that_layers_stream(families, name):
    model = families(name).model
    trace = model.run("Where is it?")
    for layer in (0, 2, model.n_layers):
        norm, got = norm_after(model, layer), []
        hook = norm.register_forward_pre_hook(
            lambda _, args, got=got: got.append(args[0].float().numpy().copy())
        )
        model.run("Where is it?")
        hook.remove()
        np.testing.assert_allclose(got[0][0], trace.residuals(0)[layer], rtol=1e-5, atol=1e-5)


def test_families_that_normalise_what_is_added_have_no_norm_before_a_block(families):
    for name, has in (
        ("llama", True),
        ("gpt2", True),
        ("opt", True),
        ("olmo2", False),
        ("opt-post-norm", False),
    ):
        assert (norm_after(families(name).model, 1) is not None) == has


def test_a_gain_of_zero_hides_a_dimension(own_toy):
    states = own_toy.run("a b c d").residuals(0)[1] + 1
    before = seen_shares(own_toy, 1, states)
    assert before.sum() == pytest.approx(1) and before[5] > 0
    with torch.inference_mode():
        norm_after(own_toy, 1).weight[5] = 0
    after = seen_shares(own_toy, 1, states)
    assert after[5] == 0
    np.testing.assert_allclose(np.delete(after, 5), np.delete(before, 5) / (1 - before[5]), rtol=1e-4)


# overlaps of a matrix's rows


def test_overlaps_by_hand():
    rows = np.array([[2.0, 0], [0, 1], [3, 3]])
    found = overlaps(parts_of(rows))
    assert found.mean_square == pytest.approx((0 + 0.5 + 0.5) / 3)
    assert found.mean_cosine == pytest.approx(2 * np.sqrt(0.5) / 3)
    assert found.by_chance == 0.5
    assert found.welch == pytest.approx(1 / 4)
    assert found.histogram.sum() == 3


def test_rows_at_right_angles_do_not_overlap():
    found = overlaps(parts_of(turned(0, 30)[:20]))
    assert found.mean_square == pytest.approx(0, abs=1e-12)
    assert found.welch == 0
    assert found.spectrum[:20] == pytest.approx(1 / 20)


def test_rows_that_are_spread_as_evenly_as_can_be_reach_the_bound():
    angles = np.pi * np.arange(7) / 7
    found = overlaps(parts_of(np.stack([np.cos(angles), np.sin(angles)], axis=1)))
    assert found.mean_square == pytest.approx(found.welch, abs=1e-12)
    assert found.spectrum == pytest.approx([0.5, 0.5])


@given(seeds)
def test_overlaps_agree_with_all_pairs_and_keep_the_bound(seed):
    rows = np.random.default_rng(seed).normal(size=(31, 6)) + 0.5
    for centred in (False, True):
        found = overlaps(parts_of(rows), centred=centred)
        pairs = brute_mean_cosine(rows - rows.mean(0) * centred)
        assert found.mean_square == pytest.approx(np.nanmean(pairs**2), abs=1e-12)
        assert found.mean_cosine == pytest.approx(np.nanmean(pairs), abs=1e-12)
        assert found.mean_square >= found.welch
        assert found.spectrum.sum() == pytest.approx(1)


def test_random_rows_overlap_as_chance_does():
    found = overlaps(parts_of(normal(0, 9000, 96)))  # more than one chunk
    assert found.mean_square == pytest.approx(1 / 96, rel=1e-3)
    share = found.histogram / found.histogram.sum()
    chance = chance_density(96) * np.diff(EDGES)
    assert chance.sum() == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(share, chance, atol=2e-3)
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    assert share @ np.abs(middle) == pytest.approx(np.sqrt(2 / (np.pi * 96)), rel=0.02)


def test_a_shared_mean_is_told_from_crowding():
    rows = normal(0, 3000, 64) + 1
    raw, centred = overlaps(parts_of(rows)), overlaps(parts_of(rows), centred=True)
    assert raw.mean_square > 10 / 64
    assert raw.mean_square == pytest.approx(raw.mean_cosine**2, rel=0.1)
    assert centred.mean_square == pytest.approx(1 / 64, rel=0.02)


def test_equal_rows_count_once_and_zero_rows_not_at_all():
    rows = np.concatenate([np.eye(3), np.eye(3), np.zeros((2, 3))])
    found = overlaps(parts_of(rows))
    assert (found.rows, found.mean_square) == (3, 0)
    with pytest.raises(AnalysisError, match="at least 2"):
        overlaps(parts_of(np.ones((5, 3))))


def test_a_models_matrices_are_read_as_they_are(toy, families):
    weight = toy.parts.head.weight.double().numpy()
    piece = toy.tokenizer.piece
    named = np.array([piece(i) != f"<unused {i}>".encode() for i in range(len(weight))])
    found = overlaps(words_of(toy, "unembedding"))
    expected = np.unique(weight[named], axis=0)
    assert found.rows == len(expected)
    assert found.mean_square == pytest.approx(np.nanmean(brute_mean_cosine(expected) ** 2), abs=1e-10)
    table = toy.parts.backbone.get_input_embeddings().weight
    assert torch.equal(torch.from_numpy(next(iter(words_of(toy, "embedding")()))[0]), table[0].double())
    assert tied(families("llama-tied").model)
    assert not tied(families("llama").model)
