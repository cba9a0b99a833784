"""The corpus page from `app.py` on a toy: texts are read and drawn, asked about, taken away, and refused well."""

import io
import threading
from contextlib import redirect_stdout

import numpy as np
import pytest

from analysis import library, load
from analysis.captures import capture
from analysis.corpora import from_plain_text
from analysis.geometry.measures import measure
from analysis.groups.neighbours import nearest
from analysis.maps.outliers import sinks
from analysis.methods.corpus_map import corpus_map
from analysis.methods.geometry import measured, read
from analysis.points import points
from components.corpus_map import requests
from components.corpus_map.reading import Read
from components.corpus_map.shown import SELECTED
from components.corpus_map.take_away import table
from tests.pages.driven import labelled, linked, once, runs_until, said, settled, view

TOY = "toy:random"
LINES = tuple(f"the {thing} is {how}" for thing in ("sea", "sky", "old boat", "river") for how in (
    "deep", "wide and blue", "calm", "grey", "far away", "cold", "near", "quiet tonight"
))  # fmt: skip
TEXT = "\n".join(LINES)
LINK = {"model": TOY, "prompt": "the sea is deep", "lens": "logit"}


@pytest.fixture(autouse=True)
def cold(monkeypatch):
    """No process is started for projections that no test asks for."""
    monkeypatch.setattr(requests, "warm", lambda: None)


def opened(choice: str = "data=written&spot=last", text: str = TEXT):
    app = settled(linked("corpus", **LINK, corpus=choice))
    app.text_area(key="corpus_draft").set_value(text)
    return settled(app)


def drawn(choice: str = "data=written&spot=last", text: str = TEXT):
    app = opened(choice, text)
    labelled(app, "Read and draw").click()
    return settled(app)


def shown(app):
    return app.session_state["corpus_data"][0]


def expected(spot: str = "last", *how, first: bool = False, **settings):
    """The map as the analysis draws it, with the states it is of."""
    model, corpus = load(TOY), from_plain_text(TEXT)
    states = capture(model, corpus, spot)
    norms = np.stack([np.linalg.norm(states.at(layer), axis=1) for layer in states.layers])
    outside = sinks(points(model, corpus, spot)["position"].to_numpy(), norms)
    rows = np.arange(len(corpus)) if first else np.flatnonzero(~outside)
    return corpus_map(model, states, *how, rows=rows, **settings), states


def test_before_anything_is_read_it_says_what_reading_takes():
    app = opened()
    assert "32 points from 32 texts" in said(app) and "corpus_data" not in app.session_state


def test_the_picture_is_that_of_the_analysis():
    app = drawn()
    own, _ = expected()
    assert np.array_equal(shown(app).frames, own.cloud.coordinates)
    assert shown(app).trails == "chosen" and shown(app).labels[0] == LINES[0]
    assert own.summary() in said(app)


@pytest.mark.parametrize(
    "how, settings",
    [
        ("projection=pooled", {"projection": "pooled"}),
        ("axes=3&scale=raw", {"n_axes": 3, "scale": "raw"}),
        ("twin=gaussian&seed=3", {"twin": "gaussian", "seed": 3}),
        ("first=1&spot=mean", {"first": True, "spot": "mean"}),
    ],
)
def test_a_link_draws_the_same_map(how, settings):
    app = drawn(f"data=written&{how}")
    settings = dict(settings)
    spot, kind = settings.pop("spot", "last"), settings.pop("projection", "pca")
    assert np.array_equal(shown(app).frames, expected(spot, kind, **settings)[0].cloud.coordinates)


def test_it_says_how_far_to_trust_the_layer_that_is_looked_at():
    app = drawn()
    app.slider(key="layer_slider").set_value(2)
    settled(app)
    quality = expected()[0].quality_at(2)
    assert f"Trustworthiness {quality.trustworthiness:.2f}" in said(app)
    assert f"it keeps {quality.kept:.0%} (chance {quality.kept_by_chance:.0%})" in said(app)


def test_a_chosen_point_shows_its_neighbours_in_the_full_space():
    app = drawn("data=written&spot=last&point=4")
    _, states = expected()
    found = nearest(states.at(1), (4,), 10)
    distances = next(each.value for each in app.dataframe if "distance" in each.value)["distance"]
    assert distances.tolist() == pytest.approx(found.distances.tolist())


def test_a_search_makes_a_group_and_the_group_a_direction():
    app = drawn()
    app.text_input(key="corpus_search").set_value("river")
    settled(app)
    assert "8 of 32 points fit" in said(app) and "**8 points** of 8 texts, beside 24 others" in said(app)
    app.segmented_control(key="corpus_question").set_value("Direction")
    settled(app)
    labelled(app, "Keep it").click()
    settled(app)
    assert [entry.name for entry in library.entries()] == ["Chosen points"]


def test_a_group_caught_in_the_picture_is_asked_about():
    app = drawn()
    app.session_state[SELECTED] = expected()[1].key, (1, 2, 3, 9)
    settled(app)
    assert "**4 points** of 4 texts, beside 28 others" in said(app)


def test_a_group_of_other_texts_is_forgotten():
    app = drawn()
    app.session_state[SELECTED] = "other states", (1, 2, 3, 9)
    settled(app)
    assert "**4 points**" not in said(app)


