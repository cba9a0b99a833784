"""Directions from examples: estimators by hand, how well they separate, and what they come from."""

import dataclasses

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from analysis.directions import Separation
from analysis.errors import AnalysisError, Cancelled
from analysis.methods import contrast as module
from analysis.methods.contrast import (
    ESTIMATORS,
    SPOTS,
    States,
    contrast,
    difference_of_means,
    fitted,
    principal_difference,
    probe_weights,
    propose,
    read_sides,
    separations,
)
from analysis.sides import Sides

MEANS = ESTIMATORS["means"]
FEELINGS = Sides(
    tuple(
        f"{who} is glad"
        for who in ("she", "he", "Ann", "the cat", "one", "Tom", "a man", "the king", "it", "who")
    ),
    tuple(
        f"{who} is sad!"
        for who in ("she", "he", "Ann", "the cat", "one", "Tom", "a man", "the king", "it", "who")
    ),
)


def cosine(a, b) -> float:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def states_of(positive, negative) -> States:
    """Synthetic states of one layer, or of several."""
    a, b = (np.asarray(side, np.float32) for side in (positive, negative))
    a, b = (side if side.ndim == 3 else side[None] for side in (a, b))
    return States(a, b, a, b)


def synthetic(random, pairs=256, width=64, signal=4.0, nuisance=2.0):
    """Two sides that differ by `signal` along one unit direction, amid noise that is strong along another."""
    axes = np.linalg.qr(random.normal(size=(width, 2)))[0].T
    concept, other = axes
    a, b = (
        random.normal(scale=0.3, size=(2, pairs, width))
        + nuisance * random.normal(size=(2, pairs, 1)) * other
    )
    return a + signal / 2 * concept, b - signal / 2 * concept, concept


# worked values


def test_the_difference_of_means_by_hand():
    a, b = np.array([[1.0, 2], [3, 6]]), np.array([[0.0, 1], [2, 1], [4, 1]])
    assert difference_of_means(a, b).tolist() == [0, 3]


def test_the_principal_axis_of_differences_by_hand():
    # differences (3, 0), (5, 0), (1, 1): D'D = [[35, 1], [1, 1]], whose first axis is (1, e), e = (s - 35) / 1
    differences = np.array([[3.0, 0], [5, 0], [1, 1]])
    largest = 18 + np.sqrt(17**2 + 1)
    axis = np.array([1, largest - 35]) / np.hypot(1, largest - 35)
    want = axis * (differences @ axis).mean()
    assert np.allclose(principal_difference(differences + 7, np.full((3, 2), 7.0)), want, atol=1e-12)
    assert want[0] > 0


def test_logistic_weights_by_hand_on_one_axis():
    # standardised, the states are +-1 on one axis: any regression points along it; as long as the means differ
    a, b = np.array([[3.0, 5], [3, 5]]), np.array([[-1.0, 5], [-1, 5]])
    assert np.allclose(probe_weights(a, b), [4, 0], atol=1e-9)  # the number that never varies carries nothing


def test_the_middle_layer_with_the_widest_gap_among_the_best_is_proposed():
    def at(layer, accuracy, gap, error=0.05):
        return Separation(layer, accuracy, error, 0.5, gap)

    curve = (at(0, 1.0, 99), at(2, 0.90, 3), at(4, 0.96, 2), at(5, 0.92, 8), at(6, 0.93, 5), at(9, 1.0, 99))
    layer, why = propose(curve, 10)  # 2 to 8 are middle; 0.96 - 0.05 leaves 4, 5 and 6; 5 has the widest gap
    assert layer == 5
    assert why.startswith("Of the 3 middle layers that tell 96% of held-out examples apart")
    assert "50% with shuffled labels" in why
    assert why.endswith("layer 5 has the widest gap: 8.0 standard deviations.")
    assert propose((at(0, 0.7, 1), at(10, 0.9, 2)), 10)[0] == 10  # no middle layer: any


