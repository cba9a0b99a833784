"""Continuing the text live: token by token, with stop, and what came joined to the text."""

import streamlit as st

from analysis import LoadedModel, Sampling, Tokens, jobs
from analysis.jobs import Job, Report
from components import session
from components.literal import literal, plain
from components.waiting import draw_last, problem

ABANDONED_AFTER = 10.0
POLL = 0.2


class Continuation:
    """Tokens as they come, readable while the job goes on."""

    def __init__(self, model: LoadedModel, tokens: Tokens, sampling: Sampling, count: int):
        self.tokens = tokens
        self.ids: list[int] = []
        self.model = model
        self.job: Job[None] = jobs.start(
            "Continuing the text",
            lambda report: self._follow(report, sampling, count),
            abandon_after=ABANDONED_AFTER,
        )

    def _follow(self, report: Report, sampling: Sampling, count: int) -> None:
        for step in self.model.generate(self.tokens, sampling=sampling, max_new_tokens=count):
            self.ids.append(step.ids[0])
            report("Continuing the text", len(self.ids), count)

    @property
    def text(self) -> str:
        """What was generated so far; bytes that form no character yet are shown as U+FFFD."""
        pieces = (self.model.tokenizer.piece(index) for index in self.ids)
        return b"".join(pieces).decode("utf-8", "replace")


def is_continuing() -> bool:
    """True while text comes, and until it has joined what it continues."""
    return st.session_state.get("continuation") is not None


def draw_continuing(model: LoadedModel, tokens: Tokens) -> None:
    """How to continue; while text comes, how far it is and how to stop it."""
    if is_continuing():
        draw_last(_draw_running)
        return
    with st.container(horizontal=True, gap="xsmall", key="continue_controls"):
        st.button(
            "Continue",
            icon=":material/play_arrow:",
            on_click=_begin,
            args=(model, tokens),
            help="Let the model go on. What it writes joins the grid and can be read like the prompt.",
        )
        with st.popover("How", icon=":material/tune:"):
            st.number_input("New tokens", 1, 512, 24, key="continue_count", persist_state="session")
            st.slider(
                "Temperature (0 = greedy)",
                0.0,
                2.0,
                0.0,
                0.1,
                key="continue_temperature",
                persist_state="session",
            )
            st.slider("Top-p", 0.05, 1.0, 1.0, 0.05, key="continue_top_p", persist_state="session")
            st.number_input("Seed", 0, 2**31 - 1, 0, key="continue_seed", persist_state="session")
        if session.view().generated:
            st.button(
                "Back",
                help="Back to the prompt alone.",
                on_click=lambda: session.change(generated=(), position=None, layer=None),
            )
    if sentence := st.session_state.pop("continuation_problem", None):
        st.warning(plain(sentence), icon=":material/warning:")


def _begin(model: LoadedModel, tokens: Tokens) -> None:
    state = st.session_state
    sampling = Sampling(
        state.get("continue_temperature", 0.0),
        state.get("continue_top_p", 1.0),
        seed=state.get("continue_seed", 0),
    )
    state.continuation = Continuation(model, tokens, sampling, state.get("continue_count", 24))


def draw_live_text() -> None:
    """The text as it comes, in the place of the words under the tokens."""
    draw_last(_draw_text)


@st.fragment(run_every=POLL)
def _draw_text() -> None:
    running: Continuation | None = st.session_state.get("continuation")
    if running is not None:
        st.markdown(literal(" ".join(running.text.split()) or "..."))


@st.fragment(run_every=POLL)
def _draw_running() -> None:
    running: Continuation | None = st.session_state.get("continuation")
    if running is None:
        return  # a late tick: the text is joined already
    if running.job.state != "running":
        _join(running)
        st.rerun()
    done, total = len(running.ids), running.job.progress.total or 1
    bar, button = st.columns([2, 1], vertical_alignment="center")
    bar.progress(min(done / total, 1.0), text=f"{done} of {total:.0f} tokens")
    button.button("Stop", icon=":material/stop:", on_click=running.job.cancel, width="stretch")


def _join(running: Continuation) -> None:
    """Put what came, even if it was stopped, behind the text it continues."""
    state = st.session_state
    del state.continuation
    if running.job.state == "failed":
        state.continuation_problem = problem(running.job)
    view = session.view()
    expected = running.tokens.ids[running.tokens.prompt_length :]
    if running.ids and state.get("model") is running.model and view.generated == expected:
        session.change(generated=view.generated + tuple(running.ids), position=None, layer=None)
