"""A rule about tokens that foretells where a feature fires, and how it reads as a label."""

import re
from dataclasses import dataclass

UNCLEAR = "unclear"
"""How a label begins that no rule stands behind."""
SILENT = "never fires here"
PEAKS = "peaks"
"""How a label begins whose rule foretells strong firings only."""
SAYS = {
    "token": ("token", "tokens"),
    "kind": ("", ""),
    "words": ("words", "words"),
    "pair": ("the end of", "the end of"),
    "beginning": ("words beginning with", "words beginning with"),
    "ending": ("words ending in", "words ending in"),
    "after": ("after", "after"),
    "before": ("before", "before"),
    "near": ("near", "near"),
}
"""What is said before a rule's words: one of them, several."""
SHOWN = 5
"""Words that a label shows of a rule with many."""
AT_A_TOKEN = ("token", "words", "kind", "pair", "beginning", "ending")
"""Families that say at which tokens a feature is strongest; the others say where these stand."""


@dataclass(frozen=True)
class Rule:
    """Foretells that a feature fires wherever one of some words stands at a place."""

    family: str
    """One of `SAYS`; empty for no rule."""
    words: tuple[str, ...] = ()
    """Names of groups of words, those that tell most first."""
    score: float = 0.5
    """Balanced accuracy where it was chosen, hits taken with the doubt of a count."""
    strong: bool = False
    """True if it foretells the feature's strong firings only."""

    @property
    def label(self) -> str:
        """In words."""
        if not self.family:
            return UNCLEAR
        if not self.strong:
            return f"{SAYS[self.family][len(self.words) > 1]} {self._shown}".strip()
        at = "at " if self.family in AT_A_TOKEN else ""
        said = "" if self.family in ("token", "words") else f"{SAYS[self.family][len(self.words) > 1]} "
        return f"{PEAKS} {at}{said.lstrip()}{self._shown}"

    @property
    def _shown(self) -> str:
        if self.family == "kind":
            return ", ".join(self.words)
        more = len(self.words) - SHOWN if self.family == "words" else 0
        return f"{in_quotes(self.words[:-more])} and {more} more" if more > 0 else in_quotes(self.words)


NONE = Rule("")


def in_quotes(words: tuple[str, ...]) -> str:
    """Words in a row, each in quotes."""
    return ", ".join(f"‘{word}’" for word in words)


def family_of(label: str) -> str:
    """The family of the rule behind an automatic label, one of `SAYS`; empty where no rule is."""
    if label.startswith((UNCLEAR, SILENT)):
        return ""
    rest = label.removeprefix(f"{PEAKS} ").removeprefix("at ")
    said = re.match("[^‘]*", rest)[0].strip()
    if said == rest:
        return "kind"
    return next((family for family, forms in SAYS.items() if said and said in forms), "token")
