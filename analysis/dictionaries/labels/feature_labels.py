"""Labels without any outside service: the simple rule about tokens that foretells best where a feature fires.

A rule names some words and where they stand: the token itself, the one before, the one behind, or anywhere shortly
before. Rules are chosen on the first four fifths of the text and judged on the rest.
"""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int64

from analysis.dictionaries.labels.detection import accuracy
from analysis.dictionaries.labels.words import Groups, Words
from analysis.jobs import Report, silent

SOURCE = (
    "token and logit rules: Gur-Arieh et al. 2025, arXiv 2501.08319; detection: Paulo et al. 2024, arXiv "
    "2410.13928"
)
UNCLEAR, SILENT = "unclear", "never fires here"
WORDS = 6
"""Words that a rule names at most."""
SHARE = 0.02
"""What a word must add to the hits, less what it adds to the false alarms, to be named."""
CLEAR = 0.62
"""Balanced accuracy where rules are chosen, from which on one becomes a label."""
NEAR = 24
"""Tokens before, among which a word is near."""
NEAR_COUNTS = (8, 0.004)
"""How often a word must occur to be one of a topic, and the share of the tokens at which it is too common for one."""
FEWEST = 8
"""Firings from which on there is something to learn a rule from."""
SAYS = {
    "token": ("token", "tokens"),
    "kind": ("", ""),
    "beginning": ("words beginning with", "words beginning with"),
    "ending": ("words ending in", "words ending in"),
    "after": ("after", "after"),
    "before": ("before", "before"),
    "near": ("near", "near"),
}
"""What is said before a rule's words: one of them, several."""
HANDICAP = {
    "token": 0.0,
    "kind": 0.0,
    "beginning": 0.02,
    "ending": 0.02,
    "after": 0.02,
    "before": 0.03,
    "near": 0.05,
}
"""What a rule must be better by than one that is easier to read."""


@dataclass(frozen=True)
class Rule:
    """Foretells that a feature fires wherever one of some words stands at a place."""

    family: str
    """One of `SAYS`; empty for no rule."""
    words: tuple[str, ...] = ()
    """Names of groups of words, those that tell most first."""
    score: float = 0.5
    """Balanced accuracy where it was chosen, hits taken with the doubt of a count."""

    @property
    def label(self) -> str:
        """In words."""
        if not self.family:
            return UNCLEAR
        if self.family == "kind":
            return self.words[0]
        shown = ", ".join(f"‘{word}’" for word in self.words)
        return f"{SAYS[self.family][len(self.words) > 1]} {shown}"


NONE = Rule("")


@dataclass(frozen=True, eq=False)
class Text:
    """The tokens from which rules are made, and where each word stands before, at and behind them."""

    words: Words
    counts: Bool[np.ndarray, " point"]
    learning: Bool[np.ndarray, " point"]
    """Counting tokens on which rules are chosen; the other counting ones judge them."""
    topics: Groups = field(init=False)
    near: sp.csr_array = field(init=False)
    """Which words of a topic stand within the last tokens (point, topic)."""

    def __post_init__(self):
        object.__setattr__(self, "topics", _topics(self.words))
        object.__setattr__(self, "near", _near(self.words, self.topics))

    @property
    def judging(self) -> Bool[np.ndarray, " point"]:
        """Counting tokens that were not learned from."""
        return self.counts & ~self.learning


def _topics(words: Words) -> Groups:
    """Words with a meaning of their own: of letters, neither rare nor everywhere."""
    often = np.asarray(np.bincount(words.at, minlength=words.count) @ words.plain.members).ravel()
    fewest, share = NEAR_COUNTS
    kept = [
        place
        for place, name in enumerate(words.plain.names)
        if fewest <= often[place] <= max(share * len(words.at), fewest) and name.isalpha() and len(name) > 2
    ]
    return Groups(tuple(words.plain.names[place] for place in kept), words.plain.members[:, kept].tocsr())


def _near(words: Words, topics: Groups) -> sp.csr_array:
    total = words.there(0) @ topics.members
    for shift in range(1, NEAR):
        total = total + words.there(-shift) @ topics.members
    total = total.tocsr()
    total.data[:] = 1
    return total


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
    learning = np.flatnonzero(text.learning)
    fired = fires[learning].T.tocsr()
    there = {shift: text.words.there(shift)[learning] for shift in (0, -1, 1)}
    hits = {shift: (fired @ matrix).tocsr() for shift, matrix in there.items()}
    often = {shift: np.asarray(matrix.sum(0)).ravel() for shift, matrix in there.items()}
    words = text.words
    families = (
        ("token", 0, words.plain, WORDS),
        ("kind", 0, words.kinds, 1),
        ("beginning", 0, words.beginnings, 1),
        ("ending", 0, words.endings, 1),
        ("after", -1, words.plain, WORDS),
        ("before", 1, words.plain, WORDS),
    )
    best = [NONE] * fired.shape[0]
    for number, (family, shift, groups, most) in enumerate(families):
        report("Making labels", number, len(families) + 1)
        gains = _gains(hits[shift] @ groups.members, often[shift] @ groups.members, fired)
        _take_better(best, family, groups, gains, most)
    report("Making labels", len(families), len(families) + 1)
    near = text.near[learning]
    gains = _gains(fired @ near, np.asarray(near.sum(0)).ravel(), fired)
    _take_better(best, "near", text.topics, gains, 1)
    return tuple(rule if rule.score >= CLEAR else NONE for rule in best)


