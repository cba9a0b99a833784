"""States of many short texts at every layer: run once in batches of similar length, kept on disk, read by layer.

Probes and erasers ask again and again for the states of the same examples. They are written next to each other
per layer, so that one layer is one contiguous piece of a file that is mapped, not loaded. What a cancelled or
killed run has written is kept, and the next one goes on from there.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64

from analysis import store
from analysis.activations import Trace
from analysis.edits import BASE, Edit, Site, Variant
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.labelled import MOST, LabelledSet
from analysis.models.loaded import LoadedModel
from analysis.tokens import Tokens

EACH = "token"
SPOTS = {
    "last": "the last token of the text",
    "span": "the last token of the span the label is about",
    "mean": "the mean over all tokens but the first",
    EACH: "every token but the first, each an example",
}
"""Where an example is read, by id. For every token `each_token` first makes examples of them."""


def spot_of(given: LabelledSet) -> str:
    """Where a set is read if nobody says: at the spans its labels are about, or at the texts' ends."""
    return "span" if any(span is not None for span in given.spans) else "last"


MOST_KEPT = 6 * 2**30
"""Bytes of states that stay on disk; what was used longest ago goes first."""
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
        spot: where an example is read, one of `SPOTS`; `span` reads the text's last token where it has no span.
        stream: what is read.
        edits: run every text under these.
        report: progress in texts; raises `Cancelled` to stop, and what was done is kept.

    Raises:
        AnalysisError: a text is too long for the model or for memory (its number is named), the disk is full, or the
            model's neurons cannot be read.
    """
    if spot not in SPOTS:
        raise AnalysisError(f"{spot!r} is no place to read at; there are {', '.join(SPOTS)}.")
    if spot == EACH and None in given.spans:
        raise AnalysisError(
            "To read every token, each has to be an example of its own; these are whole texts. Call `each_token` first."
        )
    report("Splitting texts into tokens")
    texts = places(model, given, spot)
    key = fingerprint(
        "states",
        model.fingerprint,
        spot,
        stream,
        [(tokens.ids, where) for tokens, where in texts],
        tuple(edits),
    )
    place = store.folder("states", key)
    with store.held(f"states-{key}", report, "Waiting for the same texts, which are being read elsewhere"):
        sites = model.residual_sites() if stream == "residual" else model.neuron_sites() or (Site(1, stream),)
        _Reading(model, sites, tuple(edits), place, len(given)).finish(texts, report)
    values = np.load(place / VALUES, mmap_mode="r")
    with suppress(OSError):  # another process may be deleting as well
        store.prune("states", MOST_KEPT, place)
    return States(tuple(site.layer for site in sites), values, key)


@dataclass(frozen=True)
class Usable:
    """The examples of a set that erasers and their judges can use."""

    given: LabelledSet
    left_out: int
    """Examples that are read at a text's first token."""
    at_first: bool
    """True if there are such examples and they had to be kept, as classes would be missing without them."""


def usable(model: LoadedModel, given: LabelledSet, spot: str) -> Usable:
    """The set without the examples that are read at a text's first token.

    That token is an attention sink: its state is a hundred times as long as others and decides any mean.
    """
    first = {
        example
        for _, where in places(model, given, spot)
        for example, positions in where
        if positions == (0,)
    }
    if not first:
        return Usable(given, 0, False)
    try:
        return Usable(given.taking([i for i in range(len(given)) if i not in first]), len(first), False)
    except AnalysisError:
        return Usable(given, 0, True)


def each_token(
    model: LoadedModel, given: LabelledSet, *, most: int = MOST, seed: int = 0, report: Report = silent
) -> LabelledSet:
    """The same set with every token of every text, or of its span, as an example of its own.

    A token keeps its example's label and group. The first token of a text, an attention sink, is left out where
    there are others; tokens that share a character are one. Of more than `most` tokens some are drawn at random, at
    least one of every example, and the set's source says so.

    Args:
        model: whose tokens.
        given: the examples.
        most: tokens at most; not fewer than there are examples.
        seed: of the draw.
        report: progress in examples; raises `Cancelled` to stop.

    Raises:
        AnalysisError: a text is too long for the model or for memory; its example is named.
    Misleads when: the label is about the text and most of its tokens cannot know it yet.
    """
    found: list[tuple[int, tuple[int, int]]] = []
    for row, text in enumerate(given.texts):
        if row % 100 == 0:
            report("Splitting texts into tokens", row, len(given))
        about = given.spans[row] or (0, len(text))
        spans = _token_spans(_tokens_of(model, text, row), text)
        found += [(row, span) for span in _inside(spans, about)]
    kept = _drawn(found, max(most, len(given)), seed)
    rows = [row for row, _ in kept]
    drawn = (
        f" {len(kept):,} of its {len(found):,} tokens, drawn with seed {seed}."
        if len(kept) < len(found)
        else ""
    )
    return replace(
        given.taking(rows),
        name=f"{given.name}, every token",
        spans=tuple(span for _, span in kept),
        source=f"{given.source}{drawn}",
    )


