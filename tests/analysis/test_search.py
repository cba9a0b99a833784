"""Finding features: what comes first, what a bound keeps, and how long it takes."""

import time

import numpy as np
import pandas as pd
import pytest

from analysis.dictionaries.evidence.search import FOUND, KINDS, Sieve, folded, search


def table(labels, **columns) -> pd.DataFrame:
    count = len(labels)
    numbers = {"frequency": 0.01, "token_precision": 0.1, "detection": 0.6, "direct": 1.0}
    numbers |= {"effect": np.nan, "kind": "context"}
    return pd.DataFrame(
        {"feature": range(count), "label": labels, "top_token": "", "promoted": "", "suppressed": ""}
        | numbers
        | columns
    )


def numbers(found: pd.DataFrame) -> list[int]:
    return found["feature"].tolist()


def test_whole_words_come_before_beginnings_and_these_before_parts():
    given = table(["scatter", "category", "a cat sleeps", "dog"])
    assert numbers(search(given, "cat")) == [2, 1, 0]


def test_a_label_comes_before_a_top_token_and_this_before_promoted_and_suppressed_tokens():
    given = table(
        [""] * 5,
        suppressed=["·cat ·dog", "", "", "", ""],
        promoted=["", "·cat", "", "", ""],
        top_token=["", "", "·Cat", "", ""],
    )
    given.loc[3, "label"] = "cat"
    found = search(given, "cat")
    assert numbers(found) == [3, 2, 1, 0]
    assert found[FOUND].tolist() == ["label", "top token", "promotes", "suppresses"]


def test_a_whole_word_anywhere_comes_before_a_part_of_a_word_in_a_label():
    given = table(["concatenate", ""], suppressed=["", "·cat"])
    assert numbers(search(given, "cat")) == [1, 0]


def test_a_feature_is_found_by_its_number_before_all_else():
    given = table([f"about {20 - n}" for n in range(20)])
    assert numbers(search(given, "7")) == [7, 13, 3]
    assert numbers(search(given, "#7"))[0] == 7
    assert search(given, "7")[FOUND].tolist() == ["number", "label", "label"]


def test_case_and_spaces_do_not_count_even_visible_ones():
    given = table(["token ' The'", "x"], top_token=["·The", "·new·york"])
    for asked in ("the", " the", "·the", "Ġthe", "▁The", "THE  "):
        assert numbers(search(given, asked)) == [0], asked
    assert numbers(search(given, "New York")) == [1]
    assert folded(" A·\tb ") == "a b"


def test_words_in_another_order_come_last():
    given = table(["york is new", "in new york", "old york"])
    assert numbers(search(given, "new york")) == [1, 0]


def test_signs_of_patterns_are_letters_like_others():
    given = table(["a.c", "abc", "f(x", "[1]", "50%"])
    assert [numbers(search(given, asked)) for asked in ("a.c", "f(x", "[1]", "%", ".*")] == [
        [0],
        [2],
        [3],
        [4],
        [],
    ]


def test_nothing_asked_finds_everything_and_nonsense_nothing():
    given = table(["b", "a"])
    assert numbers(search(given, " ")) == [0, 1] and len(search(given, "zzz")) == 0
    assert FOUND in search(given, "") and FOUND in search(given, "zzz")


def test_empty_cells_and_strange_characters_do_no_harm():
    given = table(["one\ntwo", "a\0cat", None, "İstanbul", "cat"])
    assert numbers(search(given, "cat")) == [1, 4]
    assert numbers(search(given, "one two")) == [0]


def test_the_best_come_in_the_order_of_the_table_among_equals():
    given = table(["cat"] * 4).iloc[[3, 1, 0, 2]]
    assert numbers(search(given, "cat")) == [3, 1, 0, 2]


def test_ten_thousand_labels_are_searched_in_a_tenth_of_a_second(rng):
    letters = np.array(list("abcdefghijklmnopqrst"))
    words = ["".join(each) for each in rng(0).choice(letters, (3_000, 5))]
    some = [" ".join("·" + words[n] for n in row) for row in rng(1).integers(3_000, size=(10_000, 10))]
    labels = [f"token '·{words[n % 3_000]}' after {words[n * 7 % 3_000]}" for n in range(10_000)]
    given = table(labels, promoted=some, suppressed=some[::-1])
    took = []
    for _ in range(5):
        started = time.thread_time()
        found = search(given, words[3])
        took.append(time.thread_time() - started)
    assert numbers(found)[0] == 3 and min(took) < 0.1


def test_bounds_keep_what_they_say():
    given = table(
        list("abcd"),
        frequency=[0.0, 0.001, 0.01, 0.5],
        detection=[np.nan, 0.9, 0.5, 0.8],
        direct=[0.0, 2.0, 0.5, 3.0],
        effect=[np.nan, -0.2, np.nan, 0.1],
        kind=["dead", "token", "context", "dense"],
        token_precision=[0.0, 0.9, 0.2, 0.6],
    )
    for sieve, kept in (
        (Sieve(), [0, 1, 2, 3]),
        (Sieve(frequency=(0.001, 0.1)), [1, 2]),
        (Sieve(detection=0.75), [1, 3]),
        (Sieve(direct=1.0), [1, 3]),
        (Sieve(effect=0.15), [1]),
        (Sieve(precision=0.5), [1, 3]),
        (Sieve(kinds=("dead", "dense")), [0, 3]),
        (Sieve(kinds=("token",), detection=0.95), []),
        (Sieve(kinds=tuple(KINDS)), [0, 1, 2, 3]),
    ):
        assert numbers(given[sieve.keeps(given)]) == kept


@pytest.mark.parametrize("asked", ["\0", "(", "\\", "a" * 5_000, "😀", "١"])
def test_no_query_breaks_it(asked):
    assert len(search(table(["cat", "dog"]), asked)) in (0, 1, 2)
