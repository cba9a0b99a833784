"""The part "This text": sentences, colours and tables from known features; the page on a toy; what is taken away."""

import io
from contextlib import redirect_stdout
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest

from analysis import Sampling
from analysis.dictionaries.encoders import Linear
from analysis.dictionaries.neurons import neurons
from analysis.dictionaries.shelf import Offer
from analysis.edits import Site
from analysis.methods.features import encoded, explained, shares_at, strongest, text_features
from components import session
from components.features.reading.answer import answer, warning
from components.features.reading.away import snippet, table
from components.features.reading.explained import token_table as explained_table
from components.features.reading.grid import grid_of
from components.features.reading.layers import beside
from components.features.reading.live import Asked, Writing
from components.features.reading.names import Names
from components.features.reading.sparklines import sparklines
from components.features.reading.strip import said, tints
from components.features.reading.token_panel import token_table
from components.features.reading.writing import control_of, watched_features
from components.figures.feature_grid import in_words
from components.figures.feature_grid_svg import feature_grid_html, feature_grid_svg
from components.frame import Frame
from tests.components.test_take_away import HOSTILE, Tags
from tests.planted import a_dictionary

TOY, TEXT = "toy:random", "the sea is deep and the sky is blue"


@pytest.fixture
def found(toy):
    return text_features(toy, toy.tokenize(TEXT), a_dictionary(toy))


def names(found, **labels) -> Names:
    known = SimpleNamespace(label=lambda feature: labels.get(f"f{feature}", "unclear")) if labels else None
    return Names(found.dictionary, known)


def of_states(toy, states):
    dictionary = a_dictionary(toy, features=22)
    count = len(states)
    tokens = toy.tokenizer.tokens(tuple(range(97, 97 + count)), prompt_length=count)
    return encoded(toy, tokens, dictionary, np.asarray(states, np.float32))


def test_a_feature_is_called_by_its_label_or_its_number(found):
    called = names(found, f3="after 'the'", f4="x" * 80)
    assert called.long(3) == "feature 3, “after 'the'”"
    assert (called.short(5), called.long(5), called.label(5)) == ("5", "feature 5", "")
    assert len(called.label(4)) == 34
    assert names(found).short(3) == "3"


def test_the_answer_holds_the_numbers_of_the_token(toy, found):
    shares = shares_at(toy, found, 6)
    sentence = answer(found, shares, names(found))
    assert sentence.startswith(f"At `{found.tokens.labels[6]}`, {shares.active} of 41 features explain ")
    assert f"{shares.explained:.0%} of the state at layer 2" in sentence
    best = int(shares.shares.argmax())
    assert f"the largest share has feature {shares.features[best]}, {shares.shares[best]:.0%}." in sentence


def test_the_answer_of_neurons_is_about_what_the_mlp_adds(toy):
    found = text_features(toy, toy.tokenize(TEXT), neurons(toy, 2))
    shares = shares_at(toy, found, 6)
    sentence = answer(found, shares, names(found))
    assert f"30 of 37 neurons make {shares.shares.sum():.0%} of what the MLP adds at layer 2" in sentence


def test_the_answer_at_a_first_token_claims_nothing(toy, found):
    sentence = answer(found, shares_at(toy, found, 0), names(found))
    assert "means little" in sentence and "%" not in sentence


def test_a_token_without_features_is_told_of(toy):
    found = of_states(toy, np.zeros((3, 22)))
    assert "none of the 22 features is active" in answer(found, shares_at(toy, found, 1), names(found))
    assert "active at none of the 2 tokens" in said(found, names(found), 0)


def test_components_with_a_threshold_are_said_to_fire_above_it(toy):
    states = np.zeros((4, 3), np.float32)
    states[:, 0] = 9, 4, -8, 1
    card = {"threshold": 3.0}
    axes = replace(a_dictionary(toy, features=3), kind=Linear(), card=card)
    found = replace(of_states(toy, np.ones((4, 22))), dictionary=axes, activations=states)
    assert "fires (above 3) at 1 of 3 tokens, strongest at" in said(found, names(found), 0)
    assert "(4)" in said(found, names(found), 0)


