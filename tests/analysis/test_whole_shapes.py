"""Circles are found where they were planted, and not in normal points."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from analysis import AnalysisError
from analysis.data.labelled_sets import labelled_set
from analysis.dictionaries.whole.clusters import alike, joined, shape, shapes
from analysis.dictionaries.whole.cycles import circle, cycle, fewest_p, in_order, others, shared, ways
from analysis.dictionaries.whole.planes import (
    chance_separability,
    irreducibility,
    mixture,
    planes,
    separability,
)

N = 4000


def ring(random, count=N, noise=0.05):
    angle = random.uniform(0, 2 * np.pi, count)
    return np.stack([np.cos(angle), np.sin(angle)], 1) + noise * random.standard_normal((count, 2))


def test_a_circle_is_inseparable_and_independent_numbers_are_not(rng):
    random = rng(0)
    null = chance_separability(N)
    uniform = random.uniform(-1, 1, (N, 2)) @ np.array([[0.8, -0.6], [0.6, 0.8]])
    assert separability(ring(random)) > 20 * null
    assert separability(uniform) < 2 * null
    assert separability(random.standard_normal((N, 2))) < 2 * null


def test_separability_does_not_depend_on_place_scale_or_a_quarter_turn(rng):
    points = ring(rng(1), 800)
    found = separability(points)
    assert separability(5 * points + 3) == pytest.approx(found, abs=1e-9)
    assert separability(points @ np.array([[0.0, -1], [1, 0]])) == pytest.approx(found, abs=0.03)


def test_mixture_of_a_normal_cloud_is_the_normal_share_and_of_lines_is_large(rng):
    random = rng(2)
    from scipy.stats import norm

    expected = norm.cdf(0.1) - norm.cdf(-0.1)
    assert mixture(random.standard_normal((20_000, 2))) == pytest.approx(expected, abs=0.015)
    cross = np.zeros((N, 2))
    cross[: N // 2, 0], cross[N // 2 :, 1] = random.standard_normal(N // 2), random.standard_normal(N // 2)
    assert mixture(cross) > 0.5
    assert mixture(np.stack([np.linspace(0, 1, N), np.zeros(N)], 1)) == 1


def test_mixture_is_the_largest_over_a_fine_search_by_another_route(rng):
    points = ring(rng(3), 600)
    best = 0.0
    centred = points - points.mean(0)
    for angle in np.linspace(0, np.pi, 180, endpoint=False):
        along = centred @ [np.cos(angle), np.sin(angle)]
        for offset in np.linspace(-2, 2, 81) * along.std():
            moved = along - offset
            best = max(best, (np.abs(moved) < 0.1 * np.sqrt((moved**2).mean())).mean())
    assert mixture(points) == pytest.approx(best, abs=0.03)


def test_a_planted_circle_scores_far_above_normal_points_and_a_mixture(rng):
    random = rng(4)
    normal = random.standard_normal((N, 2))
    cross = np.zeros((N, 2))
    cross[: N // 2, 0], cross[N // 2 :, 1] = (
        random.uniform(0.5, 1.5, N // 2),
        random.uniform(0.5, 1.5, N // 2),
    )
    score = {
        name: irreducibility(planes(p))
        for name, p in (("ring", ring(random)), ("normal", normal), ("two", cross))
    }
    assert score["ring"] > 10 * score["normal"] and score["ring"] > score["two"]
    assert mixture(ring(random)) < 0.3 < 0.45 < mixture(cross)


def test_few_points_are_refused_in_words(rng):
    with pytest.raises(AnalysisError, match="at least 50"):
        separability(rng(5).standard_normal((20, 2)))


def planted(random, tokens=3000, width=64):
    """Features 0 to 6 code a circle in a plane; the others fire by themselves."""
    plane = np.linalg.qr(random.standard_normal((width, 2)))[0].T
    angles = np.arange(7) * 2 * np.pi / 7
    around = np.stack([np.cos(angles), np.sin(angles)], 1) @ plane
    rest = random.standard_normal((30, width))
    rows = np.vstack([around, rest / np.linalg.norm(rest, axis=1, keepdims=True)]).astype(np.float32)
    activations = np.zeros((tokens, 37), np.float32)
    on = random.random(tokens) < 0.5
    angle = random.uniform(0, 2 * np.pi, tokens)
    activations[:, :7] = np.maximum(np.cos(angle[:, None] - angles), 0) * on[:, None]
    activations[:, 7:] = random.exponential(1, (tokens, 30)) * (random.random((tokens, 30)) < 0.1)
    return csr_array(activations), rows


def test_a_planted_circle_is_the_most_irreducible_cluster_and_beats_random_ones(rng):
    activations, rows = planted(rng(6))
    groups = joined(rows, 0.5)
    assert tuple(range(7)) in groups
    found = shapes(activations, rows, [*groups, (7, 8, 9), (10, 11, 12, 13)])
    best = found.found[0]
    assert best.features == tuple(range(7)) and found.p(best) <= 2 / 41
    assert best.score > 5 * best.normal_score
    assert best.shares[0] == pytest.approx(best.shares[1], abs=0.05)
    radius = np.linalg.norm(best.coordinates[:, :2], axis=1)
    assert radius.std() / radius.mean() < 0.1


def test_the_part_of_a_cluster_is_what_its_features_write(rng):
    activations, rows = planted(rng(7), tokens=1000)
    found = shape(activations, rows, (0, 1, 2, 3, 4, 5, 6))
    part = activations[found.tokens][:, :7].toarray() @ rows[:7]
    centred = part - part.mean(0)
    np.testing.assert_allclose(
        found.coordinates @ found.coordinates.T,
        centred @ centred.T,
        atol=1e-3 * np.abs(centred @ centred.T).max(),
    )


def test_a_cluster_that_hardly_fires_has_no_shape(rng):
    activations, rows = planted(rng(8), tokens=150)
    assert shape(activations, rows, (0, 1, 2)) is None
    with pytest.raises(AnalysisError, match="fires at 200 tokens"):
        shapes(activations, rows, [(0, 1, 2)])


def test_random_directions_are_not_joined(rng):
    assert joined(rng(9).standard_normal((200, 64)).astype(np.float32)) == ()


def test_groups_that_are_alike_on_average_are_found_and_chains_are_not(rng):
    random = rng(12)
    centres = random.standard_normal((4, 64))
    rows = (np.repeat(centres, 5, axis=0) + 0.3 * random.standard_normal((20, 64))).astype(np.float32)
    assert alike(rows, 0.5) == tuple(tuple(range(first, first + 5)) for first in (0, 5, 10, 15))
    angles = np.linspace(0, np.pi, 25)
    chain = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    assert joined(chain, 0.9) == (tuple(range(25)),) and max(map(len, alike(chain, 0.9))) < 15


def heptagon(width=12, seed=0):
    random = np.random.default_rng(seed)
    plane = np.linalg.qr(random.standard_normal((width, 2)))[0].T
    angles = np.arange(7) * 2 * np.pi / 7
    return (3 * np.stack([np.cos(angles), np.sin(angles)], 1) @ plane + 1).astype(np.float32)


def test_the_words_of_a_heptagon_stand_in_order_with_the_smallest_p_there_is():
    found = circle(heptagon(), 3, others(7))
    assert found.in_order and found.p == pytest.approx(fewest_p(7)) == pytest.approx(1 / 360)
    assert found.share == pytest.approx(1) and found.length < 0.65


def test_words_dealt_anew_are_rarely_in_order(rng):
    random, orders = rng(10), others(7)
    means = heptagon()
    ps = np.array([circle(means[random.permutation(7)], 0, orders).p for _ in range(400)])
    assert (ps <= 0.05).mean() == pytest.approx(0.05, abs=0.04)
    normal = [circle(random.standard_normal((7, 12)).astype(np.float32), 0, orders).p for _ in range(400)]
    assert np.mean(np.array(normal) <= 0.05) == pytest.approx(0.05, abs=0.04)


def test_all_orders_of_seven_words_are_tried_once():
    found = others(7)
    assert len(found) == 360 and found[0].tolist() == list(range(7))
    walks = {
        frozenset(frozenset((a, b)) for a, b in zip(o, np.roll(o, -1), strict=True)) for o in found.tolist()
    }
    assert len(walks) == 360


def test_the_way_around_a_square_by_hand():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    assert ways(square, np.array([[0, 1, 2, 3], [0, 2, 1, 3]])).tolist() == pytest.approx(
        [4, 2 + 2 * np.sqrt(2)]
    )
    assert in_order(square) and in_order(square[::-1]) and not in_order(square[[0, 2, 1, 3]])


def test_sentences_with_a_word_that_is_a_sink_are_left_out_for_all_words(rng):
    given = labelled_set("days")
    values = rng(11).standard_normal((2, len(given), 8)).astype(np.float32)
    kept = shared(values, given)
    texts = [given.texts[row] for row in kept]
    assert not any(text.startswith(given.classes) for text in texts) and len(kept) == 23 * 7
    row = int(kept[10])
    values[1, row] *= 100
    again = shared(values, given)
    assert len(again) == 22 * 7 and given.groups[row] not in {given.groups[each] for each in again}


def test_days_and_months_are_read_at_every_layer(toy):
    for id, words in (("days", 7), ("months", 12)):
        found = cycle(toy, id)
        assert len(found.words) == words and found.means.shape == (toy.n_layers + 1, words, toy.d_model)
        assert [each.layer for each in found.first] == list(found.layers) and found.exact == (words == 7)
        assert found.sentences < len(labelled_set(id)) // words  # those that begin with the word are left out
    with pytest.raises(AnalysisError, match="no cycle 'hours'"):
        cycle(toy, "hours")
