"""The map page from `app.py` on a toy: axes, twins, an edited run, what is near, what is taken away, and bad input."""

import io
from contextlib import redirect_stdout

import numpy as np
import pytest

from analysis import load
from analysis.geometry.measures import measure
from analysis.methods.geometry import measured, of_run
from analysis.methods.prompt_map import prompt_map
from components.prompt_map import tints
from components.prompt_map.panel import NEAREST
from components.prompt_map.take_away import table
from components.prompt_map_link import COLORS
from components.tints import MEASURE
from tests.pages.driven import labelled, linked, said, settled, view

TOY = "toy:random"
TEXT = "the sea is deep and the sky is high"
LINK = {"model": TOY, "prompt": TEXT, "lens": "logit"}
RECIPE = "random.7*add*0.3*1-1*all"


def opened(prompt: str = TEXT, choice: str = "", **more: str):
    return settled(linked("map", **LINK | {"prompt": prompt}, **({"map": choice} if choice else {}), **more))


def shown(app):
    return app.session_state["map_data"]


def expected(text: str = TEXT, *rest, **settings):
    model = load(TOY)
    return prompt_map(model, model.tokenize(text), *rest, **settings)


def test_the_picture_is_that_of_the_analysis():
    app = opened()
    drawn = expected()
    assert np.array_equal(shown(app).frames, drawn.cloud.coordinates)
    assert shown(app).labels == drawn.cloud.labels
    assert shown(app).trails == "all" and not shown(app).overlays


def test_it_says_how_far_to_trust_it():
    text = said(opened())
    quality = expected().qualities[1]
    assert f"it keeps {quality.kept:.0%}" in text and f"chance {quality.kept_by_chance:.0%}" in text
    assert f"Trustworthiness {quality.trustworthiness:.2f}" in text
    assert "a Gaussian twin" in text


@pytest.mark.parametrize("choice", ["basis=per_layer", "basis=unembedding&axes=3", "scale=raw", "first=1"])
def test_a_link_reopens_the_same_map(choice):
    app = opened(choice=choice)
    seen = view(app).prompt_map
    drawn = expected(TEXT, seen.basis, scale=seen.scale, n_axes=seen.axes, first=seen.first)
    assert np.array_equal(shown(app).frames, drawn.cloud.coordinates)
    assert app.query_params["map"] in (choice, [choice])


def test_concepts_are_axes_and_can_be_chosen():
    app = opened(choice="basis=concept_plane&concepts=random.1+random.2")
    assert "random, seed 1" in shown(app).axes[0] and "random, seed 2" in shown(app).axes[1]
    app.selectbox(key="map_concept_2").set_value("random.0")
    settled(app)
    assert view(app).prompt_map.concepts == ("random.1", "random.2", "random.0")
    assert len(shown(app).axes) == 3


def test_a_concept_along_itself_is_refused_in_words():
    app = opened(choice="basis=concept_plane&concepts=token.5.6.euclidean+token.6.5.euclidean")
    assert "lie along each other" in said(app)


def test_the_edited_run_is_drawn_beside_its_controls():
    app = opened(recipe=RECIPE)
    overlays = shown(app).overlays
    assert [each.kind for each in overlays] == ["null"] * 8 + ["edited"]
    assert np.array_equal(overlays[-1].frames[0], shown(app).frames[0])
    assert not np.array_equal(overlays[-1].frames[2], shown(app).frames[2])
    assert "random pushes of the same size" in said(app)
    app.toggle(key="map_edited").set_value(False)
    settled(app)
    assert not shown(app).overlays


def test_a_recipe_without_strength_moves_nothing():
    app = opened(recipe="random.7*add*0*1-1*all")
    assert np.array_equal(shown(app).overlays[-1].frames, shown(app).frames)
    assert "nothing moves" in said(app)


def test_without_a_recipe_there_is_a_way_to_one():
    app = opened()
    assert "Nothing is changed yet" in said(app)
    app.button(key="map preset sea").click()
    settled(app)
    assert view(app).recipe[0].reference == "preset.sea" and view(app).prompt == TEXT
    assert shown(app).overlays


@pytest.mark.parametrize("twin", ["gaussian", "shuffled"])
def test_a_twin_says_that_it_is_one(twin):
    app = opened(choice=f"twin={twin}", recipe=RECIPE)
    assert "This is not the text but a control" in said(app)
    assert not shown(app).overlays and np.isfinite(shown(app).frames).all()


def test_the_cursor_names_its_nearest_tokens_in_the_full_space():
    app = opened(token="5", layer="2")
    drawn = expected()
    point = drawn.positions.index(5)
    near = drawn.nearest(2, point, NEAREST)
    listed = next(each.value for each in app.dataframe if "cosine" in each.value)
    assert listed.position.tolist() == [drawn.positions[other] for other, _, _ in near]
    assert listed.cosine.tolist() == pytest.approx([cosine for _, _, cosine in near])


def test_a_cursor_on_a_token_that_is_not_drawn_is_told():
    app = opened(token="0")
    assert "stands apart and is left out" in said(app)
    app.toggle(key="map_first").set_value(True)
    settled(app)
    assert "stands apart and is left out" not in said(app) and "without a say in the axes" in said(app)


