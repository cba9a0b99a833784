"""The answer to what tells two kinds of texts apart: a sentence, a picture, a table, and what to doubt in it."""

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from analysis import AnalysisError
from analysis.captures import estimate
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.labels.rule import UNCLEAR
from analysis.dictionaries.shelf import Offer
from analysis.dictionaries.telling_apart.apart import Apart, Missed
from analysis.dictionaries.telling_apart.pooled import POOLS
from analysis.dictionaries.telling_apart.sides import TwoSides
from analysis.places import EACH
from components.features.choices import look_at
from components.features.finding.away import dictionary_lines, draw_away
from components.features.finding.known import labels_of
from components.features.finding.requests import apart_key, apart_of, ask, asked
from components.figures.apart_bars import draw_effects
from components.frame import Frame
from components.literal import plain
from components.waiting import result_of

MOST_BARS = 16
FIRST = ("feature", "label", "more in", "effect", "from", "to", "beyond chance", "p", "q")
"""Columns that are shown before others."""
QUICK = 40
"""Texts that are compared without being asked for."""


def sides_said(make: Callable[[], TwoSides]) -> TwoSides | None:
    """The two kinds of texts, or None where something is wrong with them, which is said."""
    try:
        return make()
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        return None


def draw_comparison(
    frame: Frame,
    offer: Offer,
    dictionary: Dictionary,
    heading,
    sides: TwoSides,
    pool: str,
    code: Sequence[str],
) -> None:
    """The comparison, once it is asked for.

    Args:
        frame: model and text.
        offer: what the dictionary was opened by.
        dictionary: the dictionary.
        heading: takes the sentence of answer.
        sides: the texts.
        pool: one of `POOLS`.
        code: Python that makes `sides`, imports among it.
    """
    key = apart_key(frame.model, dictionary, sides, pool)
    if len(sides.corpus) > QUICK and not asked(key):
        _draw_button(frame, dictionary, sides, pool, key)
        return
    found = result_of(apart_of(frame.model, dictionary, sides, pool), "apart", height=420)
    if found is None:
        return
    labels = labels_of(frame.model, dictionary)
    heading.markdown(plain(answer(found, labels)))
    table = with_labels(found.table(), labels)
    if not len(table):
        st.info("No feature is active in any of these texts. Choose another dictionary, or longer texts.")
        return
    draw_effects(found, labels, MOST_BARS, key="apart_effects", on_choose=look_at)
    st.caption(seen(found))
    draw_features(table, key="apart_table", columns=_columns(found))
    st.caption(plain(missed(found.missed, dictionary)))
    draw_away(table, snippet(frame, offer, code, pool), found.provenance, "features-apart")
    draw_words(found.provenance, _notes(found, sides))


def answer(found: Apart, labels: Sequence[str]) -> str:
    """What tells them apart, in a sentence."""
    count = int(found.outside.sum())
    said = (
        f"{count:,} of {len(found.effect):,} features tell {found.names[0]} from {found.names[1]} further apart than "
        f"any does under shuffled labels (effect beyond {found.band:.2f})"
    )
    if not count:
        return f"No feature does: {said[0].lower()}{said[1:]}."
    best = int(found.order[0])
    more = found.names[0 if found.effect[best] > 0 else 1]
    return f"{said}; the furthest is {named(best, labels)}, more active in {more}, effect {found.effect[best]:+.2f}."


def seen(found: Apart) -> str:
    """What the picture shows."""
    return plain(
        f"Effect: mean in {found.names[0]} less mean in {found.names[1]}, over the spread within both; one number for "
        f"every text is {POOLS[found.pool]}. Lines are 95% of texts drawn again. The grey band holds the largest "
        "effect of all features in 95% of shuffled labels: inside it nothing is told from chance. Click a bar to open "
        "the feature's card."
    )


def missed(found: Missed, dictionary: Dictionary) -> str:
    """How much no feature holds."""
    if dictionary.site.stream == "neurons":
        return "Neurons leave no error: they are all that the MLP writes from."
    return (
        f"The error, which no feature holds: {found.share:.0%} of the length of the difference between the two mean "
        f"states. The dictionary explains {found.explained:.0%} of the variance of these tokens' states; where that is "
        "little, what tells the two apart may lie outside of it."
    )


def named(feature: int, labels: Sequence[str]) -> str:
    """A feature with its label, where it has one."""
    label = labels[feature] if feature < len(labels) else ""
    return f"feature {feature} ({label})" if label and label != UNCLEAR else f"feature {feature}"


