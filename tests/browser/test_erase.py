"""Erasing in a real browser: live texts, the certificate and its export, a link that reopens it."""

import pytest

from tests.browser.test_app import asked, no_sideways_scroll, rest, until

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
    page.get_by_role("button", name="Erase it").click()
    page.get_by_role("region", name="edited").wait_for()
    page.get_by_text("random erasures of the same rank").wait_for()
    until(page, erase="leace*1-1*0*-*-*1")
    rest(page)
    other = visit(url=page.url)
    other.get_by_text("random erasures of the same rank").wait_for()
    assert asked(other) == asked(page)
    rest(other)
    assert no_sideways_scroll(other)


def test_layers_are_chosen_by_keyboard(visit):
    page = visit("leace*1-1*0*-*-*1")
    page.get_by_role("region", name="edited").wait_for()
    page.get_by_text("random erasures of the same rank").wait_for()
    rest(page)
    page.get_by_role("slider", name="Layers — end").press("ArrowRight")
    page.get_by_text("at layers 1, 2, read at").wait_for()
    until(page, erase="leace*1-2*0*-*-*1")


def test_a_certificate_is_measured_and_exported(visit):
    page = visit("leace*2-2*0*-*-*1")
    page.get_by_role("region", name="edited").wait_for()
    rest(page)
    page.get_by_text("Certificate", exact=True).click()
    page.get_by_role("button", name="Measure the certificate").click()
    page.get_by_text("Guaranteed").wait_for()
    rest(page)
    for name, begins in (("HTML", b"<!doctype html>"), ("JSON", b'{\n  "format": "bathyscope-certificate')):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        with open(download.value.path(), "rb") as saved:
            assert saved.read().startswith(begins)
