"""Which texts of a corpus are read, and how much of each."""

from dataclasses import replace

import numpy as np

from analysis.corpora import Corpus
from analysis.models.loaded import LoadedModel
from analysis.places import token_spans, tokens_of


def drawn(corpus: Corpus, most: int | None, seed: int = 0) -> Corpus:
    """At most so many distinct texts, in the order in which they first come, each with all examples on it.

    Args:
        corpus: the examples.
        most: of more texts so many are drawn at random; None takes all.
        seed: of the draw.
    """
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(corpus.texts):
        rows.setdefault(text, []).append(row)
    texts = list(rows.values())
    if most is not None and len(texts) > most:
        kept = np.sort(np.random.default_rng(seed).permutation(len(texts))[:most])
        texts = [texts[number] for number in kept]
    return corpus.taking([row for own in texts for row in own])


def whole(corpus: Corpus) -> Corpus:
    """Every distinct text once, as a whole."""
    first = {text: row for row, text in reversed(list(enumerate(corpus.texts)))}
    return replace(corpus.taking(sorted(first.values())), spans=(None,) * len(first))


def beginning(model: LoadedModel, text: str, length: int, number: int = 0) -> str:
    """A text up to so many of its tokens; what is left may be split a little differently.

    Args:
        model: whose tokens.
        text: the text.
        length: tokens at most, those that stand before the text among them.
        number: of the text, to name it where it is too long for the model or for memory.

    Raises:
        AnalysisError: it is.
    """
    if len(text) < length:  # a token is a character at least, and one may stand before the text
        return text
    tokens = tokens_of(model, text, number)
    if len(tokens) <= length:
        return text
    return text[: int(token_spans(tokens, text)[:length, 1].max())] or text
