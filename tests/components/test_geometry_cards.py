"""What stands in a card of the page Geometry: the sentence, the figure, the tints of tokens, the knobs."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from analysis.knobs import choice, knob, knobs, switch
from components.geometry import figure
from components.geometry.answer import answer
from components.geometry.cursor import layer_now, nearest
from components.geometry.figure import Line, curves, gaussian_value
from components.geometry.strip import tints
from components.knob_controls import params_of, turned_of


@pytest.fixture(autouse=True)
def light(monkeypatch):
    monkeypatch.setattr(figure, "mode", lambda: "light")


def found(*values, layers=None):
    measure = SimpleNamespace(title="Planted", unit="lengths")
    return SimpleNamespace(
        measure=measure,
        values=np.array(values, np.float32),
        layers=tuple(range(len(values))) if layers is None else layers,
        count=1234,
        beside={"points": np.full(len(values), 1234.0), "R2": np.full(len(values), 0.5)},
    )


def line(id, *values, depth=3, kind="null", **more):
    subject = SimpleNamespace(id=id, name=id, kind=kind, model=SimpleNamespace(n_layers=depth))
    return Line(subject, found(*values, **more))


@pytest.mark.parametrize(
    "values, sentence",
    [
        ((3, 1, 2), "Planted: from 3 at layer 0 to 2 at layer 2; lowest at layer 1 (1)."),
        ((1, 5, 2), "Planted: from 1 at layer 0 to 2 at layer 2; highest at layer 1 (5)."),
        ((1, 2, 3), "Planted: from 1 at layer 0 to 3 at layer 2, the highest."),
        ((3, 2, 1), "Planted: from 3 at layer 0 to 1 at layer 2, the lowest."),
        ((np.nan, 2, 1), "Planted: from 2 at layer 1 to 1 at layer 2, the lowest."),
        ((2, 2, 2), "Planted: 2 at all layers."),
        ((np.nan, 7, np.nan), "Planted: 7 at layer 1."),
        ((5, 4, 9, 5), "Planted: from 5 at layer 0 to 5 at layer 3; highest at layer 2 (9)."),
    ],
)
def test_the_sentence_names_the_ends_and_the_extreme(values, sentence):
    assert answer(found(*values), []) == sentence


@pytest.mark.parametrize(
    "shuffled, end",
    [
        (((3, 0.5, 2), (3, 0.75, 2)), "That is above what shuffled tokens give there (0.5 to 0.75)."),
        (((3, 2, 2), (3, 4, 2)), "That is below what shuffled tokens give there (2 to 4)."),
        (((3, 0.5, 2), (3, 4, 2)), "That lies within what shuffled tokens give there (0.5 to 4)"),
        (((3, 2, 2),), "That is below what shuffled tokens give there (2)."),
        (((3, np.nan, 2),), "lowest at layer 1 (1)."),
    ],
)
def test_the_sentence_says_what_shuffled_tokens_give(shuffled, end):
    assert end in answer(found(3, 1, 2), [found(*values) for values in shuffled])


def test_two_draws_are_a_band_and_one_is_a_line():
    first, second = line("shuffled 1", 0, 1, 2, 3), line("shuffled 2", 1, 0, 4, 2)
    low, high, base = curves([line("base", 1, 2, 3, 4, kind="base"), first, second], 1, False).data
    assert (list(low.y), list(high.y)) == ([0, 0, 2, 2], [1, 1, 4, 3]) and high.fill == "tonexty"
    assert list(base.y) == [1, 2, 3, 4] and base.mode == "lines+markers"
    one = curves([line("base", 1, 2, 3, 4, kind="base"), first], 1, False)
    assert [each.mode for each in one.data] == ["lines", "lines+markers"]


def test_models_of_different_depth_share_the_axis_of_depth():
    lines = [line("base", 1, 2, 3, 4, kind="base"), line("compared", 1, 2, 3, depth=2, kind="asked")]
    drawn = curves(lines, 3, True)
    assert np.allclose(drawn.data[0].x, [0, 0.5, 1]) and np.allclose(drawn.data[1].x, [0, 1 / 3, 2 / 3, 1])
    assert drawn.data[0].customdata[1].startswith("layer 1: 2")
    assert "share of depth" in drawn.layout.xaxis.title.text


def test_no_two_lines_differ_by_colour_alone():
    lines = [
        line("base", 1, 2, 3, 4, kind="base"),
        line("compared", 1, 2, 3, 4, kind="asked"),
        line("edited", 1, 2, 3, 4, kind="edited"),
        line("gaussian", 2, 2),
        line("shuffled 1", 1, 2, 3, 4),
        line("random", 1, 2, 3, 4),
    ]
    drawn = curves(lines, 1, False).data
    worn = {(each.line.dash, each.marker.symbol if "markers" in each.mode else None) for each in drawn}
    assert len(worn) == len(lines)


def test_a_gaussian_far_away_is_told_and_does_not_flatten_the_curve():
    near = curves([line("base", 1, 2, 3, 4, kind="base"), line("gaussian", 3, 3)], 1, False)
    far = curves([line("base", 1, 2, 3, 4, kind="base"), line("gaussian", 300, 300)], 1, False)
    assert len(near.data) == 2 and not near.layout.annotations
    assert len(far.data) == 1 and far.layout.annotations[0].text == "Gaussian: 300 ↑"


def test_random_weights_far_away_leave_the_picture_and_are_told():
    base, gaussian = line("base", 1, 2, 3, 4, kind="base"), line("gaussian", 5, 5)
    near = curves([base, line("random", 1, 2, 3, 5)], 1, False)
    assert near.layout.yaxis.range is None and not near.layout.annotations
    far = curves([base, gaussian, line("random", 300, 2, 0, 1)], 1, False)
    low, high = far.layout.yaxis.range
    assert low < 0 and 5 < high < 6  # the Gaussian, which is drawn, stays in it
    assert [each.text for each in far.layout.annotations] == ["random: to 300 ↑"]


def test_a_gaussian_s_value_is_that_of_the_layer_that_has_one():
    assert gaussian_value(found(np.nan, 7)) == 7


def test_hover_says_value_count_and_companions():
    (base,) = curves([line("base", 1, 2, 3, 4, kind="base")], 1, False).data
    assert base.customdata[2] == "layer 2: 3<br>N 1,234<br>points: 1,234<br>R2: 0.5"


def test_names_of_models_are_no_markup():
    bad = line("base", 1, 2, kind="base")
    bad.subject.name = "<b>x</b>"
    assert "<b>" not in curves([bad], 0, False).data[0].name


def test_the_layer_looked_at_is_one_that_was_read():
    assert nearest((0, 2, 4), 3) == 2 and nearest((0, 5, 10), 9) == 10
    assert layer_now((0, 2, 4), None) == 2 and layer_now((0, 5, 7), 6) == 5


def test_tints_run_from_the_lowest_to_the_highest():
    values, positions = np.array([2.0, np.nan, 4.0, 3.0]), np.array([1, 2, 3, 5])
    assert tints(values, positions, 6) == [None, 0.0, None, 1.0, None, 0.5]
    assert tints(np.full(2, np.nan), np.array([0, 1]), 2) == [None, None]
    assert tints(np.array([1.0, 1.0]), np.array([0, 1]), 2) == [0.5, 0.5]


@dataclass(frozen=True)
class Able:
    k: int = knob(5, 1, 100, 1, "Neighbours", "How many.", logarithmic=True)
    share: float = knob(0.5, 0.0, 1.0, 0.1, "Share", "How much.")
    on: bool = switch(False, "On", "Or off.")
    kind: str = choice({"one": "One", "two": "Two"}, "Kind", "Which.")


def test_knobs_of_a_link_are_taken_where_they_fit():
    params = params_of(Able, (("k", 7.0), ("share", 2.0), ("on", 1.0), ("kind", "two"), ("else", 1.0)))
    assert params == Able(k=7, on=True, kind="two") and type(params.k) is int and params.on is True
    assert params_of(Able, (("k", "two"), ("kind", 1.0), ("kind", "three"))) == Able()


def test_only_what_differs_is_written_and_it_is_read_back():
    assert turned_of(Able()) == ()
    turned = turned_of(Able(k=9, on=True, kind="two"))
    assert turned == (("k", 9.0), ("kind", "two"), ("on", 1.0))
    assert params_of(Able, turned) == Able(k=9, on=True, kind="two")
    assert {each.name for each in knobs(Able)} == {"k", "share", "on", "kind"}
