"""A real Chromium for the tests of this folder, or a clear word that there is none."""

import os
import shutil
import urllib.parse

import pytest

from tests.browser.served import PROMPT, TOY, served

sync_api = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def _installed() -> str | None:
    """The browser to use; None leaves the choice to playwright's own."""
    named = os.environ.get("BATHYSCOPE_CHROMIUM")
    return named or next(filter(None, map(shutil.which, _NAMES)), None)


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests; each opens its own page."""
    with sync_api.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=_installed(), args=_ARGUMENTS)
        except sync_api.Error as error:
            reason = str(error).splitlines()[0]
            pytest.skip(f"No Chromium (set BATHYSCOPE_CHROMIUM to one): {reason}")
        yield browser
        browser.close()


WAIT = 60_000  # milliseconds


@pytest.fixture(scope="session")
def toy_app(chromium, tmp_path_factory):
    """The app on the random toy, with a store of its own, visited once: the first deep link finds no page."""
    environment = os.environ | {
        "BATHYSCOPE_MODEL": TOY,
        "BATHYSCOPE_HOME": str(tmp_path_factory.mktemp("home")),
        "HF_HUB_OFFLINE": "1",
    }
    with served("app.py", environment) as address:
        first = chromium.new_page()
        first.goto(address)
        first.get_by_text("Bathyscope", exact=True).wait_for(timeout=WAIT)
        first.close()
        yield address


@pytest.fixture
def visitor(chromium, toy_app):
    """`visitor(path, **address)` opens a page of the app on the toy in a context of its own; `url` opens a link."""
    contexts, errors = [], []

    def go(path="", url=None, height=1000, **address):
        context = chromium.new_context(viewport={"width": 1280, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("pageerror", lambda error: errors.append(str(error)))
        query = urllib.parse.urlencode({"model": TOY, "prompt": PROMPT, "lens": "logit"} | address)
        page.goto(url or f"{toy_app}/{path}?{query}")
        page.get_by_text("Bathyscope", exact=True).wait_for()
        return page

    yield go
    for context in contexts:
        context.close()
    assert errors == []
