"""Nothing leaves the machine: whatever page is looked at, only this server is asked for anything."""

import urllib.parse

import pytest

from tests.browser.conftest import WAIT
from tests.browser.served import PROMPT, TOY

PATHS = ("", "map", "corpus", "probe", "steer", "erase")


@pytest.fixture
def asked(chromium, toy_app):
    """Visits every page and answers every address that was asked for."""
    found: list[str] = []
    context = chromium.new_context()
    context.on("request", lambda request: found.append(request.url))
    page = context.new_page()
    page.set_default_timeout(WAIT)
    query = urllib.parse.urlencode({"model": TOY, "prompt": PROMPT, "lens": "logit"})
    for path in PATHS:
        page.goto(f"{toy_app}/{path}?{query}")
        page.get_by_text("Bathyscope", exact=True).wait_for()
        # the icon of a tab is set last, and once came from elsewhere
        page.wait_for_function("document.querySelector('link[rel*=icon]')?.href.includes('/media/')")
    yield found
    context.close()


def test_no_page_asks_another_machine_for_anything(asked, toy_app):
    elsewhere = [url for url in asked if not url.startswith((toy_app, "data:", "blob:"))]
    assert len(asked) > len(PATHS) and elsewhere == []
