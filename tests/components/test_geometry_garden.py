"""Two sentences beside each other, on a page of their own."""

import time

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.data.garden_paths import garden_paths
from analysis.geometry.garden_path import garden_path
from components.geometry.garden import OWN, answer_of
from components.geometry.garden_take_away import table

PAIR = garden_paths().pairs[0]


@pytest.fixture(autouse=True, scope="module")
def apart():
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def found(toy):
    return garden_path(toy, PAIR.ambiguous, PAIR.control)


def page() -> None:
    import streamlit as st

    from analysis import load
    from analysis.models.spec import ModelSpec
    from components import session
    from components.frame import Frame
    from components.geometry.garden import draw_garden
    from components.waiting import begin_run, draw_what_polls

    model = st.cache_resource(lambda: load(ModelSpec("toy:random")), show_spinner=False)()
    begin_run()
    draw_garden(Frame(model, model.tokenize("The sea"), 0, session.view().layer))
    draw_what_polls()


def rest(app: AppTest) -> AppTest:
    for _ in range(100):
        app.run()
        assert not app.exception, app.exception
        if not app.session_state["polling"]:
            return app
        time.sleep(0.1)
    raise AssertionError("The page never came to rest.")


def said(app: AppTest) -> str:
    return " ".join(each.value for each in [*app.markdown, *app.caption, *app.warning])


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(page, default_timeout=60)


def test_a_shipped_pair_is_drawn_and_answered(app, found):
    rest(app)
    assert answer_of(found, "manhattan", PAIR.word) == app.markdown[0].value
    assert len(app.get("plotly_chart")) == 3
    assert "neutral words" in said(app) and not app.warning
    layers, pairs = found.distances["cosine"].values.shape
    assert len(app.dataframe[0].value) == layers * pairs


def test_the_distance_can_be_changed(app, found):
    rest(app)
    app.segmented_control(key="geometry_garden_distance").set_value("cosine")
    rest(app)
    assert answer_of(found, "cosine", PAIR.word) == app.markdown[0].value


def test_every_shipped_pair_can_be_chosen(app):
    rest(app)
    for option in app.selectbox(key="geometry_garden_pair").options[1:-1:4]:
        app.selectbox(key="geometry_garden_pair").set_value(option)
        rest(app)
        assert "farthest apart" in said(app) and not app.warning


def test_ones_own_sentences_are_read_and_those_that_cannot_be_compared_are_refused(app):
    rest(app)
    app.selectbox(key="geometry_garden_pair").set_value(OWN)
    rest(app)
    assert "Write both sentences" in said(app) and not app.get("plotly_chart")
    app.text_area(key="geometry_garden_first").set_value("<b>One</b> `of` them left.")
    app.text_area(key="geometry_garden_second").set_value("<b>One</b> `of` all them left.")
    rest(app)
    assert "farthest apart" in said(app) and len(app.get("plotly_chart")) == 3
    app.text_area(key="geometry_garden_second").set_value("<b>One</b> `of` them left.")
    rest(app)
    assert "Both sentences are the same" in said(app) and not app.get("plotly_chart")


def test_the_code_computes_what_is_drawn(app, found):
    rest(app)
    code = app.code[0].value
    assert repr(PAIR.ambiguous) in code and repr(PAIR.control) in code
    compile(code, "snippet", "exec")


# the answer


def test_the_answer_names_the_peak_and_compares_it_with_the_controls(found):
    layer, pair = found.peak("manhattan")
    answer = answer_of(found, "manhattan", "")
    assert f"at layer {layer}" in answer
    low, high = (edge[layer, pair] for edge in found.band("manhattan"))
    value = found.distances["manhattan"].values[layer, pair]
    verdict = "more than any" if value > high else "no more than" if value >= low else "less than"
    assert verdict in answer and f"{low:.3g} to {high:.3g}" in answer
    assert "where the sentence turns" not in answer
    assert "where the sentence turns" in answer_of(found, "manhattan", PAIR.word)


def test_the_table_holds_every_number(found):
    rows = table(found)
    layer, pair = found.peak("cosine")
    row = rows[(rows["layer"] == layer) & (rows["position"] == found.pairs[pair, 0])].iloc[0]
    assert row["cosine"] == found.distances["cosine"].values[layer, pair]
    assert row["manhattan_neutral_high"] == found.band("manhattan")[1][layer, pair]
    assert row["surprisal_bits_in_control"] == found.surprisal[1][found.pairs[pair, 1]]
    assert row["step"] == found.steps[0].values[layer, found.pairs[pair, 0]]
    assert row["model"].startswith("toy") and "Jurayj" in row["source"]
