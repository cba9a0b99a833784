"""How large a feature gets, and how often it fires: what its values and its controls are measured by."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from analysis.dictionaries.acting.feature_nulls import Frequency, frequency_in
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.methods.features import TextFeatures


@dataclass(frozen=True, eq=False)
class Units:
    """What is usual of the features of one dictionary."""

    found: TextFeatures
    evidence: Evidence | None

    def largest(self, feature: int) -> float:
        """The activation of largest magnitude, with its sign: over many tokens, in this text, or of its like.

        The first token of a text does not count. A feature that was never seen active gets the median of the text's
        features, or 1.
        """
        if self.evidence is not None:
            high, low = float(self.evidence.largest[feature]), float(self.evidence.smallest[feature])
            if known := high if high >= -low else low:
                return known
        return self._largest_here(feature) or self._usual

    def where_from(self, feature: int) -> str:
        """Where `largest` is from, in words."""
        if self.evidence is not None and (self.evidence.largest[feature] or self.evidence.smallest[feature]):
            return f"over {self.evidence.counted:,} tokens"
        return "in this text" if self._largest_here(feature) else "a usual one: it is not active in this text"

    @cached_property
    def frequency(self) -> Frequency:
        """Share of tokens at which every feature fires, of many tokens where that is known, else of this text."""
        if self.evidence is not None:
            return self.evidence.frequency.astype(np.float64)
        return frequency_in(self.found.activations)

    def _largest_here(self, feature: int) -> float:
        own = self.found.activations[1:, feature]
        return float(own[np.abs(own).argmax()]) if own.size else 0.0

    @cached_property
    def _usual(self) -> float:
        peaks = np.abs(self.found.activations[1:]).max(0, initial=0)
        return float(np.median(peaks[peaks > 0])) if (peaks > 0).any() else 1.0
