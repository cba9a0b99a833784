"""Labels: planted rules are found by name and score 1 on held-out text; noise gets none; a person's own come first."""

import numpy as np
import pytest
import scipy.sparse as sp

from analysis.dictionaries.firing.firings import Firings, gather
from analysis.dictionaries.labels import own_labels
from analysis.dictionaries.labels.detection import accuracy, balanced
from analysis.dictionaries.labels.feature_labels import HOLDS, chosen_rules, feature_labels, learning
from analysis.dictionaries.labels.rule import NONE, SAYS, Rule, family_of
from analysis.dictionaries.labels.rules import foretold, rules
from analysis.dictionaries.labels.strong import strong_firings
from analysis.dictionaries.labels.text import Text
from analysis.dictionaries.labels.words import words_of
from analysis.errors import AnalysisError
from tests.analysis.test_firings import plain_dictionary
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


def scored(text: Text, matrix: sp.csr_array) -> tuple[tuple[Rule, ...], np.ndarray, np.ndarray]:
    """Rules of features whose every firing is a strong one."""
    return chosen_rules(matrix, matrix, text)


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
    found, own, null = scored(text, matrix)
    labels = [each.label for each in found]
    assert labels[0] == "token ‘sea’"
    assert found[1].family == "token" and set(found[1].words) == {"sea", "boat"}
    assert found[3].words in (("12",), ("numbers",))
    assert labels[4] == "after ‘of’" and labels[5] == "before ‘Paris’"
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
    found, own, _ = scored(text, fires(text, ids < 40))
    assert found[0].label == "numbers" and own[0] == pytest.approx(1)


def test_noise_has_no_label_and_no_score(rng):
    text = planted(rng)
    noise = fires(text, *(rng(9).random((5, len(text.counts))) < 0.02))
    found, own, null = scored(text, noise)
    assert found == (NONE,) * 5 and found[0].label == "unclear"
    assert np.isnan(own).all() and np.isnan(null).all()


def test_a_rule_that_fails_on_other_text_is_withdrawn(rng):
    text = planted(rng)
    learned = is_word(text, " sea") & text.learning
    elsewhere = is_word(text, " boat") & text.judging
    matrix = fires(text, learned | elsewhere, is_word(text, " the"))
    assert rules(matrix, text)[0].label == "token ‘sea’" and rules(matrix, text)[0].score > 0.95
    found, own, _ = scored(text, matrix)
    assert found[0] == NONE and np.isnan(own[0]) and own[1] > HOLDS


def test_where_only_strong_firings_follow_a_rule_the_label_says_so(rng):
    text = planted(rng)
    sea, weak = is_word(text, " sea"), rng(5).random(len(text.counts)) < 0.2
    both = fires(text, sea | weak, is_word(text, " the"))
    strong = fires(text, sea, is_word(text, " the"))
    found, own, null = chosen_rules(both, strong, text)
    assert [each.label for each in found] == ["peaks at ‘sea’", "token ‘the’"]
    assert (own > 0.99).all() and (null < 0.6).all()


def test_of_two_rules_that_meet_the_same_the_more_precise_one_is_named(rng):
    text = planted(rng)
    after = shifted(is_word(text, " of"), 1) & (text.words.position > 0)
    found, own, _ = scored(text, fires(text, after & is_word(text, " Paris"), is_word(text, " the")))
    assert found[0].label == "the end of ‘of Paris’" and own[0] > 0.99


