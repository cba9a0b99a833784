"""The features of many examples, one number for every feature and example: over all its tokens, or at one of them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float32, Int64

from analysis.captures import capture, each_token, usable
from analysis.corpora.corpus import MOST_POINTS, Corpus
from analysis.dictionaries.dictionary import Dictionary
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.numerics import in_chunks
from analysis.places import EACH, Examples
from analysis.samples import usual_norms

POOLS = {
    "mean": "the mean over its tokens",
    "max": "the largest of its tokens",
    "span": "the last token of the part the label is about, or of the text",
}
"""What one number for every feature and example is made of, by id. A text's first token never counts."""
AT_ONCE = 2_048
"""States that are encoded together."""
MOST_NUMBERS = 400_000_000
"""Activations of all examples together."""


@dataclass(frozen=True, eq=False)
class Pooled:
    """Activations of examples, beside the states they were read from."""

    values: Float32[np.ndarray, "example feature"]
    """The activations, pooled."""
    fires: Bool[np.ndarray, "example feature"]
    """True where a feature is active at any of the tokens that count."""
    states: Float32[np.ndarray, "example width"]
    """The states, pooled number by number in the same way."""
    means: Float32[np.ndarray, "example width"]
    """Their mean over the same tokens."""
    rebuilt: Float32[np.ndarray, "example width"]
    """The mean of what the dictionary makes of them."""
    rows: Int64[np.ndarray, " example"]
    """Numbers of the examples, ascending; those that had no token but a first one or an outlier are left out."""
    tokens: int
    """That were read."""
    left_out: int
    """Of the tokens: far longer than the median state."""
    explained: float
    """Share of the variance of these tokens' states that the dictionary explains, at most 1."""

    def __post_init__(self):
        for name in ("values", "fires", "states", "means", "rebuilt", "rows"):
            getattr(self, name).flags.writeable = False


def pooled(
    model: LoadedModel, dictionary: Dictionary, given: Examples, pool: str, report: Report = silent
) -> Pooled:
    """Read every example, encode its tokens, and make one number of each feature.

    With `mean` and `max` all tokens of an example's span count, or of its text where it has none. Of a signed
    dictionary `max` is the value of the largest magnitude. The activations of tokens are pooled, not the states: an
    encoder bends.

    Args:
        model: the model.
        dictionary: of this model.
        given: the examples.
        pool: one of `POOLS`.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there is no such pool, nothing is left to read, the examples would not fit into memory, a text
            is too long for the model, or the dictionary is not this model's.
    Misleads when: texts differ in length: the largest of many tokens is larger than that of few.
    """
    if pool not in POOLS:
        raise AnalysisError(f"{pool!r} is no way to pool tokens; there are {', '.join(POOLS)}.")
    dictionary.require_fit(model)
    if len(given) * dictionary.features > MOST_NUMBERS:
        raise AnalysisError(
            f"{len(given):,} examples of {dictionary.features:,} features would not fit into memory; give at most "
            f"{MOST_NUMBERS // dictionary.features:,}."
        )
    numbered = Corpus(
        "examples",
        given.name,
        given.texts,
        pd.DataFrame({"row": range(len(given))}),
        given.spans,
        given.source,
    )
    spot = "span"
    if pool != "span":
        spot, numbered = EACH, each_token(model, numbered, most=MOST_POINTS, report=report)
    kept = usable(model, numbered, spot).given
    site = dictionary.site
    states = capture(model, kept, spot, layers=(site.layer,), stream=site.stream, report=report).at(
        site.layer
    )
    return pooled_states(dictionary, states, kept.columns["row"].to_numpy(np.int64), pool, report)


