"""Which features fire at every token of many texts: gathered once, kept on disk, mapped when read."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Float32, Float64, Int32, Int64

from analysis import store
from analysis.corpora import Corpus
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.firing.firings_file import FiringsFile, Kept, fires_above
from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.samples import usual_norms
from analysis.tokens import Tokens

MOST_KEPT = 4 * 2**30
"""Bytes of firings that stay on disk; what was used longest ago goes first."""
SHORTEST = 8
"""Tokens: what is left of a text behind its last full stretch is run only if it is longer."""
TOGETHER = 1024
"""Tokens of one batch."""


@dataclass(frozen=True, eq=False)
class Firings:
    """Every activation of a dictionary's features over many tokens, sparse by token.

    First tokens of a stretch (attention sinks) and outliers of norm, above 8 times the median, were run and do not
    count: they have no entries.

    Of a dictionary whose card has a `threshold` (independent components) the activations above it are the entries. Of
    another one that is signed, or has more than 256 active features a token, the 64 largest magnitudes of every
    token are the entries (`whole` is False); beside them stand every feature's own largest and smallest activations.
    """

    ids: Int32[np.ndarray, " point"]
    """Every token, in the order of the texts."""
    text: Int32[np.ndarray, " point"]
    """Number of the stretch that was run by itself and that the token is part of."""
    position: Int32[np.ndarray, " point"]
    """In its stretch, from 0."""
    counts: Bool[np.ndarray, " point"]
    """False for first tokens and outliers."""
    offsets: Int64[np.ndarray, " edge"]
    """Entries of token t are `offsets[t]` to `offsets[t + 1]`."""
    features: Int32[np.ndarray, " entry"]
    """Ascending within a token."""
    values: Float32[np.ndarray, " entry"]
    """Never 0."""
    width: int
    """Features of the dictionary."""
    whole: bool = True
    """False if only the largest magnitudes of every token are entries."""
    extreme_tokens: Int32[np.ndarray, "feature extreme"] | None = None
    """Where a feature's largest activations (the first half) and its smallest (the second half) lie; -1 is none."""
    extreme_values: Float32[np.ndarray, "feature extreme"] | None = None

    def __post_init__(self):
        if len(self.offsets) != len(self.ids) + 1 or len(self.features) != len(self.values):
            raise AnalysisError(
                f"Firings of {len(self.ids)} tokens need {len(self.ids) + 1} offsets and as many features as values; "
                f"given {len(self.offsets)}, {len(self.features)} and {len(self.values)}."
            )

    def __len__(self) -> int:
        """Tokens."""
        return len(self.ids)

    @property
    def counted(self) -> int:
        """Tokens that count."""
        return int(self.counts.sum())

    @property
    def signed(self) -> bool:
        """True if an activation is negative."""
        return any(
            values is not None and bool((values < 0).any()) for values in (self.values, self.extreme_values)
        )

    @cached_property
    def by_token(self) -> sp.csr_array:
        """The entries as a sparse matrix (token, feature)."""
        return sp.csr_array((self.values, self.features, self.offsets), shape=(len(self), self.width))

    @cached_property
    def by_feature(self) -> sp.csc_array:
        """The same, with the entries of one feature next to each other, in the order of the tokens."""
        found = self.by_token.tocsc()
        found.sort_indices()
        return found

    def of(self, feature: int) -> tuple[Int64[np.ndarray, " entry"], Float32[np.ndarray, " entry"]]:
        """The tokens at which a feature fires, ascending, and its activation there.

        Where not all activations are kept, its largest and smallest are among them.
        """
        columns = self.by_feature
        own = slice(columns.indptr[feature], columns.indptr[feature + 1])
        tokens, values = columns.indices[own].astype(np.int64), columns.data[own]
        if self.extreme_tokens is None:
            return tokens, values
        there = self.extreme_tokens[feature] >= 0
        tokens = np.concatenate([tokens, self.extreme_tokens[feature][there].astype(np.int64)])
        values = np.concatenate([values, self.extreme_values[feature][there]])
        tokens, first = np.unique(tokens, return_index=True)
        return tokens, values[first]

    def firing(self) -> Int64[np.ndarray, " feature"]:
        """Tokens at which each feature is among the entries."""
        return np.bincount(self.features, minlength=self.width)

    def frequency(self) -> Float64[np.ndarray, " feature"]:
        """Share of the counting tokens at which each feature fires.

        Where not all activations are kept, the share at which it is among the token's 64 largest magnitudes.
        """
        return self.firing() / max(self.counted, 1)

    def dense(self, features: list[int]) -> Float32[np.ndarray, "point chosen"]:
        """Activations of some features at every token, 0 where they have no entry."""
        return self.by_feature[:, features].toarray()

    def stretches(self) -> Int64[np.ndarray, " edge"]:
        """Where each stretch begins among the tokens, and where the last one ends."""
        return np.concatenate([np.flatnonzero(np.diff(self.text, prepend=-1)), [len(self)]]).astype(np.int64)


