"""Hubs: who is the neighbour of whom, how unevenly, and what reductions do about it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, skew

from analysis.errors import AnalysisError
from analysis.geometry.cloud import Cloud
from analysis.geometry.hubness import METRICS, REDUCTIONS, Hubs, hubs, reduced, squared_distances
from analysis.geometry.measures.even import EVEN, HubKnobs, hubs_at

seeds = st.integers(0, 2**31 - 1)
(HUBNESS,) = (each for each in EVEN if each.id == "hubness")


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def cloud_of(states: np.ndarray, texts: int = 4) -> Cloud:
    count = len(states)
    return Cloud(
        name="made up",
        layers=(0,),
        values=states[None].astype(np.float32),
        rows=np.arange(count),
        text=np.arange(count) * texts // count,
        position=np.arange(count),
        token=np.arange(count),
        shown=("t",) * count,
    )


def test_counts_by_hand():
    points = np.array([[0.0], [1], [3], [7]], np.float32)  # 0 and 1 are each other's; 3 has 1, and 7 has 3
    found = hubs(points, k=1, metric="raw")
    assert found.counts.tolist() == [1, 2, 1, 0]
    assert (found.skew, found.largest, found.nobodys, found.robin_hood) == (0, 2, 0.25, 0.25)


def test_a_star_has_one_hub():
    star = np.concatenate([np.zeros((1, 6)), np.eye(6), -np.eye(6)]).astype(np.float32)
    star[1:] *= np.linspace(1, 1.1, 12)[:, None].astype(np.float32)  # so that no two are equally near
    found = hubs(star, k=1, metric="raw")
    assert found.counts.tolist() == [12, 1, *[0] * 11]
    assert found.largest == 12
    assert found.skew == pytest.approx(skew(found.counts))


def test_a_ring_has_no_hubs():
    angles = 2 * np.pi * np.arange(12) / 12
    ring = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = hubs(ring, k=2, metric="raw")
    assert (found.counts == 2).all()
    assert (found.skew, found.nobodys, found.robin_hood) == (0, 0, 0)


@given(seeds, st.sampled_from(list(METRICS)), st.sampled_from(list(REDUCTIONS)))
def test_counts_sum_to_k_times_the_points(seed, metric, reduction):
    found = hubs(normal(seed, 41, 7), k=5, metric=metric, reduction=reduction)
    assert found.counts.sum() == 5 * 41
    assert found.skew == pytest.approx(skew(found.counts))
    assert 0 <= found.robin_hood <= 1


@given(seeds, st.sampled_from(list(REDUCTIONS)))
def test_counts_ignore_turning_and_moving_and_the_cosines_the_length(seed, reduction):
    states = normal(seed, 40, 6).astype(np.float64)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]
    moved = (states @ turn + 3).astype(np.float32)
    counts = hubs(states.astype(np.float32), 4, "raw", reduction).counts
    assert hubs(moved, 4, "raw", reduction).counts.tolist() == counts.tolist()
    longer = (states * np.random.default_rng(seed).uniform(0.1, 10, (40, 1))).astype(np.float32)
    cosine = hubs(states.astype(np.float32), 4, "unit", reduction).counts
    assert hubs(longer, 4, "unit", reduction).counts.tolist() == cosine.tolist()


def test_distances_are_those_between_points_and_none_from_a_point_to_itself():
    states = normal(0, 20, 5) + 100
    expected = ((states[:, None].astype(np.float64) - states[None]) ** 2).sum(-1)
    np.fill_diagonal(expected, np.inf)
    np.testing.assert_allclose(squared_distances(states), expected, rtol=1e-8)


def test_mutual_proximity_is_its_definition():
    squared = squared_distances(normal(0, 25, 5))
    distance = np.sqrt(squared)
    others = [np.delete(distance[i], i) for i in range(25)]
    found = reduced(squared, "mutual_proximity", 5)
    for x, y in ((0, 1), (7, 20), (3, 4)):
        farther = [norm.sf(distance[x, y], others[i].mean(), others[i].std()) for i in (x, y)]
        assert found[x, y] == pytest.approx(-np.log(farther[0] * farther[1]))
    assert (found == found.T).all() and np.isinf(np.diag(found)).all()


def test_local_scaling_is_its_definition():
    squared = squared_distances(normal(0, 25, 5))
    reach = np.sqrt(np.sort(squared, axis=1)[:, 4])  # the fifth nearest
    published = 1 - np.exp(-squared / np.outer(reach, reach))
    found = reduced(squared, "local_scaling", 5)
    assert (np.argsort(found, axis=1) == np.argsort(published, axis=1)).all()


def test_csls_is_its_definition_for_cosines():
    states = normal(0, 25, 5)
    units = states / np.linalg.norm(states, axis=1, keepdims=True)
    cosines = units.astype(np.float64) @ units.T
    np.fill_diagonal(cosines, -np.inf)
    around = np.sort(cosines, axis=1)[:, -5:].mean(1)
    published = 2 * cosines - around[:, None] - around
    found = reduced(squared_distances(units), "csls", 5)
    apart = ~np.eye(25, dtype=bool)
    np.testing.assert_allclose(found[apart], -published[apart], atol=1e-5)


def test_hubs_appear_as_dimensions_grow():
    skews = [hubs(normal(0, 1500, width), 10, "raw").skew for width in (2, 10, 50)]
    assert skews[0] < 0.2 < skews[1] < 2 < skews[2]


def test_reductions_take_hubs_away():
    states = normal(0, 1000, 100)
    plain = hubs(states, 10, "raw").skew
    assert plain > 3
    for reduction in ("mutual_proximity", "local_scaling", "csls"):
        assert hubs(states, 10, "raw", reduction).skew < plain / 2


def test_a_shared_mean_makes_hubs_of_cosines_and_centring_takes_them_away():
    cloud = cloud_of(normal(0, 1500, 100) + 1)
    plain = HUBNESS.at(cloud, 0, HubKnobs())
    centred = HUBNESS.at(cloud, 0, HubKnobs(first="centred"))
    assert plain.value > 1.5
    assert abs(centred.value) < 0.6


def test_equal_states_count_once():
    states = np.concatenate([normal(0, 50, 8), normal(0, 50, 8)])
    points, found = hubs_at(cloud_of(states), 0, HubKnobs(k=5))
    assert points.tolist() == list(range(50))
    assert found.counts.tolist() == hubs(states[:50], 5).counts.tolist()
    whole = HUBNESS.at(cloud_of(states), 0, HubKnobs(k=5))
    assert whole.beside["different points compared"] == 50
    assert np.isnan(whole.per_point[50:]).all()
    assert whole.per_point[:50].sum() == 5 * 50


def test_a_sample_is_the_same_every_time_and_no_larger_than_asked():
    cloud = cloud_of(normal(0, 900, 8))
    points, found = hubs_at(cloud, 0, HubKnobs(points=300))
    again, _ = hubs_at(cloud, 0, HubKnobs(points=300))
    assert len(points) == len(found.counts) == 300
    assert points.tolist() == again.tolist()


def test_neighbours_must_be_fewer_than_half_of_the_points():
    with pytest.raises(AnalysisError, match="10 neighbours of 20 different points"):
        hubs(normal(0, 20, 3), 10)
    assert "10 neighbours need more than 20 tokens" in HUBNESS.needs(cloud_of(normal(0, 20, 3)), HubKnobs())
    assert HUBNESS.needs(cloud_of(normal(0, 21, 3)), HubKnobs()) == ""
    assert "there are 15" in HUBNESS.needs(cloud_of(normal(0, 30, 3)), HubKnobs(first="whitened"))


def test_equal_counts_have_no_skew():
    assert Hubs(3, np.full(9, 3)).skew == 0
