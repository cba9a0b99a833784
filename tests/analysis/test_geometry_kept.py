"""How much is kept: entropies, ranks and slopes by hand, by bound and by invariance, and the head's spectrum."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import AnalysisError
from analysis.geometry import ranks
from analysis.geometry.cloud import Cloud, standard_normal
from analysis.geometry.decay import decay
from analysis.geometry.entropy import PREPARATIONS, highest, matrix_entropy, prepared, renyi
from analysis.geometry.head import cut_losses, ordinary_endings, read_head, usual_cuts
from analysis.geometry.measures.kept import KEPT, OfRank, OfSlope, OfText, OfTexts
from analysis.geometry.ranks import (
    effective_rank,
    participation_ratio,
    random_singular_values,
    singular_entropy,
)
from analysis.geometry.spectrum import spectra, spectrum
from analysis.knobs import require_in_range
from analysis.next_token import norm_gain, surprises

MEASURES = {each.id: each for each in KEPT}
seeds = st.integers(0, 2**31 - 1)
ALPHAS = (0.5, 1.0, 2.0, 5.0)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def rotation(seed: int, width: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


def orthonormal(rows: int, width: int, seed: int = 0) -> np.ndarray:
    return rotation(seed, width)[:rows].astype(np.float32)


def cloud(*texts: np.ndarray, first: int = 1) -> Cloud:
    """One layer, from the states of each text."""
    lengths = [len(each) for each in texts]
    count = sum(lengths)
    return Cloud(
        name="hand-made",
        layers=(3,),
        values=np.concatenate(texts)[None].astype(np.float32),
        rows=np.arange(count),
        text=np.repeat(np.arange(len(texts)), lengths),
        position=np.concatenate([np.arange(first, first + length) for length in lengths]),
        token=np.zeros(count, np.int64),
        shown=("a",) * count,
    )


def taken(id: str, of: Cloud, **knobs):
    measure = MEASURES[id]
    params = replace(measure.params(), **knobs)
    require_in_range(params)
    assert measure.needs(of, params) == ""
    found = measure.at(of, of.layers[0], params)
    measure.bounds.require(np.array([found.value]), measure.title)
    return found


# entropy


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("rows, width", [(7, 13), (13, 13)])
def test_entropy_of_orthonormal_rows_is_the_logarithm_of_their_number(alpha, rows, width):
    assert matrix_entropy(orthonormal(rows, width), alpha) == pytest.approx(np.log(rows), abs=1e-6)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_entropy_of_equal_rows_is_zero(alpha):
    assert matrix_entropy(np.tile(normal(0, 1, 11), (5, 1)), alpha) == pytest.approx(0, abs=1e-6)


def test_entropy_of_two_weights_by_hand():
    assert renyi(np.array([3.0, 1.0, 0.0]), 1) == pytest.approx(0.75 * np.log(4 / 3) + 0.25 * np.log(4))
    assert renyi(np.array([3.0, 1.0]), 2) == pytest.approx(-np.log(10 / 16))
    assert renyi(np.array([3.0, 1.0]), 0.5) == pytest.approx(2 * np.log((3**0.5 + 1) / 2))
    assert np.isnan(renyi(np.zeros(3), 1))


@given(seeds, st.integers(2, 9), st.integers(2, 9), st.sampled_from(ALPHAS))
def test_entropy_lies_between_zero_and_the_logarithm_of_the_shorter_side(seed, rows, width, alpha):
    for how in ("raw", "unit", "centred"):
        found = matrix_entropy(normal(seed, rows, width), alpha, how)
        assert -1e-12 <= found <= highest(rows, width) + 1e-9


@given(seeds)
def test_entropy_ignores_rotation_and_scale_and_falls_with_alpha(seed):
    states = normal(seed, 6, 9)
    turned = (17 * states @ rotation(seed, 9)).astype(np.float32)
    found = [matrix_entropy(states, alpha) for alpha in ALPHAS]
    assert [matrix_entropy(turned, alpha) for alpha in ALPHAS] == pytest.approx(found, abs=1e-5)
    assert (np.diff(found) <= 1e-12).all()


@given(seeds, st.sampled_from(ALPHAS))
def test_both_products_have_the_same_entropy(seed, alpha):
    states = normal(seed, 6, 9)
    assert matrix_entropy(states, alpha) == pytest.approx(matrix_entropy(states.T.copy(), alpha), abs=1e-10)
    wide = states.astype(float)
    for products in (wide @ wide.T, wide.T @ wide):
        eigenvalues = np.maximum(np.linalg.eigvalsh(products), 0)
        assert matrix_entropy(states, alpha) == pytest.approx(renyi(eigenvalues, alpha), abs=1e-6)


def test_second_order_needs_no_eigenvalues():
    states = normal(3, 8, 20)
    products = states.astype(float) @ states.astype(float).T
    trace = np.linalg.norm(products / np.trace(products))
    assert matrix_entropy(states, 2.0) == pytest.approx(-2 * np.log(trace), abs=1e-9)


def test_gaussian_rows_have_the_entropy_that_their_shape_gives():
    found = [
        [matrix_entropy(normal(seed, 128, 576), alpha, "unit") for alpha in (1.0, 2.0)] for seed in range(4)
    ]
    first, second = np.mean(found, 0)
    assert second == pytest.approx(-np.log(1 / 128 + (1 - 1 / 128) / 576), abs=0.005)
    assert first == pytest.approx(4.7416, abs=0.005)


def skean(states: np.ndarray) -> float:
    """The published code's steps, one after another, for Shannon's entropy."""
    rows = states.astype(np.float64) - states.astype(np.float64).mean(0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    kernel = np.clip(rows.T @ rows if len(rows) > rows.shape[1] else rows @ rows.T, 0, None)
    eigenvalues = np.linalg.eigh(kernel)[0]
    eigenvalues = eigenvalues[eigenvalues > 0] / eigenvalues[eigenvalues > 0].sum()
    return float(-(eigenvalues * np.log(eigenvalues)).sum())


@pytest.mark.parametrize("shape", [(9, 30), (30, 9)])
def test_clamping_does_what_the_published_code_does(shape):
    states = normal(5, *shape) + 3
    assert matrix_entropy(states, 1.0, "clamped") == pytest.approx(skean(states), abs=1e-9)


def test_clamping_hides_an_offset_that_the_raw_entropy_shows():
    states = normal(1, 128, 576) + 3.0
    raw, clamped = (matrix_entropy(states, 1.0, how) for how in ("raw", "clamped"))
    assert raw < 0.8 < 4 < clamped


def test_preparations_do_what_they_say():
    states = normal(2, 6, 4) + 2
    assert prepared(states, "raw") == pytest.approx(states)
    assert prepared(states, "centred").mean(0) == pytest.approx(np.zeros(4), abs=1e-12)
    assert np.linalg.norm(prepared(states, "unit"), axis=1) == pytest.approx(np.ones(6))
    assert np.linalg.norm(prepared(states, "clamped"), axis=1) == pytest.approx(np.ones(6))
    assert set(PREPARATIONS) == {"raw", "unit", "centred", "clamped"}


@pytest.mark.parametrize("how", ["centred", "clamped"])
def test_equal_rows_have_no_entropy_once_their_mean_is_gone(how):
    # a mean of floats is not exactly the float: what rounding leaves is nothing
    assert np.isnan(matrix_entropy(np.full((7, 5), 0.1, np.float32), 1.0, how))


# prompt and dataset entropy


def test_prompt_entropy_is_the_mean_over_texts_and_each_point_has_its_texts():
    found = taken("prompt_entropy", cloud(orthonormal(2, 5), orthonormal(5, 5), np.ones((3, 5))))
    own = [np.log(2), np.log(5), 0]
    assert found.value == pytest.approx(np.mean(own), abs=1e-6)
    assert found.per_point == pytest.approx(np.repeat(own, [2, 5, 3]), abs=1e-6)
    assert found.beside["texts used"] == 3 and found.beside["effective rank"] == pytest.approx(
        8 / 3, abs=1e-5
    )


def test_share_of_prompt_entropy_is_each_texts_own():
    texts = cloud(orthonormal(2, 3), np.eye(3)[[0, 0, 1, 1, 2, 2]], np.ones((4, 3)))
    found = taken("prompt_entropy_share", texts)
    assert found.value == pytest.approx(2 / 3, abs=1e-6)
    assert found.per_point == pytest.approx(np.repeat([1, 1, 0], [2, 6, 4]), abs=1e-6)


def test_texts_of_one_token_do_not_count():
    found = taken("prompt_entropy", cloud(normal(0, 1, 5), orthonormal(4, 5)))
    assert found.value == pytest.approx(np.log(4), abs=1e-6) and np.isnan(found.per_point[0])
    assert found.beside["texts used"] == 1
    sentence = MEASURES["prompt_entropy"].needs(cloud(normal(0, 1, 5), normal(1, 1, 5)), OfText())
    assert "at least 2" in sentence and "has 1" in sentence


def test_a_layer_of_equal_states_has_no_centred_entropy():
    with pytest.raises(AnalysisError, match="two different states"):
        MEASURES["prompt_entropy"].at(cloud(np.ones((3, 5))), 3, OfText(preparation="centred"))


def test_prompt_entropy_sees_texts_that_collapse_and_dataset_entropy_does_not():
    """Texts far apart, each on its own line: nothing is kept within a text, everything between them."""
    axes = orthonormal(8, 12)
    texts = cloud(*(np.outer(np.arange(1, 6), axis) for axis in axes))
    assert taken("prompt_entropy", texts).value == pytest.approx(0, abs=1e-6)
    found = taken("dataset_entropy", texts)
    assert found.value == pytest.approx(np.log(8), abs=1e-6)
    assert found.beside["share of the maximum"] == pytest.approx(1, abs=1e-6) and found.beside["texts"] == 8


def test_dataset_entropy_is_of_the_texts_means():
    texts = [normal(seed, 4 + seed, 9) + seed for seed in range(5)]
    means = np.stack([each.astype(float).mean(0) for each in texts]).astype(np.float32)
    for how in ("raw", "unit", "centred"):
        found = taken("dataset_entropy", cloud(*texts), preparation=how)
        assert found.value == pytest.approx(matrix_entropy(means, 1.0, how), abs=1e-5)
    assert "1" in MEASURES["dataset_entropy"].needs(cloud(texts[0]), OfTexts())


def test_texts_with_equal_means_have_no_centred_dataset_entropy():
    with pytest.raises(AnalysisError, match="equal"):
        MEASURES["dataset_entropy"].at(
            cloud(np.ones((2, 5)), np.ones((3, 5))), 3, OfTexts(preparation="centred")
        )


# spectra and ranks


@pytest.mark.parametrize("shape", [(40, 7), (7, 40), (9, 9)])
def test_a_spectrum_is_that_of_numpys_covariance(shape):
    states = normal(0, *shape) * np.geomspace(5, 0.2, shape[1]).astype(np.float32) + 4
    around_mean, around_zero = spectra(states)
    wide = states.astype(float)
    rank = min(shape)
    expected = np.linalg.eigvalsh(np.cov(wide.T, bias=True))[::-1][:rank]
    assert around_mean == pytest.approx(expected, rel=1e-8, abs=1e-10)
    assert around_zero == pytest.approx(np.linalg.svd(wide, compute_uv=False) ** 2 / len(wide), rel=1e-6)
    assert (np.diff(around_mean) <= 0).all() and (np.diff(around_zero) <= 0).all()


def test_spectra_of_many_points_are_summed_in_pieces(monkeypatch):
    states = normal(1, 50, 6)
    whole = spectra(states)
    monkeypatch.setattr("analysis.geometry.spectrum.ROWS", 7)
    for piecewise, at_once in zip(spectra(states), whole, strict=True):
        assert piecewise == pytest.approx(at_once, rel=1e-12)


def test_a_spectrum_is_computed_once(monkeypatch):
    of = cloud(normal(0, 20, 6))
    first = spectrum(of, 3)
    monkeypatch.setattr("analysis.geometry.spectrum.spectra", lambda states: pytest.fail("again"))
    assert spectrum(of, 3) is first and not first.flags.writeable
    assert spectrum(of, 3, centred=False).sum() >= first.sum()


def test_one_point_has_no_spectrum():
    with pytest.raises(AnalysisError, match="at least 2"):
        spectra(normal(0, 1, 5))
    assert "2 tokens" in MEASURES["rankme"].needs(cloud(normal(0, 1, 5)), OfRank())


@pytest.mark.parametrize("rows, width", [(128, 200), (60, 60), (90, 60)])
def test_effective_rank_of_orthonormal_rows_or_columns_is_their_number(rows, width):
    states = (
        orthonormal(rows, width)
        if rows <= width
        else np.linalg.qr(normal(0, rows, width))[0].astype(np.float32)
    )
    plain = taken("rankme", cloud(states), epsilon=False).value
    paper = taken("rankme", cloud(states)).value
    assert plain == pytest.approx(min(rows, width), rel=1e-5)
    assert paper == pytest.approx(plain, rel=1e-3) and paper > plain


def test_effective_rank_is_the_papers_formula():
    states = normal(4, 50, 12) * np.geomspace(9, 0.1, 12).astype(np.float32) + 1
    sigma = np.linalg.svd(states.astype(float), compute_uv=False)
    shares = sigma / np.abs(sigma).sum() + 1e-7
    found = taken("rankme", cloud(states))
    assert found.value == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-6)
    centred = taken("rankme", cloud(states), centred=True).value
    sigma = np.linalg.svd(states.astype(float) - states.astype(float).mean(0), compute_uv=False)
    assert centred == pytest.approx(effective_rank(sigma, 1e-7), rel=1e-6) and centred != pytest.approx(
        found.value
    )


def test_one_direction_has_rank_one():
    line = np.outer(np.arange(1, 30), normal(0, 17))
    assert taken("rankme", cloud(line)).value == pytest.approx(1, abs=1e-2)
    assert taken("participation_ratio", cloud(line)).value == pytest.approx(1, abs=1e-5)


@given(seeds)
def test_ranks_ignore_rotation_and_scale(seed):
    states = normal(seed, 30, 8) * np.geomspace(4, 0.5, 8).astype(np.float32)
    turned = (0.03 * states @ rotation(seed, 8)).astype(np.float32)
    for id in ("rankme", "participation_ratio"):
        assert taken(id, cloud(turned)).value == pytest.approx(taken(id, cloud(states)).value, rel=1e-4)


def test_the_participation_ratio_ignores_a_shift_and_rankme_does_not():
    states = normal(0, 200, 20)
    moved = states + 30
    assert taken("participation_ratio", cloud(moved)).value == pytest.approx(
        taken("participation_ratio", cloud(states)).value, rel=1e-4
    )
    assert taken("rankme", cloud(moved)).value < 0.8 * taken("rankme", cloud(states)).value


def test_participation_ratio_of_equal_axes_is_their_number():
    corners = np.concatenate([np.eye(9)[:4], -np.eye(9)[:4]]).astype(np.float32)
    assert taken("participation_ratio", cloud(corners)).value == pytest.approx(4)
    assert participation_ratio(np.array([3.0, 1.0])) == pytest.approx(1.6)


def test_gaussian_ranks_are_what_their_shape_gives():
    of = standard_normal(cloud(np.zeros((2000, 576), np.float32)), 1)
    assert taken("participation_ratio", of).value == pytest.approx(576 / (1 + 576 / 2000), rel=0.01)
    assert taken("rankme", of).value == pytest.approx(553.5, rel=0.003)


def test_one_outlier_takes_the_participation_ratio_and_hardly_moves_rankme():
    states = normal(0, 400, 30)
    spoiled = states.copy()
    spoiled[0] *= 30
    assert taken("participation_ratio", cloud(states)).value > 25
    assert taken("participation_ratio", cloud(spoiled)).value < 3
    assert taken("rankme", cloud(spoiled)).value > 15


def test_equal_states_have_no_rank():
    for id in ("rankme", "participation_ratio"):
        with pytest.raises(AnalysisError, match="equal"):
            MEASURES[id].at(cloud(np.zeros((5, 4))), 3, MEASURES[id].params())
    assert all(
        map(
            np.isnan,
            (effective_rank(np.zeros(3)), participation_ratio(np.zeros(3)), singular_entropy(np.zeros(3))),
        )
    )


def test_singular_entropy_is_the_divergence_from_all_alike():
    assert singular_entropy(np.full(5, 0.3)) == pytest.approx(0, abs=1e-12)
    assert singular_entropy(np.array([1.0, 0, 0, 0])) == pytest.approx(np.log(4))
    shares = np.array([0.5, 0.3, 0.2])
    assert singular_entropy(10 * shares) == pytest.approx((shares * np.log(shares / (1 / 3))).sum())


@pytest.mark.parametrize("shape", [(300, 40), (40, 300)])
def test_random_singular_values_are_distributed_as_those_of_a_drawn_matrix(shape):
    drawn = [
        np.linalg.svd(np.random.default_rng(seed).normal(size=shape), compute_uv=False) for seed in range(60)
    ]
    made = [random_singular_values(*shape, seed) for seed in range(60)]
    assert np.mean(made, 0) == pytest.approx(np.mean(drawn, 0), abs=0.25)
    assert np.var(made, 0).mean() == pytest.approx(np.var(drawn, 0).mean(), rel=0.3)
    assert (random_singular_values(*shape, 3) == random_singular_values(*shape, 3)).all()


# the slope


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 1.7])
def test_the_slope_of_an_exact_power_law_is_its_exponent(alpha):
    found = decay(3.0 * np.arange(1, 101.0) ** -alpha, 11, 50)
    assert found.slope == pytest.approx(alpha, abs=1e-12) and (found.first, found.last) == (11, 50)
    assert np.isnan(found.r2) if alpha == 0 else found.r2 == pytest.approx(1)
    assert found.at(np.array([1.0, 20.0])) == pytest.approx([3.0, 3.0 * 20**-alpha])


def test_the_slope_reads_its_ranks_only():
    ranks_ = np.arange(1, 101.0)
    spectrum_ = np.where(ranks_ < 11, 1e6 / ranks_, np.where(ranks_ <= 50, ranks_**-0.8, 1e-9 / ranks_**5))
    assert decay(spectrum_, 11, 50).slope == pytest.approx(0.8)
    assert decay(spectrum_, 1, 100).slope > 2


def test_the_slope_ends_where_the_spectrum_does_and_says_so():
    found = decay(np.concatenate([np.arange(1, 21.0) ** -1.0, np.zeros(30)]), 11, 50)
    assert found.last == 20 and found.slope == pytest.approx(1)
    with pytest.raises(AnalysisError, match="12 eigenvalues"):
        decay(np.concatenate([np.ones(12), np.zeros(9)]), 11, 50)


def test_a_law_that_bends_has_a_worse_fit():
    ranks_ = np.arange(1, 101.0)
    assert decay(np.exp(-ranks_ / 3), 1, 100).r2 < 0.9 < decay(ranks_**-1.0, 1, 100).r2


def test_the_slope_of_sampled_states_is_near_the_true_one():
    for alpha, expected in ((0.5, 0.458), (1.0, 0.993), (1.5, 1.488)):
        scale = np.arange(1, 201.0) ** (-alpha / 2)
        found = taken("spectrum_slope", cloud((normal(0, 5000, 200) * scale).astype(np.float32)))
        assert found.value == pytest.approx(alpha, abs=0.06) and found.value == pytest.approx(
            expected, abs=0.05
        )
        assert found.beside["R2 of the fit"] > 0.99
        assert (found.beside["first rank"], found.beside["last rank"]) == (11, 50)


def test_the_slope_needs_ranks():
    needs = MEASURES["spectrum_slope"].needs
    assert "at least 13 ranks" in needs(cloud(normal(0, 40, 8)), OfSlope())
    assert needs(cloud(normal(0, 40, 8)), OfSlope(first=2)) == ""
    assert "have 9" in needs(cloud(normal(0, 10, 20)), OfSlope())
    assert "there are 0" in needs(cloud(normal(0, 100, 60)), OfSlope(first=60, last=50))


# every measure


@pytest.mark.parametrize("measure", KEPT, ids=lambda each: each.id)
def test_every_measure_runs_on_texts_and_on_noise_and_says_what_it_is(measure):
    of = cloud(*(normal(seed, 12, 30) for seed in range(6)))
    for each in (of, standard_normal(of)):
        first = taken(measure.id, each)
        assert np.isfinite(first.value) and first.value == taken(measure.id, each).value
        assert all(np.isfinite(list(first.beside.values())))
        assert (first.per_point is not None) == bool(measure.per_point)
    told = (
        measure.title,
        measure.meaning,
        measure.formula,
        measure.source,
        measure.misleads_when,
        measure.unit,
    )
    assert all(told) and measure.question == "kept"


# the head


@pytest.fixture(scope="module")
def head(toy):
    return read_head(toy)


def test_the_heads_singular_values_are_numpys(toy, head):
    weight = toy.parts.head.weight.detach().double().numpy()
    assert head.singular == pytest.approx(np.linalg.svd(weight, compute_uv=False), rel=1e-9)
    assert (head.vocabulary, head.width) == weight.shape
    folded = np.linalg.svd(weight * norm_gain(toy), compute_uv=False)
    assert head.with_gain == pytest.approx(folded, rel=1e-6)
    assert (head.random**2).sum() == pytest.approx((weight**2).sum())
    assert np.linalg.norm(weight @ head.axes[0]) == pytest.approx(head.singular[0])
    assert head.axes @ head.axes.T == pytest.approx(np.eye(len(head.axes)), abs=1e-10)


def test_the_heads_numbers_stand_beside_those_of_a_random_matrix(head):
    numbers = head.numbers()
    assert len(numbers) == 3
    entropy, rank = numbers["unembedding"]
    assert entropy == pytest.approx(np.log(head.width) - np.log(rank))
    assert all(0 <= each <= np.log(head.width) for each, _ in numbers.values())


def test_the_head_is_read_in_chunks(toy, head, monkeypatch):
    monkeypatch.setattr("analysis.geometry.head.ROWS", 100)
    said = []
    again = read_head(toy, report=lambda message, done=0, total=None: said.append(done))
    assert again.singular == pytest.approx(head.singular, rel=1e-9) and said == [0, 100, 200]


def test_a_head_that_keeps_all_directions_loses_nothing(toy, head):
    states, following = ordinary_endings(toy)
    whole = surprises(toy, states, following.tolist()).mean()
    found = cut_losses(toy, head, states, following, usual_cuts(head.width))
    assert found[-1] == pytest.approx(whole, abs=1e-5)
    assert (found > 0).all()


def test_a_cut_head_reads_along_its_axes_only(toy, head):
    states, following = ordinary_endings(toy)
    chosen = slice(0, 9)
    kept = head.axes[:3]
    hidden = toy.on_worker(lambda: toy.parts.norm(torch.from_numpy(states[chosen])).numpy())
    weight = toy.parts.head.weight.detach().numpy()
    logits = (hidden @ kept.T @ kept @ weight.T).astype(float)
    total = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
    expected = (total - logits[np.arange(9), following[chosen]]).mean()
    found = cut_losses(toy, head, states[chosen], following[chosen], (3,))
    assert found == pytest.approx([expected], abs=1e-5)


def test_a_cut_in_chunks_is_the_cut_at_once(toy, head, monkeypatch):
    states, following = ordinary_endings(toy)
    whole = cut_losses(toy, head, states, following, (2, 11))
    monkeypatch.setattr("analysis.geometry.head.rows_per_chunk", lambda vocabulary: 37)
    assert cut_losses(toy, head, states, following, (2, 11)) == pytest.approx(whole, rel=1e-6)


def test_a_planted_bottleneck_is_found_and_costs_nothing_beyond_it(own_toy, head):
    """A head whose rows lie in four directions: an effective rank of at most four, and all is kept with four."""
    weight = own_toy.parts.head.weight.data
    axes = torch.from_numpy(head.axes[:4].astype(np.float32))
    weight.copy_(weight @ axes.T @ axes)
    found = read_head(own_toy)
    assert found.singular[:4] == pytest.approx(head.singular[:4], rel=1e-4)
    assert effective_rank(found.singular) < 4.1 < effective_rank(head.singular)
    assert singular_entropy(found.singular) > np.log(22 / 4.1) > singular_entropy(head.singular)
    two, four, all_of_them = cut_losses(own_toy, found, *ordinary_endings(own_toy), (2, 4, 22))
    assert four == pytest.approx(all_of_them, abs=1e-5) and abs(two - four) > 1e-3


def test_families_whose_states_are_mapped_behind_the_norm_have_no_folded_spectrum(families):
    model = families("opt-projected").model
    found = read_head(model)
    assert found.with_gain is None and found.width == 14 and len(found.numbers()) == 2
    states = normal(0, 6, model.d_model)
    following = np.arange(6)
    own = surprises(model, states, following.tolist()).mean()
    assert cut_losses(model, found, states, following, (14,)) == pytest.approx([own], abs=1e-5)


@pytest.mark.parametrize("name", ["gemma2", "granite", "phi", "gpt2"])
def test_softcaps_divisors_and_biases_stay_in_a_cut_head(families, name):
    model = families(name).model
    found = read_head(model)
    states, following = normal(0, 6, model.d_model), np.arange(6)
    own = surprises(model, states, following.tolist()).mean()
    assert cut_losses(model, found, states, following, (found.width,)) == pytest.approx([own], abs=1e-4)


def test_cuts_that_do_not_exist_are_refused(toy, head, unchecked):
    states, following = normal(0, 3, toy.d_model), np.arange(3)
    for kept in ((), (0,), (head.width + 1,)):
        with pytest.raises(AnalysisError, match="keep 1 to all"):
            cut_losses(toy, head, states, following, kept)
    with pytest.raises(AnalysisError, match="3 and 2"):
        cut_losses(toy, head, states, following[:2], (1,))


def test_usual_cuts_double_up_to_all():
    assert usual_cuts(576) == (4, 9, 18, 36, 72, 144, 288, 576)
    assert usual_cuts(22)[-1] == 22 and usual_cuts(3) == (3,)
    assert ranks.EPSILON == 1e-7
