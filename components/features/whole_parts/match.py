"""Matching: pairs of features of two dictionaries of the same model, or of two models with one tokenizer."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis import LoadedModel, ModelSpec
from analysis.dictionaries.evidence.evidence import Evidence
from analysis.dictionaries.evidence.gathering import evidence, is_at_hand
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
from components.literal import plain
from components.other_model import draw_naming, opened
from components.view_controls import segments
from components.waiting import result_of

UNNAMED = "?"
"""In the link: another model, not named yet."""
BY = {"activations": "By activations", "directions": "By directions"}
UNIT = {"activations": "correlation of activations", "directions": "cosine of directions"}
EDGES = np.linspace(0, 1, 41)
MOST_LISTED = 1000


def draw(seen: Seen) -> None:
    """This question."""
    if refused(seen, "A neuron fires everywhere a little, so its partner would be whatever else is dense."):
        return
    model = _draw_model(seen)
    if model is None:
        return
    offers = {
        each.id: each
        for each in offered(model)
        if each.origin != "neurons" and (model is not seen.model or each.id != seen.offer.id)
    }
    if not offers:
        st.info(plain(_none(seen, model)))
        return
    other, by = _draw_choices(seen, model, offers)
    found = result_of(
        matching_job(seen.model, seen.dictionary, (model, other), by), "whole matching", height=360
    )
    if found is None or (known := known_of(seen)) is None:
        return
    seen.answer(_answer(found, other, by))
    left, right = st.columns([1.2, 1], gap="medium")
    with left:
        _draw_best(found, by)
    with right:
        _draw_agreement(found)
    _draw_pairs(found, known, _other_known(model, other), by)
    ending(
        seen,
        "Each feature of this dictionary is given the feature of the other that is most like it; where several are "
        "given the same, the most similar keeps it. The grey bars are the same where nothing can match: tokens shifted "
        "against each other, or random directions. Right: whether paired directions are arranged alike (SVCCA: mean "
        "canonical correlation; RSA: rank correlation of similarities), beside 100 random pairings.",
        pairing.MISLEADS,
        f"{pairing.SOURCE}; {agreeing.SOURCE}",
        _code(seen, model, other, by),
        other=other.name if model is seen.model else f"{other.name}, of {model.title}",
        text=known.about["text"],
        seed=0,
    )


def _code(seen: Seen, model: LoadedModel, other: Offer, by: str) -> list[str]:
    """What computes the pairs."""
    source = choices.chosen("whole.model", "")
    lines = [
        "from analysis.dictionaries.written import written",
        "whose = model" if model is seen.model else f"whose = load(ModelSpec({source!r}))",
        f"other = open_dictionary(whose, {other.id!r})",
        "rows = written(model, dictionary), written(whose, other)",
    ]
    if by == "directions":
        lines += [
            "from analysis.dictionaries.whole.matching import match_directions",
            "found = match_directions(*rows, 0)",
        ]
    else:
        lines += [
            "from analysis.dictionaries.evidence.gathering import sample_text",
            "from analysis.dictionaries.firing.firings import firings",
            "from analysis.dictionaries.whole.matching import match_activations",
            "one, two = firings(model, dictionary, sample_text()), firings(whose, other, sample_text())",
            "found = match_activations(one, two, rows, 0)",
        ]
    return [*lines, "print(found.one, found.other, found.similarity, found.agreement)"]


def _draw_model(seen: Seen) -> LoadedModel | None:
    """Whose dictionary it is matched with: this model, or one that is named; None while that is opened or unnamed."""
    state, source = st.session_state, choices.chosen("whole.model", "")
    state.whole_elsewhere = source != ""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        elsewhere = st.toggle(
            "With another model",
            key="whole_elsewhere",
            on_change=lambda: choices.choose("whole.model", UNNAMED if state.whole_elsewhere else None),
            help="Features of two models are matched by what they fire on, over the same tokens: both need the same "
            "tokenizer, as a model and what was tuned from it have.",
        )
        if elsewhere:
            draw_naming(
                "" if source == UNNAMED else source,
                "whole_other_model",
                lambda name: choices.choose("whole.model", name or UNNAMED),
                "A sparse dictionary made for that model has to be on the shelf.",
                label_visibility="collapsed",
                width=420,
            )
    if source == UNNAMED:
        st.info("Name the other model. A sparse dictionary made for it has to be on the shelf.")
        return None
    return opened(ModelSpec(source), "whole_opening") if source else seen.model


def _none(seen: Seen, model: LoadedModel) -> str:
    """What to do where there is no other dictionary."""
    if model is not seen.model:
        return (
            f"There is no sparse dictionary of {model.title} on the shelf. Open that model with the picker above, get "
            "one in the last part of the page, and come back."
        )
    return (
        "There is only one sparse dictionary for this model. Get another in the last part of the page, for another "
        "layer or of another kind, and its features are matched with these."
    )


def _draw_choices(seen: Seen, model: LoadedModel, offers: dict[str, Offer]) -> tuple[Offer, str]:
    wanted, by = choices.chosen("whole.other", ""), choices.chosen("whole.by", "activations")
    ways = BY if model is seen.model else {"activations": BY["activations"]}
    by = by if by in ways else "activations"
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
            "Matched by", ways, key="whole_by", now=by,
            change=lambda now: choices.choose("whole.by", None if now == "activations" else now),
        )  # fmt: skip
    return offers[wanted], by


def _nearest(seen: Seen, offers: dict[str, Offer]) -> str:
    layer = seen.dictionary.site.layer
    return min(offers.values(), key=lambda each: abs(each.site.layer - layer)).id


def _other_known(model: LoadedModel, offer: Offer) -> Evidence | None:
    """What is known of the other dictionary's features, if it takes no time."""
    other = result_of(dictionary_of(model, offer.id), "whole other")
    return evidence(model, other) if other is not None and is_at_hand(model, other) else None


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
