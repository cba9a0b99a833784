"""Which words of one text differ from another, also while both are still being written."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

_LIKE_WORDS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # kana and Han, written without spaces
_PIECE = re.compile(rf"\s+|[{_LIKE_WORDS}]|[^\s{_LIKE_WORDS}]+")


def words(text: str) -> list[str]:
    """The words of a text and the whitespace between them; joined, they are the text."""
    return _PIECE.findall(text)


def differing(
    text: str, reference: str, *, ended: bool = True, reference_ended: bool = True
) -> list[tuple[str, bool]]:
    """The words of `text` and the whitespace between them, each with True where it differs from `reference`.

    Words are compared without the whitespace around them; whitespace is marked only between two words that
    are. What is still being written is not judged early: its last word may go on, and words of the text are
    not marked for standing where an unfinished reference has none yet.

    Args:
        text: whose words are marked.
        reference: what they are compared with.
        ended: False while words may still come.
        reference_ended: the same of the reference.
    """
    pieces, wanted = words(text), words(reference)
    places = _written(pieces, ended)
    wanted = [wanted[place] for place in _written(wanted, reference_ended)]
    said = [pieces[place] for place in places]
    marked = {places[index] for index in _unmatched(said, wanted, reference_ended)}
    marked |= {
        place for place, piece in enumerate(pieces) if piece.isspace() and {place - 1, place + 1} <= marked
    }
    return [(piece, place in marked) for place, piece in enumerate(pieces)]


def tally(pieces: Sequence[tuple[str, bool]]) -> tuple[int, int]:
    """How many words differ, and how many there are."""
    flags = [differs for piece, differs in pieces if not piece.isspace()]
    return sum(flags), len(flags)


def _written(pieces: list[str], ended: bool) -> list[int]:
    """Where the words stand, without the one that may still go on."""
    whole = pieces if ended else pieces[:-1]
    return [place for place, piece in enumerate(whole) if not piece.isspace()]


def _unmatched(said: list[str], wanted: list[str], whole: bool) -> list[int]:
    """Which words of `said` have no match in `wanted`; where that is not whole, none beyond its end."""
    if not whole:
        said = said[: len(wanted)]
    found, after, seen = [], 0, 0
    for start, said_start, size in SequenceMatcher(None, wanted, said, autojunk=False).get_matching_blocks():
        if size:  # the last one is an empty one at both ends
            found += range(after, said_start)
            after, seen = said_start + size, start + size
    end = len(said) if whole else min(len(said), after + len(wanted) - seen)
    return [*found, *range(after, end)]