def test_texts_are_read_at_their_first_difference():
    first = module._first_difference
    assert first((1, 2, 3), (1, 5, 3)) == 1
    assert first((9, 2), (8, 2)) == 0
    assert (
        first((1, 2), (1, 2, 3)) == first((1, 2, 3), (1, 2)) == 1
    )  # one begins with the other: its last token
    assert first((4,), (4,)) == 0


def test_accuracy_and_gap_by_hand():
    # every fold's direction is (2, 0) or so and its midpoint near 0: all right but the last positive one
    a = np.array([[1.0, 0]] * 9 + [[-1, 0]])
    b = np.array([[-1.0, 0]] * 10)
    (only,) = separations(states_of(a, b), MEANS, paired=True)
    assert only.accuracy == 0.95
    # Wilson at z = 1: sqrt(p (1 - p) / n + 1 / 4n^2) / (1 + 1 / n)
    assert only.error == pytest.approx(np.sqrt(0.95 * 0.05 / 20 + 1 / 1600) / 1.05)


def test_one_of_few_examples_is_judged_by_the_rest():
    # from the pair 1 | 0 the midpoint is 0.5: 4 and -2 are right by 3.5 and 2.5; from 4 | -2 it is 1: 1 lies on it,
    # which is half right
    (only,) = separations(states_of([[4.0], [1]], [[-2.0], [0]]), MEANS, paired=True)
    assert only.accuracy == (3 + 1 / 2) / 4
    # scores 3.5 and 0 against -2.5 and -1: variances 1.75^2 and 0.75^2
    assert only.gap == pytest.approx(3.5 / np.sqrt((1.75**2 + 0.75**2) / 2))


# laws


@pytest.mark.parametrize("name", ESTIMATORS)
def test_swapping_the_sides_turns_a_direction_round(name, rng):
    a, b, _ = synthetic(rng(0), pairs=40)
    fit = ESTIMATORS[name].fit
    # a regression stops at a tolerance of 1e-4
    assert np.allclose(fit(a, b), -fit(b, a), atol=1e-3 if name == "logistic" else 1e-9)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_constant_added_to_all_states_changes_nothing(name, rng):
    a, b, _ = synthetic(rng(1), pairs=40)
    fit, constant = ESTIMATORS[name].fit, 10 * rng(2).normal(size=64)
    assert np.allclose(fit(a + constant, b + constant), fit(a, b), atol=1e-3 if name == "logistic" else 1e-9)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_direction_is_as_long_as_the_means_lie_apart_along_it(name, rng):
    a, b, _ = synthetic(rng(3), pairs=40)
    vector = ESTIMATORS[name].fit(a, b)
    size = np.linalg.norm(vector)
    assert difference_of_means(a, b) @ vector / size == pytest.approx(size)


def test_centring_the_differences_loses_the_concept_that_is_their_mean(rng):
    a, b, concept = synthetic(rng(4))
    assert cosine(principal_difference(a, b), concept) > 0.95
    assert cosine(difference_of_means(a, b), concept) > 0.95
    centred = PCA(n_components=1).fit(a - b).components_[0]  # subtracts the mean of the differences
    assert abs(cosine(centred, concept)) < 0.4


def test_pairs_centred_on_their_own_means_have_the_same_axis(rng):
    a, b, _ = synthetic(rng(5))
    middle = (a + b) / 2
    # repeng 0.4.0, `pca_center`: both members less their pair's mean, together, through a centred PCA
    reference = PCA(n_components=1).fit(np.concatenate([a - middle, b - middle])).components_[0]
    assert abs(cosine(principal_difference(a, b), reference)) > 0.999


