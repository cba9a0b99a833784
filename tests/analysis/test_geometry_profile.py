"""Every curve of the default model is what it was, and what papers report is there or is not, as it was."""

import json

import numpy as np
import pytest

from analysis import load
from tests.analysis.write_geometry_profile import FILE, profile

KEPT = json.loads(FILE.read_text(encoding="utf-8"))
LOOSE = {"twonn": 0.05, "hubness": 0.1, "entropy_gain": 0.05, "outlier_dimensions": 0.3}
"""Relative room for measures that jump where rounding decides between neighbours or bins."""


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    model = load()
    with pytest.MonkeyPatch.context() as patch:  # the model lies in the usual place, its states need not
        patch.setenv("BATHYSCOPE_HOME", str(tmp_path_factory.mktemp("store")))
        yield profile(model)
    model.close()


def test_the_same_curves_exist(found):
    assert found.keys() == KEPT.keys()
    assert (found["tokens"], found["left out"]) == (KEPT["tokens"], KEPT["left out"])


@pytest.mark.parametrize("id", [id for id, curve in KEPT.items() if isinstance(curve, list)])
def test_a_curve_is_what_it_was(found, id):
    before, now = (np.array(each[id], float) for each in (KEPT, found))
    room = LOOSE.get(id, 0.01)
    assert np.allclose(before, now, rtol=room, atol=room * np.nanmax(np.abs(before)), equal_nan=True)


def test_the_shape_of_the_default_model_is_the_known_one():
    layers = [0, 1, 6, 12, 18, 24, 29, 30]
    at = {id: dict(zip(layers, curve, strict=True)) for id, curve in KEPT.items() if isinstance(curve, list)}
    # paths begin as those of tokens that know nothing of each other, and straighten
    assert at["curvature"][0] == pytest.approx(2 * np.pi / 3, abs=0.05) and at["curvature"][18] < 2.02
    # text joins the tokens' states with depth, and a few dimensions carry what all states share
    assert at["context_share"][0] < 0.05 < 0.15 < at["context_share"][24]
    assert at["outlier_dimensions"][18] <= 5 and at["mean_cosine"][18] > 0.4
