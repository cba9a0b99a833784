"""The page Geometry from `app.py` on a toy: curves beside their controls, looked into, compared, refused well."""

import json
import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest

from analysis import AnalysisError, load
from analysis.corpora import from_plain_text, of_labelled
from analysis.data.labelled_sets import labelled_set
from analysis.edits import Variant
from analysis.geometry import measures
from analysis.geometry.cloud import standard_normal
from analysis.geometry.measure import Found, Measure
from analysis.geometry.views import read_views
from analysis.knobs import knob, switch
from analysis.methods.geometry import measured, of_run, read, shipped_text
from analysis.models.untrained import untrained
from analysis.results import Bounds
from components import other_model
from components.geometry import requests
from components.shelf import Shelf
from tests.pages.driven import labelled, linked, once, runs_until, said, settled, view

TOY = "toy:random"
LINK = {"model": TOY, "prompt": "the sea is deep and the sky is blue", "lens": "logit"}
SMALL = "most=16&length=32&question=kept"
RECIPE = "preset.sea*add*0.3*1-2*all"
LINES = "\n".join(
    f"the {thing} is {how}" for thing in ("sea", "sky", "boat") for how in ("deep", "wide", "calm")
)


@dataclass(frozen=True)
class Turned:
    """What can be turned in the measure of these tests."""

    times: float = knob(1.0, 0.5, 4.0, 0.5, "Times", "Multiplies.")
    squared: bool = switch(False, "Squared", "Squares.")


def norm(cloud, layer, params):
    norms = np.linalg.norm(cloud.at(layer), axis=1) * np.float32(params.times)
    norms = norms**2 if params.squared else norms
    return Found(float(norms.mean()), norms.astype(np.float32), {"points": float(len(norms))})


def breaks(cloud, layer, params):
    raise ZeroDivisionError("planted")


def apart(views, layer, params):
    return Found(float(np.ptp(views.at(layer))))


def row(id: str, at, **more) -> Measure:
    told = {
        "meaning": f"What {id} means.",
        "formula": "mean ||h||",
        "source": "These tests, 2025.",
        "unit": "lengths",
    }
    told |= {"misleads_when": "it is planted.", "bounds": Bounds(None, None), "question": "kept"}
    return Measure(id=id, title=f"Planted {id}", at=at, **(told | more))


NORM = row("norm", norm, params=Turned, per_point="length of the state")
PLANTED = (
    NORM,
    row("never", norm, params=Turned, needs=lambda cloud, params: "It needs a million tokens. Add texts."),
    row("broken", breaks),
    row("apart", apart, reads="views"),
)


@pytest.fixture(autouse=True)
def known_measures(monkeypatch):
    """Measures whose values are known, so that what is tested is the page."""
    monkeypatch.setattr(measures, "MEASURES", PLANTED)


def opened(choice: str = SMALL, **address):
    return once(linked("geometry", **(LINK | address), geometry=choice))


def drawn(choice: str = SMALL, **address):
    return settled(opened(choice, **address))


def found(app, subject: str, measure: str = "norm"):
    """What the page has found of a subject."""
    plan = app.session_state["geometry_plan"][1]
    wanted = next(each for each in plan.wanted if (each.subject.id, each.measure.id) == (subject, measure))
    return plan.of(wanted)


def subjects(app) -> set[str]:
    return {each.subject.id for each in app.session_state["geometry_plan"][1].wanted}


def lines(app, number: int = 0) -> list[dict]:
    """The traces of a figure."""
    return json.loads(app.get("plotly_chart")[number].proto.spec)["data"]


def plainly(app) -> str:
    return said(app).replace("\\", "")


def cloud(**settings):
    return read(load(TOY), shipped_text(), **({"most": 16, "length": 32} | settings))


def values(given, model=None, params=None):
    return measured(model or load(TOY), given, NORM, params).values


def test_the_curve_and_its_controls_are_those_of_the_analysis():
    app = drawn()
    assert np.array_equal(found(app, "base").values, values(cloud()))
    assert np.array_equal(found(app, "shuffled 1").values, values(cloud(deal=0)))
    assert np.array_equal(found(app, "shuffled 2").values, values(cloud(deal=1)))
    assert np.array_equal(found(app, "gaussian").values, values(standard_normal(cloud(), 0)))
    other = untrained(load(TOY), 0)
    again = values(read(other, shipped_text(), most=16, length=32))
    assert np.array_equal(found(app, "random").values, again)
    other.close()
    assert "random weights" in found(app, "random").curve.provenance.model
    assert found(app, "base").curve.provenance.model == load(TOY).title


def test_a_measure_of_views_has_its_own_texts_and_controls():
    app = drawn()
    views = read_views(load(TOY), shipped_text(), most=16, length=32)
    own = measured(load(TOY), views, PLANTED[3])
    assert np.array_equal(found(app, "base", "apart").values, own.values)
    assert {"gaussian", "shuffled 1", "random"} <= subjects(app)
    assert np.isfinite(found(app, "gaussian", "apart").values).all()


