"""Directions in doses: what they add, remove and set, their laws on models, and what is refused."""

import dataclasses

import numpy as np
import pytest
import torch

from analysis.directions import Direction, Probe, Separation, span, weights_of
from analysis.edits import BASE, Ablate, Erase, Reflect, SetComponent, Site, Steer, Variant
from analysis.erasers.erasure import Erasure
from analysis.erasers.projections import random_subspace
from analysis.errors import AnalysisError
from analysis.recipes import OPERATIONS, Dose, Recipe

TEXT = "The sea is deep."
NORMS = np.array([2.0, 10.0, 16.0, 20.0], np.float32)
"""Usual norms at the four layers of the toy, for worked values."""
ROUNDING = 1e-4
"""Relative to the largest value: float32 sums in another order, amplified by a few layers."""


def direction(width=22, layers=(0, 1, 2, 3), seed=0, **changes) -> Direction:
    values = np.random.default_rng(seed).normal(size=(len(layers), width)).astype(np.float32)
    settings = {
        "name": "d",
        "weights": "",
        "how": "made",
        "source": "none",
        "layer": layers[0],
        "why": "first",
    }
    return Direction(layers=layers, values=values, **(settings | changes))


def erasure(layers=(1, 2), rank=2, width=22, **changes) -> Erasure:
    erasers = tuple(random_subspace(width, rank, layer, np.full(width, 0.5)) for layer in layers)
    return Erasure(**({"name": "e", "weights": "", "how": "made"} | changes), layers=layers, erasers=erasers)


def run(model, *doses, text=TEXT, norms=None, erasures=()):
    """One row under a recipe; without doses, one row that nothing changes."""
    norms = np.full(model.n_layers + 1, 10, np.float32) if norms is None else norms
    return model.run(text, read="all", variants=(Variant("row", Recipe("r", doses, erasures).edits(norms)),))


def off(a, b) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.abs(np.asarray(a, np.float64) - b).max() / np.abs(b).max())


# worked values


def test_doses_become_edits_at_every_layer_of_their_range():
    axis = Direction("axis", (1, 2, 3), np.eye(3, 4, dtype=np.float32) * 7, "", "made", "none", 1, "first")
    recipe = Recipe(
        "all four",
        (
            Dose(axis, 0.3, (1, 3)),
            Dose(axis, 9.0, (2, 2), "project", "prompt"),
            Dose(axis, 9.0, (2, 3), "reflect", (4, 5)),
            Dose(axis, -0.5, (1, 2), "set", "generated"),
        ),
    )
    edits = recipe.edits(NORMS)
    units = dict(zip((1, 2, 3), np.eye(3, 4), strict=True))
    assert [type(edit) for edit in edits] == [Steer] * 3 + [Ablate] + [Reflect] * 2 + [SetComponent] * 2
    assert [edit.site for edit in edits] == [Site(layer) for layer in (1, 2, 3, 2, 2, 3, 1, 2)]
    assert all(np.array_equal(edit.direction, units[edit.site.layer]) for edit in edits)  # at unit length
    assert [edit.positions for edit in edits] == ["all"] * 3 + ["prompt"] + [(4, 5)] * 2 + ["generated"] * 2
    # 0.3 of each layer's norm, a third in each of three layers
    assert [edit.scale for edit in edits[:3]] == pytest.approx([1.0, 1.6, 2.0], rel=1e-6)
    assert [edit.value for edit in edits[6:]] == pytest.approx([-5.0, -8.0], rel=1e-6)  # whole at every layer
    assert recipe.lowest == 1
    assert Recipe("empty", ()).edits(NORMS) == ()
    assert Recipe("empty", ()).lowest == 0


