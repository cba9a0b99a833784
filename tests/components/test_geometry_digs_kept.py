"""The panels that open entropies, ranks, robustness and the head: they draw, and say what was measured."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from analysis.geometry.cloud import Cloud
from analysis.geometry.measures.kept import KEPT
from analysis.geometry.measures.robust import ROBUST
from analysis.geometry.views import Views
from analysis.methods.geometry import measured
from components.geometry.digging import Digging
from components.geometry.digs import kept, robust

MEASURES = {each.id: each for each in (*KEPT, *ROBUST)}


def drawn(panel: str, given: object) -> AppTest:
    """A page that holds one panel, run until nothing polls any more."""

    def page():
        from importlib import import_module

        import streamlit as st

        from components.waiting import begin_run, draw_what_polls

        begin_run()
        module, _, name = st.session_state.panel.rpartition(".")
        getattr(import_module(module), name)(st.session_state.given)
        draw_what_polls()

    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["panel"], app.session_state["given"] = panel, given
    for _ in range(100):
        app.run()
        assert not app.exception, app.exception
        if not app.session_state["polling"]:
            return app
    raise AssertionError("The panel never came to rest.")


def said(app: AppTest) -> str:
    return " ".join(each.value for each in [*app.markdown, *app.caption, *app.warning]).replace("\\", "")


def charts(app: AppTest) -> list:
    return [each.proto for each in app.get("plotly_chart")]


def cloud(states: np.ndarray, lengths: list[int]) -> Cloud:
    count = len(states)
    return Cloud(
        name="hand-made <b>",
        layers=(2, 5),
        values=np.stack([states, 2 * states]).astype(np.float32),
        rows=np.arange(count),
        text=np.repeat(np.arange(len(lengths)), lengths),
        position=np.concatenate([np.arange(1, length + 1) for length in lengths]),
        token=np.zeros(count, np.int64),
        shown=tuple(f"t{row}|" for row in range(count)),
        key=f"hand-made {count} {float(states.sum())}",
    )


def digging(model, id: str, given: object, of: Cloud, layer: int, chosen: list | None = None) -> Digging:
    choose = (chosen if chosen is not None else []).append
    return Digging(model, measured(model, given, MEASURES[id]), given, of, layer, None, choose, choose)


@pytest.fixture
def tokens(rng) -> Cloud:
    """Four texts: the first on one line, the last in all directions."""
    random = rng(0)
    line = np.outer(np.arange(1, 8), random.normal(size=30))
    return cloud(
        np.concatenate([line, random.normal(size=(7, 30)) + 2, random.normal(size=(14, 30))]), [7, 7, 7, 7]
    )


@pytest.mark.parametrize("id", [each.id for each in KEPT])
def test_every_measure_of_what_is_kept_opens_its_spectrum(toy, tokens, id):
    app = drawn("components.geometry.digs.kept.draw", digging(toy, id, tokens, tokens, 5))
    words = said(app)
    assert len(charts(app)) == 2
    assert "At layer 5 the first of 28 axes holds" in words and "28 standard normal points" in words
    assert len(app.dataframe) == id.startswith("prompt_entropy")


def test_texts_stand_from_the_lowest_entropy_to_the_highest(toy, tokens):
    app = drawn("components.geometry.digs.kept.draw", digging(toy, "prompt_entropy", tokens, tokens, 2))
    table = app.dataframe[0].value
    own = table["entropy of its text, in nats"].to_numpy()
    assert own[0] == pytest.approx(0, abs=1e-5) and own[0] < own[1] and own[2] >= own[3]
    assert table["text"][0].startswith("t0|t1|") and table["tokens"].tolist() == [7, 7, 7, 7]


def test_a_spectrum_says_how_many_axes_hold_its_variance(toy):
    """Four axes of variances 4, 1, 1 and 2: one holds half, all but one hold three quarters."""
    states = np.concatenate([np.diag([2, 1, 1, 2**0.5]), -np.diag([2, 1, 1, 2**0.5])])
    of = cloud(states, [4, 4])
    app = drawn("components.geometry.digs.kept.draw", digging(toy, "participation_ratio", of, of, 2))
    assert "the first of 4 axes holds 50% of the variance, 1 hold half and 4 hold 90 %" in said(app)
    assert kept._count(np.array([4.0, 2, 1, 1]), 0.7) == 2


def test_equal_states_have_no_spectrum_to_draw(toy, tokens):
    flat = cloud(np.ones((6, 30)), [3, 3])
    app = drawn("components.geometry.digs.kept.draw", digging(toy, "rankme", tokens, flat, 2))
    assert "All states are equal at layer 2" in said(app) and not charts(app)


def test_a_cloud_of_two_points_has_no_spectrum_to_draw(toy, tokens):
    few = cloud(np.eye(2, 30), [2])
    app = drawn("components.geometry.digs.kept.draw", digging(toy, "rankme", tokens, few, 2))
    assert "at least 3 tokens" in said(app)


@pytest.fixture
def views(rng) -> Views:
    """Nine texts whose copies stay near, and one whose copies part."""
    random = rng(1)
    states = random.normal(size=(10, 1, 40))
    values = states + 0.1 * random.normal(size=(10, 3, 40))
    values[6, 1] = -states[6, 0]
    examples = tuple(tuple(f"`t{row}` <i>copy</i> {copy}" for copy in range(3)) for row in range(10))
    return Views(
        "hand-made", (2, 5), np.stack([values, values]).astype(np.float32), "key", examples, ("o",) * 10, 3
    )


@pytest.mark.parametrize("id", [each.id for each in ROBUST])
def test_every_measure_of_robustness_opens_its_views(toy, tokens, views, id):
    app = drawn("components.geometry.digs.robust.draw", digging(toy, id, views, tokens, 5))
    words = said(app)
    assert len(charts(app)) == 2
    assert "10 texts, 3 copies each, mean states at layer 5" in words and "For 90% of texts" in words
    assert "3 texts do not count" in words
    assert app.dataframe[0].value["text"][0] == 6, "the least robust text stands first"
    assert "<i>copy</i>" in words and "`` `t0`" in words, "model text is shown as it is"


def test_a_layer_without_views_says_so(toy, tokens, views):
    dig = digging(toy, "infonce", views, tokens, 3)
    assert "Layer 3 was not read" in said(drawn("components.geometry.digs.robust.draw", dig))


def test_likeness_of_copies_is_the_share_of_characters_that_agree(views):
    assert robust._alike(views, 0) == pytest.approx(
        2 * (len(views.examples[0][0]) - 1) / (2 * len(views.examples[0][0]))
    )


def test_the_head_is_drawn_and_cut_on_request(toy):
    app = drawn("components.geometry.head_card.draw_head", toy)
    assert "22 numbers into scores for 283 words" in said(app) and len(charts(app)) == 1
    assert app.dataframe[0].value["matrix"].tolist()[:2] == ["unembedding", "random matrix of this shape"]
    app.button(key="geometry_head_ask").click()
    for _ in range(100):
        app.run()
        assert not app.exception, app.exception
        if not app.session_state["polling"]:
            break
    assert len(charts(app)) == 2 and "With all 22 directions the loss is" in said(app)