def test_the_figure_draws_the_curve_over_its_band():
    app = drawn()
    traces = lines(app)
    shown = next(each for each in traces if each.get("name") == "Ordinary text")
    assert shown["mode"] == "lines+markers" and list(shown["x"]) == [0, 1, 2, 3]
    assert any(each.get("fill") == "tonexty" for each in traces)
    assert "N " in shown["customdata"][0] and "points: " in shown["customdata"][0]


def test_controls_can_be_turned_off_and_nothing_of_them_is_computed():
    app = drawn(f"{SMALL}&shuffles=0&random=0&gaussian=0")
    assert subjects(app) == {"base"}
    assert not any(each.get("fill") == "tonexty" for each in lines(app))


@pytest.mark.parametrize(
    "choice, settings",
    [
        ("stride=2", {"layers": (0, 2, 3)}),
        ("tokens=words&outliers=1", {"tokens": "words", "outliers": True}),
        ("tokens=last", {"tokens": "last"}),
    ],
)
def test_a_link_measures_the_same(choice, settings):
    app = drawn(f"{SMALL}&shuffles=0&random=0&{choice}")
    assert np.array_equal(found(app, "base").values, values(cloud(**settings)))


def test_what_was_left_out_is_counted():
    assert f"left out: {cloud().left_out_in_words()}" in plainly(drawn())


def test_what_cannot_be_measured_is_said_quietly_and_the_others_stand():
    app = drawn()
    assert "It needs a million tokens. Add texts." in plainly(app)
    assert "failed unexpectedly (ZeroDivisionError)" in plainly(app)
    assert not app.warning and not app.error
    assert len(app.get("plotly_chart")) == 2


def test_controls_of_what_cannot_be_measured_are_not_computed(monkeypatch):
    looked = []
    needs = lambda given, params: looked.append(given.name) or "No."  # noqa: E731
    monkeypatch.setattr(measures, "MEASURES", (replace(NORM, needs=needs),))
    drawn()
    assert looked == ["Ordinary text"]


def test_the_answer_is_computed_from_the_curve():
    app = drawn()
    base = found(app, "base").values
    assert f"Planted norm: from {base[0]:.3g} at layer 0 to {base[3]:.3g} at layer 3" in plainly(app)
    assert "what shuffled tokens give there" in plainly(app)


def test_knobs_are_turned_by_link_and_by_hand():
    app = drawn(f"{SMALL}&knob.norm.times=2.0&knob.norm.unknown=3.0&knob.other.k=1.0&knob.never.times=99.0")
    assert np.allclose(found(app, "base").values, 2 * values(cloud()))
    app.slider(key="geometry_knob_norm_times").set_value(3.0)
    settled(app)
    assert dict(view(app).geometry.knobs)["norm.times"] == 3.0
    assert np.allclose(found(app, "base").values, 3 * values(cloud()))
    app.button(key="geometry_reset_norm").click()
    settled(app)
    assert np.array_equal(found(app, "base").values, values(cloud()))


def test_a_card_is_looked_into_at_the_cursor_s_layer():
    app = drawn(layer="2")
    app.button(key="geometry_open_norm").click()
    settled(app)
    assert view(app).geometry.open == "norm" and "at layer 2" in plainly(app)
    app.button(key="geometry_layer_up").click()
    settled(app)
    assert view(app).layer == 3
    app.button(key="geometry_open_norm").click()
    settled(app)
    assert view(app).geometry.open == ""


def test_the_slider_moves_every_card():
    app = drawn()
    app.slider(key="layer_slider").set_value(3)
    settled(app)
    assert f"**{found(app, 'base').values[3]:.4g}** at layer 3" in plainly(app)
    assert f"**{found(app, 'base', 'apart').values[3]:.4g}** at layer 3" in plainly(app)


def test_the_prompt_is_measured_as_it_ran_and_its_tokens_are_coloured():
    app = drawn(f"{SMALL}&data=prompt&shuffles=1")
    model = load(TOY)
    tokens = model.tokenize(LINK["prompt"])
    own = of_run(model, model.run(tokens))
    assert np.array_equal(found(app, "base").values, values(own))
    assert "length of the state" in plainly(app)
    assert "noisy copies of many texts" in plainly(app)
    assert not np.array_equal(found(app, "shuffled 1").values, found(app, "base").values)


def test_the_prompt_is_compared_with_the_texts():
    app = drawn(f"{SMALL}&against=prompt&shuffles=0&random=0")
    model = load(TOY)
    own = of_run(model, model.run(model.tokenize(LINK["prompt"])))
    assert np.array_equal(found(app, "compared").values, values(own))


def test_other_texts_are_compared():
    app = drawn(f"{SMALL}&against=texts&other=days&shuffles=0&random=0")
    corpus = of_labelled(labelled_set("days"))
    own = values(read(load(TOY), corpus, most=16, length=32))
    assert np.array_equal(found(app, "compared").values, own)
    assert corpus.name in [each.get("name") for each in lines(app)]