def with_labels(table: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """The table with the features' labels behind their numbers, where they are known."""
    if not labels:
        return table
    own = [labels[feature] for feature in table["feature"]]
    return pd.concat(
        [table[["feature"]], pd.Series(own, name="label"), table.drop(columns="feature")], axis=1
    )


def draw_features(table: pd.DataFrame, key: str, columns: dict | None = None) -> None:
    """A table of features; a row opens a card."""

    def choose_row() -> None:
        if rows := st.session_state[key].selection.rows:
            look_at(int(table["feature"].iloc[rows[0]]))

    first = [name for name in FIRST if name in table]
    st.dataframe(
        table,
        key=key,
        column_order=[*first, *(name for name in table if name not in FIRST)],
        column_config=columns,
        on_select=choose_row,
        selection_mode="single-row",
        hide_index=True,
        width="stretch",
        height=380 if len(table) > 9 else "content",
    )


def draw_words(provenance, notes: Sequence[str] = ()) -> None:
    """When it misleads, and where it comes from."""
    with st.expander("When it misleads, and where it comes from", icon=":material/info:"):
        for note in notes:
            st.markdown(plain(note))
        st.markdown(f"Misleads when: {plain(provenance.misleads_when)}")
        for name, value in provenance.lines():
            st.caption(f"{name}: {plain(value)}")


def snippet(frame: Frame, offer: Offer, code: Sequence[str], pool: str) -> str:
    """The few lines of Python that compute the same."""
    imports = [line for line in code if line.startswith("from ")]
    return "\n".join(
        [
            *sorted(
                [
                    "from analysis import ModelSpec, load",
                    "from analysis.dictionaries.telling_apart.apart import apart",
                    "from analysis.dictionaries.shelf import open_dictionary",
                    *imports,
                ]
            ),
            "",
            *dictionary_lines(frame, offer),
            *(line for line in code if line not in imports),
            f"found = apart(model, dictionary, sides, {pool!r})",
            "print(found.band, found.table().head(20))",
        ]
    )


def _draw_button(frame: Frame, dictionary: Dictionary, sides: TwoSides, pool: str, key: str) -> None:
    spot = "span" if pool == "span" else EACH
    takes = estimate(frame.model, sides.corpus, spot, (dictionary.site.layer,))
    one, other = sides.counts
    st.caption(
        plain(
            f"{one:,} texts of {sides.names[0]} and {other:,} of {sides.names[1]}{_drawn(sides)}. {takes.sentence()}"
        )
    )
    st.button(
        "Compare", type="primary", key="compare", icon=":material/compare_arrows:", on_click=ask, args=(key,)
    )


def _drawn(sides: TwoSides) -> str:
    if tuple(sides.counts) == tuple(sides.drawn):
        return ""
    return f", drawn from {sides.drawn[0]:,} and {sides.drawn[1]:,} with seed 0"


def _notes(found: Apart, sides: TwoSides) -> list[str]:
    """What was read, and what was left out."""
    groups = len(set(sides.groups))
    notes = [
        f"{found.counts[0]:,} texts of {found.names[0]} and {found.counts[1]:,} of {found.names[1]}{_drawn(sides)}, in "
        f"{groups:,} groups; a group is shuffled and drawn as a whole. p: share of shuffles in which any feature "
        "reaches the effect. q: share of false findings among all with at least this effect."
    ]
    if found.left_out:
        notes.append(
            f"{found.left_out:,} texts had nothing but a first token or an outlier, which never count."
        )
    return notes


def _columns(found: Apart) -> dict:
    number = st.column_config.NumberColumn
    first, second = found.names
    config = {
        "feature": number("feature", format="%d"),
        "effect": number(
            "effect", format="%+.2f", help="Difference of the means over the spread within kinds."
        ),
        "from": number("from", format="%+.2f", help="2.5% of the effect over texts drawn again."),
        "to": number("to", format="%+.2f", help="97.5% of the effect over texts drawn again."),
        "difference": number("difference", format="%+.3g"),
        "p": number("p", format="%.3f", help="Share of shuffles in which any feature reaches this effect."),
        "q": number(
            "q", format="%.3f", help="Share of false findings among those with at least this effect."
        ),
    }
    config |= {f"mean, {name}": number(f"mean, {name}", format="%.3g") for name in (first, second)}
    shares = {
        f"active in, {name}": number(f"active in, {name}", format="percent") for name in (first, second)
    }
    return config | shares
