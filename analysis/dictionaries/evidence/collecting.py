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
from analysis.dictionaries.labels.feature_labels import feature_labels
from analysis.dictionaries.labels.words import words_of
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel

BINS, DECADES, CHUNK = 32, 2.5, 256
OUTSTANDING = 6.0
"""Standard deviations of a feature's logits, above which a promoted token is named: of 50,000 normal numbers the
largest lies at about 4.3."""
SHORTEST_WORD = 3
"""Letters of a promoted word that is named."""
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
    raised = promoted(model, dictionary, numbers["mean"], report)
    labels, detection, null = feature_labels(found, words, _promoted_words(model, raised), report)
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


def _promoted_words(model: LoadedModel, raised: dict[str, np.ndarray]) -> list[tuple[str, ...]]:
    """Words that each feature raises by more than random logits ever are, the most first; no parts of words."""
    found = []
    for ids, logits, spread in zip(raised["promoted"], raised["promotes"], raised["direct"], strict=True):
        ids = ids[logits > OUTSTANDING * spread]
        pieces = [model.tokenizer.piece(int(index)).decode("utf-8", "replace") for index in ids]
        found.append(tuple(dict.fromkeys(piece.strip() for piece in pieces if _is_word(piece))))
    return found


def _is_word(piece: str) -> bool:
    """True for a word that stands by itself: rare parts of words are promoted by chance more than others."""
    return piece[:1].isspace() and piece.strip().isalpha() and len(piece.strip()) >= SHORTEST_WORD
