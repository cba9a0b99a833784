"""Erasers in one table: what each leaves of the concept, what it costs, how much it takes out."""

import pandas as pd
import streamlit as st

from analysis.certificates.compare import Compared, Comparison
from analysis.methods.erase import Fitted
from components.erasing.requests import comparison_key, comparison_of
from components.frame import Frame
from components.literal import plain
from components.waiting import result_of


def draw(frame: Frame, fitted: Fitted) -> None:
    """The part of the page."""
    given, plan = fitted.given, fitted.plan
    key = comparison_key(frame.model, given, plan)
    if st.button(
        f"Compare all erasers at layer {plan.layers[1]}", type="primary", icon=":material/table_rows:"
    ):
        st.session_state.comparison_asked = key
    if st.session_state.get("comparison_asked") != key:
        st.caption(
            "Fits each of them to the same examples, and judges them with the same probes. About a minute."
        )
        return
    found = result_of(comparison_of(frame.model, given, plan), key="comparison", height=260)
    if found is not None:
        _draw(found)


def _draw(found: Comparison) -> None:
    st.markdown(sentence(found))
    table = table_of(found)
    narrow = ("chance", "rank", "iterations", "KL, bits", "perplexity", "seconds")
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        column_config={name: st.column_config.Column(width=76) for name in narrow}
        | {"eraser": st.column_config.Column(width=210)},
    )
    for method, reason in found.problems:
        st.caption(plain(f"{method}: {reason}"))
    st.caption(
        "Concept left: what probes read of held-out examples, those in the first column after learning from the "
        "examples that the eraser was fitted to, those in the second after learning from other held-out ones. KL is "
        "that from the unedited model on ordinary text, per token."
    )
    st.download_button(
        "CSV",
        lambda: table.to_csv(index=False),
        "bathyscope-erasers.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def sentence(found: Comparison) -> str:
    """Which eraser hides the concept at the lowest cost."""
    hiding = [row for row in found.rows[1:] if row.left.low <= found.chance and row.method != "random"]
    if not hiding:
        return f"At layer {found.layer} **no eraser hides {plain(found.name)}** from a linear probe."
    best = min(hiding, key=lambda row: row.bits)
    others = f", of {len(hiding)} that do" if len(hiding) > 1 else ""
    return (
        f"At layer {found.layer} **{plain(best.title)}** hides {plain(found.name)} from linear probes at the lowest "
        f"cost{others}: {best.bits:.2f} bits a token, rank {best.rank}."
    )


def table_of(found: Comparison) -> pd.DataFrame:
    """One row per eraser."""
    return pd.DataFrame([_row(found, row) for row in found.rows])


def _row(found: Comparison, row: Compared) -> dict[str, object]:
    network = {} if found.numbers else {"small network": str(row.network)}
    return {
        "eraser": row.title,
        "concept left": str(row.left),
        "new examples": str(row.fresh),
        **network,
        "chance": f"{found.chance:.2f}",
        "rank": row.rank,
        "iterations": row.iterations,
        "KL, bits": round(row.bits, 3),
        "perplexity": round(row.perplexity, 2),
        "seconds": round(row.seconds, 2),
    }
