"""What features are called: their labels where something is known of them, their numbers always."""

from dataclasses import dataclass

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.evidence import Evidence

LONGEST = 34
"""Characters of a label in a list; the card shows all of it."""
UNCLEAR = "unclear"
"""What a label says that says nothing."""


@dataclass(frozen=True, eq=False)
class Names:
    """How the features of one dictionary are called."""

    dictionary: Dictionary
    evidence: Evidence | None

    @property
    def kind(self) -> str:
        """What one is: `feature` or `neuron`."""
        return kind_of(self.dictionary)

    def label(self, feature: int) -> str:
        """Its label, shortened; empty where none is known."""
        label = "" if self.evidence is None else self.evidence.label(feature)
        if label in ("", UNCLEAR):
            return ""
        return label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"

    def short(self, feature: int) -> str:
        """For an axis: its number, and its label where there is one."""
        return " ".join(filter(None, (f"{feature}", self.label(feature))))

    def long(self, feature: int) -> str:
        """Within a sentence."""
        label = self.label(feature)
        return f"{self.kind} {feature}" + (f", “{label}”" if label else "")


def kind_of(dictionary: Dictionary) -> str:
    """What one of its features is called: `feature`, `neuron`, or `component` where all are always active."""
    if dictionary.id.startswith("neurons."):
        return "neuron"
    return "component" if dictionary.signed else "feature"
