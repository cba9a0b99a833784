"""Erasers: worked values, what each promises and where the promise ends, and sentences for what cannot be fitted."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from concept_erasure import LeaceFitter
from concept_erasure.shrinkage import optimal_linear_shrinkage
from scipy.optimize import brentq
from sklearn.datasets import make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import PolynomialFeatures

from analysis.erasers import ERASERS
from analysis.erasers.eraser import Distance, Eraser, basis
from analysis.erasers.fitting import fit, leading_direction
from analysis.erasers.inlp import inlp
from analysis.erasers.judging import trial
from analysis.erasers.leace import factors, leace, optimal_shrinkage
from analysis.erasers.moments import BATCH, Moments, moments_of, moments_of_numbers, one_hot
from analysis.erasers.projections import mean_projection, random_subspace, single_direction
from analysis.erasers.rlace import rlace
from analysis.errors import AnalysisError, Cancelled

ROOT = Path(__file__).parents[2]
FOUR = np.array([[-1.0, -1], [-1, 0], [1, 0], [1, 1]])
"""Two classes about zero: difference of means (2, 1), covariance [[1, 1/2], [1/2, 1/2]]."""
SIDES = np.array([0, 0, 1, 1])


def synthetic(k):
    """Few informative numbers among 128, some of them redundant: the covariance is singular."""
    return make_classification(2048, 128, n_classes=k, n_informative=max(k, 2), random_state=42)


def planted(random, examples=1200, width=48, gap=2.0):
    """Two classes a gap apart along one direction, amid noise whose axes differ 30-fold in size."""
    classes = random.integers(2, size=examples)
    axes = np.linalg.qr(random.normal(size=(width, width)))[0]
    sizes = np.geomspace(1, 1 / 30, width)
    states = random.normal(size=(examples, width)) * sizes @ axes
    return states + gap * sizes[width // 3] * (classes - 0.5)[:, None] * axes[width // 3] + 3, classes


def mapped(random, examples=400, width=24):
    """States that show a latitude and a longitude linearly, amid as much noise along uneven axes."""
    numbers = np.stack([random.uniform(-60, 70, examples), random.uniform(-180, 180, examples)], 1)
    noise = random.normal(size=(examples, width)) * np.geomspace(2, 0.2, width)
    along = random.normal(size=(2, width)) / np.sqrt(width)
    return noise + numbers / [40, 100] @ along * 2 + 3, numbers


def refit(states, classes):
    """A logistic regression without penalty, on centred states."""
    return LogisticRegression(C=np.inf, max_iter=5000, tol=1e-8).fit(states - states.mean(0), classes)


def read(states, classes):
    """Share of the examples it was fitted to that a linear classifier gets right."""
    return refit(states, classes).score(states - states.mean(0), classes)


def majority(classes):
    return np.bincount(classes).max() / len(classes)


def librarys(states, labels, shrinks):
    """The eraser of the concept-erasure library; its own tolerance of 0.01 would leave rare classes alone."""
    fitter = LeaceFitter.fit(torch.tensor(states), torch.tensor(labels), shrinkage=shrinks, svd_tol=1e-8)
    return fitter.eraser


def gaps(states, classes):
    """Largest difference of a class's mean from the mean of all."""
    return max(np.abs(states[classes == c].mean(0) - states.mean(0)).max() for c in np.unique(classes))


def explained(states, numbers):
    """Share of the numbers' variance that a linear regression explains on the examples it was fitted to."""
    return LinearRegression().fit(states, numbers).score(states, numbers)


def matrix(moments, **settings):
    """LEACE's projection in float64."""
    left, right = factors(moments, **settings)
    return np.eye(moments.d) - left @ right


def fitted(name, states, classes):
    """One eraser of every kind on the same examples; rank 2 and few iterations where they can be chosen."""
    return fit(name, states, classes, int(classes.max()) + 1, rank=2, iterations=8)


# worked values


def test_moments_by_hand():
    found = Moments(1, 2).update(np.array([[0.0], [2], [10]]), np.array([[1.0, 0], [1, 0], [0, 1]]))
    assert (found.count, found.d, found.k) == (3, 1, 2)
    assert found.label_mean.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert found.mean == pytest.approx([4])
    assert found.differences == pytest.approx(np.array([[-3], [6]]))
    assert found.covariance == pytest.approx(np.array([[(16 + 4 + 36) / 3]]))
    assert found.cross_covariance == pytest.approx(np.array([[-2, 2]]))


def test_moments_of_numbers_by_hand():
    found = moments_of_numbers(np.array([[0.0, 1], [2, 1], [7, 1]]), np.array([[1900.0], [1950], [2000]]))
    assert found.mean == pytest.approx([3, 1])
    assert found.label_mean == pytest.approx([1950])
    assert found.label_variance == pytest.approx([5000 / 3])
    assert found.cross_covariance == pytest.approx(np.array([[350 / 3], [0]]))
    # a regression of the states on the year has slope 7 / 100, and a standard deviation is 40.8 years
    assert found.differences == pytest.approx(np.array([[0.07 * np.sqrt(5000 / 3), 0]]))


def test_leace_by_hand():
    # inverse covariance times (2, 1) is (2, 0), and 4 is its product with (2, 1): I - (2, 1)' (2, 0) / 4
    found = leace(moments_of(FOUR, SIDES), shrinkage=0.0)
    assert np.allclose(found.projection(), [[0, 0], [-0.5, 1]], atol=1e-6)
    assert np.allclose(found.apply(FOUR), [[0, -0.5], [0, 0.5], [0, -0.5], [0, 0.5]], atol=1e-6)
    assert (found.rank, found.method, found.iterations) == (1, "leace", 0)


def test_the_mean_projection_by_hand():
    found = mean_projection(moments_of(FOUR, SIDES))
    assert np.allclose(found.projection(), np.eye(2) - np.array([[4, 2], [2, 1]]) / 5, atol=1e-6)


