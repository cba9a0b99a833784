"""Every occurrence of a word as an example of its own: where its senses lie apart, its points do."""

import re
from dataclasses import replace

import numpy as np

from analysis.corpora.corpus import Corpus
from analysis.errors import AnalysisError

WORD = "word"
"""Name of the column that says which of several words an occurrence is of."""


def occurrences(corpus: Corpus, word: str) -> Corpus:
    """The same corpus with every occurrence of a word, whole and in capitals or not, as an example with its span.

    Columns are repeated; where several words are given, a column says which one it is.

    Args:
        corpus: the texts; spans they have do not matter.
        word: one word or phrase, or several with commas between them.

    Raises:
        AnalysisError: no word was given, or none occurs.
    Misleads when: forms of a word (`banks`) matter and were not given: they are other words here.
    """
    words = tuple(dict.fromkeys(" ".join(part.split()) for part in word.split(",") if part.strip()))
    if not words:
        raise AnalysisError(
            "Give a word whose occurrences are to be points, or several with commas between them."
        )
    pattern = _pattern(words)
    found = [(row, match) for row, text in enumerate(corpus.texts) for match in pattern.finditer(text)]
    if not found:
        raise AnalysisError(
            f"{' and '.join(map(repr, words))} {'occurs' if len(words) == 1 else 'occur'} in none of the "
            f"{len(corpus):,} texts. Whole words are looked for; capitals do not matter."
        )
    chosen = corpus.taking([row for row, _ in found])
    columns, label = chosen.columns, corpus.label
    if len(words) > 1 and WORD not in columns:
        columns = columns.assign(**{WORD: [_as_given(match.group(), words) for _, match in found]})
        label = label or WORD
    return replace(
        chosen,
        name=f"{corpus.name}, {', '.join(words)}",
        columns=columns,
        spans=tuple(match.span() for _, match in found),
        label=label,
        notes=(*corpus.notes, _said(corpus, found)),
    )


def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """The longest first, so that a phrase is not taken for its first word."""
    parts = [r"\s+".join(map(re.escape, word.split())) for word in sorted(words, key=len, reverse=True)]
    return re.compile(rf"(?<!\w)(?:{'|'.join(parts)})(?!\w)", re.IGNORECASE)


def _as_given(written: str, words: tuple[str, ...]) -> str:
    folded = " ".join(written.split()).casefold()
    return next((word for word in words if word.casefold() == folded), folded)


def _said(corpus: Corpus, found: list[tuple[int, re.Match[str]]]) -> str:
    texts = len(np.unique([row for row, _ in found]))
    return f"{len(found):,} occurrences in {texts:,} of {len(corpus):,} texts."
