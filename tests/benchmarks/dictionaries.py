"""Sparse dictionaries: reading features beside the run they need, training beside SAELens, searching many labels."""

import sys
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from analysis import jobs
from analysis.dictionaries import shelf
from analysis.dictionaries.dictionary import SparseDictionary
from analysis.dictionaries.encoders import JumpRelu
from analysis.dictionaries.evidence.search import search
from analysis.dictionaries.training.plan import Plan
from analysis.dictionaries.training.trainer import Trainer
from analysis.edits import Site
from analysis.methods.features import text_features
from tests.benchmarks.measure import Quantity, percentile, ratio, seconds
from tests.benchmarks.models import model, tokens

LENGTH, LAYER, FEATURES, ACTIVE = 64, 16, 4_608, 32
BATCH, ROUNDS = 2_048, 4
LABELS = 10_000
WORDS = (
    "sea",
    "boat",
    "french",
    "month",
    "python",
    "bracket",
    "name",
    "city",
    "verb",
    "plural",
    "comma",
    "king",
    "list",
)


def _dictionary() -> SparseDictionary:
    """The one that ships for the layer, else random directions of the same size."""
    for offer in shelf.offered(model()):
        if offer.site == Site(LAYER) and offer.origin == "shipped":
            return shelf.open_dictionary(model(), offer.id)
    rows = np.random.default_rng(0).standard_normal((FEATURES, model().d_model)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    bias = np.zeros(model().d_model, np.float32)
    kind = JumpRelu(np.full(FEATURES, 3.0, np.float32))
    return SparseDictionary(
        "random", Site(LAYER), kind, np.ascontiguousarray(rows.T), np.zeros(FEATURES, np.float32), rows, bias
    )


def features() -> Iterator[Quantity]:
    """Run, encode and rebuild a text against running it as far as the same layer."""
    made, text = _dictionary(), tokens(LENGTH)
    value = ratio(
        lambda: text_features(model(), text, made), lambda: model().run(text, read=[made.site]), rounds=15
    )
    yield Quantity(f"features of {LENGTH} tokens at layer {LAYER}", value, "x", 1.2, "the run they need")


def training() -> Iterator[Quantity]:
    """Steps on the same batches, width and threads; the encoder's, decoder's and optimiser's work is all in it."""
    batches = _batches()
    trainer = Trainer(Plan(FEATURES, ACTIVE, 10**7, "topk", batch=BATCH), model().d_model)
    took = _steps(trainer.step, batches)
    yield Quantity(
        "training a dictionary of 4,608 features", BATCH / took, "samples/s", None, "this machine, now"
    )
    try:
        step = _saelens()
    except ImportError:
        print("  SAELens is not installed here, so its trainer is not compared with.", file=sys.stderr)
        return
    value = 1 / ratio(lambda: trainer.step(batches[0]), lambda: step(batches[0]), rounds=ROUNDS)
    yield Quantity("  steps per second", value, "x", 1.0, "SAELens' trainer", at_least=True)


def searching() -> Iterator[Quantity]:
    """A word and a phrase among as many labels as two large dictionaries have."""
    rng = np.random.default_rng(0)
    labels = [f"the token {' '.join(rng.choice(WORDS, 3))} {number}" for number in range(LABELS)]
    table = pd.DataFrame(
        {
            "feature": np.arange(LABELS),
            "label": labels,
            "frequency": rng.random(LABELS),
            "mean": rng.random(LABELS),
            "max": rng.random(LABELS),
            "token_precision": rng.random(LABELS),
            "top_token": rng.choice(WORDS, LABELS),
            "context": rng.random(LABELS),
            "detection": rng.random(LABELS),
            "effect": rng.random(LABELS),
        }
    )
    queries = ["sea", "french month", "river 12", "no such word", "python code list"] * 4
    times = [1000 * seconds(lambda query=query: search(table, query)) for query in queries]
    yield Quantity(f"searching {LABELS:,} labels, 95th percentile", percentile(times, 0.95), "ms", 100, "")


def _batches() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    wide = model().d_model
    mixed = torch.randn(64, wide, generator=generator)
    return [
        torch.randn(BATCH, 64, generator=generator) @ mixed / 8
        + torch.randn(BATCH, wide, generator=generator) / 2
        for _ in range(ROUNDS)
    ]


def _steps(step, batches: list[torch.Tensor]) -> float:
    """Median seconds of a step, after a first one."""

    def taken() -> float:
        step(batches[0])
        times = []
        for batch in batches:
            started = time.perf_counter()
            step(batch)
            times.append(time.perf_counter() - started)
        return sorted(times)[len(times) // 2]

    return jobs.start("Training", lambda report: taken()).result()


def _saelens():
    """One step of SAELens' trainer with a TopK autoencoder of the same width."""
    from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
    from sae_lens.config import SAETrainerConfig
    from sae_lens.training.sae_trainer import SAETrainer

    sae = TopKTrainingSAE(TopKTrainingSAEConfig(d_in=model().d_model, d_sae=FEATURES, k=ACTIVE, device="cpu"))
    settings = SAETrainerConfig(
        total_training_samples=10**7,
        train_batch_size_samples=BATCH,
        lr=4e-4,
        lr_end=4e-5,
    )
    trainer = SAETrainer(settings, sae, iter(()))
    return lambda batch: trainer._train_step(sae=sae, sae_in=batch)
