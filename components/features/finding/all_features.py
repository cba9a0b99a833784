"""Every feature of a dictionary in one table: to be searched, sorted and filtered; a row opens its card."""

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.evidence.search import FOUND, KINDS, search
from analysis.dictionaries.labels.rule import SILENT, UNCLEAR
from analysis.dictionaries.shelf import Offer
from components import session
from components.features.choices import change, choose, look_at
from components.features.finding.away import dictionary_lines, draw_away
from components.features.finding.filters import (
    BEST,
    ORDERS,
    draw_filters,
    measured,
    order_now,
    ordered,
    sieve_now,
)
from components.features.finding.known import draw_evidence
from components.frame import Frame
from components.literal import plain

PERCENT = "fires on, %"
COLUMNS = {
    "feature": st.column_config.NumberColumn("feature", format="%d", width="small"),
    "label": st.column_config.TextColumn(
        "label", width=250, help="Made from rules about tokens, or yours; a guess."
    ),
    "kind": st.column_config.TextColumn("kind"),
    PERCENT: st.column_config.NumberColumn(
        PERCENT, format="%.3f", help="Share of the tokens that count at which it is active."
    ),
    "max": st.column_config.NumberColumn(
        "max", format="%.2f", help="Its largest activation, in the unit of states."
    ),
    "mean": st.column_config.NumberColumn("mean", format="%.2f", help="Mean size where it is active."),
    "top_token": st.column_config.TextColumn("top token"),
    "token_precision": st.column_config.NumberColumn(
        "on it", format="%.2f", help="Share of its activation on the top token, 0 to 1: how specific it is."
    ),
    "context": st.column_config.NumberColumn(
        "context",
        format="%.2f",
        help="Share of its activation that is gone where the token stands alone, 0 to 1.",
    ),
    "detection": st.column_config.NumberColumn(
        "label's score",
        format="%.2f",
        help="Balanced accuracy of the label's rule on held-out text (of strong firings where the label says "
        "where it peaks); 0.5 tells nothing.",
    ),
    "chance": st.column_config.NumberColumn(
        "by chance", format="%.2f", help="The same of the best of random other features' rules."
    ),
    "promoted": st.column_config.TextColumn("promotes", width="medium", help="Through the unembedding."),
    "suppressed": st.column_config.TextColumn("suppresses", width="medium"),
    "direct": st.column_config.NumberColumn(
        "direct effect",
        format="%.2f",
        help="Spread of the logits it adds where it fires, no later block counted.",
    ),
    "effect": st.column_config.NumberColumn(
        "loss, nats", format="%+.3f", help="What zeroing it does to the loss, where its card has measured it."
    ),
    FOUND: st.column_config.TextColumn(FOUND, width="small"),
}
"""What is shown of a feature, in this order."""


def draw(frame: Frame, offer: Offer, dictionary: Dictionary, heading) -> None:
    """This section of the page."""
    found = draw_evidence(frame.model, dictionary)
    if found is None:
        return
    table = found.table()
    heading.markdown(_counted(table))
    query, beside = _draw_query()
    with beside.popover("Filter", icon=":material/filter_list:", width="stretch"):
        kept = draw_filters(table).keeps(table)
    listed = ordered(search(table[kept], query), order_now())
    if order_now() == "loss" or sieve_now().effect:
        st.caption(
            f"{measured(table):,} of {len(table):,} features have an effect on the loss: it is measured one by one, by "
            "a button on a feature's card. The others are listed last, and not at all above a bound."
        )
    _draw_table(listed, len(table), query)
    draw_away(listed, snippet(frame, offer, query), found.provenance(), "features")
    _draw_words(found)


def _counted(table: pd.DataFrame) -> str:
    """How many of each kind there are."""
    counts = table["kind"].value_counts()
    kinds = [f"{counts[kind]:,} {name}" for kind, name in KINDS.items() if counts.get(kind, 0)]
    labelled = int((~table["label"].str.startswith((UNCLEAR, SILENT))).sum())
    return f"{len(table):,} features by kind: {', '.join(kinds)}. {labelled:,} have a label."


def _draw_query() -> tuple[str, DeltaGenerator]:
    """What is searched for, and room for the filters."""
    state = st.session_state
    words, order, more = st.columns([3, 1.6, 1], vertical_alignment="bottom")
    state.find_query = session.view().features.query
    words.text_input(
        "Search labels, tokens and numbers",
        key="find_query",
        max_chars=120,
        placeholder="a word of a label, a token it fires on or promotes, or a number",
        on_change=lambda: change(query=state.find_query.strip()),
    )
    state.find_order = order_now()
    order.selectbox(
        "Order",
        list(ORDERS),
        format_func=lambda id: ORDERS[id][0],
        key="find_order",
        on_change=lambda: choose("order", None if state.find_order == BEST else state.find_order),
    )
    return session.view().features.query, more


def _draw_table(listed: pd.DataFrame, count: int, query: str) -> None:
    """The features that are listed; a row opens a card."""
    if not len(listed):
        st.info("No feature is both found and within the filters. Search for something else, or filter less.")
        return
    st.caption(
        f"{len(listed):,} of {count:,} features. Choose a row to open its card; a column's head sorts."
    )
    shown = listed.assign(**{PERCENT: 100 * listed["frequency"], "kind": listed["kind"].map(KINDS)})
    hidden = {"effect"} if shown["effect"].isna().all() else set()
    hidden |= set() if query else {FOUND}

    def choose_row() -> None:
        if rows := st.session_state.find_table.selection.rows:
            look_at(int(listed["feature"].iloc[rows[0]]))

    st.dataframe(
        shown,
        key="find_table",
        column_order=[name for name in COLUMNS if name not in hidden],
        column_config=COLUMNS,
        on_select=choose_row,
        selection_mode="single-row",
        hide_index=True,
        width="stretch",
        height=520 if len(listed) > 13 else "content",
        placeholder="",
    )


def snippet(frame: Frame, offer: Offer, query: str) -> str:
    """The few lines of Python that compute the same."""
    return "\n".join(
        [
            "from analysis import ModelSpec, load",
            "from analysis.dictionaries.evidence.gathering import evidence",
            "from analysis.dictionaries.evidence.search import search",
            "from analysis.dictionaries.shelf import open_dictionary",
            "",
            *dictionary_lines(frame, offer),
            f"print(search(evidence(model, dictionary).table(), {query!r}).head(20))",
        ]
    )


def _draw_words(found: Evidence) -> None:
    """What is seen, when it misleads, and where it comes from."""
    with st.expander("What you see, when it misleads, and where it comes from", icon=":material/info:"):
        st.markdown(
            "Every row is one feature and what many tokens of text say about it. A search finds a number first, then "
            "whole words, then parts of words; labels come before top tokens, and these before tokens that a feature "
            "promotes or suppresses. Case and spaces do not count."
        )
        provenance = found.provenance()
        st.markdown(f"Misleads when: {plain(provenance.misleads_when)}")
        for name, value in provenance.lines():
            st.caption(f"{name}: {plain(value)}")