def test_erasures_come_before_doses_and_count_for_everything():
    given, dose = erasure((2, 3), positions="prompt"), Dose(direction(), 0.3, (1, 1))
    both = Recipe("both", (dose,), (given,))
    edits = both.edits(NORMS)
    assert [type(edit) for edit in edits] == [Erase, Erase, Steer]
    assert [edit.site for edit in edits] == [Site(2), Site(3), Site(1)]
    assert np.array_equal(edits[1].right, given.at(3).right)
    assert edits[0].positions == "prompt"
    assert both.lowest == 1
    assert Recipe("erased", erasures=(given,)).lowest == 2
    assert both and Recipe("erased", erasures=(given,)) and not Recipe("empty")
    assert both.lines() == (
        ("erasure 1", "erase e (made), rank 2, layers 2, 3, positions prompt"),
        ("direction 1", str(dose)),
    )


@pytest.mark.parametrize("stream", ["attention", "mlp"])
def test_a_dose_may_act_on_what_a_part_of_a_block_adds(toy, stream):
    """Half of the length at the part's output is half of the length in the stream behind it."""
    given = direction()
    (edit,) = Dose(given, 0.5, (2, 2), stream=stream).edits(NORMS)
    assert (edit.site, edit.scale) == (Site(2, stream), 8.0)
    base, pushed = run(toy), run(toy, Dose(given, 0.5, (2, 2), stream=stream))
    assert np.array_equal(pushed.residuals()[:2], base.residuals()[:2])
    added = pushed.at(Site(2, stream)) - base.at(Site(2, stream))
    assert np.allclose(added, 5 * given.unit(2), atol=1e-4)


def test_the_embedding_has_no_parts_to_act_on():
    with pytest.raises(
        AnalysisError, match="Layer 0 is the embedding, which has no mlp output. Start at layer 1"
    ):
        Dose(direction(), 0.1, (0, 2), stream="mlp")
    assert "of the mlp output" in str(Dose(direction(), 0.1, (1, 2), stream="mlp"))


def test_a_direction_gives_its_vectors_as_found_and_at_unit_length():
    found = Direction("d", (2, 5), np.array([[3, 4], [0, -2]], np.float32), "", "made", "none", 5, "best")
    assert found.at(2).tolist() == [3, 4]
    assert np.allclose(found.unit(2), [0.6, 0.8])
    assert found.unit(5).tolist() == [0, -1]
    assert found.d_model == 2
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 1


def test_layers_are_named_as_a_span_or_one_by_one():
    assert span((0, 1, 2, 3)) == "0 to 3"
    assert span((4,)) == "4"
    assert span((4, 5)) == "4, 5"
    assert span((1, 3, 4)) == "1, 3, 4"


def test_a_probe_reads_where_a_state_lies_between_the_sides():
    probe = Probe(1, np.array([0, 2], np.float32), middle=3.0, half_gap=2.0)
    states = np.array([[[9, 2.5], [9, 0.5]], [[0, 1.5], [1, 3.5]]], np.float32)
    assert probe.score(states).tolist() == [[1, -1], [0, 2]]
    with pytest.raises(ValueError, match="read-only"):
        probe.weights[0] = 1


# laws


def test_strength_zero_changes_no_bit(toy):
    plain = run(toy)
    for layers in ((0, 3), (2, 2)):
        assert run(toy, Dose(direction(), 0.0, layers)).values.tobytes() == plain.values.tobytes()


def test_a_strength_and_its_opposite_cancel(toy):
    plain, d = run(toy), direction()
    pushed = run(toy, Dose(d, 0.7, (1, 2)))
    back = run(toy, Dose(d, 0.7, (1, 2)), Dose(d, -0.7, (1, 2)))
    assert off(pushed.values, plain.values) > 0.01
    assert off(back.values, plain.values) < ROUNDING


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_dose_leaves_earlier_layers_and_positions_alone(toy, operation):
    plain = run(toy)
    for layer, position in ((0, 3), (2, 5), (3, 12)):
        edited = run(toy, Dose(direction(), 0.5, (layer, layer), operation, (position,)))
        assert np.array_equal(edited.values[:, :, :position], plain.values[:, :, :position])
        for site in plain.sites:
            later = site.layer > layer or site == Site(layer)
            changed = not np.array_equal(edited.at(site)[position:], plain.at(site)[position:])
            assert changed == later, str(site)


