"""A table somebody brings becomes examples, or is refused naming the row."""

import numpy as np
import pandas as pd
import pytest

from analysis.errors import AnalysisError
from analysis.labelled_table import MOST_CLASSES, from_table


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
            group=["1", "2", "1", "2"],
            span=["dog", "", "dog", "x"],
        ),
        "t",
    )
    assert given.groups == ("1", "2", "1", "2")
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
        ({"text": ["a", "", "b", "c"], "label": ["x", "y"] * 2}, "The text of example 2 is empty"),
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
