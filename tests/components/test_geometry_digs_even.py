"""What opens the numbers of evenness, and the card about overlaps, on a page of their own."""

import time

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.dictionaries import shelf
from analysis.geometry.cloud import Cloud
from analysis.geometry.measures.even import EVEN
from analysis.geometry.superposition import overlaps, parts_of
from components.geometry import overlaps_card
from components.geometry.digs import even
from tests.planted import a_dictionary


@pytest.fixture(autouse=True)
def apart():
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def page() -> None:
    """One panel for one measure, of a run of the toy."""
    from types import SimpleNamespace

    import streamlit as st

    from analysis import load
    from analysis.geometry.measures.even import EVEN
    from analysis.methods.geometry import of_run
    from analysis.models.spec import ModelSpec
    from components.geometry.digging import Digging
    from components.geometry.digs.even import draw
    from components.geometry.overlaps_card import draw_overlaps
    from components.waiting import begin_run, draw_what_polls

    model = st.cache_resource(lambda: load(ModelSpec("toy:random")), show_spinner=False)()
    begin_run()
    if st.session_state.wanted == "overlaps":
        draw_overlaps(model)
    else:
        own = next(each for each in EVEN if each.id == st.session_state.wanted)
        cloud = of_run(
            model, model.run("<b>Where</b> `is` the *bank* of this river, and what lies behind it?")
        )
        measured = SimpleNamespace(measure=own, params=own.params(**st.session_state.turned))
        draw(
            Digging(
                model,
                measured,
                cloud,
                cloud,
                2,
                None,
                st.session_state.setdefault,
                st.session_state.setdefault,
            )
        )
    draw_what_polls()


def drawn(wanted: str, **turned: object) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60)
    app.session_state["wanted"], app.session_state["turned"] = wanted, turned
    for _ in range(100):
        app.run()
        assert not app.exception, app.exception
        if not app.session_state["polling"]:
            return app
        time.sleep(0.1)
    raise AssertionError("The page never came to rest.")


def said(app: AppTest) -> str:
    return " ".join(each.value for each in [*app.markdown, *app.caption, *app.warning])


@pytest.mark.parametrize("own", [each for each in EVEN if each.id != "hubness"], ids=lambda own: own.id)
def test_dimensions_open_every_measure_but_hubness(own):
    app = drawn(own.id)
    assert "layer 2" in said(app) and not app.warning
    (table,) = app.dataframe
    assert len(table.value) == even.LISTED
    assert table.value["behind the next norm"].between(0, 1).all()


def test_hubs_are_listed_with_their_texts():
    app = drawn("hubness", k=4)
    assert "largest hub is among the 4 nearest" in said(app)
    (table,) = app.dataframe
    counts = table.value["a neighbour of"].tolist()
    assert counts == sorted(counts, reverse=True) and counts[0] > 4
    tokens, contexts = table.value["token"], table.value["in its text"]
    assert all(f"[{token}]" in context for token, context in zip(tokens, contexts, strict=True))


def test_too_many_neighbours_are_refused_in_a_sentence():
    app = drawn("hubness", k=50)
    assert "50 neighbours of" in said(app).replace("\\", "")


def test_the_card_tells_the_overlap_of_both_matrices():
    app = drawn("overlaps")
    assert "times as much as random directions would" in said(app)
    (table,) = app.dataframe
    assert set(table.value["matrix"]) <= {"embedding", "unembedding"}
    assert not any("Dictionary of mine" in each for each in table.value["matrix"])
    assert (
        table.value["mean squared overlap"].astype(float) >= table.value["Welch bound"].astype(float)
    ).all()


def test_the_card_tells_the_overlap_of_a_dictionary_on_the_shelf(toy, tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))
    offer = shelf.keep(a_dictionary(toy), "Dictionary of mine")
    table = drawn("overlaps").dataframe[0].value
    own = table[table["matrix"] == offer.name]
    assert own["rows"].tolist() == [offer.features] * 2
    rows = shelf.open_dictionary(toy, offer.id).decoder
    assert own["mean squared overlap"].tolist()[0] == f"{overlaps(parts_of(rows)).mean_square:.4g}"


def test_the_sentence_of_the_card_by_hand():
    angles = np.pi * np.arange(5) / 5
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    raw, centred = overlaps(parts_of(rows)), overlaps(parts_of(rows), centred=True)
    found = {("unembedding", False): raw, ("unembedding", True): centred}
    told = overlaps_card.told(found, True)
    assert f"{raw.welch * 2:.1f} times as much as random" in told  # evenly spread lines reach the bound
    assert "one matrix" in told and "one matrix" not in overlaps_card.told(found, False)
    assert overlaps_card.table(found)["Welch bound"].tolist() == [f"{raw.welch:.4g}"] * 2


def test_a_token_stands_in_brackets_within_its_own_text():
    shown = tuple("abcdefghijklmnopqrst")
    cloud = Cloud(
        name="made up",
        layers=(0,),
        values=np.zeros((1, 20, 2), np.float32),
        rows=np.arange(20),
        text=np.repeat([0, 1], 10),
        position=np.tile(np.arange(10), 2),
        token=np.arange(20),
        shown=shown,
    )
    assert even.in_context(cloud, 0) == "[a]bcdefg"
    assert even.in_context(cloud, 9) == "defghi[j]"
    assert even.in_context(cloud, 12) == "kl[m]nopqrs"
