"""Where examples stand in the tokens of their texts: which positions each one is read at."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.tokens import Tokens

EACH = "token"
SPOTS = {
    "last": "the last token of the text",
    "span": "the last token of the span the label is about",
    "mean": "the mean over all tokens but the first",
    EACH: "every token but the first, each an example",
}
"""Where an example is read, by id. For every token `captures.each_token` first makes examples of them."""
BATCH_TOKENS, BATCH_ROWS = 1536, 32
"""Of one forward pass, padding included."""
TOLD_EVERY = 250
"""Texts between two reports while they are split into tokens."""


@runtime_checkable
class Examples(Protocol):
    """What can be read: a `LabelledSet`, a `Corpus`, or anything with texts and spans."""

    name: str
    texts: tuple[str, ...]
    """One per example; the same text may come again with another span."""
    spans: tuple[tuple[int, int] | None, ...]
    """First character, and the one behind the last, that an example is about; None is the whole text."""
    source: str

    def __len__(self) -> int:
        """Examples."""
        ...

    def taking(self, rows: Sequence[int]) -> "Examples":
        """The same with these examples only."""
        ...


Places = list[tuple[int, tuple[int, ...]]]
"""Examples of one text, each with the positions it is the mean of."""


def places(
    model: LoadedModel, given: Examples, spot: str, report: Report = silent
) -> list[tuple[Tokens, Places]]:
    """Every distinct text with the examples read from it, and where.

    Args:
        model: whose tokens.
        given: the examples.
        spot: one of `SPOTS`; `span` reads the text's last token where an example has no span.
        report: progress in texts; raises `Cancelled` to stop.

    Raises:
        AnalysisError: a text is too long for the model or for memory; its number is named.
    """
    by_text: dict[str, list[int]] = defaultdict(list)
    for example, text in enumerate(given.texts):
        by_text[text].append(example)
    found = []
    for number, (text, examples) in enumerate(by_text.items()):
        if number % TOLD_EVERY == 0:
            report("Splitting texts into tokens", number, len(by_text))
        tokens = tokens_of(model, text, examples[0])
        ends = _positions(tokens, text, spot, [given.spans[example] for example in examples])
        found.append((tokens, list(zip(examples, ends, strict=True))))
    return found


def batches(numbers: list[int], texts: list[tuple[Tokens, Places]]) -> list[list[int]]:
    """Texts of similar length together, the longest first: what does not fit into memory is found at once."""
    found: list[list[int]] = []
    for number in sorted(numbers, key=lambda n: -len(texts[n][0])):
        longest = len(texts[found[-1][0]][0]) if found else 0
        if not found or len(found[-1]) >= BATCH_ROWS or (len(found[-1]) + 1) * longest > BATCH_TOKENS:
            found.append([])
        found[-1].append(number)
    return found


def tokens_of(model: LoadedModel, text: str, example: int) -> Tokens:
    """A text's tokens.

    Raises:
        AnalysisError: it is too long for the model or for memory; the example is named.
    """
    try:
        tokens = model.tokenize(text)
        model.check_length(tokens)
    except AnalysisError as error:
        raise AnalysisError(f"Example {example + 1} cannot be read: {error}") from error
    return tokens


def token_spans(tokens: Tokens, text: str) -> Int64[np.ndarray, "position 2"]:
    """First character of every token, and the one behind its last; equal for tokens that are none of the text."""
    start = max(b"".join(tokens.pieces).find(text.encode()), 0)
    edges = np.cumsum([0, *map(len, tokens.pieces)]) - start
    characters = _characters(text)
    bounds = np.clip(edges, 0, len(characters))
    inside = bounds[:-1] < bounds[1:]
    first, last = bounds[:-1][inside], bounds[1:][inside] - 1
    spans = np.zeros((len(tokens), 2), np.int64)
    spans[inside, 0], spans[inside, 1] = characters[first], characters[last] + 1
    return spans


def _characters(text: str) -> Int64[np.ndarray, " byte"]:
    """The character each byte of a text belongs to."""
    if text.isascii():
        return np.arange(len(text))
    return np.repeat(np.arange(len(text)), [len(character.encode()) for character in text])


def _positions(
    tokens: Tokens, text: str, spot: str, spans: list[tuple[int, int] | None]
) -> list[tuple[int, ...]]:
    """The positions that every example of one text is the mean of."""
    count = len(tokens)
    if spot == "mean" and count > 1:
        return [tuple(range(1, count))] * len(spans)  # the first token is an attention sink
    if spot in ("span", EACH) and any(span is not None for span in spans):
        return [(position,) for position in _last_in(token_spans(tokens, text), spans).tolist()]
    return [(count - 1,)] * len(spans)


def _last_in(
    tokens: Int64[np.ndarray, "position 2"], spans: list[tuple[int, int] | None]
) -> Int64[np.ndarray, " example"]:
    """The last token that shares a character with each span; the text's last one where none does."""
    wanted = np.array([span or (0, 0) for span in spans], np.int64)
    shares = (tokens[:, 0] < wanted[:, 1:]) & (tokens[:, 1] > wanted[:, :1])
    last = len(tokens) - 1 - shares[:, ::-1].argmax(1)
    return np.where(shares.any(1), last, len(tokens) - 1)
