"""Continuing a text: against transformers' own loop, under an edit, and several variants at once."""

import statistics
import time
from collections.abc import Iterator

import torch

from analysis import BASE, Variant, jobs
from analysis.jobs import Report
from analysis.tokens import Tokens
from tests.benchmarks.engine import steered
from tests.benchmarks.measure import Quantity, ratio, seconds
from tests.benchmarks.models import TEXT, model, on_worker, plain, tokens

NEW = 48
PROMPT = TEXT[:64]
NULLS = 4
"""Random rows beside base and the steered one, as the steering page shows them."""


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


def first_token() -> Iterator[Quantity]:
    """A control moved: what was computed of the prompt stays, and the row it belongs to goes first."""
    text, variants, base = tokens(32), steered(2 + NULLS), _steps((BASE,), tokens(32))
    prefix = model().prefix(text)

    def first() -> None:
        running = model().generate(text, variants=variants, max_new_tokens=NEW, prefix=prefix)
        if next(running).ids[1] is None:
            raise AssertionError("The steered row's token did not come first.")
        running.close()

    value = ratio(first, lambda: next(base), rounds=2 * NEW)
    yield Quantity(
        "first steered token after a control moves", value, "steps", 3.0, "a decoding step of base alone"
    )


def beside_nulls() -> Iterator[Quantity]:
    base, all_rows = _steps((BASE,), tokens(32)), _steps(steered(2 + NULLS), tokens(32))
    value = ratio(lambda: next(all_rows), lambda: next(base), rounds=2 * NEW)
    yield Quantity(f"step of base, steered and {NULLS} nulls", value, "x", 1.6, "a step of base alone")


def cancelling() -> Iterator[Quantity]:
    """A control moves while texts are written: what the cancelled job still computes."""
    late = max(_late_steps() for _ in range(7))
    yield Quantity("tokens computed after a cancel", late, "tokens", 1, "of each row, worst of 7")


def _late_steps() -> int:
    done = []

    def write(report: Report) -> None:
        for step in model().generate(tokens(32), variants=steered(2 + NULLS), max_new_tokens=10 * NEW):
            done.append(step)
            report("Writing")

    job = jobs.start("Writing", write)
    while len(done) < 5:
        time.sleep(0.001)
    job.cancel()
    before = len(done)
    job.wait()
    return len(done) - before


def _steps(variants: tuple[Variant, ...], text: str | Tokens = PROMPT):
    """An endless supply of steps: a text that ends is begun again."""
    while True:
        yield from model().generate(text, variants=variants, max_new_tokens=2 * NEW)


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
