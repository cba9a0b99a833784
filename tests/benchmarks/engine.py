"""What it costs to read activations, to change them, and to run again above a change."""

from collections.abc import Iterator

import numpy as np
import torch

from analysis import BASE, Site, Steer, Variant
from tests.benchmarks.measure import Quantity, ratio
from tests.benchmarks.models import model, on_worker, plain, tokens


def reading_everything() -> Iterator[Quantity]:
    for length, rounds in ((32, 21), (256, 9)):
        text = tokens(length)
        ids = torch.tensor([text.ids])
        value = ratio(
            lambda text=text: model().run(text, read="all"),
            on_worker(lambda ids=ids: plain().model(input_ids=ids, use_cache=False)),
            rounds,
        )
        yield Quantity(
            f"run that reads all sites, {length} tokens",
            value,
            "x",
            1.05,
            "forward of plain transformers, no head",
        )


def recomputing() -> Iterator[Quantity]:
    text = tokens(128)
    trace = model().run(text)
    layer = 3 * model().n_layers // 4
    edited = (Variant("edited", (steer(layer),)),)
    value = ratio(
        lambda: model().rerun(trace, variants=edited), lambda: model().run(text, variants=edited), rounds=11
    )
    yield Quantity(
        f"rerun after an edit at layer {layer} of {model().n_layers}", value, "x", 0.4, "full run with it"
    )


def steer(layer: int, seed: int = 0) -> Steer:
    direction = np.random.default_rng(seed).normal(size=model().d_model).astype(np.float32)
    return Steer(Site(layer), direction)


def steered(count: int) -> tuple[Variant, ...]:
    """Base and controls, as a page that compares them decodes them."""
    middle = model().n_layers // 2
    return (BASE, *(Variant(f"steered {seed}", (steer(middle, seed),)) for seed in range(1, count)))
