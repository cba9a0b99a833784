"""The grid's data: readable colours, small JSON, and answers that are not trusted."""

import json

import numpy as np
import pytest

from components.cursor_link import CursorLink
from components.grid_data import (
    UNDEFINED,
    ColorScale,
    GridData,
    GridToken,
    chosen_cell,
    chosen_position,
    drawable,
)
from components.ramps import KINDS, MODES, READABLE, contrast, ramp


def grid(layers=3, positions=5, k=2, words=("·a", "·b"), value=None, scale=None) -> GridData:
    """A small grid of axes that differ, so that swapped axes fail."""
    random = np.random.default_rng(0)
    cells = (layers, positions)
    return GridData(
        fingerprint="one",
        title="Logit lens",
        unit="",
        alt="three layers, five tokens",
        tokens=tuple(GridToken(f"·t{index}") for index in range(positions)),
        layers=tuple(range(layers)),
        words=tuple(words),
        top=random.integers(0, len(words), (*cells, k)),
        probability=random.random((*cells, k)),
        value=random.random(cells) if value is None else value,
        value_label="probability",
        scale=scale or ColorScale("sequential", 0, 1),
    )


# ---- colours


def test_contrast_by_hand():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)
    assert contrast("#123456", "#123456") == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", KINDS)
def test_text_is_readable_on_every_stop(kind, mode):
    assert min(contrast(fill, ink) for fill, ink in ramp(kind, mode)) >= READABLE


@pytest.mark.parametrize("mode", MODES)
def test_a_sequential_ramp_never_turns_back(mode):
    against_white = [contrast(fill, "#ffffff") for fill, _ in ramp("sequential", mode)]
    assert against_white == sorted(against_white, reverse=mode == "dark")


def test_a_diverging_scale_reaches_equally_far_and_puts_zero_in_the_middle():
    scale = ColorScale("diverging", -1, 4)
    assert scale.ends == (-4, 4)
    assert scale.shade(np.array([-4.0, 0.0, 4.0, 9.0])).tolist() == [0, 16, 32, 32]


def test_shades_by_hand():
    assert ColorScale("sequential", 0, 8).shade(np.array([0, 2, 8])).tolist() == [0, 8, 32]
    assert ColorScale("sequential", 0, 8, reverse=True).shade(np.array([0, 8])).tolist() == [32, 0]
    ranks = ColorScale("sequential", 1, 10_000, log=True).shade(np.array([1, 100, 10_000]))
    assert ranks.tolist() == [0, 16, 32]
    assert ColorScale("binary", 0, 1).shade(np.array([0, 1])).tolist() == [0, 1]


def test_what_is_not_a_number_gets_no_colour():
    shade = ColorScale("sequential", 0, 1).shade(np.array([np.nan, np.inf, -np.inf, 0.5]))
    assert shade.tolist() == [UNDEFINED, UNDEFINED, UNDEFINED, 16]


@pytest.mark.parametrize(
    "wrong",
    [("rainbow", 0, 1), ("sequential", 1, 1), ("sequential", 0, float("nan"))],
)
def test_a_scale_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="scale"):
        ColorScale(*wrong)
    with pytest.raises(ValueError, match="logarithmic"):
        ColorScale("sequential", 0, 1, log=True)


# ---- data


def test_json_has_rows_of_layers_and_null_for_undefined():
    value = np.arange(15, dtype=float).reshape(3, 5) / 30
    value[2, 4] = np.nan
    read = json.loads(grid(value=value).as_json())
    assert read["value"][:7] == [0, 0.03333, 0.06667, 0.1, 0.1333, 0.1667, 0.2]
    assert read["value"][14] is None and read["shade"][14] == UNDEFINED
    assert len(read["top"]) == len(read["probability"]) == 3 * 5 * 2


def test_json_stays_small():
    words = [f"·word{index}" for index in range(8_000)]
    assert len(grid(31, 256, 5, words).as_json()) < 1_500_000


