"""The page Geometry in a link: what is written is read back, and what makes no sense is dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.methods import geometry
from components import session
from components.geometry_link import (
    AGAINST,
    LENGTHS,
    LONGEST_NAME,
    MOST_KNOBS,
    MOST_SHUFFLES,
    MOST_TEXTS,
    STRIDES,
    TOKENS,
    GeometryView,
    from_text,
    to_text,
)

knobs = st.dictionaries(
    st.sampled_from(["rankme.epsilon", "spectrum_slope.first", "prompt_entropy.preparation", "hubness.k"]),
    st.floats(-1000, 1000, allow_nan=False) | st.sampled_from(["raw", "mutual-proximity", "nats"]),
)
views = st.builds(
    GeometryView,
    data=st.sampled_from(["ordinary", "prompt", "senses", "own"]),
    most=st.sampled_from(MOST_TEXTS),
    length=st.sampled_from(LENGTHS),
    stride=st.sampled_from(STRIDES),
    tokens=st.sampled_from(TOKENS),
    outliers=st.booleans(),
    shuffles=st.integers(0, MOST_SHUFFLES),
    random=st.booleans(),
    gaussian=st.booleans(),
    against=st.sampled_from(["", *AGAINST]),
    other=st.text(max_size=20),
    question=st.sampled_from(["", "kept", "even"]),
    open=st.sampled_from(["", "rankme"]),
    point=st.none() | st.integers(0, 10**9 - 1),
    tint=st.sampled_from(["", "curvature"]),
    knobs=knobs.map(lambda found: tuple(found.items())),
)


@given(views)
def test_the_choices_survive_the_link(view):
    assert from_text(to_text(view)) == view


@given(views)
def test_the_choices_survive_the_whole_address(view):
    seen = session.View(geometry=view)
    assert session.from_address(session.to_address(seen), session.View()).geometry == view


def test_they_survive_where_the_prompt_is_too_long_for_a_link():
    seen = session.View(prompt="x" * (session.LONGEST_LINK + 1), geometry=GeometryView(data="days"))
    assert session.from_address(session.to_address(seen), session.View()).geometry == seen.geometry


def test_first_choices_leave_no_trace():
    assert to_text(GeometryView()) == ""


@given(st.text(max_size=200))
def test_whatever_an_address_says_is_read(text):
    assert isinstance(from_text(text), GeometryView)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "data=../x&question=a b&open=1x&tint=<b>",
        "most=63&length=1000000&stride=3&tokens=none",
        "shuffles=4&shuffles=-1&random=yes&gaussian=2&outliers=true",
        "against=everything&point=-1&point=1e3",
        "knob.rankme=1&knob.a-b.c=1&knob.x.y=nan&knob.x.y=inf&knob.x.y=much&knob.x.y='a b",
        "x" * 5000,
    ],
)
def test_what_makes_no_sense_is_dropped(text):
    assert from_text(text) == GeometryView()


def test_long_names_and_many_knobs_are_cut():
    assert len(from_text("other=" + "a" * 1000).other) == LONGEST_NAME
    many = "&".join(f"knob.m{number}.k=1" for number in range(50))
    assert len(from_text(many).knobs) == MOST_KNOBS


def test_the_choices_of_tokens_are_those_of_the_analysis():
    assert tuple(geometry.TOKENS) == TOKENS
