"""The page Features from `app.py` on a toy: every part of it, what Find answers, and what links hold."""

import pytest

from analysis import load
from analysis.corpora import Corpus, of_labelled
from analysis.data.labelled_sets import labelled_set
from analysis.dictionaries import shelf
from analysis.dictionaries.evidence import gathering
from analysis.dictionaries.evidence.search import search
from analysis.dictionaries.telling_apart import sparse_probe
from analysis.dictionaries.telling_apart.apart import apart, prompts_apart
from analysis.dictionaries.telling_apart.sides import of_label
from components.features.finding import comparison, two_prompts
from components.features_link import PARTS, from_text, to_text
from components.literal import plain
from tests.pages.driven import addressed, labelled, once, said, settled, view
from tests.planted import a_dictionary

TOY = "toy:random"
TEXT = "the sea is deep and the sky is blue"
LINK = {"model": TOY, "prompt": TEXT, "lens": "logit", "layer": "2"}
WORDS = tuple(
    f"the {thing} is {how} and the {thing} was {how}"
    for thing in ("sea", "sky", "boat", "tree")
    for how in ("deep", "wide", "calm", "old", "blue", "far")
)


@pytest.fixture(autouse=True)
def little_text(monkeypatch):
    """What features fire on is looked for in little text."""
    corpus = Corpus("little", "Little text", WORDS, source="These tests.")
    monkeypatch.setattr(gathering, "sample_text", lambda: corpus)


@pytest.fixture
def kept() -> str:
    """The id of a sparse dictionary that is kept on this machine."""
    return shelf.keep(a_dictionary(load(TOY)), "Planted").id


def opened(choice: str, **address):
    app = once(addressed(**(LINK | address), features=choice))
    app.switch_page("pages/concepts/features.py")
    return settled(app)


def plainly(app) -> str:
    return said(app).replace("\\", "")


def the_dictionary(id: str):
    return shelf.open_dictionary(load(TOY), id)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_opens_on_a_sparse_dictionary_and_on_neurons(part, kept):
    for id in (kept, "neurons.2"):
        app = opened(f"part={part}&dictionary={id}&feature=3&also.whole=spectrum")  # a map takes a minute
        assert not app.error, [each.value for each in app.error]
        assert view(app).features.part == part
        assert app.session_state["features_dictionary"] == id


@pytest.mark.parametrize("section", ["all_features", "two_things", "few", "census"])
def test_every_section_of_find_opens(section, kept):
    app = opened(f"part=find&dictionary={kept}&also.find={section}")
    assert not app.error and app.session_state["features_find"] == section


def test_features_are_gathered_searched_and_filtered(kept):
    app = opened(f"part=find&dictionary={kept}")
    assert "is not known yet" in plainly(app) and "the first 2 blocks" in plainly(app)
    labelled(app, "Gather it").click()
    settled(app)
    known = gathering.evidence(load(TOY), the_dictionary(kept))
    table = known.table()
    assert len(app.dataframe[0].value) == len(table) == 41
    app.text_input(key="find_query").set_value("#7")
    settled(app)
    shown = app.dataframe[0].value
    assert shown["feature"].tolist() == search(table, "#7")["feature"].tolist()
    assert view(app).features.query == "#7"
    app.text_input(key="find_query").set_value("")
    app.slider(key="find_precision").set_value(0.5)
    settled(app)
    shown = app.dataframe[0].value
    assert set(shown["feature"]) == set(table[table["token_precision"] >= 0.5]["feature"])
    assert "precision=0.5" in dict(view(app).features.also)["sieve"]
    app.text_input(key="find_query").set_value("nothing has this")
    settled(app)
    assert "No feature is both found" in plainly(app)


