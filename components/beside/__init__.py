"""Texts side by side while they are written: what a model says, and what it says when something is changed."""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import streamlit as st

from components.kinds import KINDS, NULL, KindName
from components.ramps import MODES
from components.word_diff import differing, tally

_HERE = Path(__file__).parent
_FILES = (
    _HERE.parent / "lens_grid" / "marks.js",
    *(_HERE / name for name in ("text.js", "card.js", "beside.js")),
)
_COLORS = "\n".join(
    f'.beside[data-mode="{mode}"] [data-kind="{name}"] {{ --kind: {kind.color(mode)}; }}'
    for mode in MODES
    for name, kind in KINDS.items()
)

_mount = st.components.v2.component(
    "bathyscope_beside",
    js="\n".join(file.read_text(encoding="utf-8") for file in _FILES),
    css=f"{(_HERE / 'beside.css').read_text(encoding='utf-8')}\n{_COLORS}",
)


@dataclass(frozen=True)
class Column:
    """One text."""

    name: str
    kind: KindName
    text: str
    """What was written so far, after the prompt."""
    note: str = ""
    """Stands with the text, beside how far it is or how many words differ from the reference."""
    ended: bool = False


def beside(
    columns: Sequence[Column], *, prompt: str, key: str, reference: int = 0, height: int | None = None
) -> None:
    """Draw the texts beside each other, each word marked that the reference does not have.

    Called again with longer texts, it only adds what is new: nodes, places of reading and selections stay.

    Args:
        columns: one card each, in their order; all of kind "null" share one.
        prompt: what every text continues, with the space or line break that stands before them.
        key: names this row in the session.
        reference: which column the others are compared with.
        height: of every card, in pixels; by default a card grows with its text up to a limit, then scrolls.

    Raises:
        ValueError: when there is no such reference.
    """
    _mount(key=key, data={"cards": json.dumps(_cards(columns, prompt, reference)), "height": height})


def shown(text: str) -> str:
    """A whole text with nothing in it that is invisible by nature or acts on its surroundings.

    Line breaks and tabs stay, as do the joiners that Persian words and emoji are written with; every other
    control, format, private or unassigned character becomes its number in `⟨ ⟩`.
    """
    return "".join(map(_shown, re.sub("\r\n?", "\n", text)))


def _shown(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Co", "Cn", "Cs")
    return f"⟨U+{ord(character):04X}⟩" if hidden and character not in "\n\t\u200c\u200d" else character


def _cards(columns: Sequence[Column], prompt: str, reference: int) -> list[dict]:
    if not 0 <= reference < len(columns):
        raise ValueError(f"Of {len(columns)} columns, none has the index {reference}.")
    texts = [
        _text(column, None if place == reference else columns[reference])
        for place, column in enumerate(columns)
    ]
    cards: list[dict] = []
    nulls = [text for column, text in zip(columns, texts, strict=True) if column.kind == "null"]
    for column, text in zip(columns, texts, strict=True):
        if column.kind != "null":
            cards.append(_card(column.kind, column.name, prompt, [text]))
        elif text is nulls[0]:
            cards.append(_card("null", f"{NULL.label}s" if len(nulls) > 1 else NULL.label, prompt, nulls))
    return cards


def _card(kind: KindName, name: str, prompt: str, texts: list[dict]) -> dict:
    look = KINDS[kind]
    label = "" if name == look.label or kind == "null" else look.label
    return {
        "kind": kind,
        "glyph": look.glyph,
        "label": label,  # the kind in a word, where the name does not say it
        "name": shown(name),
        "prompt": shown(prompt),
        "texts": texts,
    }


def _text(column: Column, reference: Column | None) -> dict:
    compared = reference or column
    pieces = _differing(column.text, compared.text, column.ended, compared.ended)
    return {
        "name": shown(column.name),
        "state": _state(column, reference, pieces),
        "note": shown(column.note),
        "ended": column.ended,
        "pieces": [piece for piece, _ in pieces],
        "different": [place for place, (_, differs) in enumerate(pieces) if differs],
    }


@lru_cache(64)
def _differing(text: str, reference: str, ended: bool, reference_ended: bool) -> tuple[tuple[str, bool], ...]:
    # a page that polls asks for the same comparison several times a second
    return tuple(differing(shown(text), shown(reference), ended=ended, reference_ended=reference_ended))


def _state(column: Column, reference: Column | None, pieces: Sequence[tuple[str, bool]]) -> str:
    """How far the text is; once it can be told, how it compares."""
    if not column.ended:
        return "writing"
    different, count = tally(pieces)
    if not count:
        return "no words"
    if reference is None or not reference.ended:
        return "" if column.note else "ended"
    name = shown(reference.name)
    if different:
        return f"{different} of {count} words {'differs' if different == 1 else 'differ'} from {name}"
    shorter = count < tally(_differing(reference.text, reference.text, True, True))[1]
    return f"no word differs from {name}" + (", which says more" if shorter else "")
