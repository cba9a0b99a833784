"""Trainings from text to shelf: states on disk, runs that are cut short, and what is refused in a sentence."""

import json
import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from analysis import samples, store
from analysis.dictionaries import shelf
from analysis.dictionaries.training import activations, checkpoint, own_text, run
from analysis.dictionaries.training.activations import Activations, harvest, stretches
from analysis.dictionaries.training.estimate import Speed, estimate, expected, measure_speed
from analysis.dictionaries.training.plan import Plan
from analysis.dictionaries.training.run import Order, discard, finish, key_of, resume, train, unfinished
from analysis.dictionaries.training.trainer import Trainer
from analysis.edits import Site
from analysis.errors import AnalysisError, Cancelled

TEXTS = tuple(f"Text number {number}: " + "the sea is deep and old. " * 6 for number in range(60))
SITE = Site(2)
PLAN = Plan(24, 3, 12 * 256, "batchtopk", batch=256, rate=2e-3, dead_after=2_000)
ORDER = Order(SITE, PLAN, 6_000, "Sea", "sentences about the sea", 64)


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))


def read(toy) -> activations.Stretches:
    return stretches(toy, TEXTS, tokens=6_000, length=64)


def test_text_is_held_out_whole_and_first_tokens_never_count(toy):
    own = read(toy)
    assert own.held_out and own.tokens >= 5_900
    held, learnt = (
        {int(number) for window in part for number in re.findall(r"number (\d+):", window.text)}
        for part in (own.held_out, own.training)
    )
    assert held == {19, 39, 59} and not held & learnt
    found = harvest(toy, SITE, own.training)
    assert len(found) + found.left_out == own.tokens
    assert found.left_out >= len(own.training)


def test_kept_states_are_those_of_the_model(toy):
    own = read(toy)
    found = harvest(toy, SITE, own.training)
    states = np.concatenate([toy.run(window, read=[SITE]).at(SITE)[1:] for window in own.training])
    states = states[np.linalg.norm(states, axis=1) <= found.longest]
    np.testing.assert_allclose(found.mean, states.mean(0), atol=5e-3 * states.std())
    centred = np.linalg.norm(states - states.mean(0), axis=1)
    assert found.scale == pytest.approx(toy.d_model**0.5 / centred.mean(), rel=1e-2)
    stored = np.concatenate([np.load(path) for path in found.shards]).astype(np.float32) * found.unit
    order, other = (np.lexsort(np.round(each, 2).T) for each in (stored, states))
    np.testing.assert_allclose(np.sort(stored[order].sum(1)), np.sort(states[other].sum(1)), atol=0.1)


def test_outliers_of_norm_are_left_out_and_counted(toy, monkeypatch):
    own = read(toy)
    monkeypatch.setattr(samples, "OUTLIER", 1.0)
    found = harvest(toy, SITE, own.training)
    assert found.left_out > len(own.training) + len(found) / 10


def synthetic(folder, rows=(50, 50, 50, 50, 50, 20), width: int = 3) -> Activations:
    numbers = np.arange(sum(rows), dtype=np.float16)
    paths, start = [], 0
    for number, count in enumerate(rows):
        path = folder / f"{number}.npy"
        np.save(path, np.repeat(numbers[start : start + count, None], width, 1))
        paths.append(path)
        start += count
    return Activations(tuple(paths), tuple(rows), 1.0, np.zeros(width, np.float32), 1.0, 9.0, 0)


def test_batches_are_shuffled_whole_and_begin_anywhere(tmp_path):
    found = synthetic(tmp_path)
    stream = found.batches(30, seed=4)
    first = [next(stream) for _ in range(20)]
    assert all(batch.shape == (30, 3) for batch in first)
    for start in (0, 1, 7, 13):
        np.testing.assert_array_equal(next(found.batches(30, seed=4, start=start)), first[start])
    epoch = np.concatenate(first[:8])[:, 0]
    assert len(set(epoch.tolist())) == 240  # nothing twice before the next epoch
    assert not np.array_equal(next(found.batches(30, seed=5)), first[0])


def test_a_few_shards_are_in_memory_and_no_more(tmp_path):
    rows = (4_000,) * 12
    found = synthetic(tmp_path, rows, width=16)
    assert max(map(len, found.groups(0, 0))) == activations.BUFFER
    assert sorted(sum(found.groups(3, 0), [])) == list(range(12))
    stream = found.batches(500, seed=0)
    tracemalloc.start()
    for _ in range(200):
        next(stream)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    shard = 4_000 * 16 * 2
    assert most < (2 * activations.BUFFER + 2) * shard < 12 * shard


