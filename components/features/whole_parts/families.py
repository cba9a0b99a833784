"""Families: features that fire only where a more general one does."""

import numpy as np
import pandas as pd
import streamlit as st

from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.whole import families as grouping
from analysis.dictionaries.whole.families import Families, Family
from components.features import choices
from components.features.whole_parts.requests import families_job, known_of
from components.features.whole_parts.seen import Seen, ending, named, refused, remember
from components.literal import plain
from components.waiting import result_of

LEASTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MOST_MEMBERS = 60
"""Of a family, those that are listed."""


def draw(seen: Seen) -> None:
    """This question."""
    if refused(
        seen, "Every neuron has some activation at every token, so none fires only where another does."
    ):
        return
    least = _draw_least()
    found = result_of(families_job(seen.model, seen.dictionary, least), "whole families", height=420)
    if found is None or (known := known_of(seen)) is None:
        return
    seen.answer(_answer(found))
    if not found.found:
        st.info("No two features overlap so much. Choose a smaller overlap.")
    else:
        left, right = st.columns([1.7, 1], gap="medium")
        with left:
            number = _draw_list(found, known)
        with right:
            _draw_members(found.found[number], known)
        st.download_button(
            "CSV", lambda: _csv(found, known), "bathyscope-families.csv", "text/csv", on_click="ignore"
        )
    ending(
        seen,
        "The overlap of two features is the share of the rarer one's tokens at which the other fires too. Features are "
        "joined from some overlap on; of that graph the maximum spanning tree is kept, and the denser feature is the "
        "parent. Roots are then taken out and families looked for among the rest, three times in all.",
        grouping.MISLEADS,
        grouping.SOURCE,
        [
            "from analysis.dictionaries.evidence.gathering import sample_text",
            "from analysis.dictionaries.firing.firings import firings",
            "from analysis.dictionaries.whole.families import families",
            "fired = firings(model, dictionary, sample_text())",
            f"found = families(fired.by_token, {least}, 0, fired.counted)",
            "print(found.found[:5], found.joined, found.joined_by_chance)",
        ],
        least_overlap=least,
        seed=0,
    )


def _draw_least() -> float:
    said = choices.chosen("whole.overlap", "0.5")
    least = float(said) if said in map(str, LEASTS) else 0.5
    st.session_state.whole_overlap = least
    st.select_slider(
        "Features are joined from this overlap on",
        LEASTS,
        format_func="{:.0%}".format,
        key="whole_overlap",
        on_change=lambda: remember("whole.overlap", st.session_state.whole_overlap, 0.5),
        width=320,
    )
    return least


def _answer(found: Families) -> str:
    first = [each for each in found.found if each.round == 1]
    inside = {member.feature for each in found.found for member in each.members}
    return (
        f"{len(inside):,} of {found.taking_part:,} features stand in {len(found.found):,} families ({len(first):,} in "
        f"the first round): {found.joined:,} pairs overlap by {found.least:.0%} or more, and "
        f"{found.joined_by_chance:,} where every feature fires at random tokens."
    )


def _draw_list(found: Families, known: Evidence) -> int:
    table = pd.DataFrame(
        {
            "root": [named(known, each.root) for each in found.found],
            "members": [len(each.members) for each in found.found],
            "depth": [max(member.depth for member in each.members) for each in found.found],
            "mean overlap": [
                float(np.nanmean([member.overlap for member in each.members])) for each in found.found
            ],
            "frequency": [float(known.frequency[each.root]) for each in found.found],
        }
    )
    event = st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        height=420,
        on_select="rerun",
        selection_mode="single-row",
        key="whole_family",
        column_config={
            "root": st.column_config.TextColumn(width="medium"),
            "mean overlap": st.column_config.NumberColumn(format="percent"),
            "frequency": st.column_config.NumberColumn(format="percent"),
        },
    )
    rows = event.selection.rows
    return rows[0] if rows and rows[0] < len(found.found) else 0


def _draw_members(family: Family, known: Evidence) -> None:
    """The tree, and a way to each feature's card."""
    lines = []
    for member in family.members[:MOST_MEMBERS]:
        share = "" if member.parent is None else f" ({member.overlap:.0%})"
        lines.append(f"{'  ' * member.depth}- {plain(named(known, member.feature) + share)}")
    if len(family.members) > MOST_MEMBERS:
        lines.append(f"- and {len(family.members) - MOST_MEMBERS} more")
    with st.container(height=340):
        st.markdown("\n".join(lines))
    features = [member.feature for member in family.members]
    if st.session_state.get("whole_family_feature") not in features:
        st.session_state.whole_family_feature = features[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Feature", features, format_func=lambda each: named(known, each), key="whole_family_feature"
        )
        st.button("Open its card", on_click=choices.look_at, args=(chosen,), key="whole_family_open")


def _csv(found: Families, known: Evidence) -> str:
    rows = [
        {
            "family": family.root,
            "round": family.round,
            "feature": member.feature,
            "parent": member.parent,
            "depth": member.depth,
            "overlap": member.overlap,
            "label": known.label(member.feature),
        }
        for family in found.found
        for member in family.members
    ]
    return pd.DataFrame(rows).astype({"parent": "Int64"}).to_csv(index=False)
