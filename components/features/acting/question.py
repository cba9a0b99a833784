"""Which next token is asked about, and against which other one."""

import streamlit as st

from analysis import AnalysisError, LoadedModel
from components.features import choices
from components.features.acting.requests import Question, likeliest_of
from components.frame import Frame
from components.literal import plain
from components.waiting import result_of

MEAN = "mean"
PROBLEM = "feature_token_problem"


def draw_question(frame: Frame, place: str) -> Question | None:
    """Two choices; None while the model is read, or where the tokens make no question, and why is said.

    Args:
        frame: model, text and cursor.
        place: tells these controls from others of the same run.
    """
    likely = result_of(likeliest_of(frame.model, frame.tokens, frame.position), f"{place} likeliest")
    if likely is None:
        return None
    answer = _token(frame.model, "answer", likely[0])
    second = next(each for each in likely if each != answer)
    against = None if choices.chosen("against", "") == MEAN else _token(frame.model, "against", second)
    left, right = st.columns(2, gap="medium")
    with left:
        _draw_choice(frame.model, "answer", "Next token", answer, likely, place)
    with right:
        _draw_choice(frame.model, "against", "against", against, [*likely, MEAN], place)
    if problem := st.session_state.pop(PROBLEM, None):
        st.warning(plain(problem), icon=":material/edit:")
    if answer == against:
        st.info("Both tokens are the same. Choose two.")
        return None
    return Question(answer, against)


def _token(model: LoadedModel, name: str, otherwise: int) -> int:
    """The token id that the link names, if it is one."""
    said = choices.chosen(name, "")
    return int(said) if said.isdecimal() and len(said) < 9 and int(said) < model.vocabulary else otherwise


def _draw_choice(
    model: LoadedModel, name: str, label: str, now: int | None, likely: list[int | str], place: str
) -> None:
    state, key = st.session_state, f"{place} {name}"
    state[key] = MEAN if now is None else now
    options = list(dict.fromkeys([state[key], *likely]))
    st.selectbox(
        label,
        options,
        format_func=lambda each: shown(model, each),
        key=key,
        accept_new_options=True,
        on_change=lambda: _choose(model, name, state[key]),
        help="The likeliest next tokens are listed; any other word that is one token can be typed. It begins with a "
        "space where it is a word of its own.",
    )


def _choose(model: LoadedModel, name: str, said: int | str | None) -> None:
    if said is None or said == MEAN or isinstance(said, int):
        choices.choose(name, None if said is None else str(said))
        return
    try:
        choices.choose(name, str(find(model, said)))
    except AnalysisError as error:
        st.session_state[PROBLEM] = str(error)


def find(model: LoadedModel, word: str) -> int:
    """The token that a typed word is: as a word of its own first, then as it stands.

    Raises:
        AnalysisError: it is no single token.
    """
    try:
        return model.tokenizer.find(f" {word.lstrip('·')}" if not word.startswith(" ") else word)
    except AnalysisError:
        return model.tokenizer.find(word)


def shown(model: LoadedModel, token: int | str) -> str:
    """A token as the choice shows it."""
    if token == MEAN:
        return "the average token (mean logit)"
    return model.tokenizer.label(token) if isinstance(token, int) else token
