"""A prompt that was run once, for generations under edits to begin from.

An edit at layer l leaves the residual stream up to l as it was, and with it every key and value of the
blocks up to l. So the prompt pass of an edited row resumes at the lowest layer where an edit meets the
prompt, and a row whose edits meet no token of the prompt needs no prompt pass at all.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from analysis.edits import Edit, Variant
from analysis.errors import AnalysisError
from analysis.models import hooks
from analysis.tokens import Tokens

if TYPE_CHECKING:
    from analysis.models.loaded import LoadedModel

KNOWN_LAYERS = (DynamicLayer, DynamicSlidingWindowLayer)
"""Caches that hold of each row its keys and values alone, along the first axis."""

Memory = list[tuple[Tensor, Tensor]]
"""Keys and values of one row in every block, (1, head, position, dimension) each."""


@dataclass(frozen=True, eq=False)
class Prefix:
    """What an unedited pass over one prompt computed; nothing writes into it, so generations may share it."""

    model: str
    """Fingerprint of the model that ran."""
    tokens: Tokens
    residual: Float[Tensor, "layer position d_model"]
    """The residual stream at layers 0 to L, in the model's dtype."""
    logits: Float[Tensor, " vocab"]
    """Scores of the token that follows the prompt, in the model's dtype."""
    cache: DynamicCache | None
    """Keys and values of every block; None where the model keeps something else, and nothing can be resumed."""

    def require(self, model: str, tokens: Tokens) -> None:
        """Refuse to stand for another prompt or another model's.

        Raises:
            AnalysisError: it is not what this model made of these tokens.
        """
        if self.model != model:
            raise AnalysisError("This prefix was made by another model; make one with this model first.")
        if self.tokens.ids != tokens.ids:
            raise AnalysisError(
                f"This prefix is of another text ({len(self.tokens)} tokens; the prompt has {len(tokens)}). "
                "Make one of this prompt first."
            )


def read_prefix(model: "LoadedModel", tokens: Tokens) -> Prefix:
    """Run the unedited prompt and keep what edited rows can begin from; runs in the model's thread."""
    plan = hooks.Plan((len(tokens),), (tokens.prompt_length,), reads=frozenset(model.residual_sites()))
    with torch.inference_mode(), hooks.carrying_out(plan):
        output = model.network(input_ids=torch.tensor([tokens.ids]), use_cache=True, logits_to_keep=1)
        stream = torch.cat([plan.captured[site] for site in model.residual_sites()])
    cache = output.past_key_values if _is_known(output.past_key_values, model.n_layers) else None
    # a copy of the last position, or the logits of the whole prompt would stay alive behind it
    return Prefix(model.fingerprint, tokens, stream, output.logits[0, -1].clone(), cache)


def resume(
    model: "LoadedModel", prefix: Prefix, tokens: Tokens, variants: Sequence[Variant]
) -> tuple[Float[Tensor, "row vocab"], list[Memory]]:
    """Run the prompt under edits from the lowest layer where one meets it; runs in the model's thread.

    Returns:
        The logits of the token that follows and the keys and values, of every variant.
    """
    rows = len(variants)
    lowest = min(resumes_at(variant, tokens, model.n_layers) for variant in variants)
    plan = hooks.Plan((len(tokens),) * rows, (tokens.prompt_length,) * rows, edits=hooks.edits_of(variants))
    if lowest > 0:
        # a copy for every row, as a family may write into the stream in place
        plan.resume = lowest, prefix.residual[lowest].repeat(rows, 1, 1)
    ids = torch.tensor(tokens.ids).repeat(rows, 1)
    with torch.inference_mode(), hooks.carrying_out(plan):
        output = model.network(input_ids=ids, use_cache=True, logits_to_keep=1)
    below = memory(prefix.cache)[:lowest]
    return output.logits[:, -1], [below + memory(output.past_key_values, i, lowest) for i in range(rows)]


def memory(cache: DynamicCache, row: int = 0, above: int = 0) -> Memory:
    """Keys and values of one row, seen in a cache, of the blocks above a layer."""
    return [(layer.keys[row : row + 1], layer.values[row : row + 1]) for layer in cache.layers[above:]]


def join(prefix: Prefix, rows: Sequence[Memory]) -> DynamicCache:
    """One cache of all rows, in memory of its own."""
    joined = copy.copy(prefix.cache)
    # copies, as a layer also counts the positions it has seen: as many in every row
    joined.layers = [copy.copy(layer) for layer in prefix.cache.layers]
    for layer, memories in zip(joined.layers, zip(*rows, strict=True), strict=True):
        keys, values = zip(*memories, strict=True)
        layer.keys, layer.values = torch.cat(keys), torch.cat(values)
    return joined


def resumes_at(variant: Variant, tokens: Tokens, top: int) -> int:
    """The layer at which the prompt pass of a variant resumes; above `top` if no edit meets the prompt."""
    meeting = [edit for edit in variant.edits if len(hooks.columns(edit, len(tokens), tokens.prompt_length))]
    return lowest_layer(meeting, top) if meeting else top + 1


def lowest_layer(edits: Iterable[Edit], top: int) -> int:
    """The highest layer whose residual stream no edit changes before it is used; `top` without edits."""
    return min((edit.site.layer - (edit.site.stream != "residual") for edit in edits), default=top)


def _is_known(cache, blocks: int) -> bool:
    known = type(cache) is DynamicCache and all(type(layer) in KNOWN_LAYERS for layer in cache.layers)
    return known and len(cache.layers) == blocks
