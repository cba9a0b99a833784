"""Base, edited and random texts side by side, written from one batch."""

from collections.abc import Sequence

import streamlit as st

from analysis import Recipe, Sampling, Variant
from analysis.background import Background
from analysis.methods.effect import variants_of
from components.beside import Column, beside
from components.frame import Frame
from components.literal import plain
from components.steering.live_texts import LiveTexts, Request, live, write_again
from components.steering.requests import Controls
from components.waiting import draw_last, problem, rerun_once

POLL = 0.2
SHOWN_NULLS = 2
"""Random texts shown; the others only widen the bands."""


def draw(frame: Frame, recipe: Recipe, usual: Background, controls: Controls) -> None:
    """The part of the page."""
    nulls = min(controls.nulls, SHOWN_NULLS)
    draw_rows(frame, variants_of(recipe, usual, nulls=nulls, kind=controls.kind, seed=controls.seed))


def draw_rows(frame: Frame, variants: tuple[Variant, ...], name: str = "live_texts") -> None:
    """Texts under these variants: base, edited, and the controls after them.

    Args:
        frame: model and prompt.
        variants: one text each.
        name: where the session keeps them.
    """
    sampling, count = _draw_sampling(name)
    texts = live(Request(frame.model, frame.tokens, variants, sampling, count), name)
    prompt = frame.tokens.text
    if texts.job.state == "running":
        draw_last(lambda: _draw_running(texts, prompt))
    else:
        _draw_texts(texts, prompt)


def _draw_sampling(name: str) -> tuple[Sampling, int]:
    """How the texts are written; one seed for all of them."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("How it is written", icon=":material/tune:"):
            count = st.number_input("New tokens", 4, 256, 40, key="steer_count", persist_state="session")
            heat = st.slider(
                "Temperature (0 = greedy)",
                0.0,
                1.5,
                0.0,
                0.1,
                key="steer_temperature",
                persist_state="session",
            )
            top_p = st.slider("Top-p", 0.05, 1.0, 1.0, 0.05, key="steer_top_p", persist_state="session")
            seed = st.number_input(
                "Seed, the same for all texts", 0, 2**31 - 1, 0, key="steer_seed", persist_state="session"
            )
        st.button("Write again", icon=":material/replay:", on_click=write_again, args=(name,))
    return Sampling(heat, top_p, seed=seed), count


@st.fragment(run_every=POLL)
def _draw_running(texts: LiveTexts, prompt: str) -> None:
    if texts.job.state != "running":
        rerun_once(texts.job)
        return
    _draw_texts(texts, prompt)
    bar, button = st.columns([7, 1], vertical_alignment="center")
    count = texts.request.count
    bar.progress(min(texts.done / count, 1.0), text=f"{texts.done} of {count} tokens")
    button.button("Stop", icon=":material/stop:", on_click=texts.stop, width="stretch")


def _draw_texts(texts: LiveTexts, prompt: str) -> None:
    beside(_columns(texts), prompt=prompt, key="beside")
    if texts.job.state == "failed" and (sentence := problem(texts.job)) is not None:
        st.warning(plain(sentence), icon=":material/warning:")


def _columns(texts: LiveTexts) -> Sequence[Column]:
    kinds = ["base", "edited", *["null"] * (len(texts.ids) - 2)]
    over = texts.job.state != "running"
    return [
        Column(
            variant.name,
            kind,
            texts.text(row),
            note=_note(texts, row),
            ended=texts.ended[row] or over,
        )
        for row, (variant, kind) in enumerate(zip(texts.request.variants, kinds, strict=True))
    ]


def _note(texts: LiveTexts, row: int) -> str:
    if texts.broken[row]:
        return "Its numbers stopped being finite: the push is too strong."
    return "It ended by itself." if texts.ended[row] and len(texts.ids[row]) < texts.request.count else ""
