"""Waiting in a browser for what an action brings about, however busy the machine is.

A click or a key that arrives while the page draws itself anew may meet an element that is being replaced, and is
lost. So tests act on a page at rest, and say what is to come of it: an action without it is done again.
"""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Error, Locator, Page

WAIT = 60_000
"""Milliseconds after which a wait has failed; on a quiet machine nothing takes a tenth of it."""
_QUIET = 350
"""Milliseconds without a run after which a page is at rest: longer than between two polls of what is waited for."""
_AGAIN = 15
"""Seconds after which an action was lost if nothing came of it."""
_NUMBERS = itertools.count()


def rest(page: Page) -> None:
    """Wait until the script has run to its end and stays there."""
    page.wait_for_function(
        """([number, quiet]) => {
          const now = performance.now();
          const running = document.querySelector('.stApp')?.dataset.testScriptState !== 'notRunning';
          if (running || window.resting?.number !== number) window.resting = { number, since: now };
          return !running && now - window.resting.since >= quiet;
        }""",
        arg=[next(_NUMBERS), _QUIET],
        polling=50,
        timeout=WAIT,
    )


def eventually(page: Page, holds: Callable[[], object], otherwise: Callable[[], str] | None = None) -> None:
    """Wait until this is so.

    Args:
        page: goes on while this waits.
        holds: looks at it; what is being replaced while it looks is looked at again.
        otherwise: says what was found instead.
    """
    assert _comes(page, holds, WAIT / 1000), otherwise() if otherwise else f"It never came, at {page.url}"


def act(page: Page, action: Callable[[], object], effect: Callable[[], object]) -> None:
    """Do this until its effect is there: for what may be done twice without harm."""
    for attempt in range(5):
        rest(page)
        if attempt and _comes(page, effect, 0):
            return
        action()
        if _comes(page, effect, _AGAIN):
            return
    eventually(page, effect)


def downloaded(page: Page, button: Locator) -> tuple[str, bytes]:
    """Name and content of what this button downloads."""
    got = []
    page.once("download", lambda download: got.append(download))
    act(page, button.click, lambda: got)
    return got[0].suggested_filename, Path(got[0].path()).read_bytes()


def shows(what: Locator) -> Callable[[], bool]:
    """For `act` and `eventually`: whether this can be seen."""
    return lambda: what.first.is_visible()


def _comes(page: Page, holds: Callable[[], object], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return True
        except Error:
            pass  # replaced, or the page was left, while it was being looked at
        if time.monotonic() > end:
            return False
        page.wait_for_timeout(50)
