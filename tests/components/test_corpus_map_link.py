"""A map of many texts in a link: what is written is read back, and what makes no sense is dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import session
from components.corpus_map_link import LONGEST_WORD, SCALES, STRIDES, TWINS, CorpusMapView, from_text, to_text

knobs = st.dictionaries(
    st.sampled_from(["n_neighbors", "min_dist", "perplexity"]), st.floats(0, 1000, allow_nan=False)
)
views = st.builds(
    CorpusMapView,
    data=st.sampled_from(["truth", "days", "senses"]),
    spot=st.sampled_from(["last", "mean", "token", "word"]),
    word=st.text(max_size=20),
    stride=st.sampled_from(STRIDES),
    projection=st.sampled_from(["pca", "umap", "tsne"]),
    knobs=knobs.map(lambda found: tuple(found.items())),
    scale=st.sampled_from(SCALES),
    seed=st.integers(0, 10**9 - 1),
    color=st.text(max_size=20),
    point=st.none() | st.integers(0, 10**9 - 1),
    prompt=st.booleans(),
    first=st.booleans(),
    twin=st.sampled_from(["", *TWINS]),
    axes=st.sampled_from([2, 3]),
    asked=st.booleans(),
)


@given(views)
def test_the_choices_survive_the_link(view):
    assert from_text(to_text(view)) == view


@given(views)
def test_the_choices_survive_the_whole_address(view):
    seen = session.View(corpus=view)
    assert session.from_address(session.to_address(seen), session.View()).corpus == view


def test_they_survive_where_the_prompt_is_too_long_for_a_link():
    seen = session.View(prompt="x" * (session.LONGEST_LINK + 1), corpus=CorpusMapView(data="days"))
    assert session.from_address(session.to_address(seen), session.View()).corpus == seen.corpus


def test_first_choices_leave_no_trace():
    assert to_text(CorpusMapView()) == ""


def test_what_was_brought_is_not_asked_for_elsewhere():
    assert from_text(to_text(CorpusMapView(data="own", asked=True))) == CorpusMapView(data="own")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "data=../x&spot=a.b",
        "stride=3&scale=huge",
        "seed=-1&seed=1e5&asked=yes&twin=1&axes=4",
        "knob.min_dist=much&knob.a-b=1&knob.x=nan&knob.y=inf",
        "x" * 5000,
    ],
)
def test_what_makes_no_sense_is_dropped(text):
    assert from_text(text) == CorpusMapView()


def test_long_words_are_cut():
    assert len(from_text("word=" + "a" * 1000).word) == LONGEST_WORD