def test_a_control_is_asked_nothing():
    app = drawn("data=written&spot=last&twin=dealt")
    assert "stand for no texts" in said(app)
    assert not [each for each in app.text_input if each.key == "corpus_search"]
    assert not np.array_equal(shown(app).frames, expected()[0].cloud.coordinates)


def test_a_control_of_dealt_tokens_is_named_and_measured_by_its_own_states():
    app = drawn("data=written&spot=last&twin=dealt&seed=2&color=norm&first=1")
    states = capture(load(TOY), from_plain_text(TEXT), "last", deal=2)
    norms = np.stack([np.linalg.norm(states.at(layer), axis=1) for layer in states.layers])
    assert np.allclose(shown(app).color.values, norms / np.median(norms, axis=1, keepdims=True))
    assert "of the random twin" in said(app)
    assert any("dealt anew among all places" in each.value.to_string() for each in app.dataframe)
    assert not shown(app).labels


def test_the_prompt_lies_on_its_own_text():
    app = drawn("data=written&spot=last&prompt=1")
    assert LINES[0] == LINK["prompt"]
    extra = shown(app).extra
    assert np.allclose(extra.frames[:, 0], shown(app).frames[:, 0], atol=1e-4)


def test_colours_follow_the_choice():
    app = settled(linked("corpus", **LINK, corpus="data=days&spot=last&asked=1"))
    assert set(shown(app).color.names) >= {"Monday", "Sunday"}
    for choice in ("norm", "moved", "distortion", "position", "score.random.0"):
        app.selectbox(key="corpus_color").set_value(choice)
        settled(app)
        assert view(app).corpus.color == choice and shown(app).color.title


def test_tokens_are_coloured_by_a_measure_of_each():
    app = drawn("data=written&spot=token&color=measure.block_influence&first=1")
    assert shown(app).color.title == "Block influence"
    model, corpus = load(TOY), from_plain_text(TEXT)
    cloud = read(model, corpus)
    own = measured(model, cloud, measure("block_influence")).per_point
    values = shown(app).color.values
    first = np.isnan(values[1])
    assert first.sum() == cloud.left_out and np.isnan(values[0]).all()
    assert np.allclose(values[1:, ~first], own[1:], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("choice", ["data=written&spot=last", "data=written&spot=token&twin=dealt"])
def test_points_that_are_no_tokens_of_the_texts_are_not_coloured_by_measures(choice):
    app = drawn(f"{choice}&color=measure.curvature")
    assert shown(app).color.title != "Curvature"


def test_a_measure_that_cannot_be_taken_of_these_tokens_says_why():
    app = drawn("data=written&spot=token&color=measure.graph_convexity")
    assert "at least two classes" in said(app)


@pytest.mark.parametrize(
    "more", ["", "&twin=gaussian&seed=2", "&twin=dealt&seed=2", "&spot=token&projection=pooled"]
)
def test_the_code_computes_the_same_map(more):
    choice = f"data=written&spot=last{more}"
    app = drawn(choice)
    app.segmented_control(key="corpus_part").set_value("Take it away")
    settled(app)
    code, heard = app.code[0].value, {}
    with redirect_stdout(io.StringIO()):
        exec(code, heard)
    assert np.array_equal(heard["drawn"].cloud.coordinates, shown(app).frames)


def test_the_table_has_every_point_at_every_layer_and_says_how_it_was_made():
    own, states = expected()
    corpus = from_plain_text(TEXT)
    read = Read(corpus, "last", states, points(load(TOY), corpus, "last"))
    rows = table(read, own, own.layers)
    assert len(rows) == len(own.layers) * len(own.rows)
    there = rows[(rows.layer == 2) & (rows.point == own.rows[3])].iloc[0]
    assert there.x == own.at(2)[3, 0] and there.text == LINES[own.rows[3]]
    assert "seed: 0" in there.settings and there.model


def test_something_is_drawn_while_the_rest_is_on_its_way(monkeypatch):
    gate, real = threading.Event(), requests.corpus_map

    def slow(*arguments, layers, report, **settings):
        if len(layers) > 1:
            while not gate.wait(0.05):
                report("Drawing", 0, 1)
        return real(*arguments, layers=layers, report=report, **settings)

    monkeypatch.setattr(requests, "corpus_map", slow)
    app = opened()
    labelled(app, "Read and draw").click()
    runs_until(once(app), lambda app: "corpus_data" in app.session_state)
    assert shown(app).layers == (1,) and "So far: PCA" in said(app)
    gate.set()
    settled(app)
    assert shown(app).layers == (0, 1, 2, 3) and "So far" not in said(app)


@pytest.mark.parametrize(
    "choice, text, sentence",
    [
        ("data=written&spot=last", "only one text", "A map needs 3 points"),
        ("data=written&spot=word&word=whale", TEXT, "whale' occurs in none"),
        ("data=written&spot=last", "same\nsame\nsame\nsame", "All points coincide"),
    ],
)
def test_what_cannot_be_drawn_is_said(choice, text, sentence):
    app = opened(choice, text)
    if asks := [each for each in app.button if each.label == "Read and draw"]:
        asks[0].click()
    settled(app)
    assert sentence in said(app).replace("\\", "")


def test_a_link_that_names_nothing_known_falls_back():
    app = settled(linked("corpus", **LINK, corpus="data=nothing&projection=magic&spot=nowhere&color=x"))
    assert view(app).corpus.data != "nothing" and not app.exception
