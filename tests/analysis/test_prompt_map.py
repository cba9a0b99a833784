"""The map of a text: its points, its one basis, the edited run in it, and its random twins."""

import numpy as np
import pytest

from analysis import background as backgrounds
from analysis.background import random_direction
from analysis.edits import Variant
from analysis.errors import AnalysisError, Cancelled
from analysis.maps.basis import BASES, pooled
from analysis.maps.quality import quality
from analysis.maps.scaling import SCALES, scaled
from analysis.methods.prompt_map import TWINS, across_layers, prompt_map
from analysis.recipes import Dose, Recipe
from analysis.tokens import Tokens

TEXT = "the sea is deep and the sky is high"
ALL = pytest.mark.parametrize("basis", list(BASES))


@pytest.fixture(scope="module")
def usual(toy):
    return backgrounds.background(toy)


@pytest.fixture(scope="module")
def concepts(toy):
    return (random_direction(toy, 1), random_direction(toy, 2))


def recipe(model, strength: float = 0.5, layers: tuple[int, int] = (1, 1), positions="all") -> Recipe:
    return Recipe("r", (Dose(random_direction(model, 7), strength, layers, positions=positions),))


@ALL
@pytest.mark.parametrize("scale", list(SCALES))
def test_points_are_the_states_of_the_run_in_the_basis(toy, concepts, basis, scale):
    found = prompt_map(toy, TEXT, basis, scale=scale, concepts=concepts)
    states = toy.run(TEXT).residuals()
    assert found.layers == tuple(range(toy.n_layers + 1))
    for layer in found.layers:
        wide = scaled(states[layer, list(found.positions)], scale).astype(np.float64)
        expected = (wide - found.basis.centres[layer]) @ found.basis.axes[layer].T.astype(np.float64)
        np.testing.assert_allclose(found.cloud.coordinates[layer], expected, atol=1e-5 * np.abs(wide).max())
    assert found.cloud.labels == tuple(found.tokens.labels[position] for position in found.positions)


def test_the_first_token_is_left_out_and_let_in_without_a_say(toy):
    without, with_it = prompt_map(toy, TEXT), prompt_map(toy, TEXT, first=True)
    assert without.left_out[0] == 0 and 0 not in without.positions and without.fitted.all()
    assert with_it.positions == tuple(range(len(with_it.tokens)))
    assert tuple(np.flatnonzero(~with_it.fitted)) == with_it.left_out == without.left_out
    assert np.array_equal(with_it.basis.axes, without.basis.axes)
    assert np.array_equal(with_it.cloud.coordinates[:, with_it.fitted], without.cloud.coordinates)
    assert np.isnan(with_it.distortion[:, ~with_it.fitted]).all()
    assert dict(with_it.cloud.provenance.settings)["first token and outliers of norm"].startswith("1 drawn")


@ALL
def test_the_same_request_gives_the_same_picture(toy, concepts, basis):
    first, second = (prompt_map(toy, TEXT, basis, n_axes=2, concepts=concepts) for _ in range(2))
    assert np.array_equal(first.cloud.coordinates, second.cloud.coordinates)
    assert first.cloud.provenance == second.cloud.provenance


def test_a_run_that_is_there_is_not_run_again(toy, monkeypatch):
    base = toy.run(TEXT)
    expected = prompt_map(toy, TEXT)
    monkeypatch.setattr(toy, "run", None)
    assert np.array_equal(prompt_map(toy, TEXT, base=base).cloud.coordinates, expected.cloud.coordinates)


def test_the_run_of_another_text_is_refused(toy):
    with pytest.raises(AnalysisError, match="another text or model"):
        prompt_map(toy, TEXT, base=toy.run("the sky"))


def test_several_texts_can_be_drawn_in_the_same_axes(toy):
    basis = prompt_map(toy, TEXT).basis
    other = prompt_map(toy, "the sky is the sea", basis)
    assert np.array_equal(other.basis.axes, basis.axes)
    assert not np.array_equal(other.basis.explained, basis.explained)  # measured on this text