def test_means_and_principal_axis_are_those_of_steering_vectors(rng):
    a, b, _ = synthetic(rng(6))
    # steering-vectors 0.12.2: `mean_aggregator`, and `pca_aggregator` (differences and their negatives, uncentred)
    assert np.allclose(difference_of_means(a, b), (a - b).mean(0))
    both = np.concatenate([a - b, b - a])
    axis = np.linalg.svd(both.T, full_matrices=False)[0][:, 0]
    assert cosine(principal_difference(a, b), axis * np.sign(((a - b) @ axis).mean())) > 0.999


def test_the_principal_axis_points_from_negative_to_positive(rng):
    for seed in range(20):
        a, b, concept = synthetic(rng(seed), pairs=12)
        assert principal_difference(a, b) @ concept > 0
        assert principal_difference(b, a) @ concept < 0


def test_logistic_weights_turn_away_from_noise_that_both_sides_share(rng):
    random = rng(7)
    concept = np.zeros(16)
    concept[0] = 1
    leaning = np.zeros(16)
    leaning[:2] = 1 / np.sqrt(2)  # the noise has a part along the concept and a part beside it
    a, b = 0.2 * random.normal(size=(2, 400, 16)) + 4 * random.normal(size=(2, 400, 1)) * leaning
    a, b = a + 0.5 * concept, b - 0.5 * concept
    judged = {}
    for name in ("means", "logistic"):
        vector = ESTIMATORS[name].fit(a[:200], b[:200])
        middle = (a[:200].mean(0) + b[:200].mean(0)) / 2
        judged[name] = ((a[200:] - middle) @ vector > 0).mean() / 2 + (
            (b[200:] - middle) @ vector < 0
        ).mean() / 2
    assert probe_weights(a, b) @ concept > 0
    assert judged["logistic"] > 0.9 > 0.7 > judged["means"]


def test_logistic_weights_equal_a_regression_whose_numbers_are_standardised(rng):
    a, b, _ = synthetic(rng(8), pairs=60, width=8, signal=1.0)
    states = np.concatenate([a, b])
    plain = LogisticRegression(tol=1e-8).fit((states - states.mean(0)) / states.std(0), [1] * 60 + [0] * 60)
    assert cosine(probe_weights(a, b), plain.coef_[0] / states.std(0)) > 0.9999


@pytest.mark.parametrize("name", ESTIMATORS)
def test_where_nothing_differs_the_vector_is_zero(name):
    same = np.ones((4, 3))
    assert not ESTIMATORS[name].fit(same, same).any()
    assert not fitted(np.ones((2, 4, 3), np.float32), np.ones((2, 4, 3), np.float32), ESTIMATORS[name]).any()


def test_sides_that_lie_on_each_other_have_no_logistic_weights():
    crossed = np.array([[1.0, 0], [-1, 0]])
    assert probe_weights(crossed, crossed[::-1].copy()).tolist() == [0, 0]


# separation


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("paired", [True, False])
def test_sides_that_differ_are_told_apart_and_shuffled_labels_are_not(name, paired, rng):
    a, b, _ = synthetic(rng(9), pairs=60)
    (only,) = separations(states_of(a, b), ESTIMATORS[name], paired)
    assert only.accuracy > 0.97
    assert only.gap > 5
    assert 0.35 < only.shuffled < 0.65


@pytest.mark.parametrize("name", ESTIMATORS)
def test_sides_of_one_distribution_are_not_told_apart(name, rng):
    layers = rng(10).normal(size=(2, 4, 50, 24))  # four layers of 50 pairs, none of which mean anything
    found = separations(states_of(*layers), ESTIMATORS[name], paired=True)
    assert [each.layer for each in found] == list(range(4))
    # a share of 100 held-out examples has a spread of 0.05, a mean of four shares 0.025
    assert all(abs(each.accuracy - 0.5) < 0.2 for each in found)
    assert abs(np.mean([each.accuracy for each in found]) - 0.5) < 0.08
    assert abs(np.mean([each.gap for each in found])) < 0.3


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("signal", [0.0, 1.0, 8.0])
def test_shuffled_labels_are_right_half_of_the_time_however_strong_the_concept(signal, paired, rng):
    found = []
    for seed in range(20):
        a, b, _ = synthetic(rng(seed), pairs=40, width=16, signal=signal)
        found.append(separations(states_of(a, b), MEANS, paired, seed=seed)[0].shuffled)
    # 60 shuffles, each about 0.1 away from 0.5 where the concept is strong: the mean is 0.013 away
    assert abs(np.mean(found) - 0.5) < 0.05


