"""Where a sentence surprises: how far the same words lie apart in a misleading sentence and in its control."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import cycle
from types import MappingProxyType

import numpy as np
from jaxtyping import Float32, Int64

from analysis.errors import AnalysisError
from analysis.geometry.blocks import influences
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.next_token import NATS_PER_BIT, surprises
from analysis.results import Bounds, LayerByPosition, Provenance
from analysis.samples import usual_norms
from analysis.tokens import Tokens

DISTANCES = {"manhattan": "Manhattan distance", "raw": "Manhattan distance, raw", "cosine": "cosine distance"}
"""Distances between two states, by id."""
UNITS = {"manhattan": "usual lengths", "raw": "residual stream", "cosine": "1 - cosine"}
BOUNDS = {"manhattan": Bounds(0.0, None), "raw": Bounds(0.0, None), "cosine": Bounds(0.0, 2.0)}
NEUTRAL = (" now", " then", " today", " again", " also", " here")
"""Words that are put into the control sentence: none of them says how to read it."""
SOURCE = (
    "Jurayj, Rudman & Eickhoff 2022, arXiv 2205.12302; alignment and the control with neutral words are ours"
)
MISLEADS = (
    "A distance is taken for surprise: a word that was put in shifts all that follow and is itself read by them. "
    "Compare with the neutral words. A few large dimensions make most of a Manhattan distance."
)


@dataclass(frozen=True, eq=False)
class GardenPath:
    """Two sentences, token by token."""

    ambiguous: Tokens
    control: Tokens
    pairs: Int64[np.ndarray, "pair 2"]
    """Positions of the same token in the ambiguous sentence and in the control, both ascending."""
    first: int
    """The first pair behind a difference; those before it are the beginning that both sentences share."""
    distances: Mapping[str, LayerByPosition]
    """By `DISTANCES`: between the two sentences, one column for each pair."""
    neutral: Mapping[str, Float32[np.ndarray, "null layer pair"]]
    """The same between the control sentence and itself with neutral words put in where the sentences differ; NaN
    before them, where nothing can move."""
    words: tuple[str, ...]
    """The neutral words, as they were put in."""
    surprisal: tuple[Float32[np.ndarray, " position"], Float32[np.ndarray, " other"]]
    """-log p of every token of the ambiguous sentence and of the control, in bits; NaN for their first ones."""
    steps: tuple[LayerByPosition, LayerByPosition]
    """Manhattan distance of every token of each sentence from the one before it, in usual lengths."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The token of each pair, as shown."""
        return tuple(self.ambiguous.labels[position] for position in self.pairs[:, 0])

    def band(
        self, distance: str
    ) -> tuple[Float32[np.ndarray, "layer pair"], Float32[np.ndarray, "layer pair"]]:
        """Least and largest distance that a neutral word makes; NaN where none can."""
        values = self.neutral[distance]
        return np.fmin.reduce(values), np.fmax.reduce(values)

    def peak(self, distance: str) -> tuple[int, int]:
        """Layer and pair behind the first difference where the sentences lie farthest apart, ties to the lowest."""
        values = np.where(np.arange(len(self.pairs)) >= self.first, self.distances[distance].values, -np.inf)
        return tuple(int(each) for each in np.unravel_index(values.argmax(), values.shape))

    def pair_of(self, word: str) -> int | None:
        """The pair behind the difference with which a word of the ambiguous sentence begins; None if there is none."""
        start = b"".join(self.ambiguous.pieces).find(f" {word} ".encode()) + 1
        if not (word and start):
            return None
        ends = np.cumsum([len(piece) for piece in self.ambiguous.pieces])
        position = int(np.searchsorted(ends, start, side="right"))
        found = np.flatnonzero(self.pairs[:, 0] == position)
        return int(found[0]) if len(found) and found[0] >= self.first else None