def test_another_model_is_compared_and_one_that_does_not_open_is_said(monkeypatch):
    shelf = Shelf()
    monkeypatch.setattr(other_model, "shelf", lambda: shelf)
    app = drawn(f"{SMALL}&against=model&other=toy:planted&shuffles=0&random=0")
    planted = load("toy:planted")
    own = values(read(planted, shipped_text(), most=16, length=32), planted)
    assert np.array_equal(found(app, "compared").values, own)
    app = drawn(f"{SMALL}&against=model&other=/no/such/folder&shuffles=0&random=0")
    assert "/no/such/folder was not opened" in plainly(app) and "compared" not in subjects(app)
    assert np.array_equal(found(app, "base").values, values(cloud()))


def test_the_recipe_is_compared(monkeypatch):
    app = drawn(f"{SMALL}&against=recipe&shuffles=0&random=0", recipe=RECIPE)
    assert subjects(app) >= {"edited"}
    base, edited = found(app, "base").values, found(app, "edited").values
    assert base[0] == edited[0] and not np.array_equal(base, edited)


def test_where_nothing_is_changed_ways_to_begin_are_offered():
    app = drawn(f"{SMALL}&against=recipe&shuffles=0&random=0")
    assert "Nothing is changed yet" in plainly(app) and "edited" not in subjects(app)
    app.button(key="geometry preset sea").click()
    settled(app)
    assert "edited" in subjects(app)


def test_curves_come_one_by_one_and_can_be_paused(monkeypatch):
    gate, real = threading.Event(), requests.taken

    def slow(subject, reads, imitated, report):
        if subject.id != "base":
            while not gate.wait(0.05):
                report("Reading", 0, 1)
        return real(subject, reads, imitated, report)

    monkeypatch.setattr(requests, "taken", slow)
    app = opened()
    runs_until(app, lambda app: len(app.get("plotly_chart")) == 2)
    assert (
        found(app, "gaussian") is None and "more is being measured" in app.get("plotly_chart")[0].proto.spec
    )
    labelled(app, "Pause").click()
    settled(app)
    assert "Paused." in plainly(app) and len(app.get("plotly_chart")) == 2
    gate.set()
    labelled(app, "Go on").click()
    settled(app)
    assert found(app, "random") is not None and "Paused." not in plainly(app)


def test_what_could_not_be_read_is_said_and_tried_again(monkeypatch):
    real, tries = requests.taken, []

    def once_full(subject, reads, imitated, report):
        tries.append(subject.id)
        if subject.id == "random" and tries.count("random") == 1:
            raise AnalysisError("There is no memory for a second model.")
        return real(subject, reads, imitated, report)

    monkeypatch.setattr(requests, "taken", once_full)
    app = drawn()
    assert "Random weights: There is no memory for a second model." in plainly(app)
    assert np.array_equal(found(app, "base").values, values(cloud()))
    labelled(app, "Try again").click()
    settled(app)
    assert np.isfinite(found(app, "random").values).all() and "no memory" not in plainly(app)


def test_texts_are_written_on_the_page():
    app = drawn(f"{SMALL}&data=written")
    assert "Press Ctrl+Enter" in plainly(app) and not app.get("plotly_chart")
    app.text_area(key="corpus_draft").set_value(LINES)
    settled(app)
    own = read(load(TOY), from_plain_text(LINES), length=32)
    assert np.array_equal(found(app, "base").values, values(own))


def test_a_file_brought_on_one_page_is_there_on_the_other():
    app = drawn(f"{SMALL}&data=own&shuffles=0&random=0")
    app.file_uploader(key="corpus_upload").set_value(("nine.txt", LINES.encode(), "text/plain"))
    settled(app)
    assert found(app, "base").count > 50
    app.session_state["view"] = replace(view(app), corpus=replace(view(app).corpus, data="own", spot="last"))
    app.switch_page("pages/map/corpus.py")
    settled(app)
    assert "In use: nine.txt, 9 texts." in plainly(app) and "9 points from 9 texts" in plainly(app)


def test_a_link_that_names_nothing_known_falls_back():
    app = drawn("data=nowhere&question=nothing&open=nothing&tint=nothing&against=texts&other=nowhere&most=16")
    assert view(app).geometry.data == "ordinary" and app.get("plotly_chart")


@pytest.mark.parametrize("question", measures.QUESTIONS)
def test_every_question_has_a_page(question):
    app = drawn(f"question={question}&most=16&length=32&shuffles=0&random=0")
    assert not app.exception


def test_the_code_runs_the_same_variant_as_the_page():
    """An edited run of a prompt is that of `Variant`."""
    app = drawn(f"{SMALL}&data=prompt&against=recipe&shuffles=0&random=0", recipe=RECIPE)
    model = load(TOY)
    plan = app.session_state["geometry_plan"][1]
    edits = next(each.subject.edits for each in plan.wanted if each.subject.id == "edited")
    trace = model.run(model.tokenize(LINK["prompt"]), variants=(Variant("edited", edits),))
    assert np.array_equal(found(app, "edited").values, values(of_run(model, trace)))
