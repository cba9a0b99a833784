"""The census: planted neurons land where they belong, and over shuffled text they do not."""

import numpy as np
import pytest

from analysis.data import corpus
from analysis.dictionaries.census import census as module
from analysis.dictionaries.census.census import KINDS, census, stored_census
from analysis.dictionaries.census.tally import Tally, information_of, rule_of
from analysis.dictionaries.census.triggers import grams, triggers
from analysis.errors import AnalysisError, Cancelled

WINDOWS, LENGTH, VOCABULARY = 60, 65, 20
TEXTS = corpus.documents()[:30]


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))


def windows(rng):
    """Random text of 3,840 tokens that count."""
    return [tuple(map(int, each)) for each in rng(0).integers(0, VOCABULARY, (WINDOWS, LENGTH))]


def flat(text):
    """Tokens behind first ones, and their positions."""
    ids = np.concatenate([np.array(each[1:]) for each in text])
    return ids, np.tile(np.arange(1, LENGTH, dtype=np.int32), len(text))


def planted(rng, text):
    """Rectified activations of six planted neurons, and how they are called."""
    ids, positions = flat(text)
    before = np.concatenate([np.array(each[:-1]) for each in text])
    columns = {
        "silent": np.zeros(len(ids)),
        "rare": np.arange(len(ids)) == 100,
        "token": np.isin(ids, [3, 7]),
        "phrase": (ids == 5) & np.isin(before, np.arange(0, 20, 4)),
        "place": positions < 9,
        "dense": rng(1).random(len(ids)) < 0.8,
        "other": rng(2).random(len(ids)) < 0.2,
    }
    values = np.stack([np.asarray(each, np.float32) for each in columns.values()], 1)
    return values * rng(3).uniform(0.5, 2, values.shape).astype(np.float32), tuple(columns)


def sorted_text(rng, values, text, counting=None):
    """The census' own steps, on given activations of one layer."""
    ids, positions = flat(text)
    dealt = rng(4).permutation(len(ids)).astype(np.int32)
    given = module._Text([], [], positions, tuple(grams(text, n) for n in (1, 2, 3)), dealt)
    tally = Tally(rule_of(values, np.ones(values.shape[1], np.float32)), positions, dealt)
    counting = np.ones(len(ids), bool) if counting is None else counting
    for part in np.array_split(np.arange(len(ids)), 7):  # as they stream in
        tally.add(values[part], counting[part])
    return module._sorted(tally, given)


def called(kinds):
    return tuple(KINDS[kind] for kind in kinds)


def test_planted_neurons_are_told_apart(rng):
    text = windows(rng)
    values, kinds = planted(rng, text)
    found = sorted_text(rng, values, text)
    assert called(found["kinds"]) == kinds
    assert found["rectified"] and found["tokens"] == 3_840


def test_over_shuffled_text_only_how_often_they_are_active_is_left(rng):
    text = windows(rng)
    values, kinds = planted(rng, text)
    shuffled = called(sorted_text(rng, values, text)["shuffled"])
    assert shuffled == tuple(kind if kind in ("silent", "rare", "dense") else "other" for kind in kinds)


def test_the_triggers_are_the_planted_ones(rng):
    text = windows(rng)
    values, kinds = planted(rng, text)
    found = sorted_text(rng, values, text)
    token, phrase = kinds.index("token"), kinds.index("phrase")
    assert set(found["triggers"][token, :2, -1]) == {3, 7}
    assert (found["hits"][token, 2:] == 0).all() and found["coverage"][token] == 1
    assert set(map(tuple, found["triggers"][phrase, :, 1:])) == {(each, 5) for each in range(0, 20, 4)}
    assert (found["triggers"][phrase, :, 0] == -1).all()


def test_pairs_that_their_last_token_implies_are_no_phrase(rng):
    """Where 8 stands behind 3 only, a neuron of the pair is one of the token."""
    given = np.array(windows(rng))
    given[given == 8] = 9
    given[:, 1:][given[:, :-1] == 3] = 8
    text = [tuple(map(int, each)) for each in given]
    ids, _ = flat(text)
    before = given[:, :-1].ravel()
    values = np.stack([(before == 3) & (ids == 8), ids == 8], 1).astype(np.float32)
    assert called(sorted_text(rng, values, text)["kinds"]) == ("token", "token")


def test_a_place_says_the_entropy_of_being_active(rng):
    text = windows(rng)
    values, kinds = planted(rng, text)
    share = 8 / 64
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    found = sorted_text(rng, values, text)["information"][kinds.index("place")]
    assert found == pytest.approx(entropy - 63 / (2 * 3_840), abs=1e-5)


def test_information_of_known_tables():
    tokens = np.array([0, 10, 10], np.int64)
    active = np.array([[0, 0, 0], [10, 5, 0], [0, 5, 0]], np.int32)
    bias = 1 / 40
    assert information_of(active, tokens) == pytest.approx([np.log(2) - bias, -bias, -bias])


def test_information_about_positions_dealt_anew_is_nothing_on_average(rng):
    positions = np.tile(np.arange(1, 65), 60)
    active = rng(0).random((len(positions), 300)) < 0.1
    sums = np.stack([active[positions == each].sum(0) for each in range(65)]).astype(np.int32)
    found = information_of(sums, np.bincount(positions))
    assert abs(found.mean()) < 6e-4  # without the bias taken off it would be 0.008
    assert found.max() < 0.05


def test_tokens_that_do_not_count_are_not_counted(rng):
    text = windows(rng)
    values, kinds = planted(rng, text)
    counting = rng(5).random(len(values)) < 0.7
    spoilt = values.copy()
    spoilt[~counting] = 1_000
    one, other = (sorted_text(rng, each, text, counting) for each in (values, spoilt))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert one["tokens"] == counting.sum()


