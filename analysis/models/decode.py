"""Continuing a text, token by token.

Our own loop, because transformers' `generate` draws from the process's global random state (so seeds do
not reproduce while sessions overlap) and can neither be cancelled nor read between two tokens. Greedy
output equals `generate` token for token, unless two tokens tie within the rounding of float32: products
with a few rows are summed in the order that is fast (`hooks`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from analysis.edits import Edit, Site
from analysis.errors import AnalysisError
from analysis.models import hooks
from analysis.tokens import Tokens

if TYPE_CHECKING:
    from analysis.models.loaded import LoadedModel


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen."""

    temperature: float = 0.0
    """0 is greedy: always the most probable token. Otherwise, from 0.01 up, logits are divided by it."""
    top_p: float = 1.0
    """Keep the most probable tokens whose probabilities first reach this sum.

    Source: Holtzman et al. 2019, arXiv 1904.09751.
    """
    top_k: int = 0
    """Keep so many of the most probable tokens; 0 keeps all."""
    seed: int = 0
    """The same seed gives the same text, whatever else the machine is doing; all rows share it."""

    def __post_init__(self):
        temperate = self.temperature == 0 or 0.01 <= self.temperature <= 100
        if not (temperate and 0 < self.top_p <= 1 and self.top_k >= 0 and 0 <= self.seed < 2**63):
            raise AnalysisError(
                "Sampling needs a temperature of 0 or from 0.01 to 100, top-p in (0, 1], top-k of 0 or more and a "
                f"seed from 0; given {self.temperature}, {self.top_p}, {self.top_k} and {self.seed}."
            )


GREEDY = Sampling()


@dataclass(frozen=True, eq=False)
class Step:
    """One more token for every row."""

    ids: tuple[int | None, ...]
    """The new token of each row; None for a row that had ended."""
    log_probabilities: Float32[np.ndarray, " row"]
    """Log-probability (nats) of each new token under the row's own, unfiltered distribution."""
    captured: dict[Site, Float32[np.ndarray, "row position d_model"]]
    """What was read at the asked sites in the pass that chose the token: the whole prompt in the first."""
    ended: tuple[bool, ...]
    """True for rows whose text is complete."""


def decode(
    model: "LoadedModel",
    tokens: Tokens,
    edits: dict[Site, list[tuple[int, Edit]]],
    rows: int,
    sampling: Sampling,
    max_new_tokens: int,
    read: tuple[Site, ...],
) -> Iterator[Step]:
    """Yield steps until every row has ended; `LoadedModel.generate` is the door to this."""
    generators = [torch.Generator().manual_seed(sampling.seed) for _ in range(rows)]
    ends = _end_tokens(model)
    ids = torch.tensor(tokens.ids).repeat(rows, 1)
    start, cache, ended = 0, None, [False] * rows
    for _ in range(max_new_tokens):
        plan = hooks.Plan(
            lengths=(ids.shape[1],) * rows,
            prompt_lengths=(tokens.prompt_length,) * rows,
            reads=frozenset(read),
            edits=edits,
            start=start,
            few_rows=start > 0,
        )
        chosen, log_probabilities, cache = model.worker.do(
            lambda plan=plan, ids=ids, cache=cache: _step(model, plan, ids, cache, sampling, generators)
        )
        start += ids.shape[1]
        new = tuple(None if over else index for over, index in zip(ended, chosen, strict=True))
        ended = [over or index in ends for over, index in zip(ended, chosen, strict=True)]
        captured = {site: plan.captured[site].float().numpy() for site in read}
        yield Step(new, log_probabilities, captured, tuple(ended))
        if all(ended):
            return
        ids = torch.tensor(chosen)[:, None]


def _step(model: "LoadedModel", plan: hooks.Plan, ids: Tensor, cache, sampling: Sampling, generators):
    """One pass over the new columns and one choice per row; runs in the model's thread."""
    with torch.inference_mode():
        with hooks.carrying_out(plan):
            output = model.network(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        logits = output.logits[:, -1].float()
        distribution = logits.log_softmax(-1)
        if distribution.amax(-1).isnan().any():  # one logit that is NaN or infinite makes a NaN here
            raise AnalysisError(
                "The model's logits are not finite any more: an edit may be too strong. Lower its strength."
            )
        chosen = choose(logits, sampling, generators)
        log_probabilities = distribution.gather(1, chosen[:, None])[:, 0]
        return chosen.tolist(), log_probabilities.numpy(), output.past_key_values


def choose(
    logits: Float[Tensor, "row vocab"], sampling: Sampling, generators: list[torch.Generator]
) -> Tensor:
    """Draw the next token of each row, each from its own generator, so rows do not disturb one another."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = filtered(logits, sampling).softmax(-1)
    drawn = [torch.multinomial(row, 1, generator=g) for row, g in zip(probabilities, generators, strict=True)]
    return torch.cat(drawn)


def filtered(logits: Float[Tensor, "row vocab"], sampling: Sampling) -> Float[Tensor, "row vocab"]:
    """Apply temperature, then top-k, then top-p, as transformers' warpers do; dropped tokens get -inf."""
    scores = logits / sampling.temperature
    if 0 < sampling.top_k < scores.shape[-1]:
        scores = scores.masked_fill(scores < scores.topk(sampling.top_k).values[:, -1:], -torch.inf)
    if sampling.top_p < 1:
        ascending, order = scores.sort(stable=True)
        mass_up_to = ascending.softmax(-1).cumsum(-1)
        drop = mass_up_to <= 1 - sampling.top_p
        drop[:, -1] = False  # the most probable token always stays
        scores = scores.masked_fill(drop.scatter(1, order, drop), -torch.inf)
    return scores


def _end_tokens(model: "LoadedModel") -> set[int]:
    declared = model.network.generation_config.eos_token_id
    if declared is None:
        return set()
    return {declared} if isinstance(declared, int) else set(declared)
