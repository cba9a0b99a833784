"""The part Act of the page Features: what its link means, what its rows do, and what it says on a toy."""

from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st

from analysis.dictionaries.acting.attribution import Ablation, Attribution
from analysis.edits import Change, ChangeFeatures, Site
from analysis.errors import AnalysisError
from analysis.results import AgainstNull, Bounds, Provenance
from components import features_link, session
from components.features.acting import changes as module
from components.features.acting.changes import add, edits_of, positions_of, put, remove, replace_at, undo
from components.features.acting.units import Units
from components.features.acting.why import sum_check, table, zeroing
from components.features.reading.names import Names
from components.figures.attribution_bars import feature_rows, sum_rows
from tests.planted import a_dictionary

HERE = Provenance("model", "1", "float32", "by hand", "nobody", "always")


@pytest.fixture(autouse=True)
def one_session(monkeypatch):
    """A session without a browser."""
    monkeypatch.setattr(st, "session_state", state := State())
    state.view = session.View()
    return state


class State(dict):
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


# changes


def test_changes_survive_the_link_as_they_are_shown():
    add(12, "clamp", 2 / 3)
    add(40, "scale", -1.23456, "3_5")
    add(40, "zero", 0.0, "generated")
    view = session.view().features
    assert features_link.from_text(features_link.to_text(view)) == view
    assert module.changes()[0] == (12, "clamp", 0.6667, "after_first")


def test_a_feature_changed_at_the_same_places_gets_the_new_operation():
    add(12, "clamp", 3.0)
    add(12, "zero", 0.0)
    add(12, "zero", 0.0, "4")
    assert [each[1:] for each in module.changes()] == [("zero", 0.0, "after_first"), ("zero", 0.0, "4")]


def test_every_change_can_be_undone():
    add(1, "zero", 0.0)
    add(2, "clamp", 3.0)
    replace_at(1, operation="scale", value=2.0)
    remove(0)
    assert module.changes() == ((2, "scale", 2.0, "after_first"),)
    put(())
    for expected in (1, 2, 2, 1, 0):
        undo()
        assert len(module.changes()) == expected
    undo()
    assert module.changes() == ()


def test_there_are_not_more_changes_than_can_be_told_apart():
    for feature in range(20):
        add(feature, "zero", 0.0)
    assert len(module.changes()) == module.MOST


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("all", "all"),
        ("prompt", "prompt"),
        ("7", (7,)),
        ("3_5_3", (3, 5)),
        ("nonsense", "after_first"),
        ("-1", "after_first"),
    ],
)
def test_places_mean_what_they_say_or_all_but_the_first(where, expected):
    assert positions_of(where) == expected


def test_changes_at_the_same_places_are_one_edit(toy):
    dictionary = a_dictionary(toy)
    rows = ((1, "zero", 0.0, "all"), (2, "add", 1.0, "4"), (3, "clamp", 2.0, "all"))
    first, second = edits_of(dictionary, rows)
    assert (first.positions, second.positions) == ("all", (4,))
    assert first.changes == (Change(1, "zero"), Change(3, "clamp", 2.0))
    assert second.changes == (Change(2, "add", 1.0),)
    assert all(isinstance(each, ChangeFeatures) for each in (first, second))
    with pytest.raises(AnalysisError, match="features 0 to 40"):
        edits_of(dictionary, ((99, "zero", 0.0, "all"),))


# units


def found(activations):
    return SimpleNamespace(
        activations=np.array(activations, np.float32), active=lambda at: [], dictionary=SimpleNamespace(features=3)
    )  # fmt: skip


def test_the_maximum_leaves_the_first_token_out_and_keeps_its_sign():
    units = Units(found([[900, 0, 0], [2, -7, 0], [4, 3, 0]]), None)
    assert [units.largest(each) for each in range(3)] == [4, -7, 5.5]  # the last: the median of 4 and 7
    assert [units.where_from(each) for each in range(2)] == ["in this text"] * 2
    assert "not active" in units.where_from(2)
    assert units.frequency.tolist() == [1.0, 1.0, 0.0]