def firings(
    model: LoadedModel,
    dictionary: Dictionary,
    corpus: Corpus,
    *,
    length: int = 128,
    report: Report = silent,
) -> Firings:
    """Run texts up to the dictionary's layer and keep what fires at every token.

    Args:
        model: the model.
        dictionary: of this model.
        corpus: texts; one that comes again is run once, and spans do not matter.
        length: tokens of a stretch; longer texts are cut.
        report: progress in tokens; raises `Cancelled` to stop, and nothing is kept then.

    Returns:
        Mapped from the store, where they lie from the first time on.

    Raises:
        AnalysisError: the dictionary is not this model's, a text has no tokens, or the disk is full.
    """
    dictionary.require_fit(model)
    key = fingerprint(
        "firings", model.fingerprint, named_with_threshold(dictionary), tuple(corpus.texts), length
    )
    place = store.folder("firings", key)
    with store.held(f"firings-{key}", report, "Waiting for the same texts, which are being read elsewhere"):
        if not (place / ABOUT).exists():
            texts = stretches(model, corpus, length, report)
            with store.new_folder(place) as partial:
                gather(dictionary, _states(model, dictionary, texts), *_known(texts), None, report, partial)
        with suppress(OSError):
            store.prune("firings", MOST_KEPT, place)
        return read(place)


def named_with_threshold(dictionary: Dictionary) -> str:
    """One name for everything that decides what fires: the threshold stands in the card, beside the weights."""
    above = fires_above(dictionary)
    return dictionary.fingerprint if above is None else f"{dictionary.fingerprint} above {above:g}"


def gather(
    dictionary: Dictionary,
    batches: Iterable[Float[np.ndarray, "_ _"]],
    ids: Int32[np.ndarray, " point"],
    text: Int32[np.ndarray, " point"],
    position: Int32[np.ndarray, " point"],
    counts: Bool[np.ndarray, " point"] | None = None,
    report: Report = silent,
    folder: Path | None = None,
) -> Firings:
    """What fires at tokens whose states are at hand already.

    Args:
        dictionary: encodes them.
        batches: states at the dictionary's site, batch after batch in the order of the tokens.
        ids: every token.
        text: number of the stretch each is part of.
        position: of each in its stretch.
        counts: False for tokens that are not to count; None leaves out first tokens, and norms above 8 times the
            median of the others.
        report: progress in tokens; raises `Cancelled` to stop.
        folder: empty; the entries go to files in it, batch by batch. None holds them in memory.

    Raises:
        AnalysisError: there are more or fewer states than tokens, or the disk is full.
    """
    with FiringsFile(dictionary, folder) as file:
        usual = position > 0 if counts is None else counts
        for states in batches:
            report("Looking for what fires", len(file), len(ids))
            file.add(states, usual[len(file) : len(file) + len(states)])
        if len(file) != len(ids):
            raise AnalysisError(f"{len(ids):,} tokens need a state each; given {len(file):,} states.")
        if counts is None:
            usual = usual & _near(file.norms, usual)
        kept = file.finish(usual)
    found = _put_together(kept, ids, text, position, usual, dictionary.features)
    if folder is not None:
        write(found, folder)
    return found


