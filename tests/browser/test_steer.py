"""Steering in a real browser: texts side by side, a control moved while they are written, two people at once."""

import pytest

from analysis import BASE, Dose, Recipe, Variant, background, load
from components.beside import shown
from tests.browser.acting import act, eventually, rest, shows
from tests.browser.served import PROMPT, TOY
from tests.browser.test_app import asked, at

pytestmark = pytest.mark.browser


@pytest.fixture
def steer(visitor):
    """`steer(recipe)` opens the steering page."""

    def go(recipe):
        return visitor("steer", height=900, **({"recipe": recipe} if recipe else {}))

    return go


def written(page, name):
    """What stands in one card after the prompt, once all texts are written."""
    page.get_by_role("region", name=name).first.wait_for()
    page.get_by_role("button", name="Stop", exact=True).wait_for(state="hidden")
    rest(page)
    return page.get_by_role("region", name=name).first.inner_text()


def alone(seed, strength, layers):
    """The text of one recipe, computed here and alone."""
    model = load(TOY)
    usual = background.background(model)
    dose = Dose(background.random_direction(model, seed), strength, layers)
    edits = Recipe("r", (dose,)).edits(usual.norms)
    steps = list(model.generate(PROMPT, variants=(BASE, Variant("edited", edits)), max_new_tokens=40))
    ids = [step.ids[1] for step in steps if step.ids[1] is not None]
    return b"".join(map(model.tokenizer.piece, ids)).decode("utf-8", "replace")


def test_two_people_steer_one_model_and_neither_sees_the_others_edit(steer):
    one, two = steer("random.1*add*0.5*1-2*all"), steer("random.2*add*-0.5*1-1*all")
    for page, recipe in ((one, (1, 0.5, (1, 2))), (two, (2, -0.5, (1, 1)))):
        text = shown(alone(*recipe))
        eventually(page, lambda page=page, text=text: text in written(page, "edited"))
    assert written(one, "base") == written(two, "base")


def test_a_preset_is_one_click_and_the_link_holds_it(steer):
    page = steer("")
    preset = page.get_by_role("button", name="Sentiment", exact=True)
    preset.wait_for()
    act(page, preset.click, at(page, recipe="preset.sentiment*add*0.2**all"))
    page.get_by_role("region", name="edited").wait_for()
    page.get_by_text("random pushes of the same size").wait_for()


def test_a_strength_moved_by_keyboard_writes_anew_and_undo_brings_it_back(steer):
    page = steer("random.1*add*0.5*1-2*all")
    before = written(page, "edited")
    slider = page.get_by_role("slider", name="Strength of random, seed 1")
    slider.focus()
    for _ in range(30):
        slider.press("ArrowLeft")

    def strength():
        return float(asked(page)["recipe"].split("*")[2])

    eventually(page, lambda: strength() < 0.45)  # keys that come while the page redraws itself may be lost
    eventually(page, lambda: written(page, "edited") != before)
    # the last key may still be on its way
    eventually(page, lambda: float(slider.input_value()) == strength())
    rest(page)
    moved = strength()
    page.get_by_role("button", name="Undo").click()
    eventually(page, lambda: strength() > moved)


def test_a_file_that_is_none_gets_a_sentence(steer):
    page = steer("random.1*add*0.5*1-2*all")
    written(page, "base")

    def open_part(name, shown):
        act(page, page.get_by_text(name, exact=True).click, shows(page.get_by_text(shown)))
        rest(page)

    def upload(name, kind, data):
        place = page.get_by_test_id("stFileUploaderDropzoneInput")
        place.set_input_files({"name": name, "mimeType": kind, "buffer": data})

    open_part("New direction", "Labelled set")
    open_part("Labelled set", "A table with columns")
    upload("x.csv", "text/csv", b"a,b\n1,2\n")
    page.get_by_text("The table needs columns").wait_for()
    open_part("File", "Nothing in the file is executed")
    upload("x.safetensors", "application/octet-stream", b"nonsense")
    page.get_by_text("cannot be read").wait_for()
    assert asked(page)["recipe"] == "random.1*add*0.5*1-2*all"
