"""States of many short texts at every layer: run once in batches of similar length, kept on disk, read by layer.

Probes and erasers ask again and again for the states of the same examples. They are written next to each other
per layer, so that one layer is one contiguous piece of a file that is mapped, not loaded. What a cancelled or
killed run has written is kept, and the next one goes on from there.
"""

import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float32

from analysis import store
from analysis.activations import Trace
from analysis.directions import span
from analysis.edits import BASE, Edit, Place, Site, Variant
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.labelled import MOST
from analysis.maps.twins import dealt
from analysis.models.loaded import LoadedModel
from analysis.places import EACH, SPOTS, Examples, Places, batches, places, token_spans, tokens_of
from analysis.points import keep_points
from analysis.states_file import StatesFile, shape_of
from analysis.tokens import Tokens

Given = TypeVar("Given", bound=Examples)


def spot_of(given: Examples) -> str:
    """Where a set is read if nobody says: at the spans its labels are about, or at the texts' ends."""
    return "span" if any(span is not None for span in given.spans) else "last"


MOST_KEPT = 6 * 2**30
"""Bytes of states that stay on disk; what was used longest ago goes first."""
KEEP_EVERY = 5.0
"""Seconds of work that a killed process loses at most."""
FEWEST_SECONDS = 1.0
"""Of reading, from which on its speed is remembered."""


_IN_USE: "weakref.WeakSet[States]" = weakref.WeakSet()
"""What this process has mapped: it is not deleted to make room."""


@dataclass(frozen=True, eq=False)
class States:
    """States of examples, layer by layer."""

    layers: tuple[int, ...]
    """0 to L for the residual stream, 1 to L for neurons and for what attention and MLP add."""
    values: Float32[np.ndarray, "layer example width"]
    """Mapped from disk, read-only."""
    key: str
    """Fingerprint of model, texts, places, layers and edits: whatever is computed from these states belongs to it."""

    def __post_init__(self):
        _IN_USE.add(self)

    def at(self, layer: int) -> Float32[np.ndarray, "example width"]:
        """The states of one layer.

        Raises:
            AnalysisError: it was not read.
        """
        if layer not in self.layers:
            raise AnalysisError(f"Layer {layer} was not read; there are layers {span(self.layers)}.")
        return self.values[self.layers.index(layer)]


def capture(
    model: LoadedModel,
    given: Examples,
    spot: str = "last",
    *,
    layers: tuple[int, ...] | None = None,
    stream: Place = "residual",
    edits: Sequence[Edit] = (),
    deal: int | None = None,
    report: Report = silent,
) -> States:
    """The residual stream of every example at layers 0 to L, or what blocks 1 to L hold or add to it.

    What a cancelled, failed or killed run has read is kept, and the next one goes on from there. Beside the states
    lies a table of the examples, `points.parquet`.

    Args:
        model: the model.
        given: the examples; texts that come again are run once.
        spot: where an example is read, one of `SPOTS`; `span` reads the text's last token where it has no span.
        layers: which ones are read, ascending; None reads all.
        stream: what is read.
        edits: run every text under these.
        deal: a seed: all tokens but the first of each text are first dealt anew among all places of all texts, so
            that no text says anything, and lengths and frequencies stay. None runs the texts as they are.
        report: progress in texts; raises `Cancelled` to stop, and what was done is kept.

    Raises:
        AnalysisError: a text is too long for the model or for memory (its number is named), the disk is full, a layer
            does not exist, or the model's neurons cannot be read.
    """
    _require_spot(spot, given)
    sites = _sites(model, stream, layers)
    texts = places(model, given, spot, report)
    if deal is not None:
        texts = _dealt(model, texts, deal)
    key = fingerprint("states", model.fingerprint, spot, sites, _whereabouts(texts), tuple(edits))
    place = store.folder("states", key)
    with store.held(f"states-{key}", report, "Waiting for the same texts, which are being read elsewhere"):
        _Reading(model, sites, tuple(edits), place, len(given)).finish(texts, report)
        if deal is None:  # dealt tokens stand at the same places
            keep_points(place, given, texts)
        found = States(tuple(site.layer for site in sites), np.load(place / VALUES, mmap_mode="r"), key)
    with suppress(OSError):  # another process may be deleting as well
        store.prune("states", MOST_KEPT, place, *(place.with_name(states.key) for states in list(_IN_USE)))
    return found


@dataclass(frozen=True)
class Estimate:
    """What reading examples will take."""

    points: int
    """Examples; of `every token` about so many."""
    texts: int
    """Distinct ones: each is run once."""
    tokens: int
    """Of all distinct texts together."""
    bytes: int
    """On disk."""
    seconds: float | None
    """At the speed this model last had on this machine; None where it has not been read with yet."""
    exact: bool
    """False if tokens were counted in a part of the texts only."""

    def sentence(self) -> str:
        """The same in words."""
        about = "" if self.exact else "about "
        took = "" if self.seconds is None else f", and {_duration(self.seconds)} at this machine's last speed"
        return (
            f"{self.points:,} points from {self.texts:,} texts with {about}{self.tokens:,} tokens: {about}"
            f"{store.size_text(self.bytes)} on disk{took}."
        )


