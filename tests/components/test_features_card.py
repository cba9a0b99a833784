"""A feature's card: drawn from the evidence, renamed, turned over, read from; hostile text stays text."""

import json

import numpy as np
import pytest

from analysis import load
from analysis.corpora import from_plain_text
from analysis.dictionaries.evidence import gathering
from analysis.dictionaries.evidence.in_context import Context
from analysis.dictionaries.evidence.loss_effect import LossEffect
from analysis.dictionaries.labels import own_labels
from analysis.dictionaries.neurons import neurons
from components.features.card.effect import sentence
from components.features.card.example_lines import as_json, chosen_row, number
from components.figures.feature_histogram import round_places
from tests.pages.driven import addressed, labelled, once, said, settled, view

TOY = "toy:random"
LINK = {"model": TOY, "prompt": "the sea is deep and the sky is blue", "lens": "logit"}
LINES = "\n".join(f"the {a} is {b} and the {a} was {b}" for a in ("sea", "sky") for b in ("deep", "blue"))


@pytest.fixture(autouse=True)
def small_text(tmp_path, monkeypatch):
    """Evidence over a few lines, in a store of its own."""
    monkeypatch.setenv("BATHYSCOPE_HOME", str(tmp_path / "home"))
    corpus = from_plain_text(LINES)
    monkeypatch.setattr(gathering, "sample_text", lambda: corpus)
    gathering.evidence(load(TOY), neurons(load(TOY), 2))


def opened(choice: str):
    app = once(addressed(**LINK, features=f"dictionary=neurons.2&part=feature{choice}"))
    app.switch_page("pages/concepts/features.py")
    return settled(app)


def test_a_card_says_what_the_evidence_says():
    app = opened("&feature=3")
    known = gathering.evidence(load(TOY), neurons(load(TOY), 2))
    told = said(app).replace("\\", "")
    assert "Feature 3" in told and f"{known.counted:,} tokens" in told
    assert app.metric[0].value == f"{known.frequency[3]:.2%}"
    assert len(app.get("plotly_chart")) == 2 and not app.exception


def test_features_that_fire_at_the_cursor_are_offered_and_open_their_card():
    app = opened("")
    assert "No feature is chosen yet" in said(app)
    button = next(each for each in app.button if each.key and each.key.startswith("offered "))
    feature = int(button.key.split()[1])
    button.click()
    settled(app)
    assert view(app).features.feature == feature and f"Feature {feature}" in said(app)


def test_next_and_number_turn_the_cards_over():
    app = opened("&feature=3")
    next(each for each in app.button if each.key == "feature_next").click()
    settled(app)
    assert view(app).features.feature == 4
    next(each for each in app.number_input if each.key == "feature_number").set_value(7)
    settled(app)
    assert view(app).features.feature == 7


def test_a_number_that_does_not_exist_is_said_and_others_are_offered():
    app = opened("&feature=999999")
    assert "there is no 999,999" in " ".join(each.value for each in app.info)
    assert "No feature is chosen yet" in said(app)


def test_a_label_of_ones_own_stands_in_place_of_the_automatic_one_until_it_is_undone():
    app = opened("&feature=3")
    box = next(each for each in app.text_input if each.key == "feature_label")
    box.set_value("my *sea* label")
    settled(app)
    dictionary = neurons(load(TOY), 2)
    assert own_labels.own_labels(dictionary.fingerprint) == {3: "my *sea* label"}
    assert r"my \*sea\* label" in said(app) and "The label is yours" in said(app)
    labelled(app, "Undo the last change of a label").click()
    settled(app)
    assert own_labels.own_labels(dictionary.fingerprint) == {}
    assert "my" not in next(each for each in app.text_input if each.key == "feature_label").value


def test_acting_on_a_feature_opens_that_part_with_a_change():
    app = opened("&feature=3")
    next(each for each in app.button if each.key == "act_on_feature").click()
    once(app)
    (feature, operation, value, _), *others = view(app).features.changes
    assert (feature, operation, others) == (3, "clamp", []) and value != 0
    assert view(app).features.part == "act"


def context(labels: str, at: int, activations=None) -> Context:
    tokens = load(TOY).tokenize(labels)
    return Context(tokens, at, activations)


def test_lines_hold_tokens_as_text_with_their_tints():
    values = np.zeros(12, np.float32)
    values[3], values[4] = 2, -1
    hostile = context("<b>&`$x</b>", 4, values)
    (level,) = json.loads(as_json([("Strongest", [(-4.0, hostile)])], most=4))
    (line,) = level["lines"]
    tokens = line["tokens"]
    shown = "".join(token["label"] for token in tokens)
    assert "<b>&`$x</b>" in shown and line["value"] == "-4"
    marked = next(token for token in tokens if token.get("at"))
    assert marked["tint"] == -1 and {token.get("tint") for token in tokens} == {None, 0.5, -1}


def test_only_a_click_on_these_lines_counts():
    assert chosen_row({"fingerprint": "a", "row": 2}, "a", 3) == 2
    others = ({"fingerprint": "b", "row": 2}, {"fingerprint": "a", "row": 3}, {"fingerprint": "a", "row": -1})
    for event in (None, "x", *others):
        assert chosen_row(event, "a", 3) is None
    assert chosen_row({"fingerprint": "a", "row": True}, "a", 3) is None


def test_numbers_have_three_digits():
    assert [number(each) for each in (123.4, 12.34, 0.01234, -5.0)] == ["123", "12.3", "0.0123", "-5"]


def test_round_places_lie_inside():
    assert round_places(0.3, 12) == [0.5, 1.0, 2.0, 5.0, 10.0]


def test_an_effect_that_does_not_stand_out_is_said_to_be_so():
    small = LossEffect(1, 0.01, 0.0, 0.02, (-0.02, 0.03), 5)
    assert "does not stand out" in sentence(small)
    large = LossEffect(1, 0.5, 0.1, 0.02, (-0.02, 0.03), 5)
    assert "so this one stands out" in sentence(large) and "+0.500 nats" in sentence(large)
