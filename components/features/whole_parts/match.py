"""Matching: pairs of features of two dictionaries of the same model."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.dictionaries.evidence.evidence import Evidence, evidence, is_at_hand
from analysis.dictionaries.shelf import Offer, offered
from analysis.dictionaries.whole import agreement as agreeing
from analysis.dictionaries.whole import matching as pairing
from analysis.dictionaries.whole.matching import Matching
from components.features import choices
from components.features.requests import dictionary_of
from components.features.whole_parts.requests import known_of, matching_job
from components.features.whole_parts.seen import Seen, ending, refused
from components.figures.against_null import mode
from components.figures.whole_charts import beside_chance, show
from components.kinds import EDITED, NULL
from components.view_controls import segments
from components.waiting import result_of

BY = {"activations": "By activations", "directions": "By directions"}
UNIT = {"activations": "correlation of activations", "directions": "cosine of directions"}
EDGES = np.linspace(0, 1, 41)
MOST_LISTED = 1000


def draw(seen: Seen) -> None:
    """This question."""
    if refused(seen, "A neuron fires everywhere a little, so its partner would be whatever else is dense."):
        return
    offers = {
        each.id: each for each in offered(seen.model) if each.origin != "neurons" and each.id != seen.offer.id
    }
    if not offers:
        st.info(
            "There is only one sparse dictionary for this model. Get another in the last part of the page, for another "
            "layer or of another kind, and its features are matched with these."
        )
        return
    other, by = _draw_choices(seen, offers)
    found = result_of(matching_job(seen.model, seen.dictionary, other, by), "whole matching", height=360)
    if found is None or (known := known_of(seen)) is None:
        return
    seen.answer(_answer(found, other, by))
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        _draw_best(found, by)
    with right:
        _draw_agreement(found)
    _draw_pairs(found, known, _other_known(seen, other), by)
    ending(
        seen,
        "Each feature of this dictionary is given the feature of the other that is most like it; where several are "
        "given the same, the most similar keeps it. The grey bars are the same where nothing can match: tokens shifted "
        "against each other, or random directions. Right: whether paired directions are arranged alike (SVCCA: mean "
        "canonical correlation; RSA: rank correlation of similarities), beside 100 random pairings.",
        pairing.MISLEADS,
        f"{pairing.SOURCE}; {agreeing.SOURCE}",
        other=other.name,
        text=known.about["text"],
        seed=0,
    )


def _draw_choices(seen: Seen, offers: dict[str, Offer]) -> tuple[Offer, str]:
    wanted, by = choices.chosen("whole.other", ""), choices.chosen("whole.by", "activations")
    by = by if by in BY else "activations"
    wanted = wanted if wanted in offers else _nearest(seen, offers)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.session_state.whole_other = wanted
        st.selectbox(
            "With",
            list(offers),
            format_func=lambda id: offers[id].name,
            key="whole_other",
            on_change=lambda: choices.choose("whole.other", st.session_state.whole_other),
            label_visibility="collapsed",
            width=360,
        )
        segments(
            "Matched by", BY, key="whole_by", now=by,
            change=lambda now: choices.choose("whole.by", None if now == "activations" else now),
        )  # fmt: skip
    return offers[wanted], by


def _nearest(seen: Seen, offers: dict[str, Offer]) -> str:
    layer = seen.dictionary.site.layer
    return min(offers.values(), key=lambda each: abs(each.site.layer - layer)).id


def _other_known(seen: Seen, offer: Offer) -> Evidence | None:
    """What is known of the other dictionary's features, if it takes no time."""
    other = result_of(dictionary_of(seen.model, offer.id), "whole other")
    return evidence(seen.model, other) if other is not None and is_at_hand(seen.model, other) else None


def _answer(found: Matching, other: Offer, by: str) -> str:
    floor = float(np.quantile(found.best_null, 0.99))
    clear = int((found.similarity > floor).sum())
    alike = ""
    if found.agreement is not None:
        alike = (
            f" Paired directions are arranged alike to {found.agreement.rsa:.2f} (RSA; random pairing at most "
            f"{max(found.agreement.rsa_null):.2f})."
        )
    return (
        f"{clear:,} of {found.compared[0]:,} features have a partner of their own in {other.name} with a {UNIT[by]} "
        f"above {floor:.2f}, which 1% reach where nothing matches; the median of the best is "
        f"{np.median(found.best):.2f} (null {np.median(found.best_null):.2f}).{alike}"
    )


def _draw_best(found: Matching, by: str) -> None:
    figure = go.Figure()
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    for name, kind, values in (
        ("nothing matches", NULL, found.best_null),
        ("best partner", EDITED, found.best),
    ):
        counts = np.histogram(np.clip(values, 0, 1), EDGES)[0]
        figure.add_bar(
            x=middle,
            y=counts,
            name=name,
            marker={"color": kind.color(mode())},
            opacity=0.6,
            hovertemplate=f"%{{x:.2f}}: %{{y:,}} features<extra>{name}</extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0.05)
    figure.update_xaxes(title_text=f"highest {UNIT[by]}", range=[0, 1])
    figure.update_yaxes(title_text="features")
    show(
        figure,
        f"whole_match_{by}",
        f"Highest {UNIT[by]}: median {np.median(found.best):.2f}, null {np.median(found.best_null):.2f}.",
    )


def _draw_agreement(found: Matching) -> None:
    own = found.agreement
    if own is None:
        st.caption(f"Fewer than {agreeing.FEWEST} pairs: the arrangement of directions cannot be compared.")
        return
    beside_chance(
        [("SVCCA", own.svcca, own.svcca_null), ("RSA", own.rsa, own.rsa_null)],
        "whole_match_agreement",
        f"SVCCA {own.svcca:.2f} and RSA {own.rsa:.2f} of {own.pairs} pairs, beside random pairings.",
        f"agreement of {own.pairs:,} pairs of directions",
    )


def _draw_pairs(found: Matching, known: Evidence, other: Evidence | None, by: str) -> None:
    order = np.argsort(-found.similarity, kind="stable")
    table = pd.DataFrame(
        {
            UNIT[by]: found.similarity[order],
            "feature": found.one[order],
            "label": [known.label(each) for each in found.one[order].tolist()],
            "partner": found.other[order],
        }
    )
    if other is not None:
        table["its label"] = [other.label(each) for each in found.other[order].tolist()]
    shown = f"The {MOST_LISTED:,} most similar of " if len(table) > MOST_LISTED else ""
    st.caption(f"{shown}{len(table):,} pairs; a click opens the feature's card.")
    key = "whole_pairs"

    def look() -> None:
        if rows := st.session_state[key].selection.rows:
            choices.look_at(int(table["feature"].iloc[rows[0]]))

    st.dataframe(
        table.head(MOST_LISTED),
        hide_index=True,
        width="stretch",
        height=300,
        key=key,
        on_select=look,
        selection_mode="single-row",
        column_config={UNIT[by]: st.column_config.NumberColumn(format="%.3f")},
    )
    st.download_button(
        "CSV", lambda: table.to_csv(index=False), "bathyscope-matching.csv", "text/csv", on_click="ignore"
    )