@pytest.mark.parametrize(("many", "few"), [(2, 10), (10, 2), (3, 40)])
def test_every_example_is_judged_once_whatever_the_sizes_of_the_sides(many, few, rng):
    a, b = rng(11).normal(size=(many, 6)) + 9, rng(12).normal(size=(few, 6)) - 9
    (only,) = separations(states_of(a, b), MEANS, paired=False)
    assert only.accuracy == 1


def test_pairs_stay_together_in_folds():
    """A pair's other half would give its number away."""
    seen = []

    def remembering(a, b):
        seen.append((set(a[:, 0].tolist()), set((b[:, 0] - 100).tolist())))
        return difference_of_means(a, b)

    marked = np.arange(12.0)[:, None]
    separations(states_of(marked, marked + 100), dataclasses.replace(MEANS, fit=remembering), paired=True)
    own = seen[: module.FOLDS]  # the shuffled ones come after
    assert all(a == b for a, b in own)
    left_out = [set(range(12)) - a for a, _ in own]
    assert sorted(number for fold in left_out for number in fold) == list(range(12))


def test_a_direction_never_sees_the_examples_it_is_judged_by():
    """Every example lies on an axis of its own: what was seen says nothing about what was not."""
    (only,) = separations(states_of(np.eye(40)[:20], np.eye(40)[20:]), MEANS, paired=True)
    assert 0.3 < only.accuracy < 0.7  # unseen ones lie on the midpoint, but for rounding
    assert abs(only.gap) < 1e-3


def test_the_same_seed_gives_the_same_separation(rng):
    a, b, _ = synthetic(rng(13), pairs=30, signal=0.5)
    states = states_of(a, b)
    assert separations(states, MEANS, True, seed=1) == separations(states, MEANS, True, seed=1)
    assert separations(states, MEANS, True, seed=1) != separations(states, MEANS, True, seed=2)


# on a model


@pytest.fixture(scope="module", params=list(ESTIMATORS))
def found(request, toy):
    return request.param, contrast(toy, FEELINGS, name="gladness", estimator=request.param)


def test_a_direction_knows_where_it_comes_from(found, toy):
    name, direction = found
    assert direction.name == "gladness"
    assert direction.weights == f"{toy.title} ({toy.revision})"
    assert direction.how == (
        f"The {ESTIMATORS[name].title} of 5 positive and 5 negative paired texts, read at the last token."
    )
    assert direction.source == ESTIMATORS[name].source
    assert direction.layers == (0, 1, 2, 3)
    assert direction.values.shape == (4, toy.d_model)
    assert 1 <= direction.layer <= 2  # the middle of three blocks
    assert [each.layer for each in direction.separation] == [0, 1, 2, 3]
    assert f"layer {direction.layer} has the widest gap" in direction.why
    direction.require_fit(toy)


def test_the_same_call_gives_the_same_bits(found, toy):
    name, direction = found
    again = contrast(toy, FEELINGS, name="gladness", estimator=name)
    assert again.values.tobytes() == direction.values.tobytes()
    assert again.probe.weights.tobytes() == direction.probe.weights.tobytes()
    assert (again.separation, again.layer, again.why) == (
        direction.separation,
        direction.layer,
        direction.why,
    )


