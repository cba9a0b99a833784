"""The part Find: what its links hold, what its sentences say, and that its code runs."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis.dictionaries.evidence.search import Sieve
from analysis.dictionaries.telling_apart.apart import Apart, Missed
from analysis.results import Provenance
from components.features.finding import comparison, filters
from components.features.finding.away import with_origin
from components.features.finding.comparison import answer, missed, named, with_labels
from components.features.finding.filters import BOUNDS, ORDERS, STEPS, measured, ordered, sieve_now
from components.features.in_link import within

ORIGIN = Provenance("toy", "0", "float32", "m", "s", "w", (("seed", "0"),))
NEURONS = SimpleNamespace(site=SimpleNamespace(stream="neurons"))
SPARSE = SimpleNamespace(site=SimpleNamespace(stream="residual"))


@pytest.fixture
def linked(monkeypatch):
    """`linked(text)`: the bounds that a link's text means."""

    def read(text: str) -> Sieve:
        monkeypatch.setattr(filters, "chosen", lambda name, otherwise: text if name == "sieve" else otherwise)
        return sieve_now()

    return read


def test_bounds_travel_in_a_link(linked):
    found = linked("f=3-9&k=token.dead&detection=0.7&direct=2")
    assert found == Sieve((STEPS[3], STEPS[9]), detection=0.7, direct=2.0, kinds=("token", "dead"))
    assert linked("") == Sieve()


@pytest.mark.parametrize(
    "text",
    [
        "f=99-7000",
        "f=-",
        "f=x-y",
        "k=nothing",
        "detection=nan",
        "detection=-1",
        "effect=inf",
        "direct=1e99",
        "%%%&=&",
    ],
)
def test_bounds_that_make_no_sense_are_none(linked, text):
    assert linked(text) == Sieve()


@pytest.mark.parametrize(
    ("said", "kind", "read"),
    [
        ("7", int, 7),
        ("", int, None),
        ("99", int, None),
        ("-1", int, None),
        ("0.5", int, None),
        ("0.5", float, 0.5),
    ],
)
def test_a_number_of_a_link_is_read_if_it_is_one_within_its_bounds(said, kind, read):
    assert within(0, 9, kind)(said) == read
    assert within(0, 9, float)("nan") is None


def test_a_number_of_a_link_lies_at_a_step():
    assert within(0, 1.5, float, 0.1)("0.004") == 0
    assert within(0, 1.5, float, 0.1)("0.7") == 0.7


def test_only_measured_features_are_counted_as_having_an_effect():
    assert measured(pd.DataFrame({"effect": [np.nan, 0.0, -0.3]})) == 2


def test_swapped_ends_of_a_frequency_are_put_right(linked):
    assert linked("f=9-3").frequency == (STEPS[3], STEPS[9])


def test_every_bound_is_one_of_the_sieve():
    assert set(BOUNDS) < set(Sieve.__dataclass_fields__)


def test_features_are_ordered_with_the_unknown_last():
    table = pd.DataFrame(
        {
            "feature": [0, 1, 2],
            "frequency": [0.1, 0.3, 0.2],
            "token_precision": [0.5, 0.1, 0.9],
            "context": [0.1, np.nan, 0.5],
            "detection": [np.nan, 0.6, 0.9],
            "direct": [1.0, 3.0, 2.0],
            "effect": [np.nan, 0.1, -0.4],
        }
    )
    wanted = {
        "best": [0, 1, 2],
        "frequent": [1, 2, 0],
        "rare": [0, 2, 1],
        "specific": [2, 0, 1],
        "context": [2, 0, 1],
        "label": [2, 1, 0],
        "strong": [1, 2, 0],
        "loss": [2, 1, 0],
    }
    assert wanted.keys() == ORDERS.keys()
    assert {order: ordered(table, order)["feature"].tolist() for order in ORDERS} == wanted


def an_answer(effect, band: float = 1.0) -> Apart:
    count = len(effect)
    flat = np.zeros(count)
    return Apart(
        ("praise", "complaint"),
        (5, 5),
        "max",
        np.ones((2, count)),
        np.ones((2, count)),
        np.array(effect, float),
        flat.copy(),
        flat.copy(),
        flat.copy(),
        flat.copy(),
        np.full(20, band),
        Missed(2.0, 1.0, 0.8),
        0,
        ORIGIN,
    )


def test_the_answer_says_how_many_and_which_is_furthest():
    said = answer(an_answer([0.2, -3.0, 1.5]), ())
    assert said.startswith("2 of 3 features tell praise from complaint")
    assert "feature 1, more active in complaint, effect -3.00" in said
    assert "feature 1 (after the)" in answer(an_answer([0.2, -3.0]), ("x", "after the"))


def test_where_chance_does_as_much_the_answer_says_no():
    said = answer(an_answer([0.2, -0.3]), ())
    assert said.startswith("No feature does: 0 of 2") and "furthest is" not in said


def test_the_error_is_always_said():
    assert missed(Missed(2.0, 1.0, 0.8), SPARSE).startswith(
        "The error, which no feature holds: 50% of the length"
    )
    assert "80% of the variance" in missed(Missed(2.0, 1.0, 0.8), SPARSE)
    assert "leave no error" in missed(Missed(2.0, 0.0, 1.0), NEURONS)


def test_unclear_labels_are_no_names():
    assert named(3, ()) == named(3, ("a", "b", "c", "unclear")) == "feature 3"
    assert with_labels(pd.DataFrame({"feature": [1, 0]}), ("a", "b"))["label"].tolist() == ["b", "a"]


def test_every_row_that_is_taken_away_says_where_it_comes_from():
    found = with_origin(pd.DataFrame({"feature": [1, 2], "seed": [7, 7]}), ORIGIN)
    assert found["model"].tolist() == ["toy", "toy"]
    assert found["seed"].tolist() == [7, 7] and found["seed (made)"].tolist() == ["0", "0"]


def test_the_code_of_a_comparison_is_python_with_its_imports_first(monkeypatch):
    lines = ("model = load(ModelSpec('toy:random'))", "dictionary = open_dictionary(model, 'neurons.1')")
    monkeypatch.setattr(comparison, "dictionary_lines", lambda frame, offer: lines)
    code = (
        "from analysis.dictionaries.telling_apart.sides import of_label",
        "sides = of_label(corpus, 'label', 'a', None)",
    )
    made = comparison.snippet(None, None, code, "max")
    compile(made, "snippet", "exec")
    found = made.splitlines()
    blank = found.index("")
    assert all(line.startswith("from ") for line in found[:blank])
    assert not any(line.startswith("from ") for line in found[blank:])
