"""Learning dictionaries: losses and gradients against small cases, planted directions, folding, resuming."""

import numpy as np
import pytest
import torch

from analysis.dictionaries.dictionary import SparseDictionary, reconstructed
from analysis.dictionaries.encoders import JumpRelu
from analysis.dictionaries.matching_pursuit import MatchingPursuit
from analysis.dictionaries.training import objectives
from analysis.dictionaries.training.folding import Scaling
from analysis.dictionaries.training.objectives import OBJECTIVES, Weights
from analysis.dictionaries.training.plan import Plan
from analysis.dictionaries.training.sparse import Pattern, picked, products, summed
from analysis.dictionaries.training.trainer import Trainer
from analysis.edits import Site
from analysis.errors import AnalysisError
from tests.planted_states import planted

KINDS = ("topk", "batchtopk", "matryoshka", "jumprelu", "relu", "gated", "pursuit")
WIDTH, FEATURES = 5, 7


@pytest.fixture(autouse=True)
def one_thread():
    """Small products are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def some_weights(seed: int = 0) -> Weights:
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    rows = drawn(FEATURES, WIDTH)
    rows = rows / rows.norm(dim=1, keepdim=True)
    weights = Weights(
        encoder=drawn(FEATURES, WIDTH),
        encoder_bias=0.1 * drawn(FEATURES),
        decoder=rows,
        decoder_bias=0.1 * drawn(WIDTH),
        log_threshold=0.1 * drawn(FEATURES) - 1.0,
        gate_bias=0.1 * drawn(FEATURES),
        log_magnitude=0.1 * drawn(FEATURES),
    )
    for name in vars(weights):
        getattr(weights, name).requires_grad_()
    return weights


def some_batch(points: int = 6) -> torch.Tensor:
    return torch.randn(points, WIDTH, generator=torch.Generator().manual_seed(9))


def plan(kind: str, **fields) -> Plan:
    return Plan(**({"width": FEATURES, "k": 2, "samples": 100, "sparsity": kind, "batch": 6} | fields))


def measured(kind: str, weights: Weights, batch: torch.Tensor, penalty: float = 0.3):
    own = plan(kind, nested=(3, FEATURES) if kind == "matryoshka" else (), bandwidth=0.05)
    return OBJECTIVES[kind](batch, weights, own, penalty, False)


def activations(kind: str, w: Weights, x: torch.Tensor) -> torch.Tensor:
    """Each architecture's definition, written with dense matrices."""
    z = (x - w.decoder_bias) @ w.encoder.T + w.encoder_bias
    positive = torch.relu(z)
    if kind == "topk":
        return positive * (positive >= positive.topk(2, dim=1).values[:, -1:])
    if kind in ("batchtopk", "matryoshka"):
        return positive * (positive >= positive.flatten().topk(2 * len(x)).values[-1])
    if kind == "jumprelu":
        return z * (z > w.log_threshold.exp())
    if kind == "gated":
        bare = (x - w.decoder_bias) @ w.encoder.T
        return torch.relu(bare * w.log_magnitude.exp() + w.encoder_bias) * (bare + w.gate_bias > 0)
    return positive


def dense_loss(kind: str, w: Weights, x: torch.Tensor, penalty: float = 0.3) -> torch.Tensor:
    """The loss of the paper, without any sparse product; of a threshold's gradient it knows nothing."""
    a = activations(kind, w, x)

    def missed(active: torch.Tensor, decoder: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return (x - active @ decoder - bias).pow(2).sum(1).mean()

    whole = missed(a, w.decoder, w.decoder_bias)
    if kind == "matryoshka":
        return (missed(a[:, :3], w.decoder[:3], w.decoder_bias) + whole) / 2
    if kind == "jumprelu":
        return whole + penalty * (a > 0).sum(1).float().mean()
    if kind == "relu":
        return whole + penalty * a.sum(1).mean()
    if kind == "gated":
        gates = torch.relu((x - w.decoder_bias) @ w.encoder.T + w.gate_bias)
        frozen = missed(gates, w.decoder.detach(), w.decoder_bias.detach())
        return whole + penalty * gates.sum(1).mean() + frozen
    return whole


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "pursuit"])
def test_loss_and_gradient_are_those_of_the_dense_definition(kind):
    ours, theirs, batch = some_weights(), some_weights(), some_batch()
    mine, other = measured(kind, ours, batch).loss, dense_loss(kind, theirs, batch)
    mine.backward()
    other.backward()
    assert mine.item() == pytest.approx(other.item(), rel=1e-5)
    for name in vars(ours):
        if name == "log_threshold":
            continue
        got, want = getattr(ours, name).grad, getattr(theirs, name).grad
        torch.testing.assert_close(
            torch.zeros(1) if got is None else got,
            torch.zeros(1) if want is None else want,
            atol=1e-5,
            rtol=1e-4,
        ) if (got is None) == (want is None) else pytest.fail(name)


