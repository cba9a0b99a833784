"""Geometry of maps: scales, axes, turning, what a picture keeps, and twins without content."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from analysis.background import random_direction
from analysis.directions import Direction
from analysis.errors import AnalysisError
from analysis.maps import basis as bases
from analysis.maps.outliers import sinks
from analysis.maps.procrustes import aligned, displacement, rotation
from analysis.maps.quality import NEIGHBOURS, neighbours_for, quality
from analysis.maps.scaling import scaled
from analysis.maps.twins import dealt, gaussian
from analysis.next_token import norm_gain
from analysis.results import Bounds, PointCloud, Provenance
from analysis.samples import OUTLIER

LAYERS, POINTS, WIDTH = 3, 41, 7
seeds = st.integers(0, 2**31 - 1)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def stretched(seed: int = 0) -> np.ndarray:
    """States whose axes differ in length, so that principal axes are far from ties."""
    spread = np.geomspace(8, 0.1, WIDTH).astype(np.float32)
    return normal(seed, LAYERS, POINTS, WIDTH) * spread + normal(seed + 1, LAYERS, 1, WIDTH)


def direction(*vectors: list[float], name: str = "d") -> Direction:
    values = np.array(vectors, np.float32)
    return Direction(name, tuple(range(len(values))), values, "", "how", "source", 0, "why")


# scales


@given(seeds)
def test_unit_states_have_length_one_and_keep_their_direction(seed):
    states = normal(seed, 5, 3, WIDTH) * 100
    lengths = np.linalg.norm(scaled(states, "unit"), axis=-1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    again = scaled(states, "unit") * np.linalg.norm(states, axis=-1, keepdims=True)
    np.testing.assert_allclose(again, states, rtol=1e-4, atol=1e-4)


def test_a_zero_state_stays_zero_and_raw_states_stay_as_they_are():
    states = np.array([[0, 0], [3, 4]], np.float32)
    assert scaled(states, "unit").tolist() == [[0, 0], pytest.approx([0.6, 0.8])]
    assert scaled(states, "raw") is states


def test_distance_of_unit_states_orders_as_the_cosine():
    states = normal(0, POINTS, WIDTH)
    unit = scaled(states, "unit")
    distance = np.linalg.norm(unit - unit[0], axis=1)
    assert np.argsort(distance).tolist() == np.argsort(-(unit @ unit[0])).tolist()


def test_an_unknown_scale_is_refused():
    with pytest.raises(AnalysisError, match="unit, raw"):
        scaled(normal(0, 2, 2), "log")


# axes


@pytest.mark.parametrize("scale", ["unit", "raw"])
@pytest.mark.parametrize("n_axes", [2, 3])
def test_pooled_axes_are_sklearns_on_all_layers_stacked(scale, n_axes):
    states = stretched()
    found = bases.pooled(lambda layer: states[layer], range(LAYERS), n_axes, scale)
    stacked = scaled(states, scale).reshape(-1, WIDTH)
    expected = PCA(n_axes, svd_solver="full").fit(stacked.astype(np.float64))
    signs = np.sign((expected.components_ * found.axes[0]).sum(1))
    np.testing.assert_allclose(found.axes[0], expected.components_ * signs[:, None], atol=1e-5)
    drawn = np.concatenate([found.project(states[layer], layer) for layer in range(LAYERS)])
    np.testing.assert_allclose(drawn, expected.transform(stacked) * signs, atol=1e-4)
    assert found.fixed and all(np.array_equal(found.axes[0], axes) for axes in found.axes)


def test_pooled_layers_count_alike_however_many_points_they_have():
    few, many = normal(0, 5, WIDTH), np.tile(normal(1, 5, WIDTH), (20, 1))
    alike = bases.pooled(lambda layer: (few, many[:5])[layer], range(2), 2, "raw")
    found = bases.pooled(lambda layer: (few, many)[layer], range(2), 2, "raw")
    np.testing.assert_allclose(found.axes, alike.axes, atol=1e-5)


@pytest.mark.parametrize("points", [4, POINTS])
def test_axes_of_a_layer_are_sklearns_up_to_a_turn(points):
    states = stretched()[:, :points]
    found = bases.per_layer(lambda layer: states[layer], range(LAYERS), 2, "raw")
    assert not found.fixed
    for layer in range(LAYERS):
        expected = PCA(2, svd_solver="full").fit(states[layer].astype(np.float64))
        turn = found.axes[layer] @ expected.components_.T
        np.testing.assert_allclose(turn @ turn.T, np.eye(2), atol=1e-4)
        own = found.explained[layer].sum()
        assert own == pytest.approx(expected.explained_variance_ratio_.sum(), abs=1e-4)


def test_pictures_of_layers_are_turned_onto_the_ones_below():
    turn, _ = np.linalg.qr(normal(3, WIDTH, WIDTH))
    states = [stretched()[0], (stretched()[0] @ turn).astype(np.float32), stretched()[0]]
    found = bases.per_layer(lambda layer: states[layer], range(3), 3, "raw")
    drawn = [found.project(states[layer], layer) for layer in range(3)]
    np.testing.assert_allclose(drawn[1], drawn[0], atol=1e-3)
    np.testing.assert_allclose(drawn[2], drawn[0], atol=1e-3)


@pytest.mark.parametrize("build", [bases.pooled, bases.per_layer])
def test_the_largest_loading_is_positive_at_the_first_layer(build):
    for seed in range(6):
        states = stretched(seed)
        axes = build(lambda layer: states[layer], range(LAYERS), 3, "raw").axes[0]  # noqa: B023
        assert (axes[np.arange(3), np.abs(axes).argmax(1)] > 0).all()


@pytest.mark.parametrize("build", [bases.pooled, bases.per_layer])
def test_the_same_states_give_the_same_axes(build):
    states = stretched()
    first, second = (build(lambda layer: states[layer], range(LAYERS)) for _ in range(2))
    assert np.array_equal(first.axes, second.axes) and np.array_equal(first.centres, second.centres)


def test_a_planted_plane_is_found_and_explains_everything():
    plane = np.linalg.qr(normal(0, WIDTH, 2))[0].T
    states = (normal(1, LAYERS, POINTS, 2) * np.array([5, 1], np.float32)) @ plane
    found = bases.pooled(lambda layer: states[layer], range(LAYERS), 2, "raw")
    np.testing.assert_allclose(found.explained.sum(1), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found.axes[0] @ plane.T, axis=1), 1, atol=1e-4)


def test_shares_of_variance_by_hand():
    states = np.array([[3, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]], np.float32)
    axes = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    np.testing.assert_allclose(bases.variance_shares(states, axes), [0.9, 0.1, 0], atol=1e-6)
    slanted = np.array([[1, 0, 0], [2**-0.5, 2**-0.5, 0]], np.float32)  # the same plane as the first two
    assert bases.share_seen(states, slanted) == pytest.approx(1)


def test_where_points_coincide_there_is_no_share():
    same = np.ones((5, 3), np.float32)
    assert np.isnan(bases.variance_shares(same, np.eye(3, dtype=np.float32)[:2])).all()


def test_new_points_lie_in_a_basis_exactly():
    states, new = stretched(), normal(9, 2, 5, WIDTH)
    found = bases.per_layer(lambda layer: states[layer], range(LAYERS), 2, "raw")
    expected = (new - found.centres[2]) @ found.axes[2].T
    np.testing.assert_allclose(found.project(new, 2), expected, atol=1e-5)
    np.testing.assert_allclose(found.project(states[1], 1).mean(0), 0, atol=1e-4)


def test_what_has_no_picture_is_refused_in_words():
    same = np.ones((5, 4), np.float32)
    with pytest.raises(AnalysisError, match="one and the same"):
        bases.pooled(lambda layer: same, range(2))
    with pytest.raises(AnalysisError, match="need at least 3"):
        bases.per_layer(lambda layer: same[:2], range(2))
    with pytest.raises(AnalysisError, match="2 or 3 axes"):
        bases.pooled(lambda layer: stretched()[layer], range(2), 4)
    with pytest.raises(AnalysisError, match="No point"):
        bases.pooled(lambda layer: same[:0], range(2))
    with pytest.raises(AnalysisError, match="No layer"):
        bases.pooled(lambda layer: same, [])
    found = bases.pooled(lambda layer: stretched()[layer], range(LAYERS))
    with pytest.raises(AnalysisError, match="layer 9"):
        found.project(stretched()[0], 9)
    with pytest.raises(AnalysisError, match="7 numbers; given 5"):
        found.project(normal(0, 3, 5), 0)


def test_coinciding_points_of_one_layer_are_no_failure():
    states = stretched()
    states[1] = states[1, :1]
    found = bases.per_layer(lambda layer: states[layer], range(LAYERS), 2, "raw")
    assert np.isfinite(found.axes).all() and np.isnan(found.explained[1]).all()
    np.testing.assert_allclose(found.project(states[1], 1), 0, atol=1e-4)


def test_a_concept_plane_is_products_with_unit_vectors():
    across, upward = direction([2, 0, 0], [0, 3, 0], name="a"), direction([5, 5, 0], [0, 0, 1], name="b")
    states = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    found = bases.concept_plane([across, upward], [None, 1], "raw", read=lambda layer: states)
    np.testing.assert_allclose(found.project(states, 1), [[1, 3], [4, 6]], atol=1e-6)
    cosine = bases.concept_plane([across, upward], None, "unit")
    np.testing.assert_allclose(cosine.project(states[:1], 0), [[1 / 14**0.5, 3 / 28**0.5]], atol=1e-6)
    assert "+0.71" in cosine.how and found.names == (
        "a, layer 0 (residual units)",
        "b, layer 1 (residual units)",
    )
    assert (
        cosine.names[0].endswith("(cosine)") and cosine.explained is None and found.explained.shape == (2, 2)
    )


def test_directions_that_span_no_plane_are_refused():
    one = direction([1, 2, 3])
    with pytest.raises(AnalysisError, match="along each other"):
        bases.concept_plane([one, direction([-2, -4, -6])])
    with pytest.raises(AnalysisError, match="two or three"):
        bases.concept_plane([one])
    with pytest.raises(AnalysisError, match="widths"):
        bases.concept_plane([one, direction([1, 2])])


def test_unembedding_axes_are_principal_axes_of_the_rows_through_the_gain(toy):
    found = bases.unembedding(toy, 3, "raw")
    named = [i for i in range(toy.vocabulary) if not toy.tokenizer.piece(i).startswith(b"<unused")]
    rows = np.unique(toy.parts.head.weight.detach().double().numpy()[named], axis=0) * norm_gain(toy)
    expected = PCA(3, svd_solver="full").fit(rows).components_
    np.testing.assert_allclose(np.abs((found.axes[0] * expected).sum(1)), 1, atol=1e-4)
    assert found.layers == tuple(range(toy.n_layers + 1)) and found.explained is None
    np.testing.assert_allclose(found.axes[0] @ found.axes[0].T, np.eye(3), atol=1e-5)


def test_a_random_direction_can_be_an_axis(toy):
    found = bases.concept_plane([random_direction(toy, 1), random_direction(toy, 2)])
    assert found.axes.shape == (toy.n_layers + 1, 2, toy.d_model)


# turning


@given(seeds, st.integers(2, 3))
def test_a_planted_rotation_is_recovered(seed, axes):
    points = normal(seed, POINTS, axes)
    turn, _ = np.linalg.qr(np.random.default_rng(seed + 1).normal(size=(axes, axes)))
    moved = points.astype(np.float64) @ turn
    np.testing.assert_allclose(rotation(points, moved), turn, atol=1e-6)
    shifted = (moved + 5).astype(np.float32)
    np.testing.assert_allclose(aligned(points, shifted), shifted, atol=1e-4)


@given(seeds)
def test_aligning_never_adds_to_the_squares_and_keeps_distances(seed):
    points, to = normal(seed, POINTS, 2), normal(seed + 1, POINTS, 2)
    moved = aligned(points, to)
    assert np.square(moved - to).sum() <= np.square(points - to).sum() * (1 + 1e-5)

    def distances(cloud):
        return np.linalg.norm(cloud[:, None] - cloud[None], axis=-1)

    np.testing.assert_allclose(distances(moved), distances(points), atol=1e-4)


def test_a_reflection_is_undone():
    points = normal(0, POINTS, 2)
    mirrored = points * np.array([1, -1], np.float32)
    np.testing.assert_allclose(aligned(mirrored, points), points, atol=1e-5)


def test_nothing_is_turned_onto_a_single_place():
    points, place = normal(0, 5, 2), np.ones((5, 2), np.float32)
    assert rotation(points, place).tolist() == np.eye(2).tolist()
    np.testing.assert_allclose(aligned(place, points), np.tile(points.mean(0), (5, 1)), atol=1e-5)


def test_displacement_by_hand():
    square = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], np.float32)
    frames = np.stack([square, square, square + np.array([1, 0], np.float32)])
    np.testing.assert_allclose(displacement(frames), [0, 2**-0.5], atol=1e-6)
    assert np.isnan(displacement(np.zeros((2, 3, 2), np.float32))).all()


def test_unrelated_pictures_are_about_five_quarters_apart():
    assert displacement(normal(0, 2, 20_000, 2))[0] == pytest.approx((np.pi / 2) ** 0.5, abs=0.02)


# what a picture keeps


def test_the_identity_keeps_everything():
    states = normal(0, POINTS, 2)
    found = quality(states, states.copy(), 5)
    assert (found.trustworthiness, found.continuity, found.kept) == (1, 1, 1)
    assert not found.distortion.any()


@given(seeds, st.integers(1, 12))
def test_trustworthiness_and_continuity_are_sklearns(seed, k):
    states, drawn = normal(seed, POINTS, WIDTH), normal(seed + 1, POINTS, 2)
    found = quality(states, drawn, k)
    assert found.trustworthiness == pytest.approx(trustworthiness(states, drawn, n_neighbors=k), abs=1e-6)
    assert found.continuity == pytest.approx(trustworthiness(drawn, states, n_neighbors=k), abs=1e-6)


def test_a_random_layout_keeps_what_chance_keeps():
    found = quality(normal(0, 1500, 20), normal(1, 1500, 2))
    assert found.trustworthiness == pytest.approx(0.5, abs=0.02)
    assert found.continuity == pytest.approx(0.5, abs=0.02)
    assert found.kept == pytest.approx(found.kept_by_chance, rel=0.3)
    assert found.kept_by_chance == NEIGHBOURS / 1499


def test_kept_neighbours_and_distortion_by_hand():
    states = np.array([[0.0], [1.0], [2.1], [3.3], [9.0]], np.float32)
    drawn = np.array([[0.0], [1.0], [2.1], [30.0], [3.2]], np.float32)  # the last two change places
    found = quality(states, drawn, 1)
    assert found.distortion.tolist() == [0, 0, 0, 1, 1]
    assert found.kept == pytest.approx(0.6) and found.kept_by_chance == 0.25


@given(seeds)
def test_turning_and_stretching_a_picture_changes_nothing(seed):
    states, drawn = normal(seed, POINTS, WIDTH), normal(seed + 1, POINTS, 2)
    turn, _ = np.linalg.qr(normal(seed + 2, 2, 2))
    before, after = quality(states, drawn, 5), quality(states, (drawn @ turn * 8).astype(np.float32), 5)
    assert after.kept == pytest.approx(before.kept, abs=0.01)
    assert after.trustworthiness == pytest.approx(before.trustworthiness, abs=0.01)


def test_points_that_coincide_are_no_failure_and_no_merit():
    twice = np.repeat(normal(0, 10, WIDTH), 3, axis=0)
    assert quality(twice, twice, 4).kept == 1
    same = np.ones((60, WIDTH), np.float32)
    assert quality(same, np.ones((60, 2), np.float32), 5).trustworthiness == 1
    collapsed = quality(normal(0, 400, WIDTH), np.zeros((400, 2), np.float32), 10)
    assert collapsed.kept == pytest.approx(collapsed.kept_by_chance, abs=0.03)
    assert collapsed.trustworthiness == pytest.approx(0.5, abs=0.1)


def test_of_many_points_a_sample_is_measured_and_said():
    states = normal(0, 300, WIDTH)
    found = quality(states, states[:, :2].copy(), 5, 100, seed=1, layer=4, explained=0.5)
    assert found.n_measured == 100 and np.isfinite(found.distortion).sum() == 100
    assert (found.layer, found.explained) == (4, 0.5)
    again = quality(states, states[:, :2].copy(), 5, 100, seed=1)
    assert np.array_equal(found.distortion, again.distortion, equal_nan=True)
    chosen = np.isfinite(found.distortion)
    assert found.kept == quality(states[chosen], states[chosen, :2].copy(), 5).kept


def test_too_many_neighbours_are_refused_with_the_most_there_can_be():
    states = normal(0, 10, 3)
    with pytest.raises(AnalysisError, match="at most 4"):
        quality(states, states[:, :2].copy(), 5)
    with pytest.raises(AnalysisError, match="at least 3 points"):
        quality(states[:2], states[:2, :2].copy(), 1)
    with pytest.raises(AnalysisError, match="not finite"):
        quality(np.full((10, 3), np.nan, np.float32), states[:, :2].copy(), 2)


def test_a_picture_of_other_points_is_refused(unchecked):
    states = normal(0, 10, 3)
    with pytest.raises(AnalysisError, match="same points"):
        quality(states, states[:9, :2].copy(), 2)


def test_neighbours_are_under_half_of_any_set():
    assert neighbours_for(2) is None and neighbours_for(3) == 1
    assert neighbours_for(10**6) == NEIGHBOURS
    assert all(1 <= neighbours_for(count) < count / 2 for count in range(3, 200))


# twins


@pytest.mark.parametrize(("count", "width"), [(3000, 4), (30, 50)])
def test_a_gaussian_twin_has_the_same_mean_and_covariance(count, width):
    spread = np.geomspace(3, 0.3, width).astype(np.float32)
    states = normal(0, count, width) * spread + 7
    twins = np.concatenate([gaussian(states, seed) for seed in range(2 if count > width else 200)])
    np.testing.assert_allclose(twins.mean(0), states.mean(0), atol=0.3)
    own, found = np.cov(states, rowvar=False), np.cov(twins, rowvar=False)
    assert np.abs(found - own).max() < 0.1 * np.abs(own).max()
    top = min(5, width)
    np.testing.assert_allclose(np.linalg.eigvalsh(found)[-top:], np.linalg.eigvalsh(own)[-top:], rtol=0.15)


def test_a_gaussian_twin_stays_in_the_space_its_states_span_and_forgets_its_shape():
    states = normal(0, 6, 20)
    axes = np.linalg.svd(states - states.mean(0), full_matrices=False)[2][:5]
    centred = gaussian(states, 1) - states.mean(0)
    np.testing.assert_allclose(centred @ axes.T @ axes, centred, atol=1e-4)
    two = np.repeat(np.array([[-5.0], [5.0]], np.float32), 500, axis=0)
    assert np.abs(gaussian(two, 0)).min() < 1  # nobody was between the clusters


def test_the_same_seed_gives_the_same_twin_and_another_another():
    states = normal(0, 9, 4)
    assert np.array_equal(gaussian(states, 3), gaussian(states, 3))
    assert not np.array_equal(gaussian(states, 3), gaussian(states, 4))


texts = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8), min_size=1, max_size=5)


@given(texts, seeds)
def test_dealing_keeps_first_tokens_lengths_and_counts(given_, seed):
    found = dealt(given_, seed)
    assert [len(text) for text in found] == [len(text) for text in given_]
    assert [text[0] for text in found] == [text[0] for text in given_]
    assert sorted(sum(found, ())) == sorted(sum(map(tuple, given_), ()))
    assert dealt(given_, seed) == found


def test_dealing_mixes_texts():
    found = dealt([[0, *[1] * 50], [0, *[2] * 50]], 0)
    assert all({1, 2} <= set(text) for text in found)


# what stands apart


def test_the_first_position_and_loud_points_stand_apart():
    norms = np.full((2, 6), 10.0, np.float32)
    norms[1, 0], norms[0, 4] = 25_000, 10 * OUTLIER * 1.1
    assert sinks([0, 1, 2, 3, 4, 5], norms).tolist() == [True, False, False, False, True, False]
    assert sinks([3, 0], np.array([[1, 1]], np.float32)).tolist() == [False, True]
    assert sinks([0], np.array([[1]], np.float32)).tolist() == [True]


def test_a_sink_does_not_hide_behind_the_median_it_makes():
    assert sinks([0, 1], np.array([[25_000, 150]], np.float32)).tolist() == [True, False]


# the result


def test_a_cloud_needs_a_picture_for_each_layer_and_a_name_for_each_point():
    about = Provenance("m", "r", "float32", "method", "source", "misleads")

    def cloud(layers=(0, 1), axes=("x", "y"), labels=("a", "b", "c"), coordinates=None):
        coordinates = normal(0, 2, 3, 2) if coordinates is None else coordinates
        return PointCloud("t", "u", Bounds(None, None), about, layers, coordinates, axes, labels)

    with pytest.raises(ValueError):
        cloud().coordinates[0] = 1
    for wrong in ({"layers": (0,)}, {"axes": ("x",)}, {"labels": ("a",)}):
        with pytest.raises(AnalysisError):
            cloud(**wrong)


@pytest.mark.parametrize("width", [30, 260])
def test_the_largest_axes_are_found_one_way_and_the_other(rng, width):
    states = rng(4).normal(size=(500, width)) * np.linspace(5, 1, width)
    covariance = states.T @ states
    values, vectors = np.linalg.eigh(covariance)
    found = bases._largest(covariance, 3)
    assert np.allclose(np.abs(np.sum(found * vectors[:, ::-1].T[:3], 1)), 1, atol=1e-8)
    assert np.array_equal(found, bases._largest(covariance, 3))