def test_measures_are_those_of_the_points_that_have_a_say(toy):
    found = prompt_map(toy, TEXT)
    for layer in found.layers:
        states = scaled(found.states[layer], "unit")
        own = found.qualities[layer]
        again = quality(states, found.cloud.coordinates[layer].copy(), own.k)
        assert (own.layer, own.kept, own.trustworthiness) == (layer, again.kept, again.trustworthiness)
        assert found.seen(layer) == pytest.approx(float(found.basis.explained[layer].sum()), abs=1e-5)
    pooled_quality = across_layers(found)
    assert pooled_quality.n_measured == len(found.layers) * len(found.positions)
    assert across_layers(prompt_map(toy, TEXT, "per_layer")) is None


def test_nearest_tokens_equal_brute_force(toy):
    found = prompt_map(toy, TEXT, scale="raw")
    states = found.states[2].astype(np.float64)
    distance = np.linalg.norm(states - states[4], axis=1)
    order = [point for point in np.argsort(distance, kind="stable") if point != 4][:5]
    near = found.nearest(2, 4, 5)
    assert [point for point, _, _ in near] == order
    assert [length for _, length, _ in near] == pytest.approx(distance[order])
    cosine = states[order] @ states[4] / np.linalg.norm(states[order], axis=1) / np.linalg.norm(states[4])
    assert [angle for _, _, angle in near] == pytest.approx(cosine)


def test_how_far_a_token_moved_is_measured_in_the_full_space(toy):
    found = prompt_map(toy, TEXT, scale="raw")
    assert np.isnan(found.moved[0]).all()
    expected = np.linalg.norm(found.states[2] - found.states[1], axis=-1)
    np.testing.assert_allclose(found.moved[2], expected, rtol=1e-5)


# the edited run


@ALL
def test_an_edit_without_strength_moves_nothing_at_all(toy, usual, concepts, basis):
    found = prompt_map(toy, TEXT, basis, concepts=concepts, recipe=recipe(toy, 0), usual=usual, nulls=3)
    assert not found.shifts.lengths.any() and not found.shifts.null_lengths.any()
    assert np.array_equal(found.shifts.edited, found.cloud.coordinates)
    assert (found.shifts.nulls == found.cloud.coordinates).all()
    assert "nothing moves" in found.shifts.verdict(3, 0)


@pytest.mark.parametrize("scale", list(SCALES))
def test_the_edited_run_is_drawn_in_the_axes_of_the_unedited_one(toy, usual, scale):
    without = prompt_map(toy, TEXT, scale=scale)
    found = prompt_map(toy, TEXT, scale=scale, recipe=recipe(toy), usual=usual, nulls=2)
    assert np.array_equal(found.basis.axes, without.basis.axes)
    assert np.array_equal(found.cloud.coordinates, without.cloud.coordinates)
    edited = toy.run(TEXT, variants=[Variant("edited", recipe(toy).edits(usual.norms))]).residuals()
    for layer in found.layers:
        expected = found.basis.project(edited[layer, list(found.positions)], layer)
        np.testing.assert_allclose(found.shifts.edited[layer], expected, atol=1e-3)


def test_an_edit_moves_nothing_below_its_layer_or_before_its_position(toy, usual):
    found = prompt_map(toy, TEXT, recipe=recipe(toy, layers=(2, 2), positions=(5,)), usual=usual, nulls=2)
    shifts, point = found.shifts, found.positions.index(5)
    assert not shifts.lengths[:2].any() and not shifts.null_lengths[:, :2].any()
    assert not shifts.lengths[:, :point].any()
    assert shifts.lengths[2, point] > 0 and (shifts.null_lengths[:, 2, point] > 0).all()
    assert "nothing moves" in shifts.verdict(1, point)


def test_a_push_is_as_long_as_its_controls_where_it_is_made(toy, usual):
    found = prompt_map(toy, TEXT, scale="raw", recipe=recipe(toy), usual=usual, nulls=4)
    length = 0.5 * usual.norms[1]
    np.testing.assert_allclose(found.shifts.lengths[1], length, rtol=1e-3)
    np.testing.assert_allclose(found.shifts.null_lengths[:, 1], length, rtol=1e-3)
    assert found.shifts.unit == "units of the residual stream"


