"""A recipe in a link: what is written is read back, and what makes no sense is dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.recipes import OPERATIONS
from components import session
from components.recipe_link import MOST_DOSES, DoseView, from_text, to_text

REFERENCES = (
    "preset.sentiment",
    "kept.0123456789abcdef",
    "kept.0123456789abcdef.2",
    "erased.0123456789abcdef",
    "erased.0123456789abcdef.5",
    "random.7",
    "token.504.-.euclidean",
    "token.504.1.causal",
)

doses = st.builds(
    DoseView,
    reference=st.sampled_from(REFERENCES),
    operation=st.sampled_from(list(OPERATIONS)),
    strength=st.integers(-1000, 1000).map(lambda hundredths: hundredths / 100),
    layers=st.none() | st.tuples(st.integers(0, 40), st.integers(41, 80)),
    positions=st.sampled_from(["all", "after_first", "prompt", "generated"])
    | st.lists(st.integers(0, 500), min_size=1, max_size=5, unique=True).map(tuple),
    stream=st.sampled_from(["residual", "attention", "mlp"]),
)


@given(st.lists(doses, max_size=MOST_DOSES).map(tuple))
def test_a_recipe_survives_the_link(recipe):
    assert from_text(to_text(recipe)) == recipe


@given(st.lists(doses, max_size=MOST_DOSES).map(tuple))
def test_a_recipe_survives_the_whole_address(recipe):
    view = session.View(recipe=recipe)
    assert session.from_address(session.to_address(view), session.View()).recipe == recipe


@given(st.text(max_size=200))
def test_any_text_gives_a_recipe_or_none(text):
    assert all(isinstance(dose, DoseView) for dose in from_text(text))


@pytest.mark.parametrize(
    "forged",
    [
        "preset.sentiment*explode*0.2**all",
        "preset.sentiment*add*1e9**all",
        "preset.sentiment*add*nan**all",
        "preset.sentiment*add*99**all",
        "preset.../../etc*add*0.2**all",
        "kept.../../../etc/passwd*add*0.2**all",
        "kept.abc/def0*add*0.2**all",
        "erased.../../../etc/passwd*add*0.2**all",
        "erased.abc/def0*add*0.2**all",
        "erased.0123456789abcdef.10*add*0.2**all",
        "erased.0123456789abcdef.x*add*0.2**all",
        "erased.*add*0.2**all",
        "erased.0123456789abcdef*add*0.2**keys",
        "random.-1*add*0.2**all",
        "preset.sentiment*add*0.2*x-y*all",
        "preset.sentiment*add*0.2**everywhere",
        "preset.sentiment*add*0.2**all*keys",
        "preset.sentiment*add*0.2**all*mlp*mlp",
        "preset.sentiment*add*0.2",
    ],
)
def test_what_is_forged_is_dropped(forged):
    assert from_text(forged) == ()


def test_a_row_knows_whether_it_erases():
    rows = from_text("~".join(f"{reference}*add*0.2**prompt" for reference in REFERENCES[:MOST_DOSES]))
    assert [row.erases for row in rows] == [False, False, False, True, True, False]
    assert {row.positions for row in rows} == {"prompt"}


def test_only_so_many_rows_are_read():
    assert len(from_text("~".join(["random.1*add*0.2**all"] * 50))) == MOST_DOSES
