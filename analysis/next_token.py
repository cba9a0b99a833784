"""The next token: how far its distribution moved, how the odds of chosen words stand, what a direction promotes."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
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


def divergences(
    model: LoadedModel,
    base: Float32[np.ndarray, "position d_model"],
    rows: Float32[np.ndarray, "row position d_model"],
    report: Report = silent,
) -> Float32[np.ndarray, "row position"]:
    """KL(base || row) of the next token in bits, position by position; sums over the vocabulary in float64.

    Args:
        model: whose unembedding reads.
        base: last-layer residual states of the unedited run, before the final norm.
        rows: the same of the runs compared with it; states that are not finite give NaN.
        report: progress in positions; raises `Cancelled` to stop.
    """
    result = np.empty(rows.shape[:2], np.float32)
    size = max(1, rows_per_chunk(model.vocabulary) // (2 * (len(rows) + 1)))
    for columns in in_chunks(len(base), size):
        report("Comparing predictions", columns.start, len(base))
        states = torch.from_numpy(np.concatenate([base[None, columns], rows[:, columns]]))

        def kl(states: torch.Tensor = states) -> torch.Tensor:
            read = model.read_out(states.flatten(0, 1)).double().log_softmax(-1)
            own = read.unflatten(0, states.shape[:2])
            return (own[0].exp() * (own[0] - own[1:])).sum(-1).clamp_min(0)

        result[:, columns] = model.on_worker(kl).numpy() / NATS_PER_BIT
    return result


def surprises(
    model: LoadedModel, states: Float32[np.ndarray, "point d_model"], ids: Sequence[int]
) -> Float64[np.ndarray, " point"]:
    """-log p, in nats, of the token that follows each last-layer state; in chunks of the vocabulary's read-out."""
    result, following = np.empty(len(ids)), torch.tensor(ids)[:, None]
    for chosen in in_chunks(len(ids), rows_per_chunk(model.vocabulary)):
        here, words = torch.from_numpy(states[chosen]), following[chosen]

        def surprise(here: torch.Tensor = here, words: torch.Tensor = words) -> torch.Tensor:
            logits = model.read_out(here).float()
            return logits.logsumexp(-1) - logits.gather(1, words)[:, 0]

        result[chosen] = model.on_worker(surprise).numpy()
    return np.maximum(result, 0)


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


def promoted(
    model: LoadedModel, vector: Float32[np.ndarray, " d_model"], count: int = 10
) -> tuple[tuple[str, float], ...]:
    """The tokens whose logits a small step along a direction raises most at the last layer.

    Returns:
        Label and gain for the final norm's input of length 1, the largest first.

    Raises:
        AnalysisError: the family maps states once more behind its final norm.

    Source: the logit lens on a direction, e.g. Geva et al. 2022, arXiv 2203.14680.
    Misleads when: the direction is an early layer's: later blocks read it in other ways than the unembedding does.
    """
    gain = norm_gain(model)

    def logits() -> np.ndarray:
        unit = torch.from_numpy(vector / np.linalg.norm(vector) * gain).float()
        return (model.parts.head.weight.float() @ unit).numpy()

    found = model.on_worker(logits)
    order = np.argsort(-found, kind="stable")[:count]
    return tuple((model.tokenizer.label(int(i)), float(found[i])) for i in order)


def norm_gain(model: LoadedModel) -> Float64[np.ndarray, " d_model"]:
    """What the final norm multiplies each coordinate by, measured on the norm itself.

    Families keep it in different ways (Gemma stores gain - 1), so a state whose mean is 0 and whose mean square
    is 1 is sent through instead: what comes out, less what 0 gives, is the state times the gain.
    """
    if model.parts.after_norm is not None:
        raise AnalysisError(
            f"{model.title} maps states once more after its final norm, so a token's direction in the residual "
            "stream is not known. Build a direction from examples."
        )
    probe = torch.linspace(1.0, 2.0, model.d_model, dtype=torch.float64)
    probe[::2] *= -1
    probe = probe - probe.mean()
    probe = probe / probe.square().mean().sqrt()

    def measured() -> Tensor:
        states = torch.stack([probe, torch.zeros_like(probe)]).float()
        wide = model.parts.norm(states.to(model.dtype)).double()
        return wide[0] - wide[1]

    return (model.on_worker(measured) / probe).numpy()
