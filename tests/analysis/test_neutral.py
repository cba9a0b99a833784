"""What an edit costs on ordinary text: nothing if it changes nothing, and what a reading by hand says otherwise."""

import numpy as np
import pytest
import torch

from analysis import neutral, samples
from analysis.data import corpus
from analysis.edits import Ablate, Site, Steer, Variant
from analysis.neutral import costs


def push(model, scale: float) -> Steer:
    vector = np.random.default_rng(0).normal(size=model.d_model).astype(np.float32)
    return Steer(Site(2), vector, scale)


def test_an_edit_of_nothing_costs_nothing(toy):
    base, (nothing, small, large) = costs(toy, [(push(toy, 0.0),), (push(toy, 0.5),), (push(toy, 4.0),)])
    assert base.bits == 0
    assert nothing.bits == pytest.approx(0, abs=1e-6)
    assert nothing.perplexity == pytest.approx(base.perplexity, rel=1e-6)
    assert 0 < small.bits < large.bits


def test_the_cost_is_what_a_reading_by_hand_gives(toy, monkeypatch):
    monkeypatch.setattr(neutral, "CONTEXTS", 1)
    monkeypatch.setattr(neutral, "LENGTH", 12)
    edit = Ablate(Site(1), np.random.default_rng(1).normal(size=toy.d_model).astype(np.float32))
    base, (cost,) = costs(toy, [(edit,)])
    tokens = samples.windows(toy, corpus.documents()[:1], 12)[0][0]
    read = [
        toy.on_worker(
            lambda v=v: toy.read_out(torch.tensor(toy.run(tokens, variants=v).residuals()[-1])).double()
        )
        for v in ((Variant("base"),), (Variant("e", (edit,)),))
    ]
    before, after = (each.log_softmax(-1)[1:-1] for each in read)
    bits = (before.exp() * (before - after)).sum(-1).mean() / np.log(2)
    ids = torch.tensor(tokens.ids[2:])[:, None]
    assert cost.bits == pytest.approx(float(bits), rel=1e-4)
    for found, own in ((base, before), (cost, after)):
        assert found.perplexity == pytest.approx(float((-own.gather(1, ids)).mean().exp()), rel=1e-4)
