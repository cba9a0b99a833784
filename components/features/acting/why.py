"""Why this next token: what every active feature adds to its log-odds, and what zeroing it takes away."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from analysis.dictionaries.acting.attribution import Ablation, Attribution
from analysis.dictionaries.shelf import Offer
from components.features import choices
from components.features.acting.away import attribution_snippet
from components.features.acting.question import MEAN, draw_question, shown
from components.features.acting.requests import Question, ablation_of, attribution_of
from components.features.acting.units import Units
from components.features.reading.names import Names
from components.figures.against_null import draw_shifts
from components.figures.attribution_bars import draw_bars, elsewhere, feature_rows, sum_rows
from components.frame import Frame
from components.literal import literal, plain
from components.origin import draw_origin
from components.view_controls import segments
from components.waiting import result_of

COUNTS = (6, 12, 24)
NULLS = 4
"""Random features beside each one that is zeroed."""
ROUNDING = 0.01
"""Nats by which a sum may miss the model's own number before it is said to."""
ORDERS = {"activation": "most active", "direct": "largest direct effect"}
PLACES = {"here": "at this token", "everywhere": "at all tokens but the first"}


def draw(frame: Frame, offer: Offer, units: Units, names: Names, heading) -> None:
    """The part of the page."""
    question = draw_question(frame, "why")
    if question is None:
        return
    if frame.position == 0:
        st.info(
            "The first token is an attention sink, which a dictionary does not describe. Choose another token."
        )
    found = result_of(attribution_of(frame.model, units.found, frame.position, question), "attribution")
    if found is None:
        return
    heading.markdown(headline(frame, found, question, names))
    count, order, everywhere = _draw_settings()
    features = found.listed(count, order)
    left, right = st.columns(2, gap="medium")
    with left:
        if features:
            st.markdown("What each adds directly")
            draw_bars(feature_rows(found, features, names.short), key="attribution")
        st.markdown("What adds up to the log-odds")
        draw_bars(sum_rows(found, names.kind), key="attribution sum")
        st.caption(sum_check(found, names.kind))
    ablation = None
    if features:
        asked = units.found, features, frame.position, question, units.frequency, everywhere, NULLS
        with right:
            ablation = result_of(ablation_of(frame.model, *asked), "ablation")
    if ablation is not None:
        with right:
            st.markdown("By how much the log-odds fall when it is zeroed")
            labels = tuple(map(names.short, ablation.features))
            draw_shifts(replace(ablation.falls, labels=labels), key="ablation")
            st.caption(zeroing(ablation, names.kind))
    _draw_table(frame, offer, found, ablation, names, question, order, everywhere)
    draw_origin(found.provenance if ablation is None else ablation.falls.provenance)


def _draw_settings() -> tuple[int, str, bool]:
    """How many features have a bar of their own, which ones, and whether they are zeroed everywhere."""
    said = choices.chosen("top", str(COUNTS[1]))
    count = int(said) if said in map(str, COUNTS) else COUNTS[1]
    order = choices.chosen("terms", "activation")
    order = order if order in ORDERS else "activation"
    where = choices.chosen("zeroed", "here")
    where = where if where in PLACES else "here"
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        segments(
            "How many features", {each: str(each) for each in COUNTS}, key="attribution_count", now=count,
            change=lambda new: choices.choose("top", str(new)),
        )  # fmt: skip
        segments(
            "Which features", ORDERS, key="attribution_order", now=order,
            change=lambda new: choices.choose("terms", new),
        )  # fmt: skip
        segments(
            "Where they are zeroed", {id: f"zeroed {name}" for id, name in PLACES.items()}, key="ablation_where",
            now=where, change=lambda new: choices.choose("zeroed", new),
        )  # fmt: skip
    return count, order, where == "everywhere"


def headline(frame: Frame, found: Attribution, question: Question, names: Names) -> str:
    """The answer in a sentence or two."""
    answer, against = (literal(_word(frame, token)) for token in (question.answer, question.against))
    odds, after = found.measured, literal(frame.tokens.labels[frame.position])
    side = "more" if odds >= 0 else "less"
    said = f"After {after} the model gives {answer} {abs(odds):.2f} nats {side} than {against}."
    if not found.features:
        return f"{said} No {names.kind} of this dictionary is active here."
    largest = plain(names.long(found.features[0]))
    left = f"; what the dictionary leaves unexplained adds {found.error:+.2f}" if found.error else ""
    return (
        f"{said} Directly, the {len(found.features):,} active {names.kind}s add {found.explained:+.2f}, most of all "
        f"{largest} ({found.direct[0]:+.2f}){left}."
    )


