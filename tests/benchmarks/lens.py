"""Reading all layers in the vocabulary, and fitting the map that reads them better."""

from collections.abc import Iterator

import torch

from analysis import LogitLens, read, samples
from analysis.data import corpus
from analysis.methods import shortcut
from tests.benchmarks.measure import Quantity, extra_bytes, ratio, seconds
from tests.benchmarks.models import model, on_worker, tokens


def reading() -> Iterator[Quantity]:
    trace = model().run(tokens(64))
    states = torch.from_numpy(trace.residuals().copy()).flatten(0, 1)
    unembedding = model().parts.head.weight
    bare = on_worker(lambda: (states @ unembedding.T).shape)

    def whole() -> object:
        return read(model(), trace, LogitLens(), top=10)

    against = f"the bare product {len(states):,} x {states.shape[1]} x {len(unembedding):,}"
    yield Quantity("logit lens, all layers x 64 tokens", ratio(whole, bare, rounds=9), "x", 1.3, against)
    yield Quantity("  its memory", extra_bytes(whole) / 2**20, "MiB", 512, "resident memory before it")


def fitting() -> Iterator[Quantity]:
    """For information: a fit runs once per model revision, and most of it is running the text."""
    texts = corpus.documents()
    training, held_out = shortcut._split(
        samples.windows(model(), texts), shortcut.FIT_TOKENS, shortcut.HELD_OUT_TOKENS
    )
    batches = samples.batches(training) + samples.batches(held_out)

    def capture() -> None:
        for batch in batches:
            model().run(batch)

    fit = seconds(lambda: shortcut.fit(model(), texts))
    yield Quantity("fit of the linear shortcut", fit / seconds(capture), "x", None, "running its text once")
    yield Quantity("  its time", fit, "s", None, "this machine, now")
