"""Continuations of one prompt under many variants, written in batches of a bounded size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from analysis.edits import Site, Variant
from analysis.jobs import Report, silent
from analysis.models.decode import GREEDY, Sampling
from analysis.models.loaded import LoadedModel
from analysis.tokens import Tokens

ROWS = 16
"""Rows of one batch, whatever their length: what a batch remembers grows with its tokens."""
TOKENS = 1_024
"""Tokens of one batch up to which there may be more rows: a pass over 37 takes half the time of three over 13."""


@dataclass(frozen=True, eq=False)
class Continuation:
    """What one variant wrote after a prompt."""

    prompt: Tokens
    ids: tuple[int, ...]
    """Token ids, an end token included."""
    overflowed: bool
    """True if it stopped because its numbers were not finite any more."""
    state: Float32[np.ndarray, " d_model"]
    """Residual stream of the last layer at the prompt's last token, where the first new token is chosen."""


class Count:
    """Tokens written, of all that may be; says so at every one."""

    def __init__(self, total: int, report: Report = silent):
        self.done, self.total, self.report = 0, total, report

    def __call__(self, tokens: int) -> None:
        """Count tokens; raises `Cancelled` to stop."""
        self.done += tokens
        self.report("Writing continuations (tokens)", self.done, self.total)


def write(
    model: LoadedModel,
    prompt: Tokens,
    variants: Sequence[Variant],
    count: Count,
    *,
    new_tokens: int,
    sampling: Sampling = GREEDY,
) -> list[Continuation]:
    """Continue a prompt under every variant.

    Args:
        model: the model.
        prompt: what is continued.
        variants: one row each, in any number; 16 run at a time, or as many as hold 1,024 tokens together.
        count: told of every token of every row; may stop the work between two.
        new_tokens: at most so many for each; a row ends earlier at the model's end token.
        sampling: how tokens are chosen; all rows share its seed.

    Raises:
        AnalysisError: as `LoadedModel.generate`.
    """
    rows = max(ROWS, TOKENS // (len(prompt) + new_tokens))
    parts = np.array_split(np.arange(len(variants)), -(-len(variants) // rows))
    return [
        each
        for part in parts
        for each in _batch(model, prompt, [variants[i] for i in part], count, new_tokens, sampling)
    ]


def _batch(
    model: LoadedModel,
    prompt: Tokens,
    variants: list[Variant],
    count: Count,
    new_tokens: int,
    sampling: Sampling,
) -> list[Continuation]:
    top, end = Site(model.n_layers), count.done + len(variants) * new_tokens
    ids: list[list[int]] = [[] for _ in variants]
    states, overflowed = None, ()
    count(0)
    for step in model.generate(
        prompt, variants=variants, sampling=sampling, max_new_tokens=new_tokens, read=(top,)
    ):
        states = step.captured[top][:, -1].copy() if states is None else states
        for row, index in enumerate(step.ids):
            if index is not None:
                ids[row].append(index)
        overflowed = step.broken
        count(len(variants))
    count(end - count.done)  # rows may end early
    return [
        Continuation(prompt, tuple(own), broken, state)
        for own, broken, state in zip(ids, overflowed, states, strict=True)
    ]
