"""Probes on synthetic states: by hand, against scikit-learn, and on labels that mean nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given as examples
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, f1_score, r2_score
from sklearn.neighbors import NearestCentroid

from analysis.edits import BASE, SetComponent, Site, Variant
from analysis.errors import AnalysisError, Cancelled
from analysis.labelled import LabelledSet
from analysis.probing import PROBES, baselines, curves
from analysis.probing.baselines import control_task, majority, seen_before, shuffled, types
from analysis.probing.curves import probe_layers
from analysis.probing.fits import fit, lda, ledoit_wolf
from analysis.probing.logistic import logistic
from analysis.probing.measures import (
    balanced_accuracy,
    confusion,
    coordinates,
    f1,
    haversine_km,
    r2,
    r2_each,
    r2_interval,
    wilson,
)
from analysis.probing.nonlinear import mlp
from analysis.probing.numbers import component_curve, pls, ridge
from analysis.probing.scaling import scale_of
from analysis.probing.sparse import class_gaps, output_row, sparse_curve
from analysis.probing.splits import duplicates, merged, split

LINEAR = ("logistic", "means", "lda")
LENGTHS = {1: (30, 5), 2: (12, 40)}
"""Shapes with more examples than numbers, and with fewer."""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Networks this small wait for a second thread longer than it helps."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def cosine(a, b) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def planted_classes(random, count=400, width=32, classes=2, apart=4.0):
    """Round clouds whose means lie on random axes; for two classes, the axis from the first to the second."""
    axes = np.linalg.qr(random.normal(size=(width, classes)))[0].T
    labels = np.arange(count) % classes
    states = random.normal(size=(count, width)) + apart * axes[labels]
    return states.astype(np.float32), labels, axes[1] - axes[0]


def xor(random, count=600, width=4, noise=0.2):
    """Two signs, the class of whose product no straight cut tells; the other numbers are noise."""
    signs = random.choice([-1, 1], size=(count, 2))
    states = np.concatenate([signs, np.zeros((count, width - 2))], axis=1) + noise * random.normal(
        size=(count, width)
    )
    return states.astype(np.float32), (signs.prod(1) > 0).astype(np.int64)


def standardised(states):
    wide = states.astype(np.float64)
    return (wide - wide.mean(0)) / wide.std(0)


def labelled(classes, groups=(), texts=(), spans=(), count=None) -> LabelledSet:
    """A set whose texts do not matter."""
    names = tuple(f"class {i}" for i in range(count or int(classes.max()) + 1))
    texts = texts or tuple(f"text {i}" for i in range(len(classes)))
    return LabelledSet("set", "Set", "Which?", texts, classes, names, groups=groups, spans=spans)


def numbered(values, names=("size",), groups=()) -> LabelledSet:
    texts = tuple(f"text {i}" for i in range(len(values)))
    return LabelledSet("set", "Set", "How much?", texts, values, numbers=names, groups=groups)


# splits


def test_a_split_by_hand_of_four_groups_of_one_size():
    # each class has two groups of two: one of either is held out, whichever the seed takes
    groups, classes = ("a", "a", "b", "b", "c", "c", "d", "d"), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    for seed in range(5):
        held = split(groups, classes, 0.5, seed)
        assert held[:4].sum() == held[4:].sum() == 2
        assert all(held[i] == held[i + 1] for i in (0, 2, 4, 6))


@examples(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=2, max_size=60), st.integers(0, 3)
)
def test_no_group_is_on_both_sides_and_every_class_is(rows, seed):
    groups, classes = tuple(str(g) for g, _ in rows), np.array([c for _, c in rows])
    places = [{g for g, c in rows if c == kind} for kind in set(classes.tolist())]
    try:
        held = split(groups, classes, 0.3, seed)
    except AnalysisError as error:
        assert len(places) < 2 or min(map(len, places)) < 2 or "No split was found" in str(error)
        return
    assert {g for g, out in zip(groups, held, strict=True) if out}.isdisjoint(
        g for g, out in zip(groups, held, strict=True) if not out
    )
    assert set(classes[held]) == set(classes[~held]) == set(classes)


def test_classes_are_balanced_as_far_as_groups_allow(rng):
    random = rng(0)
    sizes = random.integers(1, 12, size=120)
    groups = tuple(np.repeat(np.arange(120).astype(str), sizes))
    classes = np.repeat(random.choice(3, size=120, p=[0.7, 0.2, 0.1]), sizes)
    held = split(groups, classes, 0.3)
    for kind in range(3):
        assert abs(held[classes == kind].mean() - 0.3) < 0.03
    assert (split(groups, classes, 0.3, 1) != held).any()
    assert (split(groups, classes, 0.3, 0) == held).all()


def test_a_class_of_two_groups_has_one_on_either_side_however_small_the_share():
    classes = np.array([0] * 38 + [1] * 2)
    held = split(tuple(map(str, range(40))), classes, 0.1)
    assert held[classes == 1].sum() == 1
    assert 3 <= held.sum() <= 5


def test_numbers_are_held_out_from_their_whole_range(rng):
    values = rng(1).normal(size=(200, 2))
    held = split(tuple(str(i) for i in range(200)), values, 0.3)
    assert abs(held.mean() - 0.3) < 0.02
    assert abs(np.median(values[held, 0]) - np.median(values[~held, 0])) < 0.2


def test_texts_on_both_sides_are_found_and_merging_their_groups_prevents_them():
    texts = ("The cat.", "A dog.", "the  CAT. ", "a bird.", "A dog.", "A fish.")
    groups = ("one", "two", "three", "four", "four", "five")
    held = np.array([True, False, False, False, True, True])
    assert duplicates(texts, held) == ("The cat.", "A dog.")
    joined, count = merged(texts, groups)
    assert joined == ("one", "two", "one", "two", "two", "five")
    assert count == 2  # three went to one, four to two
    for seed in range(10):
        assert duplicates(texts, split(joined, np.array([0, 1, 1, 0, 0, 1]), 0.3, seed)) == ()
    assert merged(("a", "b"), ("x", "y")) == (("x", "y"), 0)


# linear probes for classes


def test_nearest_means_by_hand():
    # means (0, 0) and (4, 0), variance along the difference 4: scores differ by (4 x - 8) / 4
    states = np.array([[-2.0, 5], [2, -5], [2, 5], [6, -5]])
    probe = fit(states, np.array([0, 0, 1, 1]), "means")
    assert np.allclose(probe.directions, [[1, 0]])
    assert np.allclose(np.diff(probe.scores(np.array([[2.0, 9], [3, 0]]))), [[0], [1]])
    assert np.allclose(probe.log_probabilities(np.array([[2.0, 9]])), np.log(0.5))
    assert probe.predict(states + [0.1, 0]).tolist() == [0, 1, 1, 1]


def test_logistic_weights_by_hand():
    # states ±1 with one class each: w solves w = 2 n s(-w) / penalty, from the slope penalty w - 4 s(-w) = 0
    states, classes = np.array([[1.0], [1], [-1], [-1]]), np.array([[1, 1, 0, 0]])
    (probe,) = logistic(states, classes, 2, penalty=4 / (1 + np.e))  # at w = 1, s(-1) = 1 / (1 + e)
    assert probe.directions[0, 0] == pytest.approx(1, abs=1e-3)
    assert np.diff(probe.bias) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize(("many", "width"), [(300, 20), (60, 150)])
@pytest.mark.parametrize("balanced", [False, True])
def test_logistic_weights_are_those_of_scikit_learn(count, many, width, balanced, rng):
    random = rng(2)
    states = (random.normal(size=(many, width)) * np.exp(random.normal(size=width)) + 3).astype(np.float32)
    labels = random.choice(count, size=(2, many), p=np.arange(1, count + 1) / sum(range(count + 1)))
    labels[0] = np.argmax(standardised(states)[:, :count] + random.normal(size=(many, count)), 1)
    found = logistic(states, labels, count, penalty=5.0, balanced=balanced)
    for probe, classes in zip(found, labels, strict=True):  # fitted together, right on their own
        reference = LogisticRegression(
            C=1 / 5, tol=1e-9, max_iter=5000, class_weight="balanced" if balanced else None
        )
        reference.fit(standardised(states), classes)
        own = probe.directions if count == 2 else probe.weights
        assert np.abs(own * states.std(0) - reference.coef_).max() < 1e-3
        assert (probe.predict(states) == reference.predict(standardised(states))).all()
        want = reference.predict_log_proba(standardised(states))
        assert np.abs(probe.log_probabilities(states) - want).max() < 5e-3


def test_the_penalty_of_logistic_probes_is_a_quarter_of_the_width(rng):
    states, classes, _ = planted_classes(rng(3), count=100, width=12)
    (own,) = logistic(states, classes[None], 2, penalty=3.0)
    assert np.allclose(own.weights, fit(states, classes).weights, atol=1e-6)


@pytest.mark.parametrize("shrinkage", [0.1, 0.7])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(("many", "width"), [(200, 12), (40, 90)])
def test_discriminants_are_those_of_scikit_learn_on_standardised_states(shrinkage, count, many, width, rng):
    states, classes, _ = planted_classes(rng(4), many, width, count, apart=2.0)
    classes[: many // 5] = 0  # classes of different sizes
    (probe,) = lda(states, classes[None], count, shrinkage=shrinkage)
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)
    reference.fit(standardised(states), classes)
    want = reference.predict_proba(standardised(states))  # its logarithms round what is close to 0
    assert np.abs(np.exp(probe.log_probabilities(states)) - want).max() < 1e-6
    assert (probe.predict(states) == reference.predict(standardised(states))).all()


@pytest.mark.parametrize(("many", "width"), [(200, 12), (20, 50)])
def test_shrinkage_is_that_of_scikit_learn(many, width, rng):
    residuals = rng(5).normal(size=(many, width)) * np.linspace(0.5, 3, width)
    own = ledoit_wolf(residuals, residuals.T @ residuals / many, width)
    assert own == pytest.approx(ledoit_wolf_shrinkage(residuals, assume_centered=True), abs=1e-9)
    assert 0 < own < 1


def test_nearest_means_are_the_nearest_centroids_of_scikit_learn(rng):
    states, classes, _ = planted_classes(rng(6), 200, 10, 4, apart=1.5)
    reference = NearestCentroid().fit(states, classes)
    assert (fit(states, classes, "means").predict(states) == reference.predict(states)).all()


@pytest.mark.parametrize("probe", LINEAR)
def test_a_planted_direction_is_found(probe, rng):
    states, classes, axis = planted_classes(rng(7), count=2000)
    found = fit(states, classes, probe)
    assert cosine(found.directions[0], axis) > 0.95
    assert abs(cosine(found.directions[0], rng(8).normal(size=len(axis)))) < 0.5  # not any direction does


@pytest.mark.parametrize("probe", ["logistic", "lda"])
def test_probes_on_standardised_states_do_not_mind_units(probe, rng):
    states, classes, _ = planted_classes(rng(9), 200, 8, 3, apart=1.0)
    units = np.logspace(-2, 2, 8)
    one = fit(states.astype(np.float64), classes, probe)
    other = fit(states * units + 7, classes, probe)
    assert np.allclose(one.log_probabilities(states), other.log_probabilities(states * units + 7), atol=1e-3)


@pytest.mark.parametrize("probe", LINEAR)
def test_states_that_are_all_the_same_give_the_majority_and_no_weights(probe):
    states, classes = np.full((10, 6), 0.1, np.float32), np.array([1] * 7 + [0] * 3)
    found = fit(states, classes, probe)
    assert not found.weights.any()
    if probe != "means":  # which knows no sizes of classes
        assert (found.predict(states) == 1).all()
        assert found.log_probabilities(states)[0, 1] == pytest.approx(np.log(0.7), abs=1e-3)


@pytest.mark.parametrize("width", [3, 60])
@pytest.mark.parametrize("probe", [*LINEAR, "sparse", "mlp"])
def test_a_class_that_no_example_has_is_never_predicted(probe, width, rng):
    states = rng(10).normal(size=(40, width))
    for absent in (0, 1, 2)[: 1 if probe == "mlp" else 3]:
        (found,) = PROBES[probe].fit(states, np.array([[k for k in (0, 1, 2) if k != absent] * 20]), 3)
        assert absent not in found.predict(rng(11).normal(size=(40, width)))
        assert not np.isnan(found.log_probabilities(states)).any()
        assert probe == "mlp" or found.log_probabilities(states)[:, absent].max() < -100


def test_a_number_that_varies_by_rounding_alone_carries_no_weight(rng):
    states = np.column_stack([1000 + 1e-4 * (np.arange(40) % 2), rng(45).normal(size=40)])
    assert np.isinf(scale_of(states).spread).tolist() == [True, False]
    assert not fit(states, np.arange(40) % 2).weights[:, 0].any()


# neurons


def test_a_planted_neuron_is_ranked_first_and_reads_the_class_alone(rng):
    random = rng(12)
    classes = (np.arange(400) % 4 == 0).astype(np.int64)  # one example in four
    activations = np.abs(random.normal(size=(400, 200))) * np.exp(random.normal(size=200))
    activations[:, 37] = 0.01 * (
        5 * classes + random.normal(scale=0.3, size=400)
    )  # far smaller than the others
    held = split(tuple(str(i) for i in range(400)), classes)
    curve = sparse_curve(activations, classes, held)
    assert curve.ks == (1, 2, 4, 8, 16, 32, 64, 128)  # of 200 neurons
    assert curve.neurons[0] == 37
    assert curve.at(1).f1 > 0.98
    assert curve.at(1).random[1] < 0.6
    assert max(f for score in curve.scores for _, f in score.shuffled) < 0.6
    assert curve.baseline == pytest.approx(0.75, abs=0.02)
    assert len(curve.neurons) == 128
    assert (np.diff(curve.gaps) <= 0).all()
    (probe,) = PROBES["sparse"].fit(activations, classes[None], 2)
    assert (probe.weights[1] != 0).sum() == 16
    assert probe.weights[1, 37] != 0


def test_a_curve_of_neurons_holds_the_probe_of_every_k_and_what_its_neurons_do(rng):
    random = rng(14)
    classes, held = np.arange(120) % 3, np.arange(120) % 4 == 0
    activations = random.normal(size=(120, 30)) + np.eye(3)[classes] @ random.normal(size=(3, 30))
    curve = sparse_curve(activations, classes, held, (4, 16, 99))
    assert curve.ks == (4, 16)
    learned, top = activations[~held], curve.neurons
    assert curve.means == pytest.approx(
        np.stack([learned[classes[~held] == c][:, top].mean(0) for c in range(3)])
    )
    assert curve.spread == pytest.approx(learned[:, top].std(0))
    assert curve.largest == pytest.approx(np.abs(activations[:, top]).max(0))
    (probe,) = PROBES["sparse"].fit(learned, classes[~held][None], 3)
    assert probe.weights[:, top] == pytest.approx(curve.at(16).weights)
    assert curve.at(16).accuracy == (probe.predict(activations[held]) == classes[held]).mean()
    assert (curve.at(16).low, curve.at(16).high) == wilson(round(30 * curve.at(16).accuracy), 30)
    with pytest.raises(AnalysisError, match="5 neurons were not tried; there are 4, 16"):
        curve.at(5)


def test_shuffles_of_a_curve_of_neurons_are_seeded_and_keep_groups(rng):
    classes, held = np.arange(80) // 2 % 2, np.arange(80) % 5 == 0
    activations = rng(15).normal(size=(80, 12)) + 2 * classes[:, None]
    groups = tuple(str(n // 4) for n in range(80))
    curves = [sparse_curve(activations, classes, held, (2,), 0, groups=g) for g in (groups, groups, ())]
    shuffles = [curve.at(2).shuffled for curve in curves]
    assert shuffles[0] == shuffles[1] != shuffles[2]
    assert len(shuffles[0]) == 3


def test_a_curve_of_neurons_can_be_stopped(rng):
    seen = []

    def stop(message, done=0, total=None):
        seen.append((message, done, total))
        if done == 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        sparse_curve(
            rng(16).normal(size=(20, 5)), np.arange(20) % 2, np.arange(20) > 9, (1, 2, 4), report=stop
        )
    assert seen == [("Probing with 1 neuron", 0, 3), ("Probing with 2 neurons", 1, 3)]


def test_what_a_neuron_writes_is_what_leaves_the_mlp_without_it(family):
    model = family.model
    if not model.neuron_sites() or "norm" in model.parts.layout.mlp:
        with pytest.raises(AnalysisError, match="keeps its neurons in experts|norms what its neurons write"):
            output_row(model, 2, 1)
        return
    site, neuron = Site(2, "neurons"), 3
    axis = np.eye(model.n_neurons, dtype=np.float32)[neuron]
    without = Variant("without", (SetComponent(site, axis, 0.0),))
    trace = model.run("The sea is deep.", read=(site, Site(2, "mlp")), variants=(BASE, without))
    lost = trace.at(Site(2, "mlp"), 0) - trace.at(Site(2, "mlp"), 1)
    expected = trace.at(site)[:, neuron, None] * output_row(model, 2, neuron)
    assert np.abs(lost - expected).max() < 1e-4 * np.abs(trace.at(Site(2, "mlp"))).max()


def test_a_neuron_that_is_not_there_is_refused(toy):
    for layer, neuron in ((0, 1), (4, 1), (1, toy.n_neurons), (1, -1)):
        with pytest.raises(
            AnalysisError, match=f"There is no neuron {neuron} at layer {layer}: .* 37 neurons, numbered"
        ):
            output_row(toy, layer, neuron)


def test_neurons_are_ranked_by_learned_examples_only(rng):
    classes, held = np.arange(200) % 2, np.arange(200) >= 100
    activations = rng(13).normal(size=(200, 20))
    activations[held, 5] += 50 * classes[held]
    activations[~held, 6] += 5 * classes[~held]
    assert sparse_curve(activations, classes, held, (1,)).neurons.tolist() == [6]


def test_a_sparse_probe_on_all_neurons_is_the_class_weighted_regression(rng):
    activations, classes = rng(41).normal(size=(120, 6)), (np.arange(120) % 6 == 0).astype(np.int64)
    (own,) = PROBES["sparse"].fit(activations + classes[:, None], classes[None], 2)
    reference = LogisticRegression(C=1.0, class_weight="balanced", tol=1e-9)
    reference.fit(standardised(activations + classes[:, None]), classes)
    assert np.abs(own.directions * (activations + classes[:, None]).std(0) - reference.coef_).max() < 1e-3


def test_the_gap_of_a_neuron_by_hand():
    # means 1 and 4, variance 1 within either: 3 apart; one that never varies, one that varies between classes only
    values = np.array([[0.0, 2, 1], [2, 2, 1], [3, 2, 8], [5, 2, 8]])
    assert class_gaps(values, np.array([0, 0, 1, 1]), 2).tolist() == [3, 0, np.inf]
    three = np.array([[0.0], [2], [3], [5], [7], [9]])
    assert class_gaps(three, np.array([0, 0, 1, 1, 2, 2]), 3) == pytest.approx(7)


# numbers


@pytest.mark.parametrize(("many", "width"), [(100, 12), (30, 80)])
def test_ridge_weights_are_those_of_scikit_learn(many, width, rng):
    random = rng(14)
    states = random.normal(size=(many, width)) * 3 + 1
    targets = states[:, :2] * [1, 100] + random.normal(size=(many, 2))
    scaled = (targets - targets.mean(0)) / targets.std(0)
    reference = Ridge(alpha=width).fit(standardised(states), scaled)
    (probe,) = ridge(states, targets[None])
    want = reference.predict(standardised(states)) * targets.std(0) + targets.mean(0)
    assert np.allclose(probe.predict(states), want, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize("components", [1, 2, 5])
@pytest.mark.parametrize("numbers", [1, 3])
@pytest.mark.parametrize(("many", "width"), [(100, 12), (30, 80)])
def test_partial_least_squares_are_those_of_scikit_learn(components, numbers, many, width, rng):
    random = rng(15)
    states = random.normal(size=(many, width)) * np.exp(random.normal(size=width))
    targets = states[:, :numbers] * 2 + states[:, 3:4] + random.normal(size=(many, numbers)) + 50
    reference = PLSRegression(components, scale=True, tol=1e-14, max_iter=20_000).fit(states, targets)
    (probe,) = pls(states, targets[None], components=components)
    assert np.allclose(probe.predict(states), reference.predict(states).reshape(many, -1), atol=1e-5)


def test_partial_least_squares_with_all_components_are_least_squares(rng):
    states = rng(16).normal(size=(50, 6))
    targets = rng(17).normal(size=(50, 1))
    (probe,) = pls(states, targets[None], components=99)
    design = np.column_stack([states, np.ones(50)])
    assert np.allclose(probe.predict(states), design @ np.linalg.lstsq(design, targets, rcond=None)[0])


def test_partial_least_squares_peak_at_the_planted_rank(rng):
    random = rng(18)
    axis = random.normal(size=576)
    axis /= np.linalg.norm(axis)
    values = random.normal(size=(500, 1))
    states = (random.normal(size=(500, 576)) + 4 * values * axis).astype(np.float32)
    held = np.arange(500) % 3 == 0
    curve = component_curve(states, values, held)[:, 0]
    assert curve.argmax() <= 1
    assert curve[0] > 0.9
    assert curve[9] < curve[:2].min() - 0.03
    noise = component_curve(states, random.permutation(values), held)[:, 0]
    assert noise.max() < 0.05


@pytest.mark.parametrize("fitted", [ridge, pls])
def test_units_of_numbers_do_not_change_r2(fitted, rng):
    states = rng(19).normal(size=(80, 10))
    values = states[:, :1] + rng(20).normal(size=(80, 1))
    one, other = fitted(states, np.stack([values, 1000 * values - 7]))
    assert r2(values, one.predict(states)) == pytest.approx(r2(1000 * values - 7, other.predict(states)))
    assert np.allclose(1000 * one.directions, other.directions)


# measures


def test_wilson_intervals_are_those_of_scipy():
    for right, count in ((0, 10), (7, 10), (10, 10), (481, 900)):
        want = binomtest(right, count).proportion_ci(0.95, "wilson")
        assert wilson(right, count) == pytest.approx((want.low, want.high), abs=1e-6)
    assert wilson(10, 10)[1] == 1


def test_scores_from_confusions_by_hand_and_by_scikit_learn(rng):
    table = confusion(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), 2)
    assert table.tolist() == [[2, 1], [0, 1]]
    assert balanced_accuracy(table) == pytest.approx((2 / 3 + 1) / 2)
    assert f1(table) == pytest.approx(2 / 3)  # precision 1/2, recall 1
    true, read = rng(21).integers(4, size=(2, 60))
    table = confusion(true, read, 4)
    assert balanced_accuracy(table) == pytest.approx(balanced_accuracy_score(true, read))
    assert f1(table) == pytest.approx(f1_score(true, read, average="macro"))


def test_r2_by_hand_and_by_scikit_learn(rng):
    values = np.array([[1.0], [2], [3]])
    assert r2(values, values) == 1
    assert r2(values, np.full((3, 1), 2.0)) == 0
    assert r2(values, np.array([[1.0], [2], [4]])) == 0.5
    true, read = rng(22).normal(size=(2, 40, 3))
    assert r2(true, read) == pytest.approx(r2_score(true, read))
    assert np.allclose(r2_each(true, read), r2_score(true, read, multioutput="raw_values"))


def test_the_interval_of_r2_holds_it_and_is_wider_for_fewer_groups(rng):
    true = rng(23).normal(size=(300, 1)) + np.repeat(rng(24).normal(size=(15, 1)), 20, 0)
    read = true + np.repeat(rng(25).normal(size=(15, 1)), 20, 0)  # errors that groups share
    alone = r2_interval(true, read, tuple(str(i) for i in range(300)))
    grouped = r2_interval(true, read, tuple(str(i // 20) for i in range(300)))
    assert grouped[0] < alone[0] < r2(true, read) < alone[1] < grouped[1]
    assert np.isnan(r2_interval(true, read, ("one",) * 300)).all()


def test_the_interval_of_r2_is_that_of_examples_drawn_again_group_by_group(rng):
    true, groups = rng(42).normal(size=(20, 2)) + 5, np.repeat(np.arange(5), 4)
    read = true + rng(43).normal(scale=0.5, size=(20, 2))
    drawn = np.random.default_rng(7).multinomial(5, np.full(5, 0.2), size=1000)
    again = [np.repeat(np.arange(20), times[groups]) for times in drawn]
    want = np.percentile([r2(true[rows], read[rows]) for rows in again], [2.5, 97.5])
    assert r2_interval(true, read, tuple(map(str, groups)), 7) == pytest.approx(tuple(want))


def test_distances_on_the_globe():
    places = np.array([[0.0, 0], [90, 0], [48.8566, 2.3522]])
    others = np.array([[0.0, 180], [-90, 77], [51.5074, -0.1278]])
    assert haversine_km(places, others) == pytest.approx([20015.1, 20015.1, 343.6], abs=0.2)
    assert haversine_km(places, places).tolist() == [0, 0, 0]
    assert haversine_km(np.array([[0.0, -179.5]]), np.array([[0.0, 179.5]])) == pytest.approx(
        111.19, abs=0.01
    )
    assert coordinates(("Longitude (degrees)", "latitude (degrees)")) == (1, 0)
    assert coordinates(("latitude", "year")) is None


# baselines


def test_shuffled_labels_are_the_same_ones_and_stay_together_in_groups(rng):
    groups = tuple(np.repeat(np.arange(50).astype(str), 4))
    classes = np.repeat(rng(26).integers(3, size=50), 4)
    copy = shuffled(classes, groups, 0)
    assert np.bincount(copy).tolist() == np.bincount(classes).tolist()
    assert (copy.reshape(50, 4) == copy[::4, None]).all()
    assert 0.2 < (copy == classes).mean() < 0.6
    pairs = np.tile([0, 1], 100)  # both classes in every group: the order within them is what is shuffled
    assert 0.35 < (shuffled(pairs, tuple(str(i // 2) for i in range(200)), 0) == pairs).mean() < 0.65
    rows = np.arange(12.0).reshape(6, 2)
    assert sorted(map(tuple, shuffled(rows, tuple("abcabc"), 1))) == sorted(map(tuple, rows))


def test_a_control_task_gives_every_kind_of_word_one_label():
    kinds = tuple("abcd" * 25)
    control = control_task(np.arange(100) % 5, kinds, 0)
    assert all(len(set(control[i::4])) == 1 for i in range(4))
    many = control_task(np.array([0] * 90 + [1] * 10), tuple(str(i) for i in range(100)), 0)
    assert 0.01 < many.mean() < 0.25


def test_kinds_are_words_where_there_are_spans_and_texts_elsewhere():
    given = labelled(
        np.array([0, 1, 0, 1]), (), ("A Cat", "a  cat", "the cat", "A dog"), (None, None, (4, 7), (2, 5))
    )
    assert types(given) == ("a cat", "a cat", "cat", "dog")
    assert seen_before(types(given), np.array([True, False, False, True])) == 0.5


def test_the_majority_is_that_of_the_learned_examples():
    assert majority(np.array([0, 0, 1, 1, 1]), np.array([False, False, False, True, True])) == 0


# the small network


def test_a_network_reads_what_no_linear_probe_can_and_not_what_is_not_there(rng):
    states, classes = xor(rng(27))
    held = np.arange(600) % 3 == 0
    noise = rng(28).permutation(classes)
    real, control = mlp(states[~held], np.stack([classes, noise])[:, ~held], 2)
    assert (real.predict(states) == classes)[held].mean() > 0.95
    for probe in LINEAR:
        right = (fit(states[~held], classes[~held], probe).predict(states) == classes)[held]
        assert wilson(int(right.sum()), 200)[0] < 0.5 + 0.05
    low, high = wilson(int((control.predict(states) == noise)[held].sum()), 200)
    assert low - 0.03 < 0.5 < high + 0.03


def test_training_stops_before_a_network_knows_its_examples_by_heart(rng):
    states, classes = rng(44).normal(size=(300, 80)), np.arange(300) % 2
    (only,) = mlp(states[:200], classes[None, :200], 2)
    loss = -only.log_probabilities(states)[np.arange(300), classes]
    assert loss[200:].mean() < 1.0  # 0.69 at chance; trained to the end it is far surer and wrong
    assert loss[:200].mean() > 0.2


def test_the_same_seed_gives_the_same_network_and_leaves_torch_alone(rng):
    states, classes = xor(rng(29), 100)
    before = torch.get_rng_state()
    one, other = (mlp(states, classes[None], 2, seed=3)[0] for _ in range(2))
    assert np.array_equal(one.inner, other.inner)
    assert not np.array_equal(one.inner, mlp(states, classes[None], 2, seed=4)[0].inner)
    assert torch.equal(before, torch.get_rng_state())


def test_networks_trained_side_by_side_do_not_touch_each_other(rng):
    states, classes = xor(rng(30), 200)
    together = mlp(states, np.stack([classes, 1 - classes, rng(31).permutation(classes)]), 2)[0]
    alone = mlp(states, classes[None], 2)[0]
    assert np.allclose(together.log_probabilities(states), alone.log_probabilities(states), atol=0.02)


# curves


def three_layers(random, count=300, width=16, classes=3):
    """Layer 0 says nothing, layer 1 tells the class weakly, layer 2 well; and the set."""
    _, labels, _ = planted_classes(random, count, width, classes)
    axes = np.linalg.qr(random.normal(size=(width, classes)))[0].T
    noise = random.normal(size=(3, count, width))
    states = noise + np.array([0, 1.0, 5.0])[:, None, None] * axes[labels]
    return states.astype(np.float32), labelled(labels)


@pytest.mark.parametrize("probe", ["logistic", "means", "lda", "sparse", "mlp"])
def test_a_curve_rises_with_what_is_planted_and_shuffled_labels_stay_at_chance(probe, rng):
    states, given = three_layers(rng(32))
    curve = probe_layers(states, given, probe)
    scores = [each.score for each in curve.layers]
    assert [each.layer for each in curve.layers] == [0, 1, 2]
    assert scores[2] > 0.95 > scores[1] > scores[0]
    assert curve.best().layer == 2
    held = int(curve.held_out.sum())
    chance = binomtest(held // 3, held).proportion_ci(0.999)
    assert chance.low < scores[0] < chance.high
    for each in curve.layers:
        assert each.low < each.score <= each.high
        assert len(each.shuffled) == 3
        assert chance.low < each.control < chance.high  # every text comes once
        assert each.selectivity == each.score - each.control
        assert each.confusion.sum() == held
        assert np.trace(each.confusion) / held == pytest.approx(each.score)
        assert (each.log_probability <= 0).all()
        assert (each.directions is None) == (probe == "mlp")
    # where classes lie apart, shuffled probes are right or wrong about whole classes: right by chance on average
    assert chance.low < curve.at(0).shuffled_mean < chance.high
    assert abs(np.mean([each.shuffled_mean for each in curve.layers]) - 1 / 3) < 0.15
    assert curve.control_ceiling == 0
    assert curve.baseline == pytest.approx(1 / 3, abs=0.03)


def test_scores_are_those_of_a_probe_that_has_not_seen_the_held_out_examples(rng):
    states, given = three_layers(rng(33))
    curve = probe_layers(states, given, "logistic")
    held = curve.held_out
    probe = fit(states[1][~held], given.targets[~held])
    found = curve.at(1)
    assert np.array_equal(found.predicted, probe.predict(states[1][held]))
    assert np.allclose(found.directions, probe.directions, atol=1e-3)
    log_probability = probe.log_probabilities(states[1])[np.arange(300), given.targets]
    hardest = curve.hardest(1, 5)
    assert held[list(hardest)].all()
    assert log_probability[held].min() == pytest.approx(log_probability[hardest[0]], abs=1e-3)
    again = probe_layers(states, given, "logistic", refit=True)
    assert [each.score for each in again.layers] == [each.score for each in curve.layers]
    assert np.allclose(again.at(1).probe.weights, fit(states[1], given.targets).weights, atol=1e-3)


def test_memory_of_words_shows_in_the_control(rng):
    """Every word has a place of its own: any labelling of words can be learned, and it is known from memory."""
    random = rng(34)
    word = random.integers(20, size=400)
    places = 8 * random.normal(size=(20, 40))
    states = (places[word] + random.normal(size=(400, 40)))[None].astype(np.float32)
    texts = tuple(f"{i} w{w}" for i, w in enumerate(word))
    spans = tuple((text.index("w"), len(text)) for text in texts)
    curve = probe_layers(states, labelled(word % 2, (), texts, spans), "logistic")
    (only,) = curve.layers
    assert curve.control_ceiling == 1
    assert only.score > 0.95
    assert only.control > 0.95
    assert abs(only.selectivity) < 0.05


def test_a_control_of_the_labels_themselves_leaves_no_selectivity(rng, monkeypatch):
    monkeypatch.setattr(curves, "control_task", lambda targets, kinds, seed: targets)
    states, given = three_layers(rng(35))
    for each in probe_layers(states, given, "logistic", shuffles=0).layers:
        assert each.selectivity == 0
        assert np.isnan(each.shuffled_mean)


def test_a_memory_probe_is_caught_by_groups(rng):
    """States tell the group and nothing else: with groups kept together the classes cannot be read."""
    random = rng(36)
    group = np.repeat(np.arange(60), 6)
    classes = random.permutation(60)[group] % 2
    states = (5 * random.normal(size=(60, 80))[group] + random.normal(size=(360, 80)))[None].astype(
        np.float32
    )
    kept = probe_layers(states, labelled(classes, tuple(map(str, group))), "logistic").layers[0]
    parted = probe_layers(states, labelled(classes), "logistic").layers[0]
    assert parted.score > 0.9
    assert kept.score < 0.8


@pytest.mark.parametrize("probe", ["ridge", "pls"])
def test_curves_of_numbers(probe, rng):
    random = rng(37)
    values = np.column_stack([random.uniform(-60, 60, 300), random.uniform(-170, 170, 300)])
    axes = np.linalg.qr(random.normal(size=(24, 2)))[0].T
    noise = random.normal(size=(2, 300, 24))
    states = (noise + np.array([0, 1])[:, None, None] * (values / [6, 17]) @ axes).astype(np.float32)
    given = numbered(values, ("latitude (degrees)", "longitude (degrees)"))
    blank, told = probe_layers(states, given, probe).layers
    assert blank.high < 0.2
    assert told.score > 0.9
    assert told.low < told.score < told.high
    assert told.each == pytest.approx((told.score, told.score), abs=0.06)
    assert told.kilometres < 2000 < 6000 < blank.kilometres
    assert max(told.shuffled) < 0.1
    assert told.control < 0.1
    assert told.directions.shape == (2, 24)
    assert told.confusion is None
    curve = probe_layers(states, given, probe)
    assert curve.baseline <= 0
    worst = curve.hardest(1, 300)
    error = (((told.predicted - values[curve.held_out]) / values.std(0)) ** 2).sum(1)
    assert worst[0] == np.flatnonzero(curve.held_out)[error.argmax()]


def test_a_cancelled_curve_goes_on_where_it_stopped(rng, tmp_path):
    states, given = three_layers(rng(38), count=90)
    np.save(tmp_path / "states.npy", states)
    mapped = np.load(tmp_path / "states.npy", mmap_mode="r")
    kept, seen = [], []

    def stop(message, done=0, total=None):
        seen.append((done, total))
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        probe_layers(mapped, given, "lda", keep=kept.append, report=stop)
    assert seen == [(0, 3), (1, 3), (2, 3)]
    assert kept[-1].missing == (2,)
    whole = probe_layers(mapped, given, "lda", done=kept[-1])
    assert whole.layers[:2] == kept[-1].layers  # the very same, not fitted again
    assert whole.missing == ()
    fresh = probe_layers(states, given, "lda")
    assert [each.score for each in whole.layers] == [each.score for each in fresh.layers]
    with pytest.raises(AnalysisError, match="other settings"):
        probe_layers(mapped, given, "lda", seed=1, done=kept[-1])
    with pytest.raises(AnalysisError, match="has not been probed"):
        kept[-1].at(2)


def test_texts_that_come_again_are_held_out_together(rng):
    texts = tuple(f"Text {i // 2}" if i % 2 else f"text  {i // 2}" for i in range(80))
    groups = tuple(str(i) for i in range(80))
    given = labelled(np.arange(80) // 2 % 2, groups, texts)
    curve = probe_layers(rng(39).normal(size=(1, 80, 4)), given, "means")
    assert curve.merged == 40
    assert duplicates(texts, curve.held_out) == ()


# contracts

STATES, CLASSES = np.random.default_rng(0).normal(size=(8, 3)), np.array([0, 1] * 4)
HOLED = np.where(np.arange(24).reshape(8, 3) == 4, np.nan, STATES)
OWN_GROUPS = tuple("abcdefgh")
REFUSED = {
    "one class": (lambda: fit(STATES, np.zeros(8, int)), "All examples have one class"),
    "counts": (lambda: fit(STATES, CLASSES[:7]), "8 states and 7 classes"),
    "negative": (lambda: fit(STATES, CLASSES - 1), "from 0 on; given -1"),
    "no such probe": (lambda: fit(STATES, CLASSES, "svm"), "no linear probe 'svm'"),
    "holes, logistic": (lambda: fit(HOLED, CLASSES), "example 2 holds numbers that are not finite"),
    "holes, means": (lambda: fit(HOLED, CLASSES, "means"), "not finite"),
    "holes, lda": (lambda: fit(HOLED, CLASSES, "lda"), "not finite"),
    "holes, sparse": (lambda: fit(HOLED, CLASSES, "sparse"), "not finite"),
    "holes, ridge": (lambda: ridge(HOLED, STATES[None, :, :1]), "not finite"),
    "holes, labels": (lambda: pls(STATES, HOLED[None]), "missing or infinite"),
    "counts of numbers": (lambda: ridge(STATES, STATES[None, :5]), "8 states and 5 rows"),
    "no components": (lambda: pls(STATES, STATES[None], components=0), "at least one component; given 0"),
    "one class to split": (lambda: split(OWN_GROUPS, np.zeros(8, int)), "one class"),
    "class of one group": (
        lambda: split(tuple("aaaabbcd"), np.array([0] * 4 + [1] * 4)),
        "class 0 belong to one",
    ),
    "one group": (lambda: split(("a",) * 8, CLASSES), "one group, so none can be held out"),
    "counts of groups": (lambda: split(("a",) * 7, CLASSES), "7 groups and 8 labels"),
    "share": (lambda: split(OWN_GROUPS, CLASSES, 1.0), "between 0 and 1; given 1"),
    "classes that hang together": (
        lambda: split(tuple("aabbcc"), np.array([0, 1, 1, 2, 2, 0])),
        "No split was found",
    ),
    "counts to merge": (lambda: merged(("a",), ("b", "c")), "1 texts and 2 groups"),
    "no k": (
        lambda: sparse_curve(STATES, CLASSES, np.arange(8) > 5, (4,)),
        r"1 to 3 neurons.*given k of \[4\]",
    ),
    "nothing held out": (
        lambda: sparse_curve(STATES, CLASSES, np.zeros(8, bool)),
        "0 of 8 examples held out",
    ),
    "classes for a ridge": (
        lambda: probe_layers(STATES[None], labelled(CLASSES), "ridge"),
        "reads classes; there are log",
    ),
    "numbers for a network": (
        lambda: probe_layers(STATES[None], numbered(STATES[:, :1]), "mlp"),
        "there are ridge, pls",
    ),
    "examples": (
        lambda: probe_layers(STATES[None, :7], labelled(CLASSES), "lda"),
        "7 states per layer and 8",
    ),
    "a holed layer": (
        lambda: probe_layers(np.stack([STATES, HOLED]), labelled(CLASSES), "lda"),
        "Layer 1: The state of",
    ),
    "nothing done": (
        lambda: curves._trial(labelled(CLASSES), "lda", 0, 0, 0.3, False).empty(1).best(),
        "No layer",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_probed_is_refused_in_words(name):
    call, sentence = REFUSED[name]
    with pytest.raises(AnalysisError, match=sentence):
        call()


def test_every_probe_says_what_it_reads_where_it_comes_from_and_when_it_misleads():
    for each in PROBES.values():
        assert each.kind in ("classes", "numbers")
        assert each.source[-4:].isdigit() or "arXiv" in each.source
        assert each.misleads_when.endswith(".")
        assert "Misleads when:" in each.fit.__doc__
        assert "Source:" in each.fit.__doc__
    assert len({each.title for each in PROBES.values()}) == len(PROBES)


def test_controls_are_seeded(rng):
    classes, kinds = rng(40).integers(3, size=60), tuple(str(i) for i in range(60))
    assert np.array_equal(control_task(classes, kinds, 1), control_task(classes, kinds, 1))
    assert not np.array_equal(control_task(classes, kinds, 1), control_task(classes, kinds, 2))
    assert np.array_equal(shuffled(classes, kinds, 1), shuffled(classes, kinds, 1))
    assert not np.array_equal(baselines.shuffled(classes, kinds, 1), baselines.shuffled(classes, kinds, 2))
