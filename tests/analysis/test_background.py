"""What is usual in a model, and random controls: same lengths, same angles, same places."""

import dataclasses

import numpy as np
import pytest

from analysis import samples
from analysis.background import KINDS, Background, background, null_recipe, random_direction
from analysis.data import corpus
from analysis.directions import Direction, Probe, Separation
from analysis.edits import BASE, Variant
from analysis.erasers.erasure import Erasure
from analysis.erasers.leace import leace
from analysis.erasers.moments import moments_of
from analysis.erasers.projections import random_subspace
from analysis.errors import AnalysisError, Cancelled
from analysis.models import opening
from analysis.recipes import Dose, Recipe

WIDTH, LAYERS = 22, (0, 1, 2, 3)


def direction(values, name="d", layers=LAYERS) -> Direction:
    return Direction(
        name, layers, np.asarray(values, np.float32), "", "made for a test", "none", layers[0], "first"
    )


@pytest.fixture(scope="module")
def usual(toy) -> Background:
    return background(toy)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """Two directions that lean on each other; one changes from layer to layer, one does not."""
    random = np.random.default_rng(0)
    one = direction(random.normal(size=(4, WIDTH)), "changing")
    same = np.tile(one.values[1] + random.normal(size=WIDTH).astype(np.float32), (4, 1))
    doses = (
        Dose(one, 0.3, (1, 3)),
        Dose(direction(5 * same, "same"), -0.2, (0, 2), "set", (1, 4)),
        Dose(one, 0.0, (2, 2), "reflect", "generated"),
    )
    return Recipe("mixed", doses)


def erasure(layers=(1, 2), ranks=(2, 2), name="e", positions="all") -> Erasure:
    """Projections about means of their own."""
    erasers = tuple(
        random_subspace(WIDTH, rank, 50 + layer, np.full(WIDTH, 0.1 * layer))
        for layer, rank in zip(layers, ranks, strict=True)
    )
    return Erasure(name, layers, erasers, "", "made for a test", positions)


def erased(recipe: Recipe) -> np.ndarray:
    """(axis, d_model) what the one erasure of a recipe takes out, layer after layer."""
    (only,) = recipe.erasures
    return np.concatenate([each.right for each in only.erasers]).astype(np.float64)


def vectors(recipe: Recipe) -> np.ndarray:
    """(vector, d_model) unit vectors of all doses, layer by layer."""
    return np.stack([dose.direction.unit(layer) for dose in recipe.doses for layer in dose.range]).astype(
        np.float64
    )


# what is usual


def test_points_far_beyond_their_layers_median_are_left_out():
    norms = np.array([[1, 1, 1, 8, 1], [2, 2, 2, 2, 16.1]])  # 8 times the median is still usual
    states = np.zeros((2, 5, 3), np.float32)
    states[:, :, 0] = norms
    assert samples.is_usual(states).tolist() == [True, True, True, True, False]


def test_norms_are_medians_over_tokens_without_the_first(toy, usual):
    contexts = [own[0] for own in samples.windows(toy, corpus.documents()[:16], 64)]
    states = np.concatenate([toy.run(context).residuals()[:, 1:] for context in contexts], axis=1)
    assert np.allclose(usual.norms, np.median(np.linalg.norm(states, axis=-1), axis=1), rtol=1e-4)
    assert usual.weights == toy.fingerprint
    assert usual.norms.shape == (4,)
    assert usual.centred.shape == (4, 512, WIDTH)
    assert np.abs(usual.centred.mean(1)).max() < 1e-4
    assert (np.diff(usual.norms) > 0).all()  # this toy's stream grows


@pytest.mark.parametrize(("place", "slack"), [(0, 0.0), (5, 0.02)])
def test_one_enormous_token_moves_no_norm(own_toy, monkeypatch, usual, place, slack):
    """An attention sink at the first token of every context, and at one in the middle."""
    plain = own_toy.run

    def sinking(batch, **settings):
        trace = plain(batch, **settings)
        values = trace.values.copy()
        values[1:, :, place] *= 1e4
        return dataclasses.replace(trace, values=values)

    monkeypatch.setattr(own_toy, "run", sinking)
    found = background(own_toy)
    assert np.abs(found.norms / usual.norms - 1).max() <= slack
    assert np.linalg.norm(found.centred, axis=-1).max() < 10 * found.norms.max()


