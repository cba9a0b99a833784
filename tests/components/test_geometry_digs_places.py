"""What opens the numbers of dimensions, of position and of convexity, each on a page of its own."""

import time

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.geometry.convexity import Convexity, Paths, shortest_paths
from analysis.geometry.measures.convex import CONVEX, Labelled, Scored
from analysis.geometry.measures.dimensions import DIMENSIONS
from analysis.geometry.measures.position import POSITION
from components.geometry.digs.convex import example
from components.geometry.digs.position import principal

ALL = tuple(each.id for each in (*DIMENSIONS, *POSITION, *CONVEX))


@pytest.fixture(autouse=True)
def apart():
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def page() -> None:
    """One panel for one measure, of texts of two classes in three layers; tokens hold markup."""
    from types import SimpleNamespace

    import numpy as np
    import streamlit as st

    from analysis.errors import AnalysisError
    from analysis.geometry.cloud import Cloud
    from analysis.geometry.measures.convex import CONVEX
    from analysis.geometry.measures.dimensions import DIMENSIONS
    from analysis.geometry.measures.position import POSITION
    from components.geometry.digging import Digging
    from components.geometry.digs import convex, dimensions, position
    from components.waiting import begin_run, draw_what_polls

    texts, length, width = 20, 15, 12
    random = np.random.default_rng(0)
    values = random.normal(size=(3, texts, length, width)) + np.sin(np.arange(length))[:, None]
    values[2] += (np.arange(texts) % 2)[:, None, None] * 3
    cloud = Cloud(
        "planted",
        (0, 2, 5),
        values.reshape(3, -1, width).astype(np.float32),
        np.arange(texts * length),
        np.repeat(np.arange(texts), length),
        np.tile(np.arange(1, length + 1), texts),
        np.zeros(texts * length, np.int64),
        ("<b>*a*`",) * (texts * length),
        tuple(f"<i>{i % 2}" for i in range(texts) for _ in range(length)),
        key="planted",
    )
    own = next(each for each in (*DIMENSIONS, *POSITION, *CONVEX) if each.id == st.session_state.wanted)
    params = own.params()
    per_point = np.full((3, len(cloud)), np.nan, np.float32)
    for row, layer in enumerate(cloud.layers):
        try:
            found = own.at(cloud, layer, params)
        except AnalysisError:
            continue
        if found.per_point is not None:
            per_point[row] = found.per_point
    measured = SimpleNamespace(
        measure=own, params=params, layers=cloud.layers, per_point=per_point if own.per_point else None
    )
    begin_run()
    draw = {"dimensions": dimensions, "position": position, "convex": convex}[own.question].draw
    keep = st.session_state.setdefault
    draw(Digging(None, measured, cloud, cloud, st.session_state.layer, st.session_state.point, keep, keep))
    draw_what_polls()


def drawn(wanted: str, layer: int = 5, point: int | None = None) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    app.session_state.wanted, app.session_state.layer, app.session_state.point = wanted, layer, point
    app.run()
    for _ in range(40):
        if app.get("plotly_chart"):
            break
        time.sleep(0.2)
        app.run()
    assert not app.exception, app.exception[0].message
    assert not app.warning, app.warning[0].value
    return app


@pytest.mark.parametrize("id", ALL)
def test_every_measure_can_be_looked_into(id):
    app = drawn(id)
    expected = 4 if id in {each.id for each in POSITION} else 2 if id in ("twonn", "gride", "mle") else 1
    assert len(app.get("plotly_chart")) == expected
    assert all(chart.proto.alt for chart in app.get("plotly_chart"))


def test_the_lowest_layer_has_no_step_and_still_opens():
    app = drawn("neighbourhood_overlap", layer=0, point=3)
    assert list(app.dataframe[0].value.columns) == ["layer 0"]


def test_neighbours_of_the_chosen_token_stand_beside_those_of_the_layer_below():
    app = drawn("neighbourhood_overlap", point=40)
    table = app.dataframe[0].value
    assert list(table.columns) == ["layer 5", "kept", "layer 2"] and len(table) == 10
    assert table["layer 5"].str.endswith("‹<b>*a*`›").all()
    assert "**Tokens with the lowest" in app.markdown[-1].value


def test_a_way_between_two_of_a_class_is_listed_for_each_class():
    app = drawn("graph_convexity", layer=0)
    app.selectbox[0].select("<i>1").run()
    table = app.dataframe[0].value
    assert table["class"].iloc[0] == table["class"].iloc[-1] == "<i>1"
    assert not table["of the class"].all()


def test_principal_axes_of_a_circle_are_two_and_always_the_same():
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.pad(np.stack([np.cos(angle), 0.9 * np.sin(angle)], 1), ((0, 0), (0, 5)))
    path, carried = principal(circle)
    assert carried[:2].sum() == pytest.approx(1) and carried[0] > carried[1]
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), np.linalg.norm(circle, axis=1))
    np.testing.assert_allclose(principal(-circle)[0][:, :2], path[:, :2], atol=1e-9)


def test_the_way_shown_is_the_worst_or_the_longest():
    """Points 0 to 6 in a row of classes 0 0 0 0 1 0 0."""
    near = np.array([[1], [0], [1], [2], [3], [4], [5]])
    paths: Paths = shortest_paths(near, np.ones((7, 1)), np.arange(7))
    own = np.array([0, 0, 0, 0, 1, 0, 0])
    among = Labelled(np.arange(7), own, ("a", "b"), np.array([0, 1]))
    pairs = np.array([[0, 3], [3, 5], [0, 1]])
    found = Convexity(pairs, np.array([1.0, 0, 1]), 1.0)
    over = Scored(among, found, found, own)
    assert example(over, paths, 0, "worst") == (3, 4, 5)
    assert example(over, paths, 0, "longest") == (0, 1, 2, 3)
