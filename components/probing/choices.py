"""What is probed: a shipped set or one's own, where it is read, and with which probe."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from analysis import AnalysisError, sides
from analysis.captures import SPOTS
from analysis.data.labelled_sets import card, labelled_sets
from analysis.labelled import LabelledSet
from analysis.labelled_table import from_table
from analysis.probing import PROBES
from components import session
from components.literal import plain
from components.probe_link import OWN, ProbeView
from components.probing.requests import given_set


def draw_choices() -> LabelledSet | None:
    """The row of choices; the examples that are chosen, or None while there are none."""
    view = session.view().probe
    names = {each.id: each.name for each in labelled_sets()} | {OWN: "A table of your own"}
    data, spot, probe = st.columns([1.2, 1.3, 1.3])
    with data:
        _choose("Examples", "data", names)
    given = _draw_own() if view.data == OWN else given_set(view)
    if given is None:
        return None
    _fit(given)
    with spot:
        _choose("Read at", "spot", SPOTS)
    with probe:
        able = {key: each.title for key, each in PROBES.items() if each.kind == _kind(given)}
        _choose("Probe", "probe", able)
    return given


def draw_examples(given: LabelledSet) -> None:
    """What the set holds, and where it comes from."""
    kinds = f"{len(given.classes)} classes" if given.classes else ", ".join(given.numbers)
    with st.expander(f"{len(given):,} examples, {len(set(given.groups)):,} groups: {plain(kinds)}"):
        st.markdown(f"**{plain(given.question)}**")
        st.caption(plain(f"{given.source} {given.license}"))
        if given.id != OWN:
            st.caption(plain(card(given.id).note))
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
        view = replace(session.view().probe, **{part: state[key]})
        session.change(probe=_at_its_span(view) if part == "data" else view)

    st.selectbox(label, list(names), format_func=names.get, key=key, on_change=change)


def _at_its_span(view: ProbeView) -> ProbeView:
    """A set whose labels are about parts of its texts is read there."""
    given = given_set(view)
    spans = given is not None and any(span is not None for span in given.spans)
    return replace(view, spot="span" if spans else "last")


def _draw_own() -> LabelledSet | None:
    uploaded = st.file_uploader(
        "A table with columns `text` and `label`, and if you like `group` (what must stay together in a split) and "
        "`span` (the words the label is about)",
        type=[kind[1:] for kind in sides.TABLES],
        key="probe_table",
    )
    if uploaded is None:
        if st.session_state.get("own_set") is None:
            st.caption("CSV, TSV, JSONL or Parquet, up to 10 MB. Nothing leaves this machine.")
        return st.session_state.get("own_set")
    try:
        table = sides.read_table(uploaded.getvalue(), uploaded.name)
        st.session_state.own_set = from_table(table, uploaded.name)
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        return None
    return st.session_state.own_set