def aligned(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[Int64[np.ndarray, "pair 2"], int]:
    """Tokens that two sentences share, in the same order in both.

    The beginning they have in common is kept as it is; behind it, longest runs come first. The first token of a
    sentence is never paired with a later one of the other: as an attention sink it is unlike all others.

    Returns:
        Positions in the one and in the other, and how many pairs the common beginning makes.
    """
    prefix = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    blocks = SequenceMatcher(None, one[prefix:], other[prefix:], autojunk=False).get_matching_blocks()
    later = [(block.a + step, block.b + step) for block in blocks for step in range(block.size)]
    pairs = [(i, i) for i in range(prefix)] + [
        (prefix + a, prefix + b) for a, b in later if prefix or (a and b)
    ]
    return np.array(pairs, np.int64).reshape(-1, 2), prefix


def distances(
    one: Float32[np.ndarray, "layer pair d_model"],
    other: Float32[np.ndarray, "layer pair d_model"],
    lengths: Float32[np.ndarray, " layer"],
) -> dict[str, Float32[np.ndarray, "layer pair"]]:
    """How far the states of the same tokens lie apart, by `DISTANCES`.

    Args:
        one: states of one sentence.
        other: of the other.
        lengths: what a usual state measures at each layer, as a sum of absolute numbers.

    Source: Jurayj, Rudman & Eickhoff 2022, arXiv 2205.12302.
    Misleads when: a few dimensions are far larger than the rest: they alone make the distance.
    """
    raw = np.abs(one - other).sum(-1, dtype=np.float64)
    cosine = np.stack([influences(*layer) for layer in zip(one, other, strict=True)])
    found = {"manhattan": raw / lengths[:, None], "raw": raw, "cosine": cosine}
    return {name: values.astype(np.float32) for name, values in found.items()}


def garden_path(model: LoadedModel, ambiguous: str, control: str, report: Report = silent) -> GardenPath:
    """Read a misleading sentence and its control, and compare the states of the tokens they share.

    How far tokens move for other reasons is measured too: the control sentence is read again with neutral words put in
    where the sentences differ, of at least as many tokens as the one is longer than the other. It misleads neither
    before nor after, so what moves does so for the shift of position and for the words there are to read.

    Args:
        model: who reads.
        ambiguous: the sentence that misleads.
        control: the same with the way marked.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the sentences are the same or share too little, or one is too long for the model.

    Source: Jurayj, Rudman & Eickhoff 2022, arXiv 2205.12302.
    Misleads when: a distance is taken for surprise: a word that was put in shifts all that follow and is itself read
        by them. Compare with the neutral words.
    """
    one, other = model.tokenize(ambiguous), model.tokenize(control)
    pairs, first = aligned(one.ids, other.ids)
    _require_comparable(one, other, pairs, first)
    report("Reading both sentences", 0, 2)
    sentences = _read(model, [one, other])
    lengths = _usual_lengths(sentences)
    found = distances(*(states[:, pairs[:, side]] for side, states in enumerate(sentences)), lengths)
    report("Reading with neutral words", 1, 2)
    words, neutral = _neutral(
        model, other, sentences[1], pairs[:, 1], first, abs(len(one) - len(other)), lengths
    )
    labels = tuple(one.labels[position] for position in pairs[:, 0])
    return GardenPath(
        ambiguous=one,
        control=other,
        pairs=pairs,
        first=first,
        distances=MappingProxyType(
            {name: _result(model, name, values, labels, words) for name, values in found.items()}
        ),
        neutral=MappingProxyType(neutral),
        words=words,
        surprisal=tuple(
            _bits(model, states, own) for states, own in zip(sentences, (one, other), strict=True)
        ),
        steps=tuple(
            _steps(model, states, own, lengths) for states, own in zip(sentences, (one, other), strict=True)
        ),
    )


def _require_comparable(one: Tokens, other: Tokens, pairs: Int64[np.ndarray, "pair 2"], first: int) -> None:
    if one.ids == other.ids:
        raise AnalysisError("Both sentences are the same. Give one that misleads and one that does not.")
    if len(pairs) < 2 or first == len(pairs):
        raise AnalysisError(
            f"The sentences share {len(pairs)} tokens, {len(pairs) - first} of them behind the first difference; two "
            "and one are needed to compare them. Give the same sentence with a word or a comma more."
        )


def _read(model: LoadedModel, batch: list[Tokens]) -> list[Float32[np.ndarray, "layer position d_model"]]:
    trace = model.run(batch)
    return [trace.residuals(row) for row in range(len(batch))]


def _usual_lengths(sentences: list[np.ndarray]) -> Float32[np.ndarray, " layer"]:
    """Median Manhattan length of the states of each layer, without first tokens and outliers of norm."""
    states = np.concatenate([each[:, 1:] for each in sentences], axis=1)
    usual = usual_norms(np.linalg.norm(states, axis=-1))
    return np.median(np.abs(states[:, usual]).sum(-1), axis=1).astype(np.float32)


def _neutral(
    model: LoadedModel,
    control: Tokens,
    states: Float32[np.ndarray, "layer position d_model"],
    kept: Int64[np.ndarray, " pair"],
    first: int,
    shift: int,
    lengths: Float32[np.ndarray, " layer"],
) -> tuple[tuple[str, ...], dict[str, Float32[np.ndarray, "null layer pair"]]]:
    """The neutral words, and how far the control's aligned tokens move when one is put in before the first of them."""
    place = int(kept[first])
    ids = _neutral_ids(model, shift)
    longer = [control.ids[:place] + own + control.ids[place:] for own in ids]
    batch = [model.tokenizer.tokens(each, prompt_length=len(each)) for each in longer]
    every = []
    for states_then, own in zip(_read(model, batch), ids, strict=True):
        moved = np.where(kept >= place, kept + len(own), kept)
        every.append(distances(states[:, kept], states_then[:, moved], lengths))
    found = {name: np.stack([each[name] for each in every]) for name in DISTANCES}
    for values in found.values():
        values[:, :, :first] = np.nan
    return tuple("".join(model.tokenizer.label(i) for i in own) for own in ids), found


def _neutral_ids(model: LoadedModel, count: int) -> list[tuple[int, ...]]:
    """Each neutral word, with the next ones behind it until there are at least so many tokens."""
    carrier = model.tokenize("a").ids  # behind it, words are written as within a sentence
    words = [model.tokenize(f"a{word}").ids[len(carrier) :] for word in NEUTRAL]
    found = []
    for number in range(len(words)):
        ids: tuple[int, ...] = ()
        for word in cycle(words[number:] + words[:number]):
            ids += word
            if len(ids) >= count:
                break
        found.append(ids)
    return found


def _bits(model: LoadedModel, states: np.ndarray, tokens: Tokens) -> Float32[np.ndarray, " position"]:
    nats = surprises(model, states[-1, :-1].copy(), tokens.ids[1:])
    return np.concatenate([[np.nan], nats / NATS_PER_BIT]).astype(np.float32)


def _steps(model: LoadedModel, states: np.ndarray, tokens: Tokens, lengths: np.ndarray) -> LayerByPosition:
    steps = np.abs(np.diff(states, axis=1)).sum(-1, dtype=np.float64) / lengths[:, None]
    values = np.concatenate([np.full((len(steps), 1), np.nan), steps], axis=1).astype(np.float32)
    return LayerByPosition(
        "Step from the token before",
        UNITS["manhattan"],
        BOUNDS["manhattan"],
        _provenance(model, "distance of successive tokens", ()),
        values,
        tokens.labels,
    )


def _result(
    model: LoadedModel, name: str, values: np.ndarray, labels: tuple[str, ...], words: tuple[str, ...]
) -> LayerByPosition:
    method = f"{DISTANCES[name]} of the same token in both sentences"
    return LayerByPosition(
        "Distance between the sentences",
        UNITS[name],
        BOUNDS[name],
        _provenance(model, method, (("neutral words", ", ".join(words)),)),
        values,
        labels,
    )


def _provenance(model: LoadedModel, method: str, settings: tuple[tuple[str, str], ...]) -> Provenance:
    return Provenance(
        model.title,
        model.revision,
        model.dtype_name,
        method,
        SOURCE,
        MISLEADS,
        (
            ("usual length", "median sum of absolute numbers of a layer's states, first tokens left out"),
            *settings,
        ),
    )