def estimate(
    model: LoadedModel,
    given: Examples,
    spot: str = "last",
    layers: tuple[int, ...] | None = None,
    *,
    first: bool = False,
) -> Estimate:
    """What `capture` of the residual stream will take, before anything runs.

    Tokens are counted in all texts up to `COUNTED`, else in as many spread evenly over them.

    Args:
        model: the model.
        given: the examples. For every token, whole texts may be given; the points are then about those that
            `each_token` would make, were it not bounded.
        spot: where they are read, one of `SPOTS`.
        layers: which ones; None reads all.
        first: as for `each_token`.

    Raises:
        AnalysisError: there is no such place or layer.
    """
    if spot not in SPOTS:
        raise AnalysisError(f"{spot!r} is no place to read at; there are {', '.join(SPOTS)}.")
    sites = _sites(model, "residual", layers)
    texts = list(dict.fromkeys(given.texts))
    counted = (
        texts
        if len(texts) <= COUNTED
        else [texts[i] for i in np.linspace(0, len(texts) - 1, COUNTED, dtype=int)]
    )
    tokens = round(sum(len(model.tokenize(text)) for text in counted) * len(texts) / len(counted))
    whole = spot == EACH and None in given.spans
    points = max(tokens - (0 if first else len(texts)), len(texts)) if whole else len(given)
    speed = _speed(model)
    return Estimate(
        points=points,
        texts=len(texts),
        tokens=tokens,
        bytes=points * len(sites) * model.d_model * 4,
        seconds=None if speed is None else tokens * max(sites[-1].layer, 1) / speed,
        exact=len(counted) == len(texts) and not whole,
    )


@dataclass(frozen=True)
class Usable:
    """The examples of a set that erasers and their judges can use."""

    given: Examples
    left_out: int
    """Examples that are read at a text's first token."""
    at_first: bool
    """True if there are such examples and they had to be kept, as classes would be missing without them."""


def usable(model: LoadedModel, given: Examples, spot: str) -> Usable:
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
    model: LoadedModel,
    given: Given,
    *,
    most: int = MOST,
    seed: int = 0,
    first: bool = False,
    report: Report = silent,
) -> Given:
    """The same set with every token of every text, or of its span, as an example of its own.

    A token keeps its example's label and group, or its row of the table. The first token of a text, an attention
    sink, is left out where there are others; tokens that share a character are one. Of more than `most` tokens some
    are drawn at random, at least one of every example, and the set's source says so.

    Args:
        model: whose tokens.
        given: the examples.
        most: tokens at most; not fewer than there are examples.
        seed: of the draw.
        first: keep the first tokens as well.
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
        spans = list(map(tuple, token_spans(tokens_of(model, text, row), text).tolist()))
        found += [(row, span) for span in _inside(spans, about, first)]
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


def _inside(tokens: list[tuple[int, int]], about: tuple[int, int], first: bool) -> list[tuple[int, int]]:
    """The tokens that share a character with a span; the text's first one only where it is wanted or the only one."""
    found = {
        span: number
        for number, span in enumerate(tokens)
        if span[0] < span[1] and span[0] < about[1] and span[1] > about[0]
    }
    return [span for span, number in found.items() if number > 0 or first] or list(found) or [about]


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


VALUES, DONE, SPEED = "values.npy", "done.json", "speed.json"
COUNTED = 1_000
"""Texts in which an estimate counts tokens."""


