"""What opens bends, misses and costs, on a page of their own."""

import time

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.geometry.cloud import Cloud
from analysis.geometry.measures.straight import STRAIGHT
from components.geometry.digs import straight_tokens
from components.geometry.digs.straight_path import principal_path


@pytest.fixture(autouse=True, scope="module")
def apart():
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def page() -> None:
    """One panel for one measure, of a few texts in the toy."""
    import pandas as pd
    import streamlit as st

    from analysis import load
    from analysis.corpora import Corpus
    from analysis.geometry.measures.straight import STRAIGHT
    from analysis.geometry.skips import read_skips
    from analysis.methods.geometry import measured, read
    from analysis.models.spec import ModelSpec
    from components.geometry.digging import Digging
    from components.geometry.digs.straight import draw
    from components.waiting import begin_run, draw_what_polls

    @st.cache_resource(show_spinner=False)
    def given():
        model = load(ModelSpec("toy:random"))
        texts = (
            "<b>Where</b> `is` the *bank* of this river?",
            "The other one is not there.",
            "It is in the end.",
        )
        corpus = Corpus("c", "texts", texts, pd.DataFrame(index=range(3)))
        return model, read(model, corpus), read_skips(model, corpus)

    state = st.session_state
    model, cloud, skips = given()
    own = next(each for each in STRAIGHT if each.id == state.wanted)
    taken = skips if own.reads == "skips" else cloud
    found = measured(model, taken, own, own.params(**state.turned))
    begin_run()
    draw(Digging(model, found, taken, cloud, state.layer, state.point, print, print))
    draw_what_polls()


def drawn(wanted: str, layer: int = 2, point: int | None = None, **turned: object) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    for name, value in (("wanted", wanted), ("layer", layer), ("point", point), ("turned", turned)):
        app.session_state[name] = value
    for _ in range(100):
        app.run()
        assert not app.exception, app.exception
        if not app.session_state["polling"]:
            return app
        time.sleep(0.1)
    raise AssertionError("The page never came to rest.")


def said(app: AppTest) -> str:
    return " ".join(each.value for each in [*app.markdown, *app.caption, *app.warning])


@pytest.mark.parametrize("own", STRAIGHT, ids=lambda own: own.id)
def test_every_measure_opens(own):
    turned = {"fewest": 2} if own.id == "self_similarity" else {}
    app = drawn(own.id, point=5, **turned)
    assert said(app) and not app.warning
    assert app.get("plotly_chart") or app.dataframe


@pytest.mark.parametrize("own", STRAIGHT, ids=lambda own: own.id)
def test_the_lowest_layer_opens_too(own):
    turned = {"fewest": 2} if own.id == "self_similarity" else {}
    assert said(drawn(own.id, layer=1 if own.reads == "skips" else 0, **turned))


def test_the_path_is_that_of_the_chosen_tokens_text_and_of_others_if_asked():
    app = drawn("curvature", point=45)
    (table,) = app.dataframe
    assert "".join(table.value["token"]).endswith("other·one·is·not·there.")
    (text,) = app.segmented_control
    means = {}
    for name in (text.value, "the sharpest", "the straightest"):
        app.segmented_control[0].set_value(name).run()
        means[name] = app.dataframe[0].value["radians"].mean()
    assert means["the straightest"] <= means[text.value] <= means["the sharpest"]
    assert means["the straightest"] < means["the sharpest"]
    degrees, radians = (app.dataframe[0].value[each].dropna() for each in ("degrees", "radians"))
    np.testing.assert_allclose(degrees, np.degrees(radians))


def test_missed_tokens_are_listed_in_order_and_in_their_texts():
    most, least = (each.value for each in drawn("token_nonlinearity").dataframe)
    assert most["value"].is_monotonic_decreasing and least["value"].is_monotonic_increasing
    assert most["value"].min() > least["value"].max()
    assert all("«" in each for each in most["in its text"])


def test_the_cost_stands_beside_the_other_two():
    app = drawn("skip_cost")
    assert len(app.get("plotly_chart")) == 3 and "Rank correlation" in said(app)
    assert len(drawn("block_influence").get("plotly_chart")) == 2


# what is listed


def small() -> Cloud:
    token = np.array([1, 2, 1, 2, 1, 3, 2])
    return Cloud(
        "small", (0,), np.zeros((1, 7, 2), np.float32), np.arange(7), np.array([0, 0, 0, 0, 1, 1, 1]),
        np.array([1, 2, 3, 4, 1, 2, 3]), token, tuple("ababacb"),
    )  # fmt: skip


def test_a_token_is_shown_within_its_own_text():
    assert straight_tokens.around(small(), 1) == "a«b»ab"
    assert straight_tokens.around(small(), 4) == "«a»cb"


def test_the_ends_leave_out_what_is_not_known():
    most, least = straight_tokens.ends(np.array([3, np.nan, 1, 2, 7.0]), 2)
    assert most.tolist() == [4, 0] and least.tolist() == [2, 3]
    assert [each.tolist() for each in straight_tokens.ends(np.array([np.nan, 5.0]), 3)] == [[1], [1]]


def test_occurrences_of_a_token_are_taken_together():
    kinds = straight_tokens.by_kind(small(), np.array([1, 0, 2, 0, 6, 9, np.nan]))
    assert kinds.to_dict("records") == [{"token": "a", "occurrences": 3, "mean": 3.0}]


def test_a_path_in_a_plane_is_drawn_as_it_is(rng):
    plane = rng(0).normal(size=(9, 2))
    turn = np.linalg.qr(rng(1).normal(size=(7, 2)))[0]
    found, share = principal_path((plane @ turn.T + 4).astype(np.float32))
    assert share == pytest.approx(1, abs=1e-6)

    def apart(points):
        return np.linalg.norm(points[:, None] - points[None], axis=-1)

    np.testing.assert_allclose(apart(found), apart(plane), atol=1e-5)
    assert principal_path(np.ones((4, 3), np.float32))[1] == 0
