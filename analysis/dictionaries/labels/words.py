"""The tokens of a text as words: which are the same but for case and space, and what kind each is."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int32, Int64

from analysis.tokens import visible

PARTIAL = "\N{REPLACEMENT CHARACTER}"
"""What stands for bytes that are no whole character."""
CODE = frozenset("{}()[]<>=;_/\\#*&|$@^~`+%")
KINDS: dict[str, Callable[[str], bool]] = {
    "line ends": lambda text: "\n" in text,
    "numbers": lambda text: text.strip().isdigit(),
    "punctuation": lambda text: bool(text.strip()) and all(_is_sign(c) for c in text.strip()),
    "signs of code": lambda text: bool(text.strip()) and set(text.strip()) <= CODE,
    "capitalised words": lambda text: text.strip()[:1].isupper(),
    "words in capitals": lambda text: len(text.strip()) > 1 and text.strip().isupper(),
    "parts inside of words": lambda text: text[:1].isalpha() and text[:1].islower(),
    "parts of characters": lambda text: PARTIAL in text,
    "letters outside ASCII": lambda text: any(c.isalpha() and not c.isascii() for c in text),
}
"""What a token's text may be; one may be several of these."""
MOSTLY, FEWEST = 0.6, 3
"""Share of its tokens, and number of them, in which a part of a word must be part of the same one."""
BEGINNING, ENDING = (3, 4), (2, 3)
"""Letters of the beginnings and endings of words that are looked at."""


@runtime_checkable
class Pieces(Protocol):
    """What knows the bytes of a token, as a tokenizer does."""

    def piece(self, index: int) -> bytes:
        """The bytes one token stands for."""
        ...


def _is_sign(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


@dataclass(frozen=True, eq=False)
class Words:
    """Tokens of texts, each token that occurs being one word."""

    ids: Int32[np.ndarray, " word"]
    """Token id of every word."""
    pieces: tuple[bytes, ...]
    at: Int64[np.ndarray, " point"]
    """Which word every token is."""
    position: Int32[np.ndarray, " point"]

    @property
    def count(self) -> int:
        """Different ones."""
        return len(self.ids)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Of every word, with its spaces."""
        return tuple(piece.decode("utf-8", "replace") for piece in self.pieces)

    @cached_property
    def plain(self) -> "Groups":
        """Words that are the same but for case and spaces around, by the form that comes most often."""
        often = np.bincount(self.at, minlength=self.count)
        forms = [_form(text, piece) for text, piece in zip(self.texts, self.pieces, strict=True)]
        name: dict[str, str] = {}
        for place in np.argsort(often, kind="stable"):  # the last one stays
            name[forms[place].casefold()] = forms[place]
        return Groups.of([name[form.casefold()] for form in forms])

    @cached_property
    def shown(self) -> "dict[str, str]":
        """How those of `plain` are written that are parts of mostly one word: the rest of it in brackets."""
        group, names = self.plain.members.indices[self.at], self.plain.names  # a word is in one group
        goes_on = np.array([text[:1].isalpha() and text[:1].islower() for text in self.texts])[self.at]
        last = np.flatnonzero(goes_on & (self.position > 0)) - 1
        often = np.bincount(group, minlength=len(names))
        shape = (len(names), len(names))
        pairs = sp.coo_array((np.ones(len(last)), (group[last], group[last + 1])), shape=shape).tocsr()
        behind, before = _mostly(pairs, often), _mostly(pairs.T.tocsr(), often)
        written = {}
        for place, name in enumerate(names):
            if behind[place] >= 0 and name.isalpha():
                written[name] = f"{name}({names[behind[place]]})"
            elif before[place] >= 0 and names[before[place]].isalpha():
                written[name] = f"({names[before[place]]}){name}"
        return written

    @cached_property
    def kinds(self) -> "Groups":
        """Words by what kind of text they are."""
        return Groups.several([[name for name, is_one in KINDS.items() if is_one(t)] for t in self.texts])

    @cached_property
    def beginnings(self) -> "Groups":
        """Words with a space before them by their first letters."""
        return Groups.several([_beginnings(text) for text in self.texts])

    @cached_property
    def endings(self) -> "Groups":
        """Words by their last letters."""
        return Groups.several([_endings(text) for text in self.texts])

    def there(self, shift: int) -> sp.csr_array:
        """Which word stands so many tokens behind each token (point, word); no word beyond the stretch."""
        at = np.arange(len(self.at)) + shift
        inside = (at >= 0) & (at < len(self.at))
        at = np.where(inside, at, 0)
        inside &= self.position[at] == self.position + shift
        columns = self.at[at[inside]]
        offsets = np.concatenate([[0], np.cumsum(inside)])
        return sp.csr_array(
            (np.ones(len(columns), np.float32), columns, offsets), shape=(len(self.at), self.count)
        )


def _mostly(pairs: sp.csr_array, often: np.ndarray) -> np.ndarray:
    """The column that each row comes with in most cases; -1 where there is none."""
    found = np.full(pairs.shape[0], -1)
    for row, (first, end) in enumerate(pairwise(pairs.indptr)):
        if end > first and pairs.data[first:end].max() >= max(MOSTLY * often[row], FEWEST):
            found[row] = pairs.indices[first + int(pairs.data[first:end].argmax())]
    return found


def _form(text: str, piece: bytes) -> str:
    """Without spaces around; what cannot be seen, and bytes that are no character, so that they can."""
    bare = text.strip()
    return bare if bare and bare.isprintable() and PARTIAL not in bare else visible(piece.strip() or piece)


def _beginnings(text: str) -> list[str]:
    word = text.strip().casefold()
    return (
        [word[:n] for n in BEGINNING if len(word) > n]
        if text[:1].isspace() and word[: BEGINNING[1]].isalpha()
        else []
    )


def _endings(text: str) -> list[str]:
    word = text.strip().casefold()
    return [word[-n:] for n in ENDING if len(word) > n] if word.isalpha() else []


@dataclass(frozen=True, eq=False)
class Groups:
    """Words put into named groups."""

    names: tuple[str, ...]
    members: sp.csr_array
    """(word, group), 1 where a word is in a group."""

    @classmethod
    def of(cls, names: list[str]) -> "Groups":
        """One group for each word."""
        return cls.several([[name] for name in names])

    @classmethod
    def several(cls, names: list[list[str]]) -> "Groups":
        """Any number of groups for each word."""
        known = sorted({name for own in names for name in own})
        number = {name: place for place, name in enumerate(known)}
        columns = np.array([number[name] for own in names for name in own], np.int64)
        offsets = np.concatenate([[0], np.cumsum([len(own) for own in names])]).astype(np.int64)
        shape = (len(names), len(known))
        return cls(
            tuple(known), sp.csr_array((np.ones(len(columns), np.float32), columns, offsets), shape=shape)
        )


def words_of(tokenizer: Pieces, ids: np.ndarray, position: np.ndarray) -> Words:
    """The words that tokens are.

    Args:
        tokenizer: names them.
        ids: every token.
        position: of each in its stretch; 0 begins another one.
    """
    known, at = np.unique(np.asarray(ids), return_inverse=True)
    pieces = tuple(tokenizer.piece(int(index)) for index in known)
    return Words(known.astype(np.int32), pieces, at.astype(np.int64), np.asarray(position, np.int32))
