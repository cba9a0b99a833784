"""Probing in a real browser: a set is probed, layers and neurons are chosen by mouse and keyboard, lines are typed."""

import re

import pytest

from components.probing.choices import EXAMPLE
from tests.browser.acting import act, eventually, rest, shows
from tests.browser.test_app import asked, at, no_sideways_scroll, until

pytestmark = pytest.mark.browser


@pytest.fixture
def visit(visitor):
    """`visit(probe)` opens the probe page at rest, `visit()` the first page."""

    def go(probe=None, url=None):
        page = visitor("probe", url, probe=probe) if probe else visitor(url=url)
        rest(page)
        return page

    return go


def run(page):
    announced = page.get_by_text("Reads every example once")
    announced.wait_for()
    act(page, page.get_by_role("button", name="Probe all layers").click, lambda: announced.count() == 0)
    answered(page)


def answered(page):
    """Wait for the sentence above the curve."""
    page.get_by_text(re.compile("At layer [0-9]+, .* of held-out examples are told right")).wait_for()
    rest(page)


def write(page, text):
    box = page.get_by_role("textbox", name="Examples, one a line")
    box.fill(text)
    box.press("Control+Enter")


def lines(page):
    return page.get_by_role("textbox", name="Examples, one a line").input_value()


def to_page(page, name, question):
    """Follow the link to a page, and wait for what it asks."""
    act(page, page.get_by_role("link", name=name).click, shows(page.get_by_text(question)))
    rest(page)


def test_a_set_is_probed_and_its_layers_chosen_by_mouse_and_keyboard(visit):
    page = visit()
    to_page(page, "Probe", "Is this concept linearly there")
    run(page)
    mark = page.locator(".st-key-probe_curve path.point").nth(1)
    act(page, lambda: mark.click(force=True), at(page, layer="1"))  # a line may lie over the mark
    page.get_by_text("What layer 1 takes for what").wait_for()
    rest(page)
    page.get_by_role("slider", name="Layer").press("ArrowRight")
    until(page, layer="2")
    page.get_by_text("What layer 2 takes for what").wait_for()
    rest(page)
    mark.click(force=True)  # chosen before, left since
    until(page, layer="1")


def test_a_link_shows_the_same_elsewhere(visit):
    page = visit("sentiment*mean*means")
    run(page)
    page.get_by_role("slider", name="Layer").press("End")
    until(page, layer="3", probe="sentiment*mean*means*asked")
    page.get_by_text("What layer 3 takes for what").wait_for()
    other = visit(url=page.url)
    answered(other)
    other.get_by_text("What layer 3 takes for what").wait_for()
    rest(page)
    assert asked(other) == asked(page)
    for width in (1280, 1024):
        other.set_viewport_size({"width": width, "height": 900})
        rest(other)
        eventually(other, lambda: no_sideways_scroll(other), lambda width=width: f"scrolls at {width}")


def test_lines_are_probed_a_wrong_one_is_named_and_none_is_lost(visit):
    page = visit("written*mean*means")
    start = page.get_by_role("button", name="Start from an example")
    act(page, start.click, shows(page.get_by_role("button", name="Probe all layers")))
    eventually(page, lambda: lines(page) == EXAMPLE)
    run(page)
    wrong = "Line 13 needs a text and its label"
    act(page, lambda: write(page, f"{EXAMPLE}\nno label here"), shows(page.get_by_text(wrong)))
    to_page(page, "Steer", "Does this push change what the model says")
    to_page(page, "Probe", wrong)
    eventually(page, lambda: lines(page).endswith("no label here"))
    right = page.get_by_text("13 examples, 13 groups")
    act(page, lambda: write(page, f"{EXAMPLE}\nA fine day. | praise"), shows(right))


def test_a_neuron_is_chosen_in_the_table_and_by_keyboard(visit):
    page = visit("sentiment*mean*sparse*asked*k8")
    answered(page)
    page.get_by_text("8 neurons tell").wait_for()
    table = page.locator(".st-key-probe_neurons")
    table.scroll_into_view_if_needed()

    def second_row():
        box = table.bounding_box()
        page.mouse.click(box["x"] + 40, box["y"] + 35 * 2 + 17)  # drawn on a canvas

    act(page, second_row, lambda: "*n" in asked(page)["probe"])
    number = re.search(r"\*n([0-9]+)", asked(page)["probe"]).group(1)
    page.get_by_text(re.compile(rf"^L[1-3]\.N{number} over the prompt's tokens")).wait_for()
    rest(page)
    tokens = page.locator(".st-key-token_strip button").all_inner_texts()
    strip = page.locator(".st-key-neuron_strip button")
    eventually(page, lambda: strip.all_inner_texts() == tokens)
    rest(page)
    page.get_by_role("slider", name="Neurons used").press("ArrowRight")
    page.get_by_text("16 neurons tell").wait_for()
    assert f"n{number}" in asked(page)["probe"]
