"""How a continuation reads to the unedited model: its perplexity, its repetition, and its states.

A steered model finds its own text likely; another reader has to say whether it still is text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from analysis.activations import Trace
from analysis.edits import Site
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel
from analysis.next_token import surprises
from analysis.numerics import in_chunks
from analysis.tokens import Tokens

ROWS = 16
"""Texts in one pass."""
GRAM = 3
FEWEST = GRAM + 1
"""Tokens from which on something can be repeated: two 3-grams."""


@dataclass(frozen=True, eq=False)
class Fluency:
    """Several continuations of one prompt, as the unedited model reads them."""

    nats: Float64[np.ndarray, " text"]
    """Mean of -log p over the tokens of each continuation, its end token among them; NaN if it has none."""
    repetition: Float64[np.ndarray, " text"]
    """Share of 3-grams that occurred before in the same continuation, 0 to 1; NaN under 4 tokens."""
    means: dict[Site, Float32[np.ndarray, "text d_model"]]
    """Mean state over the tokens of each continuation at the asked sites; NaN if it has none."""

    @property
    def perplexity(self) -> Float64[np.ndarray, " text"]:
        """The exponential of the mean nats per token; 1 is a text without surprise."""
        return np.exp(self.nats)


def fluency(
    model: LoadedModel,
    prompt: Tokens,
    continuations: Sequence[tuple[int, ...]],
    *,
    read: Sequence[Site] = (),
    report: Report = silent,
) -> Fluency:
    """Read continuations of one prompt with the unedited model, each after the prompt, in one pass.

    Control tokens (an end of text) count for the perplexity, but are left out of repetitions and mean states:
    they are not text.

    Args:
        model: who reads.
        prompt: what all of them continue.
        continuations: token ids of each; equal ones are read once, empty ones not at all.
        read: sites whose mean state over the continuation is wanted too.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: a text is too long for the model or the memory, or a site does not exist.

    Source: perplexity under the unguided model as the price of steering: von Rütte et al. 2024, arXiv 2402.14433.
    Misleads when: a text repeats itself: that is easy to predict, so its perplexity is low. Look at both numbers.
    """
    texts = list(dict.fromkeys(ids for ids in continuations if ids))
    nats = {(): np.nan}
    means = {(): np.full((len(read), model.d_model), np.nan, np.float32)}
    for chosen in in_chunks(len(texts), ROWS):
        report("Reading the texts", chosen.start, len(texts))
        batch = [model.tokenizer.continued(prompt, ids) for ids in texts[chosen]]
        trace = model.run(batch, read=(Site(model.n_layers), *read))
        nats |= dict(zip(texts[chosen], _mean_nats(model, trace, len(prompt)), strict=True))
        means |= {ids: _mean_states(trace, row, len(prompt), read) for row, ids in enumerate(texts[chosen])}
    special = model.tokenizer.is_special
    return Fluency(
        np.array([nats[ids] for ids in continuations]),
        np.array([repetition([i for i in ids if not special(i)]) for ids in continuations]),
        {
            site: np.array([means[ids][n] for ids in continuations], np.float32).reshape(-1, model.d_model)
            for n, site in enumerate(read)
        },
    )


def repetition(ids: Sequence[int]) -> float:
    """Share of a text's 3-grams that occurred in it before, 0 to 1; NaN under 4 tokens, where none can."""
    if len(ids) < FEWEST:
        return float("nan")
    grams = list(zip(*(ids[start:] for start in range(GRAM)), strict=False))
    return 1 - len(set(grams)) / len(grams)


def _mean_nats(model: LoadedModel, trace: Trace, start: int) -> list[float]:
    """Mean -log p of every row's tokens from `start` on; the state before a token predicts it."""
    top = Site(model.n_layers)
    states = np.concatenate([trace.at(top, row)[start - 1 : -1] for row in range(len(trace.rows))])
    ids = [index for tokens in trace.tokens for index in tokens.ids[start:]]
    nats = surprises(model, states, ids)
    ends = np.cumsum([len(tokens) - start for tokens in trace.tokens])[:-1]
    return [float(own.mean()) for own in np.split(nats, ends)]


def _mean_states(
    trace: Trace, row: int, start: int, read: Sequence[Site]
) -> Float32[np.ndarray, "site d_model"]:
    """Mean over the tokens from `start` on that are text."""
    kept = ~np.array(trace.tokens[row].special[start:])
    means = np.full((len(read), trace.values.shape[-1]), np.nan, np.float32)
    if kept.any():
        for n, site in enumerate(read):
            means[n] = trace.at(site, row)[start:][kept].mean(0)
    return means
