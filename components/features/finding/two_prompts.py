"""The features whose activations differ most between the prompt above and another one."""

import pandas as pd
import streamlit as st

from analysis import AnalysisError, LoadedModel, Tokens
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.shelf import Offer
from analysis.dictionaries.telling_apart.apart import PROMPT_POOLS, PromptsApart
from components import session
from components.features.choices import choose, chosen, look_at
from components.features.finding.away import dictionary_lines, draw_away
from components.features.finding.comparison import draw_features, draw_words, missed, named, with_labels
from components.features.finding.known import labels_of
from components.features.finding.requests import prompts_of
from components.features.finding.sources import choose_one
from components.figures.apart_bars import draw_differences
from components.frame import Frame
from components.literal import plain
from components.take_away import opening_lines
from components.waiting import result_of

LONGEST = 600
"""Characters of the other prompt: it travels in the link."""
MOST_BARS = 16


def draw(frame: Frame, offer: Offer, dictionary: Dictionary, heading) -> None:
    """This kind of comparison."""
    words, how = st.columns([2.4, 1], vertical_alignment="bottom")
    with words:
        other = _draw_other()
    with how:
        pool = choose_one("A feature's activation in a prompt", "prompt_pool", PROMPT_POOLS, "mean")
    if not other.strip():
        st.info(
            "A is the prompt above. Write another one as B, and the features that differ most are listed."
        )
        return
    tokens = _tokens(frame.model, other)
    if tokens is None:
        return
    found = result_of(
        prompts_of(frame.model, dictionary, frame.tokens, tokens, pool), "prompts apart", height=360
    )
    if found is None:
        return
    labels = labels_of(frame.model, dictionary)
    heading.markdown(plain(answer(found, labels)))
    table = with_labels(found.table(), labels)
    if not len(table):
        st.info("No feature is active in either prompt. Choose another dictionary, or longer prompts.")
        return
    draw_differences(found, labels, MOST_BARS, key="prompts_bars", on_choose=look_at)
    st.caption(_seen(found))
    draw_features(table, key="prompts_table", columns=_columns())
    st.caption(plain(missed(found.missed, dictionary)))
    draw_away(table, snippet(frame, offer, other, pool), found.provenance, "prompts-apart")
    draw_words(found.provenance)


def answer(found: PromptsApart, labels: tuple[str, ...]) -> str:
    """What differs most, in a sentence."""
    if not found.difference.any():
        return "No feature differs between the two prompts."
    best = int(found.order[0])
    more = "A" if found.difference[best] > 0 else "B"
    return (
        f"{named(best, labels)[0].upper()}{named(best, labels)[1:]} differs most: it is more active in {more} "
        f"({found.values[0, best]:.2f} in A, {found.values[1, best]:.2f} in B). Two prompts say nothing about chance."
    )


def snippet(frame: Frame, offer: Offer, other: str, pool: str) -> str:
    """The few lines of Python that compute the same."""
    return "\n".join(
        [
            "from analysis import ModelSpec, load",
            "from analysis.dictionaries.telling_apart.apart import prompts_apart",
            "from analysis.dictionaries.shelf import open_dictionary",
            "",
            *dictionary_lines(frame, offer),
            *opening_lines(frame.tokens, frame.model.revision)[1:],
            f"other = model.tokenize({other!r}{', chat=True' if session.view().chat else ''})",
            f"found = prompts_apart(model, dictionary, tokens, other, {pool!r})",
            "print(found.table().head(20), found.missed)",
        ]
    )


def _draw_other() -> str:
    state = st.session_state
    state.find_other = chosen("other", "")[:LONGEST]
    st.text_input(
        "Prompt B (A is the prompt above)",
        key="find_other",
        max_chars=LONGEST,
        placeholder="another text, best one that differs in a word or two",
        on_change=lambda: choose("other", state.find_other or None),
    )
    return state.find_other


def _tokens(model: LoadedModel, text: str) -> Tokens | None:
    try:
        tokens = model.tokenize(text, chat=session.view().chat and model.tokenizer.has_template)
        model.check_length(tokens)
    except AnalysisError as error:
        st.warning(plain(str(error)), icon=":material/edit:")
        return None
    return tokens


def _seen(found: PromptsApart) -> str:
    parts = (
        ""
        if pd.isna(found.error_part)
        else f" The shares of all features and of the error, {found.error_part:.0%}, add up to 100%."
    )
    return plain(
        f"Activation in A less activation in B, each {PROMPT_POOLS[found.pool]}. Share: how much of the difference "
        f"between the two states a feature makes, along it.{parts} There is no interval and no significance: two "
        "prompts differ in everything. Click a bar to open the feature's card."
    )


def _columns() -> dict:
    number = st.column_config.NumberColumn
    return {
        "feature": number("feature", format="%d"),
        "A": number("A", format="%.3g"),
        "B": number("B", format="%.3g"),
        "difference": number("difference", format="%+.3g"),
        "share": number(
            "share", format="percent", help="Of the difference between the two states, along it."
        ),
    }
