"""While the model writes on: each token as it comes, coloured by what a feature does in it."""

from dataclasses import replace

import numpy as np
import streamlit as st

from analysis import Sampling
from analysis.dictionaries.acting.feature_nulls import matched_features
from analysis.dictionaries.shelf import Offer
from analysis.methods.features import TextFeatures
from components import session
from components.features.acting.units import Units
from components.features.in_link import draw_number
from components.features.reading.live import Asked, Writing
from components.features.reading.names import Names
from components.features.reading.sparklines import sparklines
from components.frame import Frame
from components.literal import plain
from components.reading_grid import grid_tokens
from components.token_strip import token_strip
from components.waiting import draw_last, problem, rerun_once

POLL = 0.25
MOST_WATCHED = 5
TAIL = 3
"""Tokens of the prompt that are shown before what is written."""


def draw(frame: Frame, offer: Offer, found: TextFeatures, names: Names, feature: int | None) -> None:
    """The controls, and what is or was written."""
    watched = watched_features(found, frame.position, feature)
    if not watched:
        st.info("No feature is active at this token. Choose a feature in the list or the grid first.")
        return
    control = control_of(found, names, watched)
    _draw_controls(frame, found, watched, control)
    writing: Writing | None = st.session_state.get("features_writing")
    if writing is None or not _fits(writing, frame, found):
        st.caption(
            f"The model goes on with the text, and every token is coloured by {plain(names.long(watched[0]))}; lines "
            f"show it, the strongest others at the cursor's token, and a random {names.kind} that fires as often."
        )
        return
    if writing.job.state == "running":
        draw_last(lambda: _draw_running(names))
    else:
        _draw_writing(writing, names)
        _draw_ended(writing)


def watched_features(found: TextFeatures, position: int, feature: int | None) -> tuple[int, ...]:
    """The chosen feature, and the strongest at the cursor's token."""
    active = found.active(position)[:MOST_WATCHED]
    chosen = [] if feature is None else [feature]
    return tuple(dict.fromkeys(chosen + active))[:MOST_WATCHED]


def control_of(found: TextFeatures, names: Names, watched: tuple[int, ...]) -> int | None:
    """A random feature that fires as often as the first watched one; None where there is no other."""
    frequency = Units(found, names.evidence).frequency
    drawn = matched_features(found.dictionary, watched[0], frequency, 1, 0, watched)
    return drawn[0] if drawn else None


def _draw_controls(frame: Frame, found: TextFeatures, watched: tuple[int, ...], control: int | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("How", icon=":material/tune:"):
            count = draw_number("New tokens", "new", 40, 4, 256)
            heat = draw_number("Temperature (0 = greedy)", "heat", 0.8, 0.0, 1.5, step=0.1)
            seed = draw_number("Seed", "seed", 0, 0, 2**31 - 1)
        asked = Asked(
            frame.model, frame.tokens, found.dictionary, watched, Sampling(heat, seed=seed), count, control
        )
        st.button("Write on", icon=":material/play_arrow:", on_click=_begin, args=(asked,))


def _begin(asked: Asked) -> None:
    running: Writing | None = st.session_state.pop("features_writing", None)
    if running is not None:
        running.job.cancel()
    st.session_state.features_writing = Writing(asked)


def _fits(writing: Writing, frame: Frame, found: TextFeatures) -> bool:
    asked = writing.asked
    same = asked.model is frame.model and asked.dictionary.fingerprint == found.dictionary.fingerprint
    return same and asked.tokens.ids == frame.tokens.ids


@st.fragment(run_every=POLL)
def _draw_running(names: Names) -> None:
    writing: Writing | None = st.session_state.get("features_writing")
    if writing is None:
        return  # a late tick
    if writing.job.state != "running":
        rerun_once(writing.job)
        return
    _draw_writing(writing, names)
    bar, button = st.columns([7, 1], vertical_alignment="center")
    done, count = len(writing.ids), writing.asked.count
    bar.progress(min(done / count, 1.0), text=f"{done} of {count} tokens")
    button.button(
        "Stop", key="stop_watched", icon=":material/stop:", on_click=writing.job.cancel, width="stretch"
    )


def _draw_writing(writing: Writing, names: Names) -> None:
    """The tokens, and a line for every watched feature."""
    tokens, activations = writing.tokens, writing.activations
    shown = range(max(len(writing.asked.tokens) - TAIL, 0), len(tokens))
    own = activations[:, 0] if len(activations) else np.zeros(0, np.float32)
    most = float(np.abs(own[1:]).max(initial=0)) or 1.0
    values = [float(abs(own[at]) / most) if at < len(own) else None for at in shown]
    told = grid_tokens(tokens)
    told = [
        replace(
            told[at],
            detail=f"activation {own[at]:.3g}, {told[at].detail}" if at < len(own) else "not read yet",
        )
        for at in shown
    ]
    token_strip(
        told,
        fingerprint=f"written{writing.asked.key}",
        cursor_position=len(shown) - 1,
        key="written_strip",
        values=values,
    )
    labels = [f"{names.kind} {names.short(each)}" for each in writing.asked.features]
    control = writing.asked.control
    labels += [] if control is None else [f"random: {names.short(control)}"]
    drawing = sparklines(labels, activations[1:], len(writing.asked.tokens) - 1, control is not None)
    st.image(drawing, width="stretch", alt=f"Activations of {', '.join(labels)} along the text.")


def _draw_ended(writing: Writing) -> None:
    if writing.job.state == "failed" and (sentence := problem(writing.job)) is not None:
        st.warning(plain(sentence), icon=":material/warning:")
    if not writing.ids:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Go on with this text",
            icon=":material/add:",
            on_click=_keep,
            args=(writing,),
            help="What was written joins the prompt, and all of it can be read like the prompt.",
        )
        st.caption(
            "Every token is read one step after it was chosen, so the last one has no activation. Each line has its "
            "own scale, with its largest value at the right; colours are the first line's. The dashed one fires about "
            "as often as the first and was drawn at random: what it does, too, is nothing special to the others."
        )


def _keep(writing: Writing) -> None:
    st.session_state.pop("features_writing", None)
    generated = session.view().generated + tuple(writing.ids)
    session.change(generated=generated, position=None)