def test_a_word_of_ten_thousand_letters_does_not_travel():
    assert len(grid(words=("x" * 10_000, "y")).as_json()) < 5_000


def test_what_cannot_be_drawn_is_shown_by_a_symbol():
    assert drawable("a\x00b\nc\x7f\ud800") == "a␀b␊c␡\ufffd"
    assert drawable("·Paris東京\u202e") == "·Paris東京\u202e"


def test_arrays_are_copied_and_frozen():
    value = np.zeros((3, 5))
    data = grid(value=value)
    value[:] = 1
    assert data.value.max() == 0
    with pytest.raises(ValueError, match="read-only"):
        data.value[0, 0] = 1


@pytest.mark.parametrize("wrong", [{"value": np.zeros((5, 3))}, {"words": ()}])
def test_shapes_that_disagree_are_refused(wrong):
    with pytest.raises(ValueError):
        grid(**wrong)


def test_indices_outside_the_words_are_refused():
    data = grid()
    with pytest.raises(ValueError, match="outside the 1 words"):
        GridData(**{**vars(data), "words": ("·a",), "top": np.ones((3, 5, 2))})


# ---- answers from the browser

GOOD = {"fingerprint": "one", "position": 4, "layer": 2, "number": 1}
FORGED = [
    None,
    "position",
    7,
    [],
    {},
    {**GOOD, "fingerprint": "two"},
    {**GOOD, "fingerprint": None},
    {**GOOD, "position": "4"},
    {**GOOD, "position": -1},
    {**GOOD, "position": 5},
    {**GOOD, "position": 10**30},
    {**GOOD, "position": float("nan")},
    {**GOOD, "position": float("inf")},
    {**GOOD, "position": 1.5},
    {**GOOD, "position": True},
    {**GOOD, "position": [4]},
    {"fingerprint": "one", "layer": 2},
]
FORGED_LAYERS = [{**GOOD, "layer": layer} for layer in (3, -1, "2", None, float("nan"), [], 10**30)]


def test_an_answer_that_fits_is_taken():
    assert chosen_cell(GOOD, "one", 5, (0, 1, 2)) == (4, 2)
    assert chosen_cell({**GOOD, "position": 4.0}, "one", 5, (0, 1, 2)) == (4, 2)
    assert chosen_position(GOOD, "one", 5) == 4


@pytest.mark.parametrize("event", FORGED + FORGED_LAYERS, ids=str)
def test_a_forged_answer_is_no_cell(event):
    assert chosen_cell(event, "one", 5, (0, 1, 2)) is None


@pytest.mark.parametrize("event", FORGED, ids=str)
def test_a_forged_answer_is_no_position(event):
    assert chosen_position(event, "one", 5) is None


# ---- the cursor on both sides of the wire


def read(event):
    """What a grid of one column and five layers makes of an event."""
    return event["layer"] if event["layer"] in range(5) else None


def receive(link, event):
    cursor = link.news(event, read)
    link.settle(event, cursor)
    return cursor


def test_an_echo_is_not_sent_back():
    link = CursorLink()
    link.place(0)
    sent = link.serial
    assert receive(link, {"layer": 3, "number": 1}) == 3
    link.place(3)
    assert (link.serial, link.placed) == (sent, 0)


def test_a_cursor_from_elsewhere_is_sent_once():
    link = CursorLink()
    link.place(0)
    receive(link, {"layer": 3, "number": 1})
    sent = link.serial
    link.place(4)
    link.place(4)
    assert (link.serial, link.placed) == (sent + 1, 4)


def test_an_event_is_news_until_it_is_settled():
    link = CursorLink()
    event = {"layer": 3, "number": 1}
    assert link.news(event, read) == link.news(event, read) == 3
    link.settle(event, 3)
    assert link.news(event, read) is None


def test_after_an_answer_that_does_not_fit_the_cursor_is_sent_again():
    link = CursorLink()
    link.place(2)
    sent = link.serial
    assert receive(link, {"layer": 99, "number": 1}) is None
    link.place(2)
    assert link.serial == sent + 1
