"""Projections: the process they live in, and what it computes."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from analysis.errors import AnalysisError, Cancelled
from analysis.knobs import knobs, said
from analysis.maps.procrustes import displacement
from analysis.maps.quality import quality
from analysis.projections.client import SENTENCES, Client
from analysis.projections.distinct import distinct
from analysis.projections.kinds import (
    PROJECTIONS,
    AlignedKnobs,
    PacmapKnobs,
    TsneKnobs,
    UmapKnobs,
    require_projection,
)
from analysis.projections.layers import lay_out
from analysis.projections.limits import key_layers, require_affordable, seconds
from analysis.projections.placing import placed

ROOT = Path(__file__).parents[2]
BENT = tuple(id for id, kind in PROJECTIONS.items() if not kind.linear)
"""Projections that need the process."""
FAR = 60.0
"""Seconds that nothing here may take."""


# The process


@pytest.fixture
def client() -> Client:
    made = Client("tests.analysis.worker_tasks", warming=("warm",))
    yield made
    made.close()


def gone(pid: int, within: float = 10.0) -> bool:
    """True once a process has ended; a zombie has not."""
    end = time.monotonic() + within
    while psutil.pid_exists(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not psutil.pid_exists(pid)


class Heard:
    """A report that remembers, and stops the work once it has heard enough."""

    def __init__(self, until: str = "never"):
        self.messages: list[tuple[str, float, float | None]] = []
        self._until = until

    def __call__(self, message: str, done: float = 0, total: float | None = None) -> None:
        self.messages.append((message, done, total))
        if self._until in message:
            raise Cancelled(message)


def test_arrays_settings_and_progress_cross_to_another_process_of_one_thread(client):
    values, heard = np.arange(6, dtype=np.float32).reshape(2, 3), Heard()
    answer = client.ask("echo", {"values": values}, {"name": "a \n é", "number": 0.1}, heard)
    np.testing.assert_array_equal(answer.arrays["values"], values)
    assert answer.facts["name"] == "a \n é" and answer.facts["number"] == 0.1
    assert answer.facts["pid"] == client.pid != os.getpid()
    assert answer.facts["threads"] == "1"
    assert ("Echoing", 1, 2) in heard.messages


def test_a_cancelled_request_ends_its_process_and_the_next_one_works(client):
    first, begun = client.ask("echo", {"values": np.zeros(1)}).facts["pid"], time.monotonic()
    with pytest.raises(Cancelled):
        client.ask("sleep", {}, {"seconds": FAR}, Heard("Sleeping"))
    assert time.monotonic() - begun < FAR / 2
    assert gone(first)
    assert client.ask("echo", {"values": np.zeros(1)}).facts["pid"] != first


def test_a_killed_process_says_so_in_a_sentence_and_the_next_request_works(client):
    first = client.ask("echo", {"values": np.zeros(1)}).facts["pid"]

    def kill(message: str, done: float = 0, total: float | None = None) -> None:
        if message == "Sleeping":
            os.kill(first, signal.SIGKILL)

    with pytest.raises(AnalysisError, match=r"ended unexpectedly \(SIGKILL, .*Try again"):
        client.ask("sleep", {}, {"seconds": FAR}, kill)
    assert gone(first)
    assert client.ask("echo", {"values": np.zeros(1)}).facts["pid"] != first


def test_a_process_that_dies_between_requests_is_replaced(client):
    first = client.ask("echo", {"values": np.zeros(1)}).facts["pid"]
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    assert client.ask("echo", {"values": np.zeros(1)}).facts["pid"] != first


def test_a_crash_is_a_sentence_and_a_bug_is_a_bug(client):
    with pytest.raises(AnalysisError, match="SIGABRT"):
        client.ask("crash", {})
    with pytest.raises(RuntimeError, match="ZeroDivisionError: a bug"):
        client.ask("bug", {})
    living = client.pid
    with pytest.raises(AnalysisError, match="not enough memory"):
        client.ask("hunger", {})
    assert client.ask("echo", {"values": np.zeros(1)}).facts["pid"] == living


def test_a_full_disk_is_a_sentence(client, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(AnalysisError, match="needs 4 MiB in the temporary folder .* left on device"):
        client.ask("echo", {"values": np.zeros(2**20, np.float32)})


def test_ctrl_c_is_not_for_the_process(client):
    pid = client.ask("echo", {"values": np.zeros(1)}).facts["pid"]
    os.kill(pid, signal.SIGINT)
    assert client.ask("echo", {"values": np.zeros(1)}).facts["pid"] == pid
    assert os.getpgid(pid) != os.getpgid(0)


ORPHANED = """
import os, numpy
from analysis.projections.client import Client
client = Client("tests.analysis.worker_tasks", warming=())
print(client.ask("echo", {"values": numpy.zeros(1)}).facts["pid"], client._child._folder, flush=True)
client.ask("sleep", {}, {"seconds": 60.0}, lambda *_: os._exit(0))
"""


def test_the_process_ends_with_its_parent_even_in_the_middle_of_work():
    ran = subprocess.run(
        [sys.executable, "-c", ORPHANED], cwd=ROOT, capture_output=True, text=True, timeout=FAR
    )
    pid, folder = ran.stdout.split()
    assert gone(int(pid))
    assert not Path(folder).exists()


def test_closing_leaves_no_process_and_refuses_what_comes_later(client):
    pid = client.ask("echo", {"values": np.zeros(1)}).facts["pid"]
    client.close()
    assert gone(pid)
    with pytest.raises(AnalysisError, match="closed"):
        client.ask("echo", {"values": np.zeros(1)})


def asking(client: Client, task: str, settings: dict, report, done: list) -> threading.Thread:
    def ask() -> None:
        try:
            client.ask(task, {}, settings, report)
        except Cancelled:
            done.append("left")
        else:
            done.append(settings["seconds"])

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def test_requests_are_served_in_their_order_and_who_waits_may_leave(client):
    done, busy, leaving, last = [], Heard(), Heard("Waiting for another map"), Heard()
    threads = [asking(client, "sleep", {"seconds": 0.6}, busy, done)]
    while not busy.messages:
        time.sleep(0.01)
    threads.append(asking(client, "sleep", {"seconds": FAR}, leaving, done))
    time.sleep(0.05)
    threads.append(asking(client, "sleep", {"seconds": 0.0}, last, done))
    pid = client.pid
    for thread in threads:
        thread.join(FAR)
    assert done == ["left", 0.6, 0.0]
    assert client.pid == pid  # who leaves the queue disturbs nobody


def test_a_request_during_the_warming_waits_and_says_why(client, monkeypatch):
    monkeypatch.setitem(SENTENCES, "warm", "Warming up")
    heard = Heard()
    client.warm()
    while client._busy_with != "warm":
        time.sleep(0.01)
    client.warm()  # it is being warmed already
    client.ask("echo", {"values": np.zeros(1)}, report=heard)
    assert heard.messages[0][0] == "Warming up"
    assert {message for message, *_ in heard.messages} <= {"Warming up", "Echoing", "Computing the map"}


# What is asked


def test_every_knob_has_a_default_within_its_range_and_a_sentence():
    for kind in PROJECTIONS.values():
        for each in knobs(kind.params):
            assert each.low <= each.default <= each.high
            assert each.explains.endswith(".") and len(each.explains) > 40
        assert kind.explains and kind.misleads_when and kind.source
        assert require_projection(kind.id, None, 2) == kind.params()


def test_what_was_set_is_said_in_words():
    assert said(UmapKnobs(20, 0.25, False)) == (
        ("neighbours", "20"), ("least distance", "0.25"), ("start from the layer below", "no")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("id", "params", "n_axes", "sentence"),
    [
        ("mds", None, 2, "'mds' is no projection; there are pca, pooled, umap"),
        ("umap", TsneKnobs(), 2, "UMAP has neighbours, min_dist, chained; given TsneKnobs"),
        ("umap", UmapKnobs(neighbours=1), 2, "Neighbours runs from 2 to 200; given 1"),
        ("umap", lambda: UmapKnobs(neighbours=7.5), 2, "given 7.5"),
        ("umap", UmapKnobs(min_dist=float("nan")), 2, "given nan"),
        ("umap", lambda: UmapKnobs(chained=2), 2, "is on or off; given 2"),
        ("tsne", None, 3, "t-SNE draws 2 axes; given 3"),
        ("pca", None, 4, "2 or 3 axes; given 4"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_sentence(id, params, n_axes, sentence, unchecked):
    params = (
        params() if callable(params) else params
    )  # not of its type, so only to be made while nothing is checked
    with pytest.raises(AnalysisError, match=sentence):
        require_projection(id, params, n_axes)


def test_equal_rows_are_one_point_in_the_order_they_come():
    table = np.array([[2, 1], [0, 0], [2, 1], [1, 5], [-0.0, 0]], np.float32)
    found = distinct(table)
    assert found.first.tolist() == [0, 1, 3]
    assert found.which.tolist() == [0, 1, 0, 2, 1]
    other = np.array([[1, 1], [1, 1], [2, 1], [1, 1], [1, 1]], np.float32)
    assert distinct(table, other).which.tolist() == [0, 1, 2, 3, 1]


def test_key_layers_are_spread_and_hold_both_ends():
    assert key_layers(range(31)) == (0, 3, 5, 8, 11, 14, 16, 19, 22, 25, 27, 30)
    assert key_layers((4, 8)) == (4, 8)


def test_what_takes_very_long_is_refused_with_an_estimate_unless_it_is_meant():
    with pytest.raises(AnalysisError, match="31 layers of 2,000 points take about .* minutes"):
        require_affordable("aligned", 2000, 31, False)
    with pytest.raises(AnalysisError, match="200,000 points at 1 layer takes about .* minutes"):
        require_affordable("umap", 200_000, 1, False)
    require_affordable("aligned", 2000, 31, True)
    require_affordable("pca", 10**6, 31, False)
    require_affordable("aligned", 2000, 12, False)
    assert seconds("umap", 2000, 4) == 2 * seconds("umap", 1000, 4) > 0 == seconds("pca", 1000, 4)


class Nobody(Client):
    """A client that must not be asked."""

    def ask(self, *_, **__):
        raise AssertionError("the process was asked")


@pytest.mark.parametrize("id", BENT)
def test_too_few_different_points_and_broken_numbers_never_reach_the_process(id, rng):
    params, states = PROJECTIONS[id].params(), rng(0).normal(size=(9, 6)).astype(np.float32)
    same, broken = np.tile(states[:3], (3, 1)), states.copy()
    broken[4, 2] = np.nan
    for given, sentence in (
        (states[:3], "3 points were given, and only 3 of them differ"),
        (same, "9 points were given, and only 3 of them differ .* at least 4 different points"),
        (np.ones_like(states), "only 1 of them differ"),
        (broken, "layer 2 hold numbers that are not finite"),
    ):
        with pytest.raises(AnalysisError, match=sentence):
            lay_out(lambda layer, given=given: given, (2,), id, params, client=Nobody())


# What is computed


def brute(states: np.ndarray, k: int) -> np.ndarray:
    """The k nearest others of every row, by all distances in float64."""
    distances = np.linalg.norm(states[:, None].astype(np.float64) - states, axis=-1)
    np.fill_diagonal(distances, -1)
    return np.argsort(distances, axis=1, kind="stable")[:, 1 : k + 1]


def test_neighbours_equal_brute_force(maps_client, rng):
    states = (
        rng(0).normal(size=(211, 13)).astype(np.float32) + 40
    )  # far from zero, where sums of squares cancel
    answer = maps_client.ask("neighbours", {"states": states}, {"k": 7, "seed": 0})
    np.testing.assert_array_equal(answer.arrays["indices"], brute(states, 7))
    true = np.linalg.norm(states[answer.arrays["indices"]] - states[:, None], axis=-1)
    np.testing.assert_allclose(answer.arrays["distances"], true, rtol=1e-4)
    assert answer.facts["recall"] == 1
    fewer = maps_client.ask("neighbours", {"states": states}, {"k": 3, "seed": 0})  # of those remembered
    np.testing.assert_array_equal(fewer.arrays["indices"], brute(states, 3))


def test_a_point_is_no_neighbour_of_its_own_among_equal_ones(maps_client, rng):
    states = np.repeat(rng(0).normal(size=(20, 5)).astype(np.float32), 6, axis=0)
    found = maps_client.ask("neighbours", {"states": states}, {"k": 5, "seed": 0}).arrays["indices"]
    own = np.arange(len(states))[:, None]
    assert not (found == own).any()
    assert (found // 6 == own // 6).all()


def test_an_index_says_how_many_of_the_true_neighbours_it_finds(maps_client, rng):
    states = rng(0).normal(size=(3000, 24)).astype(np.float32)
    answer = maps_client.ask("neighbours", {"states": states}, {"k": 8, "seed": 0, "exact": 100})
    asked = rng(1).choice(len(states), 300, replace=False)
    distances = np.linalg.norm(states[asked][:, None] - states, axis=-1)
    distances[np.arange(300), asked] = np.inf
    true = np.argsort(distances, axis=1)[:, :8]
    hit = np.mean([np.isin(a, b).mean() for a, b in zip(true, answer.arrays["indices"][asked], strict=True)])
    assert 0.9 < answer.facts["recall"] <= 1
    assert abs(answer.facts["recall"] - hit) < 0.02


def moving(rng, layers: int = 4, points: int = 210) -> np.ndarray:
    """Seven clouds that turn slowly from layer to layer, while the points within them are stirred."""
    random = rng(3)
    centres = random.normal(size=(7, 16)) * 2.0
    own = np.arange(points) % 7
    within, turn = random.normal(size=(points, 16)), np.linalg.qr(random.normal(size=(16, 16)))[0]
    found = []
    for _ in range(layers):
        found.append(centres[own] + within)
        within = 0.8 * within + 0.6 * random.normal(size=within.shape)
        centres = 0.9 * centres + 0.3 * centres @ turn
    return np.array(found, np.float32)


def frames_of(client: Client, states: np.ndarray, id: str, params: object, **settings) -> np.ndarray:
    layers = tuple(range(len(states)))
    return lay_out(states.__getitem__, layers, id, params, scale="raw", client=client, **settings).coordinates


@pytest.mark.parametrize("id", BENT)
def test_the_same_request_gives_the_same_picture_and_another_seed_another(maps_client, rng, id):
    states, params = moving(rng, 2, 70), PROJECTIONS[id].params()
    first = frames_of(maps_client, states, id, params)
    assert first.shape == (2, 70, 2)
    np.testing.assert_array_equal(frames_of(maps_client, states, id, params), first)
    assert not np.array_equal(frames_of(maps_client, states, id, params, seed=1), first)


def test_a_layer_of_umap_is_what_umap_learn_gives_from_the_true_neighbours(maps_client, rng):
    states = moving(rng, 1, 150)[0]
    given, settings = {"states": states, "init": states[:, :2].copy()}, {"min_dist": 0.2, "seed": 4}
    own = maps_client.ask("umap", given, settings | {"neighbours": 12}).arrays["coordinates"]
    near = np.hstack([np.arange(150)[:, None], brute(states, 11)])
    distances = maps_client.ask("neighbours", {"states": states}, {"k": 11, "seed": 4}).arrays["distances"]
    distances = np.hstack([np.zeros((150, 1), np.float32), distances])
    true = {"near": near.astype(np.int32), "distances": distances}
    plain = maps_client.ask("plain_umap", given | true, settings).arrays["coordinates"]
    np.testing.assert_array_equal(own, plain)


def test_points_move_less_when_chained_and_least_when_aligned_and_the_picture_stays_as_true(maps_client, rng):
    states = moving(rng)
    wanted = {
        "independent": ("umap", UmapKnobs(chained=False)),
        "chained": ("umap", UmapKnobs()),
        "aligned": ("aligned", AlignedKnobs()),
    }
    moved, trust = {}, {}
    for name, (id, params) in wanted.items():
        frames = frames_of(maps_client, states, id, params)
        moved[name] = displacement(frames).mean()
        trust[name] = np.mean(
            [quality(own, drawn).trustworthiness for own, drawn in zip(states, frames, strict=True)]
        )
    assert moved["aligned"] < 0.8 * moved["chained"] < 0.8 * moved["independent"]
    assert min(trust.values()) > 0.8
    assert max(trust.values()) - min(trust.values()) < 0.05


@pytest.mark.parametrize("id", ["tsne", "pacmap"])
def test_going_on_from_the_layer_below_moves_points_less(maps_client, rng, id):
    states, params = moving(rng, 3), PROJECTIONS[id].params()
    on, anew = (
        frames_of(maps_client, states, id, replace(params, chained=chained)) for chained in (True, False)
    )
    assert displacement(on).mean() < 0.8 * displacement(anew).mean()
    true = [
        [quality(own, drawn).trustworthiness for own, drawn in zip(states, each, strict=True)]
        for each in (on, anew)
    ]
    assert np.mean(true[0]) > max(0.8, np.mean(true[1]) - 0.05)


@pytest.mark.parametrize("id", BENT)
def test_planted_clouds_stay_apart_and_equal_states_are_drawn_in_one_place(maps_client, rng, id):
    states = moving(rng, 2, 84)
    states[:, 80:] = states[:, :4]  # four texts that come twice
    frames = frames_of(maps_client, states, id, PROJECTIONS[id].params())
    np.testing.assert_array_equal(frames[:, 80:], frames[:, :4])
    near = brute(frames[1, :80], 3)
    assert (near % 7 == np.arange(80)[:, None] % 7).mean() > 0.8  # by chance 1 in 7


@pytest.mark.parametrize("id", BENT)
def test_four_points_are_enough(maps_client, rng, id):
    states = rng(0).normal(size=(2, 4, 6)).astype(np.float32)
    found = lay_out(states.__getitem__, (0, 1), id, PROJECTIONS[id].params(), client=maps_client)
    assert np.isfinite(found.coordinates).all() and found.coordinates.shape == (2, 4, 2)
    assert any("so few different points allow" in name for name, _ in found.used)


def test_three_axes_are_drawn(maps_client, rng):
    states = moving(rng, 1, 60)
    for id, params in (("umap", UmapKnobs()), ("pacmap", PacmapKnobs())):
        assert frames_of(maps_client, states, id, params, n_axes=3).shape == (1, 60, 3)


def test_progress_comes_by_layer_and_by_pass(maps_client, rng):
    heard, states = Heard(), moving(rng, 2, 210)
    lay_out(states.__getitem__, (0, 1), "tsne", TsneKnobs(), client=maps_client, report=heard)
    at = [done for message, done, total in heard.messages if "laying out" in message]
    assert {total for message, _, total in heard.messages if "laying out" in message} == {2}
    assert at == sorted(at) and min(at) < 1 < max(at)
    assert any(0 < each % 1 < 1 for each in at)


def test_the_process_loads_neither_torch_nor_the_app(maps_client):
    loaded = set(maps_client.ask("loaded", {}).facts["packages"])
    assert not loaded & {"torch", "transformers", "streamlit", "components"}


def test_new_points_lie_between_their_neighbours_and_known_ones_on_their_own(unchecked):
    states = np.array([[0, 0], [1, 0], [0, 1], [5, 5]], np.float32)
    drawn = np.array([[0, 0], [10, 0], [0, 10], [90, 90]], np.float32)
    np.testing.assert_array_equal(placed(states, states, drawn, 3), drawn)
    middle = placed(np.array([[0.5, 0]], np.float32), states, drawn, 2)
    np.testing.assert_allclose(middle, [[5, 0]])
    # squared distances 1/16 and 9/16: weights 9 and 1
    np.testing.assert_allclose(placed(np.array([[0.25, 0]], np.float32), states, drawn, 2), [[1, 0]])
    assert placed(states[:0], states, drawn).shape == (0, 2)
    with pytest.raises(AnalysisError, match="states of 2 numbers; given 3"):
        placed(np.zeros((1, 3), np.float32), states, drawn)


def test_every_layer_is_drawn_at_one_size_and_in_its_own_shape(rng):
    from analysis.projections.layers import _at_one_size

    frame = rng(2).normal(size=(30, 2))
    drawn = _at_one_size(np.stack([frame, 40 * frame + 7, np.zeros_like(frame)]))
    assert np.sqrt((drawn[:2] ** 2).sum(2).mean(1)).tolist() == pytest.approx([1, 1])
    assert np.allclose(drawn[0], drawn[1]) and np.allclose(drawn.mean(1), 0)
    assert not drawn[2].any()  # points that coincide stay where they are
