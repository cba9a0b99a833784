"""The part "Whole dictionary" of the page Features from `app.py` on a toy: all is answered or refused in words."""

import numpy as np
import pytest

from analysis import ModelSpec, load
from analysis.corpora import from_plain_text
from analysis.dictionaries import shelf
from analysis.dictionaries.encoders import JumpRelu
from analysis.dictionaries.evidence import gathering
from components.features.whole import PARTS
from components.features.whole_parts import requests
from tests.pages.driven import addressed, once, said, settled, view
from tests.planted import a_dictionary

TOY = "toy:random"
LINK = {"model": TOY, "prompt": "the sea is deep and the sky is blue", "lens": "logit"}
LINES = [
    f"the {thing} is {how} and the {other} is {how}"
    for thing in ("sea", "sky", "boat", "road")
    for how in ("deep", "wide", "calm", "cold")
    for other in ("hill", "lake")
]


@pytest.fixture(autouse=True)
def little_text(monkeypatch):
    corpus = from_plain_text("\n".join(LINES), "little text")
    for module in (gathering, requests):
        monkeypatch.setattr(module, "sample_text", lambda: corpus)


@pytest.fixture
def kept(toy, apart):
    """Two sparse dictionaries of the toy, whose features fire seldom."""
    often = JumpRelu(np.full(41, 1.5, np.float32))
    return [
        shelf.keep(a_dictionary(toy, layer, kind=often, seed=layer), f"Layer {layer}") for layer in (1, 2)
    ]


def opened(features: str):
    app = once(addressed(**(LINK | {"features": f"part=whole&{features}"})))
    app.switch_page("pages/concepts/features.py")
    return settled(app)


@pytest.mark.parametrize("part", [part for part in PARTS if part not in ("map", "circles", "crystals")])
def test_every_question_is_answered_or_refused_in_words(part, kept):
    app = opened(f"dictionary={kept[1].id}&also.whole={part}")
    assert "unexpectedly" not in said(app)
    answers = {
        "lobes": ("lobes fire together", "are needed"),
        "spectrum": ("evenly used dimensions", "slope is fitted"),
        "families": ("stand in", "families need at least 2"),
        "match": ("have a partner of their own", "are needed"),
    }
    assert any(each in said(app).replace("\\", "") for each in answers[part])
    for block in app.code:
        exec(block.value, {"__name__": "__main__"})


def test_another_model_is_named_needs_a_dictionary_and_is_matched_by_activations(kept):
    match = f"dictionary={kept[1].id}&also.whole=match&also.whole.model="
    assert "Name the other model" in said(opened(f"{match}?"))
    assert "no sparse dictionary of" in said(opened(f"{match}toy:planted"))
    other = load(ModelSpec("toy:planted"))
    often = JumpRelu(np.full(41, 1.5, np.float32))
    shelf.keep(a_dictionary(other, 1, kind=often, seed=5), "Of another model")
    app = opened(f"{match}toy:planted")
    words = said(app).replace("\\", "")
    assert "unexpectedly" not in words
    assert "have a partner of their own in Of another model" in words or "same tokenizer" in words
    assert app.segmented_control(key="whole_by").options == ["By activations"]


def test_directions_are_drawn_and_a_question_is_chosen(kept):
    app = opened(f"dictionary={kept[1].id}&also.whole.map=pca")
    assert "41 directions in 22 dimensions" in said(app).replace("\\", "")
    app.segmented_control(key="whole_part").set_value("spectrum")
    settled(app)
    assert dict(view(app).features.also)["whole"] == "spectrum"


@pytest.mark.parametrize("part", ["lobes", "families", "match"])
def test_what_makes_no_sense_of_neurons_is_refused_in_a_sentence(part, kept):
    app = opened(f"dictionary=neurons.2&also.whole={part}")
    assert "Choose a sparse dictionary" in said(app)


def test_nonsense_in_a_link_is_the_first_choice(kept):
    app = opened(f"dictionary={kept[1].id}&also.whole=spectrum&also.whole.lobes=999&also.whole.color=plaid")
    assert "unexpectedly" not in said(app)