def test_no_arrow_is_longer_than_the_move_it_shows(toy, usual):
    found = prompt_map(toy, TEXT, recipe=recipe(toy), usual=usual, nulls=4)
    seen = np.linalg.norm(found.shifts.edited - found.cloud.coordinates, axis=-1)
    assert (seen <= found.shifts.lengths + 1e-5).all() and seen.any()


def test_the_verdict_places_the_edit_among_its_controls(toy, usual):
    shifts = prompt_map(toy, TEXT, recipe=recipe(toy), usual=usual, nulls=4).shifts
    beside = shifts.by_layer(3)
    low, high = shifts.null_lengths[:, 3, 3].min(), shifts.null_lengths[:, 3, 3].max()
    own = shifts.lengths[3, 3]
    place = "further than all" if own > high else "less far than all" if own < low else "within the band"
    assert place in shifts.verdict(3, 3) and "4 random pushes of the same size" in shifts.verdict(3, 3)
    assert beside.values[3] == own and beside.nulls.shape == (4, toy.n_layers + 1)
    assert shifts.by_token(3).values.tolist() == shifts.lengths[3].tolist()
    assert "on average" in shifts.verdict(3)


def test_without_controls_it_says_what_is_missing(toy, usual):
    shifts = prompt_map(toy, TEXT, recipe=recipe(toy), usual=usual, nulls=0).shifts
    assert "nobody can say" in shifts.verdict(3, 3) and shifts.nulls.shape[0] == 0


def test_where_it_comes_from_names_the_recipe_and_its_controls(toy, usual):
    lines = dict(
        prompt_map(toy, TEXT, recipe=recipe(toy), usual=usual, nulls=4, seed=5).shifts.provenance.lines()
    )
    assert "random, seed 7" in lines["direction 1"] and lines["random controls"].startswith("4")
    assert lines["their seed"] == "5"


# random twins


@pytest.mark.parametrize("basis", ["pooled", "per_layer"])
def test_a_gaussian_twin_has_the_spectrum_and_not_the_points(toy, basis):
    own = prompt_map(toy, TEXT * 3, basis)
    twins = [prompt_map(toy, TEXT * 3, basis, twin="gaussian", seed=seed) for seed in range(8)]
    for layer in own.layers:
        found = np.mean([twin.seen(layer) for twin in twins])
        assert found == pytest.approx(own.seen(layer), abs=0.15)
    assert not np.allclose(twins[0].cloud.coordinates, own.cloud.coordinates, atol=0.1)
    assert twins[0].cloud.labels[:3] == ("1", "2", "3")


def test_a_gaussian_twin_moves_from_layer_to_layer_as_far_as_the_text(toy):
    own, twin = prompt_map(toy, TEXT * 3), prompt_map(toy, TEXT * 3, twin="gaussian")
    assert np.nanmean(twin.moved) == pytest.approx(np.nanmean(own.moved), rel=0.25)


def test_a_gaussian_twin_of_two_kinds_of_points_is_one_cloud(toy):
    text = "a" * 20 + "z" * 20

    def gap(drawn):  # between the two sides of the first axis at the embedding, in its spread
        line = np.sort(drawn.cloud.coordinates[0, :, 0])
        return np.diff(line).max() / line.std()

    assert gap(prompt_map(toy, text)) > 1.9
    assert max(gap(prompt_map(toy, text, twin="gaussian", seed=seed)) for seed in range(4)) < 1.5


def test_a_shuffled_twin_is_the_map_of_the_shuffled_text(toy):
    twin = prompt_map(toy, TEXT, twin="shuffled", seed=2)
    tokens = toy.tokenize(TEXT)
    assert twin.tokens.ids[0] == tokens.ids[0] and twin.tokens.ids != tokens.ids
    assert sorted(twin.tokens.ids) == sorted(tokens.ids)
    assert np.array_equal(twin.cloud.coordinates, prompt_map(toy, twin.tokens).cloud.coordinates)