def _near(norms: Float32[np.ndarray, " point"], usual: Bool[np.ndarray, " point"]) -> np.ndarray:
    """True where a norm is not far above the median of the usual ones."""
    near = np.ones(len(norms), bool)
    near[usual] = usual_norms(norms[usual][None])
    return near


def stretches(model: LoadedModel, corpus: Corpus, length: int, report: Report = silent) -> list[Tokens]:
    """Every distinct text, cut after so many tokens; a short rest behind the last cut is left out.

    Args:
        model: whose tokens.
        corpus: the texts.
        length: tokens at most.
        report: progress in texts.
    """
    found: list[Tokens] = []
    length = min(length, model.context or length)
    texts = list(dict.fromkeys(corpus.texts))
    for number, one in enumerate(texts):
        if number % 100 == 0:
            report("Splitting texts into tokens", number, len(texts))
        ids = model.tokenize(one).ids
        pieces = [ids[start : start + length] for start in range(0, len(ids), length)]
        kept = [piece for place, piece in enumerate(pieces) if not place or len(piece) > SHORTEST]
        found += [model.tokenizer.tokens(piece, prompt_length=len(piece)) for piece in kept]
    return found


def _known(texts: list[Tokens]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids, stretches and positions of all tokens."""
    lengths = [len(each) for each in texts]
    return (
        np.concatenate([np.array(each.ids, np.int32) for each in texts]),
        np.repeat(np.arange(len(texts), dtype=np.int32), lengths),
        np.concatenate([np.arange(length, dtype=np.int32) for length in lengths]),
    )


def _states(
    model: LoadedModel, dictionary: Dictionary, texts: list[Tokens]
) -> Iterator[Float32[np.ndarray, "point width"]]:
    """States of all tokens in their order, a few stretches at a time."""
    size = max(1, TOGETHER // max(len(each) for each in texts))
    edges = [*range(0, len(texts), size), len(texts)]
    for start, end in pairwise(edges):
        trace = model.run(texts[start:end], read=[dictionary.site])
        yield np.concatenate([trace.at(dictionary.site, row) for row in range(end - start)])


def _put_together(
    kept: Kept, ids: np.ndarray, text: np.ndarray, position: np.ndarray, counts: np.ndarray, width: int
) -> Firings:
    return Firings(
        ids,
        text,
        position,
        counts,
        kept.offsets,
        kept.features,
        kept.values,
        width,
        kept.whole,
        *kept.extremes,
    )


ARRAYS = ("ids", "text", "position", "counts", "offsets", "features", "values")
EXTREMES = ("extreme_tokens", "extreme_values")
ABOUT = "about.json"


def write(found: Firings, folder: Path) -> None:
    """Write firings as one file an array, those that are there already left as they are.

    Raises:
        AnalysisError: the disk is full.
    """
    names = [*ARRAYS, *(EXTREMES if found.extreme_tokens is not None else ())]
    try:
        for name in names:
            if not (folder / f"{name}.npy").exists():
                np.save(folder / f"{name}.npy", getattr(found, name))
    except OSError as error:
        raise AnalysisError(
            f"Firings cannot be written to {folder} ({error.strerror}). Free some space and start again."
        ) from error
    store.write_json(folder / ABOUT, {"width": found.width, "whole": found.whole})


def read(folder: Path) -> Firings:
    """Map what `write` wrote.

    Raises:
        AnalysisError: a file is missing or damaged.
    """
    about = store.read_json(folder / ABOUT)
    try:
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
        for name in EXTREMES:
            if (path := folder / f"{name}.npy").exists():
                arrays[name] = np.load(path)
    except (OSError, ValueError) as error:
        raise AnalysisError(
            f"The firings in {folder} cannot be read ({error}). Delete that folder, and they are gathered again."
        ) from error
    return Firings(**arrays, **about)