def test_one_direction_by_hand():
    states = np.array([[3.0, 4], [1, 0]])
    assert np.allclose(single_direction(np.array([0, 2.0])).apply(states), [[3, 0], [1, 0]])
    about = single_direction(np.array([0, 2.0]), np.array([9.0, 1]))
    assert np.allclose(about.apply(states), [[3, 1], [1, 1]])


def test_distance_by_hand():
    differences = moments_of(FOUR, SIDES).differences
    # LEACE moves every state by (1, 1/2), which lies along the means; the first axis leans out of them
    moved = leace(moments_of(FOUR, SIDES), shrinkage=0.0).distance(FOUR, differences)
    assert (moved.total, moved.inside, moved.outside) == pytest.approx((1.25, 1.25, 0), abs=1e-6)
    across = single_direction(np.array([1.0, 0])).distance(FOUR, differences)
    assert (across.total, across.inside, across.outside) == pytest.approx((1, 0.8, 0.2))
    assert single_direction(np.array([1.0, 0])).distance(FOUR) == Distance(1.0)


def test_inlp_by_hand_where_one_axis_tells_everything():
    states = np.tile([[1.0, 5], [-1, 5]], (10, 1))
    found = inlp(states, np.tile([0, 1], 10), 3)
    assert np.allclose(found.projection(), [[0, 0], [0, 1]], atol=1e-6)
    assert (found.rank, found.iterations) == (1, 1)


# moments


@pytest.mark.parametrize("numbers", [False, True])
def test_batches_in_any_order_and_gathered_apart_equal_the_whole(numbers, rng):
    states = rng(0).normal(size=(500, 7)) + 3
    labels = rng(1).normal(size=(500, 2)) * [1, 50] if numbers else one_hot(rng(1).integers(3, size=500), 3)
    k = labels.shape[1]
    one, two = Moments(7, k, numbers=numbers), Moments(7, k, numbers=numbers)
    for part in np.array_split(rng(2).permutation(500), 9):
        one.update(states[part], labels[part])
    apart = Moments(7, k, numbers=numbers).update(states[10:], labels[10:])
    two.update(states[:10], labels[:10]).merge(apart)
    joint = np.cov(states.T, labels.T, bias=True)
    for each in (one, two):
        assert each.count == 500
        assert np.allclose(each.covariance, joint[:7, :7], rtol=0, atol=1e-12)
        assert np.allclose(each.cross_covariance, joint[:7, 7:], rtol=1e-12, atol=1e-12)
        assert np.allclose(each.label_variance, np.diag(joint)[7:], rtol=1e-12, atol=0)
        assert np.allclose(each.mean, states.mean(0), rtol=0, atol=1e-12)
        assert np.allclose(each.label_mean, labels.mean(0), rtol=1e-12, atol=1e-12)
    assert np.allclose(matrix(one), matrix(two), rtol=0, atol=1e-12)


def test_differences_are_of_class_means(rng):
    states, classes = rng(0).normal(size=(2 * BATCH + 7, 5)) + 3, rng(1).integers(3, size=2 * BATCH + 7)
    want = [states[classes == c].mean(0) - states.mean(0) for c in range(3)]
    assert np.allclose(moments_of(states, classes).differences, want, rtol=0, atol=1e-12)


def test_a_large_mean_costs_no_digits(rng):
    states, classes = rng(0).normal(size=(400, 3)) + 1e8, rng(1).integers(2, size=400)
    exact = states - 1e8  # without rounding: both are near one another
    found = Moments(3, 2)
    for part in np.array_split(np.arange(400), 7):
        found.update(states[part], one_hot(classes[part], 2))
    want = np.cov(exact.T, bias=True)
    assert np.allclose(found.covariance, want, atol=1e-6)
    squares = states.T @ states / 400 - np.outer(states.mean(0), states.mean(0))
    assert np.abs(squares - want).max() > 0.1  # what the textbook formula makes of it


def test_an_empty_batch_changes_nothing(rng):
    found = moments_of(FOUR, SIDES)
    before = found.covariance
    found.update(np.zeros((0, 2)), np.zeros((0, 2))).merge(Moments(2, 2))
    assert (found.covariance == before).all()
    assert Moments(2, 2).merge(Moments(2, 2)).count == 0


# LEACE


@pytest.mark.parametrize("shrinks", [True, False])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_leace_is_the_librarys(k, shrinks):
    states, classes = synthetic(k)
    reference = librarys(states, one_hot(classes, k), shrinks)
    moments, shrinkage = moments_of(states, classes), None if shrinks else 0.0
    assert np.abs(matrix(moments, shrinkage=shrinkage) - reference.P.numpy()).max() < 1e-10
    erased = leace(moments, shrinkage=shrinkage).apply(states)
    assert np.allclose(erased, reference(torch.tensor(states)).numpy(), atol=1e-5)


@pytest.mark.parametrize("shrinks", [True, False])
def test_leace_is_the_librarys_where_examples_are_fewer_than_numbers(shrinks, rng):
    states, classes = rng(0).normal(size=(40, 60)), np.arange(40) % 3
    found = matrix(moments_of(states, classes), shrinkage=None if shrinks else 0.0)
    assert np.abs(found - librarys(states, one_hot(classes, 3), shrinks).P.numpy()).max() < 1e-10