@dataclass(frozen=True)
class _Reading:
    """One set of texts on its way to disk."""

    model: LoadedModel
    sites: tuple[Site, ...]
    edits: tuple[Edit, ...]
    place: Path
    examples: int

    def finish(self, texts: list[tuple[Tokens, Places]], report: Report) -> None:
        """Run the texts that are not on disk yet, always in the same order and in the same batches."""
        done = self._done()
        if done == len(texts):
            return
        if not done:
            store.require_space(self.place, int(np.prod(self.shape)) * 4, "The states of these texts")
        started, tokens = time.monotonic(), 0
        with StatesFile(self.place / VALUES, self.shape) as file:
            run = batches(list(range(len(texts))), texts)
            ends = list(accumulate(map(len, run)))
            left = [number for number, end in enumerate(ends) if end > done]
            finished = _Finished(file, self.place, ends[left[0]] - len(run[left[0]]))
            try:
                for number in left:
                    report("Reading texts", finished.texts, len(texts))
                    self._read([texts[text] for text in run[number]], file)
                    finished.reach(ends[number])
                    tokens += sum(len(texts[text][0]) for text in run[number])
            except BaseException:  # what was read before a stop or an error is not read again
                with suppress(AnalysisError):  # a full disk has been told of already
                    finished.keep()
                raise
            finished.keep()
        _remember_speed(self.model, tokens * max(self.sites[-1].layer, 1), time.monotonic() - started)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Layers, examples and numbers of each."""
        wide = self.sites[0].stream == "neurons"
        return len(self.sites), self.examples, self.model.n_neurons if wide else self.model.d_model

    def _done(self) -> int:
        """Texts that are on disk, in the order they are run in."""
        if not (self.place / DONE).exists() or shape_of(self.place / VALUES) != self.shape:
            return 0
        return int(store.read_json(self.place / DONE)["texts"])

    def _read(self, texts: list[tuple[Tokens, Places]], file: StatesFile) -> None:
        variant = Variant("edited", self.edits) if self.edits else BASE
        trace = self.model.run([tokens for tokens, _ in texts], read=self.sites, variants=(variant,))
        examples = np.array([example for _, where in texts for example, _ in where])
        for layer, site in enumerate(self.sites):
            file.write(layer, examples, states_of(trace, site, texts))


@dataclass
class _Finished:
    """How many texts, in the order they are run in, are on disk for good."""

    file: StatesFile
    place: Path
    texts: int
    kept: float = 0.0
    """When this was last written down."""

    def reach(self, texts: int) -> None:
        """So many are written; now and then that is written down."""
        self.texts = texts
        if time.monotonic() - self.kept > KEEP_EVERY:
            self.keep()

    def keep(self) -> None:
        """Write it down, after the states: a killed process must not leave zeros behind that count as read."""
        self.file.keep()
        store.write_json(self.place / DONE, {"texts": self.texts})
        self.kept = time.monotonic()


def states_of(
    trace: Trace, site: Site, texts: list[tuple[Tokens, Places]]
) -> Float32[np.ndarray, "example width"]:
    """The states of a batch's examples at one site, in the order in which they stand in the batch."""
    found = []
    for row, (_, where) in enumerate(texts):
        states = trace.at(site, row)
        if all(len(positions) == 1 for _, positions in where):
            found.append(states[[positions[0] for _, positions in where]])
        else:
            found.append(np.stack([states[list(positions)].mean(0) for _, positions in where]))
    return np.concatenate(found)


def pick(
    trace: Trace,
    site: Site,
    texts: list[tuple[Tokens, Places]],
    into: Float32[np.ndarray, "example width"],
) -> None:
    """Write the states of a batch's examples at one site to their rows."""
    into[[example for _, where in texts for example, _ in where]] = states_of(trace, site, texts)


def _require_spot(spot: str, given: Examples) -> None:
    if spot not in SPOTS:
        raise AnalysisError(f"{spot!r} is no place to read at; there are {', '.join(SPOTS)}.")
    if spot == EACH and None in given.spans:
        raise AnalysisError(
            "To read every token, each has to be an example of its own; these are whole texts. Call `each_token` first."
        )


def _sites(model: LoadedModel, stream: str, layers: tuple[int, ...] | None) -> tuple[Site, ...]:
    """Where the states are read, ascending."""
    able = _readable(model, stream)
    if layers is None:
        return able
    known = {site.layer: site for site in able}
    if not layers or list(layers) != sorted(set(layers)) or not set(layers) <= known.keys():
        raise AnalysisError(
            f"Layers ascend and lie between {able[0].layer} and {able[-1].layer}; given {layers}. Choose others."
        )
    return tuple(known[layer] for layer in layers)


def _readable(model: LoadedModel, stream: str) -> tuple[Site, ...]:
    """Every site of a stream; where the neurons lie in experts, one that the model refuses in words."""
    if stream == "residual":
        return model.residual_sites()
    if stream == "neurons":
        return model.neuron_sites() or (Site(1, "neurons"),)
    return tuple(site for site in model.write_sites() if site.stream == stream)


def _dealt(model: LoadedModel, texts: list[tuple[Tokens, Places]], seed: int) -> list[tuple[Tokens, Places]]:
    """The same places in texts whose tokens, but for the first, were dealt anew."""
    ids = dealt([tokens.ids for tokens, _ in texts], seed)
    return [
        (model.tokenizer.tokens(own, prompt_length=len(own)), where)
        for own, (_, where) in zip(ids, texts, strict=True)
    ]


def _whereabouts(texts: list[tuple[Tokens, Places]]) -> tuple[np.ndarray, ...]:
    """Everything that decides which states are read, as a few long arrays: a million tuples take a minute to name."""
    examples = [each for _, where in texts for each in where]
    return (
        np.array([len(tokens) for tokens, _ in texts]),
        np.array([token for tokens, _ in texts for token in tokens.ids]),
        np.array([len(where) for _, where in texts]),
        np.array([example for example, _ in examples]),
        np.array([len(positions) for _, positions in examples]),
        np.array([position for _, positions in examples for position in positions]),
    )


def _speed(model: LoadedModel) -> float | None:
    """Tokens a second through one block, as last measured."""
    path = store.home() / "speeds" / model.fingerprint / SPEED
    return float(store.read_json(path)["tokens_and_blocks_a_second"]) if path.exists() else None


def _remember_speed(model: LoadedModel, work: int, seconds: float) -> None:
    if seconds >= FEWEST_SECONDS:
        path = store.folder("speeds", model.fingerprint) / SPEED
        store.write_json(path, {"tokens_and_blocks_a_second": work / seconds})


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