def test_what_is_usual_is_the_same_every_time_and_cannot_be_written_to(toy, usual):
    again = background(toy)
    assert again.norms.tobytes() == usual.norms.tobytes()
    assert again.centred.tobytes() == usual.centred.tobytes()
    for values in (usual.norms, usual.centred):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1


def test_measuring_can_be_cancelled(toy):
    def stop(message, done=0, total=None):
        raise Cancelled

    with pytest.raises(Cancelled):
        background(toy, stop)


def test_the_sink_of_the_default_model_is_left_out():
    model = opening.load()
    try:
        found = background(model)
        first = np.linalg.norm(model.run("The capital of France is").residuals()[15, 0])
    finally:
        model.close()
    assert 100 < found.norms[15] < 250
    assert first > 10_000
    assert np.linalg.norm(found.centred[15], axis=-1).max() < samples.OUTLIER * 250


# random controls


@pytest.mark.parametrize("kind", KINDS)
def test_a_control_has_the_same_doses_with_other_directions(recipe, usual, kind):
    null = null_recipe(recipe, usual, kind, 6)
    assert null.name == "random 7"
    for own, random in zip(recipe.doses, null.doses, strict=True):
        kept = dataclasses.replace(random, direction=own.direction)
        assert dataclasses.astuple(kept)[1:] == dataclasses.astuple(own)[1:]
        assert random.direction.name == "random 7"
        assert own.direction.name in random.direction.how
        assert KINDS[kind] in random.direction.how
        assert "seed 6" in random.direction.how
        assert random.direction.layers == tuple(own.range)
        assert np.allclose(np.linalg.norm(random.direction.values, axis=1), 1, atol=1e-6)
    assert np.abs((vectors(null) * vectors(recipe)).sum(1)).max() < 0.9