@pytest.mark.parametrize("shrinks", [True, False])
def test_leace_of_numbers_is_the_librarys(shrinks, rng):
    states, numbers = mapped(rng(0))
    found = matrix(moments_of_numbers(states, numbers), shrinkage=None if shrinks else 0.0)
    assert np.abs(found - librarys(states, numbers, shrinks).P.numpy()).max() < 1e-10


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("method", [leace, mean_projection])
def test_equal_means_leave_a_linear_classifier_nothing(method, k):
    states, classes = synthetic(k)
    assert read(states, classes) > majority(classes) + 0.3
    assert gaps(states, classes) > 0.3
    found = method(moments_of(states, classes))
    erased = found.apply(states)
    assert found.rank == k - 1
    assert gaps(erased, classes) < 1e-6
    assert np.abs(refit(erased, classes).coef_).max() < 1e-3
    assert read(erased, classes) == majority(classes)
    assert np.allclose(erased.mean(0), states.mean(0), atol=1e-6)
    assert np.allclose(found.apply(erased), erased, atol=1e-5)


def test_the_theorem_holds_to_rounding_before_float32(rng):
    states, classes = planted(rng(0))
    moments = moments_of(states, classes)
    p = matrix(moments)
    assert np.abs(p @ moments.cross_covariance).max() < 1e-14
    assert np.abs(p @ p - p).max() < 1e-10
    assert np.trace(np.eye(48) - p) == pytest.approx(1)
    erased = (states - moments.mean) @ p.T
    assert gaps(states, classes) > 0.05
    assert gaps(erased, classes) < 1e-12
    assert np.abs(refit(erased, classes).coef_).max() < 1e-9


def test_leace_turns_with_the_coordinates_and_the_mean_projection_does_not(rng):
    states, classes = planted(rng(0), width=12)
    turn, shift = rng(1).normal(size=(12, 12)), 5 * rng(2).normal(size=12)
    one, other = moments_of(states, classes), moments_of(states @ turn.T + shift, classes)
    carried = turn @ matrix(one, shrinkage=0.0) @ np.linalg.inv(turn)
    assert np.allclose(matrix(other, shrinkage=0.0), carried, atol=1e-8)
    of_means = turn @ mean_projection(one).projection() @ np.linalg.inv(turn)
    assert np.abs(mean_projection(other).projection() - of_means).max() > 0.1


@pytest.mark.parametrize("k", [2, 3, 5])
def test_what_erases_as_much_is_ordered_by_how_far_it_moves(k):
    states, classes = synthetic(k)
    moments = moments_of(states, classes)
    oracle = (moments.differences[classes] ** 2).sum(1).mean()  # moves every class's mean, knowing the class
    by_leace = leace(moments, shrinkage=0.0).distance(states, moments.differences)
    by_means = mean_projection(moments).distance(states, moments.differences)
    half = leace(moments, shrinkage=0.5)
    some = leace(moments)
    assert 0 < optimal_shrinkage(moments) < 0.5
    assert (
        oracle < by_leace.total < some.distance(states).total < half.distance(states).total < by_means.total
    )
    assert gaps(half.apply(states), classes) < 1e-6
    for moved in (by_leace, by_means):  # both take away along the means alone
        assert moved.outside < 1e-6 * moved.total
        assert moved.inside == pytest.approx(moved.total)


def test_where_all_directions_vary_alike_leace_is_the_mean_projection(rng):
    states, classes = planted(rng(0), width=10)
    moments = moments_of(states, classes)
    means = mean_projection(moments).projection()
    assert np.abs(matrix(moments, shrinkage=0.0) - means).max() > 0.1
    assert np.allclose(matrix(moments, shrinkage=1.0), means, atol=1e-6)
    size, axes = np.linalg.eigh(moments.covariance)
    white = moments_of((states - moments.mean) @ (axes / np.sqrt(size)), classes)
    assert np.allclose(white.covariance, np.eye(10), atol=1e-10)
    assert np.allclose(matrix(white, shrinkage=0.0), mean_projection(white).projection(), atol=1e-6)


@pytest.mark.parametrize("method", [leace, mean_projection])
def test_a_rare_class_is_erased_like_any_other(method, rng):
    states, classes = rng(0).normal(size=(4000, 16)), np.zeros(4000, int)
    classes[:8] = 1
    classes[8:2000] = 2
    states[:8, 0] += 4
    states[classes == 2, 1] += 4
    found = method(moments_of(states, classes))
    assert gaps(states, classes) > 2
    assert gaps(found.apply(states), classes) < 1e-5
    assert found.rank == 2


def test_class_numbers_are_names(rng):
    """Taken for amounts, the classes 0, 1 and 2 would leave the second one where it stands out."""
    classes = np.arange(300) % 3
    states = rng(0).normal(size=(300, 5))
    states[classes == 1, 0] += 4
    renamed = np.array([1, 0, 2])[classes]
    p = matrix(moments_of(states, classes))
    assert np.allclose(p, matrix(moments_of(states, renamed)), atol=1e-12)
    assert gaps((states - states.mean(0)) @ p.T, classes) < 1e-12


def test_states_that_are_flat_are_erased_too(rng):
    states, classes = planted(rng(0), width=6)
    flat = np.concatenate([states, states[:, :2], np.full((len(states), 1), 7.0)], 1)
    erased = leace(moments_of(flat, classes)).apply(flat)
    assert gaps(erased, classes) < 1e-5
    assert np.allclose(erased[:, -1], 7)


# shrinkage


def test_the_share_is_the_librarys(rng):
    for examples, width in ((60, 24), (40, 90), (3000, 24)):
        states = rng(examples).normal(size=(examples, width)) * np.geomspace(1, 0.1, width)
        moments = moments_of(states, np.arange(examples) % 2)
        whole, share = moments.covariance, optimal_shrinkage(moments)
        want = optimal_linear_shrinkage(torch.tensor(whole), examples).numpy()
        assert 0.001 < share < 0.9
        assert np.allclose(
            (1 - share) * whole + share * np.trace(whole) / width * np.eye(width), want, atol=1e-12
        )