@pytest.mark.parametrize("layer", [0, 1, 3])
def test_a_strength_is_a_fraction_of_the_usual_norm(toy, layer):
    d, plain = direction(), run(toy)
    edited = run(toy, Dose(d, -0.4, (layer, layer)), norms=NORMS)
    change = edited.at(Site(layer)) - plain.at(Site(layer))
    assert np.allclose(np.linalg.norm(change, axis=1), 0.4 * NORMS[layer], rtol=1e-4)
    assert np.allclose(change, -0.4 * NORMS[layer] * d.unit(layer), atol=1e-5 * NORMS[layer])


def test_a_range_adds_as_much_in_all_as_one_layer(planted):
    """On an axis that nothing else writes, pushes add up: what three layers add is what one would have added."""
    axis = np.zeros((4, 22), np.float32)
    axis[:, -1] = 1
    d = dataclasses.replace(direction(), values=axis)
    for layers in ((3, 3), (1, 3), (0, 3)):
        trace = run(planted, Dose(d, 0.6, layers))
        assert np.allclose(trace.at(Site(3))[:, -1], 6.0, rtol=1e-5)
    assert run(planted, Dose(d, 0.6, (1, 3))).at(Site(1))[0, -1] == pytest.approx(2.0, rel=1e-5)


def test_what_is_projected_out_is_gone_and_stays_gone(toy):
    d = direction()
    once, twice = run(toy, Dose(d, 0, (2, 2), "project")), run(toy, *[Dose(d, 0, (2, 2), "project")] * 2)
    assert np.abs(once.at(Site(2)) @ d.unit(2)).max() < 1e-5 * np.linalg.norm(once.at(Site(2)), axis=1).max()
    assert off(twice.values, once.values) < ROUNDING
    across = run(toy)
    assert np.abs(across.at(Site(2)) @ d.unit(2)).max() > 0.5


def test_reflecting_turns_the_component_round_and_twice_is_nothing(toy):
    d, plain = direction(), run(toy)
    once = run(toy, Dose(d, 0, (2, 2), "reflect"))
    assert np.allclose(once.at(Site(2)) @ d.unit(2), -(plain.at(Site(2)) @ d.unit(2)), atol=1e-5)
    lengths = np.linalg.norm(once.at(Site(2)), axis=1)
    assert np.allclose(lengths, np.linalg.norm(plain.at(Site(2)), axis=1), rtol=1e-5)
    twice = run(toy, *[Dose(d, 0, (2, 2), "reflect")] * 2)
    assert off(twice.at(Site(2)), plain.at(Site(2))) < 1e-5
    assert off(twice.values, plain.values) < ROUNDING


def test_setting_gives_every_token_the_same_component(toy):
    d = direction()
    trace = run(toy, Dose(d, 0.25, (1, 2), "set"), norms=NORMS)
    for layer in (1, 2):
        assert np.allclose(
            trace.at(Site(layer)) @ d.unit(layer), 0.25 * NORMS[layer], atol=1e-5 * NORMS[layer]
        )
    zero = run(toy, Dose(d, 0.0, (2, 2), "set"))
    assert off(zero.values, run(toy, Dose(d, 0.0, (2, 2), "project")).values) < ROUNDING


def test_doses_apply_in_their_order(toy):
    d = direction()
    add, project = Dose(d, 0.5, (2, 2)), Dose(d, 0.0, (2, 2), "project")
    assert np.allclose(run(toy, add, project).at(Site(2)) @ d.unit(2), 0, atol=1e-5)
    assert np.allclose(run(toy, project, add).at(Site(2)) @ d.unit(2), 5, atol=1e-5)


