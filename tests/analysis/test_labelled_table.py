"""What somebody brings in a table or types line by line becomes examples, or is refused naming the row."""

import numpy as np
import pandas as pd
import pytest

from analysis.errors import AnalysisError
from analysis.labelled_table import MOST_CLASSES, from_lines, from_table


def table(**columns) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_classes_are_named_in_order():
    given = from_table(table(Text=list("abcd"), LABEL=["no", "yes", "no", "yes"]), "t.csv")
    assert given.classes == ("no", "yes")
    assert given.targets.tolist() == [0, 1, 0, 1]
    assert given.groups == tuple("abcd")
    assert given.spans == (None,) * 4


def test_few_different_numbers_are_classes_and_many_are_numbers():
    few = from_table(table(text=list("abcd"), label=[0, 1, 0, 1]), "t")
    assert few.classes == ("0", "1")
    assert from_table(table(text=list("abcd"), label=[0.0, 1.0, 0.0, 1.0]), "t").classes == ("0", "1")
    many = from_table(table(text=list("abcdefghij"), label=[f"{n / 4}" for n in range(10)]), "t")
    assert many.numbers == ("label",)
    np.testing.assert_allclose(many.targets[:, 0], np.arange(10) / 4)


def test_groups_and_spans_are_taken():
    given = from_table(
        table(
            text=["a big dog", "a cat", "été dog", "x"],
            label=["n", "m", "n", "m"],
            group=["1", "1", "2", "2"],
            span=["dog", "", "dog", "x"],
        ),
        "t",
    )
    assert given.groups == ("1", "1", "2", "2")
    assert given.spans == ((6, 9), None, (4, 7), (0, 1))


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"text": ["a"], "kind": ["b"]}, "needs columns `text` and `label`; it has text, kind"),
        ({"text": ["a", "b"], "label": ["x", None]}, "Row 2 has no label"),
        ({"text": ["a", "b"], "label": ["x", "  "]}, "Row 2 has no label"),
        (
            {"text": list("abcdefghij"), "label": [*map(str, range(9)), "nine"]},
            "Row 10 has the label 'nine' among numbers",
        ),
        (
            {"text": ["a", "b"] * 2, "label": ["x", "y"] * 2, "span": ["a", "c"] * 2},
            "The span 'c' of row 2 is not in its text",
        ),
        ({"text": ["a", "b"], "label": ["x", "x"]}, "Only one class was given"),
        ({"text": ["a", "b", "c"], "label": ["cat", "cat", "cta"]}, "a typo makes a class of its own"),
        ({"text": ["a", "", "b", "c"], "label": ["x", "y"] * 2}, "Row 2 has no text. Fill it in"),
        (
            {"text": list("abcde"), "label": ["positive", "negative", "positive", "negative", "postive"]},
            "Only row 5 has the label 'postive'; perhaps 'positive' was meant. A class needs at least 2 examples",
        ),
        (
            {"text": list("abcde"), "label": ["x", "y", "x", "y", "q"]},
            "Only row 5 has the label 'q'. A class needs",
        ),
        ({"text": list("abcd"), "label": ["x", "x", "y", "z"]}, "1 other labels stand once, too"),
        (
            {"text": list("abc"), "label": ["1900", "1900", "1910"]},
            "2 different numbers; fewer than 8 are taken for classes, and only row 3 has '1910'",
        ),
        (
            {"text": ["a", "b", "a", "c"], "label": ["x", "y", "y", "x"]},
            "Row 1 and row 3 have the same text and different labels ('x' and 'y'): “a”. Correct one",
        ),
        (
            {"text": ["a", "a", "a", "a"], "label": ["x", "y", "y", "x"]},
            "Row 1 and row 2 have the same text and different labels ('x' and 'y'): “a”. So do 1 more.",
        ),
        (
            {"text": list("abcdefgha"), "label": [*map(str, range(8)), "9"]},
            "Row 1 and row 9 have the same text and different labels ('0' and '9')",
        ),
        (
            {"text": ["a", "A ", "b", "c"], "label": ["x", "x", "y", "y"]},
            "All examples of 'x' are the same text, so they can be learned or tested, not both",
        ),
        (
            {"text": list("abcd"), "label": ["x", "x", "y", "y"], "group": ["1", "1", "2", "3"]},
            "All examples of 'x' belong to one group",
        ),
        (
            {"text": list("abcdef"), "label": ["1, 2"] * 5 + ["5, 6, 7"]},
            "Row 6 has 3 numbers (5, 6, 7) where most",
        ),
        (
            {"text": list("abcdefghi"), "label": [*map(str, range(8)), "1,000"]},
            "The label '1,000' of row 9 may be one number or several",
        ),
        (
            {"text": ["t"] * 102, "label": [f"class {n // 2}" for n in range(102)]},
            f"There are 51 different labels; up to {MOST_CLASSES}",
        ),
    ],
)
def test_what_does_not_fit_is_said(columns, sentence):
    with pytest.raises(AnalysisError) as refused:
        from_table(table(**columns), "t.csv")
    assert sentence in str(refused.value)


