"""The cursor's token: what its state is made of, feature by feature, and what is left."""

import pandas as pd
import streamlit as st

from analysis.methods.features import TextFeatures, TokenShares
from components.features import choices
from components.features.reading.answer import target, warning
from components.features.reading.known import draw_nameless
from components.features.reading.names import Names
from components.literal import literal, plain

ROW = 28
HELP = (
    "With y = state - bias = sum of a·d + error, the share of a feature is a d·y / y·y. All shares and the error's "
    "add up to 100%. One that points against the state has a share below 0."
)


def draw_token(found: TextFeatures, shares: TokenShares, names: Names, feature: int | None) -> None:
    """The panel.

    Args:
        found: the features of the text.
        shares: of the cursor's token.
        names: what features are called.
        feature: the one that is looked at.
    """
    at = literal(found.tokens.labels[shares.position])
    st.markdown(f"**{at}**, token {shares.position}, layer {found.dictionary.site.layer}")
    if sentence := warning(found, shares.position):
        st.caption(f":material/warning: {plain(sentence)}")
    _draw_sums(found, shares)
    if not len(shares.features):
        st.info("No feature is active here. Choose another token, or another dictionary.")
        return
    _draw_list(found, shares, names, feature)
    draw_nameless(names)
    if feature is not None:
        _draw_ways_on(names, feature)


def _draw_sums(found: TextFeatures, shares: TokenShares) -> None:
    dense = shares.active == found.dictionary.features
    with st.container(horizontal=True, gap="small", key="token_sums"):
        if not dense:
            st.metric("active (L0)", f"{shares.active:,}", width="content")
        listed = float(shares.shares.sum())
        st.metric(
            f"the {len(shares.features)} largest" if dense else "explained",
            f"{listed if dense else shares.explained:.0%}",
            width="content",
            help=f"Share of {target(found)} that they add up to. {HELP}",
        )
        if dense:
            st.metric("all others", f"{shares.rest:.0%}", width="content")
        if shares.error_length:
            st.metric(
                "error",
                f"{shares.error:.0%}",
                width="content",
                help="Share of what the dictionary leaves unexplained. An edit of features leaves it in place.",
            )
    if shares.error_length:
        st.caption(
            f"The error is {shares.error_length:.2f} times as long as the state, with a cosine of "
            f"{shares.error_cosine:.2f} to it."
        )


def _draw_list(found: TextFeatures, shares: TokenShares, names: Names, feature: int | None) -> None:
    key = f"token features {found.dictionary.id} {shares.position}"
    listed = shares.features.tolist()

    def choose() -> None:
        chosen = st.session_state[key].selection
        if rows := [*chosen.rows, *(row for row, _ in chosen.cells)]:
            choices.change(feature=listed[rows[0]])

    st.dataframe(
        token_table(shares, names),
        key=key,
        on_select=choose,
        selection_mode="single-cell",
        hide_index=True,
        width="stretch",
        row_height=ROW,
        height=ROW * (min(len(listed), 15) + 1) + 4,
        column_config=_columns(shares, names, found.dictionary.signed),
    )
    left = f" {shares.active - len(listed):,} more are active." if shares.active > len(listed) else ""
    st.caption(f"Click a row to follow that {names.kind} through the text.{left}")


def token_table(shares: TokenShares, names: Names) -> pd.DataFrame:
    """One row a listed feature: number, label, activation and share."""
    listed = shares.features.tolist()
    table = {names.kind: listed}
    labels = [names.label(each) for each in listed]
    if any(labels):
        table["label"] = labels
    return pd.DataFrame(
        table
        | {
            "activation": shares.activations,
            "share": 100 * shares.shares,
        }
    )


def _columns(shares: TokenShares, names: Names, signed: bool) -> dict:
    return {
        names.kind: st.column_config.NumberColumn(names.kind, format="%d", width=62),
        "label": st.column_config.TextColumn("label", width=112),
        "activation": st.column_config.NumberColumn(
            "active", format="%+.1f" if signed else "%.1f", width=58, help="Its activation at this token."
        ),
        "share": st.column_config.NumberColumn("share", format="%.1f%%", width=62, help=HELP),
    }


def _draw_ways_on(names: Names, feature: int) -> None:
    with st.container(horizontal=True, gap="small", key="feature_ways_on"):
        st.button(
            f"What is {names.kind} {feature}?",
            icon=":material/badge:",
            on_click=choices.look_at,
            args=(feature,),
            help="Its card: where it fires in many texts, and what it promotes.",
        )
        st.button(
            "Act on it",
            icon=":material/tune:",
            on_click=lambda: choices.change(feature=feature, part="act"),
            help="Zero, scale or clamp it, and see what the model says then.",
        )
