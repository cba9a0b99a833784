"""What is known of every feature of one dictionary, from what fires over many tokens of text."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int32, UInt8

from analysis import store
from analysis.corpora import Corpus
from analysis.data import corpus as shipped_text
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence import loss_effect, packed
from analysis.dictionaries.evidence.collecting import BINS, DECADES, collected
from analysis.dictionaries.evidence.examples import Example, Level, levels
from analysis.dictionaries.firing.firing_numbers import phi
from analysis.dictionaries.firing.firings import Firings, firings
from analysis.dictionaries.labels import own_labels
from analysis.dictionaries.shelf import SHIPPED
from analysis.fingerprint import fingerprint
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.models.tokenizer import Tokenizer
from analysis.results import Provenance
from analysis.tokens import Tokens

FILE = "evidence.safetensors"
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
    """Made from rules about tokens; `unclear` where no rule does."""
    detection: Float32[np.ndarray, " feature"]
    """Balanced accuracy of the label's rule on held-out text: .5 is chance; NaN where there is nothing to tell."""
    detection_null: Float32[np.ndarray, " feature"]
    """The same of a random other feature's rule."""
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


def evidence(
    model: LoadedModel, dictionary: Dictionary, report: Report = silent, corpus: Corpus | None = None
) -> Evidence:
    """What is known of a dictionary's features.

    It ships beside the weights or lies in the store; where neither is so it is gathered over the text that ships with
    the program, about 25,000 tokens, and kept. Labels of a person's and measured effects are those of this moment.

    Args:
        model: the model.
        dictionary: of this model.
        report: progress; raises `Cancelled` to stop.
        corpus: gather over this text instead.

    Raises:
        AnalysisError: the dictionary is not this model's, or the disk is full.
    """
    dictionary.require_fit(model)
    place = None if corpus is not None else shipped_file(dictionary)
    if place is None:
        place = _gathered(model, dictionary, corpus or sample_text(), report)
    return now(read_evidence(place, model), dictionary)


def now(found: Evidence, dictionary: Dictionary) -> Evidence:
    """The same with the labels that a person has given by now, and the effects that were measured by now."""
    return found.with_labels(own_labels.own_labels(dictionary.fingerprint)).with_effects(
        loss_effect.measured(dictionary.fingerprint)
    )


def is_at_hand(model: LoadedModel, dictionary: Dictionary) -> bool:
    """True if evidence ships or was gathered already, so that reading it takes no time."""
    return shipped_file(dictionary) is not None or _place(model, dictionary, sample_text()).exists()


@cache
def sample_text() -> Corpus:
    """The text that ships with the program, as a corpus."""
    return Corpus(
        id="shipped",
        name="Ordinary text",
        texts=shipped_text.documents(),
        source="Sampled from SmolLM2-135M-Instruct itself; it ships with the program.",
    )


@cache
def _shipped_files() -> dict[str, Path]:
    """Evidence that ships, by the fingerprint of its dictionary."""
    return {
        packed.read_about(path).get("dictionary", ""): path for path in sorted(SHIPPED.glob(f"*/*/{FILE}"))
    }


def shipped_file(dictionary: Dictionary) -> Path | None:
    """Where the evidence of a dictionary that ships lies; None where it does not."""
    return _shipped_files().get(dictionary.fingerprint)


def _place(model: LoadedModel, dictionary: Dictionary, corpus: Corpus) -> Path:
    key = fingerprint("evidence", model.fingerprint, dictionary.fingerprint, tuple(corpus.texts))
    return store.home() / "evidence" / key / FILE


def _gathered(model: LoadedModel, dictionary: Dictionary, corpus: Corpus, report: Report) -> Path:
    place = _place(model, dictionary, corpus)
    with store.held(f"evidence-{place.parent.name}", report, "Waiting: it is being gathered elsewhere"):
        if not place.exists():
            found = firings(model, dictionary, corpus, report=report)
            made = evidence_of(model, dictionary, found, f"{corpus.name}: {corpus.source}", report)
            write_evidence(made, place)
    return place


def evidence_of(
    model: LoadedModel, dictionary: Dictionary, found: Firings, text: str, report: Report = silent
) -> Evidence:
    """Evidence from firings that are at hand.

    Args:
        model: the model.
        dictionary: of this model.
        found: what fires.
        text: what the tokens are from, in a sentence.
        report: progress; raises `Cancelled` to stop.
    """
    about = {
        "model": model.title,
        "revision": model.revision,
        "dtype": model.dtype_name,
        "text": text,
        "tokens": str(len(found)),
        "counted": str(found.counted),
        "whole": "yes" if found.whole else "no",
    }
    return Evidence(
        dictionary.fingerprint, about, model.tokenizer, **collected(model, dictionary, found, report)
    )


STEPS = ("example_values", "promotes", "suppresses")
"""Rows of decimals that are kept to 1/255 of their largest."""
HALVES = (
    "detection",
    "detection_null",
    "context",
    "positions",
    "token_precision",
    "together_share",
    "direct",
)
PLAIN = (
    "starts",
    "histogram",
    "example_tokens",
    "promoted",
    "suppressed",
    "top_token",
    "together",
    "chunk_bits",
)
EXACT = ("frequency", "mean", "largest", "smallest")


def write_evidence(found: Evidence, path: Path) -> None:
    """Write evidence as one compressed file, decimals to three digits; labels of a person's are not in it.

    Raises:
        AnalysisError: the disk is full or the place cannot be written to.
    """
    arrays = {name: getattr(found, name) for name in PLAIN + EXACT}
    arrays |= {name: getattr(found, name).astype(np.float16) for name in HALVES}
    arrays["ids"] = found.ids.astype(np.uint16) if found.ids.max(initial=0) < 2**16 else found.ids
    for name in STEPS:
        arrays[name], arrays[f"{name}_most"] = packed.in_steps(np.nan_to_num(getattr(found, name)))
    arrays["labels"] = np.frombuffer("\n".join(found.labels).encode(), np.uint8)
    about = dict(found.about) | {"dictionary": found.dictionary, "n_chunks": str(found.n_chunks)}
    packed.write_packed(path, arrays, about)


def read_evidence(path: Path, model: LoadedModel) -> Evidence:
    """Read what `write_evidence` wrote.

    Args:
        path: of the file.
        model: its tokenizer names the tokens.

    Raises:
        AnalysisError: the file is missing or damaged.
    """
    arrays, about = packed.read_packed(path)
    for name in STEPS:
        arrays[name] = packed.from_steps(arrays[name], arrays.pop(f"{name}_most"))
    arrays |= {name: arrays[name].astype(np.float32) for name in HALVES}
    arrays["ids"] = arrays["ids"].astype(np.int32)
    labels = tuple(arrays.pop("labels").tobytes().decode().split("\n"))
    dictionary, n_chunks = about.pop("dictionary"), int(about.pop("n_chunks"))
    return Evidence(dictionary, about, model.tokenizer, labels=labels, n_chunks=n_chunks, **arrays)