def test_the_share_is_none_of_much_and_all_of_too_little(rng):
    states, classes = planted(rng(0), 20000, 6)
    assert optimal_shrinkage(moments_of(states, classes)) < 1e-3
    assert (
        optimal_shrinkage(moments_of(np.eye(4), np.arange(4) % 2)) == 1
    )  # the library's formula exceeds 1 here


@pytest.mark.parametrize("examples", [120, 2000])
def test_every_share_erases_what_it_was_fitted_to(examples, rng):
    states, classes = (
        rng(0).normal(size=(examples, 576)) * np.geomspace(1, 0.02, 576),
        np.arange(examples) % 3,
    )
    states[classes == 1, 40:50] += 1
    moments = moments_of(states, classes)
    assert gaps(states, classes) > 0.5
    for shrinkage in (None, 0.0, 1e-6, 0.3, 1.0):
        p = matrix(moments, shrinkage=shrinkage)
        assert np.abs(p @ moments.cross_covariance).max() < 1e-12
        assert np.abs(p @ p - p).max() < 1e-9
        assert np.trace(np.eye(576) - p) == pytest.approx(2)
        assert gaps((states - moments.mean) @ p.T, classes) < 1e-12


def test_shrinkage_leaves_less_in_new_examples(rng):
    """With 120 examples of 576 numbers, most of whose variance lies in few directions, as in a model's states."""
    sizes, gap = 10 / np.arange(1, 577.0) ** 2, np.zeros(576)
    gap[:10] = sizes[:10]

    def sample(random, examples):
        classes = np.arange(examples) % 2
        return random.normal(size=(examples, 576)) * sizes + classes[:, None] * gap, classes

    def left_over(eraser, random):
        (learn, learned), (test, tested) = sample(random, 1500), sample(random, 1500)
        return (
            LogisticRegression(max_iter=5000)
            .fit(eraser.apply(learn), learned)
            .score(eraser.apply(test), tested)
        )

    before, plain, shrunk = [], [], []
    for seed in range(4):
        moments = moments_of(*sample(rng(seed), 120))
        for kept, eraser in (
            (before, random_subspace(576, 1)),
            (plain, leace(moments, shrinkage=0.0)),
            (shrunk, leace(moments)),
        ):
            kept.append(left_over(eraser, rng(100 + seed)))
    assert min(before) > 0.9
    assert all(one < other for one, other in zip(shrunk, plain, strict=True))
    assert np.mean(shrunk) < np.mean(plain) - 0.02


# numbers


def test_numbers_are_erased_like_classes(rng):
    states, numbers = mapped(rng(0))
    assert explained(states, numbers) > 0.6
    for method in (leace, mean_projection):
        found = method(moments_of_numbers(states, numbers))
        erased = found.apply(states)
        assert found.rank == 2
        assert explained(erased, numbers) < 1e-9
        assert np.allclose(erased.mean(0), states.mean(0), atol=1e-6)
    some = random_subspace(24, 2, mean=states.mean(0)).apply(states)
    assert explained(some, numbers) > 0.5
    one = leace(moments_of_numbers(states, numbers[:, :1])).apply(states)
    assert explained(one, numbers[:, :1]) < 1e-9
    assert explained(one, numbers[:, 1:]) > 0.5


def test_erasing_numbers_shows_on_new_examples(rng):
    states, numbers = mapped(rng(0), 2000)
    learn, test = slice(0, 1500), slice(1500, 2000)
    erased = leace(moments_of_numbers(states[learn], numbers[learn])).apply(states)
    for x, lowest, highest in ((states, 0.6, 1), (erased, -0.1, 0.05)):
        assert (
            lowest < LinearRegression().fit(x[learn], numbers[learn]).score(x[test], numbers[test]) < highest
        )


def test_the_unit_of_a_number_does_not_matter(rng):
    states, numbers = mapped(rng(0))
    p = matrix(moments_of_numbers(states, numbers))
    assert np.allclose(
        matrix(moments_of_numbers(states, numbers * [1e9, 1e-9] + [5, 0])), p, rtol=0, atol=1e-10
    )


def test_columns_that_say_which_class_are_classes(rng):
    states, classes = rng(0).normal(size=(300, 5)), np.arange(300) % 3
    states[classes == 1, 0] += 2
    of_classes, of_columns = moments_of(states, classes), moments_of_numbers(states, one_hot(classes, 3))
    assert np.allclose(matrix(of_classes), matrix(of_columns), rtol=0, atol=1e-10)
    assert np.allclose(
        mean_projection(of_classes).projection(), mean_projection(of_columns).projection(), atol=1e-6
    )


# what no linear eraser does


def test_a_random_subspace_of_the_same_rank_erases_nothing():
    states, classes = synthetic(5)
    before = read(states, classes)
    erased = random_subspace(128, 4, seed=1, mean=states.mean(0)).apply(states)
    assert read(erased, classes) > before - 0.02
    assert read(leace(moments_of(states, classes)).apply(states), classes) < before - 0.3


def test_a_concept_that_is_not_linear_survives_leace(rng):
    states = rng(0).normal(size=(1000, 6))
    crossed = (states[:, 0] * states[:, 1] > 0).astype(int)
    spread = (np.abs(states[:, 2]) > 0.67).astype(int)
    for classes in (crossed, spread):
        both = states.copy()
        both[:, 3] += (
            2 * classes
        )  # without a linear part LEACE takes out any axis, that of the other part as well
        assert read(both, classes) > 0.8
        erased = leace(moments_of(both, classes)).apply(both)
        assert read(erased, classes) == majority(classes)
        products = PolynomialFeatures(2).fit_transform(erased)
        assert LogisticRegression(max_iter=2000).fit(products, classes).score(products, classes) > 0.9


