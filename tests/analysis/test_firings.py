"""Firings: what is kept is what the dictionary says, tokens that do not count leave nothing, and files are whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.corpora import from_plain_text
from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import Linear, Relu
from analysis.dictionaries.firing import firings as module
from analysis.dictionaries.firing.firings import firings, gather, read, stretches
from analysis.dictionaries.firing.firings_file import EXTREMES, LARGEST, fires_above
from analysis.dictionaries.neurons import neurons
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.jobs import Cancelled
from tests.planted import a_dictionary

LINES = "\n".join(
    ("the sea is deep and blue", "a boat sails on the sea", "no wind today", "the sky and the sea are grey")
)


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path / "home"))


def plain_dictionary(width: int, kind=None) -> SparseDictionary:
    """Every coordinate is a feature."""
    eye, zeros = np.eye(width, dtype=np.float32), np.zeros(width, np.float32)
    return SparseDictionary("axes", Site(1), kind or Relu(), eye.copy(), zeros, eye.copy(), zeros.copy())


def known(lengths: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    text = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    position = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
    return np.arange(len(text), dtype=np.int32), text, position


def test_entries_are_the_activations_of_counting_tokens(toy):
    dictionary, corpus = a_dictionary(toy), from_plain_text(LINES)
    found = firings(toy, dictionary, corpus, length=12)
    texts = stretches(toy, corpus, 12)
    states = np.concatenate([toy.run(each, read=[dictionary.site]).at(dictionary.site) for each in texts])
    want = dictionary.encode(torch.from_numpy(states)).numpy()
    assert not found.counts[found.position == 0].any() and found.counts.any()
    want[~found.counts] = 0
    assert np.allclose(found.by_token.toarray(), want, atol=1e-5)
    assert np.allclose(found.dense([3, 1]), want[:, [3, 1]], atol=1e-5)
    assert np.array_equal(found.ids, np.concatenate([each.ids for each in texts]))


def test_one_feature_is_read_with_its_tokens(toy):
    found = firings(toy, a_dictionary(toy), from_plain_text(LINES), length=12)
    busiest = int(found.firing().argmax())
    tokens, values = found.of(busiest)
    column = found.by_token.toarray()[:, busiest]
    assert np.array_equal(tokens, np.flatnonzero(column)) and np.array_equal(values, column[tokens])
    assert found.frequency()[busiest] == pytest.approx(len(tokens) / found.counts.sum())


def test_a_far_outlier_leaves_no_entry():
    states = np.ones((9, 3), np.float32)
    states[4] = 50
    found = gather(plain_dictionary(3), [states[:5], states[5:]], *known([5, 4]))
    assert found.counts.tolist() == [False, True, True, True, False, False, True, True, True]
    assert np.diff(found.offsets).tolist() == [0, 3, 3, 3, 0, 0, 3, 3, 3]
    assert found.values.max() == 1


def test_counts_that_are_given_are_kept():
    counts = np.array([True, False, True])
    found = gather(plain_dictionary(2), [np.ones((3, 2), np.float32)], *known([3]), counts)
    assert np.array_equal(found.counts, counts) and np.diff(found.offsets).tolist() == [2, 0, 2]


def test_how_states_are_cut_into_batches_does_not_matter(rng):
    states = rng(0).standard_normal((40, 5)).astype(np.float32)
    whole = gather(plain_dictionary(5), [states], *known([20, 20]))
    parts = gather(plain_dictionary(5), np.array_split(states, 7), *known([20, 20]))
    assert np.array_equal(whole.by_token.toarray(), parts.by_token.toarray())


def test_of_a_dense_dictionary_the_largest_magnitudes_of_every_token_are_kept(rng):
    states = rng(1).standard_normal((30, LARGEST + 40)).astype(np.float32)
    found = gather(plain_dictionary(LARGEST + 40, Linear()), [states[:11], states[11:]], *known([30]))
    assert not found.whole and (np.diff(found.offsets)[1:] == LARGEST).all()
    row = found.by_token.toarray()[7]
    assert np.abs(row[row != 0]).min() >= np.abs(states[7][row == 0]).max()
    assert (found.values < 0).any()


def test_of_a_dense_dictionary_both_ends_of_every_feature_are_known(rng):
    states = rng(2).standard_normal((200, 3)).astype(np.float32)
    found = gather(plain_dictionary(3, Linear()), np.array_split(states, 6), *known([200]))
    for feature in range(3):
        own = states[1:, feature]
        highest = found.extreme_tokens[feature, :EXTREMES]
        lowest = found.extreme_tokens[feature, EXTREMES:]
        assert np.array_equal(highest, 1 + np.argsort(-own)[:EXTREMES])
        assert np.array_equal(lowest, 1 + np.argsort(own)[:EXTREMES])
        tokens, values = found.of(feature)
        assert set(highest) <= set(tokens) and np.array_equal(values, states[tokens, feature])


def test_neurons_are_gathered_too(toy):
    found = firings(toy, neurons(toy, 2), from_plain_text(LINES), length=12)
    assert not found.whole and found.width == toy.n_neurons and (found.frequency() <= 1).all()


def test_what_lies_in_the_store_is_mapped_and_not_run_again(toy, monkeypatch):
    dictionary, corpus = a_dictionary(toy), from_plain_text(LINES)
    first = firings(toy, dictionary, corpus)
    monkeypatch.setattr(module, "gather", lambda *_: pytest.fail("It ran again."))
    again = firings(toy, dictionary, corpus)
    assert isinstance(again.values, np.memmap) and np.array_equal(first.values, again.values)


def test_a_cancelled_run_leaves_nothing_and_the_next_one_is_whole(toy, tmp_path):
    dictionary, corpus = a_dictionary(toy), from_plain_text("\n".join([LINES] * 3 + ["one more"]))

    def stop(message, done=0, total=None):
        if done:
            raise Cancelled("enough")

    module_together, module.TOGETHER = module.TOGETHER, 16
    try:
        with pytest.raises(Cancelled):
            firings(toy, dictionary, corpus, report=stop)
        kept = [path for path in (tmp_path / "home" / "firings").rglob("*") if path.is_file()]
        assert not kept
        assert len(firings(toy, dictionary, corpus)) > 0
    finally:
        module.TOGETHER = module_together


def test_a_text_that_comes_again_is_run_once(toy):
    texts = stretches(toy, from_plain_text("the sea\nthe sea\na boat"), 16)
    assert len(texts) == 2


def test_long_texts_are_cut_and_short_rests_left_out(toy):
    words = "x" * 45
    lengths = [len(each) for each in stretches(toy, from_plain_text(words), 20)]
    total = len(toy.tokenize(words))
    assert lengths == [20, 20] if total - 40 <= module.SHORTEST else [20, 20, total - 40]


def test_states_and_tokens_must_be_as_many():
    with pytest.raises(AnalysisError, match="4 tokens need a state each; given 3"):
        gather(plain_dictionary(2), [np.ones((3, 2), np.float32)], *known([4]))


def test_damaged_files_are_named(tmp_path):
    gather(plain_dictionary(2), [np.ones((3, 2), np.float32)], *known([3]), folder=tmp_path)
    assert len(read(tmp_path)) == 3
    (tmp_path / "ids.npy").write_bytes(b"no array")
    with pytest.raises(AnalysisError, match="cannot be read"):
        read(tmp_path)


def test_components_with_a_threshold_fire_above_it_alone(toy):
    components = replace(plain_dictionary(3, Linear()), card={"threshold": 3.0})
    states = np.array([[9, 9, 9], [3, 4, -9], [1, 2, 3], [5, -4, 0]], np.float32)
    found = gather(components, [states], *known([4]), np.array([False, True, True, True]))
    assert found.by_token.toarray().tolist() == [[0, 0, 0], [0, 4, 0], [0, 0, 0], [5, 0, 0]]
    assert found.whole and not found.signed
    assert found.frequency().tolist() == pytest.approx([1 / 3, 1 / 3, 0])
    assert not gather(plain_dictionary(3, Linear()), [states], *known([4])).whole


def test_only_what_has_no_zero_of_its_own_has_a_threshold():
    assert fires_above(replace(plain_dictionary(3, Linear()), card={"threshold": 3})) == 3
    for kind, card in ((Relu(), {"threshold": 3.0}), (Linear(), {}), (Linear(), {"threshold": "3"})):
        assert fires_above(replace(plain_dictionary(3, kind), card=card)) is None


def test_other_thresholds_are_other_firings(toy):
    width, corpus = toy.d_model, from_plain_text(LINES)
    low, high = (replace(plain_dictionary(width, Linear()), card={"threshold": each}) for each in (0.1, 1e6))
    assert len(firings(toy, low, corpus, length=12).values) > 0
    assert len(firings(toy, high, corpus, length=12).values) == 0