def pooled_states(
    dictionary: Dictionary,
    states: Float32[np.ndarray, "token width"],
    rows: Int64[np.ndarray, " token"],
    pool: str,
    report: Report = silent,
) -> Pooled:
    """The same of states that were read already.

    Args:
        dictionary: of these states.
        states: of all tokens that may count.
        rows: the example of every token, ascending.
        pool: one of `POOLS`.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: no token is left.
    """
    counts = _counting(states)
    if not counts.any():
        raise AnalysisError("No token is left to read: every text has a first token only. Give longer texts.")
    chosen = np.flatnonzero(counts)
    found, first = np.unique(rows[chosen], return_index=True)
    sums = _Sums(dictionary, pool, len(found))
    example = np.searchsorted(found, rows[chosen])
    for part in in_chunks(len(chosen), AT_ONCE):
        report("Encoding tokens", part.start, len(chosen))
        sums.add(np.asarray(states[chosen[part]], np.float32), example[part])
    sizes = np.diff(np.append(first, len(chosen)))
    return sums.finished(found, sizes, len(rows) - len(chosen))


class _Sums:
    """What is added up over tokens, chunk by chunk."""

    def __init__(self, dictionary: Dictionary, pool: str, examples: int):
        self._dictionary, self._largest = dictionary, pool == "max"
        self._values = np.zeros((examples, dictionary.features), np.float32)
        self._fires = np.zeros((examples, dictionary.features), bool)
        self._states, self._means, self._rebuilt = (
            np.zeros((examples, dictionary.width), np.float32) for _ in range(3)
        )
        self._error = self._squares = 0.0
        self._total = np.zeros(dictionary.width)

    def add(self, states: Float32[np.ndarray, "token width"], example: Int64[np.ndarray, " token"]) -> None:
        """Tokens in the order of their examples."""
        with torch.inference_mode():
            encoded = self._dictionary.encode(torch.from_numpy(states))
            rebuilt = self._dictionary.decode(encoded).numpy()
        activations = encoded.numpy()
        starts = np.flatnonzero(np.diff(example, prepend=-1))
        own = example[starts]
        self._fires[own] |= np.logical_or.reduceat(activations != 0, starts, axis=0)
        self._means[own] += np.add.reduceat(states, starts, axis=0)
        self._rebuilt[own] += np.add.reduceat(rebuilt, starts, axis=0)
        self._pool(self._values, activations, starts, own)
        self._pool(self._states, states, starts, own)
        self._error += float(((states - rebuilt) ** 2).sum(dtype=np.float64))
        self._squares += float((states.astype(np.float64) ** 2).sum())
        self._total += states.sum(0, dtype=np.float64)

    def _pool(self, into: np.ndarray, values: np.ndarray, starts: np.ndarray, own: np.ndarray) -> None:
        if not self._largest:
            into[own] += np.add.reduceat(values, starts, axis=0)
            return
        high = np.maximum(np.maximum.reduceat(values, starts, axis=0), into[own])
        low = np.minimum(np.minimum.reduceat(values, starts, axis=0), into[own])
        into[own] = np.where(high >= -low, high, low)  # whatever its sign; at a tie the positive one

    def finished(self, rows: np.ndarray, sizes: np.ndarray, left_out: int) -> Pooled:
        """All tokens were added."""
        per_token = np.float32(1) / sizes[:, None].astype(np.float32)
        pooled_by = np.float32(1) if self._largest else per_token
        count = int(sizes.sum())
        spread = self._squares - float((self._total**2).sum()) / count
        return Pooled(
            self._values * pooled_by,
            self._fires,
            self._states * pooled_by,
            self._means * per_token,
            self._rebuilt * per_token,
            rows,
            count,
            left_out,
            1 - self._error / spread if spread > 1e-9 * self._squares else float("nan"),
        )


def _counting(states: Float32[np.ndarray, "token width"]) -> Bool[np.ndarray, " token"]:
    """True for tokens whose state is not far longer than the others'."""
    parts = in_chunks(len(states), AT_ONCE)
    norms = np.concatenate([np.linalg.norm(np.asarray(states[part]), axis=1) for part in parts])
    return usual_norms(norms[None])
