"""What of the probe page a link holds, and what it drops where it makes no sense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.captures import SPOTS
from analysis.data.labelled_sets import IDS
from analysis.probing import PROBES
from analysis.probing.sparse import KS
from components.probe_link import BROUGHT, PARTS, ProbeView, from_text, to_text

VIEWS = st.builds(
    ProbeView,
    st.sampled_from(IDS),
    st.sampled_from(list(SPOTS)),
    st.sampled_from(list(PROBES)),
    st.sampled_from(PARTS),
    st.booleans(),
    st.sampled_from(KS),
    st.none() | st.integers(0, 9_999_999),
)


@given(VIEWS)
def test_a_link_holds_every_choice(view):
    assert from_text(to_text(view)) == view


def test_the_first_choices_need_no_link():
    assert to_text(ProbeView()) == ""
    assert from_text("") == ProbeView()
    assert to_text(ProbeView(asked=True)) == "truth*last*logistic*asked"
    assert (
        to_text(ProbeView("sentiment", "token", "sparse", few=64, neuron=7))
        == "sentiment*token*sparse*k64*n7"
    )


@pytest.mark.parametrize("data", BROUGHT)
def test_a_link_does_not_run_what_it_does_not_carry(data):
    assert to_text(ProbeView(data, asked=True)) == f"{data}*last*logistic"
    assert from_text(f"{data}*last*logistic*asked") == ProbeView(data)


@pytest.mark.parametrize(
    "extra",
    [
        "k3",
        "k",
        "n",
        "n-1",
        "nx",
        "k16.0",
        "asked!",
        "map",
        "n99999999",
        "n1²",
        "k٤",
        " ",
        "n1*k5",
        "asked*x",
    ],
)
def test_a_forged_part_opens_the_first_choices(extra):
    assert from_text(f"cities*span*ridge*{extra}") == ProbeView()


@given(st.text())
def test_any_text_opens_some_view(text):
    view = from_text(text)
    assert from_text(to_text(view)) == view
