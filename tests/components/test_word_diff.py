"""Which words differ: worked out by hand, and what must hold for any two texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from components.word_diff import differing, tally, words

texts = some.text(some.sampled_from("ab \n\t海の"), max_size=24) | some.text(max_size=24)
flags = some.booleans()


def marked(text, reference, **ended):
    """The stretches that differ, each as one string."""
    stretches, open_one = [], False
    for piece, differs in differing(text, reference, **ended):
        if differs:
            stretches = [*stretches[:-1], stretches[-1] + piece] if open_one else [*stretches, piece]
        open_one = differs
    return stretches


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        (" the  sea.\n", [" ", "the", "  ", "sea.", "\n"]),
        ("深い海 is", ["深", "い", "海", " ", "is"]),
    ],
)
def test_words_and_what_is_between_them(text, pieces):
    assert words(text) == pieces


@pytest.mark.parametrize(
    ("text", "reference", "stretches"),
    [
        ("the cold sea", "the warm sea", ["cold"]),
        ("the very cold sea", "the cold sea", ["very"]),
        ("the sea", "the cold sea", []),
        ("a dry hot land", "the sea", ["a dry hot land"]),
        ("the sea is deep and cold", "the sea was calm and cold", ["is deep"]),
        ("sea.", "sea", ["sea."]),
        ("Sea", "sea", ["Sea"]),
        ("the sea", "", ["the sea"]),
        ("", "the sea", []),
        ("深い海", "深い川", ["海"]),
    ],
)
def test_worked_examples(text, reference, stretches):
    assert marked(text, reference) == stretches


def test_whitespace_alone_is_no_difference():
    assert marked(" the\n\nsea", "the sea ") == []


def test_whitespace_is_marked_only_between_marked_words():
    assert differing(" a b c\n", "x b y") == [
        (" ", False),
        ("a", True),
        (" ", False),
        ("b", False),
        (" ", False),
        ("c", True),
        ("\n", False),
    ]


@pytest.mark.parametrize(
    ("text", "reference", "stretches"),
    [
        ("the sea is deep and", "the sea ", []),
        ("the sea is deep and", "the cold ", ["sea"]),
        ("the very cold sea is", "the cold ", ["very"]),
        ("light, which is blue", "make light, wh", []),
        ("the sea is", "", []),
    ],
)
def test_nothing_is_marked_beyond_a_reference_still_being_written(text, reference, stretches):
    assert marked(text, reference, reference_ended=False) == stretches


def test_a_word_that_may_go_on_is_not_judged():
    assert marked("the se", "the sea is", ended=False) == []
    assert marked("the se", "the sea is") == ["se"]
    assert marked("the se ", "the sea is", ended=False) == ["se"]
    assert marked("the sea is", "the se", reference_ended=False) == []


def test_growing_together_the_same_text_is_never_marked():
    whole = "the sea is deep, and cold"
    for end in range(len(whole) + 1):
        for lag in range(min(end, 8) + 1):
            behind, ahead = whole[: end - lag], whole[:end]
            assert marked(ahead, behind, ended=False, reference_ended=False) == []
            assert marked(behind, ahead, ended=False, reference_ended=False) == []


def test_the_count_is_of_words():
    assert tally(differing("the dry hot land", "the sea")) == (3, 4)
    assert tally([]) == (0, 0)


@given(texts, texts, flags, flags)
def test_the_pieces_are_the_text(text, reference, ended, reference_ended):
    pieces = differing(text, reference, ended=ended, reference_ended=reference_ended)
    assert "".join(piece for piece, _ in pieces) == text
    assert [piece for piece, _ in pieces] == words(text)


@given(texts, flags, flags)
def test_a_text_does_not_differ_from_itself(text, ended, reference_ended):
    assert marked(text, text, ended=ended, reference_ended=reference_ended) == []


@given(texts)
def test_a_text_without_a_word_in_common_is_all_marked(text):
    different, count = tally(differing(text, "never said"))
    assert different == count


@given(texts, texts)
def test_what_is_not_marked_stands_in_the_reference_in_this_order(text, reference):
    left = iter(words(reference))
    kept = (piece for piece, differs in differing(text, reference) if not differs and not piece.isspace())
    assert all(piece in left for piece in kept)


@given(texts, texts, flags)
def test_an_unfinished_reference_marks_no_more_than_it_has_words(text, reference, ended):
    different, _ = tally(differing(text, reference, ended=ended, reference_ended=False))
    assert different <= tally(differing(reference, ""))[1]