def test_what_is_added_where_something_is_erased_stays(toy):
    given, d = erasure((2,)), direction()
    removed = given.at(2).right
    erased = run(toy, erasures=(given,)).at(Site(2))
    assert np.allclose((erased - given.at(2).mean) @ removed.T, 0, atol=1e-4)
    pushed = run(toy, Dose(d, 0.5, (2, 2)), erasures=(given,)).at(Site(2))
    assert np.allclose(pushed - erased, 5 * d.unit(2), atol=1e-4)


@pytest.mark.parametrize("factor", [-2.0, 1e-6, 1e6])
def test_the_length_of_a_direction_does_not_matter(toy, factor):
    d = direction()
    scaled = dataclasses.replace(d, values=(abs(factor) * d.values).astype(np.float32))
    turned = dataclasses.replace(d, values=(factor * d.values).astype(np.float32))
    assert off(run(toy, Dose(scaled, 0.5, (1, 2))).values, run(toy, Dose(d, 0.5, (1, 2))).values) < ROUNDING
    for operation in ("project", "reflect"):
        edited = [run(toy, Dose(each, 0.5, (1, 2), operation)).values for each in (turned, d)]
        assert off(*edited) < ROUNDING


POSITIONS = ["all", "prompt", "generated", (1, 7)]


@pytest.mark.parametrize("positions", POSITIONS, ids=str)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", ["toy", "gpt2", "gemma2"])
def test_writing_under_a_recipe_with_the_cache_equals_reading_the_text_again(
    toy, families, name, operation, positions
):
    model = toy if name == "toy" else families(name).model
    prompt = model.tokenize("The se")
    norms = np.full(model.n_layers + 1, 5, np.float32)
    doses = (
        Dose(direction(model.d_model, seed=1), 0.6, (1, 2), operation, positions),
        Dose(direction(model.d_model, seed=2), 0.3, (0, 3), "add", positions),
    )
    row = Variant("row", Recipe("r", doses).edits(norms))
    steps = list(model.generate(prompt, variants=(BASE, row), max_new_tokens=8))
    assert not np.allclose(steps[-1].log_probabilities[0], steps[-1].log_probabilities[1], atol=1e-3)
    new = tuple(step.ids[1] for step in steps)
    text = prompt.extended(new, tuple(map(model.tokenizer.piece, new)), (False,) * len(new))
    last = torch.from_numpy(run(model, *doses, text=text, norms=norms).at(Site(model.n_layers)).copy())
    logits = model.on_worker(lambda: model.read_out(last))[len(prompt) - 1 : -1]
    assert tuple(logits.argmax(-1).tolist()) == new
    recomputed = logits.log_softmax(-1).gather(1, torch.tensor(new)[:, None])[:, 0].numpy()
    assert np.allclose([step.log_probabilities[1] for step in steps], recomputed, atol=1e-3)


# contracts


