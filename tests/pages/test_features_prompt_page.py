"""The part "This text" of the page Features from `app.py` on a toy: it answers, can be clicked, and writes on."""

import pytest

from analysis.dictionaries import shelf
from analysis.dictionaries.shelf import Offer
from analysis.edits import Site
from analysis.methods.features import shares_at, text_features
from components.features import choices
from components.features.reading import layers
from components.features.reading.answer import answer
from components.features.reading.names import Names
from tests.pages.driven import addressed, labelled, once, said, settled, view
from tests.planted import a_dictionary

TOY, TEXT = "toy:random", "the sea is deep and the sky is blue"
LINK = {"model": TOY, "prompt": TEXT, "lens": "logit"}


@pytest.fixture
def sparse(monkeypatch):
    """Two sparse dictionaries of the toy beside its neurons."""
    plain_offered, plain_open = shelf.offered, shelf.open_dictionary
    own = [
        Offer(f"shipped.layer-{layer}", f"Layer {layer}, 41 features", Site(layer), 41, "shipped")
        for layer in (1, 2)
    ]

    def offered(model):
        return (*own, *plain_offered(model))

    def opened(model, id):
        layer = {each.id: each.site.layer for each in own}.get(id)
        return plain_open(model, id) if layer is None else a_dictionary(model, layer, seed=layer)

    for module in (choices, layers):
        monkeypatch.setattr(module, "offered", offered)
    monkeypatch.setattr(shelf, "open_dictionary", opened)


def opened(**address):
    app = once(addressed(**(LINK | address)))
    app.switch_page("pages/concepts/features.py")
    return settled(app)


def test_the_page_answers_and_a_click_on_its_buttons_moves_it(sparse, toy):
    app = opened(token="6", layer="2")
    found = text_features(toy, toy.tokenize(TEXT), a_dictionary(toy, 2, seed=2))
    shares = shares_at(toy, found, 6)
    assert answer(found, shares, Names(found.dictionary, None)) in [each.value for each in app.markdown]
    assert len(app.get("plotly_chart")) == 2
    strongest_here = found.active(6)[0]
    labelled(app, f"What is feature {strongest_here}?").click()
    once(app)
    assert (view(app).features.part, view(app).features.feature) == ("feature", strongest_here)


def test_another_layers_feature_opens_its_dictionary_and_moves_the_cursor(sparse, toy):
    app = opened(token="6", layer="2")
    other = text_features(toy, toy.tokenize(TEXT), a_dictionary(toy, 1, seed=1)).active(6)[0]
    app.button(key=f"layer feature shipped.layer-1 {other}").click()
    settled(app)
    assert view(app).features.dictionary == "shipped.layer-1"
    assert (view(app).layer, view(app).features.feature) == (1, other)


def test_the_page_says_where_the_dictionary_reads_if_the_cursor_is_elsewhere(sparse):
    app = opened(token="6", layer="3", features="dictionary=shipped.layer-1")
    assert "reads layer 1; the cursor is at layer 3" in said(app)
    labelled(app, "Move the cursor to layer 1").click()
    settled(app)
    assert view(app).layer == 1
    assert "reads layer 1; the cursor is at" not in said(app)


def test_neurons_are_a_dictionary_and_leave_nothing_unexplained(sparse):
    app = opened(token="6", features="dictionary=neurons.2&also.more=explained")
    assert "of 37 neurons make" in said(app)
    assert "Neurons leave nothing unexplained" in said(app)


def test_how_much_is_explained_stands_beside_shuffled_states(sparse):
    app = opened(token="6", layer="2", features="also.more=explained")
    assert "of shuffled ones at most" in said(app)


def test_the_first_token_and_a_wrong_link_are_survived(sparse):
    app = opened(token="0", features="feature=9999&also.more=nonsense&also.grid=nonsense")
    assert "attention sink" in said(app)


def test_the_model_writes_on_and_what_it_wrote_joins_the_text(sparse):
    app = opened(token="6", layer="2", features="also.more=writing")
    labelled(app, "Write on").click()
    settled(app)
    labelled(app, "Go on with this text").click()
    settled(app)
    assert 0 < len(view(app).generated) <= 40


def test_what_is_taken_away_is_offered(sparse):
    app = opened(token="6", layer="2", features="also.more=away")
    assert "text_features(model, tokens, open_dictionary(model, 'shipped.layer-2'))" in app.code[0].value


def test_how_it_writes_on_stands_in_the_link(sparse):
    app = opened(token="6", layer="2", features="also.more=writing&also.new=5&also.heat=0.6&also.seed=x")
    now = [app.number_input(key="new").value, app.slider(key="heat").value]
    assert now == [5, 0.6] and app.number_input(key="seed").value == 0
    labelled(app, "Write on").click()
    settled(app)
    asked = app.session_state["features_writing"].asked
    assert asked.count == 5 and asked.sampling.temperature == 0.6
    assert asked.control not in (None, *asked.features)
    app.slider(key="heat").set_value(0.9)
    once(app)
    assert dict(view(app).features.also)["heat"] == "0.9"