def test_a_direction_is_the_estimate_from_every_other_example(toy):
    states = read_sides(toy, FEELINGS, "last")
    direction = contrast(toy, FEELINGS, name="gladness")
    want = states.positive[:, ::2].mean(1) - states.negative[:, ::2].mean(1)
    assert np.allclose(direction.values, want, atol=1e-5)
    rest = states.mean_positive[:, 1::2].mean(1) - states.mean_negative[:, 1::2].mean(1)
    probe = direction.probe
    assert cosine(probe.weights, rest[probe.layer]) > 0.99999
    assert np.linalg.norm(probe.weights) == pytest.approx(1, abs=1e-5)


def test_few_examples_are_all_used_twice(toy):
    few = Sides(FEELINGS.positive[:7], FEELINGS.negative[:7])
    assert "7 positive and 7 negative" in contrast(toy, few, name="few").how
    enough = Sides(FEELINGS.positive[:9], FEELINGS.negative[:8], paired=False)
    assert "5 positive and 4 negative texts" in contrast(toy, enough, name="enough").how


@pytest.mark.parametrize("changed", [4, 5])  # one the direction is built from, one that is kept for the probe
def test_probe_and_direction_come_from_different_examples(toy, changed):
    positive = list(FEELINGS.positive)
    positive[changed] = positive[changed].replace("glad", "deaf")  # as many tokens, so batches stay the same
    other_sides = Sides(tuple(positive), FEELINGS.negative)
    lengths = [[len(toy.tokenize(text)) for text in side.positive] for side in (FEELINGS, other_sides)]
    assert lengths[0] == lengths[1]
    states, others = (read_sides(toy, each, "last") for each in (FEELINGS, other_sides))
    own, kept = module._halves(10)
    for each in (own, kept):
        assert (changed in each) != np.array_equal(
            states.mean_positive[:, each], others.mean_positive[:, each]
        )
    one, other = contrast(toy, FEELINGS, name="one"), contrast(toy, other_sides, name="other")
    assert np.array_equal(one.values, other.values) == (changed in kept)
    layer = one.probe.layer
    probes = [module._probe(each, kept, kept, layer).weights for each in (states, others)]
    assert np.array_equal(probes[0], one.probe.weights)
    assert np.array_equal(*probes) == (changed in own)


def test_the_probe_reads_minus_one_and_one_at_the_means_of_the_sides(toy):
    states = read_sides(toy, FEELINGS, "mean")
    probe = contrast(toy, FEELINGS, name="gladness", spot="mean").probe
    kept = module._halves(10)[1]
    a, b = states.mean_positive[probe.layer, kept], states.mean_negative[probe.layer, kept]
    assert np.allclose(probe.score(np.stack([a.mean(0), b.mean(0)])), [1, -1], atol=1e-4)
    assert probe.score(a).shape == (5,)
    assert probe.half_gap > 0


def test_where_all_texts_end_in_one_token_the_embedding_says_nothing(toy):
    same_end = Sides(
        tuple(f"{w}." for w in ("good", "fine", "glad")), tuple(f"{w}." for w in ("bad", "foul", "sad"))
    )
    for name in ESTIMATORS:
        direction = contrast(toy, same_end, name="no embedding", estimator=name)
        assert direction.layers == (1, 2, 3)
        assert len(direction.values) == 3
    unequal = Sides(("good.", "fine.", "glad."), ("bad.", "sad."), paired=False)
    assert contrast(toy, unequal, name="no embedding").layers == (1, 2, 3)


def test_spots_read_the_last_token_the_first_difference_or_the_mean_without_the_first(toy):
    sides = Sides(("xyz cold q", "xyz hot qq"), ("xyz warm q", "xyz bad qq"))
    every = [toy.run(text).residuals() for text in (*sides.positive, *sides.negative)]
    want = {
        "last": [each[:, -1] for each in every],
        "mean": [each[:, 1:].mean(1) for each in every],
        "answer": [each[:, 4] for each in every],  # x y z · are four tokens
    }
    assert set(want) == set(SPOTS)
    for spot, values in want.items():
        states = read_sides(toy, sides, spot)
        seen = np.concatenate([states.positive, states.negative], axis=1)
        assert np.allclose(seen, np.stack(values, axis=1), atol=1e-4), spot
        means = np.concatenate([states.mean_positive, states.mean_negative], axis=1)
        assert np.allclose(means, np.stack(want["mean"], axis=1), atol=1e-4)


