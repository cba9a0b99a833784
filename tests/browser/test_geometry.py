"""The page Geometry in a real browser: curves appear, a click on one looks into it, and dark is as legible."""

import pytest

from tests.browser.acting import act, eventually, rest, shows
from tests.browser.test_app import at

pytestmark = pytest.mark.browser

FEW = "most=16&length=32&shuffles=1&question=kept"
CARD = ".st-key-geometry_card_rankme"


def drawn(page):
    """The card's base curve, once everything is measured."""
    points = page.locator(f"{CARD} .scatterlayer .trace").last.locator(".points path")
    eventually(page, lambda: points.count() == 4)
    eventually(page, lambda: page.get_by_text("left out:").count() == 1)
    rest(page)
    return points


def click(page, point) -> None:
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_a_click_on_a_curve_moves_the_cursor_and_looks_into_it(visitor):
    page = visitor("geometry", geometry=FEW, height=1600)
    points = drawn(page)
    act(page, lambda: click(page, points.nth(2)), at(page, layer="2"))
    page.get_by_role("heading", name="RankMe at layer 2").wait_for()
    eventually(page, lambda: "open%3Drankme" in page.url)
    page.get_by_text("at layer 2 ·").first.wait_for()
    act(
        page,
        page.get_by_role("button", name="Layer 3").click,
        shows(page.get_by_role("heading", name="RankMe at layer 3")),
    )
    again = visitor(url=page.url, height=1600)
    again.get_by_role("heading", name="RankMe at layer 3").wait_for()


def test_another_question_is_measured_and_controls_are_turned_off(visitor):
    page = visitor("geometry", geometry=FEW, height=1600)
    drawn(page)
    act(page, page.get_by_text("Even", exact=True).click, shows(page.get_by_text("IsoScore", exact=True)))
    act(
        page, page.get_by_role("button", name="Controls:").click, shows(page.get_by_text("Draws of shuffled"))
    )
    act(
        page,
        lambda: page.locator(".st-key-geometry_random label").first.click(),
        lambda: "random%3D0" in page.url,
    )
    eventually(page, lambda: page.get_by_text("Controls: 1 shuffled, Gaussian").count() == 1)


def test_it_is_legible_in_the_dark(visitor):
    page = visitor("geometry", geometry=FEW, height=1600)
    page.emulate_media(color_scheme="dark")
    page.reload()
    drawn(page)
    title = page.locator(f"{CARD} .xtitle").first
    ink, ground = title.evaluate(
        "(title) => [getComputedStyle(title).fill, getComputedStyle(document.querySelector('.stApp')).backgroundColor]"
    )
    assert contrast(ink, ground) >= 4.5
    curve = page.locator(f"{CARD} .scatterlayer .trace").last.locator(".js-line")
    assert contrast(curve.evaluate("(line) => getComputedStyle(line).stroke"), ground) >= 3


def contrast(one: str, other: str) -> float:
    """Contrast of two opaque colours written as `rgb(r, g, b)`, as WCAG 2.2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: str) -> float:
    parts = [int(part) / 255 for part in color[color.index("(") + 1 : color.index(")")].split(",")[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
