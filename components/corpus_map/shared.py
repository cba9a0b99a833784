"""What a group's points have in common: values of columns, numbers, words."""

import pandas as pd
import streamlit as st

from analysis.groups.sharing import MISLEADS, Shared, enrichment
from analysis.groups.words import WordShift, frequent_words
from analysis.jobs import Report
from components.corpus_map.groups import Group
from components.literal import plain
from components.waiting import result_of

SURE = 0.05
"""Share of false findings up to which a value is called enriched."""


def draw_shared(group: Group) -> None:
    """Values that are frequent in the group, and numbers that are shifted."""
    columns = group.read.given
    if not len(columns.columns):
        st.caption("These texts came without columns; look at their words.")
        return

    def work(report: Report) -> Shared:
        report("Comparing columns")
        return enrichment(columns, group.rows, group.among)

    found = result_of(group.job("shared", "Comparing columns", work), "corpus shared")
    if found is None:
        return
    st.markdown(plain(_shared_sentence(found)))
    if found.values:
        st.dataframe(_values_table(found), hide_index=True, height=260, column_config=_SHARED_COLUMNS)
    if found.numbers:
        st.dataframe(_numbers_table(found), hide_index=True, height="content", column_config=_SHARED_COLUMNS)
    st.caption(plain(f"Misleads when: {MISLEADS}"))


def draw_words(group: Group) -> None:
    """Words that are frequent in the group's texts."""

    def work(report: Report) -> tuple[WordShift, ...]:
        report("Counting words")
        return frequent_words(group.read.corpus.texts, group.rows, group.among)

    found = result_of(group.job("words", "Counting words", work), "corpus words")
    if found is None:
        return
    if not found:
        st.caption("No word is more frequent in these texts than in the others.")
        return
    rows = [
        {"word": each.word, "here": each.inside, "elsewhere": each.outside, "z": each.z} for each in found
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height="content",
        column_config={"z": st.column_config.NumberColumn(format="%.1f")},
    )
    st.caption(
        "Words of the group's texts against those of the other texts, by log odds over their standard error "
        "(Monroe et al. 2008); below about 2 is chance."
    )


def _shared_sentence(found: Shared) -> str:
    sure = [each for each in found.values if each.q <= SURE and each.log2_ratio > 0]
    if not sure:
        return "No value is more frequent among these points than chance would have it."
    listed = ", ".join(
        f"{each.value} ({each.share_inside:.0%} here, {each.share_outside:.0%} elsewhere)"
        for each in sure[:3]
    )
    return f"More frequent here than elsewhere: {listed}."


def _values_table(found: Shared) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "column": each.column,
                "value": each.value,
                "here": each.inside,
                "elsewhere": each.outside,
                "share here": each.share_inside,
                "share elsewhere": each.share_outside,
                "log2 ratio": each.log2_ratio,
                "p": each.p,
                "q": each.q,
            }
            for each in found.values
        ]
    )


def _numbers_table(found: Shared) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "column": each.column,
                "mean here": each.mean_inside,
                "mean elsewhere": each.mean_outside,
                "difference in sd": each.difference,
                "p": each.p,
                "q": each.q,
            }
            for each in found.numbers
        ]
    )


_SHARED_COLUMNS = {
    **dict.fromkeys(("share here", "share elsewhere"), st.column_config.NumberColumn(format="percent")),
    **dict.fromkeys(("log2 ratio", "difference in sd"), st.column_config.NumberColumn(format="%.2f")),
    **dict.fromkeys(("mean here", "mean elsewhere"), st.column_config.NumberColumn(format="%.3g")),
    "p": st.column_config.NumberColumn(
        format="%.2g",
        help="Chance of as much in a random group of this size (Fisher; rank sums for numbers).",
    ),
    "q": st.column_config.NumberColumn(
        format="%.2g",
        help="p, corrected for all values and numbers that were looked at (Benjamini & Hochberg).",
    ),
}