def test_a_part_of_the_examples_it_was_fitted_to_reads_the_rest_backwards(rng):
    """Why an eraser is judged on examples that were not in its fit: means equal in the whole differ in parts."""
    classes, learn, test = np.arange(200) % 2, np.arange(200) < 100, np.arange(200) >= 100
    scores = []
    for seed in range(20):
        states = rng(seed).normal(size=(200, 60))
        whole = leace(moments_of(states, classes)).apply(states)
        scores.append(refit(whole[learn], classes[learn]).score(whole[test], classes[test]))
        apart = leace(moments_of(states[learn], classes[learn])).apply(states)
        assert refit(apart[learn], classes[learn]).score(apart[test], classes[test]) == 0.5
    assert np.mean(scores) < 0.5 - 5 * 0.5 / np.sqrt(20 * 100)


# INLP

TABLE = {
    2: (0.5015, 0.8867, 0.5015, 0.02795, 0.03227, 0.6978, 8, 0.09557),
    3: (0.3340, 0.6660, 0.3340, 0.03995, 0.04880, 0.4878, 14, 0.15853),
    5: (0.2012, 0.6177, 0.2012, 0.08806, 0.10774, 0.3931, 32, 0.35097),
}
"""By classes: majority, linear accuracy before, after LEACE, mean squared change of a number by LEACE and by the mean
projection, accuracy after one INLP classifier, and rank and change after eight. Measured once, without penalty."""


@pytest.mark.parametrize("k", TABLE)
def test_accuracies_and_distances_on_synthetic_states(k):
    base, before, after, by_leace, by_means, after_one, rank, by_eight = TABLE[k]
    states, classes = synthetic(k)
    moments, nothing = moments_of(states, classes), np.zeros(2048, bool)
    assert majority(classes) == pytest.approx(base, abs=5e-5)
    assert read(states, classes) == pytest.approx(before, abs=2e-3)
    plain = leace(moments, shrinkage=0.0)
    assert read(plain.apply(states), classes) == pytest.approx(after, abs=5e-5)
    assert plain.distance(states).total / 128 == pytest.approx(by_leace, abs=1e-5)
    assert mean_projection(moments).distance(states).total / 128 == pytest.approx(by_means, abs=1e-5)
    settings = {"kept_back": nothing, "penalty": 1.0, "standardised": False}
    one = inlp(states, classes, 1, **settings)
    assert read(one.apply(states), classes) == pytest.approx(after_one, abs=2e-3)
    eight = inlp(states, classes, 8, stops=False, **settings)
    assert read(eight.apply(states), classes) == pytest.approx(base, abs=0.01)
    assert one.rank == k - 1
    assert eight.iterations in (7, 8)  # whether the eighth finds anything depends on where its descent ends
    assert eight.rank == eight.iterations * (k - 1)
    assert abs(eight.rank - rank) <= k - 1
    assert eight.distance(states).total / 128 == pytest.approx(by_eight, rel=0.15)


def test_inlp_takes_out_what_every_classifier_found(rng):
    states, classes = planted(rng(0))
    centred = (states - states.mean(0)) / states.std(0)
    rows = np.zeros((0, 48))
    for _ in range(3):
        left = centred - centred @ basis(rows) @ basis(rows).T if len(rows) else centred
        rows = np.concatenate([rows, LogisticRegression(C=1.0, max_iter=2000).fit(left, classes).coef_])
    want = left @ (np.eye(48) - basis(rows) @ basis(rows).T)
    found = inlp(states, classes, 3, kept_back=np.zeros(len(classes), bool), penalty=1.0, stops=False)
    assert found.rank == 3
    assert np.allclose((found.apply(states) - states.mean(0)) / states.std(0), want, atol=1e-4)


def test_inlp_stops_when_nothing_is_left_to_read(rng):
    states, classes = planted(rng(0))
    found = inlp(states, classes, 30)
    assert 1 <= found.iterations < 10
    judge = trial(states, classes)
    axes = np.linalg.qr(found.left / states.std(0)[:, None])[0].astype(np.float64)
    assert judge.without(np.zeros((48, 0))).accuracy > judge.majority + 5 * judge.error
    assert judge.without(axes).accuracy <= judge.majority + 2 * judge.error


def test_a_classifier_that_finds_nothing_adds_no_axes():
    """Its weights are rounding, and their span is too."""
    states = np.tile([[1.0, 5, 2], [-1, 5, 2], [1, 3, 1], [-1, 3, 1]], (10, 1))
    found = inlp(states, np.tile([0, 1], 20), 3, kept_back=np.zeros(40, bool), stops=False)
    assert (found.rank, found.iterations) == (1, 1)


def test_a_fifth_of_every_class_is_kept_back_by_the_seed(rng):
    classes = np.repeat([0, 1, 2], [50, 100, 7])
    one, same, other = (trial(rng(0).normal(size=(157, 2)), classes, seed=seed) for seed in (1, 1, 2))
    assert np.bincount(classes[one.judged]).tolist() == [10, 20, 1]
    assert (one.judged == ~one.learned).all()
    assert (one.judged == same.judged).all()
    assert (one.judged != other.judged).any()


def test_labels_that_mean_nothing_are_not_erased(rng):
    ranks = [
        inlp(planted(rng(seed), 400, 16)[0], rng(50 + seed).permutation(400) % 2, 8).rank
        for seed in range(12)
    ]
    assert np.median(ranks) == 0  # by chance one in six is taken out once
    assert inlp(*planted(rng(0), 400, 16), 8).rank > 0


def test_a_number_that_never_varies_stays(rng):
    states, classes = planted(rng(0), 400, 6)
    flat = np.concatenate([states, np.full((400, 1), 7.0)], 1)
    for found in (inlp(flat, classes, 2), rlace(flat, classes, 1, 50)):
        assert np.allclose(found.apply(flat)[:, -1], 7)


# R-LACE


