"""States of many short texts at every layer: run once in batches of similar length, kept on disk, read by layer.

Probes and erasers ask again and again for the states of the same examples. They are written next to each other
per layer, so that one layer is one contiguous piece of a file that is mapped, not loaded. What a cancelled or
killed run has written is kept, and the next one goes on from there.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64

from analysis import store
from analysis.edits import BASE, Edit, Site, Variant
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.labelled import LabelledSet
from analysis.models.loaded import LoadedModel
from analysis.tokens import Tokens

SPOTS = {
    "last": "the last token of the text",
    "span": "the last token of the span the label is about",
    "mean": "the mean over all tokens but the first",
}
"""Where an example is read, by id."""
BATCH_TOKENS, BATCH_ROWS = 1536, 32
"""Of one forward pass, padding included."""


@dataclass(frozen=True, eq=False)
class States:
    """States of examples, layer by layer."""

    layers: tuple[int, ...]
    """0 to L for the residual stream, 1 to L for neurons."""
    values: Float32[np.ndarray, "layer example width"]
    """Mapped from disk, read-only."""
    key: str
    """Fingerprint of model, texts, places and edits: whatever is computed from these states belongs to it."""

    def at(self, layer: int) -> Float32[np.ndarray, "example width"]:
        """The states of one layer.

        Raises:
            AnalysisError: it was not read.
        """
        if layer not in self.layers:
            raise AnalysisError(
                f"Layer {layer} was not read; there are layers {self.layers[0]} to {self.layers[-1]}."
            )
        return self.values[self.layers.index(layer)]


def capture(
    model: LoadedModel,
    given: LabelledSet,
    spot: str = "last",
    *,
    stream: Literal["residual", "neurons"] = "residual",
    edits: Sequence[Edit] = (),
    report: Report = silent,
) -> States:
    """The residual stream of every example at layers 0 to L, or the neurons of its MLPs at layers 1 to L.

    Args:
        model: the model.
        given: the examples; texts that come again are run once.
        spot: where an example is read, one of `SPOTS`; `span` reads the whole text where it has no span.
        stream: what is read.
        edits: run every text under these.
        report: progress in texts; raises `Cancelled` to stop, and what was done is kept.

    Raises:
        AnalysisError: a text is too long for the model or for memory (its number is named), the disk is full, or the
            model's neurons cannot be read.
    """
    if spot not in SPOTS:
        raise AnalysisError(f"{spot!r} is no place to read at; there are {', '.join(SPOTS)}.")
    report("Splitting texts into tokens")
    texts = _places(model, given, spot)
    key = fingerprint(
        "states",
        model.fingerprint,
        spot,
        stream,
        [(tokens.ids, places) for tokens, places in texts],
        tuple(edits),
    )
    place = store.folder("states", key)
    with store.held(f"states-{key}", report, "Waiting for the same texts, which are being read elsewhere"):
        sites = model.residual_sites() if stream == "residual" else model.neuron_sites() or (Site(1, stream),)
        _Reading(model, sites, tuple(edits), place, len(given)).finish(texts, report)
    values = np.load(place / VALUES, mmap_mode="r")
    return States(tuple(site.layer for site in sites), values, key)


def each_token(model: LoadedModel, given: LabelledSet) -> LabelledSet:
    """The same set with every token of every text as an example of its own, to be read with `span`.

    A token keeps its text's label and group. Misleads when: the label is about the text and most of its tokens
    cannot know it yet.
    """
    texts, rows, spans = [], [], []
    for row, text in enumerate(given.texts):
        for span in filter(_holds_text, _token_spans(model.tokenize(text), text)):
            texts.append(text)
            rows.append(row)
            spans.append(span)
    return LabelledSet(
        given.id,
        given.name,
        given.question,
        tuple(texts),
        given.targets[rows],
        given.classes,
        given.numbers,
        tuple(given.groups[row] for row in rows),
        tuple(spans),
        given.license,
        given.source,
    )


VALUES, DONE = "values.npy", "done.json"
_Places = list[tuple[int, tuple[int, ...]]]
"""Examples of one text, each with the positions it is the mean of."""


@dataclass(frozen=True)
class _Reading:
    """One set of texts on its way to disk."""

    model: LoadedModel
    sites: tuple[Site, ...]
    edits: tuple[Edit, ...]
    place: Path
    examples: int

    def finish(self, texts: list[tuple[Tokens, _Places]], report: Report) -> None:
        """Run the texts that are not on disk yet."""
        if (self.place / DONE).exists() and (self.place / VALUES).exists():
            done = set(store.read_json(self.place / DONE))
        else:
            self._make_file()
            done = set()
        values = np.load(self.place / VALUES, mmap_mode="r+")
        left = [number for number in range(len(texts)) if number not in done]
        for batch in _batches(left, texts):
            report("Reading texts", len(done), len(texts))
            self._read([texts[number] for number in batch], values)
            values.flush()  # before it is called done: a killed process must not leave zeros behind
            done.update(batch)
            store.write_json(self.place / DONE, sorted(done))

    def _make_file(self) -> None:
        wide = self.sites[0].stream == "neurons"
        shape = (len(self.sites), self.examples, self.model.n_neurons if wide else self.model.d_model)
        store.require_space(self.place, int(np.prod(shape)) * 4, "the states of these texts")
        np.lib.format.open_memmap(self.place / VALUES, mode="w+", dtype=np.float32, shape=shape).flush()

    def _read(self, texts: list[tuple[Tokens, _Places]], values: np.ndarray) -> None:
        variant = Variant("edited", self.edits) if self.edits else BASE
        trace = self.model.run([tokens for tokens, _ in texts], read=self.sites, variants=(variant,))
        for row, (_, places) in enumerate(texts):
            for layer, site in enumerate(self.sites):
                states = trace.at(site, row)
                for example, positions in places:
                    values[layer, example] = states[list(positions)].mean(0)


def _batches(numbers: list[int], texts: list[tuple[Tokens, _Places]]) -> list[list[int]]:
    """Texts of similar length together, the longest first: what does not fit into memory is found at once."""
    batches: list[list[int]] = []
    for number in sorted(numbers, key=lambda n: -len(texts[n][0])):
        longest = len(texts[batches[-1][0]][0]) if batches else 0
        full = (
            not batches or len(batches[-1]) >= BATCH_ROWS or (len(batches[-1]) + 1) * longest > BATCH_TOKENS
        )
        if full:
            batches.append([])
        batches[-1].append(number)
    return batches


def _places(model: LoadedModel, given: LabelledSet, spot: str) -> list[tuple[Tokens, _Places]]:
    """Every distinct text with the examples read from it, and where."""
    by_text: dict[str, list[int]] = defaultdict(list)
    for example, text in enumerate(given.texts):
        by_text[text].append(example)
    return [_places_of(model, given, spot, text, examples) for text, examples in by_text.items()]


def _places_of(
    model: LoadedModel, given: LabelledSet, spot: str, text: str, examples: list[int]
) -> tuple[Tokens, _Places]:
    try:
        tokens = model.tokenize(text)
        model.check_length(tokens)
    except AnalysisError as error:
        raise AnalysisError(f"Example {examples[0] + 1} cannot be read: {error}") from error
    spans = _token_spans(tokens, text) if spot == "span" else []
    return tokens, [
        (example, _positions(len(tokens), spot, given.spans[example], spans)) for example in examples
    ]


def _positions(
    count: int, spot: str, span: tuple[int, int] | None, spans: list[tuple[int, int]]
) -> tuple[int, ...]:
    if spot == "mean" and count > 1:
        return tuple(range(1, count))  # the first token is an attention sink
    if spot == "span" and span is not None:
        inside = [i for i, (start, end) in enumerate(spans) if start < span[1] and end > span[0]]
        return (inside[-1],) if inside else (count - 1,)
    return (count - 1,)


def _token_spans(tokens: Tokens, text: str) -> list[tuple[int, int]]:
    """First character of every token, and the one behind its last; equal for tokens that are none of the text."""
    start = max(b"".join(tokens.pieces).find(text.encode()), 0)
    edges = np.cumsum([0, *map(len, tokens.pieces)]) - start
    characters = _characters(text)
    bounds = np.clip(edges, 0, len(characters))
    return [
        (int(characters[a]), int(characters[b - 1]) + 1) if a < b else (0, 0)
        for a, b in zip(bounds[:-1], bounds[1:], strict=True)
    ]


def _holds_text(span: tuple[int, int]) -> bool:
    return span[0] < span[1]


def _characters(text: str) -> Int64[np.ndarray, " byte"]:
    """The character each byte of a text belongs to."""
    return np.repeat(np.arange(len(text)), [len(character.encode()) for character in text])
