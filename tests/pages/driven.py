"""Driving the app without a browser: open it at an address, wait until it rests, read what it says."""

import time
from pathlib import Path

from streamlit.testing.v1 import AppTest

from components import session

ROOT = Path(__file__).resolve().parent.parent.parent


def addressed(**address: str) -> AppTest:
    """The app at an address; nothing has run yet."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in address.items():
        app.query_params[name] = value
    return app


def once(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception, app.exception
    return app


def settled(app: AppTest) -> AppTest:
    """Run until nothing is computed any more, as the page's own polling would."""
    for _ in range(80):
        once(app)
        if not app.session_state["polling"]:
            return app
        time.sleep(0.2)
    raise AssertionError("The page never came to rest.")


def view(app: AppTest) -> session.View:
    return app.session_state["view"]


def said(app: AppTest) -> str:
    return " ".join(each.value for each in [*app.markdown, *app.caption, *app.warning, *app.error, *app.info])


def labelled(app: AppTest, label: str):
    """The button with this label."""
    return next(each for each in app.button if each.label == label)
