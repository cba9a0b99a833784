"""Questions about a group of points: worked by hand, beside libraries, and with groups that share nothing."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from analysis.captures import States, capture
from analysis.corpora import Corpus
from analysis.directions import Direction
from analysis.errors import AnalysisError, Cancelled
from analysis.groups.directions import direction_of, scores
from analysis.groups.membership import auc, membership
from analysis.groups.neighbours import nearest, neighbour_change
from analysis.groups.neurons import telling_neurons
from analysis.groups.saying import reading_of_mean
from analysis.groups.sharing import corrected, enrichment
from analysis.groups.words import frequent_words, words_of
from analysis.methods.lens import LogitLens
from analysis.models.toy import PLANTED_TOKEN, planted_direction


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))


LINE = np.array([[0, 0], [1, 0], [3, 0], [7, 0], [-1, 0]], np.float32)
"""Points on a line: distances can be read off."""


def cloud(rng, seed=0, count=60, width=7) -> np.ndarray:
    return rng(seed).normal(size=(count, width)).astype(np.float32)


def states(*layers: np.ndarray) -> States:
    return States(tuple(range(len(layers))), np.stack(layers), "key")


# who is in the group


def test_a_group_and_its_rest():
    group, rest = membership(5, [3, 1, 3])
    assert (group.tolist(), rest.tolist()) == ([1, 3], [0, 2, 4])
    counted = np.array([True, True, False, False, True])
    group, rest = membership(5, [3, 1], counted)
    assert (group.tolist(), rest.tolist()) == ([1], [0, 4])


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([], "0 points were chosen and 3 are left. Choose some"),
        ([0, 1, 2], "3 .* and 0 are left. Choose fewer"),
    ],
)
def test_a_group_needs_a_rest(rows, sentence):
    with pytest.raises(AnalysisError, match=sentence):
        membership(3, rows)


@pytest.mark.parametrize("row", [3, -1])
def test_points_that_do_not_exist_are_refused(row):
    with pytest.raises(AnalysisError, match="numbered 0 to 2"):
        membership(3, [row])


def test_auc_is_scikit_learns_with_ties(rng):
    inside = rng(0).random(40) < 0.3
    values = rng(1).integers(0, 5, size=(40, 3)).astype(float)
    ranks = stats.rankdata(values, axis=0)
    expected = [roc_auc_score(inside, column) for column in values.T]
    assert auc(ranks, inside) == pytest.approx(expected)


# neighbours


def test_neighbours_on_a_line():
    found = nearest(LINE, [1], 3, "raw")
    assert found.rows.tolist() == [0, 2, 4]  # 2 and 4 are equally far: the first comes first
    assert found.distances.tolist() == [1, 2, 2]


def test_neighbours_of_a_group_are_those_of_its_mean_and_none_of_the_group():
    found = nearest(LINE, [0, 2], 9, "raw")  # the mean is at 1.5
    assert found.rows.tolist() == [1, 4, 3]
    assert found.distances.tolist() == [0.5, 2.5, 5.5]


def test_only_points_that_count_are_neighbours():
    counted = np.array([True, True, False, True, False])
    assert nearest(LINE, [1], 3, "raw", counted).rows.tolist() == [0, 3]
    with pytest.raises(AnalysisError, match="No other point may be a neighbour"):
        nearest(LINE, [1], 3, "raw", np.array([False, True, False, False, False]))


@pytest.mark.parametrize("scale", ["raw", "unit"])
def test_neighbours_are_scikit_learns(rng, scale):
    points = cloud(rng)
    metric = "euclidean" if scale == "raw" else "cosine"
    far, near = NearestNeighbors(metric=metric).fit(points).kneighbors(points, 6)
    for row in range(len(points)):
        found = nearest(points, [row], 5, scale)
        assert found.rows.tolist() == near[row, 1:].tolist()
        expected = far[row, 1:] if scale == "raw" else np.sqrt(2 * far[row, 1:])
        assert np.allclose(found.distances, expected, atol=1e-5)


def test_neighbours_in_pieces_are_the_same(rng, monkeypatch):
    points = cloud(rng)
    whole = nearest(points, [4, 9], 8)
    monkeypatch.setattr("analysis.groups.membership.ROWS_AT_ONCE", 7)
    assert nearest(points, [4, 9], 8).rows.tolist() == whole.rows.tolist()


def test_neighbours_that_stay_and_neighbours_that_go(rng):
    points = cloud(rng)
    turned = points @ stats.ortho_group.rvs(7, random_state=0).astype(np.float32)
    other = cloud(rng, 1)
    change = neighbour_change([points, turned, other].__getitem__, [3], (0, 1, 2), 10)
    assert change.kept[0] == change.jaccard[0] == 1
    common = len(set(change.neighbours[1].rows) & set(change.neighbours[2].rows))
    assert change.kept[1] == pytest.approx(common / 10)
    assert change.jaccard[1] == pytest.approx(common / (20 - common))
    assert change.by_chance == pytest.approx(10 / 59)


def test_looking_for_neighbours_can_be_stopped(rng):
    def stop(message, done=0, total=None):
        raise Cancelled

    with pytest.raises(Cancelled):
        neighbour_change(lambda layer: LINE, [0], (0, 1), report=stop)


# what is shared


COLORS = pd.DataFrame({"color": ["red"] * 4 + ["blue"] * 6, "number": [9.0, 8, 7, 6, 5, 4, 3, 2, 1, 0]})


def test_a_frequent_value_worked_by_hand():
    found = enrichment(COLORS, [0, 1, 2, 4])  # three of the four are red
    red = found.values[0]
    assert (red.column, red.value, red.inside, red.outside) == ("color", "red", 3, 1)
    assert (red.share_inside, red.share_outside) == (0.75, pytest.approx(1 / 6))
    assert red.log2_ratio == pytest.approx(math.log2(4.5))
    # three or four of four drawn are red: (C(4,3) C(6,1) + 1) / C(10,4)
    assert red.p == pytest.approx((4 * 6 + 1) / 210)
    table = [[3, 1], [1, 5]]
    assert red.p == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue)
    assert (found.inside, found.outside) == (4, 6)


def test_a_shifted_number_worked_by_hand():
    (number,) = enrichment(COLORS, [0, 1, 2, 3]).numbers
    assert (number.mean_inside, number.mean_outside) == (7.5, 2.5)
    # variances within: 5 / 3 of four and 17.5 / 5 of six
    assert number.difference == pytest.approx(5 / math.sqrt((5 + 17.5) / 8))
    assert number.p == pytest.approx(stats.mannwhitneyu([9, 8, 7, 6], range(6)).pvalue)


def test_what_is_on_one_side_only_has_an_infinite_ratio():
    by_value = {each.value: each for each in enrichment(COLORS, [0, 1]).values}
    assert by_value["blue"].log2_ratio == -math.inf
    assert by_value["blue"].p == 1
    assert enrichment(COLORS, [0, 1, 2, 3]).values[0].log2_ratio == math.inf


def test_missing_cells_are_a_value_of_their_own_and_no_number():
    table = pd.DataFrame(
        {"kind": ["a", None, None, "b"] * 5, "n": [float(i) if i % 2 else np.nan for i in range(20)]}
    )
    found = enrichment(table, [1, 2, 5, 6])
    top = found.values[0]
    assert (top.value, top.inside, top.outside) == ("(missing)", 4, 6)
    (number,) = found.numbers
    assert (number.inside, number.outside) == (2, 8)


def test_a_constant_number_has_no_difference_and_a_text_column_is_left_out():
    table = pd.DataFrame({"id": [f"t{i}" for i in range(60)], "n": np.arange(60.0), "same": [1.0] * 60})
    found = enrichment(table, [0, 1, 2])
    assert {each.column for each in found.values} == {"same"}
    assert [each.column for each in found.numbers] == ["n"]
    assert found.values[0].log2_ratio == 0


def test_corrected_values_are_scipys(rng):
    p = rng(0).random(30) ** 3
    assert corrected(p) == pytest.approx(stats.false_discovery_control(p))
    assert corrected(np.array([0.01, 0.02, 0.03])).tolist() == pytest.approx([0.03, 0.03, 0.03])


def test_random_groups_are_enriched_in_nothing(rng):
    random = rng(0)
    table = pd.DataFrame(
        {
            "a": random.choice(list("uvwxyz"), 400),
            "b": random.choice(["yes", "no"], 400),
            "n": random.normal(size=400),
        }
    )
    smallest = []
    for _ in range(60):
        found = enrichment(table, random.choice(400, 80, replace=False))
        smallest.append(min(each.q for each in (*found.values, *found.numbers)))
    assert np.mean(np.array(smallest) < 0.05) <= 0.1
    planted = enrichment(table, np.flatnonzero(table["a"] == "x")[:40])
    assert planted.values[0].value == "x"
    assert planted.values[0].q < 1e-6


# words


def test_words_of_a_text():
    assert words_of("It's 3 o’clock: the Sea, the sea!") == ["it's", "o’clock", "the", "sea", "the", "sea"]


def test_words_that_are_more_frequent_in_a_group():
    texts = ["the sea is deep", "the sea is wide", "the town is old", "the town is loud", "the town is full"]
    found = frequent_words(texts, [0, 1])
    assert found[0].word == "sea"
    assert (found[0].inside, found[0].outside) == (2, 0)
    assert "town" not in [each.word for each in found]
    # sea: 2 of 8 words here, 0 of 12 there, and 2 of 20 before
    here, there = math.log(4 / (28 - 4)), math.log(2 / (32 - 2))
    assert found[0].z == pytest.approx((here - there) / math.sqrt(1 / 4 + 1 / 2))
    assert all(abs(each.z) < 0.5 for each in found if each.word in ("the", "is"))


def test_the_same_text_counts_once():
    texts = ["red sea"] + ["red town", "blue town"] * 3
    assert {each.word: each.outside for each in frequent_words(texts, [0])} == {"sea": 0, "red": 1}


# what the mean would say


def test_the_group_s_mean_is_read_as_the_lens_reads_states(toy, rng):
    points = cloud(rng, width=toy.d_model)
    found = reading_of_mean(toy, points, range(10), 3, LogitLens())
    inside, outside = (torch.from_numpy(part.mean(0, keepdims=True)) for part in (points[:10], points[10:]))
    expected = toy.on_worker(
        lambda: [toy.read_out(part).double().log_softmax(-1)[0] for part in (inside, outside)]
    )
    p, q = (each.exp().numpy() for each in expected)
    assert found.group[0].label == toy.tokenizer.label(int(p.argmax()))
    assert (found.group[0].inside, found.group[0].outside) == pytest.approx(
        (p.max(), q[p.argmax()]), rel=1e-4
    )
    assert found.rest[0].outside == pytest.approx(q.max(), rel=1e-4)
    assert found.kl == pytest.approx(float((p * np.log2(p / q)).sum()), rel=1e-3)
    assert len(found.shuffled) == 8


def test_a_planted_direction_is_what_the_group_says(planted, rng):
    points = cloud(rng, width=planted.d_model) * 0.1
    points[:20] += 5 * planted_direction()
    found = reading_of_mean(planted, points, range(20), planted.n_layers, LogitLens())
    assert found.group[0].label == found.raised[0].label == PLANTED_TOKEN
    assert found.kl > 5 * max(found.shuffled)
    nothing = reading_of_mean(planted, points[20:], range(20), planted.n_layers, LogitLens())
    assert nothing.kl < 3 * max(nothing.shuffled)


def test_points_that_do_not_count_are_in_no_mean(toy, rng):
    points = cloud(rng, width=toy.d_model)
    counted = np.arange(60) != 30
    points_with_a_sink = points.copy()
    points_with_a_sink[30] *= 1e4
    found = [
        reading_of_mean(toy, each, range(10), 2, LogitLens(), among=counted)
        for each in (points, points_with_a_sink)
    ]
    assert found[0] == found[1]


# neurons


def texts_of(count: int) -> tuple[str, ...]:
    """Texts that end in one of two letters, the first half in `a`."""
    return tuple(f"{n} {'a' if n < count // 2 else 'b'}" for n in range(count))


def test_neurons_that_tell_a_group_are_ranked_by_auc(toy):
    corpus = Corpus("c", "C", texts_of(40))
    found = telling_neurons(toy, corpus, "last", range(20), 1)
    values = capture(toy, corpus, stream="neurons").at(1)
    expected = [roc_auc_score(np.arange(40) < 20, column) for column in values.T]
    best = np.argsort(-np.abs(np.array(expected) - 0.5), kind="stable")
    assert found.neurons[0] in best[:3]
    for neuron, own, mean in zip(found.neurons, found.auc, found.mean_inside, strict=True):
        assert own == pytest.approx(expected[neuron], abs=0.01)
        assert mean == pytest.approx(values[:20, neuron].mean(), abs=1e-3)
    assert (found.inside, found.outside) == (20, 20)
    assert abs(found.auc[0] - 0.5) > found.chance


def test_a_random_group_is_told_no_better_than_shuffled_ones(toy, rng):
    corpus = Corpus("c", "C", texts_of(60))
    over = []
    for seed in range(12):
        group = rng(seed).choice(60, 30, replace=False)
        found = telling_neurons(toy, corpus, "last", group, 2, seed=seed)
        over.append(abs(found.auc[0] - 0.5) > found.chance)
    assert sum(over) <= 3


def test_of_neurons_that_make_no_mistake_the_wider_gap_comes_first(toy, monkeypatch):
    narrow = np.r_[np.linspace(1, 9, 6), np.linspace(-9, -1, 6)]
    wide = np.r_[np.linspace(4, 5, 6), np.linspace(-5, -4, 6)]
    values = np.stack([np.zeros(12), narrow, wide, -wide], 1).astype(np.float32)
    monkeypatch.setattr(
        "analysis.groups.neurons.capture", lambda *_, **__: States((1,), values[None], "planted")
    )
    found = telling_neurons(toy, Corpus("c", "C", texts_of(12)), "last", range(6), 1)
    assert found.neurons.tolist() == [2, 3, 1, 0]
    assert found.auc.tolist() == [1, 0, 1, 0.5]
    assert found.mean_inside.tolist() == [4.5, -4.5, 5, 0]


def test_each_text_is_read_once_and_few_are_refused(toy):
    corpus = Corpus("c", "C", ("same a",) * 20 + texts_of(12))
    with pytest.raises(AnalysisError, match="the group has 1 and the rest 12"):
        telling_neurons(toy, corpus, "last", range(20), 1)
    with pytest.raises(AnalysisError, match="layer 0 is the embedding"):
        telling_neurons(toy, corpus, "last", range(20), 0)


# directions


def shifted(rng, by: float, count=80, width=6) -> np.ndarray:
    """Two halves that lie apart along the first axis."""
    points = cloud(rng, 3, count, width)
    points[: count // 2, 0] += by
    return points


NAMES = tuple(f"text {n}" for n in range(80))


def test_a_direction_is_the_difference_of_means_at_every_layer(toy, rng):
    own = states(shifted(rng, 0, width=22), shifted(rng, 6, width=22))
    found = direction_of(toy, own, range(40), "apart", texts=NAMES)
    for layer in (0, 1):
        expected = own.values[layer, :40].mean(0) - own.values[layer, 40:].mean(0)
        assert np.allclose(found.at(layer), expected, atol=1e-5)
    nothing, apart = found.separation
    assert apart.accuracy > 0.97
    assert abs(nothing.accuracy - 0.5) < 0.2
    assert all(abs(each.shuffled - 0.5) < 0.15 for each in found.separation)
    assert apart.gap > 4
    assert (found.layer, found.name) == (1, "apart")
    found.require_fit(toy)


def test_copies_of_a_text_are_held_out_together(toy, rng):
    """Twenty points of each of four texts: what tells the texts apart is no news of held-out ones."""
    centres = np.repeat(rng(0).normal(size=(4, 22)) * 5, 20, axis=0)
    points = (centres + 0.1 * rng(1).normal(size=(80, 22))).astype(np.float32)
    group = range(40)
    leaking = direction_of(toy, states(points), group, "d", texts=NAMES).separation[0]
    honest = direction_of(
        toy, states(points), group, "d", texts=[f"text {n // 20}" for n in range(80)]
    ).separation[0]
    assert leaking.accuracy > 0.95 > honest.accuracy + 0.1


def test_too_few_texts_to_measure_make_a_direction_without_a_measure(toy, rng):
    points = cloud(rng, count=3, width=22)
    found = direction_of(toy, states(points, points), [0], "d", texts=("a", "b", "c"))
    assert found.separation == ()
    assert found.why.endswith("too few texts to measure where it separates.")


def test_equal_means_make_no_direction(toy):
    with pytest.raises(AnalysisError, match="same mean at every layer"):
        direction_of(toy, states(np.ones((4, 22), np.float32)), [0, 1], "d", texts=list("abcd"))


def test_scores_are_cosines_or_projections():
    points = np.array([[3, 4], [0, 2], [0, 0]], np.float32)
    along = Direction("d", (1,), np.array([[2, 0]], np.float32), "", "", "", 1, "")
    found = scores(states(points, points), along)
    assert np.isnan(found[0]).all()
    assert found[1].tolist() == pytest.approx([0.6, 0, 0])
    assert scores(states(points, points), along, "raw")[1].tolist() == pytest.approx([3, 0, 0])


def test_scores_of_another_model_s_direction_are_refused():
    points = np.ones((3, 2), np.float32)
    wide = Direction("d", (0,), np.ones((1, 3), np.float32), "", "", "", 0, "")
    with pytest.raises(AnalysisError, match="3 numbers per layer and the states have 2"):
        scores(states(points), wide)
    high = Direction("d", (9,), np.ones((1, 2), np.float32), "", "", "", 9, "")
    with pytest.raises(AnalysisError, match="none of the layers that were read"):
        scores(states(points), high)
