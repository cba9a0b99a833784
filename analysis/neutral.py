"""What an edit costs where it should change nothing: on ordinary text that is not about the concept."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from analysis import samples
from analysis.data import corpus
from analysis.edits import BASE, Edit, Site, Variant
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.next_token import NATS_PER_BIT
from analysis.numerics import in_chunks, rows_per_chunk
from analysis.tokens import Tokens

CONTEXTS, LENGTH = 8, 64
"""Windows of the shipped text that are read, and tokens of each."""
TOGETHER = 4
"""Windows in one pass."""


@dataclass(frozen=True)
class Cost:
    """How one edit changes the reading of ordinary text."""

    bits: float
    """Mean KL(base || edited) of the next token, in bits; 0 is no change."""
    perplexity: float
    """The exponential of the mean -log p of the text's own tokens under the edit."""


def costs(
    model: LoadedModel, edits: Sequence[Sequence[Edit]], report: Report = silent
) -> tuple[Cost, tuple[Cost, ...]]:
    """The unedited model's reading of the shipped text, and that under every set of edits.

    Args:
        model: the model.
        edits: several sets of edits; all run in one batch with the unedited run.
        report: progress in windows; raises `Cancelled` to stop.

    Raises:
        AnalysisError: an edit does not fit the model or leads to numbers that are not finite.
    Misleads when: the shipped text, which the default model wrote, is unlike the text one works with.
    """
    windows = [own[0] for own in samples.windows(model, corpus.documents()[:CONTEXTS], LENGTH) if own]
    found = []
    for batch in samples.batches(windows, TOGETHER):
        report("Reading ordinary text under the edit", len(found), len(windows))
        found += _read(model, batch, edits)
    bits, nats = (np.concatenate(parts, 1).mean(1) for parts in zip(*found, strict=True))
    base, *edited = (Cost(float(b), float(np.exp(n))) for b, n in zip(bits, nats, strict=True))
    return base, tuple(edited)


Reading = tuple[Float64[np.ndarray, "row position"], Float64[np.ndarray, "row position"]]
"""KL(base || row) in bits and -log p of the text's next token in nats; the first row is the unedited run."""


def _read(model: LoadedModel, batch: list[Tokens], edits: Sequence[Sequence[Edit]]) -> list[Reading]:
    """Every window under no edit and under every set of edits, without its first token."""
    top = Site(model.n_layers)
    variants = [BASE, *(Variant(f"edited {i}", tuple(each)) for i, each in enumerate(edits))]
    trace = model.run(batch, read=(top,), variants=variants)
    return [
        _compared(
            model,
            np.stack([trace.at(top, trace.row(variant.name, prompt))[1:-1] for variant in variants]),
            tokens.ids[2:],
        )
        for prompt, tokens in enumerate(batch)
    ]


def _compared(
    model: LoadedModel, states: Float32[np.ndarray, "row position d_model"], following: Sequence[int]
) -> Reading:
    """Both numbers from one read-out of last-layer states; sums over the vocabulary in float64."""
    bits, nats = (np.empty(states.shape[:2]) for _ in range(2))
    size = max(1, rows_per_chunk(model.vocabulary) // (2 * len(states)))
    for columns in in_chunks(states.shape[1], size):
        here, words = torch.from_numpy(states[:, columns]), torch.tensor(following[columns])

        def both(here: Tensor = here, words: Tensor = words) -> tuple[np.ndarray, np.ndarray]:
            read = model.read_out(here.flatten(0, 1)).double().log_softmax(-1).unflatten(0, here.shape[:2])
            divergence = (read[0].exp() * (read[0] - read)).sum(-1).clamp_min(0)
            surprise = -read.gather(-1, words.expand(len(read), -1)[..., None])[..., 0]
            return divergence.numpy() / NATS_PER_BIT, surprise.numpy()

        bits[:, columns], nats[:, columns] = model.on_worker(both)
    return bits, nats
