"""Texts carried up layer by layer: unedited they are where one run has them, edited where a run under all edits has."""

import numpy as np
import pytest

from analysis import climb as climbing
from analysis.captures import capture
from analysis.climb import Climb
from analysis.edits import Ablate, Site
from analysis.errors import AnalysisError, Cancelled
from tests.analysis.test_captures import given, near


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))


def test_without_a_change_every_layer_is_as_in_one_run(toy):
    whole, climb = capture(toy, given(), "mean"), Climb(toy, given(), "mean", 1)
    nothing = Ablate(Site(9), np.ones(toy.d_model, np.float32))  # at a layer that is never visited
    for layer in range(1, toy.n_layers + 1):
        assert climb.layer == layer
        assert near(climb.states(), whole.at(layer))
        if layer < toy.n_layers:
            climb.step((Ablate(Site(layer), nothing.direction, (99,)),))


def test_changes_below_reach_the_layers_above(toy, rng):
    edits = tuple(
        Ablate(Site(layer), rng(layer).normal(size=toy.d_model).astype(np.float32)) for layer in (0, 1, 2)
    )
    whole, climb = capture(toy, given(), edits=edits), Climb(toy, given(), "last", 0)
    unedited = capture(toy, given())
    for edit in edits:
        climb.step((edit,))
    assert near(climb.states(), whole.at(3))
    assert not near(climb.states(), unedited.at(3))


def test_states_come_before_the_change_at_their_layer(toy, rng):
    climb = Climb(toy, given(), "last", 2)
    assert near(climb.states(), capture(toy, given()).at(2))


def test_each_block_runs_once(toy, rng):
    ran = []
    watches = [
        b.register_forward_pre_hook(lambda *_, i=i: ran.append(i)) for i, b in enumerate(toy.parts.mlp, 1)
    ]
    try:
        climb = Climb(toy, given(), "last", 1)
        for layer in (1, 2):
            climb.step((Ablate(Site(layer), rng(0).normal(size=toy.d_model).astype(np.float32)),))
    finally:
        for watch in watches:
            watch.remove()
    assert ran == sorted(ran)
    assert [ran.count(block) for block in (1, 2, 3)] == [1, 1, 1]


def test_above_the_last_layer_there_is_nothing(toy):
    climb = Climb(toy, given(), "last", toy.n_layers)
    with pytest.raises(AnalysisError, match="Layer 3 is the last one"):
        climb.step(())


def test_what_does_not_fit_into_memory_is_refused_before_it_runs(toy, monkeypatch):
    monkeypatch.setattr(climbing, "MEMORY_SHARE", 1e-12)
    with pytest.raises(AnalysisError, match=r"Holding \d+ tokens at one layer takes"):
        Climb(toy, given(), "last")


def test_it_can_be_cancelled(toy):
    def stop(*_):
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        Climb(toy, given(), "last", report=stop)
