"""The panels of dictionaries without training and of the census: they run, say what was found, and lead on."""

from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis.data import corpus
from analysis.dictionaries import shelf
from analysis.dictionaries.census.census import KINDS, Census
from analysis.dictionaries.without_training.factors import Factors
from analysis.dictionaries.without_training.fitting import Fitted, Plan
from analysis.edits import Site
from analysis.results import Provenance
from components.features import census_card, factor_panel
from components.frame import Frame
from tests.pages.driven import labelled, said, settled, view

SHORT = corpus.documents()[:30]
FACTORS, CENSUS = "components.features.factor_panel.draw", "components.features.census_card.draw_census"


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path))
    monkeypatch.setattr(corpus, "documents", lambda: SHORT)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def panel(model, draw: str) -> AppTest:
    """A page that holds one panel."""

    def page():
        from importlib import import_module

        import streamlit as st

        from components import session
        from components.waiting import begin_run, draw_what_polls

        begin_run()
        session.view()
        module, _, name = st.session_state.panel.rpartition(".")
        getattr(import_module(module), name)(st.session_state.given)
        draw_what_polls()

    app = AppTest.from_function(page, default_timeout=120)
    app.session_state["panel"] = draw
    app.query_params["features"] = "also.census_tokens=5000&also.census=1.place"
    app.session_state["given"] = Frame(model, model.tokenize("the sea is deep"), 3, 2)
    return app


def plain_words(app: AppTest) -> str:
    return said(app).replace("\\", "")


def run_code(text: str, model) -> Fitted:
    """What the shown code makes with this model."""
    lines = ["model = given" if line.startswith("model = load(") else line for line in text.splitlines()]
    names = {"given": model}
    exec("\n".join(lines), names)
    return names["found"]


@pytest.mark.parametrize("way", ["pca", "ica", "snmf"])
def test_a_dictionary_is_fitted_judged_kept_and_opened(toy, way):
    app = panel(toy, FACTORS)
    app.query_params["features"] = f"also.fit.way={way}&also.fit.tokens=2000"
    settled(app)
    assert "to read them" in plain_words(app)
    labelled(app, "Fit it").click()
    settled(app)
    words = plain_words(app)
    assert "of the variance of held-out states" in words and "random directions" in words
    assert ("agree to" if way == "pca" else "come out again from") in words
    assert f"{run_code(app.code[0].value, toy).explained:.0%} of the variance of held-out states" in words
    labelled(app, "Keep it on the shelf").click()
    settled(app)
    (offer,) = [each for each in shelf.offered(toy) if each.origin == "kept"]
    assert offer.site == Site(2, "neurons")
    labelled(app, "Open it").click()
    settled(app)
    assert view(app).features.dictionary == offer.id and view(app).features.part == "prompt"
    assert shelf.open_dictionary(toy, offer.id).features == offer.features


def test_a_census_is_taken_on_request_and_a_neuron_of_it_opens(toy):
    app = settled(panel(toy, CENSUS))
    assert "runs about" in plain_words(app) and not app.get("plotly_chart")
    labelled(app, "Count the neurons").click()
    settled(app)
    assert f"Of {toy.n_layers * toy.n_neurons} neurons" in plain_words(app) and app.get("plotly_chart")
    assert (app.number_input(key="census_layer").value, app.selectbox(key="census_kind").value) == (
        1,
        "place",
    )
    app.selectbox(key="census_kind").set_value("other")
    settled(app)
    assert len(app.dataframe[0].value) <= toy.n_neurons and "neuron" in app.dataframe[0].value
    assert dict(view(app).features.also)["census"] == "1.other"


def test_what_was_counted_before_is_simply_there(toy):
    app = settled(panel(toy, CENSUS))
    labelled(app, "Count the neurons").click()
    settled(app)
    st.cache_resource.clear()
    assert settled(panel(toy, CENSUS)).get("plotly_chart")


def factors(**card) -> Factors:
    known = {"settled": True, "iterations": 40, "warning": ""}
    return Factors(
        "eight", Site(1), np.eye(8, 9, dtype=np.float32), np.zeros(9, np.float32), card=known | card
    )


def fitted(way="snmf", **figures) -> Fitted:
    numbers = {"explained": 0.6, "explained_fitted": 0.62, "principal": 0.7, "random": 0.1}
    numbers |= {"active": 3.25, "stable": 0.5, "tokens": 900} | figures
    return Fitted(factors(), Plan(way, Site(1), 8), **numbers)


def test_quality_stands_beside_its_controls():
    assert factor_panel.quality(fitted()) == (
        "It rebuilds 60% of the variance of held-out states; as many principal components rebuild 70%, as many random "
        "directions 10%."
    )
    assert factor_panel.trust(fitted()) == (
        "3.2 of 8 are active at a token. 50% come out again from another start (cosine above .9)."
    )


def test_nothing_is_said_of_a_good_fit_and_everything_of_a_bad_one():
    assert factor_panel.warnings(fitted()) == []
    bad = fitted(explained=0.05, explained_fitted=0.5)
    bad = replace(bad, dictionary=factors(settled=False))
    still, random, few = factor_panel.warnings(bad)
    assert "still falling after 40 iterations" in still
    assert "no more than random directions" in random and "too few tokens" in few


def a_census(rectified: bool, ids: tuple[int, ...] = (0, 1, 2, 3)) -> Census:
    kinds = np.array([[KINDS.index(kind) for kind in ("token", "phrase", "other", "silent")]] * 2, np.int8)
    triggers = np.full((2, 4, 5, 3), -1, np.int32)
    triggers[:, 0, 0, 2], triggers[:, 0, 1, 2] = ids[:2]
    triggers[:, 1, 0] = [-1, *ids[2:]]
    hits = np.zeros((2, 4, 5), np.int32)
    hits[:, 0, :2], hits[:, 1, 0] = [30, 10], 25
    rates = np.full((2, 4), 0.25, np.float32)
    return Census(
        kinds=kinds,
        shuffled=np.full_like(kinds, KINDS.index("other")),
        frequency=rates,
        coverage=rates.copy(),
        triggers=triggers,
        hits=hits,
        information=rates.copy(),
        rectified=rectified,
        tokens=1_234,
        provenance=Provenance("toy", "1", "float32", "census", "source", "misleads"),
    )


@pytest.mark.parametrize(("rectified", "off"), [(True, "2 dead"), (False, "2 never loud")])
def test_the_answer_counts_every_kind_beside_its_control(rectified, off):
    found = census_card.answer(a_census(rectified))
    assert found.startswith("Of 8 neurons over 1,234 tokens: 2 token detectors (shuffled 0)")
    assert "2 n-gram detectors (shuffled 0)" in found and off in found


def test_triggers_are_listed_as_tokens_with_their_peaks(toy):
    ids = tuple(map(toy.tokenizer.find, "a<of"))
    table = census_card.listed(toy, a_census(True, ids), 2, [0, 1, 2])
    assert table["peaks at"].tolist() == ["“a” 30, “<” 10", "“of” 25", ""]
    assert table["neuron"].tolist() == [0, 1, 2]
