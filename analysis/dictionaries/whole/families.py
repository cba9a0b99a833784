"""Families: general features and the special ones that fire only where the general one does."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent

SOURCE = (
    "O'Neill, Ye, Iyer & Wu 2024 (Disentangling Dense Embeddings with Sparse Autoencoders), arXiv 2408.00657"
)
MISLEADS = (
    "Firing together is not meaning: a feature of a word and one of its first letters fire together too. A frequent "
    "feature fires with everything; those at more than a tenth of tokens are left out. Rare features fall together by "
    "chance: compare with the families of features whose tokens were dealt anew."
)
DENSE = 0.1
"""Share of tokens above which a feature is left out."""
FEWEST_TOKENS = 10
"""At which a feature fires, for it to belong anywhere."""
ROWS = 256
"""Features whose overlaps are counted at a time."""
TIE = 1e-6
"""Of equal overlaps the tree keeps those between features of more alike frequency: a grandchild hangs on the child."""
ROUNDS = 3
"""Roots are taken out, and families looked for among the rest, so often."""


@dataclass(frozen=True)
class Member:
    """One feature of a family."""

    feature: int
    parent: int | None
    """The denser feature it hangs on; None for the root."""
    depth: int
    """0 for the root."""
    overlap: float
    """Share of its tokens at which the parent fires too, 0 to 1; NaN for the root."""


@dataclass(frozen=True)
class Family:
    """A root and everything that hangs on it."""

    members: tuple[Member, ...]
    """The root first, then depth first, the most frequent first."""
    round: int
    """Counted from 1: in which round it was found."""

    @property
    def root(self) -> int:
        """Number of the densest feature."""
        return self.members[0].feature


@dataclass(frozen=True)
class Families:
    """All families of a dictionary, the largest first."""

    found: tuple[Family, ...]
    least: float
    """Overlap from which on two features are joined."""
    taking_part: int
    """Features that fire neither too often nor too rarely."""
    too_dense: int
    joined: int
    """Pairs of features that overlap so much."""
    joined_by_chance: int
    """The same when each feature fires at as many tokens drawn at random."""


def families(
    activations: csr_array,
    least: float = 0.5,
    seed: int = 0,
    tokens: int | None = None,
    report: Report = silent,
) -> Families:
    """Group features by where they fire: overlaps from a threshold on, and their maximum spanning tree.

    The overlap of two features is the share of the rarer one's tokens at which the other fires too. Every edge of the
    tree leads from the denser feature to the rarer one; a family is a feature that nothing denser leads to, with all
    that can be reached from it. Then these roots are taken out and the rest is looked at again.

    Args:
        activations: (token, feature); rows of tokens that do not count are zero.
        least: overlap from which on two features are joined, above 0 to 1.
        seed: of the firings that are dealt anew.
        tokens: that count; None is all rows.
        report: progress in features; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the threshold makes no sense, or fewer than two features fire often enough.

    Source: O'Neill et al. 2024, arXiv 2408.00657.
    Misleads when: see `MISLEADS`.
    """
    if not 0 < least <= 1:
        raise AnalysisError(f"Overlaps lie between 0 and 1; given a least overlap of {least}.")
    ones = np.ones(activations.nnz, np.float32)
    table = csr_array((ones, activations.indices, activations.indptr), shape=activations.shape)
    counts = np.bincount(table.indices, minlength=table.shape[1])
    dense = counts > DENSE * (tokens or table.shape[0])
    taken = np.flatnonzero(~dense & (counts >= FEWEST_TOKENS))
    if len(taken) < 2:
        raise AnalysisError(
            f"{len(taken)} features fire at {FEWEST_TOKENS} tokens or more and at no more than a tenth of them; "
            "families need at least 2. Gather evidence over more text."
        )
    columns, sizes = table.tocsc()[:, taken], counts[taken]
    edges = overlapping(columns, sizes, least, report)
    dealt = _dealt(columns, sizes, np.random.default_rng(seed))
    by_chance = overlapping(dealt, sizes, least, report)
    found = _rounds(edges, sizes, taken)
    return Families(found, least, len(taken), int(dense.sum()), edges.nnz, by_chance.nnz)


def overlapping(columns, sizes: np.ndarray, least: float, report: Report = silent) -> coo_array:
    """Pairs of features whose overlap reaches the threshold, each once: the denser is the row.

    Of equally dense ones the row is the one of smaller number.

    Args:
        columns: (token, feature) of ones, sparse by feature.
        sizes: tokens of each feature.
        least: overlap.
        report: progress in features.
    """
    rows, ends, values = [], [], []
    turned = columns.T.tocsr()
    for begin in range(0, columns.shape[1], ROWS):
        report("Counting who fires within whom", begin, columns.shape[1])
        together = (turned[begin : begin + ROWS] @ columns).tocoo()
        one, other = together.row + begin, together.col
        denser = (sizes[one] > sizes[other]) | ((sizes[one] == sizes[other]) & (one < other))
        share = together.data / np.minimum(sizes[one], sizes[other])
        kept = denser & (share >= least)
        rows.append(one[kept])
        ends.append(other[kept])
        values.append(share[kept])
    parts = np.concatenate(values), (np.concatenate(rows), np.concatenate(ends))
    return coo_array(parts, shape=(columns.shape[1],) * 2)


def _dealt(columns, sizes: np.ndarray, random: np.random.Generator):
    """Every feature at as many tokens, drawn at random among those at which anything fires."""
    used = np.flatnonzero(np.diff(columns.tocsr().indptr))
    parts = [random.choice(used, size, replace=False) for size in sizes]
    rows, ends = np.concatenate(parts), np.repeat(np.arange(len(sizes)), sizes)
    return csr_array((np.ones(len(rows), np.float32), (rows, ends)), shape=columns.shape).tocsc()


def _rounds(edges: coo_array, sizes: np.ndarray, taken: np.ndarray) -> tuple[Family, ...]:
    left = np.ones(len(taken), bool)
    found: list[Family] = []
    for number in range(1, ROUNDS + 1):
        kept = left[edges.row] & left[edges.col]
        now = coo_array((edges.data[kept], (edges.row[kept], edges.col[kept])), shape=edges.shape)
        if not now.nnz:
            break
        grown = _grown(now, sizes, taken, number)
        found += grown
        roots = {each.root for each in grown}
        left &= ~np.isin(taken, list(roots))
    return tuple(sorted(_different(found), key=lambda each: (-len(each.members), each.round, each.root)))


def _grown(edges: coo_array, sizes: np.ndarray, taken: np.ndarray, number: int) -> list[Family]:
    """Families of one round."""
    from scipy.sparse.csgraph import minimum_spanning_tree

    # the longest tree of overlaps is the shortest one of what they lack; 0 would be no edge
    steps = np.log(sizes[edges.row] / sizes[edges.col])
    lacking = coo_array((2 - edges.data + TIE * steps, (edges.row, edges.col)), shape=edges.shape)
    tree = minimum_spanning_tree(lacking.tocsr()).tocoo()
    overlaps = edges.tocsr()
    children: dict[int, list[tuple[int, float]]] = {}
    below: set[int] = set()
    for one, other in zip(tree.row.tolist(), tree.col.tolist(), strict=True):
        children.setdefault(one, []).append((other, float(overlaps[one, other])))
        below.add(other)
    roots = sorted(set(children) - below, key=lambda each: (-sizes[each], each))
    return [Family(_members(root, children, sizes, taken), number) for root in roots]


def _members(root: int, children: dict, sizes: np.ndarray, taken: np.ndarray) -> tuple[Member, ...]:
    found, seen = [], {root}
    waiting = [(root, None, 0, float("nan"))]
    while waiting:
        at, parent, depth, overlap = waiting.pop()
        found.append(Member(int(taken[at]), None if parent is None else int(taken[parent]), depth, overlap))
        for child, share in sorted(children.get(at, ()), key=lambda each: (sizes[each[0]], -each[0])):
            if child not in seen:
                seen.add(child)
                waiting.append((child, at, depth + 1, share))
    return tuple(found)


def _different(found: list[Family]) -> list[Family]:
    """Families that are not part of one that was found before."""
    kept: list[Family] = []
    seen: list[frozenset[int]] = []
    for each in found:
        own = frozenset(member.feature for member in each.members)
        if not any(own <= other for other in seen):
            kept.append(each)
            seen.append(own)
    return kept
