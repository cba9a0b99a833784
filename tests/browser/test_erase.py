"""Erasing in a real browser: live texts, the certificate and its export, a link that reopens it."""

import pytest

from tests.browser.acting import act, downloaded, eventually, rest, shows
from tests.browser.served import PROMPT
from tests.browser.test_app import asked, no_sideways_scroll, until

pytestmark = pytest.mark.browser


@pytest.fixture
def visit(visitor):
    """`visit(erase)` opens the erase page at rest."""

    def go(erase="leace*1-1*0*-*-*0", url=None):
        page = visitor("erase", url, probe="sentiment*last*logistic", erase=erase)
        page.get_by_text("Can this concept be removed").wait_for()
        rest(page)
        return page

    return go


def test_a_concept_is_erased_and_a_link_shows_the_same_elsewhere(visit):
    page = visit()
    edited = page.get_by_role("region", name="edited")
    act(page, page.get_by_role("button", name="Erase it").click, shows(edited))
    page.get_by_text("random erasures of the same rank").wait_for()
    until(page, erase="leace*1-1*0*-*-*1")
    rest(page)
    other = visit(url=page.url)
    other.get_by_text("random erasures of the same rank").wait_for()
    rest(other)
    assert asked(other) == asked(page)
    eventually(other, lambda: no_sideways_scroll(other))


def test_layers_are_chosen_by_keyboard(visit):
    page = visit("leace*1-1*0*-*-*1")
    page.get_by_role("region", name="edited").wait_for()
    page.get_by_text("random erasures of the same rank").wait_for()
    rest(page)
    box = page.get_by_role("textbox", name="Prompt")
    eventually(
        page, lambda: box.input_value() == PROMPT, lambda: f"the link's prompt is {box.input_value()!r}"
    )
    page.get_by_role("slider", name="Layers — end").press("ArrowRight")
    until(page, erase="leace*1-2*0*-*-*1")
    page.get_by_text("at layers 1, 2, read at").wait_for()


def test_a_certificate_is_measured_and_exported(visit):
    page = visit("leace*2-2*0*-*-*1")
    page.get_by_role("region", name="edited").wait_for()
    rest(page)
    measure = page.get_by_role("button", name="Measure the certificate")
    act(page, page.get_by_text("Certificate", exact=True).click, shows(measure))
    announced = page.get_by_text("Runs every example with the erasure")
    act(page, measure.click, lambda: announced.count() == 0)
    page.get_by_text("Guaranteed").wait_for()
    for name, begins in (("HTML", b"<!doctype html>"), ("JSON", b'{\n  "format": "bathyscope-certificate')):
        assert downloaded(page, page.get_by_role("button", name=name, exact=True))[1].startswith(begins)
