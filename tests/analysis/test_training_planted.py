"""Training finds what was planted: sparse sums of directions, levels of a hierarchy, and nothing in noise."""

import numpy as np
import pytest
import torch

from analysis.dictionaries.training import objectives
from analysis.dictionaries.training.plan import PENALISED, Plan
from analysis.dictionaries.training.trainer import Trainer
from tests.planted_states import planted

KINDS = ("topk", "batchtopk", "matryoshka", "jumprelu", "relu", "gated", "pursuit")


@pytest.fixture(autouse=True)
def one_thread():
    """Small products are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def recovery(rows: torch.Tensor, found: torch.Tensor) -> float:
    """Mean over the planted directions of the largest cosine with a learnt one."""
    return float((rows @ found.T).max(1).values.mean())


@pytest.mark.parametrize("kind", KINDS)
def test_planted_directions_are_found(kind):
    rows, batch = planted()
    own = Plan(
        96 if kind == "matryoshka" else 48,  # whose first half has room for them
        3,
        (1_000 if kind in PENALISED else 500) * 256,
        kind,
        batch=256,
        rate=3e-3,
        dead_after=20_000,
        nested=(48, 96) * (kind == "matryoshka"),
    )
    trainer = Trainer(own, 40)
    before = recovery(rows, trainer.weights.decoder.detach())
    for _ in range(own.steps):
        step = trainer.step(batch(256))
    found = trainer.weights.decoder.detach()
    assert before < 0.6
    assert recovery(rows, found) > 0.9
    assert step.unexplained < 0.5
    torch.testing.assert_close(found.norm(dim=1), torch.ones(own.width))


def test_noise_has_no_directions_to_find():
    rows, _ = planted()
    own = Plan(48, 3, 100 * 256, "topk", batch=256, rate=3e-3)
    trainer, generator = Trainer(own, 40), torch.Generator().manual_seed(1)
    for _ in range(own.steps):
        trainer.step(torch.randn(256, 40, generator=generator))
    assert recovery(rows, trainer.weights.decoder.detach()) < 0.65


def test_the_penalty_settles_where_k_features_are_active():
    rows, batch = planted()
    for kind in ("relu", "jumprelu", "gated"):
        trainer = Trainer(Plan(48, 3, 400 * 256, kind, batch=256, rate=3e-3, decay=0.0), 40)
        active = [trainer.step(batch(256)).l0 for _ in range(300)]
        assert np.mean(active[-30:]) == pytest.approx(3, abs=1.2), kind


def test_a_given_penalty_stays():
    _, batch = planted()
    trainer = Trainer(Plan(48, 3, 10 * 64, "relu", batch=64, penalty=0.7), 40)
    for _ in range(10):
        trainer.step(batch(64))
    assert trainer.penalty == 0.7


def test_dead_features_come_back():
    rows, batch = planted()

    def alive(auxiliary: float) -> int:
        trainer = Trainer(
            Plan(48, 3, 150 * 256, "topk", 256, 3e-3, auxiliary=auxiliary, dead_after=1_000), 40
        )
        trainer.weights.encoder.data[:24] *= 0.01  # none of these is ever among the largest
        for _ in range(150):
            step = trainer.step(batch(256))
        return 48 - step.dead

    assert alive(0.0) <= 24
    assert alive(1.0) > 30


def levels(many: int = 20, dims: int = 6, seed: int = 2):
    """Every state has one direction of each of two levels, which are orthogonal; within a level they are crowded."""
    generator = torch.Generator().manual_seed(seed)
    frame = torch.linalg.qr(torch.randn(2 * dims, 2 * dims, generator=generator)).Q.T
    parents, children = (
        torch.nn.functional.normalize(torch.randn(many, dims, generator=generator), dim=1) @ own
        for own in (frame[:dims], frame[dims:])
    )

    def batch(points: int) -> torch.Tensor:
        large, small = (0.8 + 0.4 * torch.rand(points, 1, generator=generator) for _ in range(2))
        upper, lower = (torch.randint(many, (points,), generator=generator) for _ in range(2))
        x = 2 * large * parents[upper] + small * children[lower]
        return x * ((2 * dims) ** 0.5 / x.norm(dim=1).mean())

    return parents, children, batch


def test_pursuit_finds_levels_that_a_flat_dictionary_mixes():
    """Once the upper level is subtracted only the lower one is left; one linear look takes two of the upper level."""
    _, children, batch = levels()
    found = {}
    for kind in ("topk", "pursuit"):
        own = Plan(40, 2, 700 * 256, kind, batch=256, rate=3e-3, dead_after=5_000, auxiliary=0.1, seed=2)
        trainer = Trainer(own, 12)
        for _ in range(700):
            step = trainer.step(batch(256))
        found[kind] = recovery(children, trainer.weights.decoder.detach()), step.unexplained
    assert found["pursuit"][0] > found["topk"][0] + 0.1
    assert found["pursuit"][1] < found["topk"][1] / 2


def test_with_the_true_directions_pursuit_takes_one_of_each_level():
    parents, children, batch = levels()
    rows, x = torch.cat([parents, children]), batch(500)
    chosen, _ = objectives.pursued(x, rows, 2)
    flat = torch.relu(x @ rows.T).topk(2, dim=1).indices

    def one_of_each(two: torch.Tensor) -> float:
        return float(((two < 20).sum(1) == 1).float().mean())

    assert one_of_each(chosen) > 0.85
    assert one_of_each(flat) < 0.5