REFUSED = {
    "a slip of the keyboard": (lambda d: Dose(d, 1e9, (1, 1)), r"strength of 1e\+09 .* from -10 to 10"),
    "not a number": (lambda d: Dose(d, float("nan"), (1, 1)), "strength of nan"),
    "infinite": (lambda d: Dose(d, float("-inf"), (1, 1)), "strength of -inf"),
    "unknown operation": (
        lambda d: Dose(d, 1.0, (1, 1), "rotate"),
        "'rotate' is no operation; there are add, proj",
    ),
    "layer too high": (lambda d: Dose(d, 1.0, (3, 4)), "'d' has no vector at layer 4; it has layers 0 to 3"),
    "negative layer": (lambda d: Dose(d, 1.0, (-1, 2)), "Layers -1 to 2 are no range"),
    "layers swapped": (
        lambda d: Dose(d, 1.0, (2, 1)),
        "Layers 2 to 1 are no range; give the lower layer first",
    ),
    "layer missing between": (
        lambda d: Dose(direction(layers=(1, 3)), 1.0, (1, 3)),
        "no vector at layer 2; it has layers 1, 3",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_dose_that_cannot_be_meant_is_refused(name):
    make, sentence = REFUSED[name]
    with pytest.raises(AnalysisError, match=sentence):
        make(direction())
    assert Dose(direction(), 10.0, (0, 3)).strength == 10  # the strongest there is


BAD_DIRECTIONS = {
    "vector missing": (lambda v: {"layers": (0, 1), "values": v[:1]}, "one vector per layer; given 2 layers"),
    "no layer": (lambda v: {"layers": (), "values": v[:0]}, "one vector per layer; given 0 layers"),
    "a bare vector": (lambda v: {"layers": (0,), "values": v[0]}, "one vector per layer"),
    "layers descend": (lambda v: {"layers": (1, 0), "values": v}, r"layers ascend from 0 on; given \(1, 0\)"),
    "a layer twice": (lambda v: {"layers": (1, 1), "values": v}, "layers ascend"),
    "below the embedding": (lambda v: {"layers": (-1, 0), "values": v}, "layers ascend"),
    "zero vector": (
        lambda v: {"layers": (0, 1), "values": v * [[1], [0]]},
        "not all zero; at layer 1 it has none",
    ),
    "not a number": (
        lambda v: {"layers": (0, 1), "values": v * [[np.nan], [1]]},
        "finite numbers .* at layer 0",
    ),
    "infinite": (lambda v: {"layers": (0, 1), "values": v * [[np.inf], [1]]}, "finite numbers .* at layer 0"),
    "too long for its square": (lambda v: {"layers": (0, 1), "values": v * [[1e30], [1]]}, "at layer 0"),
    "too short for its square": (lambda v: {"layers": (0, 1), "values": v * [[1], [1e-30]]}, "at layer 1"),
    "proposes another layer": (
        lambda v: {"layers": (0, 1), "values": v, "layer": 2},
        "layer 2 is none of the dir",
    ),
}


@pytest.mark.parametrize("name", BAD_DIRECTIONS)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.usefixtures("unchecked")
def test_a_direction_that_is_none_is_refused(name, rng):
    make, sentence = BAD_DIRECTIONS[name]
    settings = {"layer": 0} | make(rng(0).normal(size=(2, 5)) + 1)
    with pytest.raises(AnalysisError, match=sentence):
        Direction(name="d", weights="", how="made", source="none", why="first", **settings)


def test_a_direction_of_another_model_is_refused(toy, planted, families):
    own = direction(weights=weights_of(toy))
    own.require_fit(toy)
    direction().require_fit(toy)  # a file that does not say where it comes from
    Recipe("fits", (Dose(own, 0.1, (1, 1)),)).require_fit(toy)
    wrong = {
        "23 numbers per layer and toy: random weights needs 22": direction(width=23),
        "up to layer 4 and toy: random weights has layers 0 to 3": direction(layers=(0, 4)),
        r"found in toy: planted direction \(.*\), not in toy: random weights": direction(
            weights=weights_of(planted)
        ),
    }
    for sentence, each in wrong.items():
        recipe = Recipe("mixed", (Dose(own, 0.1, (1, 1)), Dose(each, 0.1, (0, 0))))
        with pytest.raises(AnalysisError, match=f"{sentence}.*Build it again"):
            recipe.require_fit(toy)
    with pytest.raises(AnalysisError, match="needs 24"):
        own.require_fit(families("gpt2").model)


def test_an_erasure_of_another_model_is_refused(toy):
    Recipe("fits", erasures=(erasure(weights=weights_of(toy)),)).require_fit(toy)
    for wrong in (erasure(width=23), erasure((3, 4)), erasure(weights="gpt9 (1)")):
        with pytest.raises(AnalysisError, match="The erasure of 'e' .*Fit it again"):
            Recipe("mixed", (Dose(direction(), 0.1, (1, 1)),), (erasure(), wrong)).require_fit(toy)


def test_measurements_stay_with_their_direction():
    each = Separation(1, 0.9, 0.05, 0.5, 2.0)
    found = direction(separation=(each,))
    assert found.separation[0].accuracy == 0.9
    assert dataclasses.replace(found, name="other").separation == (each,)
