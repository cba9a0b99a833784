"""What is probed: a shipped set or one's own, where it is read, and with which probe."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from analysis import AnalysisError, sides, table_files
from analysis.captures import EACH, SPOTS, spot_of
from analysis.data.labelled_sets import IDS, card, labelled_sets
from analysis.labelled import MOST, LabelledSet
from analysis.labelled_table import OWN, SEPARATOR, WRITTEN, from_lines, from_table
from analysis.probing import PROBES
from analysis.probing.splits import fold
from components import session
from components.literal import plain
from components.probe_link import ProbeView
from components.probing.requests import given_set

EXAMPLE = f"""I loved every minute of it. {SEPARATOR} praise
The worst meal of my life. {SEPARATOR} complaint
A quiet room and kind people. {SEPARATOR} praise
Nobody answered my letters. {SEPARATOR} complaint
The bread was warm and fresh. {SEPARATOR} praise
It broke on the second day. {SEPARATOR} complaint
What a beautiful garden! {SEPARATOR} praise
Cold soup and a rude waiter. {SEPARATOR} complaint
She plays the violin wonderfully. {SEPARATOR} praise
We waited three hours for nothing. {SEPARATOR} complaint
Every detail was taken care of. {SEPARATOR} praise
The walls are thin and the bed is hard. {SEPARATOR} complaint"""
"""Enough to be probed as it stands; the first two lines show in the empty field."""
WHOLE = tuple(spot for spot in SPOTS if spot != EACH)
"""Places that are read once for every example."""
DRAFT = "probe_lines"
"""Key of the text area, and of what is kept of it while another page or set is looked at."""


def draw_choices() -> LabelledSet | None:
    """The row of choices; the examples that are chosen, or None while there are none."""
    data, spot, probe = st.columns([1.2, 1.3, 1.3])
    given = _draw_concept(data, spot, tuple(SPOTS))
    if given is None:
        return None
    _fit(given)
    with probe:
        able = {key: each.title for key, each in PROBES.items() if each.kind == _kind(given)}
        _choose("Probe", "probe", able)
    return given


def draw_concept(spots: tuple[str, ...] = WHOLE) -> LabelledSet | None:
    """The same examples and the place they are read at, for pages that fit no probe.

    Args:
        spots: what the page can read.
    """
    return _draw_concept(*st.columns(2), spots)


def _draw_concept(data, spot, spots: tuple[str, ...]) -> LabelledSet | None:
    """The two choices in the given columns; below them what brings examples of one's own."""
    view = session.view().probe
    names = {each.id: each.name for each in labelled_sets()}
    names |= {WRITTEN: "Written here", OWN: "A table of your own"}
    with data:
        _choose("Examples", "data", names)
    bring = {OWN: _draw_table, WRITTEN: _draw_lines}.get(view.data)
    if bring is not None:
        bring()
    given = given_set(view)
    if given is None:
        return None
    if view.spot not in spots:
        session.change(probe=replace(_at_its_span(view), asked=False))
    with spot:
        _choose("Read at", "spot", {key: SPOTS[key] for key in spots})
    return given


def draw_examples(given: LabelledSet) -> None:
    """What the set holds, and where it comes from."""
    kinds = f"{len(given.classes)} classes" if given.classes else ", ".join(given.numbers)
    with st.expander(f"{len(given):,} examples, {len(set(given.groups)):,} groups: {plain(kinds)}"):
        st.markdown(f"**{plain(given.question)}**")
        st.caption(plain(f"{given.source} {given.license}"))
        if given.id in IDS:
            st.caption(plain(card(given.id).note))
        if again := len(given) - len(set(map(fold, given.texts))):
            st.caption(
                f"{again:,} of the texts have come before, but for white space and case. All copies of a text stay on "
                "one side of the split."
            )
        table = pd.DataFrame({"text": given.texts, "label": labels_of(given), "group": given.groups})
        st.dataframe(table, hide_index=True, height=260)


def labels_of(given: LabelledSet) -> list[str]:
    """Every example's label in words."""
    if given.classes:
        return [given.classes[number] for number in given.targets]
    return [", ".join(f"{value:g}" for value in row) for row in given.targets]


def _kind(given: LabelledSet) -> str:
    return "classes" if given.classes else "numbers"


def _fit(given: LabelledSet) -> None:
    """Choices that suit the examples, where the ones at hand do not."""
    view = session.view().probe
    able = [key for key, each in PROBES.items() if each.kind == _kind(given)]
    if view.probe not in able:
        session.change(probe=replace(view, probe=able[0]))


def _choose(label: str, part: str, names: dict[str, str]) -> None:
    state, key = st.session_state, f"probe {part}"
    state[key] = getattr(session.view().probe, part)

    def change() -> None:
        view = replace(session.view().probe, asked=False, **{part: state[key]})
        session.change(probe=_at_its_span(view) if part == "data" else view)

    st.selectbox(label, list(names), format_func=names.get, key=key, on_change=change)


def _at_its_span(view: ProbeView) -> ProbeView:
    """A set whose labels are about parts of its texts is read there."""
    given = given_set(view)
    return replace(view, spot="last" if given is None else spot_of(given))


def _draw_table() -> None:
    """A table to upload; what it holds is kept for other pages and runs."""
    uploaded = st.file_uploader(
        "A table with columns `text` and `label`, and if you like `group` (what must stay together in a split) and "
        "`span` (the words the label is about)",
        type=[kind[1:] for kind in table_files.TABLES],
        key="probe_table",
    )
    state, key = st.session_state, f"{OWN}_set"
    if uploaded is None:
        kept = state.get(key)
        st.caption(
            f"CSV, TSV, JSONL or Parquet, up to 10 MB and {MOST:,} rows. Nothing leaves this machine."
            if kept is None
            else plain(f"In use: {kept.name}, {len(kept):,} examples.")
        )
        return
    if state.get("own_file") != uploaded.file_id:
        state[key] = _read(
            lambda: from_table(sides.read_table(uploaded.getvalue(), uploaded.name, MOST), uploaded.name)
        )
        state.own_file = uploaded.file_id if state[key] is not None else None


def _draw_lines() -> None:
    """Examples to type; the draft stays while another page or another set is looked at."""
    state = st.session_state
    first = "\n".join(EXAMPLE.splitlines()[:2])
    text = st.text_area(
        f"Examples, one a line: a text {SEPARATOR} its label, which is the name of a class, or numbers with commas "
        "between them",
        key=DRAFT,
        height=260,
        placeholder=f"{first}\n…",
        persist_state="session",
    )
    if not text.strip():
        state[f"{WRITTEN}_set"] = None
        st.button("Start from an example", icon=":material/edit_note:", on_click=_take_example)
        st.caption(
            "Press Ctrl+Enter when you have written some. A link does not carry them; nothing leaves this machine."
        )
        return
    state[f"{WRITTEN}_set"] = _read(lambda: from_lines(text))


def _take_example() -> None:
    st.session_state[DRAFT] = EXAMPLE


def _read(make) -> LabelledSet | None:
    """The examples, or None where something is wrong with them, which is said."""
    try:
        return make()
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        return None
