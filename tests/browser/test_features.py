"""The page Features in a real browser: a cell that is clicked moves the cursor and chooses its feature."""

import pytest

from tests.browser.acting import act, eventually, rest, shows
from tests.browser.test_app import at

pytestmark = pytest.mark.browser


def drawn(page):
    page.get_by_text("of 37 neurons make").wait_for()
    eventually(page, lambda: page.locator(".heatmaplayer image").count() >= 1)
    rest(page)


def test_a_click_on_the_grid_moves_the_cursor_and_chooses_the_neuron(visitor):
    page = visitor("features", features="dictionary=neurons.2", token="9", height=1400)
    drawn(page)
    cell = page.locator(".scatterlayer .trace").first.locator(".points path").nth(4)

    def click():
        box = cell.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    act(page, click, at(page, token="4"))
    eventually(page, lambda: "feature%3D" in page.url)
    again = visitor(url=page.url, height=1400)
    drawn(again)
    assert again.url == page.url


def test_what_the_model_writes_comes_live_and_joins_the_text(visitor):
    page = visitor("features", features="dictionary=neurons.2&also.more=writing", height=1800)
    drawn(page)
    go_on = page.get_by_role("button", name="Go on with this text")
    act(page, page.get_by_role("button", name="Write on").click, shows(go_on))
    act(page, go_on.click, lambda: "more=" in page.url)