def sum_check(found: Attribution, kind: str) -> str:
    """The sum, term by term, and whether it is the model's own number."""
    terms = [(f"{kind}s", found.explained), ("bias", found.bias), ("error", found.error)]
    terms += [(elsewhere(found), found.elsewhere), ("biases of norm and unembedding", found.constant)]
    told = ", ".join(f"{name} {value:+.2f}" for name, value in terms if value)
    fits = (
        f"which is what the model itself says ({found.measured:+.2f})"
        if found.gap < ROUNDING
        else f"and the model itself says {found.measured:+.2f}: its own rounding is {found.gap:.2f}"
    )
    held = "The final norm is held at this token's own size."
    later = (
        f" What later blocks make of a {kind} is not credited to it, but stands under later blocks."
        if found.site.stream == "residual" and abs(found.elsewhere) > ROUNDING
        else ""
    )
    return plain(f"{told}: together {found.total:+.2f} nats, {fits}. {held}{later}")


def zeroing(ablation: Ablation, kind: str) -> str:
    """How many leave the band of their controls, and how many would by chance."""
    falls, count, nulls = ablation.falls, len(ablation.features), len(ablation.falls.nulls)
    whole = f"Without all {kind}s at once the log-odds {_moved(ablation.all_features)}"
    whole += "." if kind == "neuron" else f", without the error they {_moved(ablation.error)}."
    if not nulls:
        return f"There is no other {kind} to compare with. {whole}"
    return (
        f"One {kind} is zeroed at a time, the error kept; right of 0 it was worth something to the first token. Grey: "
        f"{nulls} {kind}s that fire as often, pushed as far. {int(falls.outside.sum())} of {count} leave the band; by "
        f"chance about {2 * count / (nulls + 1):.0f} would. {whole}"
    )


def _moved(fall: float) -> str:
    return f"{'fall' if fall >= 0 else 'rise'} by {abs(fall):.2f} nats"


def table(found: Attribution, ablation: Ablation | None, names: Names) -> pd.DataFrame:
    """One row for each feature with its direct and its ablation effect, then the other terms."""
    listed = pd.DataFrame(
        {
            names.kind: list(map(str, found.features)),
            "label": [names.label(each) for each in found.features],
            "activation": found.activations,
            "direct": found.direct,
        }
    )
    if ablation is not None:
        columns = {"zeroed": ablation.falls.values}
        columns |= dict(zip(("random low", "random high"), ablation.falls.band, strict=True))
        own = pd.DataFrame(columns, index=list(map(str, ablation.features)))
        listed = listed.join(own.astype(float), on=names.kind)
    others = {
        "bias": found.bias, "error": found.error, elsewhere(found): found.elsewhere, "constant": found.constant
    }  # fmt: skip
    rest = pd.DataFrame({names.kind: list(others), "direct": list(others.values())})
    return pd.concat([listed, rest], ignore_index=True)


def _draw_table(
    frame: Frame,
    offer: Offer,
    found: Attribution,
    ablation: Ablation | None,
    names: Names,
    question: Question,
    order: str,
    everywhere: bool,
) -> None:
    numbers = table(found, ablation, names)
    with st.expander("The numbers, and the code", icon=":material/table:"):
        number = {"format": "%+.3f"}
        st.dataframe(
            numbers,
            hide_index=True,
            width="stretch",
            column_config={
                "activation": st.column_config.NumberColumn("activation", format="%.2f"),
                "direct": st.column_config.NumberColumn("direct (nats)", **number),
                "zeroed": st.column_config.NumberColumn("falls by, zeroed (nats)", **number),
                "random low": st.column_config.NumberColumn("random, lowest", **number),
                "random high": st.column_config.NumberColumn("random, highest", **number),
            },
        )
        for name, value in found.provenance.lines():
            numbers[name.replace(" ", "_")] = value
        st.download_button(
            "CSV", numbers.to_csv(index=False), "bathyscope-attribution.csv", "text/csv", on_click="ignore"
        )
        listed = len(ablation.features) if ablation else 0, order
        code = attribution_snippet(
            frame, offer, question, listed, everywhere, NULLS, names.evidence is not None
        )
        st.code(code, language="python")


def _word(frame: Frame, token: int | None) -> str:
    return shown(frame.model, MEAN if token is None else token)