def test_what_is_known_of_many_tokens_comes_before_this_text():
    known = SimpleNamespace(
        largest=np.array([50.0, 1, 0]), smallest=np.array([0.0, -9, 0]), counted=12_000,
        frequency=np.array([0.01, 0.5, 0], np.float32),
    )  # fmt: skip
    units = Units(found([[0, 0, 0], [2, -7, 1]]), known)
    assert [units.largest(each) for each in range(3)] == [50, -9, 1]
    assert units.where_from(0) == "over 12,000 tokens"
    assert units.where_from(2) == "in this text"
    assert units.frequency.tolist() == pytest.approx([0.01, 0.5, 0])


def test_a_text_of_one_token_has_units_too():
    units = Units(found([[3, 0, 0]]), None)
    assert units.largest(0) == 1.0
    assert units.frequency.tolist() == [0, 0, 0]


# why


def attributed(gap=0.0, later=2.0) -> Attribution:
    direct = np.array([3.0, -1.0, 0.5])
    total = 2.5 + 0.25 - 0.75 + later
    return Attribution(
        Site(2), 4, 1, 2, (7, 9, 1), np.array([5.0, 6, 7]), direct, 0.25, -0.75, later, 0.0, total + gap, HERE
    )


def ablation() -> Ablation:
    falls = AgainstNull(
        "Fall", "nats", Bounds(None, None), HERE, "feature", ("7", "9"),
        np.array([2.0, 0.1], np.float32), np.array([[0.3, 0.2], [-0.3, -0.2], [0.0, 0.0]], np.float32),
    )  # fmt: skip
    return Ablation((7, 9), falls, 1.5, -0.25)


def test_the_bars_of_the_sum_hold_every_term_once():
    rows = sum_rows(attributed(), "feature")
    assert [title for title, _, _ in rows] == ["all 3 features", "bias", "error", "later blocks"]
    assert sum(value for _, value, _ in rows) == pytest.approx(attributed().total)


def test_a_feature_has_the_bar_of_its_own_number():
    found = attributed()
    assert found.listed(2, "direct") == (7, 9)
    assert found.listed(2, "activation") == (1, 9)
    rows = feature_rows(found, found.listed(2, "activation"), lambda feature: f"f{feature}")
    assert rows == [("f1", 0.5, "feature"), ("f9", -1.0, "feature")]


def test_the_sum_is_told_and_a_miss_is_not_hidden():
    said = sum_check(attributed(), "feature").replace("\\", "")
    assert "features +2.50, bias +0.25, error -0.75, later blocks +2.00: together +4.00 nats" in said
    assert "which is what the model itself says (+4.00)" in said
    assert "the model itself says +4.30: its own rounding is 0.30" in sum_check(
        attributed(0.3), "feature"
    ).replace("\\", "")
    assert "not credited" not in sum_check(attributed(later=0.0), "feature")


def test_what_leaves_its_band_is_counted_beside_chance():
    said = zeroing(ablation(), "feature")
    assert "1 of 2 leave the band; by chance about 1 would." in said
    assert "at once the log-odds fall by 1.50 nats, without the error they rise by 0.25 nats." in said
    assert "error" not in zeroing(ablation(), "neuron").partition("Without all")[2]
    empty = AgainstNull(
        "Fall",
        "nats",
        Bounds(None, None),
        HERE,
        "feature",
        ("7",),
        np.ones(1, np.float32),
        np.empty((0, 1), np.float32),
    )
    assert "no other feature" in zeroing(Ablation((7,), empty, 0.0, 0.0), "feature")


def test_the_table_holds_features_and_everything_else(toy):
    names = Names(a_dictionary(toy), None)
    rows = table(attributed(), ablation(), names)
    assert rows["feature"].tolist() == ["7", "9", "1", "bias", "error", "later blocks", "constant"]
    assert rows["direct"].sum() == pytest.approx(attributed().total)
    assert rows["zeroed"].tolist()[:2] == pytest.approx([2.0, 0.1])
    assert rows["random high"].isna().tolist() == [False, False, *[True] * 5]