def test_isotropic_controls_keep_every_angle(recipe, usual):
    angles = vectors(recipe) @ vectors(recipe).T
    for seed in range(5):
        turned = vectors(null_recipe(recipe, usual, "isotropic", seed))
        assert np.abs(turned @ turned.T - angles).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_one_direction_at_several_places_stays_one(usual, kind, rng):
    axis = rng(1).normal(size=WIDTH)
    same, opposite = (direction(np.tile(sign * axis, (4, 1))) for sign in (1, -3))
    doses = (Dose(same, 0.1, (0, 3)), Dose(same, 0.2, (2, 2), "project"), Dose(opposite, 0.1, (1, 1)))
    turned = vectors(null_recipe(Recipe("one", doses), usual, kind, 0))
    assert np.allclose(turned[:5], turned[0], atol=1e-6)
    assert np.allclose(turned[5], -turned[0], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_control_and_another_one_another(recipe, usual, kind):
    drawn = [vectors(null_recipe(recipe, usual, kind, seed)) for seed in (3, 3, 4)]
    assert drawn[0].tobytes() == drawn[1].tobytes()
    assert np.abs((drawn[0] * drawn[2]).sum(1)).max() < 0.95


def test_isotropic_controls_prefer_no_side(usual, rng):
    """As a plain QR would: it gives every first axis the same sign in one number."""
    one = Recipe("one", (Dose(direction(rng(2).normal(size=(4, WIDTH))), 0.1, (1, 1)),))
    drawn = np.stack([vectors(null_recipe(one, usual, "isotropic", seed))[0] for seed in range(400)])
    assert np.abs((drawn > 0).mean(0) - 0.5).max() < 0.12  # a share of 400 has a spread of 0.025
    assert np.abs((drawn**2).mean(0) * WIDTH - 1).max() < 0.35


def test_controls_drawn_from_the_covariance_follow_its_largest_axis(usual, rng):
    one = Recipe("one", (Dose(direction(rng(3).normal(size=(4, WIDTH))), 0.1, (2, 2)),))
    size, axes = np.linalg.eigh(usual.centred[2].T.astype(np.float64) @ usual.centred[2])
    top, share = axes[:, -1], size[-1] / size.sum()
    along = {
        kind: np.mean([(vectors(null_recipe(one, usual, kind, seed))[0] @ top) ** 2 for seed in range(100)])
        for kind in KINDS
    }
    assert share > 2 / WIDTH
    assert along["covariance"] > 1.5 * along["isotropic"]
    assert along["isotropic"] == pytest.approx(1 / WIDTH, rel=0.5)
    assert along["covariance"] == pytest.approx(share, rel=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_control_of_an_erasure_is_a_random_subspace_at_its_place(usual, kind):
    own = erasure((1, 3), (2, 3), positions="prompt")
    (random,) = null_recipe(Recipe("r", erasures=(own,)), usual, kind, 6).erasures
    assert (random.layers, random.positions, random.weights) == (own.layers, own.positions, own.weights)
    assert (random.name, random.method) == ("random 7", "random")
    assert random.how == f"A random subspace ({KINDS[kind]}; seed 6) in place of 'e'."
    for was, now in zip(own.erasers, random.erasers, strict=True):
        assert now.rank == was.rank
        assert np.array_equal(now.mean, was.mean)
        assert np.array_equal(now.left, now.right.T)
        assert np.allclose(now.right @ now.left, np.eye(now.rank), atol=1e-6)
        assert np.linalg.norm(now.right @ was.left) < 0.9 * np.sqrt(was.rank)


def test_the_control_of_an_oblique_eraser_is_orthogonal_and_of_its_rank(usual, rng):
    states = rng(0).normal(size=(60, WIDTH)) @ rng(1).normal(size=(WIDTH, WIDTH))
    classes = np.arange(60) % 3
    eraser = leace(moments_of(states + classes[:, None] * 3.0 * rng(2).normal(size=WIDTH), classes))
    assert np.abs(eraser.left - eraser.right.T).max() > 0.01
    own = Erasure("classes", (2,), (eraser,), "", "fitted for a test")
    (random,) = null_recipe(Recipe("r", erasures=(own,)), usual, "isotropic", 0).erasures
    assert random.rank == own.rank
    assert np.allclose(random.at(2).right @ random.at(2).left, np.eye(own.rank), atol=1e-6)


def test_one_random_subspace_is_taken_out_at_all_layers_or_as_much_of_it_as_they_lose(usual):
    same = null_recipe(Recipe("r", erasures=(erasure((0, 1, 3), (2, 2, 2)),)), usual, "isotropic", 0)
    first, second, third = same.erasures[0].erasers
    assert np.array_equal(first.right, second.right)
    assert np.array_equal(first.right, third.right)
    nested = null_recipe(Recipe("r", erasures=(erasure((0, 1, 3), (1, 3, 2)),)), usual, "isotropic", 0)
    low, high, middle = (each.right for each in nested.erasures[0].erasers)
    assert np.array_equal(high[:1], low)
    assert np.array_equal(high[:2], middle)


def test_of_a_rank_of_0_nothing_is_taken_out_by_the_control_either(usual):
    nothing = dataclasses.replace(
        erasure((1,), (1,)), erasers=(dataclasses.replace(erasure((1,), (1,)).erasers[0], **EMPTY),)
    )
    for kind in KINDS:
        (random,) = null_recipe(Recipe("r", erasures=(nothing,)), usual, kind, 0).erasures
        assert random.rank == 0


EMPTY = {"left": np.zeros((WIDTH, 0)), "right": np.zeros((0, WIDTH))}


def test_random_subspaces_from_the_covariance_follow_it_at_their_own_layer(usual):
    """On average over seeds, the share of the variance along what is taken out; isotropic ones take rank / width."""
    layers, rank = (0, 3), 2
    recipe = Recipe("r", erasures=(erasure(layers, (rank, rank)),))
    share = {}
    for kind in KINDS:
        drawn = [null_recipe(recipe, usual, kind, seed).erasures[0] for seed in range(60)]
        for layer in layers:
            states = usual.centred[layer].astype(np.float64)
            kept = [((states @ each.at(layer).left) ** 2).sum() / (states**2).sum() for each in drawn]
            share[kind, layer] = np.mean(kept)
    for layer in layers:
        assert share["isotropic", layer] == pytest.approx(rank / WIDTH, rel=0.3)
        assert share["covariance", layer] > 1.3 * share["isotropic", layer]


@pytest.mark.parametrize("kind", KINDS)
def test_two_erasures_have_axes_of_their_own_and_seeds_theirs(usual, kind):
    twice = Recipe("r", erasures=(erasure(), erasure()))
    one, other = null_recipe(twice, usual, kind, 0).erasures
    assert np.linalg.norm(one.at(1).right @ other.at(1).left, 2) < 0.95
    drawn = [erased(null_recipe(Recipe("r", erasures=(erasure(),)), usual, kind, s)) for s in (3, 3, 4)]
    assert drawn[0].tobytes() == drawn[1].tobytes()
    assert np.linalg.norm(drawn[0][:2] @ drawn[2][:2].T, 2) < 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_erasures_change_nothing_about_the_controls_of_doses(recipe, usual, kind):
    """Though one of them lies below the lowest dose."""
    higher = Recipe("higher", recipe.doses[:1])
    alone, beside = (
        null_recipe(dataclasses.replace(higher, erasures=erasures), usual, kind, 2)
        for erasures in ((), (erasure((0, 1)), erasure()))
    )
    assert vectors(alone).tobytes() == vectors(beside).tobytes()
    assert (alone.erasures, len(beside.erasures)) == ((), 2)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_erased_at_random_is_not_what_is_pushed_at_random(usual, kind, rng):
    pushed = Dose(direction(rng(3).normal(size=(4, WIDTH))), 0.1, (1, 1))
    null = null_recipe(Recipe("r", (pushed,), (erasure((1,), (1,)),)), usual, kind, 3)
    assert np.abs(erased(null) @ vectors(null).T).max() < 0.95


def test_base_erased_and_random_rows_run_side_by_side(toy, usual):
    recipe = Recipe("r", erasures=(erasure((2,), (3,)),))
    rows = [
        Variant(str(seed), null_recipe(recipe, usual, "isotropic", seed).edits(usual.norms))
        for seed in (0, 1)
    ]
    trace = toy.run("The sea is deep.", variants=(BASE, Variant("edited", recipe.edits(usual.norms)), *rows))
    states = np.stack([trace.residuals(row)[2] for row in range(4)])
    assert states.shape[0] == 4
    assert all(not np.array_equal(states[0], states[row]) for row in (1, 2, 3))
    assert not np.array_equal(states[2], states[3])


def test_a_control_keeps_no_measurement_of_what_it_imitates(usual, rng):
    measured = Direction(
        "measured",
        LAYERS,
        rng(4).normal(size=(4, WIDTH)).astype(np.float32),
        "",
        "from examples",
        "none",
        2,
        "best",
        tuple(Separation(layer, 0.9, 0.1, 0.5, 2.0) for layer in LAYERS),
        Probe(2, np.ones(WIDTH, np.float32), 0.0, 1.0),
    )
    (dose,) = null_recipe(Recipe("one", (Dose(measured, 0.1, (1, 2)),)), usual, "isotropic", 0).doses
    assert (dose.direction.separation, dose.direction.probe) == ((), None)
    assert dose.direction.layer in dose.direction.layers


def test_an_empty_recipe_has_an_empty_control(usual):
    null = null_recipe(Recipe("empty", ()), usual, "isotropic", 0)
    assert (null.name, null.doses) == ("random 1", ())


def test_an_unknown_kind_is_refused(recipe, usual):
    with pytest.raises(
        AnalysisError, match="'uniform' is no kind of random direction; there are isotropic, cov"
    ):
        null_recipe(recipe, usual, "uniform", 0)


def test_a_random_direction_is_one_direction_of_its_seed(toy):
    one = random_direction(toy, 3)
    assert one.name == "random, seed 3"
    assert one.layers == LAYERS
    assert (one.values == one.values[0]).all()
    assert np.array_equal(random_direction(toy, 3).values, one.values)
    assert abs(random_direction(toy, 4).unit(0) @ one.unit(0)) < 0.9
    one.require_fit(toy)