@pytest.mark.parametrize("kind", ["topk", "batchtopk", "matryoshka", "relu", "gated", "pursuit"])
def test_gradient_is_the_slope_of_the_loss(kind):
    weights, batch = some_weights(), some_batch()
    loss = measured(kind, weights, batch).loss
    loss.backward()
    step = 1e-3
    for name in ("decoder", "decoder_bias") if kind == "pursuit" else ("encoder", "encoder_bias", "decoder"):
        if kind == "gated" and name == "decoder":
            continue  # its last term leaves the decoder alone, which a slope cannot know
        values = getattr(weights, name)
        place = (1,) * values.ndim
        with torch.no_grad():
            values[place] += step
            above = float(measured(kind, weights, batch).loss)
            values[place] -= 2 * step
            below = float(measured(kind, weights, batch).loss)
            values[place] += step
        assert float(values.grad[place]) == pytest.approx((above - below) / (2 * step), rel=2e-2, abs=2e-3), (
            name
        )


def test_a_threshold_feels_the_window_around_it_only():
    """One feature, one direction: d loss / d theta = (theta * slope of the error + penalty) * -1 / bandwidth."""
    theta, bandwidth, penalty = 0.5, 0.2, 0.3
    z = torch.tensor([0.55, 0.45, 0.9, 0.1], requires_grad=True)
    threshold = torch.full((4,), theta, requires_grad=True)
    active = objectives.Jump.apply(z, threshold, bandwidth)
    counted = objectives.Count.apply(z, threshold, bandwidth)
    torch.testing.assert_close(active, torch.tensor([0.55, 0.0, 0.9, 0.0]))
    (active.sum() * 2 + penalty * counted.sum()).backward()
    slope = -(theta * 2 + penalty) / bandwidth
    torch.testing.assert_close(threshold.grad, torch.tensor([slope, slope, 0.0, 0.0]))
    torch.testing.assert_close(z.grad, torch.tensor([2.0, 0.0, 2.0, 0.0]))


def test_pursuit_by_hand():
    """Axes 0 and 1, and a direction between them; x = (3, 4): the diagonal comes first, then what is left of it."""
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5**0.5, 0.5**0.5]])
    chosen, amounts = objectives.pursued(torch.tensor([[3.0, 4.0]]), rows, 2)
    assert chosen.tolist() == [[2, 1]]
    torch.testing.assert_close(amounts, torch.tensor([[7 * 0.5**0.5, 0.5]]))


def test_sparse_products_are_the_dense_ones(rng):
    left, right = (
        torch.tensor(rng(n).standard_normal((each, 4)), dtype=torch.float32) for n, each in enumerate((6, 9))
    )
    mask = torch.tensor(rng(3).random((6, 9)) < 0.3)
    mask[2] = False
    rows, columns = mask.nonzero(as_tuple=True)
    pattern = Pattern(rows, columns, (6, 9))
    bias = torch.arange(9.0)
    torch.testing.assert_close(products(pattern, left, right), (left @ right.T)[mask])
    values = picked(left, right, bias, pattern, (left @ right.T + bias)[mask])
    whole = torch.zeros(6, 9)
    whole[mask] = values.detach()
    torch.testing.assert_close(summed(pattern, values, right), whole @ right)


