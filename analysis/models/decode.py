"""Continuing a text, token by token.

Our own loop, because transformers' `generate` draws from the process's global random state (so seeds do
not reproduce while sessions overlap) and can neither be cancelled nor read between two tokens. Greedy
output equals `generate` token for token, unless two tokens tie within the rounding of float32: products
with few rows are summed in the order that is fast (`few_rows`).
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor
from transformers import Cache

from analysis.edits import Site, Variant
from analysis.errors import AnalysisError
from analysis.models import hooks
from analysis.models.growing_cache import growing
from analysis.models.prefix import Memory, Prefix, join, memory, resume, resumes_at
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
    """One more token for the rows that go on; with a prefix, the first tokens come in two steps."""

    ids: tuple[int | None, ...]
    """The new token of each row; None for a row without one: it has ended, or its first is still to come."""
    log_probabilities: Float32[np.ndarray, " row"]
    """Log-probability (nats) of each new token under the row's own, unfiltered distribution; NaN without one."""
    captured: dict[Site, Float32[np.ndarray, "row position d_model"]]
    """What was read at the asked sites in the pass that chose the token: the whole prompt in the first."""
    ended: tuple[bool, ...]
    """True for rows whose text is complete, or broken off."""
    broken: tuple[bool, ...]
    """True for rows that ended because their numbers stopped being finite: an edit was too strong."""


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be continued, and how; `LoadedModel.generate` explains the fields."""

    tokens: Tokens
    variants: tuple[Variant, ...]
    sampling: Sampling
    max_new_tokens: int
    read: tuple[Site, ...]
    prefix: Prefix | None


def decode(model: "LoadedModel", request: Request) -> Iterator[Step]:
    """Yield steps until every row has ended; `LoadedModel.generate` is the door to this."""
    if request.max_new_tokens < 1:
        return
    texts = _Texts(len(request.variants), request.sampling, _end_tokens(model))
    resumable = request.prefix is not None and request.prefix.cache is not None and not request.read
    cache = growing((yield from (_resumed if resumable else _begun)(model, request, texts)))
    for position in range(len(request.tokens), len(request.tokens) + request.max_new_tokens - 1):
        if all(texts.ended):
            return
        plan = _plan(request, 1, position)
        step, cache = model.worker.do(
            lambda plan=plan, cache=cache: _step(model, plan, torch.tensor(texts.last)[:, None], cache, texts)
        )
        yield step


def _begun(model: "LoadedModel", request: Request, texts: "_Texts") -> Generator[Step, None, Cache]:
    """The first tokens, from one pass of all rows over the whole prompt; returns the keys and values."""
    ids = torch.tensor(request.tokens.ids).repeat(len(request.variants), 1)
    plan = _plan(request, len(request.tokens), 0)
    step, cache = model.worker.do(lambda: _step(model, plan, ids, None, texts))
    yield step
    return cache


def _resumed(model: "LoadedModel", request: Request, texts: "_Texts") -> Generator[Step, None, Cache]:
    """The first tokens, without what the prefix knows; returns the keys and values.

    One edited row goes first: the one a person moves a control for, before its random controls.
    """
    tokens, top = request.tokens, model.n_layers
    edited = [i for i, v in enumerate(request.variants) if resumes_at(v, tokens, top) <= top]
    memories = {i: memory(request.prefix.cache) for i in range(len(request.variants)) if i not in edited}
    yield model.worker.do(lambda: _first(model, request, texts, list(memories), edited[:1], memories))
    if edited[1:]:
        yield model.worker.do(lambda: _first(model, request, texts, [], edited[1:], memories))
    return model.worker.do(lambda: join(request.prefix, [memories[i] for i in range(len(memories))]))


def _first(
    model: "LoadedModel",
    request: Request,
    texts: "_Texts",
    unedited: list[int],
    edited: list[int],
    memories: dict[int, Memory],
) -> Step:
    """The first token of some rows; runs in the model's thread and adds their keys and values to `memories`."""
    logits = [request.prefix.logits[None]] * len(unedited)
    if edited:
        given = [request.variants[i] for i in edited]
        found, kept = resume(model, request.prefix, request.tokens, given)
        logits.append(found)
        memories.update(zip(edited, kept, strict=True))
    return texts.extended(torch.cat(logits), unedited + edited, {})


def _plan(request: Request, length: int, start: int) -> hooks.Plan:
    rows = len(request.variants)
    return hooks.Plan(
        lengths=(length,) * rows,
        prompt_lengths=(request.tokens.prompt_length,) * rows,
        reads=frozenset(request.read),
        edits=hooks.edits_of(request.variants),
        start=start,
        few_rows=start > 0,
    )


def _step(
    model: "LoadedModel", plan: hooks.Plan, ids: Tensor, cache: Cache | None, texts: "_Texts"
) -> tuple[Step, Cache]:
    """One pass of all rows over the new columns and one choice per row; runs in the model's thread."""
    with torch.inference_mode(), hooks.carrying_out(plan):
        output = model.network(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    captured = {site: tensor.float().numpy() for site, tensor in plan.captured.items()}
    return texts.extended(output.logits[:, -1], list(range(len(ids))), captured), output.past_key_values


class _Texts:
    """How far the text of every row has come."""

    def __init__(self, rows: int, sampling: Sampling, ends: set[int]):
        self.sampling = sampling
        self.ends = ends
        self.generators = [torch.Generator().manual_seed(sampling.seed) for _ in range(rows)]
        self.last = [0] * rows
        """The token each row goes on from; of no meaning in a row that has ended."""
        self.ended = [False] * rows
        self.broken = [False] * rows

    @torch.inference_mode()
    def extended(
        self,
        logits: Float[Tensor, "given vocab"],
        rows: list[int],
        captured: dict[Site, np.ndarray],
    ) -> Step:
        """Choose the next token of the given rows."""
        logits = logits.float()
        distribution = logits.log_softmax(-1)
        # one logit that is NaN or infinite makes a NaN here
        broken = distribution.amax(-1).isnan()
        if broken.any():
            logits = logits.masked_fill(broken[:, None], 0.0)  # nothing can be drawn from NaN
        chosen = choose(logits, self.sampling, [self.generators[row] for row in rows])
        found = distribution.gather(1, chosen[:, None])[:, 0]
        return self._step(rows, chosen.tolist(), broken.tolist(), found.numpy(), captured)

    def _step(self, rows, chosen, broken, found, captured) -> Step:
        ids: list[int | None] = [None] * len(self.last)
        log_probabilities = np.full(len(ids), np.nan, np.float32)
        for i, row in enumerate(rows):
            self.last[row] = chosen[i]
            if self.ended[row]:
                continue
            self.broken[row] = broken[i]
            self.ended[row] = broken[i] or chosen[i] in self.ends
            if not broken[i]:
                ids[row], log_probabilities[row] = chosen[i], found[i]
        self._require_one_sound()
        return Step(tuple(ids), log_probabilities, captured, tuple(self.ended), tuple(self.broken))

    def _require_one_sound(self) -> None:
        if all(self.broken):
            raise AnalysisError(
                "The model's logits are not finite any more: an edit may be too strong. Lower its strength."
            )


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
