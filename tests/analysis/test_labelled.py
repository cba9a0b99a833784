"""Labelled examples: what a set keeps, and what it refuses in words."""

import dataclasses

import numpy as np
import pytest

from analysis import labelled
from analysis.errors import AnalysisError
from analysis.labelled import LabelledSet

TEXTS = ("good day", "bad day", "fine", "foul")
SIDES = np.array([0, 1, 0, 1])
CLASSES = ("praise", "complaint")
NUMBERS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 9.0]])


def of_classes(**changes) -> LabelledSet:
    given = {"texts": TEXTS, "targets": SIDES.copy(), "classes": CLASSES} | changes
    return LabelledSet(id="x", name="X", question="Which?", **given)


def of_numbers(**changes) -> LabelledSet:
    given = {"texts": TEXTS, "targets": NUMBERS.copy(), "numbers": ("north", "east")} | changes
    return LabelledSet(id="x", name="X", question="Where?", **given)


# worked values


def test_a_set_counts_its_examples_and_every_class_in_order():
    given = of_classes(texts=(*TEXTS, "poor"), targets=np.array([0, 1, 0, 1, 1]))
    assert len(given) == 5
    assert list(given.counts().items()) == [("praise", 2), ("complaint", 3)]


def test_examples_without_group_and_span_are_alone_and_whole():
    given = of_classes()
    assert given.groups == TEXTS
    assert given.spans == (None,) * 4
    told = of_classes(groups=("a", "a", "b", "b"), spans=((0, 4), (0, 3), None, (1, 4)))
    assert told.groups == ("a", "a", "b", "b")
    assert told.spans == ((0, 4), (0, 3), None, (1, 4))


def test_a_text_may_come_again_with_another_span():
    given = of_classes(texts=("a b",) * 4, spans=((0, 1), (2, 3), (0, 3), None))
    assert len(given) == 4


def test_one_number_or_several_can_be_told():
    assert of_numbers().targets.shape == (4, 2)
    assert len(of_numbers(targets=NUMBERS[:, :1].copy(), numbers=("year",))) == 4


def test_a_set_cannot_be_changed():
    given = of_classes()
    with pytest.raises(dataclasses.FrozenInstanceError):
        given.name = "Y"
    with pytest.raises(ValueError, match="read-only"):
        given.targets[0] = 1


# bounds


def test_as_many_examples_as_allowed_are_taken_and_one_more_is_refused():
    for count, taken in ((labelled.MOST, True), (labelled.MOST + 1, False)):
        texts = tuple(map(str, range(count)))
        if taken:
            assert len(of_classes(texts=texts, targets=np.arange(count) % 2)) == count
        else:
            with pytest.raises(AnalysisError, match="1 to 20,000 examples; given 20,001. Take a sample"):
                of_classes(texts=texts, targets=np.arange(count) % 2)


def test_a_span_may_reach_from_the_first_to_the_last_character():
    assert of_classes(spans=((0, 8), (6, 7), (3, 4), None)).spans[0] == (0, 8)


@pytest.mark.parametrize("bad", [(0, 9), (-1, 3), (3, 3), (5, 2)])
def test_a_span_outside_its_text_is_refused(bad):
    with pytest.raises(AnalysisError, match=rf"example 1 runs from {bad[0]} to {bad[1]}, and its text has 8"):
        of_classes(spans=(bad, None, None, None))


# contracts

REFUSED = {
    "no example": (
        of_classes,
        {"texts": (), "targets": np.zeros(0, np.int64)},
        "1 to 20,000 examples; given 0",
    ),
    "labels missing": (of_classes, {"targets": np.array([0, 1])}, "given 4 texts, 2 labels, 4 groups and 4"),
    "groups missing": (of_classes, {"groups": ("a",)}, "4 labels, 1 groups and 4 spans"),
    "spans missing": (of_classes, {"spans": (None,) * 3}, "4 groups and 3 spans"),
    "empty text": (of_classes, {"texts": ("a", "b", " \n", "c")}, "text of example 3 is empty"),
    "one class": (
        of_classes,
        {"classes": ("praise",), "targets": np.zeros(4, np.int64)},
        r"Only one class was given \(praise\)",
    ),
    "rare class": (
        of_classes,
        {"targets": np.array([0, 0, 0, 1])},
        "'complaint' needs at least 2 examples, one to learn from and one to be tested on, and has 1",
    ),
    "class without example": (
        of_classes,
        {"targets": np.zeros(4, np.int64)},
        "'complaint' needs at least 2 examples, one to learn from and one to be tested on, and has 0",
    ),
    "neither": (of_numbers, {"numbers": ()}, "needs names of classes or of numbers"),
    "not a number": (of_numbers, {"targets": NUMBERS * [1, np.nan]}, "missing or infinite"),
    "infinite": (of_numbers, {"targets": NUMBERS * [np.inf, 1]}, "missing or infinite"),
    "one number only": (of_numbers, {"targets": NUMBERS * [1, 0]}, "the same number"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learned_from_is_refused_in_words(name):
    make, changes, sentence = REFUSED[name]
    with pytest.raises(AnalysisError, match=sentence):
        make(**changes)


# labels that do not fit their names


@pytest.mark.parametrize("targets", [[0, 1, 0, 2], [0, 1, 0, -1]])
def test_labels_that_are_no_numbers_of_classes_are_refused(targets):
    with pytest.raises(AnalysisError, match="whole numbers from 0 to 1, one per example"):
        of_classes(targets=np.array(targets))


def test_names_and_numbers_must_agree():
    with pytest.raises(AnalysisError, match="Every example needs 1 numbers"):
        of_numbers(numbers=("north",))
    with pytest.raises(AnalysisError, match="not of both"):
        of_classes(numbers=("north",))
    with pytest.raises(AnalysisError, match="Two classes have the same name"):
        of_classes(classes=("same", "same"))


def test_the_callers_array_is_left_alone():
    mine = SIDES.copy()
    of_classes(targets=mine)
    mine[0] = 1