def test_every_colour_can_be_had():
    app = opened(choice="color=norm", recipe=RECIPE)
    assert view(app).prompt_map.color == "norm"
    for color in COLORS:
        app.selectbox(key="map_color").set_value(color)
        settled(app)
        assert view(app).prompt_map.color == color
        assert shown(app).color is not None


def test_a_colour_that_cannot_be_told_gives_way():
    assert view(opened(choice="color=edit")).prompt_map.color == "position"


def test_a_measure_of_geometry_colours_every_token():
    app = opened(choice="color=measure.curvature")
    model = load(TOY)
    cloud = of_run(model, model.run(model.tokenize(TEXT)))
    expected_ = measured(model, cloud, measure("curvature")).per_point
    drawn, color = expected(), shown(app).color
    at = [cloud.position.tolist().index(position) for position in drawn.positions]
    assert color.title == "Curvature" and "angle" in color.unit
    assert np.array_equal(color.values, expected_[:, at], equal_nan=True) and np.isfinite(color.values).any()


def test_a_measure_colours_the_tokens_it_counts_and_leaves_the_first_alone():
    app = opened(choice="color=measure.block_influence&first=1")
    values = shown(app).color.values
    assert np.isnan(values[:, 0]).all() and np.isnan(values[0]).all() and np.isfinite(values[1:, 1:]).all()


def test_a_measure_that_cannot_be_taken_of_so_short_a_text_says_so():
    app = opened("ab", choice="color=measure.hubness")
    assert "colours nothing here" in said(app)
    assert "Position" in shown(app).color.title


def test_every_measure_that_is_offered_colours_or_says_why_not():
    app = opened()
    for color in tints.offered():
        app.selectbox(key="map_color").set_value(color)
        settled(app)
        assert view(app).prompt_map.color == color
        title = measure(color.removeprefix(MEASURE)).title
        assert shown(app).color.title == title or "colours nothing here" in said(app), color


@pytest.mark.parametrize("choice", ["color=measure.nothing", "color=measure.curvature&twin=gaussian"])
def test_a_measure_that_there_is_not_gives_way(choice):
    assert view(opened(choice=choice)).prompt_map.color == "position"


def test_shuffled_tokens_are_measured_as_they_are_drawn():
    app = opened(choice="color=measure.curvature&twin=shuffled")
    other = opened(choice="color=measure.curvature")
    assert not np.array_equal(shown(app).color.values, shown(other).color.values, equal_nan=True)


def test_every_part_draws():
    app = opened(recipe=RECIPE)
    for part in ("Moves", "How far to trust it", "Table", "Take it away"):
        app.segmented_control(key="map_details").set_value(part)
        settled(app)
        assert app.session_state["map_details"] == part


@pytest.mark.parametrize("prompt", ["a", ""])
def test_a_text_without_a_token_to_draw_says_so(prompt):
    text = said(opened(prompt))
    assert "none is left to draw" in text or "empty" in text.lower()


def test_two_tokens_are_one_point_and_no_neighbours():
    app = opened("ab")
    assert shown(app).count == 1
    assert "no neighbours can be compared" in said(app)


def test_equal_tokens_coincide_at_the_embedding():
    app = opened("aaaaaaaa", layer="0")
    assert "all points coincide" in said(app)
    assert np.isfinite(shown(app).frames).all()


def test_too_few_tokens_for_axes_of_each_layer_are_refused_in_words():
    assert "need at least 3" in said(opened("abc", choice="basis=per_layer"))


def test_rows_are_runs_by_layers_by_points():
    model = load(TOY)
    drawn = prompt_map(model, TEXT)
    rows = table(drawn)
    assert len(rows) == drawn.cloud.coordinates.shape[0] * drawn.cloud.coordinates.shape[1]
    at = rows[(rows.layer == 2) & (rows.position == 5)].iloc[0]
    x, y = drawn.cloud.coordinates[2, drawn.positions.index(5)]
    assert (at.x, at.y, at.token) == (x, y, drawn.tokens.labels[5])
    assert set(rows.misleads_when) == {drawn.cloud.provenance.misleads_when}


@pytest.mark.parametrize(
    ("choice", "recipe"),
    [
        ("", ""),
        ("scale=raw&axes=3&first=1", RECIPE),
        ("basis=concept_plane&concepts=random.1+token.5.6.euclidean", ""),
        ("twin=shuffled&seed=3&basis=per_layer", ""),
    ],
)
def test_the_code_computes_the_same_points(choice, recipe):
    app = opened(choice=choice, **({"recipe": recipe} if recipe else {}))
    app.segmented_control(key="map_details").set_value("Take it away")
    settled(app)
    names: dict = {}
    with redirect_stdout(io.StringIO()):
        exec(app.code[0].value, names)
    assert np.array_equal(names["drawn"].cloud.coordinates, shown(app).frames)
    if recipe:
        assert np.array_equal(names["drawn"].shifts.edited, shown(app).overlays[-1].frames)


def test_hostile_tokens_are_only_shown():
    app = opened("see <b>bold</b> and **strong** $x$ now", token="5")
    assert "<b>" not in said(app) and all("unsafe" not in str(each.proto) for each in app.markdown)
    assert "`<`" in said(app)  # as a code span, in which no character has a meaning


def test_a_button_leads_to_steer():
    app = opened()
    labelled(app, "Open Steer").click()
    settled(app)
    assert "Does this push change" in " ".join(each.value for each in app.subheader)