def test_two_labels_are_told_apart_as_the_analysis_does(kept):
    app = opened(f"part=find&dictionary={kept}&also.find=two_things&also.texts=days&also.first=Monday")
    labelled(app, "Compare").click()
    settled(app)
    model, dictionary = load(TOY), the_dictionary(kept)
    sides = of_label(of_labelled(labelled_set("days")), "label", "Monday")
    pool = app.session_state["apart_pool"]
    found = apart(model, dictionary, sides, pool)
    assert plain(comparison.answer(found, ())) in [each.value for each in app.markdown]
    assert "The error, which no feature holds" in plainly(app) and "shuffled labels" in plainly(app)
    assert len(app.get("plotly_chart")) == 1 and len(app.dataframe) == 1
    again = opened(to_text(view(app).features))
    assert again.session_state["find_choice_first"] == "Monday"


def test_two_prompts_are_compared_without_a_claim_about_chance(kept):
    app = opened(f"part=find&dictionary={kept}&also.find=two_things&also.apart=two_prompts")
    assert "A is the prompt above" in plainly(app)
    app.text_input(key="find_other").set_value("the sky is deep and the sea is blue")
    settled(app)
    model = load(TOY)
    other = model.tokenize("the sky is deep and the sea is blue")
    found = prompts_apart(model, the_dictionary(kept), model.tokenize(TEXT), other, "mean")
    assert plain(two_prompts.answer(found, ())) in [each.value for each in app.markdown]
    assert "no significance" in plainly(app)


def test_two_collections_are_pasted_and_compared(kept):
    app = opened(
        f"part=find&dictionary={kept}&also.find=two_things&also.apart=two_collections&also.texts_B=written"
    )
    for side, words in zip("AB", (WORDS[:6], WORDS[6:14]), strict=True):
        app.text_area(key=f"features_texts_{side}").set_value("\n".join(words))
    settled(app)
    assert "features tell A: Pasted from B: Pasted" in plainly(app)
    app.text_area(key="features_texts_B").set_value("\n".join(WORDS[:6]))
    settled(app)
    assert "6 of the texts are on both sides" in plainly(app)


def test_few_features_are_probed(kept, monkeypatch):
    monkeypatch.setattr(sparse_probe, "DRAWS", 10)
    monkeypatch.setattr(sparse_probe, "SHUFFLES", 3)
    app = opened(f"part=find&dictionary={kept}&also.find=few&also.texts=senses")
    labelled(app, "Probe").click()
    settled(app)
    assert "of each class on held-out examples" in plainly(app)
    assert len(app.get("plotly_chart")) == 1
    app.select_slider(key="find_few").set_value(16)
    settled(app)
    assert dict(view(app).features.also)["few"] == "16" and len(app.dataframe[0].value) == 16


@pytest.mark.parametrize(
    "choice",
    [
        "part=nothing&dictionary=no.such&feature=99999999",
        "part=feature&dictionary=neurons.2&feature=9999",
        "part=find&also.find=nonsense&also.sieve=%25%25f=9&query=" + "x" * 200,
        "part=find&also.find=two_things&also.apart=zzz&also.texts=nope&also.column=no&also.first=no&also.second=no",
        "part=find&also.find=few&also.few=abc&also.pool=sum",
        "part=find&also.find=two_things&also.apart=two_prompts&also.other=%00&also.prompt_pool=zzz",
        "part=act&changes=1_zero_0_all~x_y_z~99999_add_1e5_all",
        "part=get&also.get=zzz",
        "&&&===%%%",
    ],
)
def test_links_that_make_no_sense_open_the_page(choice):
    app = opened(choice)
    assert not app.error, [each.value for each in app.error]
    assert app.session_state["features_part"] in PARTS


def test_a_link_opens_what_it_was_made_from(kept):
    text = f"part=find&dictionary={kept}&feature=5&query=sea&also.find=few&also.texts=tense&also.few=8"
    app = opened(text)
    assert from_text(to_text(view(app).features)) == from_text(text) == view(app).features
    assert app.session_state["find_choice_texts"] == "tense"
