"""The map of a text in a link: what is written is read back, and what makes no sense is dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.maps.basis import BASES
from analysis.maps.scaling import SCALES
from analysis.methods import prompt_map
from components import session
from components.prompt_map_link import COLORS, LONGEST, TWINS, PromptMapView, from_text, to_text

references = st.sampled_from(
    ["preset.sentiment", "token.504.-.causal", "random.7", "kept.0123456789abcdef.2"]
)
views = st.builds(
    PromptMapView,
    basis=st.sampled_from(list(BASES)),
    scale=st.sampled_from(list(SCALES)),
    axes=st.sampled_from([2, 3]),
    concepts=st.lists(references, unique=True, max_size=3).map(tuple),
    edited=st.booleans(),
    first=st.booleans(),
    twin=st.sampled_from(["", *TWINS]),
    seed=st.integers(0, 10**9 - 1),
    color=st.sampled_from([*COLORS, "measure.curvature"]),
)


@given(views)
def test_the_choices_survive_the_link(view):
    assert from_text(to_text(view)) == view
    assert len(to_text(view)) < LONGEST


@given(views)
def test_the_choices_survive_the_whole_address(view):
    seen = session.View(prompt_map=view)
    assert session.from_address(session.to_address(seen), session.View()).prompt_map == view


def test_the_choices_go_with_a_text_too_long_for_a_link():
    seen = session.View(prompt="a" * (session.LONGEST_LINK + 1), prompt_map=PromptMapView(axes=3))
    assert session.to_address(seen)["map"] == "axes=3"


def test_first_choices_leave_no_trace():
    assert to_text(PromptMapView()) == ""


def test_the_twins_are_those_of_the_analysis():
    assert tuple(prompt_map.TWINS) == TWINS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "basis=umap",
        "scale=log",
        "axes=4",
        "axes=-2",
        "edited=yes",
        "first=2",
        "twin=evil",
        "seed=-1",
        "seed=1e3",
        "seed=²",
        "color=red",
        "color=measure.",
        "color=measure.two words",
        "color=measure." + "x" * 40,
        "color=curvature",
        "concepts=erased.0123456789abcdef",
        "concepts=preset.sea nonsense",
        "concepts=random.1 random.2 random.3 random.4",
        "unknown=1",
        "x" * 5000,
        "&&==;",
    ],
)
def test_what_makes_no_sense_is_dropped(text):
    assert from_text(text) == PromptMapView()


def test_parts_that_make_no_sense_are_dropped_alone():
    assert from_text("axes=9&scale=raw&seed=x") == PromptMapView(scale="raw")


def test_a_concept_named_twice_is_one_axis():
    assert from_text("concepts=random.1 random.1").concepts == ("random.1",)
