"""The erase page from `app.py` on a toy: a concept is erased, certified, compared, kept and handed on."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from analysis import library, load, neutral
from analysis.background import background
from analysis.certificates.certify import certify
from analysis.data import labelled_sets
from analysis.erasers import ERASERS
from analysis.methods.erase import Plan, erase
from components.erasing import certificate, requests
from components.erasing.choices import able
from components.erasing.kept import code_of
from components.figures.certificate_html import certificate_html
from components.literal import plain
from components.probing import choices
from components.probing import requests as probing
from tests.pages.driven import labelled, linked, said, settled, view
from tests.pages.test_probe_page import LINK, TOY, small

AT = "leace*1-1*0*-*-*0"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    for module in (probing, requests):
        monkeypatch.setattr(module, "labelled_set", small)
    for module in (choices, certificate):
        monkeypatch.setattr(
            module, "labelled_sets", lambda: (small(), small("sentiment"), small("years", 60))
        )
    monkeypatch.setattr(certificate, "OTHERS", ("sentiment",))
    monkeypatch.setattr(neutral, "CONTEXTS", 1)


def opened(concept: str = "truth*last*logistic", how: str = AT, **more: str) -> AppTest:
    return settled(linked("erase", **LINK, probe=concept, erase=how, **more))


def erased(
    concept: str = "truth*last*logistic", how: str = AT, part: str | None = None, **more: str
) -> AppTest:
    app = opened(concept, how, **more)
    labelled(app, "Erase it").click()
    app = settled(app)
    if part is not None:
        app.segmented_control(key="erase_part").set_value(part)
        app = settled(app)
    return app


def test_before_anything_runs_it_says_what_will():
    app = opened()
    assert "Reads every example once" in said(app)
    assert not app.segmented_control


def test_what_was_fitted_and_what_it_changes_are_said():
    app = erased()
    fitted = erase(load(TOY), small(), Plan("leace", (1, 1)))
    assert plain(fitted.erasure.how) in said(app)
    assert "Rank 1" in said(app)
    assert "random erasures of the same rank" in said(app)
    assert "On ordinary text the next token moves by" in said(app)


def test_layers_and_method_are_chosen_and_stand_in_the_link():
    app = erased()
    app.slider(key="erase layers").set_value((1, 2))
    app.selectbox(key="erase method").set_value("means")
    app = settled(app)
    assert view(app).erase.layers == (1, 2)
    assert "Projection off the class means" in said(app)
    assert "at layers 1, 2" in said(app)
    app.toggle(key="erase order").set_value(True)
    app = settled(app)
    assert "layer after layer" in said(app)
    assert app.query_params["erase"] == "means*1-2*1*-*-*1"


def test_a_link_reopens_the_choices():
    app = erased(how="inlp*2-2*0*-*3*0")
    assert app.selectbox(key="erase method").value == "inlp"
    assert "INLP" in said(app)
    assert "3 iterations" in said(app)


def test_a_link_to_what_was_erased_erases_it_again():
    assert "random erasures of the same rank" in said(opened(how="leace*1-1*0*-*-*1"))


def test_numbers_leave_out_the_erasers_of_classes():
    app = erased("years*last*ridge", "inlp*1-1*0*-*-*0")
    assert app.selectbox(key="erase method").value == "leace"
    assert able(small("years", 60)) == [name for name, kind in ERASERS.items() if kind.of_numbers]


@pytest.mark.parametrize("part", ["Next token", "Inside"])
def test_the_live_parts_are_drawn(part):
    app = erased(part=part)
    assert "random" in said(app)


def test_the_certificate_says_what_the_analysis_says():
    app = erased(part="Certificate")
    assert "fits fresh probes at every layer" in said(app)
    labelled(app, "Measure the certificate").click()
    app = settled(app)
    text = said(app)
    assert "Ordinary text changes by" in text
    for title in ("Guaranteed", "Measured", "Not hidden"):
        assert f"**{title}**" in text
    assert "No linear reading with a convex loss" in text


def test_erasers_are_compared_in_a_table():
    app = erased(part="Compare erasers")
    labelled(app, "Compare all erasers at layer 1").click()
    app = settled(app)
    table = app.dataframe[-1].value
    assert table["eraser"].tolist() == ["nothing erased", *(kind.title for kind in ERASERS.values())]
    assert table["rank"].tolist()[:3] == [0, 1, 1]


def test_an_erasure_is_kept_and_used_on_steer():
    app = erased(part="Keep")
    app.text_input(key="erasure_name").set_value("no truth")
    labelled(app, "Use on Steer").click()
    app = settled(app)
    (entry,) = library.entries()
    assert (entry.name, entry.kind) == ("no truth", "erasure")
    assert view(app).recipe[0].reference == f"erased.{entry.key}"
    assert "is kept and in the recipe" in app.success[0].value


def test_a_name_that_is_taken_is_said():
    app = erased(part="Keep")
    app.text_input(key="erasure_name").set_value("same")
    labelled(app, "Keep").click()
    app = settled(app)
    app.slider(key="erase layers").set_value((2, 2))
    app = settled(app)
    labelled(app, "Keep").click()
    app = settled(app)
    assert "already has an erasure named" in said(app)


def test_steering_joins_the_erasure_where_asked():
    app = erased(recipe="random.3*add*0.2*1-1*all")
    app.toggle(key="erase_and_steer").set_value(True)
    app = settled(app)
    assert "random changes of the same size and rank" in said(app)


def test_the_prompt_can_be_a_held_out_example():
    app = erased()
    labelled(app, "Prompt with a held-out example").click()
    app = settled(app)
    fitted = erase(load(TOY), small(), Plan("leace", (1, 1)))
    held = [text for text, out in zip(fitted.given.texts, fitted.held_out, strict=True) if out]
    assert view(app).prompt == held[0]


def test_the_code_runs(capsys, monkeypatch):
    monkeypatch.setattr(labelled_sets, "labelled_set", small)
    fitted = erase(load(TOY), small(), Plan("leace", (1, 1)))
    exec(compile(code_of(load(TOY), fitted), "code", "exec"), {})
    assert "layer 1" in capsys.readouterr().out


def test_the_exported_page_holds_the_figures_and_loads_nothing():
    model = load(TOY)
    fitted = erase(model, small(), Plan("leace", (1, 2)))
    found = certify(model, fitted, background(model), [(small("sentiment"), "last")])
    page = certificate_html(found)
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert page.count("<polyline") == 4
    assert str(found.at(1).before) in page
    assert found.others[0].name in page
    hostile = replace(found, question="<img src=x onerror=alert(1)>")
    assert "<img" not in certificate_html(hostile)
