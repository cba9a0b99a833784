"""Labels of features without any outside service: rules about tokens that hold on text they were not chosen on.

A rule that foretells where a feature fires at all comes first; then one that foretells where it fires strongly, for
many features are about one thing at their strongest and about much else below; then one that is merely better than
nothing. Where no rule holds, words at which the strongest firings stand are named beside `unclear`.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float32

from analysis.dictionaries.firing.firings import Firings
from analysis.dictionaries.labels.detection import accuracy, balanced
from analysis.dictionaries.labels.rule import NONE, SILENT, UNCLEAR, Rule, in_quotes
from analysis.dictionaries.labels.rules import FEWEST, foretold, rules
from analysis.dictionaries.labels.strong import strong_firings
from analysis.dictionaries.labels.text import Text
from analysis.dictionaries.labels.words import Words
from analysis.jobs import Report, silent

SOURCE = (
    "token and logit rules: Gur-Arieh et al. 2025, arXiv 2501.08319; detection: Paulo et al. 2024, arXiv "
    "2410.13928"
)
BLOCKS, OF = 50, 5
"""Pieces of the text, and which of them, the last of so many, is judged on: texts of one kind stand together."""
GOOD = 0.75
"""Balanced accuracy where rules are chosen, from which on one about every firing comes before one about strong ones."""
HOLDS = 0.6
"""Balanced accuracy on other text that a rule must have to be a label."""
WHOLE_TOKENS = ("token", "words", "after", "before")
"""Families whose words are tokens as they stand in a text."""
EXAMPLES = 3
"""Words that are named of a feature without a rule."""


def feature_labels(
    found: Firings, words: Words, raised: list[tuple[str, ...]], report: Report = silent
) -> tuple[tuple[str, ...], Float32[np.ndarray, " feature"], Float32[np.ndarray, " feature"]]:
    """A label for every feature, and how well its rule does on text that it was not chosen on.

    Args:
        found: what fires.
        words: the words its tokens are.
        raised: tokens that each feature promotes by more than chance.
        report: progress.

    Returns:
        Labels; the balanced accuracy of their rules on a fifth of the text; the highest of 19 random other features'
        rules on the same firings. Both are NaN where there is no rule.

    Misleads when: a label's accuracy is read as an unbiased one: rules that fail on that fifth are withdrawn, so those
    that stay have been lucky there rather than not. One that begins with `peaks` says nothing of weaker firings.
    """
    text = Text(words, found.counts, learning(found))
    fires = found.by_token.copy()
    fires.data = np.ones(len(fires.data), np.float32)
    strong = strong_firings(found, text.learning)
    chosen, detection, null = chosen_rules(fires, strong, text, report)
    examples, firing = _examples(strong, found, words), found.firing().tolist()
    shown = [_as_parts(rule, words) for rule in chosen]
    return tuple(map(_label, shown, firing, examples, raised)), detection, null


def learning(found: Firings) -> Bool[np.ndarray, " point"]:
    """Counting tokens on which rules are chosen: four blocks of stretches of every five."""
    block = found.text.astype(np.int64) * BLOCKS // max(int(found.text.max(initial=0)) + 1, BLOCKS)
    return found.counts & (block % OF != OF - 1)


def chosen_rules(
    fires: sp.csr_array, strong: sp.csr_array, text: Text, report: Report = silent
) -> tuple[tuple[Rule, ...], Float32[np.ndarray, " feature"], Float32[np.ndarray, " feature"]]:
    """For every feature the first rule that holds, its balanced accuracy, and the best of other features' rules.

    Args:
        fires: 1 where a feature fires (point, feature).
        strong: 1 where it fires strongly.
        text: the same points.
        report: progress.
    """
    points = np.flatnonzero(text.judging)
    of_all, of_strong = rules(fires, text, report), rules(strong, text, report)
    of_strong = tuple(replace(rule, strong=bool(rule.family)) for rule in of_strong)
    fired, said = [each[points].T.tocsr() for each in (fires, strong)], []
    held = []
    for own, target in zip((of_all, of_strong), fired, strict=True):
        said.append(foretold(own, text, points))
        held.append(np.nan_to_num(balanced(said[-1], target)) >= HOLDS)
    first = held[0] & (np.array([rule.score for rule in of_all]) >= GOOD)
    take_strong = ~first & held[1]
    clear = take_strong | held[0]
    both = zip(of_all, of_strong, take_strong, clear, strict=True)
    chosen = tuple((second if late else one) if ok else NONE for one, second, late, ok in both)
    said, fired = (_mixed(pair, take_strong) for pair in (said, fired))
    return chosen, *accuracy(said, fired, _numbered(chosen), report=report)


def _mixed(both: list[sp.csr_array], second: Bool[np.ndarray, " feature"]) -> sp.csr_array:
    """The rows of the one matrix, or of the other where that is asked for."""
    count = len(second)
    return sp.vstack(both, "csr")[np.arange(count) + count * second]


def _numbered(chosen: tuple[Rule, ...]) -> np.ndarray:
    """Equal numbers for rules that say the same; -1 for none."""
    known: dict[tuple, int] = {}
    return np.array(
        [
            known.setdefault((rule.family, frozenset(rule.words)), len(known)) if rule.family else -1
            for rule in chosen
        ]
    )


def _examples(strong: sp.csr_array, found: Firings, words: Words) -> list[tuple[str, ...]]:
    """Words that have most of each feature's strong firings, by activation."""
    weights = abs(found.by_token).multiply(strong).T.tocsr()
    mass = ((weights @ words.there(0)) @ words.plain.members).tocsr()
    usual = np.bincount(words.at, minlength=words.count) @ words.plain.members / max(len(words.at), 1)
    total = np.asarray(mass.sum(1)).ravel()
    named = []
    for feature, (first, end) in enumerate(zip(mass.indptr[:-1], mass.indptr[1:], strict=True)):
        own = mass.indices[first:end]
        above = mass.data[first:end] / max(total[feature], 1e-30) - usual[own]
        order = np.lexsort((own, -above))[:EXAMPLES]
        best = [words.plain.names[word] for word in own[order[above[order] > 0]]]
        named.append(tuple(words.shown.get(name, name) for name in best))
    return named


def _as_parts(rule: Rule, words: Words) -> Rule:
    """The rule with parts of words so written that one sees of which word they are."""
    if rule.family not in WHOLE_TOKENS:
        return rule
    return replace(rule, words=tuple(words.shown.get(word, word) for word in rule.words))


def _label(rule: Rule, firing: int, examples: tuple[str, ...], raised: tuple[str, ...]) -> str:
    if not firing:
        return SILENT
    if rule.family == "before" and {word.casefold() for word in rule.words} & {w.casefold() for w in raised}:
        return f"{rule.label}, promoting it"
    if rule.family:
        return rule.label
    rare = f", {firing} firings" if 1 < firing < FEWEST else ", 1 firing" if firing == 1 else ""
    promotes = f"; promotes {in_quotes(raised[:2])}" if raised else ""
    return (
        f"{UNCLEAR}{rare}; e.g. {in_quotes(examples)}{promotes}" if examples else f"{UNCLEAR}{rare}{promotes}"
    )