def test_a_text_of_one_token_is_its_own_mean(toy):
    states = read_sides(toy, Sides(("a", "b"), ("c", "d")), "mean")
    assert np.array_equal(states.positive[0, 0], toy.run("a").residuals()[0, 0])


def test_many_examples_are_read_in_batches_of_like_length_and_keep_their_order(toy):
    texts = tuple("abcdefghij"[: 1 + i % 9] + str(i) for i in range(40))
    states = read_sides(toy, Sides(texts[:20], texts[20:]), "last")
    for i in (0, 7, 19):
        assert np.allclose(states.positive[:, i], toy.run(texts[i]).residuals()[:, -1], atol=1e-4)
        assert np.allclose(states.negative[:, i], toy.run(texts[20 + i]).residuals()[:, -1], atol=1e-4)


def test_a_direction_between_texts_that_do_not_differ_in_kind_separates_at_chance(toy, rng):
    """The control: nonsense against nonsense."""
    random = rng(14)
    texts = ["".join(random.choice(list("abcdefgh "), 12)).strip() + "." for _ in range(80)]
    direction = contrast(toy, Sides(tuple(texts[:40]), tuple(texts[40:]), paired=False), name="nothing")
    at = {each.layer: each for each in direction.separation}
    assert abs(np.mean([at[layer].accuracy for layer in (1, 2, 3)]) - 0.5) < 0.15


def test_reading_can_be_cancelled(toy):
    def stop(message, done=0, total=None):
        raise Cancelled

    with pytest.raises(Cancelled):
        contrast(toy, FEELINGS, name="never", report=stop)


# contracts

UNPAIRED = Sides(("a", "b"), ("c", "d", "e"), paired=False)
REFUSED = {
    "no such estimator": (
        {"estimator": "sae"},
        FEELINGS,
        "no estimator 'sae' at 'last'; there are means, pca, log",
    ),
    "no such spot": ({"spot": "first"}, FEELINGS, "at last, mean, answer"),
    "pairs wanted": ({"estimator": "pca"}, UNPAIRED, "needs pairs, and these texts are a labelled set"),
    "pairs wanted to differ": ({"spot": "answer"}, UNPAIRED, "needs pairs"),
    "too long": ({}, Sides(("a" * 1025, "b"), ("c", "d")), "1,025 tokens"),
    "no template": ({}, Sides(("a", "b"), ("c", "d"), chat=True), "no chat template"),
    "half a character": ({}, Sides(("\ud800", "b"), ("c", "d")), "half of a surrogate pair"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_built_is_refused_in_words(toy, name):
    settings, sides, sentence = REFUSED[name]
    with pytest.raises(AnalysisError, match=sentence):
        contrast(toy, sides, name="none", **settings)


def test_sides_whose_states_are_all_the_same_are_refused(toy):
    # every other text is used, and those are the same on both sides
    twice = Sides(("x", "a") * 5, ("x", "b") * 5, paired=False)
    with pytest.raises(AnalysisError, match="the same states at every layer"):
        contrast(toy, twice, name="none")


def test_examples_that_do_not_differ_make_no_probe(toy):
    twice = Sides(("a", "x") * 5, ("b", "x") * 5, paired=False)
    assert contrast(toy, twice, name="none").probe is None


def test_every_estimator_says_where_it_comes_from_and_when_it_misleads():
    assert next(iter(ESTIMATORS)) == "means"
    for each in ESTIMATORS.values():
        assert "arXiv" in each.source
        assert each.misleads_when.endswith(".")
    assert len({each.title for each in ESTIMATORS.values()}) == len(ESTIMATORS)