def test_first_tokens_and_outliers_are_flagged_and_others_are_not(toy):
    states = np.ones((6, 22))
    states[4] *= 50
    found = of_states(toy, states)
    assert "attention sink" in warning(found, 0)
    assert "8 times" in warning(found, 4)
    assert warning(found, 3) == ""


def test_tints_run_to_the_largest_that_counts_and_leave_the_others_out():
    values = np.array([90, -2, 4, 0], np.float32)
    assert tints(values, np.array([False, True, True, True])) == [None, 0.5, 1, 0]
    assert tints(values * 0, np.ones(4, bool)) == [0, 0, 0, 0]


def test_the_grid_holds_the_activations_of_the_strongest(found):
    grid = grid_of(found, names(found), "max", 4)
    assert grid.features == tuple(strongest(found))
    for row, feature in enumerate(grid.features):
        assert np.array_equal(grid.values[row], found.activations[:, feature])
    assert grid.reach == np.abs(found.activations[found.counts]).max()
    peaks = np.abs(grid.values[:, 1:]).argmax(1)
    assert (np.diff(peaks) >= 0).all()
    assert f"{found.activations[found.counts].max():.3g}" in in_words(grid)


def test_of_a_long_text_the_grid_shows_the_tokens_around_the_cursor(toy):
    found = text_features(toy, toy.tokenize("the sea " * 30), a_dictionary(toy))
    grid = grid_of(found, names(found), "max", 100)
    assert (grid.positions[0], grid.positions[-1], len(grid.positions)) == (68, 131, 64)
    assert grid_of(found, names(found), "max", len(found.tokens) - 1).positions[-1] == len(found.tokens) - 1
    assert grid_of(found, names(found), "max", 0).positions[0] == 0


def test_the_list_of_a_token_adds_up(toy, found):
    shares = shares_at(toy, found, 6)
    listed = token_table(shares, names(found))
    assert list(listed.columns) == ["feature", "activation", "share"]
    assert listed["feature"].tolist() == found.active(6)[:30]
    assert listed["share"].sum() == pytest.approx(100 * shares.shares.sum())
    known = token_table(shares, names(found, **{f"f{shares.features[0]}": "sea"}))
    assert known["label"].tolist()[:2] == ["sea", ""]


def test_the_table_of_all_tokens_says_what_the_curve_draws(found):
    result = explained(found)
    rows = explained_table(found, result)
    assert np.array_equal(rows["explained"], result.values)
    assert rows["counts"].tolist() == [False, *[True] * (len(rows) - 1)]
    assert np.array_equal(rows["active"], (found.activations != 0).sum(1))


def test_the_chosen_feature_is_watched_first_with_the_strongest_at_the_cursor(found):
    active = found.active(6)
    assert watched_features(found, 6, 40 if 40 not in active[:5] else active[3])[1:] != ()
    assert watched_features(found, 6, active[2]) == (active[2], active[0], active[1], active[3], active[4])
    assert watched_features(found, 6, None) == tuple(active[:5])


def test_sparklines_are_a_drawing_and_labels_are_words(rng):
    drawing = sparklines(["<script>&", "8"], rng(0).standard_normal((9, 2)).astype(np.float32), 4)
    root = ElementTree.fromstring(drawing)
    assert "<script>&" in [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) == 3
    ElementTree.fromstring(sparklines(["8"], np.zeros((0, 1), np.float32), 4))


def test_the_control_of_what_is_watched_fires_as_often_and_is_another_one(found):
    known = SimpleNamespace(label=lambda feature: "", frequency=np.linspace(0.01, 0.4, 41).astype(np.float32))
    called = Names(found.dictionary, known)
    control = control_of(found, called, (3, 5))
    assert control not in (3, 5) and control == control_of(found, called, (3, 5))
    assert control_of(found, called, tuple(range(41))) is None


