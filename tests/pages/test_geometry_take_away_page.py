"""What the page Geometry hands out, from `app.py` on a toy: files, code that runs, and the profile of the model."""

import io
from contextlib import redirect_stdout

import pytest

from tests.pages.driven import linked, said, settled

TOY = "toy:random"
SMALL = "most=16&length=16&question=straight&shuffles=1&random=0"


def opened(choice: str = SMALL):
    app = settled(
        linked("geometry", model=TOY, prompt="the sea is deep and the sky is high", geometry=choice)
    )
    app.session_state["geometry_take_away"] = True  # the expander is open
    return settled(app)


def labels(app) -> set[str]:
    return {each.proto.label for each in app.get("download_button")}


@pytest.mark.parametrize("choice", [SMALL, f"{SMALL}&data=prompt", f"{SMALL}&stride=2&tokens=words"])
def test_files_and_code_are_handed_out_and_the_code_runs(choice):
    app = opened(choice)
    assert {"HTML", "CSV", "Parquet", "Tokens (Parquet)", "SVG"} <= labels(app)
    code = next(each.value for each in app.code if "measured(" in each.value)
    with redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    assert "curvature" in printed.getvalue() and "Gaussian" in printed.getvalue()


def test_the_profile_is_taken_when_it_is_asked_for(monkeypatch):
    monkeypatch.setattr("analysis.geometry.profiling.PROFILE", ("curvature", "linearity", "block_influence"))
    app = opened()
    assert "Profile (HTML)" not in labels(app)
    app.button(key="geometry_profile").click()
    settled(app)
    assert {"Profile (HTML)", "Profile (JSON)"} <= labels(app)
    assert "cannot tell" in said(app) and "Texts become straighter" in said(app)
