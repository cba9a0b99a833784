"""Tokens as shown: every byte visible, none able to act."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.errors import AnalysisError
from analysis.tokens import Tokens, visible

SHOWN = {
    "a space": (b" the", "·the"),
    "a line end": (b"\n\n", "⏎⏎"),
    "a tab and a return": (b"\t\r", "⇥␍"),
    "the first half of an emoji": ("🜂".encode()[:2], "⟨F0 9F⟩"),
    "the second half of an emoji, then a letter": ("🜂".encode()[2:] + b"x", "⟨9C 82⟩x"),
    "a stray byte between letters": (b"a\xffb", "a⟨FF⟩b"),
    "stray bytes around a space": (b"\xff \xfe\xff", "⟨FF⟩·⟨FE FF⟩"),
    "an overlong zero": (b"\xc0\x80", "⟨C0 80⟩"),
    "an encoded surrogate": (b"\xed\xa0\x80", "⟨ED A0 80⟩"),
    "an override of direction": ("\u202egnp".encode(), "⟨U+202E⟩gnp"),
    "a space without width": ("a\u200bb".encode(), "a⟨U+200B⟩b"),
    "a joiner of emoji": ("\u200d".encode(), "⟨U+200D⟩"),
    "a null": (b"\0", "⟨U+0000⟩"),
    "an escape sequence": (b"\x1b[31m", "⟨U+001B⟩[31m"),
    "a space that does not break": ("\u00a0".encode(), "⟨U+00A0⟩"),
    "a line separator": ("\u2028".encode(), "⟨U+2028⟩"),
    "a byte order mark": ("\ufeff".encode(), "⟨U+FEFF⟩"),
    "a mark without its letter": ("\u0301".encode(), "◌\u0301"),
    "an enclosing mark without its letter": ("\u20e3".encode(), "◌\u20e3"),
    "a mark on its letter": ("e\u0301".encode(), "e\u0301"),
    "a variation selector": ("\ufe0f".encode(), "⟨U+FE0F⟩"),
    "a filler that is a letter": ("\u3164".encode(), "⟨U+3164⟩"),
    "an empty braille cell": ("\u2800".encode(), "⟨U+2800⟩"),
    "a private character": ("\ue000".encode(), "⟨U+E000⟩"),
    "a backslash": (b"\\n", "\\n"),
    "markup": (b"<script>&amp;", "<script>&amp;"),
    "letters of other scripts": ("Ωжש中".encode(), "Ωжש中"),
    "nothing": (b"", ""),
}

CONTROL = ("Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp")
DRAWS_NOTHING = {*map(chr, range(0xFE00, 0xFE10)), "\u034f", "\u115f", "\u1160", "\u3164", "\uffa0", "\u2800"}


@pytest.mark.parametrize("name", SHOWN)
def test_a_piece_is_shown_with_nothing_invisible(name):
    piece, shown = SHOWN[name]
    assert visible(piece) == shown


@given(st.binary(max_size=12) | st.text(max_size=8).map(lambda text: text.encode("utf-8", "ignore")))
def test_no_bytes_whatever_show_a_character_that_hides_or_acts(piece):
    shown = re.sub("⟨[0-9A-F]{2}( [0-9A-F]{2})*⟩", "", whole := visible(piece))
    assert bool(whole) == bool(piece)
    assert not any(unicodedata.category(c) in CONTROL or c in DRAWS_NOTHING for c in shown)
    assert not whole or not unicodedata.category(whole[0]).startswith("M")


def test_a_text_is_extended_and_cut_without_losing_where_its_prompt_ends():
    tokens = Tokens((1, 2), (b"a", b"\xf0"), (False, True), prompt_length=2)
    longer = tokens.extended((3,), (b"\x9f",), (False,))
    assert (longer.ids, longer.special, longer.prompt_length) == ((1, 2, 3), (False, True, False), 2)
    assert longer.labels == ("a", "⟨F0⟩", "⟨9F⟩")
    assert longer.text == "a\ufffd"  # two bytes of a character that never came
    assert len(tokens) == 2
    assert (longer.cut(1).ids, longer.cut(1).prompt_length, longer.cut(3).prompt_length) == ((1,), 1, 2)
    for length in (0, 4, -1):
        with pytest.raises(AnalysisError, match=f"3 tokens has no first {length}"):
            longer.cut(length)