@pytest.mark.parametrize("twin", list(TWINS))
def test_a_twin_names_its_seed_and_repeats(toy, twin):
    first, second = (prompt_map(toy, TEXT, twin=twin, seed=3) for _ in range(2))
    assert np.array_equal(first.cloud.coordinates, second.cloud.coordinates)
    assert dict(first.cloud.provenance.settings)["seed"] == "3"
    assert not np.array_equal(
        prompt_map(toy, TEXT, twin=twin, seed=4).cloud.coordinates, first.cloud.coordinates
    )


# bad input


def test_one_token_is_refused_and_can_be_let_in(toy):
    with pytest.raises(AnalysisError, match="Of this text's 1 token none is left"):
        prompt_map(toy, "a")
    found = prompt_map(toy, "a", first=True)
    assert found.positions == (0,) and np.isfinite(found.cloud.coordinates).all()


def test_two_tokens_are_one_point_on_its_way(toy):
    found = prompt_map(toy, "ab")
    assert found.positions == (1,) and found.qualities == (None,) * len(found.layers)
    assert np.isnan(found.seen(1)) and across_layers(found) is not None
    with pytest.raises(AnalysisError, match="need at least 3"):
        prompt_map(toy, "abc", "per_layer")


@pytest.mark.parametrize("basis", ["pooled", "per_layer"])
def test_equal_tokens_coincide_and_are_no_failure(toy, basis):
    found = prompt_map(toy, "a" * 9, basis)
    assert np.isnan(found.seen(0)) and np.isfinite(found.cloud.coordinates).all()
    spread = np.ptp(found.cloud.coordinates[0], axis=0)
    np.testing.assert_allclose(spread, 0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"basis": "umap"}, "no basis; there are pooled"),
        ({"scale": "log"}, "no scale"),
        ({"twin": "evil"}, "no random twin"),
        ({"kind": "evil"}, "no kind of random direction"),
        ({"n_axes": 4}, "2 or 3 axes"),
        ({"basis": "concept_plane"}, "two or three directions"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(toy, settings, sentence):
    with pytest.raises(AnalysisError, match=sentence):
        prompt_map(toy, TEXT, **settings)


def test_recipes_that_cannot_run_are_refused_in_words(toy, usual):
    with pytest.raises(AnalysisError, match="give `usual"):
        prompt_map(toy, TEXT, recipe=recipe(toy))
    with pytest.raises(AnalysisError, match="is empty"):
        prompt_map(toy, TEXT, recipe=Recipe("r"), usual=usual)
    with pytest.raises(AnalysisError, match="no edited run"):
        prompt_map(toy, TEXT, recipe=recipe(toy), usual=usual, twin="gaussian")
    with pytest.raises(AnalysisError, match="0 to 32"):
        prompt_map(toy, TEXT, recipe=recipe(toy), usual=usual, nulls=33)


def test_things_of_another_model_are_refused_in_words(toy, families):
    other = families("llama").model
    with pytest.raises(AnalysisError, match="another model"):
        prompt_map(toy, TEXT, "concept_plane", concepts=[random_direction(other, n) for n in range(2)])
    with pytest.raises(AnalysisError, match="one basis for all layers 0 to 3"):
        prompt_map(toy, TEXT, prompt_map(other, TEXT).basis)
    states = toy.run(TEXT).residuals()
    with pytest.raises(AnalysisError, match="in that scale"):
        prompt_map(toy, TEXT, pooled(lambda layer: states[layer], range(4), scale="raw"))


def test_it_stops_when_it_is_told_to(toy):
    def stop(message, done=0, total=None):
        if "keeps" in message:
            raise Cancelled

    with pytest.raises(Cancelled):
        prompt_map(toy, TEXT, report=stop)


def test_generated_tokens_are_on_the_map(toy):
    tokens: Tokens = toy.tokenizer.continued(toy.tokenize("the sea"), (5, 6, 7))
    assert prompt_map(toy, tokens).positions[-1] == len(tokens) - 1
