"""Labels: planted rules are found by name and score 1 on held-out text; noise gets none; a person's own come first."""

import numpy as np
import pytest
import scipy.sparse as sp

from analysis.dictionaries.labels import own_labels
from analysis.dictionaries.labels.detection import accuracy, balanced
from analysis.dictionaries.labels.feature_labels import NONE, Rule, Text, foretold, rules, scored
from analysis.dictionaries.labels.words import words_of
from analysis.errors import AnalysisError
from tests.planted import a_dictionary

WORDS = (" sea", " boat", " the", ".", "\n", " 12", " Sailing", " sailed", " Paris", " of", " contra", "ing")


class Named:
    """A tokenizer of a few words."""

    def piece(self, index: int) -> bytes:
        return WORDS[index].encode()


def planted(rng, count: int = 6000, length: int = 50) -> Text:
    ids = rng(3).integers(0, len(WORDS), count)
    position = (np.arange(count) % length).astype(np.int32)
    counts = position > 0
    return Text(words_of(Named(), ids, position), counts, counts & (np.arange(count) < 0.8 * count))


def fires(text: Text, *rows: np.ndarray) -> sp.csr_array:
    return sp.csr_array(np.stack([row & text.counts for row in rows], axis=1).astype(np.float32))


def is_word(text: Text, *words: str) -> np.ndarray:
    return np.isin(text.words.at, [place for place, each in enumerate(text.words.texts) if each in words])


def shifted(row: np.ndarray, by: int) -> np.ndarray:
    return np.roll(row, by)


def test_planted_rules_are_found_by_name_and_hold_on_held_out_text(rng):
    text = planted(rng)
    after = shifted(is_word(text, " of"), 1) & (text.words.position > 0)
    before = shifted(is_word(text, " Paris"), -1) & (text.words.position < 49)
    matrix = fires(
        text,
        is_word(text, " sea"),
        is_word(text, " sea", " boat"),
        is_word(text, ".", "\n"),
        is_word(text, " 12"),
        after,
        before,
        is_word(text, " Sailing", " sailed"),
    )
    found = rules(matrix, text)
    labels = [each.label for each in found]
    assert labels[0] == "token ‘sea’"
    assert found[1].family == "token" and set(found[1].words) == {"sea", "boat"}
    assert found[3].words in (("12",), ("numbers",))
    assert labels[4] == "after ‘of’" and labels[5] == "before ‘Paris’"
    own, null = scored(found, matrix, text)
    assert (own > 0.99).all()
    assert (null[3:] < 0.6).all() and (null < own).all()  # the first three share words


def test_a_kind_of_token_is_named_where_its_words_are_many(rng):
    words = [f" {n}" for n in range(40)] + [f" word{chr(97 + n)}" for n in range(26)]

    class Many:
        def piece(self, index):
            return words[index].encode()

    ids = rng(4).integers(0, len(words), 8000)
    position = (np.arange(8000) % 100).astype(np.int32)
    text = Text(words_of(Many(), ids, position), position > 0, (position > 0) & (np.arange(8000) < 6000))
    found = rules(fires(text, ids < 40), text)
    assert found[0].label == "numbers"
    assert scored(found, fires(text, ids < 40), text)[0][0] == pytest.approx(1)


def test_noise_has_no_label_and_no_score(rng):
    text = planted(rng)
    noise = fires(text, *(rng(9).random((5, len(text.counts))) < 0.02))
    found = rules(noise, text)
    assert found == (NONE,) * 5 and found[0].label == "unclear"
    assert np.isnan(scored(found, noise, text)[0]).all()


def test_a_rule_is_judged_on_text_that_it_was_not_chosen_on(rng):
    text = planted(rng)
    learned = is_word(text, " sea") & text.learning
    elsewhere = is_word(text, " boat") & text.judging
    matrix = fires(text, learned | elsewhere, is_word(text, " the"))
    found = rules(matrix, text)
    assert found[0].label == "token ‘sea’" and found[0].score > 0.95
    assert scored(found, matrix, text)[0][0] < 0.5


def test_what_is_foretold_is_what_the_rule_says(rng):
    text = planted(rng)
    said = foretold((Rule("after", ("of",)), Rule("near", ()), NONE), text, np.arange(6000)).toarray()
    want = shifted(is_word(text, " of"), 1) & (text.words.position > 0)
    assert np.array_equal(said[0] > 0, want) and not said[1:].any()


def test_balanced_accuracy_by_hand():
    said = sp.csr_array(np.array([[1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]], np.float32))
    fired = sp.csr_array(np.array([[1, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]], np.float32))
    # 1 of 2 firings met and 2 of 3 others left alone; nothing met; never fires
    assert balanced(said, fired)[:2] == pytest.approx([0.5 * (1 / 2 + 2 / 3), 0.5])
    assert np.isnan(balanced(said, fired)[2])


def test_the_control_never_is_the_feature_itself(rng):
    rows = np.eye(6, dtype=np.float32).repeat(20, axis=1)
    same = sp.csr_array(rows)
    own, null = accuracy(same, same, np.ones(6, bool))
    assert (own == 1).all() and (null < 0.5).all()


@pytest.fixture
def dictionary(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))
    return a_dictionary(toy)


def test_own_labels_are_kept_changed_and_taken_back(dictionary):
    own_labels.give_label(dictionary, 3, "  days of\nthe week ")
    own_labels.give_label(dictionary, 5, "weekend")
    own_labels.give_label(dictionary, 3, "weekdays")
    assert own_labels.own_labels(dictionary.fingerprint) == {3: "weekdays", 5: "weekend"}
    assert own_labels.undo_label(dictionary) == 3
    assert own_labels.own_labels(dictionary.fingerprint)[3] == "days of the week"
    own_labels.give_label(dictionary, 5, "")
    assert 5 not in own_labels.own_labels(dictionary.fingerprint)
    for _ in range(3):
        own_labels.undo_label(dictionary)
    assert own_labels.own_labels(dictionary.fingerprint) == {}
    assert own_labels.undo_label(dictionary) is None


@pytest.mark.parametrize(
    "feature, label, said", [(41, "x", "features 0 to 40"), (-1, "x", "0 to 40"), (1, "x" * 121, "120")]
)
def test_labels_that_cannot_be_are_refused(dictionary, feature, label, said):
    with pytest.raises(AnalysisError, match=said):
        own_labels.give_label(dictionary, feature, label)
