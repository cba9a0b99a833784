"""How many dimensions points fill near each other, and which neighbours a layer keeps."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist

from analysis.errors import AnalysisError
from analysis.geometry import intrinsic_dimension as dimension
from analysis.geometry import neighbourhoods
from analysis.geometry.classes import classes
from analysis.geometry.cloud import Cloud, standard_normal
from analysis.geometry.measures.dimensions import DIMENSIONS, overlap_between, overlaps, scales
from analysis.geometry.neighbours import different, nearest, neighbours, separate

MEASURES = {each.id: each for each in DIMENSIONS}
IDS = ("twonn", "gride", "mle")


def cloud(*layers: np.ndarray, text=None, position=None, labels=()) -> Cloud:
    """A cloud of given states; by default every point is a text of its own."""
    count = len(layers[0])
    return Cloud(
        name="planted",
        layers=tuple(range(len(layers))),
        values=np.stack(layers).astype(np.float32),
        rows=np.arange(count),
        text=np.arange(count) if text is None else np.asarray(text, np.int64),
        position=np.ones(count, np.int64) if position is None else np.asarray(position, np.int64),
        token=np.zeros(count, np.int64),
        shown=("x",) * count,
        labels=tuple(labels),
    )


def turned(points: np.ndarray, width: int, seed: int) -> np.ndarray:
    """The same points in a space of more dimensions, at any angle."""
    axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(width, points.shape[1])))[0]
    return points @ axes.T


def cube(count: int, dim: int, seed: int, width: int = 96) -> np.ndarray:
    return turned(np.random.default_rng(seed).random((count, dim)), width, seed)


def torus(count: int, dim: int, seed: int) -> np.ndarray:
    """A flat torus: evenly filled, and without a border."""
    angles = np.random.default_rng(seed).random((count, dim)) * 2 * np.pi
    return np.concatenate([np.cos(angles), np.sin(angles)], 1)


def value(id: str, given: Cloud, layer: int = 0, **knobs) -> float:
    each = MEASURES[id]
    params = each.params(**knobs)
    assert each.needs(given, params) == ""
    found = each.at(given, layer, params)
    each.bounds.require(np.array([found.value]), id)
    return found.value


def all_ratios(states: np.ndarray, n: int = 1) -> np.ndarray:
    far = nearest(states, 2 * n)[1]
    return far[:, 2 * n - 1] / far[:, n - 1]


# neighbours


def test_neighbours_are_those_of_a_full_sorted_table():
    points = np.random.default_rng(0).normal(size=(700, 9))
    near, far = nearest(points, 13)
    table = cdist(points, points)
    np.fill_diagonal(table, np.inf)
    np.testing.assert_array_equal(near, np.argsort(table, axis=1)[:, :13])
    np.testing.assert_allclose(far, np.sort(table, axis=1)[:, :13], rtol=1e-9)


def test_neighbours_on_a_line_by_hand():
    near, far = nearest(np.array([[0.0], [1.0], [3.0], [7.0]]), 2)
    assert near.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    np.testing.assert_allclose(far, [[1, 3], [1, 2], [2, 3], [4, 6]])


def test_small_distances_far_from_zero_are_exact():
    points = np.random.default_rng(1).normal(size=(60, 5)) * 1e-3 + 300
    table = cdist(points, points) + np.diag([np.inf] * 60)
    np.testing.assert_allclose(nearest(points, 1)[1][:, 0], table.min(1), rtol=1e-6)


def test_a_point_is_no_neighbour_of_points_of_its_text():
    points = np.array([[0.0], [0.1], [5.0], [9.0]])
    near, far = nearest(points, 3, np.array([0, 0, 1, 2]))
    assert near[0, :2].tolist() == near[1, :2].tolist() == [2, 3]
    assert np.isinf(far[0, 2]) and np.isfinite(far[2]).all()


def test_more_neighbours_than_points_are_refused():
    with pytest.raises(AnalysisError, match="4 neighbours of 4 points"):
        nearest(np.eye(4), 4)


def test_of_equal_points_the_first_is_compared():
    points = np.random.default_rng(2).normal(size=(9, 3))
    given = cloud(points[[0, 1, 0, 2, 3, 1, 4]], points[[0, 1, 2, 3, 4, 5, 6]])
    assert different(given, (0,)).tolist() == [0, 1, 3, 4, 6]
    assert different(given, (1,)).tolist() == list(range(7))
    assert different(given, (0, 1)).tolist() == [0, 1, 3, 4, 6]


def test_the_first_of_equal_points_is_sought_among_those_that_come_into_question():
    points = np.random.default_rng(2).normal(size=(3, 3))
    among = np.array([False, True, True, True])
    assert different(cloud(points[[0, 0, 1, 0]]), (0,), among=among).tolist() == [1, 2]


def test_the_draw_is_the_same_at_every_layer():
    given = cloud(cube(300, 3, 0), cube(300, 3, 1))
    drawn = different(given, (0,), 100)
    assert len(drawn) == 100 and (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(drawn, different(given, (1,), 100))


def test_points_that_differ_by_rounding_alone_are_one_point():
    points = cube(200, 4, 3).astype(np.float32)
    again = points[:20] * np.float32(1 + 5e-7)
    given = cloud(np.concatenate([points, again]))
    assert len(different(given, (0,))) > 200  # they are not equal to the last bit
    assert separate(given, 0).points.tolist() == list(range(200))
    found = MEASURES["twonn"].at(given, 0, MEASURES["twonn"].params())
    assert found.beside["points used"] == 200 and found.beside["nearly equal points left out"] > 0
    assert found.value == pytest.approx(value("twonn", cloud(points)))


def test_neighbours_are_searched_once():
    given = cloud(cube(80, 3, 0))
    points = different(given, (0,))
    assert neighbours(given, 0, points) is neighbours(given, 0, points)
    assert neighbours(given, 0, points) is not neighbours(given, 0, points, cosine=True)


def test_neighbours_by_angle_do_not_know_of_length():
    points = np.random.default_rng(4).normal(size=(50, 6))
    lengths = np.random.default_rng(5).uniform(0.1, 10, (50, 1))
    one, other = (
        neighbours(cloud(p), 0, np.arange(50), cosine=True).near for p in (points, points * lengths)
    )
    np.testing.assert_array_equal(one[:, :5], other[:, :5])


# dimensions from ratios


def test_the_dimension_from_two_neighbours_by_hand():
    """Ratios e, e^2 and one that is left out: the line goes through (1, ln 3/2) and (2, ln 3)."""
    ratios = np.exp([1.0, 2.0, 9.0])
    line = dimension.two_nn_line(ratios, 0.3)
    assert line.dimension == pytest.approx((np.log(1.5) + 2 * np.log(3)) / 5)
    assert dimension.two_nn_likelihood(ratios) == pytest.approx(2 / 12)
    assert dimension.two_nn_likelihood(ratios, 0.3) == pytest.approx(1 / (1 + 2 + 2))


def test_ratios_of_a_known_law_give_its_dimension():
    """The quantiles of 1 - m^-7 lie on the line with slope 7."""
    count = 4000
    share = np.arange(1, count + 1) / count
    ratios = (1 - share[:-1]) ** (-1 / 7)
    line = dimension.two_nn_line(np.append(ratios, ratios[-1]), 0.1)
    assert line.dimension == pytest.approx(7, rel=1e-9) and line.r2 == pytest.approx(1, abs=1e-12)
    drawn = np.random.default_rng(0).random(200_000) ** (-1 / 7)
    assert dimension.two_nn_likelihood(drawn) == pytest.approx(7, rel=0.01)
    assert dimension.gride(drawn, 1)[0] == pytest.approx(dimension.two_nn_likelihood(drawn), rel=1e-9)


@pytest.mark.parametrize("n", [2, 5, 16])
def test_the_dimension_at_a_scale_maximises_the_likelihood_of_its_paper(n):
    ratios = all_ratios(cube(600, 4, n), n)
    count = len(ratios)

    def less(d: float) -> float:
        inner = (n - 1) * np.log(ratios**d - 1).sum()
        return -((count - 1) * np.log(d) + inner - ((2 * n - 1) * d + 1) * np.log(ratios).sum())

    best = minimize_scalar(less, bounds=(0.5, 20), method="bounded", options={"xatol": 1e-9}).x
    assert dimension.gride(ratios, n)[0] == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("n", [1, 4])
def test_the_standard_error_is_the_curvature_of_the_likelihood(n):
    ratios = all_ratios(cube(500, 3, 1), n)
    count, step = len(ratios), 1e-3
    found, error = dimension.gride(ratios, n)

    def likelihood(d: float) -> float:
        inner = (n - 1) * np.log(ratios**d - 1).sum()
        return count * np.log(d) + inner - ((2 * n - 1) * d + 1) * np.log(ratios).sum()

    bend = (likelihood(found + step) - 2 * likelihood(found) + likelihood(found - step)) / step**2
    assert error == pytest.approx((-bend) ** -0.5, rel=1e-4)


def test_ties_say_nothing_at_larger_scales():
    ratios = all_ratios(cube(300, 3, 2), 4)
    tied = np.append(ratios, [1.0, 1.0])
    assert dimension.gride(tied, 4) == dimension.gride(ratios, 4)


def test_local_dimensions_by_hand():
    found = dimension.local_dimensions(np.array([[1.0, np.e, np.e**2], [1.0, 1.0, np.e], [2.0, 2.0, 2.0]]))
    assert found[:2].tolist() == pytest.approx([2 / 3, 1]) and np.isinf(found[2])
    assert dimension.harmonic_mean(found) == pytest.approx(3 / (1.5 + 1 + 0))


def test_copies_and_grids_are_refused():
    with pytest.raises(AnalysisError, match="leave it out"):
        dimension.two_nn_line(np.array([1.5, np.inf]))
    with pytest.raises(AnalysisError, match="leave out copies"):
        dimension.local_dimensions(np.array([[0.0, 1.0]]))
    for estimate in (
        dimension.two_nn_line,
        dimension.two_nn_likelihood,
        lambda ratios: dimension.gride(ratios, 3),
    ):
        with pytest.raises(AnalysisError, match="equally far"):
            estimate(np.ones(20))
    with pytest.raises(AnalysisError, match="equally far"):
        dimension.harmonic_mean(np.full(3, np.inf))


EVEN = (np.arange(400)[:, None] ** 2 * np.array([[0.5545497, 0.7548777, 0.5698403, 0.3247180]])) % 1
"""400 points in the unit cube of four dimensions, from a rule that anyone can repeat."""
REFERENCE = (
    2.7411874745764337,
    2.6883871265320365,
    2.6327090598022975,
    2.7750940560778896,
    2.633920481776011,
    2.6327090598022953,
    2.651945443384418,
    2.6795146263774234,
    2.638366006564666,
    2.483466710147847,
    2.338136297292293,
)
"""scikit-dimension 0.5.0 on EVEN: TwoNN; its likelihood discarding a tenth, and nothing; Levina & Bickel with 20
neighbours, arithmetic and harmonic mean; GRIDE with n = 1, 2, 4, 8, 16, 32."""


def test_agrees_with_scikit_dimension():
    near = all_ratios(EVEN)
    local = dimension.local_dimensions(nearest(EVEN, 20)[1])
    found = [
        dimension.two_nn_line(near).dimension,
        dimension.two_nn_likelihood(near, 0.1),
        dimension.two_nn_likelihood(near),
        float(local.mean()),
        dimension.harmonic_mean(local),
        *(dimension.gride(all_ratios(EVEN, n), n)[0] for n in (1, 2, 4, 8, 16, 32)),
    ]
    np.testing.assert_allclose(found, REFERENCE, rtol=1e-8)


# planted surfaces


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("dim", "low", "high"),
    # boundaries of the cube make every estimate smaller than the dimension, the more so the higher it is
    [(5, 4.3, 5.3), (10, 7.7, 9.3), (20, 14.0, 16.5)],
)
def test_a_turned_cube_has_its_dimension_as_far_as_2000_points_tell(dim, low, high, seed):
    given = cloud(cube(2000, dim, seed))
    for fit in ("line", "likelihood"):
        assert low < value("twonn", given, fit=fit) < high
    assert low - 0.3 < value("mle", given) < high
    near, far = (value("gride", given, n=n) for n in (1, 32))
    assert low < near < high and near > far > 0.8 * low


@pytest.mark.parametrize("dim", [2, 4])
def test_without_a_border_the_dimension_is_right(dim):
    given = cloud(torus(2000, dim, 0))
    assert value("twonn", given, fit="likelihood") == pytest.approx(dim, rel=0.07)
    assert value("gride", given, n=4) == pytest.approx(dim, rel=0.05)
    assert value("mle", given) == pytest.approx(dim, rel=0.08)


def test_noise_is_seen_at_the_small_scale_and_not_at_the_large():
    points = cube(2000, 2, 0, width=60)
    noisy = cloud(points + np.random.default_rng(1).normal(size=points.shape) * 0.004)
    assert value("twonn", noisy) > 8
    assert value("gride", noisy, n=64) < 4
    found = MEASURES["twonn"].at(noisy, 0, MEASURES["twonn"].params())
    assert found.beside["at 8 times the scale"] < 0.7 * found.value


@pytest.mark.parametrize("id", IDS)
def test_dimensions_do_not_change_with_turning_moving_scaling_and_zeros(id):
    points = cube(400, 3, 5, width=20)
    other = turned(points * 37 + 4, 45, 9)
    padded = np.concatenate([points, np.zeros((400, 7))], 1)
    own = value(id, cloud(points))
    for changed in (other, padded):
        assert value(id, cloud(changed)) == pytest.approx(own, rel=1e-4)


@pytest.mark.parametrize("id", IDS)
def test_copies_of_points_do_not_change_the_dimension(id):
    points = cube(500, 5, 6)
    assert value(id, cloud(np.concatenate([points, points[::3]]))) == pytest.approx(
        value(id, cloud(points)), rel=1e-6
    )


@pytest.mark.parametrize("id", IDS)
def test_the_dimension_of_a_normal_cloud_is_far_above_that_of_a_surface(id):
    given = cloud(cube(1000, 5, 0))
    assert value(id, standard_normal(given)) > 4 * value(id, given)


def test_the_local_dimension_of_each_point_comes_with_the_value():
    sheet, block = cube(300, 1, 0, 20), cube(300, 6, 1, 20) + 2
    given = cloud(np.concatenate([sheet, block]))
    each = MEASURES["mle"].at(given, 0, MEASURES["mle"].params()).per_point
    assert np.nanmedian(each[:300]) < 1.3 and np.nanmedian(each[300:]) > 3.5


def test_the_curve_against_scale_is_that_of_the_measure():
    given = cloud(cube(700, 3, 0))
    ns, (found, errors) = scales(given, 0)
    assert ns == (1, 2, 4, 8, 16, 32, 64)
    assert found[3] == pytest.approx(value("gride", given, n=8), rel=1e-6)
    assert (np.diff(errors) < 0).all()
    assert scales(cloud(cube(60, 3, 0)), 0)[0] == (1, 2, 4, 8)


def test_too_few_points_are_refused_in_words():
    few = cloud(cube(40, 3, 0))
    for id in IDS:
        sentence = MEASURES[id].needs(few, MEASURES[id].params())
        assert "at least 50" in sentence and "40" in sentence
    assert "256" in MEASURES["gride"].needs(few, MEASURES["gride"].params(n=64))
    alike = cloud(np.repeat(cube(30, 3, 0), 3, axis=0))
    for id in IDS:
        with pytest.raises(AnalysisError, match="30 of 90 points are different"):
            MEASURES[id].at(alike, 0, MEASURES[id].params())


# neighbours kept


def test_neighbours_kept_by_hand():
    shares = neighbourhoods.kept(np.array([[1, 2], [0, 2], [0, 1]]), np.array([[2, 1], [2, 5], [4, 5]]))
    assert shares.tolist() == [1, 0.5, 0]


def test_a_layer_that_turns_and_scales_keeps_all_neighbours():
    points = cube(400, 6, 0, 30)
    assert value("neighbourhood_overlap", cloud(points, turned(points, 40, 3)[:, :30] * 2), 1) < 1
    given = cloud(points, points @ np.linalg.qr(np.random.default_rng(0).normal(size=(30, 30)))[0] * 5)
    assert value("neighbourhood_overlap", given, 1) == 1


def test_independent_layers_keep_what_chance_keeps():
    random = np.random.default_rng(0)
    given = cloud(*random.normal(size=(2, 1000, 5)))
    k, count = 10, 1000
    found = MEASURES["neighbourhood_overlap"].at(given, 1, MEASURES["neighbourhood_overlap"].params(k=k))
    assert found.beside["by chance"] == pytest.approx(k / (count - 1))
    assert abs(found.value - k / (count - 1)) < 3 * np.sqrt(1 / (count - 1) / count)


def test_neighbours_kept_agree_with_a_direct_count_and_are_alike_both_ways():
    random = np.random.default_rng(3)
    one = random.normal(size=(120, 4))
    other = one + random.normal(size=(120, 4)) * 0.7
    lists = [
        [set(row) for row in (cdist(p, p) + np.diag([np.inf] * 120)).argsort(1)[:, :7]] for p in (one, other)
    ]
    shares = [len(a & b) / 7 for a, b in zip(*lists, strict=True)]
    params = MEASURES["neighbourhood_overlap"].params(k=7)
    found = overlap_between(cloud(one, other), 0, 1, params)
    np.testing.assert_allclose(found.per_point, shares, rtol=1e-6)
    assert found.value == pytest.approx(overlap_between(cloud(one, other), 1, 0, params).value)


def test_without_neighbours_of_the_same_text_what_texts_keep_does_not_count():
    """Each text is a knot of five points that stays together while the knots are dealt anew."""
    random = np.random.default_rng(0)
    knots = random.normal(size=(2, 60, 1, 8)) * 10
    inner = random.normal(size=(1, 60, 5, 8)) * 0.1
    text = np.repeat(np.arange(60), 5)
    given = cloud(*(knots + inner).reshape(2, 300, 8), text=text, position=np.tile(np.arange(1, 6), 60))
    assert value("neighbourhood_overlap", given, 1, k=4) > 0.95
    measure = MEASURES["neighbourhood_overlap"]
    found = measure.at(given, 1, measure.params(k=4, other_texts=True))
    assert found.value < 0.2 and found.beside["by chance"] == pytest.approx(4 / 295)


def test_all_pairs_of_layers_are_compared():
    random = np.random.default_rng(0)
    start = random.normal(size=(200, 5))
    near, far = start + random.normal(size=(200, 5)) * 0.2, random.normal(size=(200, 5))
    table = overlaps(cloud(start, near, far), MEASURES["neighbourhood_overlap"].params())
    np.testing.assert_array_equal(table, table.T)
    assert np.diag(table).tolist() == [1, 1, 1]
    assert table[0, 1] > 0.4 > 0.15 > table[0, 2]


def test_a_step_needs_a_layer_below():
    with pytest.raises(AnalysisError, match="below"):
        value("neighbourhood_overlap", cloud(cube(100, 3, 0)), 0)


def test_a_layer_of_equal_points_has_no_overlap_while_others_do():
    points = cube(200, 4, 0)
    given = cloud(np.repeat(points[:5], 40, axis=0), points, points)
    with pytest.raises(AnalysisError, match="5 different points"):
        value("neighbourhood_overlap", given, 1)
    assert value("neighbourhood_overlap", given, 2) == 1
    table = overlaps(given, MEASURES["neighbourhood_overlap"].params())
    assert np.isnan(table[0, 1]) and table[1, 2] == 1


# neighbours of the same class


def test_classes_are_numbered_and_no_label_is_no_class():
    found = classes(cloud(np.eye(4), labels=("b", "", "a", "b")))
    assert found.names == ("a", "b") and found.of.tolist() == [1, -1, 0, 1]
    assert found.sizes().tolist() == [1, 2]


def test_far_classes_share_all_neighbours_and_shuffled_ones_what_chance_gives():
    random = np.random.default_rng(0)
    own = np.repeat([0, 1, 2], [100, 100, 200])
    points = random.normal(size=(400, 6)) + own[:, None] * 40
    assert value("label_overlap", cloud(points, labels=[f"c{i}" for i in own])) == 1
    mixed = cloud(points, labels=[f"c{i}" for i in random.permutation(own)])
    found = MEASURES["label_overlap"].at(mixed, 0, MEASURES["label_overlap"].params())
    chance = (100 * 99 * 2 + 200 * 199) / (400 * 399)
    assert found.beside["by chance"] == pytest.approx(chance)
    assert found.value == pytest.approx(chance, abs=0.03)


def test_points_without_a_label_are_no_neighbours():
    random = np.random.default_rng(1)
    points = np.concatenate([random.normal(size=(60, 4)), random.normal(size=(200, 4)) * 0.1])
    labels = ["a", "b"] * 30 + [""] * 200
    found = MEASURES["label_overlap"].at(cloud(points, labels=labels), 0, MEASURES["label_overlap"].params())
    assert found.beside["points used"] == 60 and np.isnan(found.per_point[60:]).all()


def test_one_class_is_refused_in_words():
    measure = MEASURES["label_overlap"]
    assert "none" in measure.needs(cloud(cube(99, 3, 0)), measure.params())
    assert "is one" in measure.needs(cloud(cube(99, 3, 0), labels=["a"] * 99), measure.params())


def test_neighbours_from_other_texts_need_other_texts():
    measure = MEASURES["neighbourhood_overlap"]
    one_text = cloud(cube(99, 3, 0), text=np.zeros(99), position=np.arange(99))
    assert "two texts" in measure.needs(one_text, measure.params(other_texts=True))
    assert measure.needs(one_text, measure.params()) == ""


def test_overlap_that_chance_gives_knows_of_masked_texts():
    texts = np.array([0, 0, 0, 1, 2, 2])
    assert neighbourhoods.kept_by_chance(texts, 2, other_texts=True) == pytest.approx(
        np.mean([2 / 3, 2 / 3, 2 / 3, 2 / 5, 2 / 4, 2 / 4])
    )


def test_at_most_so_many_points_are_compared():
    given = cloud(cube(600, 3, 0))
    found = MEASURES["mle"].at(given, 0, MEASURES["mle"].params(compared=200))
    assert found.beside["points used"] == 200 == np.isfinite(found.per_point).sum()
