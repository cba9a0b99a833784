"""Where features fire strongly."""

from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool

from analysis.dictionaries.firing.firings import Firings

SHARE = 0.5
"""Of a feature's largest magnitude where rules are chosen: firings of at least that are strong."""
LEAST = 20
"""Firings that count as strong there in any case, as far as there are so many: a single outlier is no rule."""


def strong_firings(found: Firings, learning: Bool[np.ndarray, " point"]) -> sp.csr_array:
    """1 where a feature fires strongly (point, feature).

    Args:
        found: what fires.
        learning: tokens by which it is decided what is strong.
    """
    entries = found.by_feature
    size, known = np.abs(entries.data), learning[entries.indices]
    kept = np.zeros(len(size), np.float32)
    for first, end in pairwise(entries.indptr):
        own = size[first:end]
        learned = np.sort(own[known[first:end]])[::-1]
        if len(learned):
            kept[first:end] = own >= min(SHARE * learned[0], learned[:LEAST][-1])
    strong = sp.csc_array((kept, entries.indices, entries.indptr), shape=entries.shape).tocsr()
    strong.eliminate_zeros()  # not before: the columns' places are the firings' own
    return strong
