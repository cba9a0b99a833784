"""The next token in two numbers: how far its distribution moved, and how the odds of chosen words stand."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
from jaxtyping import Float32, Float64

from analysis.errors import AnalysisError
from analysis.models.loaded import LoadedModel
from analysis.numerics import in_chunks, rows_per_chunk

NATS_PER_BIT = float(np.log(2))


def word_ids(model: LoadedModel, words: Sequence[str], *, chat: bool = False) -> tuple[int, ...]:
    """The words that are one token, which is how they can be the next one.

    Args:
        model: whose vocabulary.
        words: without spaces around them; empty ones and those of several tokens are left out.
        chat: an answer begins without a space, so words are looked for in that form too.
    """
    ids = []
    for word in filter(None, map(str.strip, words)):
        for form in (f" {word}", word) if chat else (f" {word}",):
            with suppress(AnalysisError):
                ids.append(model.tokenizer.find(form))
    return tuple(dict.fromkeys(ids))


def divergence(
    model: LoadedModel, base: Float32[np.ndarray, " d_model"], rows: Float32[np.ndarray, "row d_model"]
) -> Float64[np.ndarray, " row"]:
    """KL(base || row) of the next token, in bits; sums over the vocabulary in float64.

    Args:
        model: whose unembedding reads.
        base: last-layer residual state of the unedited run, before the final norm.
        rows: the same of the runs compared with it; a row that is not finite gives NaN.
    """
    parts = []
    size = max(1, rows_per_chunk(model.vocabulary) // 8)  # float64, and three arrays of it at once
    for chosen in in_chunks(len(rows), size):
        states = torch.from_numpy(np.concatenate([base[None], rows[chosen]]))

        def bits(states: torch.Tensor = states) -> torch.Tensor:
            read = model.read_out(states).double().log_softmax(-1)
            return (read[0].exp() * (read[0] - read[1:])).sum(-1).clamp_min(0) / NATS_PER_BIT

        parts.append(model.on_worker(bits).numpy())
    return np.concatenate(parts) if parts else np.zeros(0)


def word_odds(
    model: LoadedModel,
    states: Float32[np.ndarray, "row d_model"],
    plus: Sequence[int],
    minus: Sequence[int],
) -> Float64[np.ndarray, " row"]:
    """Log-odds, in nats, that the next token is one of `plus` rather than one of `minus`.

    Args:
        model: whose unembedding reads.
        states: last-layer residual states, before the final norm; one that is not finite gives NaN.
        plus: token ids of one side.
        minus: token ids of the other.
    """
    words = [*plus, *minus]

    def logits() -> torch.Tensor:
        return model.read_out(torch.from_numpy(np.ascontiguousarray(states)), words).double()

    read = model.on_worker(logits)
    return (read[:, : len(plus)].logsumexp(-1) - read[:, len(plus) :].logsumexp(-1)).numpy()
