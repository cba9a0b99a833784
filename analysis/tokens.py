"""Tokens as people see them: every byte accounted for, nothing invisible."""

import re
import unicodedata
from dataclasses import dataclass, replace

from analysis.errors import AnalysisError

_NAMED = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍"}
_DRAWS_NOTHING = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters, marks and signs that are nevertheless invisible: fillers, joiners, variation selectors."""


def visible(piece: bytes) -> str:
    """Write a token's bytes so that nothing in it is invisible or can act on the text around it.

    Spaces become `·`, line ends `⏎`, tabs `⇥`; bytes that are no whole character become their hexadecimal
    values in `⟨ ⟩`, as do control, format (zero-width, direction) and unusual space characters.
    """
    text = piece.decode("utf-8", "surrogateescape")  # stray bytes become U+DC80 to U+DCFF
    shown = re.sub("[\udc80-\udcff]+|[^\udc80-\udcff]", lambda run: _show(run.group()), text)
    lone_mark = shown[:1] == text[:1] != "" and unicodedata.category(text[0]).startswith("M")
    return f"◌{shown}" if lone_mark else shown


def _bytes_of(stray: str) -> str:
    return "⟨" + " ".join(f"{ord(character) - 0xDC00:02X}" for character in stray) + "⟩"


def _show(character: str) -> str:
    if "\udc80" <= character[0] <= "\udcff":
        return _bytes_of(character)
    if character in _NAMED:
        return _NAMED[character]
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp", "Co", "Cn", "Cs")
    if hidden or _DRAWS_NOTHING.match(character):
        return f"⟨U+{ord(character):04X}⟩"
    return character


@dataclass(frozen=True)
class Tokens:
    """A text as the model receives it."""

    ids: tuple[int, ...]
    pieces: tuple[bytes, ...]
    """The bytes each token stands for; joined, without the tokens that were added, they are the text."""
    special: tuple[bool, ...]
    """True for control tokens such as BOS or a chat template's marks."""
    prompt_length: int
    """Tokens of the prompt, BOS and template included; those after it were generated."""
    note: str = ""
    """What the tokenizer did to the text that the reader should know; empty if nothing."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> tuple[str, ...]:
        """Each token as shown on screen."""
        return tuple(visible(piece) for piece in self.pieces)

    @property
    def text(self) -> str:
        """All tokens joined; bytes that form no character are replaced by U+FFFD."""
        return b"".join(self.pieces).decode("utf-8", "replace")

    def extended(
        self, ids: tuple[int, ...], pieces: tuple[bytes, ...], special: tuple[bool, ...]
    ) -> "Tokens":
        """The same text with generated tokens after it."""
        return replace(self, ids=self.ids + ids, pieces=self.pieces + pieces, special=self.special + special)

    def cut(self, length: int) -> "Tokens":
        """The first `length` tokens."""
        if not 0 < length <= len(self):
            raise AnalysisError(f"A text of {len(self)} tokens has no first {length}.")
        return replace(
            self,
            ids=self.ids[:length],
            pieces=self.pieces[:length],
            special=self.special[:length],
            prompt_length=min(self.prompt_length, length),
        )
