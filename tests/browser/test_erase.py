"""Erasing in a real browser: live texts, the certificate and its export, a link that reopens it."""

import os
import urllib.parse

import pytest

from tests.browser.served import served
from tests.browser.test_app import asked, no_sideways_scroll, rest, until

pytestmark = pytest.mark.browser

WAIT = 60_000  # milliseconds
MODEL, PROMPT = "toy:random", "the sea is deep"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The app on the random toy, with a store of its own."""
    environment = os.environ | {
        "BATHYSCOPE_MODEL": MODEL,
        "BATHYSCOPE_HOME": str(tmp_path_factory.mktemp("home")),
        "HF_HUB_OFFLINE": "1",
    }
    with served("app.py", environment) as address:
        yield address


@pytest.fixture
def visit(chromium, server):
    """`visit(erase)` opens the erase page in a context of its own."""
    contexts, errors = [], []
    warm = chromium.new_page()  # the first deep link of a process finds no page
    warm.goto(server)
    warm.get_by_text("Bathyscope", exact=True).wait_for(timeout=WAIT)
    warm.close()

    def go(erase="leace*1-1*0*-*-*0", url=None):
        context = chromium.new_context(viewport={"width": 1280, "height": 1000}, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: errors.append(str(error)))
        query = {
            "model": MODEL,
            "prompt": PROMPT,
            "lens": "logit",
            "probe": "sentiment*last*logistic",
            "erase": erase,
        }
        page.goto(url or f"{server}/erase?{urllib.parse.urlencode(query)}")
        page.get_by_text("Can this concept be removed").wait_for()
        rest(page)
        return page

    yield go
    for context in contexts:
        context.close()
    assert errors == []


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
