"""What is counted of features over many tokens: how often, how strongly, where, and together with which others."""

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float32, Int32, UInt8

from analysis.dictionaries.firing.firings import Firings
from analysis.dictionaries.labels.words import Words
from analysis.jobs import Report, silent

PLACES = 8
"""Parts of a stretch, first to last."""
TOGETHER = 10
"""Features that are named as firing together with one."""
BLOCK = 512
"""Features compared with all others at a time."""
MOST_CHUNKS = 512
"""Chunks that are looked at; of more, so many spread evenly."""


def strengths(found: Firings) -> dict[str, Float32[np.ndarray, " feature"]]:
    """Frequency, mean magnitude where a feature fires, its largest and its smallest activation (0 unless negative)."""
    columns = found.by_feature
    fire = np.diff(columns.indptr)
    magnitude = np.bincount(found.features, np.abs(found.values), minlength=found.width)
    largest, smallest = _ends(found)
    return {
        "frequency": found.frequency().astype(np.float32),
        "mean": (magnitude / np.maximum(fire, 1)).astype(np.float32),
        "largest": largest,
        "smallest": smallest,
    }


def _ends(found: Firings) -> tuple[Float32[np.ndarray, " feature"], Float32[np.ndarray, " feature"]]:
    largest, smallest = np.zeros((2, found.width), np.float32)
    np.maximum.at(largest, found.features, found.values)
    np.minimum.at(smallest, found.features, found.values)
    if found.extreme_values is not None:
        largest = np.maximum(largest, found.extreme_values.max(1, initial=0))
        smallest = np.minimum(smallest, found.extreme_values.min(1, initial=0))
    return largest, smallest


def histogram(
    found: Firings, most: Float32[np.ndarray, " feature"], bins: int, decades: float
) -> Int32[np.ndarray, "feature bin"]:
    """How many entries of each feature have which magnitude.

    Args:
        found: what fires.
        most: a feature's largest magnitude: the upper end.
        bins: evenly spaced in the logarithm.
        decades: powers of ten from the lower end to the upper; what is smaller is in the first bin.
    """
    share = np.abs(found.values) / np.maximum(most, np.finfo(np.float32).tiny)[found.features]
    place = np.floor((1 + np.log10(np.maximum(share, 1e-30)) / decades) * bins).astype(np.int64)
    place = np.clip(place, 0, bins - 1)
    counts = np.bincount(found.features * np.int64(bins) + place, minlength=found.width * bins)
    return counts.reshape(found.width, bins).astype(np.int32)


def places(found: Firings) -> Float32[np.ndarray, "feature place"]:
    """How much more often each feature fires in each eighth of the longest stretch than over all; 1 is as often."""
    length = int(found.position.max(initial=0)) + 1
    eighth = np.asarray(found.position, np.int64) * PLACES // length
    tokens = np.repeat(eighth, np.diff(found.offsets))
    fire = np.bincount(found.features * np.int64(PLACES) + tokens, minlength=found.width * PLACES)
    fire = fire.reshape(found.width, PLACES)
    base = np.bincount(eighth[found.counts], minlength=PLACES)[:PLACES]
    usual = fire.sum(1, keepdims=True) / max(found.counted, 1) * base
    return np.divide(fire, usual, out=np.zeros(fire.shape), where=usual > 0).astype(np.float32)


