"""Typing errors on purpose: the same sentence again with some of its words split or mistyped."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint

WORD = re.compile(r"[^\W\d_]{4,}")
"""Runs of letters that are long enough to stay legible."""
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
"""Rows of letters on a keyboard, each set half a key to the right of the one above."""


def _beside() -> dict[str, str]:
    """The letters around every letter."""
    places = {
        letter: (row, column + row / 2)
        for row, keys in enumerate(KEYBOARD)
        for column, letter in enumerate(keys)
    }
    return {
        letter: "".join(
            other
            for other, (at, along) in places.items()
            if other != letter and abs(at - row) <= 1 and abs(along - column) <= 1
        )
        for letter, (row, column) in places.items()
    }


NEIGHBOURS = _beside()


def split(word: str, random: np.random.Generator) -> str:
    """The word with a space somewhere inside."""
    at = int(random.integers(1, len(word)))
    return f"{word[:at]} {word[at:]}"


def substitute(word: str, random: np.random.Generator) -> str:
    """The word with one of its letters replaced by another one of the alphabet."""
    at = int(random.integers(len(word)))
    others = [letter for letter in sorted(NEIGHBOURS) if letter != word[at].lower()]
    return _replaced(word, at, others[int(random.integers(len(others)))])


def slip(word: str, random: np.random.Generator) -> str:
    """The word with one of its letters replaced by a neighbour on the keyboard; unchanged if none is on it."""
    able = [at for at, letter in enumerate(word) if letter.lower() in NEIGHBOURS]
    if not able:
        return word
    at = able[int(random.integers(len(able)))]
    near = NEIGHBOURS[word[at].lower()]
    return _replaced(word, at, near[int(random.integers(len(near)))])


def _replaced(word: str, at: int, letter: str) -> str:
    """The word with another letter at a place, in capitals where the old one was."""
    return word[:at] + (letter.upper() if word[at].isupper() else letter) + word[at + 1 :]


KINDS: dict[str, tuple[str, Callable[[str, np.random.Generator], str]]] = {
    "split": ("words are split in two", split),
    "substitute": ("letters become other letters", substitute),
    "slip": ("letters become their neighbours on the keyboard", slip),
}
"""What is done to a word, by id: in words, and how."""


def noisy(
    text: str, copy: int, *, rate: float = 0.3, kinds: Sequence[str] = tuple(KINDS), seed: int = 0
) -> str:
    """One mistyped copy of a text, always the same for the same text, copy and seed.

    Each kind in turn hits its own share of the words with at least four letters, one place in each.

    Args:
        text: the text.
        copy: number of the copy; each has errors of its own.
        rate: share of the words that each kind hits, 0 to 1; at least one word unless it is 0.
        kinds: which ones, of `KINDS`, in the order in which they are applied.
        seed: another one mistypes other words.

    Raises:
        AnalysisError: there is no such kind, or the rate is no share.

    Source: in the spirit of the augmentations of Skean et al. 2025, arXiv 2502.02013, which used nlpaug.
    Misleads when: texts have no long words of letters, or no Latin ones: splitting is then all that is left.
    """
    if not 0 <= rate <= 1 or not set(kinds) <= set(KINDS):
        raise AnalysisError(
            f"Noise hits a share of 0 to 1 of the words, in ways of {', '.join(KINDS)}; given {rate} and {list(kinds)}."
        )
    random = np.random.default_rng(int(fingerprint("noise", seed, text, copy)[:32], 16))
    for kind in kinds:
        text = _hit(text, rate, KINDS[kind][1], random)
    return text


def _hit(
    text: str, rate: float, change: Callable[[str, np.random.Generator], str], random: np.random.Generator
) -> str:
    """The text with a share of its words changed."""
    words = list(WORD.finditer(text))
    count = min(len(words), max(1, round(rate * len(words)))) if rate else 0
    pieces, end = [], 0
    for number in sorted(random.permutation(len(words))[:count].tolist()):
        word = words[number]
        pieces += [text[end : word.start()], change(word.group(), random)]
        end = word.end()
    return "".join([*pieces, text[end:]])
