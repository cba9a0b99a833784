"""Whether a feature needs its context: the token in its text against the same token by itself."""

import numpy as np
import torch
from jaxtyping import Float32, Int32

from analysis.dictionaries.dictionary import Dictionary
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel

TOGETHER = 256
"""Tokens that are run at a time, each in a text of its own."""


def first_token(model: LoadedModel) -> int:
    """What stands before a token that is run by itself: the beginning of a text, else a line end.

    A token that a tokenizer names but does not put first, such as the mark of a turn, would be a context of its own.
    """
    bos = model.tokenizer.bos
    return model.tokenizer.find("\n") if bos is None else bos


def context_shares(
    model: LoadedModel,
    dictionary: Dictionary,
    tokens: Int32[np.ndarray, "feature example"],
    values: Float32[np.ndarray, "feature example"],
    report: Report = silent,
) -> Float32[np.ndarray, " feature"]:
    """The share of each feature's activation that its examples' tokens by themselves do not give.

    A token by itself stands behind the beginning of a text only, or behind a line end where a tokenizer puts nothing
    first.

    Args:
        model: the model.
        dictionary: of this model.
        tokens: ids of the tokens at which each feature fires; -1 is none.
        values: its activations there.
        report: progress in tokens.

    Returns:
        0, the token alone does it, to 1, nothing is left without the context; NaN without examples.

    Misleads when: a word takes several tokens: its last one alone is not the word. Second tokens of a text are unusual
        for many models, so that some features of one token want any context at all.
    """
    alone = _alone(model, dictionary, tokens, report)
    known = tokens >= 0
    kept = np.where(values != 0, np.clip(alone / np.where(values != 0, values, 1), 0, 1), 0)
    count = known.sum(1)
    shares = 1 - (kept * known).sum(1) / np.maximum(count, 1)
    return np.where(count > 0, shares, np.nan).astype(np.float32)


def _alone(
    model: LoadedModel, dictionary: Dictionary, tokens: np.ndarray, report: Report
) -> Float32[np.ndarray, "feature example"]:
    """Each feature's activation at its tokens, run by themselves."""
    found = np.zeros(tokens.shape, np.float32)
    ids = np.unique(tokens[tokens >= 0])
    before = first_token(model)
    for start in range(0, len(ids), TOGETHER):
        report("Running tokens by themselves", start, len(ids))
        own = ids[start : start + TOGETHER]
        texts = [model.tokenizer.tokens((before, int(index)), prompt_length=2) for index in own]
        trace = model.run(texts, read=[dictionary.site])
        states = np.stack([trace.at(dictionary.site, row)[1] for row in range(len(own))])
        with torch.inference_mode():
            activations = dictionary.encode(torch.from_numpy(states)).numpy()
        features, columns = np.nonzero((tokens >= own[0]) & (tokens <= own[-1]))
        rows = np.searchsorted(own, tokens[features, columns])
        found[features, columns] = activations[rows, features]
    return found
