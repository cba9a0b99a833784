"""Continuing a text: against transformers' own loop, under an edit, and several variants at once."""

import statistics
from collections.abc import Iterator

import torch

from analysis import BASE, Variant
from tests.benchmarks.engine import steered
from tests.benchmarks.measure import Quantity, ratio, seconds
from tests.benchmarks.models import TEXT, model, on_worker, plain

NEW = 48
PROMPT = TEXT[:64]


def decoding() -> Iterator[Quantity]:
    """Greedy text against `generate` on a network of its own; both must write the same."""
    ours, theirs = _written(), _generated()
    if ours != theirs:
        raise AssertionError("Greedy text differs from that of transformers, so their speeds do not compare.")
    value = 1 / ratio(_written, _generated, rounds=7)
    yield Quantity(
        f"decoding, {NEW} tokens, speed", value, "x", 1.1, "transformers' generate, same text", at_least=True
    )
    rate = len(ours) / statistics.median(seconds(_written) for _ in range(3))
    yield Quantity("decoding, prompt included", rate, "tokens/s", None, "this machine, now")


def steering() -> Iterator[Quantity]:
    base, edited = _steps((BASE,)), _steps(steered(2)[1:])
    value = ratio(lambda: next(edited), lambda: next(base), rounds=2 * NEW)
    yield Quantity("decoding step with one steering edit", value, "x", 1.05, "the same step without")


def together() -> Iterator[Quantity]:
    variants = steered(4)

    def apart() -> None:
        for variant in variants:
            _written((variant,))

    value = ratio(lambda: _written(variants), apart, rounds=5)
    yield Quantity("decoding 4 variants in one batch", value, "x", 0.45, "4 runs, one after the other")


def _steps(variants: tuple[Variant, ...]):
    """An endless supply of steps: a text that ends is begun again."""
    while True:
        yield from model().generate(PROMPT, variants=variants, max_new_tokens=2 * NEW)


def _written(variants: tuple[Variant, ...] = (BASE,)) -> list[int]:
    return [step.ids[0] for step in model().generate(PROMPT, variants=variants, max_new_tokens=NEW)]


def _generated() -> list[int]:
    ids = torch.tensor([model().tokenize(PROMPT).ids])
    settings = {
        "do_sample": False,
        "max_new_tokens": NEW,
        "pad_token_id": 0,
        "attention_mask": torch.ones_like(ids),
    }
    return on_worker(lambda: plain().generate(ids, **settings))()[0, ids.shape[1] :].tolist()