def test_a_batch_that_the_states_cannot_fill_is_refused(tmp_path):
    with pytest.raises(AnalysisError, match="a batch takes 300"):
        next(synthetic(tmp_path).batches(300, seed=0))


def test_a_killed_harvest_goes_on_at_its_shard(toy, monkeypatch):
    monkeypatch.setattr(activations, "WINDOWS", 20)
    own = read(toy)
    expected_states = harvest(toy, SITE, own.training)
    shards = [np.load(path) for path in expected_states.shards]
    assert len(shards) > 2
    for path in (*expected_states.shards[2:], expected_states.shards[0].parent / activations.MOMENTS):
        path.unlink()
    asked = []
    original = type(toy).run
    monkeypatch.setattr(type(toy), "run", lambda self, *a, **k: asked.append(1) or original(self, *a, **k))
    again = harvest(toy, SITE, own.training)
    assert len(asked) == sum(
        -(-len(own.training[at : at + 20]) // activations.TOGETHER) for at in range(40, len(own.training), 20)
    )
    for path, before in zip(again.shards, shards, strict=True):
        np.testing.assert_array_equal(np.load(path), before)


def test_a_full_disk_leaves_no_half_shard(toy, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(activations.np, "save", full)
    with pytest.raises(AnalysisError, match="The disk is full"):
        harvest(toy, SITE, read(toy).training)
    assert not [path for path in (store.home() / "activations").rglob("*.npy")]


def test_space_is_asked_for_before_anything_runs(toy, monkeypatch):
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(AnalysisError, match="The states to learn from needs"):
        harvest(toy, SITE, read(toy).training)


class Stopper:
    """A report that stops at its n-th step of training."""

    def __init__(self, after: int):
        self.left = after

    def __call__(self, message: str, done: float = 0, total: float | None = None) -> None:
        if message.startswith("Training"):
            self.left -= 1
            if self.left < 0:
                raise Cancelled(message)


def test_a_training_ends_on_the_shelf_with_its_quality(toy):
    found = train(toy, ORDER, TEXTS)
    assert [step.number for step in found.curve] == list(range(1, 13))
    assert found.curve[-1].unexplained < found.curve[0].unexplained
    assert sum(step.increase is not None for step in found.curve) == run.CHECKS
    assert found.offer.id in [each.id for each in shelf.offered(toy)]
    opened = shelf.open_dictionary(toy, found.offer.id)
    opened.require_fit(toy)
    assert opened.features == 24 and opened.site == SITE
    assert found.offer.card["quality"]["explained_variance"] == pytest.approx(found.quality.explained)
    assert found.offer.tokens == found.tokens and found.offer.exploratory
    assert found.offer.kind == "BatchTopK"
    assert not unfinished(toy)


@pytest.mark.parametrize("kind", ["batchtopk", "jumprelu", "pursuit"])
def test_a_paused_training_ends_as_if_it_had_never_paused(toy, kind):
    order = replace(ORDER, plan=replace(PLAN, sparsity=kind))
    whole = train(toy, order, TEXTS)
    shelf.delete(whole.offer.id)
    with pytest.raises(Cancelled):
        train(toy, order, TEXTS, Stopper(5))
    (left,) = unfinished(toy)
    assert left.done == 5 and left.order == order
    again = resume(toy, left.key)
    assert again.curve == whole.curve
    assert again.offer.id == whole.offer.id
    assert again.quality == whole.quality


def test_a_killed_training_goes_on_from_its_last_checkpoint(toy, monkeypatch):
    whole = train(toy, ORDER, TEXTS)
    shelf.delete(whole.offer.id)
    original, steps = Trainer.step, []

    def step(self, batch):
        steps.append(1)
        if len(steps) == 8:
            raise KeyboardInterrupt
        return original(self, batch)

    monkeypatch.setattr(run, "CHECKPOINT_EVERY", -1.0)
    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(KeyboardInterrupt):
        train(toy, ORDER, TEXTS)
    again = train(toy, ORDER, TEXTS)
    assert len(steps) == 8 + 5  # seven were checkpointed
    assert again.curve == whole.curve and again.offer.id == whole.offer.id


def test_a_training_can_be_ended_early_and_is_kept(toy):
    stop = Stopper(10**6)
    key = key_of(toy, ORDER, TEXTS)

    def report(message, done=0, total=None):
        stop(message)
        if message.startswith("Training") and done == 4:
            finish(key)

    found = train(toy, ORDER, TEXTS, report)
    assert found.curve[-1].number == 5
    assert found.offer.card["training_samples"] == 5 * 256


def test_a_loss_that_is_no_number_stops_with_the_last_good_checkpoint(toy, monkeypatch):
    original = Trainer.step

    def step(self, batch):
        if self.done == 6:
            batch = batch * float("nan")
        return original(self, batch)

    monkeypatch.setattr(run, "CHECKPOINT_EVERY", -1.0)
    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(AnalysisError, match="no number any more at step 7.*step 6, is kept"):
        train(toy, ORDER, TEXTS)
    (left,) = unfinished(toy)
    trainer = Trainer(PLAN, toy.d_model)
    assert checkpoint.load(store.home() / run.KIND / left.key / run.CHECKPOINT, trainer)[-1].number == 6
    assert bool(trainer.weights.encoder.isfinite().all())


def test_text_shorter_than_a_batch_is_refused_before_anything_runs(toy, monkeypatch):
    monkeypatch.setattr(run, "harvest", lambda *_: pytest.fail("it began to read"))
    with pytest.raises(AnalysisError, match="a batch takes 8,000"):
        train(toy, replace(ORDER, plan=replace(PLAN, batch=8_000)), TEXTS)
    with pytest.raises(AnalysisError, match="Bring more text"):
        train(toy, ORDER, TEXTS[:1])


def test_a_checkpoint_of_another_plan_is_refused(toy, tmp_path):
    checkpoint.save(tmp_path / "c.safetensors", Trainer(PLAN, toy.d_model), [])
    with pytest.raises(AnalysisError, match="another plan"):
        checkpoint.load(tmp_path / "c.safetensors", Trainer(replace(PLAN, seed=1), toy.d_model))


def test_a_discarded_training_is_gone(toy):
    with pytest.raises(Cancelled):
        train(toy, ORDER, TEXTS, Stopper(2))
    discard(unfinished(toy)[0].key)
    assert not unfinished(toy)


def test_two_dictionaries_of_one_name_are_both_kept(toy):
    first = train(toy, ORDER, TEXTS)
    second = train(toy, replace(ORDER, plan=replace(PLAN, seed=1)), TEXTS)
    assert first.offer.id != second.offer.id
    assert second.offer.about.name.startswith("Sea ")


def test_an_order_survives_on_disk(toy):
    order = replace(ORDER, plan=replace(PLAN, sparsity="matryoshka", nested=(6, 24)))
    with pytest.raises(Cancelled):
        train(toy, order, TEXTS, Stopper(1))
    assert unfinished(toy)[0].order == order
    assert json.loads((store.home() / run.KIND / unfinished(toy)[0].key / run.ORDER).read_text())["model"]


def test_the_estimate_is_work_over_speed(toy):
    found = estimate(toy, ORDER, 4_000, Speed(tokens=100.0, samples=256.0))
    assert (found.tokens, found.samples) == (4_000, 12 * 256)
    assert found.reading == 40 and found.learning == 12
    # a twentieth is held out: read, compared, looked at
    assert found.judging == (200 + 6 * 200 + 8 * 200) / 100
    assert found.exploratory and "40 s to read 4,000 tokens and 12 s" in found.sentences()[0]
    assert "Exploratory" in found.sentences()[1]
    assert not estimate(toy, replace(ORDER, tokens=6_000_000), 6_000_000, Speed(1e6, 1e6)).exploratory


def test_more_samples_are_expected_to_explain_more():
    values = [expected(samples) for samples in (100_000, 300_000, 1_000_000, 2_560_000)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(0.543) and values[-1] == pytest.approx(0.792)


def test_a_machines_speed_is_measured(toy):
    speed = measure_speed(toy, ORDER)
    assert speed.tokens > 0 and speed.samples > 0


def test_a_model_writes_its_own_text_once(toy, monkeypatch):
    monkeypatch.setattr(own_text, "NEW_TOKENS", 4)
    monkeypatch.setattr(own_text.training_samples, "TOPICS", ["the sea", "rivers", "honey bees"])
    first = own_text.written(toy, 500)
    monkeypatch.setattr(own_text, "_next", lambda *_: pytest.fail("it wrote again"))
    assert own_text.written(toy, 500) == first
    assert all(text.strip() for text in first)
