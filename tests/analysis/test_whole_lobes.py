"""Features that fire together are found as lobes, and nothing is found where they fire at random."""

import numpy as np
import pytest

from analysis import AnalysisError
from analysis.dictionaries.whole.lobes import agreements, lobes, phi, taking_part
from analysis.dictionaries.whole.spectral import by_angle, by_size, spectral

TOPICS, EACH, CHUNKS, WIDTH = 3, 30, 240, 16


def planted(random, aligned=True):
    """Three topics, each with features of its own; directions around one of three centres where they are aligned."""
    topic = np.repeat(np.arange(TOPICS), EACH)
    of_chunk = random.integers(TOPICS, size=CHUNKS)
    likely = np.where(topic[:, None] == of_chunk[None], 0.6, 0.03)
    fired = random.random((len(topic), CHUNKS)) < likely
    centres = random.standard_normal((TOPICS, WIDTH)) * 2
    noise = random.standard_normal((len(topic), WIDTH))
    rows = centres[topic] + noise if aligned else noise
    return topic, fired, rows.astype(np.float32)


def test_phi_by_hand():
    fired = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [1, 0, 0, 0]], bool)
    found = phi(fired)
    assert (
        found[0, 1] == pytest.approx(1)
        and found[0, 2] == pytest.approx(-1)
        and found[0, 3] == pytest.approx(0)
    )
    assert found[0, 4] == pytest.approx((1 * 2 - 1 * 0) / np.sqrt(2 * 2 * 1 * 3))
    np.testing.assert_allclose(np.diag(found), 1, rtol=1e-6)


def test_phi_is_the_correlation_of_bits_and_zero_where_independent(rng):
    fired = rng(0).random((40, 400)) < 0.3
    found = phi(fired)
    np.testing.assert_allclose(found, np.corrcoef(fired.astype(float)), atol=1e-5)
    off = found[~np.eye(40, dtype=bool)]
    assert abs(off.mean()) < 0.01 and off.std() == pytest.approx(1 / np.sqrt(400), rel=0.1)


def test_phi_with_a_feature_that_never_or_always_fires_is_zero():
    fired = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]], bool)
    found = phi(fired)
    assert found[0, 1] == found[0, 2] == found[1, 2] == 0


def test_planted_topics_are_recovered_and_told_from_directions(rng):
    topic, fired, rows = planted(rng(1))
    found = lobes(fired, rows, fired.mean(1) / 20, 3)
    assert agreements(found.lobe, topic[found.features], rng(0))[0] == pytest.approx(1)
    assert found.agreement > 0.95 and max(np.abs(found.agreement_null)) < 0.1
    assert found.told > 0.9 and max(found.told_null) < 0.7
    assert found.within > 0.2 > found.between and abs(found.within_null) < 0.05


def test_lobes_of_features_that_point_anywhere_do_not_agree_with_angles(rng):
    topic, fired, rows = planted(rng(2), aligned=False)
    found = lobes(fired, rows, fired.mean(1) / 20, 3)
    assert agreements(found.lobe, topic[found.features], rng(0))[0] == pytest.approx(1)
    assert found.agreement < 0.15 and found.told < 0.65


def test_features_that_fire_at_random_have_no_lobes(rng):
    fired = rng(3).random((90, 200)) < 0.2
    found = lobes(fired, rng(4).standard_normal((90, 8)).astype(np.float32), np.full(90, 0.01), 3)
    assert found.within - found.within_null < 0.03


def test_frequent_and_rare_features_are_left_out_and_counted():
    fired = np.zeros((4, 40), bool)
    fired[0, :20] = fired[1, :20] = True
    fired[2, :4] = True
    fired[3, :38] = True
    taken, dense, rare = taking_part(fired, np.array([0.05, 0.2, 0.01, 0.05]))
    assert taken.tolist() == [0] and (dense, rare) == (1, 2)


def test_the_same_request_gives_the_same_lobes_and_the_order_of_features_does_not_matter(rng):
    _, fired, rows = planted(rng(5))
    frequency = fired.mean(1) / 20
    one, other = (lobes(fired, rows, frequency, 3, seed=7) for _ in range(2))
    np.testing.assert_array_equal(one.lobe, other.lobe)
    order = rng(6).permutation(len(fired))
    moved = lobes(fired[order], rows[order], frequency[order], 3, seed=7)
    assert agreements(one.lobe[order], moved.lobe, rng(0))[0] == pytest.approx(1)


def test_spectral_clustering_agrees_with_scikit_learn(rng):
    from sklearn.cluster import SpectralClustering

    _, fired, _ = planted(rng(7))
    affinity = phi(fired) + 1
    reference = SpectralClustering(3, affinity="precomputed", random_state=0).fit_predict(
        affinity.astype(float)
    )
    assert agreements(spectral(affinity, 3), reference.astype(np.int64), rng(0))[0] == pytest.approx(1)


def test_affinity_of_angles_by_hand():
    rows = np.array([[1, 0], [0, 2], [-3, 0]], np.float32)
    np.testing.assert_allclose(by_angle(rows), [[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]], atol=1e-6)


def test_clusters_are_numbered_by_size():
    assert by_size(np.array([5, 2, 2, 9, 9])).tolist() == [2, 0, 0, 1, 1]


def test_too_few_features_and_too_many_lobes_are_refused_in_words(rng):
    fired = rng(8).random((6, 60)) < 0.3
    rows = rng(9).standard_normal((6, 4)).astype(np.float32)
    with pytest.raises(AnalysisError, match="at least 12"):
        lobes(fired, rows, np.full(6, 0.01), 3)
    with pytest.raises(AnalysisError, match="2 to 20"):
        lobes(fired, rows, np.full(6, 0.01), 21)