def test_missing_values_of_every_kind_are_missing():
    for nothing in (None, float("nan"), pd.NA, pd.NaT, " "):
        for column, what in (("text", "text"), ("label", "label")):
            cells = {"text": ["a", "b"], "label": ["x", "y"]}
            cells[column][1] = nothing
            with pytest.raises(AnalysisError, match=f"Row 2 has no {what}. Fill it in or remove the row."):
                from_table(pd.DataFrame(cells, dtype=object), "t")


def test_several_numbers_are_told_as_such():
    given = from_table(table(text=list("abcd"), label=["48.9, 2.35", "-1e2,+.5", "0, 0", "3, 4"]), "t")
    assert given.numbers == ("label 1", "label 2")
    assert given.targets.tolist() == [[48.9, 2.35], [-100, 0.5], [0, 0], [3, 4]]
    lists = from_table(table(text=list("ab"), label=[[1, 2.5], np.array([3.0, 4.0])]), "t")
    assert lists.targets.tolist() == [[1, 2.5], [3, 4]]


def test_the_same_text_may_come_again_with_the_same_label_or_another_span():
    texts, spans = ["a b"] * 2 + ["c"] * 2 + ["d", "e"], ["a", "b"] + [""] * 4
    given = from_table(table(text=texts, label=list("xyxxyy"), span=spans), "t")
    assert given.groups == tuple(texts)


LINES = """
I love this film. | praise
What a mess | it was. | complaint

A joy. | praise
Awful. | complaint
"""


def test_lines_are_read_as_text_and_label():
    given = from_lines(LINES)
    assert given.texts == ("I love this film.", "What a mess | it was.", "A joy.", "Awful.")
    assert given.classes == ("complaint", "praise")
    assert given.targets.tolist() == [1, 0, 1, 0]
    assert (given.id, given.source) == ("written", "Written on the page.")


def test_lines_of_numbers():
    given = from_lines("Paris | 48.9, 2.4\nRome | 41.9, 12.5\n")
    assert given.numbers == ("label 1", "label 2")
    assert from_lines("\n".join(f"t{n} | {n}" for n in range(8))).numbers == ("label",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "No example was given. Write one a line"),
        (" \n \n", "No example was given"),
        ("a | x\n\nno label", "Line 3 needs a text and its label with | between them; given: “no label”."),
        ("a | x\nb |", "Line 2 needs"),
        ("| x", "Line 1 needs"),
        ("a | x\nb | x", "Only one class was given (x)"),
        (
            "\na | good\nb | good\nc | bad\nd | bad\n\ne | goood",
            "Only line 7 has the label 'goood'; perhaps 'good'",
        ),
        (
            "\n".join(f"{n} | {n}" for n in range(9)) + "\nx | ten",
            "Line 10 has the label 'ten' among numbers",
        ),
        ("a | x\na | y\nb | x\nc | y", "Line 1 and line 2 have the same text and different labels"),
    ],
)
def test_lines_that_do_not_fit_are_named(text, sentence):
    with pytest.raises(AnalysisError) as refused:
        from_lines(text)
    assert sentence in str(refused.value)
