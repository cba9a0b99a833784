"""Sparse probes on features: a planted one is found and enough, chance stays chance, groups stay together."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from analysis import AnalysisError
from analysis.corpora import Corpus
from analysis.data.labelled_sets import labelled_set
from analysis.dictionaries.telling_apart import sparse_probe as module
from analysis.dictionaries.telling_apart.pooled import Pooled
from analysis.dictionaries.telling_apart.sides import as_labelled
from analysis.dictionaries.telling_apart.sparse_probe import auroc, probed, sparse_probe
from analysis.labelled import LabelledSet
from analysis.results import Provenance
from tests.planted import a_dictionary

ORIGIN = Provenance("toy", "0", "float32", "m", "s", "w")


def a_set(classes: np.ndarray, groups=()) -> LabelledSet:
    names = tuple("abcdef"[: int(classes.max()) + 1])
    return LabelledSet(
        "s", "Set", "?", tuple(f"text {n}" for n in range(len(classes))), classes, names, groups=tuple(groups)
    )


def read(values: np.ndarray, states: np.ndarray | None = None) -> Pooled:
    values = values.astype(np.float32)
    states = values[:, :3].copy() if states is None else states.astype(np.float32)
    rows = np.arange(len(values))
    return Pooled(values, values != 0, states, states.copy(), states.copy(), rows, len(values), 0, 0.5)


def planted(rng, count: int = 120, features: int = 60, at: int = 17):
    classes = np.arange(count) % 2
    values = np.abs(rng.standard_normal((count, features)))
    values[:, at] += 5 * classes
    return classes, values


def test_the_planted_feature_comes_first_and_is_enough(rng):
    classes, values = planted(rng(0))
    found = probed(read(values, rng(1).standard_normal((120, 30))), a_set(classes), ORIGIN, ks=(1, 4))
    assert found.features[0] == 17 and found.at(1).features.balanced.value > 0.95
    assert found.at(1).features.auroc.value > 0.98
    assert found.ranking()["speaks for"][0] == "b" and found.means[1, 0] > found.means[0, 0] + 4
    assert found.needed() == 1
    assert found.learned + found.held_out == 120


def test_the_gap_is_the_mean_difference_in_pooled_deviations(rng):
    classes, values = planted(rng(2))
    given = a_set(classes)
    found = probed(read(values), given, ORIGIN, ks=(1,))
    from analysis.probing.splits import parts

    learned = ~parts(given).held_out
    own, labels = values[learned, 17].astype(np.float32).astype(np.float64), classes[learned]
    sides = own[labels == 0], own[labels == 1]
    pooled = np.sqrt(sum(((each - each.mean()) ** 2).sum() for each in sides) / len(own))
    assert found.gaps[0] == pytest.approx((sides[1].mean() - sides[0].mean()) / pooled, rel=1e-4)


def test_without_anything_to_tell_scores_are_those_of_guessing(rng, monkeypatch):
    monkeypatch.setattr(module, "DRAWS", 10)
    classes, scores = np.arange(160) % 2, []
    for seed in range(6):
        values, states = rng(seed).standard_normal((160, 80)), rng(100 + seed).standard_normal((160, 10))
        found = probed(read(values, states), a_set(classes), ORIGIN, ks=(4,))
        at = found.at(4)
        told = at.features, at.raw, at.random, found.dense
        scores.append([*(each.balanced.value for each in told), at.shuffled[:, 0].mean()])
    assert np.abs(np.mean(scores, axis=0) - 0.5).max() < 0.09  # 288 guesses have a spread of 3%


def test_choosing_on_the_examples_tested_on_would_have_looked_good(rng):
    """The split is what keeps the choice among thousands honest."""
    classes = np.arange(40) % 2
    values = rng(5).standard_normal((40, 4_000))
    found = probed(read(values), a_set(classes), ORIGIN, ks=(8,))
    assert found.gaps[0] > 1.0  # on the examples learned from, noise lies this far apart
    assert found.at(8).features.balanced.low <= 0.6


def test_groups_are_never_on_both_sides(rng):
    groups = [f"g{n // 10}" for n in range(80)]
    classes = np.array([int(g[1:]) % 2 for g in groups])
    marks = np.repeat(rng(6).standard_normal((8, 40)) * 3, 10, axis=0)  # each group has a mark of its own
    values = marks + 0.1 * rng(7).standard_normal((80, 40))
    alone = probed(read(values), a_set(classes), ORIGIN, ks=(8,))
    together = probed(read(values), a_set(classes, groups), ORIGIN, ks=(8,))
    assert alone.at(8).features.balanced.value > 0.95  # by heart
    assert together.at(8).features.balanced.value < alone.at(8).features.balanced.value - 0.2


def test_features_beat_the_states_own_numbers_where_a_direction_is_spread_over_them(rng):
    classes = np.arange(200) % 2
    direction = np.ones(50) / np.sqrt(50)
    strength = np.where(classes, 2.5, -2.5) + 0.3 * rng(8).standard_normal(200)
    states = rng(9).standard_normal((200, 50)) + strength[:, None] * direction
    values = np.maximum(states @ direction, 0)[:, None] * np.eye(30)[0] + 0.01
    found = probed(read(values, states), a_set(classes), ORIGIN, ks=(1,))
    assert found.at(1).features.balanced.value > 0.95 > found.at(1).raw.balanced.value + 0.1
    assert found.dense.balanced.value > 0.95


def test_several_classes_are_told_with_their_own_chance(rng):
    classes = np.arange(150) % 3
    values = np.abs(rng(10).standard_normal((150, 20)))
    for each in range(3):
        values[:, each] += 6 * (classes == each)
    found = probed(read(values), a_set(classes), ORIGIN, ks=(1, 3))
    assert found.chance == pytest.approx(1 / 3) and set(found.features[:3].tolist()) == {0, 1, 2}
    assert found.at(3).features.balanced.value > 0.95 > found.at(1).features.balanced.value
    assert found.ranking()["speaks for"].tolist() == ["abc"[feature] for feature in found.features]


def test_auroc_agrees_with_the_reference(rng):
    classes = rng(11).integers(2, size=90)
    second = np.round(rng(12).standard_normal(90) + 0.7 * classes, 1)  # with ties
    scores = np.stack([-second, second], axis=1)
    wanted = roc_auc_score(classes, scores[:, 1] - scores[:, 0])
    assert auroc(scores, classes) == pytest.approx(wanted, abs=1e-9)
    assert auroc(-scores, classes) == pytest.approx(1 - wanted, abs=1e-9)
    assert auroc(np.zeros((90, 2)), classes) == 0.5
    assert np.isnan(auroc(scores, np.zeros(90, np.int64)))
    many = rng(13).integers(3, size=90)
    each = rng(14).standard_normal((90, 3))
    against = each - (each.sum(1, keepdims=True) - each) / 2
    wanted = np.mean([roc_auc_score(many == one, against[:, one]) for one in range(3)])
    assert auroc(each, many) == pytest.approx(wanted, abs=1e-9)


def test_dead_features_are_never_among_the_random_ones(rng):
    classes, values = planted(rng(15))
    values[:, 20:] = 0
    found = probed(read(values), a_set(classes), ORIGIN, ks=(16,))
    assert found.at(16).random.balanced.value > 0.9  # 16 of 20 that fire nearly always hold the planted one


def test_the_same_request_gives_the_same_scores(rng):
    classes, values = planted(rng(16), features=20)
    one, other = (probed(read(values), a_set(classes), ORIGIN, ks=(1, 2)) for _ in range(2))
    assert one.table().equals(other.table()) and one.ranking().equals(other.ranking())


def test_a_shipped_set_is_probed_end_to_end(toy, monkeypatch):
    monkeypatch.setattr(module, "DRAWS", 20)
    found = sparse_probe(toy, a_dictionary(toy), labelled_set("language"), "mean", ks=(1, 2, 99))
    assert found.ks == (1, 2) and len(found.classes) == 12
    table = found.table()
    assert len(table) == 2 and table.drop(columns="k").to_numpy().min() >= 0
    assert "2305.01610" in found.provenance.source


def test_a_column_of_a_corpus_becomes_classes():
    given = Corpus(
        "c",
        "C",
        tuple(f"text {n}" for n in range(6)),
        pd.DataFrame({"label": ["x", "y", "x", "y", None, "x"], "group": [1, 1, 2, 2, 3, 3]}),
        spans=((0, 4),) * 6,
    )
    found = as_labelled(given, "label")
    assert found.classes == ("x", "y") and found.targets.tolist() == [0, 1, 0, 1, 0]
    assert found.groups == ("1", "1", "2", "2", "3") and found.spans == ((0, 4),) * 5
    with pytest.raises(AnalysisError, match="no column 'z'"):
        as_labelled(given, "z")


def test_what_cannot_be_probed_is_refused_in_a_sentence(toy):
    with pytest.raises(AnalysisError, match="tells numbers"):
        sparse_probe(toy, a_dictionary(toy), labelled_set("years"))
    with pytest.raises(AnalysisError, match="numbers of features from 1"):
        sparse_probe(toy, a_dictionary(toy), labelled_set("tense"), "span", ks=(0,))
    with pytest.raises(AnalysisError, match="were not tried"):
        classes, values = planted(np.random.default_rng(0), features=5, at=2)
        probed(read(values), a_set(classes), ORIGIN, ks=(1,)).at(3)