def top_tokens(
    found: Firings, words: Words
) -> tuple[Int32[np.ndarray, " feature"], Float32[np.ndarray, " feature"]]:
    """The token that has most of each feature's magnitude, and the share of it on that word in any form.

    Args:
        found: what fires.
        words: the words its tokens are.

    Returns:
        Token ids, -1 where a feature never fires; shares, 0 to 1.
    """
    tokens = np.repeat(np.arange(len(found)), np.diff(found.offsets))
    cells = (np.abs(found.values).astype(np.float64), (found.features, words.at[tokens]))
    mass = sp.coo_array(cells, shape=(found.width, words.count)).tocsr()
    groups = (mass @ words.plain.members).tocsr()
    total = np.asarray(mass.sum(1)).ravel()
    token = np.full(found.width, -1, np.int32)
    precision = np.zeros(found.width, np.float32)
    for feature in np.flatnonzero(total > 0):
        own = slice(groups.indptr[feature], groups.indptr[feature + 1])
        best = groups.indices[own][np.argmax(groups.data[own])]
        precision[feature] = groups.data[own].max() / total[feature]
        forms = slice(mass.indptr[feature], mass.indptr[feature + 1])
        inside = words.plain.members.indices[mass.indices[forms]] == best  # a word is in one group
        token[feature] = words.ids[mass.indices[forms][inside][np.argmax(mass.data[forms][inside])]]
    return token, precision


def chunk_bits(found: Firings, tokens: int) -> tuple[UInt8[np.ndarray, "feature byte"], int]:
    """In which chunks of so many tokens each feature fires at all, as bits; and how many chunks there are.

    Args:
        found: what fires.
        tokens: of a chunk; what is left behind the last one is left out, unless there is no other.
    """
    count = max(len(found) // tokens, 1)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_CHUNKS)).round().astype(np.int64))
    number = np.full(count + 1, -1, np.int64)
    number[chosen] = np.arange(len(chosen))
    chunk = number[np.minimum(np.arange(len(found)) // tokens, count)]
    entry = np.repeat(chunk, np.diff(found.offsets))
    fires = np.zeros((found.width, len(chosen)), bool)
    inside = entry >= 0
    fires[found.features[inside], entry[inside]] = True
    return np.packbits(fires, axis=1), len(chosen)


def together(
    found: Firings, report: Report = silent
) -> tuple[Int32[np.ndarray, "feature rank"], Float32[np.ndarray, "feature rank"]]:
    """The features that fire at the same tokens as each one, the most similar first.

    Similar is the number of tokens at which both fire over the geometric mean of those at which each does (Ochiai).

    Returns:
        Features, -1 where there are no more; and the similarity, 0 to 1. Ties go to the lower number.

    Misleads when: both fire often: they then share tokens by chance alone.
    """
    shared = found.by_token.copy()
    shared.data = np.ones_like(shared.data)
    columns = shared.tocsc()
    fire = np.diff(columns.indptr)
    names = np.full((found.width, TOGETHER), -1, np.int32)
    shares = np.zeros((found.width, TOGETHER), np.float32)
    for start in range(0, found.width, BLOCK):
        report("Looking for what fires together", start, found.width)
        block = slice(start, min(start + BLOCK, found.width))
        both = (columns[:, block].T @ shared).toarray()
        similar = both / np.sqrt(np.maximum(fire[block, None] * fire[None], 1))
        similar[np.arange(similar.shape[0]), np.arange(start, block.stop)] = 0
        order = np.argsort(-similar, axis=1, kind="stable")[:, :TOGETHER]
        best = np.take_along_axis(similar, order, 1)
        kept = order.shape[1]
        names[block, :kept] = np.where(best > 0, order, -1)
        shares[block, :kept] = best
    return names, shares


def phi(chunks: Bool[np.ndarray, "feature chunk"], feature: int) -> Float32[np.ndarray, " other"]:
    """Correlation of one feature's firing with every feature's, chunk by chunk; NaN where one never or always does.

    Source: Li et al. 2024, arXiv 2410.19750 (phi over 256-token chunks).
    Misleads when: chunks are few: independent features then differ from 0 by one over the root of their number.
    """
    n = chunks.shape[1]
    fire = chunks.sum(1).astype(np.float64)
    both = (chunks @ chunks[feature].astype(np.float32)).astype(np.float64)
    own = fire[feature]
    spread = np.sqrt(fire * (n - fire) * own * (n - own))
    top = n * both - fire * own
    return np.divide(top, spread, out=np.full(len(fire), np.nan), where=spread > 0).astype(np.float32)
