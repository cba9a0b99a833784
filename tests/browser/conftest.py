"""A real Chromium for the tests of this folder, or a clear word that there is none."""

import os
import shutil

import pytest

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