def penalised_loss(given, axes):
    """What a classifier fitted to states without the axes still loses, penalty included, per example."""
    erased = given.scaled - given.scaled @ axes @ axes.T
    fitted = LogisticRegression(C=1 / given.penalty, max_iter=5000, tol=1e-8).fit(erased, given.classes)
    surprise = -fitted.predict_log_proba(erased)[np.arange(len(erased)), given.classes].sum()
    return (surprise + given.penalty / 2 * (fitted.coef_**2).sum()) / len(erased)


def axes_of(found, given):
    """The axes that an eraser takes out of standardised states."""
    return np.linalg.qr(found.left.astype(np.float64) / given.spread[:, None])[0]


def relaxed(given, rank, steps):
    """The source's own game: gradient steps of a classifier and of a soft projection, which is made hard at the end."""
    d, own = given.scaled.shape[1], one_hot(given.classes, given.count)
    soft, weights, bias = np.eye(d) * rank / d, np.zeros((d, given.count)), np.zeros(given.count)
    pace = 2 / np.linalg.eigvalsh(given.scaled.T @ given.scaled)[-1]
    for step in range(steps):
        logits = given.scaled @ (weights - soft @ weights) + bias
        shares = np.exp(logits - logits.max(1, keepdims=True))
        wrong = shares / shares.sum(1, keepdims=True) - own
        pull = given.scaled.T @ wrong
        slower = 1 - step / steps
        weights = weights - slower * pace * (pull - soft @ pull + given.penalty * weights)
        bias = bias - slower * wrong.mean(0)
        values, axes = np.linalg.eigh(
            soft - slower * 10 / len(own) * (pull @ weights.T + weights @ pull.T) / 2
        )
        shift = brentq(lambda s, v=values: np.clip(v - s, 0, 1).sum() - rank, values[0] - 1, values[-1])
        soft = axes * np.clip(values - shift, 0, 1) @ axes.T
    return np.linalg.eigh(soft)[1][:, -rank:]


@pytest.mark.parametrize("k", [2, 3, 5])
def test_at_rank_classes_less_one_the_game_ends_where_the_means_lie(k):
    """There the best projection hides every difference of means, and all other losses are lower."""
    states, classes = synthetic(k)
    states = (states - states.mean(0)) / states.std(0)
    found = rlace(states, classes, k - 1)
    assert (found.rank, found.iterations) == (k - 1, 1)
    assert np.allclose(
        found.projection(), mean_projection(moments_of(states, classes)).projection(), atol=1e-6
    )
    assert rlace(states, classes, k).rank == k - 1
    some = random_subspace(128, k - 1, seed=1, mean=states.mean(0))
    assert read(some.apply(states), classes) > majority(classes) + 0.3
    assert read(found.apply(states), classes) < majority(classes) + 0.02


def test_every_round_hides_more():
    states, classes = synthetic(5)
    given = trial(states, classes, np.zeros(2048, bool))
    rounds = [axes_of(rlace(states, classes, 2, rounds), given) for rounds in (1, 2, 4, 16, 200)]
    losses = [penalised_loss(given, axes) for axes in rounds]
    moments = moments_of(given.scaled, classes)
    start = np.linalg.svd(moments.cross_covariance)[0][:, :2]  # hides most from a constant guess
    assert losses[0] > penalised_loss(given, start)
    assert (np.diff(losses) > 0).all()
    assert np.log(5) > losses[-1] > losses[0] + 1e-3


def test_best_answers_hide_as_much_as_the_relaxed_game_does():
    states, classes = synthetic(5)
    given = trial(states[:, :40], classes, np.zeros(2048, bool))
    for rank in (1, 2, 3):
        found = penalised_loss(given, axes_of(rlace(states[:, :40], classes, rank), given))
        game = penalised_loss(given, relaxed(given, rank, 400))
        assert game > penalised_loss(given, np.eye(40)[:, :rank]) + 1e-3
        assert found > game - 1e-4


def test_rank_one_hides_what_one_classifier_leaves(rng):
    states, classes = planted(rng(0), 4000, 48, gap=3.0)
    learn, test = slice(0, 3000), slice(3000, 4000)
    error = np.sqrt(0.25 / 1000)

    def left_over(found):
        erased = found.apply(states)
        fresh = LogisticRegression(max_iter=5000).fit(erased[learn], classes[learn])
        return fresh.score(erased[test], classes[test])

    nothing = Eraser("none", np.zeros(48), np.zeros((48, 0)), np.zeros((0, 48)))
    game = rlace(states[learn], classes[learn], 1)
    one = inlp(states[learn], classes[learn], 1)
    assert game.rank == one.rank == 1
    assert left_over(nothing) > 0.85
    assert left_over(random_subspace(48, 1, mean=states.mean(0))) > 0.85
    # a guess: the most frequent class of the learned examples need not be that of the test
    assert abs(left_over(game) - 0.5) < 3 * error
    assert left_over(one) > majority(classes[test]) + 5 * error


def test_a_rank_below_the_classes_leaves_something():
    states, classes = synthetic(5)
    found = rlace(states, classes, 2)
    assert found.rank == 2
    assert majority(classes) + 0.1 < read(found.apply(states), classes) < read(states, classes) - 0.1


# all of them


@pytest.mark.parametrize("name", ERASERS)
def test_every_eraser_is_a_projection_about_its_mean(name, rng):
    states, classes = planted(rng(0), 400, 12)
    found = fitted(name, states, classes)
    assert found.method == name
    p = found.projection()
    assert np.allclose(p @ p, p, atol=1e-4)
    assert np.trace(np.eye(12) - p) == pytest.approx(found.rank, abs=1e-4)
    assert np.allclose(found.apply(found.mean[None]), found.mean, atol=1e-6)
    assert found.distance(states).total > 0
    if name in ("means", "direction", "random"):
        assert (found.left == found.right.T).all()


