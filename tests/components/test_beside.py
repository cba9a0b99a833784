"""What the row of texts is sent, and what the kinds wear."""

import json
import tomllib
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

import components.beside as module
from components.beside import Column, beside, shown
from components.kinds import KINDS
from components.ramps import contrast

ROOT = Path(__file__).parents[2]
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
MODES = ("light", "dark")

BASE = Column("base", "base", " deep and cold", ended=True)


@pytest.fixture
def sent(monkeypatch):
    """The cards that a call sends."""
    calls = []
    monkeypatch.setattr(module, "_mount", lambda **arguments: calls.append(arguments))

    def send(*columns, prompt="The sea is", **options):
        beside(columns, prompt=prompt, key="texts", **options)
        assert calls[-1]["key"] == "texts"
        return json.loads(calls[-1]["data"]["cards"])

    send.calls = calls
    return send


def text_of(card):
    return "".join(card["texts"][0]["pieces"])


def marked(text):
    return [text["pieces"][place] for place in text["different"]]


def test_a_card_each_and_one_for_all_random_pushes(sent):
    nulls = [Column(f"push {number}", "null", " deep") for number in (1, 2)]
    asked = Column("in words", "asked", " dry")
    cards = sent(BASE, nulls[0], Column("sea → desert", "edited", " dry"), nulls[1], asked)
    assert [card["kind"] for card in cards] == ["base", "null", "edited", "asked"]
    assert [card["name"] for card in cards] == ["base", "random controls", "sea → desert", "in words"]
    assert [text["name"] for text in cards[1]["texts"]] == ["push 1", "push 2"]
    assert [len(card["texts"]) for card in cards] == [1, 2, 1, 1]
    assert {card["prompt"] for card in cards} == {"The sea is"}


def test_a_single_random_push_is_named_as_one(sent):
    assert sent(BASE, Column("push 1", "null", " deep"))[1]["name"] == "random control"


def test_a_card_says_its_kind_once(sent):
    cards = sent(BASE, Column("sea → desert", "edited", ""), Column("push", "null", ""))
    assert [card["label"] for card in cards] == ["", "edited", ""]


def test_words_that_the_reference_lacks_are_marked(sent):
    cards = sent(BASE, Column("edited", "edited", " dry and cold", ended=True))
    base, edited = (card["texts"][0] for card in cards)
    assert text_of(cards[1]) == " dry and cold"
    assert marked(base) == [] and marked(edited) == ["dry"]


def test_any_column_can_be_the_reference(sent):
    cards = sent(BASE, Column("edited", "edited", " dry and cold", ended=True), reference=1)
    base, edited = (card["texts"][0] for card in cards)
    assert marked(base) == ["deep"] and marked(edited) == []
    assert base["state"] == "1 of 3 words differs from edited"


@pytest.mark.parametrize("reference", [-1, 1])
def test_a_reference_that_is_not_there_is_refused(sent, reference):
    with pytest.raises(ValueError, match="Of 1 columns"):
        sent(BASE, reference=reference)


def test_nothing_is_refused_too(sent):
    with pytest.raises(ValueError, match="Of 0 columns"):
        sent()


def test_beyond_an_unfinished_reference_nothing_is_marked(sent):
    writing = Column("base", "base", " deep and ")
    cards = sent(writing, Column("edited", "edited", " deep or cold, and wide", ended=True))
    assert marked(cards[1]["texts"][0]) == ["or"]
    assert cards[1]["texts"][0]["state"] == "ended"  # no count yet: the reference goes on


@pytest.mark.parametrize(
    ("column", "state"),
    [
        (Column("e", "edited", " dry"), "writing"),
        (Column("e", "edited", " \n", ended=True), "no words"),
        (Column("e", "edited", " dry or cold", ended=True), "2 of 3 words differ from base"),
        (Column("e", "edited", " dry and cold", ended=True), "1 of 3 words differs from base"),
        (Column("e", "edited", " deep  and cold", ended=True), "no word differs from base"),
        (Column("e", "edited", " deep and", ended=True), "no word differs from base, which says more"),
    ],
)
def test_how_far_a_text_is_and_how_it_compares(sent, column, state):
    assert sent(BASE, column)[1]["texts"][0]["state"] == state


def test_a_note_stands_beside_the_count(sent):
    cards = sent(
        Column("base", "base", " deep", note="It ended by itself.", ended=True),
        Column("edited", "edited", " dry", note="It ended by itself.", ended=True),
    )
    notes = [(card["texts"][0]["state"], card["texts"][0]["note"]) for card in cards]
    assert notes == [
        ("", "It ended by itself."),  # "ended" would say it twice
        ("1 of 1 words differs from base", "It ended by itself."),
    ]


def test_the_height_is_passed_on(sent):
    sent(BASE)
    sent(BASE, height=300)
    assert [call["data"]["height"] for call in sent.calls] == [None, 300]


def test_everything_shown_is_made_visible(sent):
    hostile = "\u202eevil\x00"
    card = sent(Column(hostile, "base", hostile, note=hostile), prompt=hostile)[0]
    text = card["texts"][0]
    visible = "⟨U+202E⟩evil⟨U+0000⟩"
    assert [card["name"], card["prompt"], text_of(card), text["note"], text["name"]] == [visible] * 5


@pytest.mark.parametrize(
    ("text", "as_shown"),
    [
        ("a\r\nb\rc\n\td", "a\nb\nc\n\td"),
        ("a\x07b\x1b[31m\x85", "a⟨U+0007⟩b⟨U+001B⟩[31m⟨U+0085⟩"),
        ("a\u200bb\u2028c\ufeff", "a⟨U+200B⟩b⟨U+2028⟩c⟨U+FEFF⟩"),
        ("\ud83d", "⟨U+D83D⟩"),
        ("می\u200cخواهم 👩\u200d🚀 <b>&amp;", "می\u200cخواهم 👩\u200d🚀 <b>&amp;"),
    ],
)
def test_characters_without_a_shape_are_named(text, as_shown):
    assert shown(text) == as_shown


@given(some.text())
def test_what_is_shown_is_shown_as_it_is(text):
    assert shown(shown(text)) == shown(text)


# ---- the kinds


@pytest.mark.parametrize("mode", MODES)
def test_the_kinds_wear_the_theme_s_colours(mode):
    colors = THEME[mode]["chartCategoricalColors"]
    worn = [KINDS[name].color(mode) for name in ("base", "edited", "asked")]
    assert set(worn) <= set(colors) and len(set(worn)) == 3


@pytest.mark.parametrize("surface", ["backgroundColor", "secondaryBackgroundColor"])
@pytest.mark.parametrize("mode", MODES)
def test_every_kind_stands_out_from_the_page(mode, surface):
    for kind in KINDS.values():
        assert contrast(kind.color(mode), THEME[mode][surface]) >= 3, kind


@pytest.mark.parametrize("mode", MODES)
def test_the_null_stays_behind_the_others(mode):
    page = THEME[mode]["backgroundColor"]
    null = contrast(KINDS["null"].color(mode), page)
    assert all(null < contrast(kind.color(mode), page) for name, kind in KINDS.items() if name != "null")


def test_no_two_kinds_differ_by_colour_alone():
    for one, other in combinations(KINDS.values(), 2):
        assert one.glyph != other.glyph and one.symbol != other.symbol and one.label != other.label
        assert (one.dash, one.width) != (other.dash, other.width)
