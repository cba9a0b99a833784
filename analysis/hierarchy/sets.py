"""Which tokens of a vocabulary belong to which concept of a hierarchy."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from analysis.errors import AnalysisError
from analysis.hierarchy.words import Category, Hierarchy
from analysis.models.loaded import LoadedModel

FEWEST = 8
"""Words of a kind that are one token; kinds with fewer are left out."""
STABLE = 50
"""Tokens from which on an estimate is stable."""

Words = tuple[tuple[int, ...], ...]
"""Words, each the rows of its tokens: `dog` and `dogs` stay together."""


@dataclass(frozen=True)
class Concept:
    """One node: everything together, a parent, or a kind."""

    name: str
    parent: int | None
    """Its number among the concepts; None for the first."""
    kinds: tuple[int, ...]
    """Numbers of the kinds beneath it, among the kinds; of a kind its own."""
    words: int
    """Words with a token."""
    tokens: int
    missing: int
    """Words without: they take several tokens, or stand in two kinds."""


@dataclass(frozen=True, eq=False)
class Sets:
    """Which tokens belong to which concept."""

    concepts: tuple[Concept, ...]
    """Parents before their kinds."""
    kinds: tuple[Words, ...]
    """Rows of `ids` for every word of every kind."""
    ids: Int64[np.ndarray, " token"]
    left_out: tuple[str, ...]
    """Kinds and parents with too few words, with their counts."""

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Child and parent, by number."""
        return tuple((i, each.parent) for i, each in enumerate(self.concepts) if each.parent is not None)

    @property
    def parents(self) -> tuple[int, ...]:
        """Concepts with others beneath them, always two at least."""
        return tuple(dict.fromkeys(up for _, up in self.edges))

    def siblings(self, concept: int) -> tuple[int, ...]:
        """Other concepts of the same parent."""
        parent = self.concepts[concept].parent
        return tuple(i for i, each in enumerate(self.concepts) if each.parent == parent and i != concept)

    def children(self, concept: int) -> tuple[int, ...]:
        """Concepts beneath one."""
        return tuple(i for i, each in enumerate(self.concepts) if each.parent == concept)

    def words(self, concept: int, kinds: Sequence[Words]) -> Words:
        """Words of a concept, where the kinds have these."""
        return tuple(word for number in self.concepts[concept].kinds for word in kinds[number])


def rows_in(words: Iterable[tuple[int, ...]]) -> Int64[np.ndarray, " token"]:
    """All rows of some words."""
    return np.fromiter(itertools.chain.from_iterable(words), np.int64)


def find_sets(model: LoadedModel, given: Hierarchy) -> Sets:
    """The tokens of every concept: words, with a space before them, that are one token of this vocabulary.

    A token that stands in two kinds is left out of both; kinds of fewer than `FEWEST` words, and parents of fewer
    than two kinds, are left out and named.

    Raises:
        AnalysisError: nothing is left to compare.
    """
    found = _of_one_kind(
        {kind.name: _word_ids(model, kind) for parent in given.parents for kind in parent.children}
    )
    few = [f"{name} ({len(words)})" for name, words in found.items() if len(words) < FEWEST]
    kept = []
    for parent in given.parents:
        kinds = tuple(kind for kind in parent.children if len(found[kind.name]) >= FEWEST)
        if len(kinds) > 1:
            kept.append(Category(parent.name, children=kinds))
        else:
            few.append(f"{parent.name} ({len(kinds)} kinds)")
    if not kept:
        raise AnalysisError(
            f"None of the parents has two kinds with {FEWEST} words that are one token of {model.title}: "
            f"{', '.join(few)}. Choose other parents, or a model with a larger vocabulary."
        )
    return _numbered(given.name, kept, found, tuple(few))


def _word_ids(model: LoadedModel, kind: Category) -> Words:
    """Ids of each word's forms that are one token; none comes twice, and words without are empty."""
    seen: set[int] = set()
    words = []
    for word in kind.words:
        ids = [index for form in word.split() if (index := _id(model, form)) is not None]
        words.append(tuple(dict.fromkeys(index for index in ids if index not in seen)))
        seen.update(ids)
    return tuple(words)


def _id(model: LoadedModel, form: str) -> int | None:
    """The token of a space and the word: what an unknown word becomes is none, and some tokenizers add the space."""
    for text in (f" {form}", form):
        with suppress(AnalysisError):
            index = model.tokenizer.find(text)
            if model.tokenizer.piece(index) == f" {form}".encode():
                return index
    return None


def _of_one_kind(ids: dict[str, Words]) -> dict[str, Words]:
    """Without the tokens that stand in two kinds, and the words that then have none."""
    times = Counter(index for words in ids.values() for index in set(itertools.chain(*words)))
    single = {
        name: (tuple(index for index in word if times[index] == 1) for word in words)
        for name, words in ids.items()
    }
    return {name: tuple(filter(None, words)) for name, words in single.items()}


def _numbered(name: str, parents: list[Category], found: dict[str, Words], few: tuple[str, ...]) -> Sets:
    """Number concepts and tokens; a single parent is everything there is."""
    kinds = [kind for parent in parents for kind in parent.children]
    above = 0 if len(parents) > 1 else None
    nodes: list[tuple[str, int | None, Sequence[Category]]] = [] if above is None else [(name, None, kinds)]
    for parent in parents:
        at = len(nodes)
        nodes.append((parent.name, above, parent.children))
        nodes += [(kind.name, at, (kind,)) for kind in parent.children]
    row = itertools.count()
    words = tuple(tuple(tuple(next(row) for _ in word) for word in found[kind.name]) for kind in kinds)
    ids = [index for kind in kinds for word in found[kind.name] for index in word]
    concepts = tuple(_concept(title, up, under, kinds, words) for title, up, under in nodes)
    return Sets(concepts, words, np.array(ids, np.int64), few)


def _concept(
    name: str,
    parent: int | None,
    beneath: Sequence[Category],
    kinds: Sequence[Category],
    words: tuple[Words, ...],
) -> Concept:
    numbers = tuple(kinds.index(kind) for kind in beneath)
    own = [word for number in numbers for word in words[number]]
    given = sum(len(kind.words) for kind in beneath)
    return Concept(name, parent, numbers, len(own), sum(map(len, own)), given - len(own))
