"""Driving the app without a browser: open it at an address, wait until it rests, read what it says."""

import time
from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from components import session

ROOT = Path(__file__).resolve().parent.parent.parent
LONG = 300
"""Seconds after which a wait has failed; on a quiet machine nothing takes a hundredth of it."""


def addressed(**address: str) -> AppTest:
    """The app at an address; nothing has run yet."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=LONG)
    for name, value in address.items():
        app.query_params[name] = value
    return app


def linked(path: str, **address: str) -> AppTest:
    """The app at the address of one of its pages; nothing has run yet, and no other page will.

    `AppTest.switch_page` finds a page by the address that `app.py` gives it only after a run, which would be one of
    the first page with all that it computes.
    """
    app = addressed(**address)
    app._page_hash = calc_hash(path)
    return app


def once(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, app.exception
    return app


def settled(app: AppTest) -> AppTest:
    """Run until nothing is computed any more, as the page's own polling would."""
    end, pause = time.monotonic() + LONG, 0.02
    while time.monotonic() < end:
        once(app)
        if not app.session_state["polling"]:
            return app
        time.sleep(pause)
        pause = min(2 * pause, 0.5)  # what takes long is not slowed down by runs that only look
    raise AssertionError("The page never came to rest.")


def runs_until(app: AppTest, condition: Callable[[AppTest], bool]) -> AppTest:
    """Run until this holds, whatever still goes on; looks before the first run."""
    end = time.monotonic() + LONG
    while not condition(app):
        assert time.monotonic() < end, "The page never came to it."
        time.sleep(0.05)
        once(app)
    return app


def view(app: AppTest) -> session.View:
    return app.session_state["view"]


def said(app: AppTest) -> str:
    return " ".join(each.value for each in [*app.markdown, *app.caption, *app.warning, *app.error, *app.info])


def labelled(app: AppTest, label: str):
    """The button with this label."""
    return next(each for each in app.button if each.label == label)