def test_gated_neurons_peak_at_their_own_largest_values_of_either_sign(rng):
    values = rng(0).standard_normal((5_000, 11)).astype(np.float32)
    rule = rule_of(values, np.ones(11, np.float32))
    sizes = np.abs(values)
    assert not rule.rectified
    assert (sizes > rule.peak).mean(0) == pytest.approx(np.full(11, 0.01), abs=1e-9)
    assert (sizes > rule.placed).mean(0) == pytest.approx(np.full(11, 0.05), abs=1e-9)
    assert (sizes > rule.loud).mean() == pytest.approx(0.05, abs=1e-4)


def test_a_gated_neuron_is_as_loud_as_what_it_writes(rng):
    values = rng(0).standard_normal((2_000, 6)).astype(np.float32)
    lengths = np.array([1, 1, 1, 1, 1, 1e-6], np.float32)
    same = (
        values * np.array([1, 1, 1, 1, 8, 1], np.float32),
        lengths / np.array([1, 1, 1, 1, 8, 1], np.float32),
    )
    frequency = (np.abs(values) > rule_of(values, lengths).loud).mean(0)
    scaled = (np.abs(same[0]) > rule_of(*same).loud).mean(0)
    assert frequency[-1] == 0
    assert scaled == pytest.approx(frequency)  # a factor that the output vector takes back changes nothing


def test_gated_neurons_with_a_trigger_are_found(rng):
    text = windows(rng)
    ids, _ = flat(text)
    values = rng(6).standard_normal((len(ids), 8)).astype(np.float32)
    rare = np.flatnonzero(ids == 3)[:40]
    values[rare, 2] = -9  # peaks below zero count as well
    values[rare, 2] -= np.arange(len(rare)) / 100
    found = sorted_text(rng, values, text)
    assert called(found["kinds"])[2] == "token" and found["triggers"][2, 0, -1] == 3
    assert "token" not in called(found["shuffled"])


def test_coverage_is_that_of_counting_by_hand(rng):
    text = windows(rng)
    ids, positions = flat(text)
    values = (rng(7).random((len(ids), 5)) < 0.03).astype(np.float32)
    dealt = np.arange(len(ids), dtype=np.int32)
    tally = Tally(rule_of(values, np.ones(5, np.float32)), positions, dealt)
    tally.add(values, np.ones(len(ids), bool))
    found = triggers(tally.activity(), grams(text, 1), np.ones(5, bool))
    for neuron in range(5):
        counts = np.sort(np.bincount(ids[values[:, neuron] > 0], minlength=VOCABULARY))[::-1]
        assert found.hits[neuron].tolist() == counts[:5].tolist()
        assert found.coverage[neuron] == pytest.approx(counts[:5].sum() / counts.sum())


def test_grams_end_at_their_token_and_stay_in_their_window():
    found = grams([(1, 2, 3), (2, 3)], 3)
    assert found.ids[found.number].tolist() == [[-1, 1, 2], [1, 2, 3], [-1, 2, 3]]


def test_every_neuron_of_a_model_is_of_one_kind(toy):
    found = census(toy, TEXTS, tokens=2_000)
    assert found.kinds.shape == (toy.n_layers, toy.n_neurons)
    for shuffled in (False, True):
        assert (
            np.sum(list(found.counts(shuffled=shuffled).values()), 0).tolist()
            == [toy.n_neurons] * toy.n_layers
        )
    listed = [neuron for kind in KINDS for neuron in found.of(2, kind)]
    assert sorted(listed) == list(range(toy.n_neurons))


def test_a_census_is_kept_and_the_same_in_groups_of_layers(toy, monkeypatch):
    assert not stored_census(toy, TEXTS, tokens=1_500)
    found = census(toy, TEXTS, tokens=1_500)
    assert stored_census(toy, TEXTS, tokens=1_500)
    kept = census(toy, TEXTS, tokens=1_500, report=_stop)  # nothing runs
    monkeypatch.setattr(module, "ROOM", 1)
    monkeypatch.setattr(module, "_key", lambda *request: "another")
    layer_by_layer = census(toy, TEXTS, tokens=1_500)
    for name in ("kinds", "shuffled", "frequency", "coverage", "triggers", "hits", "information"):
        assert np.array_equal(getattr(found, name), getattr(kept, name))
        assert np.array_equal(getattr(found, name), getattr(layer_by_layer, name))


def _stop(message, done=0, total=None):
    raise Cancelled("stopped")


def test_a_relu_model_is_counted_above_zero(families):
    model = families("opt").model
    found = census(model, TEXTS, tokens=1_200)
    assert found.rectified
    window = module._windows(model, TEXTS, 1_200, 0)
    site = model.neuron_sites()[1]
    rows = [model.run(each, read=[site]).at(site)[1:] for each in window]
    active = np.concatenate(rows) > 0
    assert found.tokens == len(active)  # random weights make no outliers
    assert found.frequency[1] == pytest.approx(active.mean(0), abs=2e-3)


def test_too_little_text_stopping_and_experts_are_handled(toy, families):
    with pytest.raises(AnalysisError, match=r"at least 1,000 tokens; these texts give \d+"):
        census(toy, ["a few words only"])
    with pytest.raises(Cancelled):
        census(toy, TEXTS, tokens=1_000, report=_stop)
    assert not stored_census(toy, TEXTS, tokens=1_000)
    with pytest.raises(AnalysisError, match="experts"):
        census(families("mixtral").model, TEXTS)
