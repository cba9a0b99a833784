"""Words that are more frequent in a group's texts than in the others."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from analysis.groups.membership import Rows, membership

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
SOURCE = "Monroe, Colaresi & Quinn 2008, Political Analysis 16 (log odds with an informative Dirichlet prior)"


@dataclass(frozen=True)
class WordShift:
    """One word, in the group's texts and in the others."""

    word: str
    inside: int
    outside: int
    z: float
    """Difference of the log odds in standard errors; above 0 it is more frequent in the group."""


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return WORD.findall(text.lower())


def frequent_words(
    texts: Sequence[str], rows: Rows, among: Bool[np.ndarray, " point"] | None = None, *, most: int = 12
) -> tuple[WordShift, ...]:
    """The words whose odds are raised most in a group, those that stand out most clearly first.

    Every distinct text counts once; one that is both in the group and outside counts in the group.

    Args:
        texts: of all points.
        rows: the group.
        among: points that count; None takes all.
        most: words at most; only those that are more frequent in the group.

    Raises:
        AnalysisError: a row does not exist, or there is no group or no rest.
    Source: Monroe, Colaresi & Quinn 2008, Political Analysis 16; the prior is the words of all texts.
    Misleads when: texts are long and few: words of one text come together.
    """
    group, rest = membership(len(texts), rows, among)
    own = dict.fromkeys(texts[row] for row in group)
    others = dict.fromkeys(texts[row] for row in rest if texts[row] not in own)
    return shifts(_counts(own), _counts(others))[:most]


def shifts(inside: Counter[str], outside: Counter[str]) -> tuple[WordShift, ...]:
    """Words that are more frequent inside, the clearest first; see `frequent_words`."""
    words = sorted(inside)
    if not words or not outside:
        return ()
    a, b = (np.array([counts[word] for word in words], np.float64) for counts in (inside, outside))
    prior, size = a + b, inside.total() + outside.total()
    here = _log_odds(a + prior, inside.total() + size)
    there = _log_odds(b + prior, outside.total() + size)
    z = (here - there) / np.sqrt(1 / (a + prior) + 1 / (b + prior))
    order = [int(i) for i in np.argsort(-z, kind="stable") if z[i] > 0]
    return tuple(WordShift(words[i], int(a[i]), int(b[i]), float(z[i])) for i in order)


def _counts(texts: Iterable[str]) -> Counter[str]:
    return Counter(word for text in texts for word in words_of(text))


def _log_odds(count: np.ndarray, total: float) -> np.ndarray:
    return np.log(count) - np.log(np.maximum(total - count, 0.5))  # a single word has no others
