"""Whether what has one label lies in one convex region."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from analysis.errors import AnalysisError
from analysis.geometry import convexity
from analysis.geometry.cloud import Cloud, standard_normal
from analysis.geometry.measures.convex import CONVEX, labelled, on_graph
from analysis.geometry.neighbours import nearest

MEASURES = {each.id: each for each in CONVEX}
BOTH = tuple(MEASURES)


def cloud(points: np.ndarray, own: np.ndarray, text: np.ndarray | None = None) -> Cloud:
    """Points with the classes `c0`, `c1` and so on, and none where the number is negative."""
    count = len(points)
    return Cloud(
        name="planted",
        layers=(0,),
        values=points[None].astype(np.float32),
        rows=np.arange(count),
        text=np.arange(count) if text is None else text,
        position=np.arange(count),
        token=np.zeros(count, np.int64),
        shown=("x",) * count,
        labels=tuple(f"c{i}" if i >= 0 else "" for i in own),
    )


def found(id: str, given: Cloud, **knobs):
    each = MEASURES[id]
    params = each.params(**knobs)
    assert each.needs(given, params) == ""
    answer = each.at(given, given.layers[0], params)
    each.bounds.require(np.array([answer.value]), id)
    return answer


def square(seed: int, count: int = 600) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 2))


def paths_of(points: np.ndarray, k: int, starts=None) -> convexity.Paths:
    near, far = nearest(points, k)
    return convexity.shortest_paths(near, far, np.arange(len(points)) if starts is None else starts)


# by hand


def test_paths_on_a_line_by_hand():
    """Six points in a row, each a neighbour of the next; the classes are 0 1 1 0 0 1."""
    points = np.arange(6.0)[:, None] ** 1.01
    own = np.array([0, 1, 1, 0, 0, 1])
    paths = paths_of(points, 1)
    assert convexity.path(paths, 5, 5) == (5,)
    near = np.array([[1], [0], [1], [2], [3], [4]])
    paths = convexity.shortest_paths(near, np.ones((6, 1)), np.arange(6))
    assert convexity.path(paths, 0, 4) == (0, 1, 2, 3, 4)
    pairs = np.array([[0, 3], [0, 4], [3, 4], [1, 5], [5, 1], [1, 2]])
    scores = convexity.graph_convexity(paths, pairs, own).scores
    assert scores.tolist() == pytest.approx([0, 1 / 3, 1, 1 / 3, 1 / 3, 1])


def test_pairs_without_a_way_score_nothing():
    near = np.array([[1], [0], [3], [2]])
    paths = convexity.shortest_paths(near, np.ones((4, 1)), np.arange(4))
    answer = convexity.graph_convexity(paths, np.array([[0, 1], [0, 2]]), np.zeros(4, np.int64))
    assert answer.scores.tolist() == [1, 0] and answer.connected == 0.5
    assert convexity.path(paths, 0, 2) == ()


def test_ways_are_shortest_by_length_and_edges_go_both_ways():
    """Two short steps are taken rather than a long one, and an edge that one end alone names is there."""
    near = np.array([[1, 2], [0, 2], [1, 0]])
    far = np.array([[1.0, 3.0], [1.0, 1.5], [1.5, 3.0]])
    assert convexity.path(convexity.shortest_paths(near, far, np.array([0])), 0, 2) == (0, 1, 2)
    one_sided = convexity.shortest_paths(np.array([[1], [0], [1]]), np.ones((3, 1)), np.array([0]))
    assert convexity.path(one_sided, 0, 2) == (0, 1, 2)


def test_scores_are_those_of_paths_walked_one_by_one():
    points, own = square(0, 150), np.random.default_rng(1).integers(0, 3, 150)
    starts = np.array([0, 7, 20, 33, 90])
    paths = paths_of(points, 6, starts)
    pairs = convexity.pairs_within(own, np.arange(3), starts, 40, 0)
    answer = convexity.graph_convexity(paths, pairs, own)
    for (one, other), score in zip(pairs.tolist(), answer.scores, strict=True):
        between = convexity.path(paths, one, other)[1:-1]
        expected = np.mean(own[list(between)] == own[one]) if between else 1.0
        assert score == pytest.approx(expected)


def test_places_on_a_line_are_voted_on_as_a_classifier_votes():
    points, own = square(3, 200), np.random.default_rng(4).integers(0, 2, 200)
    pairs = convexity.pairs_within(own, np.arange(2), np.arange(200), 12, 0)
    answer = convexity.euclidean_convexity(points, pairs, own, k=5)
    share = np.arange(1, 11)[:, None] / 11
    for (one, other), score in zip(pairs.tolist(), answer.scores, strict=True):
        rest = np.setdiff1d(np.arange(200), [one, other])
        votes = KNeighborsClassifier(5).fit(points[rest], own[rest])
        between = (1 - share) * points[one] + share * points[other]
        assert score == pytest.approx((votes.predict(between) == own[one]).mean())


def test_equal_votes_go_to_the_nearer():
    own = np.array([0, 1, 1, 0])
    far = np.array([[0.1, 0.2, 0.3, 0.4]])
    assert convexity._voted(far, own, 4).tolist() == [0]
    assert convexity._voted(far[:, ::-1], own[::-1], 4).tolist() == [0]
    assert convexity._voted(far, 1 - own, 4).tolist() == [1]


# pairs


def test_pairs_are_different_points_of_one_class_and_none_comes_twice():
    own = np.repeat([0, 1, 2], [30, 5, 1])
    pairs = convexity.pairs_within(own, np.arange(3), np.arange(36), 50, 0)
    assert (own[pairs[:, 0]] == own[pairs[:, 1]]).all() and (pairs[:, 0] != pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert np.bincount(own[pairs[:, 0]]).tolist() == [50, 20]
    np.testing.assert_array_equal(pairs, convexity.pairs_within(own, np.arange(3), np.arange(36), 50, 0))


def test_every_class_counts_the_same():
    answer = convexity.Convexity(np.array([[0, 1], [0, 1], [2, 3]]), np.array([1.0, 0.0, 1.0]), 1.0)
    own = np.array([0, 0, 1, 1])
    assert answer.of_classes(own) == {0: 0.5, 1: 1.0} and answer.mean(own) == 0.75


# planted regions


@pytest.mark.parametrize("id", BOTH)
def test_two_far_blobs_are_convex(id):
    random = np.random.default_rng(0)
    own = np.repeat([0, 1], 150)
    points = random.normal(size=(300, 5)) + own[:, None] * 60
    answer = found(id, cloud(points, own))
    assert answer.value == 1
    assert answer.beside["shuffled labels"] < 0.75


@pytest.mark.parametrize("id", BOTH)
def test_half_planes_are_nearly_convex_and_crossed_quarters_are_not(id):
    points = square(1, 1200)
    half = found(id, cloud(points, (points[:, 0] > 0).astype(int)))
    crossed = found(id, cloud(points, (points[:, 0] * points[:, 1] > 0).astype(int)))
    assert half.value > 0.98
    assert 0.7 < crossed.value < 0.93
    assert half.value > crossed.value > crossed.beside["shuffled labels"] + 0.15


@pytest.mark.parametrize("id", BOTH)
def test_a_ring_around_a_disc_is_not_convex_while_the_disc_is(id):
    points = square(2, 1500)
    own = (np.linalg.norm(points, axis=1) > 0.6).astype(int)
    answer = found(id, cloud(points, own)).per_point
    assert np.nanmean(answer[own == 0]) > 0.97 > 0.9 > np.nanmean(answer[own == 1])


@pytest.mark.parametrize("id", BOTH)
def test_random_labels_score_their_share(id):
    random = np.random.default_rng(0)
    given = cloud(random.normal(size=(1500, 20)), random.integers(0, 5, 1500))
    answer = found(id, given)
    assert answer.beside["class share"] == pytest.approx(0.2, abs=0.01)
    assert answer.value == pytest.approx(0.2, abs=0.06)
    assert answer.value == pytest.approx(answer.beside["shuffled labels"], abs=0.05)


@pytest.mark.parametrize("id", BOTH)
def test_convexity_does_not_change_with_turning_moving_and_scaling(id):
    points = square(5, 400)
    own = (points[:, 0] * points[:, 1] > 0).astype(int)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(7, 2)))[0].T
    one, other = found(id, cloud(points, own)), found(id, cloud(points @ turn * 9 + 3, own))
    assert other.value == pytest.approx(one.value, abs=0.01)


def test_a_linear_probe_would_call_every_region_convex():
    """Why the vote is not linear: of crossed quarters nearest means would make two half-planes."""
    points = square(1, 800)
    own = (points[:, 0] * points[:, 1] > 0).astype(int)
    means = np.stack([points[own == each].mean(0) for each in (0, 1)])

    def nearest_mean(states: np.ndarray) -> np.ndarray:
        return ((states[:, None] - means) ** 2).sum(2).argmin(1)

    seen = nearest_mean(points) == own
    pairs = convexity.pairs_within(own, np.arange(2), np.arange(800), 200, 0)
    both = pairs[seen[pairs].all(1)]
    share = np.arange(1, 11)[:, None] / 11
    for one, other in both[:100]:
        between = (1 - share) * points[one] + share * points[other]
        assert (nearest_mean(between) == own[one]).all()


@pytest.mark.parametrize("id", BOTH)
def test_a_standard_normal_cloud_is_at_its_shuffled_labels(id):
    points = square(0, 600)
    given = standard_normal(cloud(np.pad(points, ((0, 0), (0, 6))), (points[:, 0] > 0).astype(int)))
    answer = found(id, given)
    assert answer.value == pytest.approx(answer.beside["shuffled labels"], abs=0.08)


def test_pairs_without_a_way_are_counted():
    random = np.random.default_rng(0)
    knots = np.repeat(random.normal(size=(6, 1, 4)) * 100, 20, axis=1) + random.normal(size=(6, 20, 4))
    answer = found("graph_convexity", cloud(knots.reshape(120, 4), np.repeat([0, 1], 60)), k=5)
    assert answer.beside["pairs without a way"] == pytest.approx(1 - 19 / 59, abs=0.05)
    assert answer.value == pytest.approx(19 / 59, abs=0.05)


def test_labels_are_shuffled_among_texts():
    """Tokens of one text stay of one class, so that what texts do by themselves is in the null."""
    random = np.random.default_rng(0)
    text = np.repeat(np.arange(40), 10)
    knots = (random.normal(size=(40, 1, 6)) * 6 + random.normal(size=(40, 10, 6)) * 0.5).reshape(-1, 6)
    on, _ = on_graph(cloud(knots, text % 2, text), 0, MEASURES["graph_convexity"].params())
    mixed = on.shuffled_classes.reshape(40, 10)
    assert (mixed == mixed[:, :1]).all() and (mixed[:, 0] != np.arange(40) % 2).any()
    assert sorted(mixed[:, 0]) == [0] * 20 + [1] * 20


# what is refused


@pytest.mark.parametrize("id", BOTH)
def test_labels_that_are_missing_or_too_few_are_refused_in_words(id):
    each = MEASURES[id]
    points = square(0, 40)
    assert "no labels" in each.needs(cloud(points, np.full(40, -1)), each.params())
    few = each.needs(cloud(points, np.repeat([0, 1], [35, 5])), each.params())
    assert "of 2 classes 1 have so many" in few and "10" in few


def test_a_layer_whose_points_are_equal_is_refused_by_itself():
    own = np.tile([0, 1], 50)
    with pytest.raises(AnalysisError, match="4 labelled points are different"):
        labelled(cloud(np.tile(square(0, 4), (25, 1)), own), 0, 2000)


def test_unlabelled_points_and_small_classes():
    points = square(0, 200)
    own = np.where(np.arange(200) < 90, 0, np.where(np.arange(200) < 180, 1, -1))
    own[180:185] = 2
    among = labelled(cloud(points, own), 0, 2000)
    assert len(among.points) == 185 and among.wanted.tolist() == [0, 1]
    assert among.class_share == pytest.approx(90 / 185)
