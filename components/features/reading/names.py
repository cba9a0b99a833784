"""What features are called: their labels where something is known of them, their numbers always."""

from dataclasses import dataclass

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.labels.rule import UNCLEAR

LONGEST = 34
"""Characters of a label in a list; the card shows all of it."""


@dataclass(frozen=True, eq=False)
class Names:
    """How the features of one dictionary are called."""

    dictionary: Dictionary
    evidence: Evidence | None

    @property
    def kind(self) -> str:
        """What one is: `feature` or `neuron`."""
        return kind_of(self.dictionary)

    def label(self, feature: int, longest: int = LONGEST) -> str:
        """Its label in so many characters at most; empty where none is known."""
        label = "" if self.evidence is None else self.evidence.label(feature)
        if label in ("", UNCLEAR):
            return ""
        return label if len(label) <= longest else f"{label[: longest - 1]}…"

    def short(self, feature: int, longest: int = LONGEST) -> str:
        """For an axis: its number, and its label where there is one, in so many characters at most."""
        return " ".join(filter(None, (f"{feature}", self.label(feature, longest))))

    def long(self, feature: int) -> str:
        """Within a sentence."""
        label = self.label(feature)
        return f"{self.kind} {feature}" + (f", “{label}”" if label else "")


def kind_of(dictionary: Dictionary) -> str:
    """What one of its features is called: `feature`, `neuron`, or `component` where all are always active."""
    if dictionary.id.startswith("neurons."):
        return "neuron"
    return "component" if dictionary.signed else "feature"
