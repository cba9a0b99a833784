"""The steering page from `app.py` on the toys: a recipe from a link, its texts and numbers, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from analysis import Direction, Recipe, background, library, load
from analysis.directions import weights_of
from analysis.methods import effect
from components import session
from components.steering.requests import Controls
from tests.pages.driven import ROOT, addressed, once, said, settled, view

TOY = "toy:planted"
LINK = {"model": TOY, "prompt": "the sea is deep", "lens": "logit"}
RECIPE = "random.3*add*0.3*1-2*all"


def opened(recipe: str = RECIPE, part: str | None = None, **address: str) -> AppTest:
    app = once(addressed(**{**LINK, **({"recipe": recipe} if recipe else {}), **address}))
    app.switch_page("pages/change/steer.py")
    settled(app)
    return shown_part(app, part) if part else app


def shown_part(app: AppTest, part: str) -> AppTest:
    next(each for each in app.segmented_control if each.key == "steer_part").set_value(part)
    return settled(app)


def recipe_of(app: AppTest):
    return view(app).recipe


def texts(app: AppTest):
    return app.session_state["live_texts"]


def button(app: AppTest, key: str):
    return next(each for each in app.button if each.key == key)


def test_without_a_recipe_it_says_what_to_do():
    app = opened(recipe="")
    assert "Pick a direction" in said(app)
    assert any((each.key or "").startswith("empty preset") for each in app.button)


def test_a_link_with_a_recipe_writes_base_steered_and_random_texts_from_one_batch():
    app = opened()
    names = [variant.name for variant in texts(app).request.variants]
    assert names == ["base", "edited", "random 1", "random 2"]
    assert all(len(ids) == 40 or ended for ids, ended in zip(texts(app).ids, texts(app).ended, strict=True))
    model = load("toy:planted")
    alone = [step.ids[0] for step in model.generate(LINK["prompt"], max_new_tokens=40)]
    assert texts(app).ids[0] == [index for index in alone if index is not None]


def test_the_sentence_is_that_of_the_analysis():
    app = opened()
    model = load("toy:planted")
    frame = app.session_state["frame"]
    usual = background.background(model)
    recipe = Recipe("r", texts_recipe(model, usual))
    controls = Controls()
    measured = effect.measure(
        model, frame.tokens, recipe, usual, nulls=controls.nulls, kind=controls.kind, seed=controls.seed
    )
    assert effect.verdict(measured, frame.position) in said(app)


def texts_recipe(model, usual):
    from analysis import Dose

    return (Dose(background.random_direction(model, 3), 0.3, (1, 2)),)


def test_moving_a_control_starts_over_and_cancels_what_ran():
    app = opened()
    before = texts(app)
    app.slider(key="dose 0 strength").set_value(-0.5)
    settled(app)
    after = texts(app)
    assert after is not before and after.key != before.key
    assert recipe_of(app)[0].strength == -0.5
    assert "-0.5" in session.to_address(app.session_state["view"])["recipe"]


def test_strength_zero_changes_no_word():
    app = opened(recipe="random.3*add*0*1-1*all")
    assert texts(app).ids[0] == texts(app).ids[1]
    assert "Nothing changes here" in said(app)


@pytest.mark.parametrize("part", ["Next token", "Inside", "New direction", "Library", "Take it away"])
def test_every_part_draws(part):
    opened(part=part)


@pytest.mark.parametrize("part", ["Texts", "Next token", "Inside"])
def test_without_random_controls_nothing_is_said_to_leave_a_band(part):
    app = opened(part=part)
    app.slider(key="null_count").set_value(0)
    settled(app)
    assert "without random controls nobody can say" in said(app)
    assert "nan" not in said(app)
    assert all("random" not in each.value for each in app.dataframe)


def test_a_row_can_be_removed_and_brought_back():
    app = opened()
    button(app, "dose 0 remove").click()
    settled(app)
    assert recipe_of(app) == ()
    next(each for each in app.button if each.label == "Undo").click()
    settled(app)
    assert recipe_of(app)[0].reference == "random.3"


def test_a_preset_joins_the_recipe_at_the_layer_it_proposes():
    app = opened(recipe="")
    button(app, "empty preset sentiment").click()
    settled(app)
    assert recipe_of(app)[0].reference == "preset.sentiment"
    assert texts(app).ids[1]


def test_pairs_are_built_looked_at_and_kept():
    app = opened(part="New direction")
    app.text_area(key="new_pairs").set_value("\n".join(f"good {i} | bad {i}" for i in range(12)))
    app.text_input(key="new_name").set_value("goodness")
    button(app, "build pairs").click()
    settled(app)
    assert "difference of means" in said(app)
    next(each for each in app.button if each.label == "Keep and use it").click()
    settled(app)
    assert [entry.name for entry in library.entries()] == ["goodness"]
    assert recipe_of(app)[-1].reference == f"kept.{library.entries()[0].key}"


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ("good", "needs two texts"),
        ("good | bad\nbad | bad", "are the same"),
        ("good |", "needs two texts"),
        ("", "No pair was given"),
        ("good | bad", "At least two examples"),
    ],
)
def test_bad_pairs_get_a_sentence_and_stay_in_the_form(pairs, sentence):
    app = opened(part="New direction")
    app.text_area(key="new_pairs").set_value(pairs)
    button(app, "build pairs").click()
    settled(app)
    assert sentence in said(app).replace("\\", "")
    assert app.text_area(key="new_pairs").value == pairs
    assert recipe_of(app)[0].reference == "random.3"


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ("random.3*add*0.3*90-91*all", "has no vector at layer"),
        ("kept.0123456789abcdef*add*0.3**all", "0123456789abcdef"),
        ("preset.refusal*add*0.3**all", "chat template"),
        ("preset.nothing*add*0.3**all", "nothing"),
        ("token.99999999.-.causal*add*0.3**all", "does not exist"),
    ],
)
def test_a_row_that_cannot_be_used_says_why_and_can_be_removed(recipe, sentence):
    app = opened(recipe=f"{RECIPE}~{recipe}")
    assert sentence in said(app).replace("\\", "")
    button(app, "dose 1 out").click()
    settled(app)
    assert len(recipe_of(app)) == 1
    assert texts(app).ids[1]


def test_a_direction_of_another_model_is_refused_by_name():
    model = load("toy:planted")
    foreign = Direction(
        name="foreign",
        layers=(1,),
        values=np.ones((1, model.d_model), np.float32),
        weights="some other model (1)",
        how="By hand.",
        source="none",
        layer=1,
        why="By hand.",
    )
    key = library.save_direction(foreign).key
    app = opened(recipe=f"kept.{key}*add*0.3**all")
    assert f"not in {weights_of(model)}" in said(app).replace("\\", "")


def test_a_recipe_is_kept_used_deleted_and_brought_back():
    app = opened("random.3*reflect*0.3*1-2*0_2*mlp", part="Library")
    (before,) = recipe_of(app)
    app.text_input(key="keep_name").set_value("my push")
    app.text_input(key="keep_tags").set_value("test, toy")
    next(each for each in app.button if each.label == "Keep").click()
    settled(app)
    (entry,) = library.entries()
    assert (entry.name, entry.tags) == ("my push", ("test", "toy"))
    button(app, f"use {entry.key}").click()
    settled(app)
    assert recipe_of(app) == (replace(before, reference=f"kept.{entry.key}.0"),)
    button(app, f"delete {entry.key}").click()
    settled(app)
    assert library.entries() == ()
    button(app, "undelete").click()
    settled(app)
    assert library.entries() == (entry,)


def test_the_code_that_is_taken_away_gives_the_same_sentence(tmp_path):
    import subprocess
    import sys

    app = opened(part="Take it away")
    app.slider(key="null_count").set_value(3)
    app.number_input(key="null_seed").set_value(5)
    settled(app)
    code = next(each.value for each in app.code if "effect.measure" in each.value)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] in said(app)
