"""What is known of every feature of one dictionary, from what fires over many tokens of text."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int32, UInt8

from analysis.dictionaries.evidence.collecting import BINS, DECADES
from analysis.dictionaries.evidence.examples import Example, Level, levels
from analysis.dictionaries.firing.firing_numbers import phi
from analysis.models.tokenizer import Tokenizer
from analysis.results import Provenance
from analysis.tokens import Tokens

SOURCE = (
    "Bricken et al. 2023 (Towards Monosemanticity); tokens that are promoted: Gur-Arieh et al. 2025, arXiv 2501.08319; "
    "detection: Paulo et al. 2024, arXiv 2410.13928"
)
DENSE = 0.1
"""Share of the tokens from which on a feature that fires there is dense."""
FEW = 20
"""Firings below which places say nothing."""
MISLEADS = (
    "The largest activations are the rarest: look at the lower levels before believing a name. A label is a simple "
    "rule about tokens, never a proof of what a feature means, and its score beside a random feature's rule says how "
    "much it is worth. What a feature promotes is its direct path to the unembedding; later blocks read it in other "
    "ways."
)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What many tokens of text say about every feature of a dictionary."""

    dictionary: str
    """Its fingerprint."""
    about: Mapping[str, str]
    """`model`, `revision`, `dtype`, `text` (where it is from), `tokens` and `counted` (how many), `whole`."""
    tokenizer: Tokenizer
    """Names tokens."""
    ids: Int32[np.ndarray, " point"]
    """Every token of the texts."""
    starts: Int32[np.ndarray, " edge"]
    """Where each stretch of text that was run by itself begins, and where the last one ends."""
    frequency: Float32[np.ndarray, " feature"]
    """Share of the counting tokens at which it fires; of a dictionary that is not sparse, at which it is among the 64
    largest magnitudes."""
    mean: Float32[np.ndarray, " feature"]
    """Mean magnitude where it fires; 0 for one that never does."""
    largest: Float32[np.ndarray, " feature"]
    """Its maximum."""
    smallest: Float32[np.ndarray, " feature"]
    """Its minimum: 0 unless the dictionary is signed."""
    histogram: Int32[np.ndarray, "feature bin"]
    """Tokens by magnitude; `edges` says where a bin begins."""
    example_tokens: Int32[np.ndarray, "feature example"]
    """Where its examples lie among the tokens; -1 is none. `examples` says which level a column belongs to."""
    example_values: Float32[np.ndarray, "feature example"]
    """Its activation there, to 1/255 of its largest."""
    promoted: Int32[np.ndarray, "feature rank"]
    """Tokens whose logits it raises most through the unembedding, the most first; -1 where that is not known."""
    promotes: Float32[np.ndarray, "feature rank"]
    """Logits that its mean activation adds to them, on the direct path, above the average token's."""
    suppressed: Int32[np.ndarray, "feature rank"]
    suppresses: Float32[np.ndarray, "feature rank"]
    """The same of those it lowers most."""
    direct: Float32[np.ndarray, " feature"]
    """Standard deviation over the vocabulary of the logits that its mean activation adds on the direct path."""
    top_token: Int32[np.ndarray, " feature"]
    """The token that has most of its activation; -1 for one that never fires."""
    token_precision: Float32[np.ndarray, " feature"]
    """Share of its activation on that token, written in any case and with or without a space, 0 to 1."""
    positions: Float32[np.ndarray, "feature place"]
    """How much more often it fires at places of a stretch (first to last eighth) than over all; 1 is as often."""
    context: Float32[np.ndarray, " feature"]
    """Share of its activation at top examples that the token alone does not give, 0 to 1; NaN where not looked at."""
    labels: tuple[str, ...]
    """Made from rules about tokens; those that foretell strong firings only begin with `peaks`, and those that no
    rule stands behind with `unclear`."""
    detection: Float32[np.ndarray, " feature"]
    """Balanced accuracy of the label's rule on held-out text: .5 is chance; NaN where there is nothing to tell."""
    detection_null: Float32[np.ndarray, " feature"]
    """The same of the best of 19 random other features' rules, on the same firings."""
    together: Int32[np.ndarray, "feature rank"]
    """Features that fire at the same tokens, the most similar first; -1 is none."""
    together_share: Float32[np.ndarray, "feature rank"]
    """Tokens at which both fire over the geometric mean of those at which each does, 0 to 1."""
    chunk_bits: UInt8[np.ndarray, "feature byte"]
    n_chunks: int
    own: Mapping[int, str] = field(default_factory=dict)
    """Labels that a person gave; they stand before the automatic ones."""
    effects: Mapping[int, float] = field(default_factory=dict)
    """What zeroing a feature does to the loss, in nats, of those for which it was measured."""
    _made: dict[str, Any] = field(default_factory=dict, repr=False)
    """What was made of the rest; shared by copies that differ in a person's labels only."""

    @property
    def features(self) -> int:
        """How many there are."""
        return len(self.frequency)

    @property
    def counted(self) -> int:
        """Tokens that count: without first tokens and outliers of norm."""
        return int(self.about["counted"])

    @property
    def whole(self) -> bool:
        """False for dictionaries that are not sparse: only large magnitudes are known."""
        return self.about["whole"] == "yes"

    @property
    def signed(self) -> bool:
        """True if activations may be negative."""
        return bool((self.smallest < 0).any())

    def label(self, feature: int) -> str:
        """The person's own label, else the automatic one."""
        return self.own.get(feature, self.labels[feature])

    def examples(self, feature: int) -> tuple[tuple[Level, tuple[Example, ...]], ...]:
        """Its examples level by level, the highest first; levels without any are left out."""
        found = []
        for level in levels(self.signed):
            columns = [c for c in level.columns if self.example_tokens[feature, c] >= 0]
            tokens, values = self.example_tokens[feature, columns], self.example_values[feature, columns]
            if columns:
                own = tuple(Example(int(t), float(v)) for t, v in zip(tokens, values, strict=True))
                found.append((level, own))
        return tuple(found)

    def stretch(self, token: int) -> tuple[Tokens, int]:
        """The stretch of text that a token is part of, and its position there."""
        number = int(np.searchsorted(self.starts, token, side="right")) - 1
        first, end = int(self.starts[number]), int(self.starts[number + 1])
        ids = tuple(map(int, self.ids[first:end]))
        return self.tokenizer.tokens(ids, prompt_length=len(ids)), token - first

    def edges(self, feature: int) -> Float32[np.ndarray, " edge"]:
        """Where the bins of its histogram begin, and where the last one ends."""
        most = max(float(self.largest[feature]), -float(self.smallest[feature]))
        return (most * np.logspace(-DECADES, 0, BINS + 1)).astype(np.float32)

    def chunks(self) -> Bool[np.ndarray, "feature chunk"]:
        """In which chunks of 256 tokens each feature fires at all."""
        if "chunks" not in self._made:
            found = np.unpackbits(self.chunk_bits, axis=1, count=self.n_chunks).astype(bool)
            found.flags.writeable = False
            self._made["chunks"] = found
        return self._made["chunks"]

    def word(self, token: int | np.integer) -> str:
        """A token as shown on screen; empty for none."""
        return "" if token < 0 else self.tokenizer.label(int(token))

    def table(self) -> pd.DataFrame:
        """One row a feature.

        Columns: `feature`, `label`, `yours` (True where a person gave it), `kind` (dead, dense, positional, token or
        context), `frequency`, `mean`, `max`, `token_precision`, `top_token`, `context`, `detection`, `chance` (the
        best of 19 random features' rules), `direct` (logits), `effect` (what zeroing it does to the loss, in nats; NaN
        where it was not measured), `promoted` and `suppressed` (tokens with spaces between). What never fires has no
        `top_token` and no `detection`.
        """
        number = np.arange(self.features)
        own = {
            "feature": number,
            "label": [self.label(feature) for feature in range(self.features)],
            "yours": np.isin(number, list(self.own)),
            "effect": [self.effects.get(feature, np.nan) for feature in range(self.features)],
        }
        if "columns" not in self._made:
            self._made["columns"] = self._columns()
        return pd.DataFrame(own).join(self._made["columns"])

    def _columns(self) -> pd.DataFrame:
        """What no person changes."""
        return pd.DataFrame(
            {
                "kind": self.kinds(),
                "frequency": self.frequency,
                "mean": self.mean,
                "max": np.where(self.largest >= -self.smallest, self.largest, self.smallest),
                "token_precision": self.token_precision,
                "top_token": self._words(self.top_token[:, None]),
                "context": self.context,
                "detection": self.detection,
                "chance": self.detection_null,
                "direct": self.direct,
                "promoted": self._words(self.promoted),
                "suppressed": self._words(self.suppressed),
            }
        )

    def _words(self, tokens: Int32[np.ndarray, "row column"]) -> list[str]:
        """The tokens of every row as shown on screen, spaces between; each is named once."""
        known, at = np.unique(tokens, return_inverse=True)
        names = np.array([self.word(token) for token in known], object)[at].reshape(tokens.shape)
        return [" ".join(row) for row in names]

    def kinds(self) -> list[str]:
        """Of every feature: `dead` never fires; `dense` fires at a tenth of all tokens or more; `positional` has half
        of its firings in one eighth of the stretches; `token` has half of its activation on one word; the others need
        the `context`.
        """
        one_place = self.positions.max(1, initial=0) >= 0.5 * self.positions.shape[1]
        cases = {
            "dead": self.frequency <= 0,
            "dense": self.frequency >= DENSE,
            "positional": one_place & (self.frequency * self.counted >= FEW),
            "token": self.token_precision >= 0.5,
        }
        return np.select(list(cases.values()), list(cases), "context").tolist()

    def same_passages(self, feature: int, count: int = 10) -> tuple[tuple[int, float], ...]:
        """The features that fire in the same chunks of text, and the correlation phi; the most similar first.

        Source: Li et al. 2024, arXiv 2410.19750.
        Misleads when: it is read as a cause: features of one topic share passages without sharing a token.
        """
        found = np.nan_to_num(phi(self.chunks(), feature), nan=-1)
        found[feature] = -1
        order = np.argsort(-found, kind="stable")[:count]
        return tuple((int(other), float(found[other])) for other in order if found[other] > 0)

    def provenance(self) -> Provenance:
        """Where it comes from."""
        settings = (
            ("dictionary", self.dictionary[:12]),
            ("text", self.about["text"]),
            ("tokens", f"{int(self.about['tokens']):,}, of which {self.counted:,} count"),
        )
        about = self.about
        return Provenance(
            about["model"],
            about["revision"],
            about["dtype"],
            "what a feature fires on",
            SOURCE,
            MISLEADS,
            settings,
        )

    def with_labels(self, own: Mapping[int, str]) -> "Evidence":
        """The same with these labels of a person's."""
        return replace(self, own=dict(own))

    def with_effects(self, effects: Mapping[int, float]) -> "Evidence":
        """The same with these effects on the loss, in nats."""
        return replace(self, effects=dict(effects))