def test_the_control_is_a_dashed_line_of_its_own(rng):
    values = rng(0).standard_normal((9, 3)).astype(np.float32)
    lines = [
        each for each in sparklines(["1", "2", "random"], values, 0, True).splitlines() if "<path" in each
    ]
    assert ["dasharray" in each for each in lines] == [False, False, True]
    assert "dasharray" not in sparklines(["1", "2"], values[:, :2], 0)


def test_the_control_is_watched_last(toy, found):
    writing = Writing(Asked(toy, found.tokens, found.dictionary, (3,), Sampling(), 4, control=7))
    assert writing.job.wait(60)
    assert np.allclose(writing.activations[: len(found.tokens)], found.activations[:, [3, 7]], atol=1e-4)


def test_what_is_written_is_watched_to_its_end(toy, found):
    asked = Asked(toy, found.tokens, found.dictionary, (3, 5), Sampling(), 6)
    writing = Writing(asked)
    assert writing.job.wait(60) and writing.job.state == "done"
    assert len(writing.tokens) == len(found.tokens) + len(writing.ids)
    assert np.allclose(writing.activations[: len(found.tokens)], found.activations[:, [3, 5]], atol=1e-4)
    assert writing.activations.shape[1] == 2


def test_pictures_and_pages_hold_hostile_words_as_words(found):
    grid = grid_of(found, names(found), "max", 4)
    grid = replace(grid, tokens=(HOSTILE,) * len(grid.tokens), names=(HOSTILE,) * len(grid.names))
    ElementTree.fromstring(feature_grid_svg(grid, note="<b>&"))
    page = feature_grid_html(grid, title="<i>?", answer=["<b>"], provenance={"a": "<u>"}, code="1 < 2")
    assert not {"b", "i", "u", "img", "script"} & set(Tags(page).seen)


def test_the_picture_has_a_cell_for_every_activation_that_counts(found):
    grid = grid_of(found, names(found), "max", 4)
    root = ElementTree.fromstring(feature_grid_svg(grid))
    cells = list(root.iter("{http://www.w3.org/2000/svg}rect"))
    counted = grid.values[:, np.array(grid.counts)]
    assert len(cells) == 2 + int((counted != 0).sum())


def test_the_table_that_is_taken_away_has_every_active_feature(toy, found):
    rows = table(toy, found, names(found))
    assert len(rows) == int((found.activations != 0).sum())
    row = rows.iloc[-1]
    assert row["activation"] == found.activations[row["position"], row["feature"]]
    one = rows[rows["position"] == 5]
    assert one["share"].sum() + one["error_share"].iloc[0] == pytest.approx(1, abs=1e-4)
    assert (rows["model"] == toy.title).all()


def test_the_code_that_is_taken_away_runs(toy, monkeypatch):
    spec = session.ModelSpec(TOY)
    monkeypatch.setattr(session, "view", lambda: session.View(spec=spec, prompt=TEXT))
    tokens = toy.tokenize(TEXT)
    offer = Offer("neurons.2", "Layer 2, neurons", Site(2, "neurons"), 37, "neurons")
    code = snippet(Frame(toy, tokens, 5, 2), offer)
    written = io.StringIO()
    with redirect_stdout(written):
        exec(code, {})
    shares = shares_at(toy, text_features(toy, tokens, neurons(toy, 2)), 5)
    assert str(shares.features) in written.getvalue()


def test_one_dictionary_of_a_place_stands_beside_the_opened_one():
    def an_offer(id: str, layer: int, origin: str = "kept") -> Offer:
        return Offer(id, id, Site(layer), 4, origin)

    opened = an_offer("mine", 16)
    ships = [an_offer(f"shipped.{layer}", layer, "shipped") for layer in (8, 16, 24)]
    others = [*ships, opened, an_offer("again", 16), an_offer("early", 8), an_offer("far", 2)]
    assert [each.id for each in beside(others, opened, 16)] == ["far", "shipped.8", "mine", "shipped.24"]
    assert [each.id for each in beside(others, ships[1], 16)][2] == "shipped.16"
