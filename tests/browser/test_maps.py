"""The two map pages in a real browser: points are clicked, layers stepped by key, texts asked about, links reopened."""

import pytest

from tests.browser.acting import act, eventually, rest, shows
from tests.browser.test_app import at

pytestmark = pytest.mark.browser


def picture(page):
    """The map, once it is drawn."""
    found = page.locator(".point-map")
    found.wait_for()
    rest(page)
    return found


def where(page, point, layer=None):
    """A point's place in the window."""
    place = "(map, [point, layer]) => map.pointMap.where(point, layer ?? undefined)"
    x, y = picture(page).evaluate(place, [point, layer])
    box = page.locator(".point-map .stage").bounding_box()
    return box["x"] + x, box["y"] + y


def test_a_token_on_the_map_moves_the_one_cursor(visitor):
    page = visitor("map")
    act(page, lambda: page.mouse.click(*where(page, 3)), at(page, token="4"))  # the first token is left out
    page.get_by_text("Token 4", exact=False).first.wait_for()
    page.locator(".point-map .stage").focus()
    before = int(picture(page).get_attribute("data-layer"))
    page.keyboard.press("ArrowUp")
    eventually(page, at(page, layer=str(before + 1)))
    eventually(page, lambda: picture(page).get_attribute("data-layer") == str(before + 1))


def test_texts_are_read_drawn_and_asked_about(visitor):
    page = visitor("corpus", corpus="data=days&spot=last", height=1400)
    act(page, page.get_by_role("button", name="Read and draw").click, shows(page.locator(".point-map")))
    eventually(page, lambda: page.get_by_text("So far").count() == 0)
    act(page, lambda: page.mouse.click(*where(page, 5)), lambda: "point%3D" in page.url)
    page.get_by_text("in the full space").first.wait_for()
    search = page.get_by_label("Search the texts")
    act(page, lambda: (search.fill("Monday"), search.press("Enter")), shows(page.get_by_text("points fit")))
    page.get_by_text("What they share", exact=True).wait_for()
    kept = page.url
    again = visitor(url=kept, height=1400)
    picture(again)
    again.get_by_text("in the full space").first.wait_for()