@pytest.mark.parametrize("name", ERASERS)
def test_the_same_call_gives_the_same_bits(name, rng):
    states, classes = planted(rng(0), 300, 8)
    one, again = (fitted(name, states, classes) for _ in range(2))
    assert one.left.tobytes() == again.left.tobytes()
    assert one.right.tobytes() == again.right.tobytes()


def test_states_keep_their_type_and_erasers_cannot_be_written_to(rng):
    states, classes = planted(rng(0), 300, 8)
    found = leace(moments_of(states.astype(np.float32), classes))
    assert found.apply(states.astype(np.float32)).dtype == np.float32
    assert found.apply(states).dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        found.left[0, 0] = 1


def test_every_kind_says_where_it_comes_from_and_when_it_misleads():
    assert next(iter(ERASERS)) == "leace"
    for each in ERASERS.values():
        assert "arXiv" in each.source
        assert each.misleads_when.endswith(".")
        assert each.guarantee.endswith(".")
    assert [name for name, each in ERASERS.items() if not each.streams] == ["inlp", "rlace"]
    assert [name for name, each in ERASERS.items() if not each.of_numbers] == ["inlp", "rlace"]


# by their ids


@pytest.mark.parametrize("name", ERASERS)
def test_fitting_by_id_is_fitting(name, rng):
    states, classes = planted(rng(0), 300, 8)
    moments = moments_of(states, classes)
    want = {
        "leace": lambda: leace(moments),
        "means": lambda: mean_projection(moments),
        "inlp": lambda: inlp(states, classes, 16, seed=3),
        "rlace": lambda: rlace(states, classes, 1),
        "direction": lambda: single_direction(moments.differences[1], moments.mean),
        "random": lambda: random_subspace(8, 1, 3, moments.mean),
    }[name]()
    found = fit(name, states, classes, 2, seed=3)
    assert (found.method, found.rank, found.iterations) == (name, want.rank, want.iterations)
    assert np.allclose(found.projection(), want.projection(), atol=1e-6)
    # a search that keeps examples back has the mean of the others
    assert np.allclose(found.mean, states.mean(0), rtol=0, atol=0.05 if name == "inlp" else 1e-6)


@pytest.mark.parametrize("name", [name for name, each in ERASERS.items() if each.of_numbers])
def test_fitting_by_id_takes_numbers(name, rng):
    states, numbers = mapped(rng(0))
    found = fit(name, states, numbers, 0)
    assert found.rank == (1 if name == "direction" else 2)
    left = explained(found.apply(states), numbers)
    assert left < 1e-9 if name in ("leace", "means") else left > 0.05
    assert fit(name, states, numbers[:, :1], 0).rank == 1


@pytest.mark.parametrize("name", [name for name, each in ERASERS.items() if not each.of_numbers])
def test_what_needs_classes_says_so(name, rng):
    with pytest.raises(
        AnalysisError, match=r"needs classes, and was given numbers.*choose one of these: LEACE"
    ):
        fit(name, *mapped(rng(0)), 0)


def test_ranks_and_iterations_go_where_they_belong():
    states, classes = synthetic(5)
    assert [fit(name, states, classes, 5).rank for name in ("rlace", "random", "leace", "direction")] == [
        4,
        4,
        4,
        1,
    ]
    assert [fit(name, states, classes, 5, rank=2).rank for name in ("rlace", "random", "leace")] == [2, 2, 4]
    assert fit("inlp", states, classes, 5, rank=1).iterations == 1
    assert fit("inlp", states, classes, 5, rank=1, iterations=2).iterations == 2
    assert fit("rlace", states, classes, 5, rank=2, iterations=1).iterations == 1
    for name in ("rlace", "random"):
        with pytest.raises(AnalysisError, match="rank 0|given 0"):
            fit(name, states, classes, 5, rank=0)


def test_the_leading_direction():
    states = np.array([[0.0, 0], [2, 0], [0, -5]])
    assert np.allclose(leading_direction(moments_of(states[:2], np.array([0, 1]))), [1, 0])
    years = np.array([[1900.0], [2000], [1950]])
    assert leading_direction(moments_of_numbers(states[:2], years[:2])) == pytest.approx([1, 0])
    many = leading_direction(moments_of(states, np.arange(3)))
    assert np.linalg.norm(many) == pytest.approx(1)
    assert many[1] > 0.9  # the class at -5 is the farthest, and the largest number of an axis is positive


def test_states_mapped_from_disk_are_walked_through_in_batches(tmp_path, rng):
    states, classes = planted(rng(0), 2 * BATCH + 100, 8)
    np.save(tmp_path / "states.npy", states.astype(np.float32))
    mapped_states = np.load(tmp_path / "states.npy", mmap_mode="r")
    said = []
    found = fit("leace", mapped_states, classes, 2, report=lambda *args: said.append(args))
    count = len(states)
    assert said == [("Gathering statistics", done, count) for done in (0, BATCH, 2 * BATCH, count)]
    assert np.allclose(found.projection(), leace(moments_of(states, classes)).projection(), atol=1e-4)
    for name in ERASERS:
        assert fit(name, mapped_states, classes, 2, iterations=2).d == 8


def test_importing_erasers_loads_no_solvers():
    code = "import sys, analysis.erasers.fitting; print({'sklearn', 'scipy.optimize'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "set()"


# what is refused

