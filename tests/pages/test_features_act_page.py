"""The part Act of the page Features from `app.py` on a toy: features changed by a click, told apart from controls."""

import contextlib
import io

import numpy as np
import pytest

from analysis import load
from analysis.corpora import Corpus
from analysis.dictionaries.acting.attribution import log_odds_terms
from analysis.dictionaries.acting.feature_effect import measure_features
from analysis.dictionaries.acting.feature_nulls import frequency_in
from analysis.dictionaries.evidence import gathering
from analysis.dictionaries.neurons import neurons
from analysis.edits import Change, ChangeFeatures
from analysis.methods.effect import verdict
from analysis.methods.features import text_features
from components.features.acting.texts import NAME
from tests.pages.driven import labelled, once, said, settled, view
from tests.pages.test_features_prompt_page import opened, sparse
from tests.planted import a_dictionary

__all__ = ["sparse"]
TOY, TEXT = "toy:random", "the sea is deep and the sky is blue"
OWN = "dictionary=shipped.layer-2&part=act"
HERE = 6


def dictionary(model):
    return a_dictionary(model, 2, seed=2)


def headings(app) -> str:
    return " ".join(each.value for each in app.markdown)


def test_a_click_clamps_an_active_feature_and_the_sentence_is_the_measured_one(sparse, toy):
    app = opened(token=str(HERE), layer="2", features=OWN)
    assert "Nothing is changed yet" in said(app)
    tokens = toy.tokenize(TEXT)
    found = text_features(toy, tokens, dictionary(toy))
    feature = found.active(HERE)[0]
    app.button(key=f"begin clamp {feature}").click()
    settled(app)
    (change,) = view(app).features.changes
    largest = float(np.abs(found.activations[1:, feature]).max())
    assert change == (feature, "clamp", float(f"{2 * largest:.4g}"), "after_first")
    edits = (ChangeFeatures(dictionary(toy), (Change(feature, "clamp", change[2]),)),)
    effect = measure_features(toy, tokens, edits, frequency_in(found.activations))
    assert verdict(effect.beside("feature"), HERE) in headings(app)
    labelled(app, "Undo").click()
    settled(app)
    assert view(app).features.changes == ()


def test_base_changed_and_random_texts_are_written_from_one_batch(sparse):
    app = opened(token=str(HERE), features=f"{OWN}&changes=3_clamp_9_after_first&also.act=texts")
    texts = app.session_state[NAME]
    names = [variant.name for variant in texts.request.variants]
    assert names == ["base", "edited", "random feature 1", "random feature 2"]
    assert "live_texts" not in app.session_state


def test_why_this_token_adds_up_and_says_so(sparse, toy):
    app = opened(token=str(HERE), layer="2", features=f"{OWN}&also.act=why&also.answer=3&also.against=8")
    tokens = toy.tokenize(TEXT)
    found = text_features(toy, tokens, dictionary(toy))
    terms = log_odds_terms(toy, found, toy.run(tokens), HERE, 3, 8)
    assert f"together {terms.total:+.2f} nats" in said(app).replace("\\", "")
    assert f"{abs(terms.measured):.2f} nats" in headings(app)
    assert "leave the band" in said(app)
    assert len(app.get("plotly_chart")) == 3


def test_both_tokens_alike_is_no_question(sparse):
    app = opened(token=str(HERE), features=f"{OWN}&also.act=why&also.answer=3&also.against=3")
    assert "Both tokens are the same" in said(app)


def test_a_link_to_a_feature_that_does_not_exist_says_so_and_can_be_cleared(sparse):
    app = opened(token=str(HERE), features=f"{OWN}&changes=99_zero_0_all")
    assert "features 0 to 40" in said(app).replace("\\", "")
    labelled(app, "Take all changes out").click()
    once(app)
    assert view(app).features.changes == ()


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("part", ["away", "why"])
def test_the_code_that_is_taken_away_prints_what_the_page_says(toy, part, known, monkeypatch):
    if known:
        words = tuple(f"the {thing} is {how}" for thing in ("sea", "sky", "boat") for how in ("deep", "wide"))
        corpus = Corpus("little", "Little text", words, source="These tests.")
        monkeypatch.setattr(gathering, "sample_text", lambda: corpus)
        gathering.evidence(load(TOY), neurons(load(TOY), 2))
    app = opened(
        token=str(HERE),
        features=f"dictionary=neurons.2&part=act&changes=3_clamp_4_after_first&also.act={part}&also.top=6",
    )
    (code,) = (each.value for each in app.code)
    assert ("gathering import evidence" in code) == known
    printed, made = io.StringIO(), {}
    with contextlib.redirect_stdout(printed):
        exec(code, made)  # noqa: S102
    if part == "away":
        assert printed.getvalue().splitlines()[0] in headings(app)
        return
    told = said(app).replace("\\", "")
    assert f"together {made['terms'].total:+.2f} nats" in told
    assert f"by {abs(made['zeroed'].all_features):.2f} nats." in told


def test_how_controls_are_drawn_stands_in_the_link(sparse):
    chosen = "changes=3_clamp_9_after_first&also.act=texts&also.nulls=3&also.band=push&also.null_seed=5"
    app = opened(token=str(HERE), features=f"{OWN}&{chosen}")
    assert (app.slider(key="nulls").value, app.radio(key="feature_shown").value) == (3, "push")
    names = [variant.name for variant in app.session_state[NAME].request.variants]
    assert names == ["base", "edited", "random direction 1", "random direction 2"]
    app.number_input(key="null_seed").set_value(0)
    once(app)
    assert "null_seed" not in dict(view(app).features.also)
