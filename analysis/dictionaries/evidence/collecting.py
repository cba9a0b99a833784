"""Everything that is kept as evidence of a dictionary's features, from what fires."""

from typing import Any

import numpy as np

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.alone import context_shares
from analysis.dictionaries.evidence.examples import examples
from analysis.dictionaries.evidence.promoted import promoted
from analysis.dictionaries.firing.firing_numbers import (
    chunk_bits,
    histogram,
    places,
    strengths,
    together,
    top_tokens,
)
from analysis.dictionaries.firing.firings import Firings
from analysis.dictionaries.labels.feature_labels import FEWEST, SILENT, UNCLEAR, Rule, Text, rules, scored
from analysis.dictionaries.labels.words import words_of
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel

BINS, DECADES, CHUNK = 32, 2.5, 256
LEARNING = 0.8
"""Share of the stretches, from the first on, on which rules are chosen."""
OUTSTANDING = 6.0
"""Standard deviations of a feature's logits, above which a promoted token is named: of 50,000 normal numbers the
largest lies at about 4.3."""
ALONE = 3
"""Examples of a feature whose tokens are run by themselves."""


def collected(
    model: LoadedModel, dictionary: Dictionary, found: Firings, report: Report = silent
) -> dict[str, Any]:
    """What `Evidence` holds, by the names of its fields, but for what is known without the firings.

    Args:
        model: the model.
        dictionary: of this model.
        found: what fires.
        report: progress; raises `Cancelled` to stop.
    """
    report("Counting what fires")
    numbers = strengths(found)
    most = np.maximum(numbers["largest"], -numbers["smallest"])
    words = words_of(model.tokenizer, found.ids, found.position)
    token, precision = top_tokens(found, words)
    report("Choosing examples")
    example_tokens, example_values = examples(found)
    bits, n_chunks = chunk_bits(found, CHUNK)
    names, shares = together(found, report)
    text = Text(words, found.counts, _learning(found))
    raised = promoted(model, dictionary, numbers["mean"], report)
    labels, detection, null = _labels(model, found, text, raised, report)
    firsts = np.where(example_tokens[:, :ALONE] >= 0, found.ids[example_tokens[:, :ALONE]], -1)
    return {
        **numbers,
        "ids": np.array(found.ids, np.int32),
        "starts": found.stretches().astype(np.int32),
        "histogram": histogram(found, most, BINS, DECADES),
        "positions": places(found),
        "top_token": token,
        "token_precision": precision,
        "example_tokens": example_tokens,
        "example_values": example_values,
        "chunk_bits": bits,
        "n_chunks": n_chunks,
        "together": names,
        "together_share": shares,
        "labels": labels,
        "detection": detection,
        "detection_null": null,
        **raised,
        "context": context_shares(
            model, dictionary, firsts.astype(np.int32), example_values[:, :ALONE], report
        ),
    }


def _learning(found: Firings) -> np.ndarray:
    """Counting tokens of the first stretches."""
    last = int(found.text.max(initial=0)) + 1
    return found.counts & (found.text < max(round(LEARNING * last), 1))


def _labels(
    model: LoadedModel, found: Firings, text: Text, raised: dict[str, np.ndarray], report: Report
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    fires = found.by_token.copy()
    fires.data = np.ones(len(fires.data), np.float32)
    chosen = rules(fires, text, report)
    detection, null = scored(chosen, fires, text, report=report)
    firing, named = found.firing(), _promoted_words(model, raised)
    labels = tuple(map(_label, chosen, firing.tolist(), named))
    return labels, detection, null


def _promoted_words(model: LoadedModel, raised: dict[str, np.ndarray]) -> list[tuple[str, ...]]:
    """Tokens that each feature raises by more than random logits ever are, the most first."""
    found = []
    for ids, logits, spread in zip(raised["promoted"], raised["promotes"], raised["direct"], strict=True):
        ids = ids[logits > OUTSTANDING * spread]
        pieces = [model.tokenizer.piece(int(index)).decode("utf-8", "replace").strip() for index in ids]
        found.append(tuple(dict.fromkeys(filter(str.isprintable, filter(None, pieces)))))
    return found


def _label(rule: Rule, firing: int, raises: tuple[str, ...]) -> str:
    if not firing:
        return SILENT
    if rule.family == "before" and {word.casefold() for word in rule.words} & {w.casefold() for w in raises}:
        return f"{rule.label}, promoting it"
    if rule.family:
        return rule.label
    known = f"fires too rarely here to tell ({firing})" if firing < FEWEST else UNCLEAR
    shown = ", ".join(f"‘{word}’" for word in raises[:3])
    return f"{known}; promotes {shown}" if shown else known