def _gains(hits: sp.csr_array, often: np.ndarray, fired: sp.csr_array) -> sp.csr_array:
    """What each group adds to the share of firings that are met, less the share of other tokens that are.

    Hits are taken with the doubt of a count, less their square root: of the many words that a rare feature meets, some
    come two or three times by chance.
    """
    hits = hits.tocsr()
    fire = np.asarray(fired.sum(1)).ravel()
    rows = np.repeat(np.arange(hits.shape[0]), np.diff(hits.indptr))
    others = np.maximum(fired.shape[1] - fire, 1)
    sure = hits.data - np.sqrt(hits.data)
    alarms = np.asarray(often).ravel()[hits.indices] - hits.data
    gains = sure / np.maximum(fire, 1)[rows] - alarms / others[rows]
    gains[fire[rows] < FEWEST] = 0
    return sp.csr_array((gains, hits.indices, hits.indptr), shape=hits.shape)


def _take_better(best: list[Rule], family: str, groups: Groups, gains: sp.csr_array, most: int) -> None:
    for feature in range(len(best)):
        own = slice(gains.indptr[feature], gains.indptr[feature + 1])
        data, columns = gains.data[own], gains.indices[own]
        wanted = np.flatnonzero(data >= SHARE)
        if not len(wanted):
            continue
        wanted = wanted[np.lexsort((columns[wanted], -data[wanted]))][:most]
        score = 0.5 + 0.5 * float(data[wanted].sum())
        handicap = HANDICAP[best[feature].family] if best[feature].family else 0.0
        if score - HANDICAP[family] > best[feature].score - handicap:
            best[feature] = Rule(family, tuple(groups.names[c] for c in columns[wanted]), score)


def foretold(chosen: tuple[Rule, ...], text: Text, points: Int64[np.ndarray, " chosen"]) -> sp.csr_array:
    """Where rules foretell that their features fire (feature, chosen), at some of the tokens."""
    words = text.words
    places = {
        "token": (0, words.plain),
        "kind": (0, words.kinds),
        "beginning": (0, words.beginnings),
        "ending": (0, words.endings),
        "after": (-1, words.plain),
        "before": (1, words.plain),
    }
    there = {shift: words.there(shift)[points] for shift in (0, -1, 1)}
    total = sp.csr_array((len(chosen), len(points)), dtype=np.float32)
    for family, (shift, groups) in places.items():
        named = _named(chosen, family, groups)
        if named.nnz:
            total = total + (named @ groups.members.T) @ there[shift].T
    named = _named(chosen, "near", text.topics)
    if named.nnz:
        total = total + named @ text.near[points].T
    total = total.tocsr()
    total.data[:] = total.data > 0
    total.eliminate_zeros()
    return total


def _named(chosen: tuple[Rule, ...], family: str, groups: Groups) -> sp.csr_array:
    """Which groups the rules of one family name (feature, group)."""
    number = {name: place for place, name in enumerate(groups.names)}
    own = [[number[word] for word in rule.words] if rule.family == family else [] for rule in chosen]
    columns = np.array([place for each in own for place in each], np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in own])]).astype(np.int64)
    return sp.csr_array(
        (np.ones(len(columns), np.float32), columns, offsets), shape=(len(chosen), len(groups.names))
    )


def scored(
    chosen: tuple[Rule, ...], fires: sp.csr_array, text: Text, seed: int = 0, report: Report = silent
) -> tuple[np.ndarray, np.ndarray]:
    """How well rules foretell firing on tokens they were not chosen on, and how well other features' rules do.

    Args:
        chosen: a rule for every feature.
        fires: 1 where a feature fires (point, feature).
        text: the same points.
        seed: of the draw of other features.
        report: progress.

    Returns:
        Balanced accuracy, and the highest of 19 random other features' rules; .5 is chance, NaN where there is no rule
        or nothing fires.
    """
    judging = np.flatnonzero(text.judging)
    fired = fires[judging].T.tocsr()
    said = foretold(chosen, text, judging)
    has_rule = np.array([bool(rule.family) for rule in chosen])
    return accuracy(said, fired, has_rule, seed, report)
