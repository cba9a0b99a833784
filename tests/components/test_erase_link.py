"""How a concept is erased, in a link: what is written is read back, and what makes no sense is dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.erasers import ERASERS
from components import session
from components.erase_link import MOST_ITERATIONS, MOST_RANK, EraseView, from_text, to_text

views = st.builds(
    EraseView,
    method=st.sampled_from(list(ERASERS)),
    layers=st.none() | st.tuples(st.integers(0, 40), st.integers(41, 80)),
    sequence=st.booleans(),
    rank=st.none() | st.integers(1, MOST_RANK),
    iterations=st.none() | st.integers(1, MOST_ITERATIONS),
    asked=st.booleans(),
)


@given(views)
def test_the_choices_survive_the_link(view):
    assert from_text(to_text(view)) == view


@given(views)
def test_the_choices_survive_the_whole_address(view):
    seen = session.View(erase=view)
    assert session.from_address(session.to_address(seen), session.View()).erase == view


def test_first_choices_leave_no_trace():
    assert to_text(EraseView()) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "magic*1-2*0*-*-",
        "leace*1-2",
        "leace*a-b*0*-*-",
        "leace*1-2*2*-*-",
        "leace*1-2*0*-*-*x",
        "x" * 5000,
    ],
)
def test_what_makes_no_sense_is_dropped(text):
    assert from_text(text) == EraseView()


def test_parts_out_of_range_are_dropped_alone():
    assert from_text("means*9-3*1*0*9999*0") == EraseView("means", None, True)