def _inside(tokens: list[tuple[int, int]], about: tuple[int, int]) -> list[tuple[int, int]]:
    """The tokens that share a character with a span, but for the first of the text where there are others."""
    places = {
        span: number
        for number, span in enumerate(tokens)
        if span[0] < span[1] and span[0] < about[1] and span[1] > about[0]
    }
    return [span for span, number in places.items() if number > 0] or list(places) or [about]


def _drawn(
    found: list[tuple[int, tuple[int, int]]], most: int, seed: int
) -> list[tuple[int, tuple[int, int]]]:
    """At most so many of the tokens, in their order: one of every example, the others at random."""
    if len(found) <= most:
        return found
    order = np.random.default_rng(seed).permutation(len(found))
    rows = np.array([row for row, _ in found])[order]
    one_each = order[np.unique(rows, return_index=True)[1]]
    others = order[~np.isin(order, one_each)]
    kept = np.sort(np.concatenate([one_each, others[: most - len(one_each)]]))
    return [found[number] for number in kept]


VALUES, DONE = "values.npy", "done.json"
Places = list[tuple[int, tuple[int, ...]]]
"""Examples of one text, each with the positions it is the mean of."""


@dataclass(frozen=True)
class _Reading:
    """One set of texts on its way to disk."""

    model: LoadedModel
    sites: tuple[Site, ...]
    edits: tuple[Edit, ...]
    place: Path
    examples: int

    def finish(self, texts: list[tuple[Tokens, Places]], report: Report) -> None:
        """Run the texts that are not on disk yet."""
        if (self.place / DONE).exists() and (self.place / VALUES).exists():
            done = set(store.read_json(self.place / DONE))
        else:
            self._make_file()
            done = set()
        values = np.load(self.place / VALUES, mmap_mode="r+")
        left = [number for number in range(len(texts)) if number not in done]
        for batch in batches(left, texts):
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

    def _read(self, texts: list[tuple[Tokens, Places]], values: np.ndarray) -> None:
        variant = Variant("edited", self.edits) if self.edits else BASE
        trace = self.model.run([tokens for tokens, _ in texts], read=self.sites, variants=(variant,))
        for layer, site in enumerate(self.sites):
            pick(trace, site, texts, values[layer])


def pick(
    trace: Trace,
    site: Site,
    texts: list[tuple[Tokens, Places]],
    into: Float32[np.ndarray, "example width"],
) -> None:
    """Write the states of a batch's examples at one site to their rows."""
    for row, (_, where) in enumerate(texts):
        states = trace.at(site, row)
        for example, positions in where:
            into[example] = states[list(positions)].mean(0)


def batches(numbers: list[int], texts: list[tuple[Tokens, Places]]) -> list[list[int]]:
    """Texts of similar length together, the longest first: what does not fit into memory is found at once."""
    found: list[list[int]] = []
    for number in sorted(numbers, key=lambda n: -len(texts[n][0])):
        longest = len(texts[found[-1][0]][0]) if found else 0
        if not found or len(found[-1]) >= BATCH_ROWS or (len(found[-1]) + 1) * longest > BATCH_TOKENS:
            found.append([])
        found[-1].append(number)
    return found


def places(model: LoadedModel, given: LabelledSet, spot: str) -> list[tuple[Tokens, Places]]:
    """Every distinct text with the examples read from it, and where."""
    by_text: dict[str, list[int]] = defaultdict(list)
    for example, text in enumerate(given.texts):
        by_text[text].append(example)
    return [_places_of(model, given, spot, text, examples) for text, examples in by_text.items()]


def _places_of(
    model: LoadedModel, given: LabelledSet, spot: str, text: str, examples: list[int]
) -> tuple[Tokens, Places]:
    tokens = _tokens_of(model, text, examples[0])
    spans = _token_spans(tokens, text) if spot in ("span", EACH) else []
    return tokens, [
        (example, _positions(len(tokens), spot, given.spans[example], spans)) for example in examples
    ]


def _tokens_of(model: LoadedModel, text: str, example: int) -> Tokens:
    try:
        tokens = model.tokenize(text)
        model.check_length(tokens)
    except AnalysisError as error:
        raise AnalysisError(f"Example {example + 1} cannot be read: {error}") from error
    return tokens


def _positions(
    count: int, spot: str, span: tuple[int, int] | None, spans: list[tuple[int, int]]
) -> tuple[int, ...]:
    if spot == "mean" and count > 1:
        return tuple(range(1, count))  # the first token is an attention sink
    if span is not None and spans:
        backwards = range(count - 1, -1, -1)
        return (next((i for i in backwards if spans[i][0] < span[1] and spans[i][1] > span[0]), count - 1),)
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


def _characters(text: str) -> Int64[np.ndarray, " byte"]:
    """The character each byte of a text belongs to."""
    return np.repeat(np.arange(len(text)), [len(character.encode()) for character in text])
