"""The probe page from `app.py` on a toy: a set is probed, read at a layer, handed on to steering, and refused well."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from analysis import library, load
from analysis.data.labelled_sets import labelled_set
from analysis.labelled import LabelledSet
from analysis.methods.probe import probe
from components import session
from components.probe_link import ProbeView, from_text, to_text
from components.probing import choices, requests
from components.probing.layer import marked
from tests.pages.driven import addressed, labelled, once, said, settled, view

TOY = "toy:random"
LINK = {"model": TOY, "prompt": "the sea is deep", "lens": "logit"}


def small(id: str = "truth", count: int = 40) -> LabelledSet:
    """The first examples of a shipped set: the toy reads a letter a token."""
    whole = labelled_set(id)
    return LabelledSet(
        whole.id,
        whole.name,
        whole.question,
        whole.texts[:count],
        whole.targets[:count].copy(),
        whole.classes,
        whole.numbers,
        whole.groups[:count],
        whole.spans[:count],
    )


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(requests, "labelled_set", small)
    monkeypatch.setattr(choices, "labelled_sets", lambda: (small(), small("sentiment"), small("years")))


def opened(choice: str = "truth*last*means") -> AppTest:
    app = once(addressed(**LINK, probe=choice))
    app.switch_page("pages/concepts/probe.py")
    return settled(app)


def probed(choice: str = "truth*last*means") -> AppTest:
    app = opened(choice)
    labelled(app, "Probe all layers").click()
    return settled(app)


def test_before_anything_runs_it_says_what_will():
    app = opened()
    assert "Reads every example once" in said(app)
    assert "held-out" not in said(app)


def test_the_sentence_is_that_of_the_analysis():
    app = probed()
    expected = probe(load(TOY), small(), "last", "means").summary()
    assert expected in said(app)


def test_a_layer_shows_its_own_numbers():
    app = probed()
    app.slider(key="layer_slider").set_value(2)
    settled(app)
    assert view(app).layer == 2
    found = probe(load(TOY), small(), "last", "means").at(2)
    shown = next(each.value for each in app.dataframe if "layer 2" in each.value)
    assert shown["value"].tolist()[0] == pytest.approx(found.score)


@pytest.mark.parametrize("choice", ["years*span*ridge", "truth*last*mlp", "truth*mean*sparse"])
def test_every_kind_of_probe_draws(choice):
    assert "At layer" in said(probed(choice))


def test_a_direction_goes_to_the_library_and_into_the_recipe():
    app = probed("truth*mean*means")
    labelled(app, "Steer with it").click()
    settled(app)
    (entry,) = library.entries()
    assert view(app).recipe[0].reference == f"kept.{entry.key}"
    assert "is kept and in the recipe" in " ".join(each.value for each in app.success)


def test_where_all_states_are_one_there_is_no_direction():
    app = probed()  # every statement ends in a full stop, which the embedding alone cannot tell apart
    app.slider(key="layer_slider").set_value(0)
    settled(app)
    assert "It reads nothing here" in said(app)


def test_a_network_has_no_direction_to_hand_on():
    app = probed("truth*last*mlp")
    assert "A network has no direction" in said(app)
    assert all(each.label != "Steer with it" for each in app.button)


def test_numbers_are_not_asked_for_classes():
    app = opened("years*span*logistic")
    assert view(app).probe.probe == "ridge"


def test_a_set_of_labelled_spans_is_read_there():
    app = opened()
    app.selectbox(key="probe data").set_value("years")
    settled(app)
    assert view(app).probe == ProbeView("years", "span", "ridge")


def test_a_table_of_ones_own_has_to_be_brought_first():
    app = opened("own*last*means")
    assert "Nothing leaves this machine" in said(app)
    assert all(each.label != "Probe all layers" for each in app.button)


@pytest.mark.parametrize(
    "forged",
    ["", "x", "../etc*last*means", "gone*last*means", "truth*nowhere*means", "truth*last*forest", "a*b*c*d"],
)
def test_a_forged_link_opens_the_first_choices(forged):
    assert from_text(forged) == ProbeView()


def test_a_link_holds_the_choices():
    chosen = ProbeView("cities", "span", "ridge")
    assert from_text(to_text(chosen)) == chosen
    assert to_text(ProbeView()) == ""
    there = session.to_address(session.View(probe=chosen))
    assert session.from_address(there, session.View()).probe == chosen


def test_the_word_a_label_is_about_is_marked():
    given = LabelledSet(
        "x",
        "X",
        "?",
        ("this is a rather long way before the word here", "no span", "a b", "c"),
        np.array([0, 1, 0, 1]),
        ("a", "b"),
        spans=((37, 41), None, (0, 1), None),
    )
    assert marked(given, 0) == "…her long way before the [word] here"
    assert marked(given, 1) == "no span"
    assert marked(given, 2) == "[a] b"


def test_random_labels_are_said_not_to_be_there(monkeypatch):
    given = small()
    shuffled = LabelledSet(
        given.id, given.name, given.question, given.texts,
        np.random.default_rng(3).permutation(given.targets), given.classes, groups=tuple(given.texts),
    )  # fmt: skip
    monkeypatch.setattr(requests, "labelled_set", lambda id: shuffled)
    assert "cannot tell it from chance" in said(probed())
