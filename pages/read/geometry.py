"""How does the shape of the representations change with depth?"""

from importlib import import_module

import streamlit as st

from analysis import Tokens
from analysis.corpora import Corpus
from analysis.geometry import measures
from analysis.methods.geometry import Measured
from components import session
from components.frame import Frame, draw_layer_slider
from components.geometry.answer import answer
from components.geometry.beside import draw_beside
from components.geometry.cards import Card, cards_of, clouds_of, draw_cards
from components.geometry.choices import change, draw_texts, params_at
from components.geometry.cursor import layer_now
from components.geometry.legend import draw_legend
from components.geometry.looking import draw_opened
from components.geometry.progress import draw_progress
from components.geometry.requests import Wanted, plan_of
from components.geometry.strip import draw_strip
from components.geometry.subjects import Subject
from components.geometry_link import PROMPT
from components.literal import plain

QUESTION = "How does the shape of the representations change with depth?"
TABS = {
    "kept": "Kept",
    "robust": "Robust",
    "straight": "Straight",
    "even": "Even",
    "dimensions": "Dimensions",
    "position": "Position",
    "convex": "Concepts",
    "surprise": "Surprise",
}
"""Short names of the questions."""
MORE = {
    "kept": ("The unembedding as a bottleneck", "head_card", "draw_head"),
    "even": ("How the vectors of words and features overlap", "overlaps_card", "draw_overlaps"),
}
"""What is offered below the cards of a question: its title, and the module and function that draw it."""
LABELLED = "convex"
"""Id of the question that is asked of labelled texts."""
SENTENCES = "surprise"
"""Id of the question that is asked of two sentences, not of texts."""


def draw(frame: Frame) -> None:
    """The page."""
    heading = st.container(gap="xxsmall")
    heading.subheader(QUESTION, anchor=False)
    question = _draw_tabs()
    if question == SENTENCES:
        _loaded("garden", "draw_garden")(frame)
        return
    texts = draw_texts()
    if session.view().geometry.data == PROMPT:
        texts = frame.tokens
    if texts is not None:
        _draw_measured(frame, question, texts, heading)


def _draw_tabs() -> str:
    state, view = st.session_state, session.view().geometry
    state.geometry_question = view.question if view.question in TABS else next(iter(TABS))
    st.segmented_control(
        "Question",
        list(TABS),
        format_func=TABS.get,
        key="geometry_question",
        required=True,
        label_visibility="collapsed",
        on_change=lambda: change(question=state.geometry_question),
    )
    return state.geometry_question


def _draw_measured(frame: Frame, question: str, texts: Corpus | Tokens, heading) -> None:
    """The question's curves of these texts, beside their controls."""
    subjects = draw_beside(frame, texts)
    plan = plan_of(_wanted(question, subjects))
    cards = cards_of(plan)
    heading.markdown(f"**{measures.QUESTIONS[question]}** {_answer(cards)}")
    draw_progress(plan)
    left, right = st.columns([2.2, 1], gap="medium", vertical_alignment="center")
    with left:
        draw_legend(subjects)
    with right:
        draw_layer_slider(frame.model, layer_now(subjects[0].layers, frame.layer))
    if isinstance(texts, Tokens):
        draw_strip(frame, cards)
    if question == LABELLED and (isinstance(texts, Tokens) or texts.label is None):
        st.button(
            "Measure parts of speech",
            icon=":material/label:",
            key="geometry_labelled",
            help="A shipped set in which every word is labelled.",
            on_click=change,
            kwargs={"data": "part_of_speech", "point": None},
        )
    draw_cards(cards, frame.layer, lambda card, layer: draw_opened(frame, card, layer))
    plan.mark_drawn()
    _draw_more(frame, question)
    _draw_take_away(frame, cards)


def _wanted(question: str, subjects: tuple[Subject, ...]) -> tuple[Wanted, ...]:
    """All curves of a question, of one subject after another; what takes long comes last."""
    own = [each for each in measures.MEASURES if each.question == question]
    return tuple(
        Wanted(subject, measure, params_at(measure))
        for subject in subjects
        for measure in sorted(own, key=lambda each: ("cloud", "views", "skips").index(each.reads))
        if subject.can_be(measure.reads)
    )


def _answer(cards: tuple[Card, ...]) -> str:
    """In a sentence, what the curve that is looked into shows; else the first one that is there."""
    able = [card for card in cards if isinstance(card.base, Measured)]
    if not able:
        return ""
    opened = session.view().geometry.open
    card = next((card for card in able if card.measure.id == opened), able[0])
    shuffled = [line.found for line in card.lines if line.subject.id.startswith("shuffled")]
    return plain(answer(card.base, shuffled))


def _draw_more(frame: Frame, question: str) -> None:
    """What a question is asked of besides states: the model's own matrices."""
    if question not in MORE:
        return
    title, module, name = MORE[question]
    with st.expander(title, key=f"geometry_more_{question}", on_change="rerun") as more:
        if more.open:
            _loaded(module, name)(frame.model)


def _draw_take_away(frame: Frame, cards: tuple[Card, ...]) -> None:
    """What is drawn as files, with the code; and the profile of the model."""
    shown = [(line.subject.name, line.subject.kind, line.found) for card in cards for line in card.lines]
    with st.expander("Take it away", key="geometry_take_away", on_change="rerun") as away:
        if away.open:
            _loaded("take_away", "draw_take_away")(frame, shown, session.view().geometry, clouds_of(cards))


def _loaded(module: str, name: str):
    """What few look at is loaded by those who do."""
    return getattr(import_module(f"components.geometry.{module}"), name)


draw(st.session_state.frame)
