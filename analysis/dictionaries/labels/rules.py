"""The simple rule about tokens that foretells best where a feature fires.

A rule names some words and where they stand: the token itself, the one before, the one behind, two in a row, or
anywhere shortly before. Rules are chosen on one part of the text and judged on the rest.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int64

from analysis.dictionaries.labels.rule import NONE, Rule
from analysis.dictionaries.labels.text import Text
from analysis.dictionaries.labels.words import Groups, Words
from analysis.jobs import Report, silent

WORDS = 6
"""Words that a rule names at most."""
SHARE = 0.02
"""What a word must add to the hits, less what it adds to the false alarms, to be named."""
MANY, MANY_SHARE = 40, 0.004
"""The same two of rules that are a list of many words, as all words of a topic are."""
CLEAR = 0.62
"""Balanced accuracy where rules are chosen, from which on one becomes a label."""
FEWEST = 8
"""Firings from which on there is something to learn a rule from."""
PRECISE = 0.1
"""What a rule is preferred by whose every foretold token fires, over one where hardly any does: balanced accuracy
does not see false alarms that are few among all tokens and many among the foretold ones."""
HANDICAP = {
    "token": 0.0,
    "kind": 0.0,
    "words": 0.06,
    "pair": 0.02,
    "beginning": 0.02,
    "ending": 0.02,
    "after": 0.02,
    "before": 0.03,
    "near": 0.05,
}
"""What a rule must be better by than one that is easier to read."""


def _families(words: Words) -> tuple[tuple[str, int, Groups, int], ...]:
    """Of rules about words at one place: name, tokens behind, groups of words, and how many of them are named."""
    return (
        ("token", 0, words.plain, WORDS),
        ("words", 0, words.plain, MANY),
        ("kind", 0, words.kinds, 1),
        ("beginning", 0, words.beginnings, 1),
        ("ending", 0, words.endings, 1),
        ("after", -1, words.plain, WORDS),
        ("before", 1, words.plain, WORDS),
    )


def _wider(text: Text) -> tuple[tuple[str, tuple[str, ...], sp.csr_array, int], ...]:
    """Of rules about more than one place: name, names of groups, where each is met, and how many are named."""
    return ("pair", text.pairs, text.paired, WORDS), ("near", text.topics.names, text.near, 1)


def rules(fires: sp.csr_array, text: Text, report: Report = silent) -> tuple[Rule, ...]:
    """The best rule for every feature, chosen where rules are learned.

    For words that stand at one place, hits less false alarms of a set of words is the sum over its words; so the words
    that add most are the best set of that size.

    Args:
        fires: 1 where a feature fires (point, feature).
        text: the same points.
        report: progress.

    Misleads when: a feature fires on what no word shows, such as a meaning: the best rule is then a poor one, or none.
    """
    fired = fires[np.flatnonzero(text.learning)].T.tocsr()
    best, worth = [NONE] * fired.shape[0], np.full(fired.shape[0], 0.5)
    for number, (family, names, met, said, most) in enumerate(_met(fired, text)):
        report("Making labels", number, len(HANDICAP))
        gains = _gains(met, said, fired)
        for feature, (words, score, precision) in enumerate(_best_words(gains, met, said, most)):
            own = score + PRECISE * precision - HANDICAP[family]
            if score >= CLEAR and own > worth[feature]:
                worth[feature] = own
                best[feature] = Rule(family, tuple(names[word] for word in words), score)
    return tuple(best)


def _met(
    fired: sp.csr_array, text: Text
) -> Iterator[tuple[str, tuple[str, ...], sp.csr_array, np.ndarray, int]]:
    """For every family its name and its groups', how often each feature fires at each, how often each comes, and how
    many are named.
    """
    learning = np.flatnonzero(text.learning)
    there = {shift: text.words.there(shift)[learning] for shift in (0, -1, 1)}
    hits = {shift: (fired @ matrix).tocsr() for shift, matrix in there.items()}
    often = {shift: np.asarray(matrix.sum(0)).ravel() for shift, matrix in there.items()}
    for family, shift, groups, most in _families(text.words):
        members = groups.members
        yield family, groups.names, (hits[shift] @ members).tocsr(), often[shift] @ members, most
    for family, names, where, most in _wider(text):
        own = where[learning]
        yield family, names, (fired @ own).tocsr(), np.asarray(own.sum(0)).ravel(), most


def _gains(met: sp.csr_array, said: np.ndarray, fired: sp.csr_array) -> np.ndarray:
    """What each group adds to the share of firings that are met, less the share of other tokens that are.

    Hits are taken with the doubt of a count, less their square root: of the many words that a rare feature meets, some
    come two or three times by chance.
    """
    fire = np.diff(fired.indptr)
    rows = np.repeat(np.arange(met.shape[0]), np.diff(met.indptr))
    sure = met.data - np.sqrt(met.data)
    alarms = said[met.indices] - met.data
    gains = sure / np.maximum(fire, 1)[rows] - alarms / np.maximum(fired.shape[1] - fire, 1)[rows]
    return np.where(fire[rows] < FEWEST, 0, gains)


def _best_words(
    gains: np.ndarray, met: sp.csr_array, said: np.ndarray, most: int
) -> Iterator[tuple[np.ndarray, float, float]]:
    """For every feature the groups that add most, the score of them, and the share of what they foretell that fires."""
    share = MANY_SHARE if most == MANY else SHARE
    for first, end in pairwise(met.indptr):
        wanted = first + np.flatnonzero(gains[first:end] >= share)
        wanted = wanted[np.lexsort((met.indices[wanted], -gains[wanted]))][:most]
        groups = met.indices[wanted]
        precision = float(met.data[wanted].sum() / max(said[groups].sum(), 1))
        yield groups, 0.5 + 0.5 * float(gains[wanted].sum()), precision


def foretold(chosen: tuple[Rule, ...], text: Text, points: Int64[np.ndarray, " chosen"]) -> sp.csr_array:
    """Where rules foretell that their features fire (feature, chosen), at some of the tokens."""
    total = sp.csr_array((len(chosen), len(points)), dtype=np.float32)
    for family, shift, groups, _ in _families(text.words):
        if (named := _named(chosen, family, groups.names)).nnz:
            total = total + (named @ groups.members.T) @ text.words.there(shift)[points].T
    for family, names, where, _ in _wider(text):
        if (named := _named(chosen, family, names)).nnz:
            total = total + named @ where[points].T
    total = total.tocsr()
    total.data[:] = total.data > 0
    total.eliminate_zeros()
    return total


def _named(chosen: tuple[Rule, ...], family: str, names: tuple[str, ...]) -> sp.csr_array:
    """Which groups the rules of one family name (feature, group)."""
    number = {name: place for place, name in enumerate(names)}
    own = [[number[word] for word in rule.words] if rule.family == family else [] for rule in chosen]
    columns = np.array([place for each in own for place in each], np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in own])]).astype(np.int64)
    return sp.csr_array(
        (np.ones(len(columns), np.float32), columns, offsets), shape=(len(chosen), len(names))
    )