def test_many_words_of_a_topic_are_one_rule_and_some_are_shown(rng):
    words = [f" {chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(100)]

    class Many:
        def piece(self, index):
            return words[index].encode()

    ids = rng(6).integers(0, len(words), 30_000)
    position = (np.arange(30_000) % 100).astype(np.int32)
    text = Text(words_of(Many(), ids, position), position > 0, (position > 0) & (np.arange(30_000) < 20_000))
    found, own, _ = scored(text, fires(text, (ids < 36) & (ids % 2 == 0), ids == 99))
    assert found[0].family == "words" and len(found[0].words) == 18 and own[0] > 0.99
    assert found[0].label.endswith(" and 13 more") and found[0].label.count("‘") == 5


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
    own, null = accuracy(same, same, np.arange(6))
    assert (own == 1).all() and (null < 0.5).all()


def test_a_rule_that_says_the_same_is_no_control_and_none_has_no_score():
    same = sp.csr_array(np.eye(3, dtype=np.float32)[[0, 0, 2, 1]].repeat(20, axis=1))
    own, null = accuracy(same, same, np.array([4, 4, 7, -1]))
    assert own[:3].tolist() == [1, 1, 1] and np.isnan(own[3]) and np.isnan(null[3])
    assert (null[:3] < 0.5).all()
    assert (accuracy(same, same, np.arange(4))[1][:2] == 1).all()


@pytest.mark.parametrize("place", SAYS)
@pytest.mark.parametrize("strong", [False, True])
def test_a_label_tells_its_family(place, strong):
    words = ("numbers",) if place == "kind" else ("sea", "boat")
    told = family_of(Rule(place, words, 0.9, strong).label)
    assert told == ("token" if place == "words" and strong else place)
    assert family_of("unclear; e.g. ‘sea’") == family_of("never fires here") == ""


def of_words(rows: list[tuple[int, float]], length: int = 20) -> Firings:
    """One feature that fires at some tokens of 50 stretches of words in turn."""
    values = np.zeros((50 * length, 1), np.float32)
    for point, value in rows:
        values[point] = value
    count = len(values)
    ids, position = np.arange(count, dtype=np.int32) % len(WORDS), np.arange(count, dtype=np.int32) % length
    text = np.repeat(np.arange(50, dtype=np.int32), length)
    return gather(plain_dictionary(1), [values], ids, text, position, position > 0)


def test_rules_are_judged_on_every_fifth_block_of_the_text():
    found = of_words([(1, 1.0)])
    judged = set(found.text[found.counts & ~learning(found)].tolist())
    assert judged == set(range(4, 50, 5)) and not learning(found)[~found.counts].any()


def test_strong_are_firings_of_half_the_largest_and_at_least_so_many():
    rows = [(point, 1.0) for point in range(1, 16)] + [(point, 3.0) for point in range(21, 30)]
    found = of_words([*rows, (30, 4.0)])
    strong = strong_firings(found, found.counts).toarray()[:, 0]
    # ten reach half of 4; the next ones count as strong, too, as twenty are asked for
    assert strong.sum() == 25 and strong[30] == 1
    assert found.dense([0]).sum() == 15 + 9 * 3 + 4  # nothing is taken from what was given
    many = of_words(
        [*((point, 3.0) for point in range(21, 40)), *((point, 1.0) for point in range(1, 16)), (45, 4.0)]
    )
    assert strong_firings(many, many.counts).toarray()[1:16].sum() == 0


def test_a_part_of_a_word_is_written_with_the_rest_of_it():
    pieces = (" Fib", "onacci", " the", "ing", " go")

    class Parts:
        def piece(self, index):
            return pieces[index].encode()

    ids = np.array([2, 0, 1, 2, 4, 3, 2, 0, 1, 4, 0, 1, 4, 2, 3])
    words = words_of(Parts(), ids, np.arange(len(ids)))
    # each `Fib` goes on, each `onacci` is behind one; `ing` is once behind `go` and once behind `the`
    assert words.shown == {"Fib": "Fib(onacci)", "onacci": "(Fib)onacci"}


@pytest.mark.parametrize(
    "rows, raised, said",
    [
        ([], ("wave",), "never fires here"),
        ([(13, 1.0)], (), "unclear, 1 firing; e.g. ‘boat’"),
        ([(13, 1.0), (24, 3.0)], ("wave",), "unclear, 2 firings; e.g. ‘sea’, ‘boat’; promotes ‘wave’"),
    ],
)
def test_without_a_rule_a_label_still_says_what_is_known(rows, raised, said):
    found = of_words(rows)
    labels, own, _ = feature_labels(found, words_of(Named(), found.ids, found.position), [raised])
    assert labels == (said,) and np.isnan(own[0])


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
