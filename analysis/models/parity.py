"""How a model proves, when it is loaded, that what is shown is what it computes."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.models import hooks
from analysis.models.loaded import LoadedModel

PROBE_TEXT = "The sea is deep, and 2 + 2 = 4."
"""What the checks run on, cut to 16 tokens."""

Concern = Literal["logits", "hooks", "lens", "writes", "tokens", "dtype", "family", "files"]


@dataclass(frozen=True)
class Check:
    """One thing a model proved or failed to prove."""

    concern: Concern
    passed: bool
    sentence: str
    """What was compared and what came out, with the number."""


def plain_logits(network: torch.nn.Module, ids: Tensor) -> Float[Tensor, "row position vocab"]:
    """Logits of plain transformers, taken before any hook is installed."""
    with torch.inference_mode():
        return network(input_ids=ids, use_cache=False).logits


def probe_ids(tokenizer) -> Tensor:
    """The tokens the checks run on, (1, position)."""
    ids = tokenizer(PROBE_TEXT)["input_ids"][:16]
    return torch.tensor([ids])


def prove(model: LoadedModel, plain: Float[Tensor, "row position vocab"], ids: Tensor) -> tuple[Check, ...]:
    """Run every check; `plain` are the logits from before the hooks."""
    installed = hooks.count(model.network)
    idle = model.on_worker(lambda: model.network(input_ids=ids, use_cache=False).logits)
    plan = hooks.Plan(
        lengths=(ids.shape[1],),
        prompt_lengths=(ids.shape[1],),
        reads=frozenset(model.residual_sites() + model.write_sites()),
    )

    def reading():
        with hooks.carrying_out(plan):
            return model.network(input_ids=ids, use_cache=False).logits

    read = model.on_worker(reading)
    lens = model.on_worker(lambda: model.parts.read_out(plan.captured[Site(model.n_layers)]))
    return (
        _logits(plain, read),
        _hooks(plain, idle, installed),
        _lens(lens, plain),
        _writes(plan.captured, model),
        _tokens(model),
        Check("dtype", True, model.dtype_reason or f"Runs in {model.dtype_name}."),
        _family(model),
    )


def require(model: LoadedModel, concern: Concern) -> None:
    """Refuse what rests on a check that failed.

    Raises:
        AnalysisError: with the sentence of the failed check.
    """
    for check in model.parity:
        if check.concern == concern and not check.passed:
            raise AnalysisError(f"{model.title} cannot be read this way. {check.sentence}")


def _largest(a: Tensor, b: Tensor) -> float:
    return (a.float() - b.float()).abs().max().item()


def _logits(plain: Tensor, read: Tensor) -> Check:
    same = torch.equal(plain, read)
    return Check(
        "logits",
        same,
        f"Logits while every layer is read {'equal' if same else 'differ from'} plain transformers "
        f"(max difference {_largest(plain, read):.1g}).",
    )


def _hooks(plain: Tensor, idle: Tensor, installed: int) -> Check:
    same = torch.equal(plain, idle)
    return Check(
        "hooks",
        same,
        f"{installed} idle hooks change {'no bit' if same else f'logits by up to {_largest(plain, idle):.1g}'}.",
    )


def _lens(lens: Tensor, plain: Tensor) -> Check:
    same = torch.equal(lens, plain)
    return Check(
        "lens",
        same,
        f"The lens at the last layer {'equals' if same else 'is not'} the model's logits "
        f"(max difference {_largest(lens, plain):.1g}).",
    )


def _writes(captured: dict[Site, Tensor], model: LoadedModel) -> Check:
    """Embedding plus all writes must give the last residual, up to the rounding of the sum."""
    last = captured[Site(model.n_layers)].double()
    total = captured[Site(0)].double() + sum(captured[site].double() for site in model.write_sites())
    error = ((total - last).norm() / last.norm()).item()
    passed = error < 100 * torch.finfo(model.dtype).eps
    return Check(
        "writes",
        passed,
        f"What attention and MLPs write {'adds up' if passed else 'does not add up'} to the residual stream "
        f"(relative difference {error:.1g}).",
    )


def _tokens(model: LoadedModel) -> Check:
    tokenizer = model.tokenizer
    tokens = tokenizer.encode(PROBE_TEXT)
    exact = not tokens.note
    bos = (
        f"BOS {tokenizer.label(tokenizer.bos)} comes first"
        if tokenizer.bos is not None
        else "no BOS is added"
    )
    template = "has a chat template" if tokenizer.has_template else "has no chat template"
    return Check(
        "tokens",
        exact or "space before" in tokens.note,
        f"{'Tokens join back to the exact text' if exact else tokens.note}; {bos}; {template}.",
    )


def _family(model: LoadedModel) -> Check:
    layout = model.parts.layout
    if model.parts.known:
        return Check("family", True, f"Read as {layout.family}. {layout.remark}".strip())
    return Check(
        "family",
        True,
        f"Type {model.network.config.model_type!r} is not listed; it was read as {layout.family} "
        "and trusted because the checks above hold.",
    )
