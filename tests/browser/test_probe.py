"""Probing in a real browser: a set is probed, layers and neurons are chosen by mouse and keyboard, lines are typed."""

import re

import pytest

from components.probing.choices import EXAMPLE
from tests.browser.test_app import asked, no_sideways_scroll, rest, until

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
    page.get_by_role("button", name="Probe all layers").click()
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


def test_a_set_is_probed_and_its_layers_chosen_by_mouse_and_keyboard(visit):
    page = visit()
    page.get_by_role("link", name="Probe").click()
    page.get_by_text("Is this concept linearly there").wait_for()
    rest(page)
    run(page)
    curve = page.locator(".st-key-probe_curve")
    curve.locator("path.point").nth(1).click(force=True)  # a line may lie over the mark
    until(page, layer="1")
    page.get_by_text("What layer 1 takes for what").wait_for()
    rest(page)
    page.get_by_role("slider", name="Layer").press("ArrowRight")
    until(page, layer="2")
    page.get_by_text("What layer 2 takes for what").wait_for()
    rest(page)
    curve.locator("path.point").nth(1).click(force=True)  # chosen before, left since
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
    assert asked(other) == asked(page)
    for width in (1280, 1024):
        other.set_viewport_size({"width": width, "height": 900})
        rest(other)
        assert no_sideways_scroll(other), width


def test_lines_are_probed_a_wrong_one_is_named_and_none_is_lost(visit):
    page = visit("written*mean*means")
    page.get_by_role("button", name="Start from an example").click()
    page.get_by_role("button", name="Probe all layers").wait_for()
    assert lines(page) == EXAMPLE
    run(page)
    write(page, f"{EXAMPLE}\nno label here")
    page.get_by_text("Line 13 needs a text and its label").wait_for()
    rest(page)
    page.get_by_role("link", name="Steer").click()
    page.get_by_text("Does this push change what the model says").wait_for()
    rest(page)
    page.get_by_role("link", name="Probe").click()
    page.get_by_text("Line 13 needs a text and its label").wait_for()
    assert lines(page).endswith("no label here")
    rest(page)
    write(page, f"{EXAMPLE}\nA fine day. | praise")
    page.get_by_text("13 examples, 13 groups").wait_for()


def test_a_neuron_is_chosen_in_the_table_and_by_keyboard(visit):
    page = visit("sentiment*mean*sparse*asked*k8")
    answered(page)
    page.get_by_text("8 neurons tell").wait_for()
    table = page.locator(".st-key-probe_neurons")
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    page.mouse.click(box["x"] + 40, box["y"] + 35 * 2 + 17)  # drawn on a canvas: the second row
    page.wait_for_function("location.search.includes('*n') || location.search.includes('%2An')")
    number = re.search(r"\*n([0-9]+)", asked(page)["probe"]).group(1)
    page.get_by_text(re.compile(rf"^L[1-3]\.N{number} over the prompt's tokens")).wait_for()
    rest(page)
    tokens = page.locator(".st-key-token_strip button").all_inner_texts()
    assert page.locator(".st-key-neuron_strip button").all_inner_texts() == tokens
    slider = page.get_by_role("slider", name="Neurons used")
    slider.press("ArrowRight")
    page.get_by_text("16 neurons tell").wait_for()
    assert f"n{number}" in asked(page)["probe"]