BROKEN = np.where(np.arange(8).reshape(4, 2) == 3, np.nan, FOUR)
ONE = np.zeros(4, int)
ONE_HOT = np.eye(2)[SIDES]
REFUSED = {
    "one class": (lambda: moments_of(FOUR, ONE), "All 4 examples are of class 0"),
    "a class without examples": (lambda: moments_of(FOUR, 2 * SIDES), "Class 1 of 3 has no example"),
    "nothing": (lambda: leace(Moments(2, 2)), "No examples were given"),
    "another width": (lambda: Moments(3, 2).update(FOUR, ONE_HOT), "States of 3 numbers each are needed"),
    "a missing number": (lambda: moments_of(BROKEN, SIDES), "not finite"),
    "a missing number in a search": (lambda: inlp(BROKEN, SIDES), "not finite"),
    "fewer classes than states": (lambda: moments_of(FOUR, SIDES[:3]), "Every state needs a label"),
    "classes that are amounts": (lambda: moments_of(FOUR, SIDES / 1), "Every state needs the whole number"),
    "classes below 0": (lambda: moments_of(FOUR, SIDES - 1, 2), "numbered from 0 to 1; given -1 to 0"),
    "a class too many": (lambda: moments_of(FOUR, 2 * SIDES, 2), "numbered from 0 to 1; given 0 to 2"),
    "classes as labels": (lambda: Moments(2, 2).update(FOUR, SIDES), "Make classes one-hot"),
    "classes as one column": (
        lambda: Moments(2, 1, numbers=True).update(FOUR, SIDES[:, None]),
        "a type of floats",
    ),
    "classes as numbers": (lambda: moments_of_numbers(FOUR, SIDES), "Whole numbers of classes belong to"),
    "amounts as classes": (lambda: Moments(2, 2).update(FOUR, 0.5 + 0 * ONE_HOT), "one 1 in every row"),
    "a missing label": (lambda: moments_of_numbers(FOUR, BROKEN), "A label is not finite"),
    "a number that is the same": (
        lambda: moments_of_numbers(FOUR, 0 * FOUR + [[1, 0.1]]),
        "Column 1 of 2 .* is 1 ",
    ),
    "a number of one example": (lambda: moments_of_numbers(FOUR[:1], FOUR[:1]), "Column 1 of 2"),
    "numbers not shown": (
        lambda: leace(moments_of_numbers(FOUR, FOUR[[0, 3, 3, 0], :1])),
        "whatever the number",
    ),
    "one announced class": (lambda: Moments(2, 1), "at least 2 classes"),
    "no column": (lambda: Moments(2, 0, numbers=True), "1 column of numbers"),
    "moments of another width": (
        lambda: Moments(2, 2).merge(Moments(3, 2)),
        "states of 3 numbers with 2 classes cannot",
    ),
    "moments of another kind": (
        lambda: Moments(2, 2).merge(Moments(2, 2, numbers=True)),
        "columns of numbers cannot",
    ),
    "no such eraser": (lambda: fit("x", FOUR, SIDES, 2), "no eraser 'x'; there are leace"),
    "fitting one class": (
        lambda: fit("leace", FOUR, ONE, 1),
        "at least 2 classes, or 0 for numbers; given 1",
    ),
    "fitting numbers as classes": (
        lambda: fit("leace", FOUR, SIDES / 1, 2),
        "Every state needs the whole number",
    ),
    "fitting classes as numbers": (lambda: fit("leace", FOUR, SIDES, 0), "Numbers to erase come as floats"),
    "a search without a class": (lambda: fit("rlace", FOUR, SIDES, 3), "Class 2 of 3 has no example"),
    "a game over equal means": (lambda: rlace(FOUR, SIDES[[0, 3, 3, 0]], 1), "same mean state"),
    "equal means": (lambda: leace(moments_of(np.ones((4, 2)), SIDES)), "same mean state"),
    "equal means, projected": (
        lambda: mean_projection(moments_of(FOUR, SIDES[[0, 3, 3, 0]])),
        "same mean state",
    ),
    "a tolerance of 0": (lambda: leace(moments_of(FOUR, SIDES), tol=0.0), "tolerance above 0"),
    "a shrinkage above 1": (lambda: leace(moments_of(FOUR, SIDES), shrinkage=1.5), "shrinkage from 0 to 1"),
    "a zero direction": (lambda: single_direction(np.zeros(3)), "not all zero"),
    "a mean of another width": (lambda: single_direction(np.ones(3), np.ones(2)), "An eraser needs a mean"),
    "rank 0": (lambda: random_subspace(4, 0), "rank 1 to 4; given 0"),
    "a rank above d": (lambda: random_subspace(4, 5), "rank 1 to 4; given 5"),
    "all of it": (lambda: rlace(FOUR, SIDES, 2), "1 to d - 1 dimensions"),
    "R-LACE without steps": (lambda: rlace(FOUR, SIDES, 1, 0), "at least 1 iteration; given 0"),
    "INLP without steps": (lambda: inlp(FOUR, SIDES, 0), "at least 1 iteration; given 0"),
    "a search in one class": (lambda: inlp(FOUR, ONE), "All 4 examples are of class 0"),
    "marks of another length": (
        lambda: inlp(FOUR, SIDES, kept_back=np.zeros(3, bool)),
        "3 marks for 4 examples",
    ),
    "a class that is all kept back": (lambda: inlp(FOUR, SIDES, kept_back=SIDES == 1), "are of class 0"),
    "states of another width": (lambda: random_subspace(4, 1).apply(FOUR), "acts on states of 4 numbers"),
    "an infinite factor": (
        lambda: Eraser("x", np.ones(1), np.full((1, 1), np.inf), np.ones((1, 1))),
        "finite",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_fitted_is_refused_in_words(name):
    call, sentence = REFUSED[name]
    with pytest.raises(AnalysisError, match=sentence):
        call()


CANCELLED = {
    "inlp": "Taking out what classifiers use",
    "rlace": "Hiding the concept from a classifier",
    "leace": "Gathering statistics",
}


@pytest.mark.parametrize("name", CANCELLED)
def test_a_cancelled_fit_ends(name):
    states, classes = synthetic(5)
    said = []

    def stop_at_the_second(message, done=0, total=None):
        said.extend([done / total] if message == CANCELLED[name] else [])
        if len(said) == 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        fit(name, states, classes, 5, rank=2, iterations=4, report=stop_at_the_second)
    assert said == [0, 1 / 4]
