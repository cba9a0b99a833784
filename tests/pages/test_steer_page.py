"""The steering page from `app.py` on the toys: a recipe from a link, its texts and numbers, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from analysis import (
    ERASERS,
    Direction,
    Dose,
    Erase,
    Erasure,
    Recipe,
    Site,
    Steer,
    background,
    exchange,
    library,
    load,
)
from analysis.directions import weights_of
from analysis.erasers.projections import random_subspace
from analysis.methods import effect
from components import session
from components.steering.requests import Controls
from tests.pages.driven import linked, said, settled, view

TOY = "toy:planted"
LINK = {"model": TOY, "prompt": "the sea is deep", "lens": "logit"}
RECIPE = "random.3*add*0.3*1-2*all"
NEW = 8
"""Tokens that every text gets: most tests look at something else."""


def opened(recipe: str = RECIPE, part: str | None = None, **address: str) -> AppTest:
    app = linked("steer", **{**LINK, **({"recipe": recipe} if recipe else {}), **address})
    app.session_state["steer_count"] = NEW
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
    assert all(len(ids) == NEW or ended for ids, ended in zip(texts(app).ids, texts(app).ended, strict=True))
    model = load("toy:planted")
    alone = [step.ids[0] for step in model.generate(LINK["prompt"], max_new_tokens=NEW)]
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


@pytest.mark.parametrize("erases", [False, True])
def test_every_part_draws(erases):
    app = opened(recipe=row_of(erasure()) if erases else RECIPE)
    for part in ("Next token", "Inside", "New direction", "Library", "Take it away"):
        shown_part(app, part)
        assert app.session_state["steer_part"] == part


def test_without_random_controls_nothing_is_said_to_leave_a_band():
    app = opened()
    app.slider(key="null_count").set_value(0)
    for part in ("Texts", "Next token", "Inside"):
        shown_part(app, part)
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


def test_the_code_that_is_taken_away_gives_the_same_sentence(printed):
    app = opened(part="Take it away")
    app.slider(key="null_count").set_value(3)
    app.number_input(key="null_seed").set_value(5)
    settled(app)
    assert printed(taken_away(app))[0] in said(app)


def taken_away(app: AppTest) -> str:
    return next(each.value for each in app.code if "effect.measure" in each.value)


@pytest.fixture
def printed(tmp_path, monkeypatch, capsys):
    """`printed(code)`: the lines that the code prints where the files lie that it opens."""

    def by(code: str) -> list[str]:
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        exec(compile(code, "taken away", "exec"), {"__name__": "__main__"})
        return capsys.readouterr().out.splitlines()

    return by


# erasures


def erasure(layers=(1, 2), ranks=(3, 3), name="vowels", positions="all", **changed) -> Erasure:
    model = load(TOY)
    erasers = tuple(
        replace(random_subspace(model.d_model, rank, 5, np.full(model.d_model, 0.1)), method="leace")
        for rank in ranks
    )
    fields = {"weights": weights_of(model), "how": "By hand, for a test."} | changed
    return Erasure(name, layers, erasers, positions=positions, **fields)


def row_of(kept: Erasure, at: str = "all") -> str:
    """A kept erasure, as a link names it."""
    return f"erased.{library.save_erasure(kept).key}*add*0.2**{at}"


def edits_of(app: AppTest) -> tuple:
    """What the edited row runs under."""
    return texts(app).request.variants[1].edits


def plainly_said(app: AppTest) -> str:
    return said(app).replace("\\", "")


def test_a_link_with_a_direction_and_an_erasure_opens_both():
    app = opened(recipe=f"{RECIPE}~{row_of(erasure(), 'prompt')}")
    edits = edits_of(app)
    assert [type(edit) for edit in edits] == [Erase, Erase, Steer, Steer]
    assert [edit.site for edit in edits] == [Site(1), Site(2), Site(1), Site(2)]
    assert np.array_equal(edits[1].right, erasure().at(2).right)
    assert [edit.positions for edit in edits] == ["prompt", "prompt", "all", "all"]
    assert "erased by LEACE" in said(app)
    assert "rank 3 of 22 dimensions" in said(app)
    assert "layers 1, 2, as fitted" in said(app)
    assert "By hand, for a test." in plainly_said(app)
    assert f"On what it was fitted to: {ERASERS['leace'].guarantee}" in plainly_said(app)
    assert f"Misleads when: {ERASERS['leace'].misleads_when}" in plainly_said(app)
    assert "8 random changes of the same size and rank" in said(app)


def test_an_erasure_alone_is_a_recipe_and_its_sentence_is_that_of_the_analysis():
    app = opened(recipe=row_of(erasure((1, 2), (1, 3))))
    model, frame = load(TOY), app.session_state["frame"]
    measured = effect.measure(
        model,
        frame.tokens,
        Recipe("r", erasures=(erasure((1, 2), (1, 3)),)),
        background.background(model),
        nulls=8,
    )
    assert effect.verdict(measured, frame.position) in said(app)
    assert "8 random erasures of the same rank" in said(app)
    nulls = [variant.edits for variant in texts(app).request.variants[2:]]
    assert [[edit.left.shape for edit in edits] for edits in nulls] == [[(22, 1), (22, 3)]] * 2
    assert "rank up to 3 of 22 dimensions" in said(app)


def test_what_only_erases_has_no_dose_to_vary():
    app = opened(recipe=row_of(erasure()), part="Dose and response")
    next(each for each in app.button if each.label == "Run the strengths").click()
    settled(app)
    assert "The recipe only erases, so there is no strength to vary" in plainly_said(app)


def test_the_tokens_of_an_erasure_are_chosen_and_it_can_be_removed():
    app = opened(recipe=f"{RECIPE}~{row_of(erasure())}")
    app.selectbox(key="dose 1 where").set_value("after_first")
    settled(app)
    assert recipe_of(app)[1].positions == "after_first"
    assert {edit.positions for edit in edits_of(app)[:2]} == {"after_first"}
    app.selectbox(key="dose 1 where").set_value("chosen")
    settled(app)
    assert edits_of(app)[0].positions == (len(app.session_state["frame"].tokens) - 1,)
    button(app, "dose 1 remove").click()
    settled(app)
    assert [row.reference for row in recipe_of(app)] == ["random.3"]
    next(each for each in app.button if each.label == "Undo").click()
    settled(app)
    assert recipe_of(app)[1].erases


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (lambda: "erased.0123456789abcdef*add*0.2**all", "holds no entry 0123456789abcdef"),
        (
            lambda: row_of(erasure(weights="some other model (1)")),
            "was fitted in some other model (1), not in",
        ),
        (lambda: row_of(erasure((3, 4))), "it was fitted in another model"),
        (lambda: f"erased.{library.save_direction(FOUND).key}*add*0.2**all", "is a direction and no erasure"),
        (
            lambda: f"{kept_recipe()}.1*add*0.2**all",
            "The recipe has 1 erasures, and the link asks for number 1",
        ),
    ],
)
def test_an_erasure_that_cannot_be_used_says_why_and_can_be_removed(row, sentence):
    app = opened(recipe=f"{RECIPE}~{row()}")
    assert sentence in plainly_said(app)
    button(app, "dose 1 out").click()
    settled(app)
    assert len(recipe_of(app)) == 1
    assert texts(app).ids[1]


FOUND = Direction("found", (1,), np.ones((1, 22), np.float32), "", "By hand.", "none", 1, "By hand.")


def kept_recipe() -> str:
    entry = library.save_recipe(Recipe("kept", (Dose(FOUND, 0.4, (1, 1)),), (erasure(positions="prompt"),)))
    return f"erased.{entry.key}"


def test_a_recipe_is_kept_with_its_erasures_and_used_again():
    app = opened(recipe=f"{RECIPE}~{row_of(erasure(), '1_2')}", part="Library")
    before = recipe_of(app)
    app.text_input(key="keep_name").set_value("both")
    next(each for each in app.button if each.label == "Keep").click()
    settled(app)
    entry = next(entry for entry in library.entries() if entry.kind == "recipe")
    assert library.load_recipe(entry.key).erasures[0].positions == (1, 2)
    button(app, f"use {entry.key}").click()
    settled(app)
    assert recipe_of(app) == (
        replace(before[1], reference=f"erased.{entry.key}.0"),
        replace(before[0], reference=f"kept.{entry.key}.0"),
    )
    assert [type(edit) for edit in edits_of(opened(session.to_address(view(app))["recipe"]))] == [
        *[Erase] * 2,
        *[Steer] * 2,
    ]


def test_an_erasure_of_the_library_joins_the_recipe_at_its_own_tokens():
    entry = library.save_erasure(erasure(positions="after_first"))
    app = opened(part="Library")
    assert ":material/ink_eraser:" in said(app)
    assert "LEACE, rank 3, layers 1, 2, 22 numbers each" in plainly_said(app)
    button(app, f"use {entry.key}").click()
    settled(app)
    assert [row.reference for row in recipe_of(app)] == ["random.3", f"erased.{entry.key}"]
    assert recipe_of(app)[1].positions == "after_first"


def test_an_erasure_of_another_model_is_not_taken_from_the_library():
    entry = library.save_erasure(erasure(weights="some other model (1)"))
    app = opened(part="Library")
    button(app, f"use {entry.key}").click()
    settled(app)
    assert "was fitted in some other model" in plainly_said(app)
    assert len(recipe_of(app)) == 1


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (lambda: exchange.erasure_to_bytes(erasure()), "erasure"),
        (lambda: exchange.recipe_to_bytes(Recipe("both", (), (erasure(),))), "recipe"),
    ],
)
def test_a_file_of_an_erasure_or_a_recipe_is_imported(data, kind):
    app = opened(part="Library")
    app.file_uploader(key="import_recipe").upload("some.safetensors", data())
    settled(app)
    next(each for each in app.button if each.label == "Keep it").click()
    settled(app)
    (entry,) = library.entries()
    assert (entry.kind, entry.tags) == (kind, ("imported",))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (lambda: b"nonsense", "cannot be read"),
        (lambda: exchange.to_safetensors(FOUND), "it holds a direction and no recipe or erasure"),
        (lambda: exchange.erasure_to_bytes(erasure(weights="gpt9 (1)")), "was fitted in gpt9 (1)"),
    ],
)
def test_a_file_that_is_neither_gets_a_sentence(data, sentence):
    app = opened(part="Library")
    app.file_uploader(key="import_recipe").upload("some.safetensors", data())
    settled(app)
    next(each for each in app.button if each.label == "Keep it").click()
    settled(app)
    assert sentence in plainly_said(app)
    assert library.entries() == ()


def test_a_preset_behind_an_erasure_still_has_its_words():
    app = opened(recipe=f"{row_of(erasure())}~preset.sentiment*add*0.2**all", part="Dose and response")
    assert app.text_input(key="dose plus sentiment").value
    assert "**within the band** of 8 random changes" in said(app) or "all 8 random changes" in said(app)


@pytest.mark.parametrize("recipe", ["{erased}", "{erased}~random.3*add*0.3*1-2*all"])
def test_the_code_opens_the_erasure_s_file_and_gives_the_same_sentence(tmp_path, printed, recipe):
    kept = erasure()
    app = opened(recipe=recipe.format(erased=row_of(kept, "after_first")), part="Take it away")
    app.slider(key="null_count").set_value(3)
    settled(app)
    assert "Erasure 1" in said(app)
    assert any(each.proto.id.endswith("erasure safetensors 1") for each in app.download_button)
    (tmp_path / "erasure-1.safetensors").write_bytes(exchange.erasure_to_bytes(kept))
    code = taken_away(app)
    assert code.count("exchange.erasure_from_bytes(open('erasure-1.safetensors', 'rb').read())") == 1
    assert printed(code)[0] in said(app)