@pytest.mark.parametrize(("kind", "l0"), [("topk", 2), ("batchtopk", 2), ("matryoshka", 2)])
def test_counts_are_kept_exactly(kind, l0):
    batch = some_batch(60)
    weights = some_weights()
    weights.encoder_bias.data += 3  # enough features are positive
    fired = OBJECTIVES[kind](batch, weights, plan(kind, batch=60), 0.0, False).fired
    assert float(fired.sum()) / 60 == l0


def test_candidates_chosen_coarsely_are_the_same_features():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(96, 32, generator=generator)
    batch = torch.randn(64, 32, generator=generator)
    for kind in ("topk", "batchtopk"):
        own = Plan(96, 4, 64, kind, batch=64)
        made = [Trainer(own, 32, coarse=coarse) for coarse in (False, True)]
        for trainer in made:
            trainer.weights.encoder.data.copy_(rows)
        steps = [OBJECTIVES[kind](batch, each.weights, own, 0.0, each.coarse) for each in made]
        assert torch.equal(steps[0].fired, steps[1].fired)
        torch.testing.assert_close(steps[0].rest, steps[1].rest)


def test_a_plan_that_cannot_be_is_refused(unchecked):
    with pytest.raises(AnalysisError, match="from 1 to all 7"):
        plan("topk", k=8)
    with pytest.raises(AnalysisError, match="no kind of dictionary"):
        plan("sparse")
    with pytest.raises(AnalysisError, match="end at the whole width"):
        plan("matryoshka", nested=(2, 5))


@pytest.mark.parametrize("kind", KINDS)
def test_folding_changes_no_reconstruction(kind):
    """Raw states in, raw states out, with the same features active as in training."""
    rows, batch = planted()
    trainer = Trainer(Plan(48, 3, 40 * 256, kind, batch=256, rate=3e-3), 40)
    for _ in range(40):
        trainer.step(batch(256))
    mean, scale = np.linspace(-30, 50, 40).astype(np.float32), 0.25
    y = batch(256)
    trainer.calibrate(y)
    raw = y / scale + torch.from_numpy(mean)
    folded = trainer.dictionary("planted", Site(1), scaling=Scaling(mean, scale))
    bare = trainer.dictionary("planted", Site(1))
    torch.testing.assert_close(
        reconstructed(folded, raw),
        reconstructed(bare, y) / scale + torch.from_numpy(mean),
        atol=2e-2,
        rtol=1e-3,
    )
    active = folded.encode(raw)
    torch.testing.assert_close(active, bare.encode(y) / scale, atol=2e-2, rtol=1e-3)
    assert isinstance(folded, MatchingPursuit if kind == "pursuit" else SparseDictionary)
    np.testing.assert_allclose(np.linalg.norm(folded.decoder, axis=1), 1, rtol=1e-5)


def test_the_threshold_lets_k_features_through_on_average():
    _, batch = planted()
    trainer = Trainer(Plan(48, 3, 40 * 256, "batchtopk", batch=256, rate=3e-3), 40)
    for _ in range(40):
        trainer.step(batch(256))
    states = batch(3_000)
    trainer.calibrate(states)
    made = trainer.dictionary("planted", Site(1))
    assert isinstance(made.kind, JumpRelu)
    assert float((made.encode(states) > 0).sum()) / 3_000 == pytest.approx(3, abs=1e-3)


def test_a_resumed_training_is_the_same_training():
    _, batch = planted()
    batches = [batch(128) for _ in range(30)]
    for kind in KINDS:
        own = Plan(48, 3, 30 * 128, kind, batch=128, rate=3e-3, dead_after=300)
        whole, first, second = Trainer(own, 40), Trainer(own, 40), Trainer(own, 40)
        expected = [whole.step(each) for each in batches]
        [first.step(each) for each in batches[:11]]
        second.resume(first.state())
        assert [second.step(each) for each in batches[11:]] == expected[11:], kind
        assert torch.equal(second.weights.decoder, whole.weights.decoder)
