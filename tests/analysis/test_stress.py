"""Many people at one model at once: everybody gets what they would have got alone."""

import random
import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from analysis import jobs
from analysis.edits import BASE, Ablate, Replace, Site, Steer, Variant
from analysis.errors import AnalysisError, Cancelled
from analysis.models import hooks
from analysis.models.decode import Sampling

THREADS = 8
REQUESTS = 40
"""Of each thread."""
LONG = 120

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Breaking:
    """An edit that fails half way through a pass."""

    site: Site = Site(2, "mlp")
    positions: str = "all"

    def apply(self, x, at):
        raise ZeroDivisionError


def vector(model, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=model.d_model).astype(np.float32)


def requests(model) -> dict:
    """Name: a request that returns bytes, the same whoever else is served."""
    steer = Variant("steer", (Steer(Site(1), vector(model, 1), 4.0),))
    erase = Variant(
        "erase", (Ablate(Site(2, "attention"), vector(model, 2)), Ablate(Site(3), vector(model, 3)))
    )
    patch = Variant("patch", (Replace(Site(2), vector(model, 4)[None], (1,)),))
    late = Variant("late", (Steer(Site(2), vector(model, 5), 3.0, "generated"),))
    kept = model.run("kept for later", read="all")
    last = torch.from_numpy(vector(model, 6)[None])

    def text(variants, sampling, steps=6):
        running = model.generate(
            "The sea", variants=variants, sampling=sampling, max_new_tokens=6, read=(Site(2),)
        )
        parts = [next(running) for _ in range(steps)]
        running.close()
        return b"".join(
            repr(s.ids).encode() + s.log_probabilities.tobytes() + s.captured[Site(2)].tobytes()
            for s in parts
        )

    def broken():
        with pytest.raises(ZeroDivisionError):
            model.run("broken", variants=(BASE, Variant("x", (Breaking(),))))
        return b""

    def refused():
        with pytest.raises(AnalysisError):
            model.run("refused", variants=(Variant("x", (Steer(Site(9), vector(model, 1)),)),))
        return b""

    def cancelled():
        def work(report):
            for _ in model.generate("cancelled", variants=(steer,), max_new_tokens=500):
                report("writing")

        job = jobs.start("Write", work)
        job.cancel()
        with pytest.raises(Cancelled):
            job.result(LONG)
        return b""

    drawn = Sampling(temperature=1.2, top_p=0.9, seed=4)
    return {
        "run": lambda: model.run("The sea", read="all").values.tobytes(),
        "run of three": lambda: model.run(["a", "abcd", "the sea"]).values.tobytes(),
        "steered": lambda: model.run("The sea", variants=(BASE, steer)).values.tobytes(),
        "erased and patched": lambda: model.run(
            "deep", read="all", variants=(erase, BASE, patch)
        ).values.tobytes(),
        "resumed": lambda: model.rerun(kept, variants=(patch, BASE)).values.tobytes(),
        "greedy": lambda: text((BASE,), Sampling()),
        "greedy, edited": lambda: text((BASE, steer, late), Sampling()),
        "drawn": lambda: text((BASE, late), drawn),
        "left early": lambda: text((steer, BASE), drawn, steps=2),
        "read out": lambda: model.on_worker(lambda: model.read_out(last)).numpy().tobytes(),
        "tokens": lambda: repr(model.tokenize("The sea is deep, 🜂.").ids).encode(),
        "broken": broken,
        "refused": refused,
        "cancelled": cancelled,
    }


def test_everybody_gets_what_they_would_have_got_alone(toy):
    asked = requests(toy)
    alone = {name: request() for name, request in asked.items()}
    assert len({answer for answer in alone.values() if answer}) == 11, (
        "the requests must differ to be mixed up"
    )
    wrong: list[str] = []
    start = threading.Barrier(THREADS)

    def person(seed: int):
        choose = random.Random(seed)
        start.wait()
        for _ in range(REQUESTS):
            name = choose.choice(list(asked))
            try:
                if asked[name]() != alone[name]:
                    wrong.append(name)
            except BaseException as error:  # any failure counts, whatever it is
                wrong.append(f"{name}: {error!r}")

    people = [threading.Thread(target=person, args=(seed,)) for seed in range(THREADS)]
    for thread in people:
        thread.start()
    for thread in people:
        thread.join(LONG)
    assert not any(thread.is_alive() for thread in people)
    assert wrong == []
    assert toy.worker.do(hooks._PLAN.get) is None
    assert {name: request() for name, request in asked.items()} == alone
