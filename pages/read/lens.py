"""Where does the model make up its mind? The lens grid, and the cursor's panel beside it."""

import numpy as np
import pandas as pd
import streamlit as st

from analysis import AnalysisError, Reading, follow
from analysis.jobs import Job
from analysis.methods.lens import QUANTITIES, Lens, rising_token
from components import session
from components.figures.trajectories import draw_by_layer, draw_trajectories
from components.frame import BESIDE, Frame, draw_layer_slider
from components.lens_grid import lens_grid
from components.literal import literal, plain
from components.reading_grid import grid_of
from components.requests import again, lens_now, reading_of, trace_of
from components.take_away import QUESTION, draw_take_away, explanation
from components.waiting import draw_last, problem, rerun_once, wait_for

LENSES = {"shortcut": "linear shortcut", "logit": "logit lens"}
GRID_HEIGHT = 740
FINAL = -1
"""Stands for "no fixed target" in the list of targets."""


def draw(frame: Frame) -> None:
    """The page."""
    heading = st.container(gap="xxsmall")
    lens, fitting = lens_now(frame.model, session.view().lens)
    job = reading_of(frame.model, frame.tokens, lens, _target(frame))
    with heading:
        st.subheader(QUESTION, anchor=False)
        before = _shown_before(frame)
        ready = wait_for(job, key="reading", height=0 if before else GRID_HEIGHT)
    if ready and (sentence := problem(job)) is not None:
        st.warning(plain(sentence), icon=":material/warning:")
        st.button("Run again", type="primary", on_click=again, args=(job,))
        return
    if not ready and before is None:
        return
    # while another lens or target is read, the picture of the same text stays
    reading, lens = (job.result(), lens) if ready else before
    st.session_state.shown = frame.model.fingerprint, reading, lens
    layer = frame.layer if frame.layer is not None else int(reading.settled_at[frame.position])
    if ready:
        heading.markdown(_answer(frame, reading))
    picture, panel = st.columns(BESIDE, gap="medium")
    with picture:
        _draw_controls(frame, reading)
        if fitting is not None and (sentence := problem(fitting)) is not None:
            _draw_unfitted(fitting, sentence)
        elif fitting is not None:
            draw_last(lambda: _draw_fitting(fitting))
        _draw_grid(frame, reading, lens, layer)
    with panel:
        draw_layer_slider(frame.model, layer)
        _draw_cursor(frame, reading, lens, layer)
    _draw_details(frame, reading, lens, layer)


def _shown_before(frame: Frame) -> tuple[Reading, Lens] | None:
    """What the page showed last, if it was of this text in this model."""
    model, reading, lens = st.session_state.get("shown", (None, None, None))
    return (reading, lens) if model == frame.model.fingerprint and reading.tokens == frame.tokens else None


def _target(frame: Frame) -> int | None:
    target = session.view().target
    return target if target is not None and target < frame.model.vocabulary else None


def _answer(frame: Frame, reading: Reading) -> str:
    """One sentence computed from the result: what is said after the cursor's token, and from which layer on."""
    position, label = frame.position, frame.model.tokenizer.label
    final = label(reading.top_ids[-1, position, 0])
    sure = np.exp(reading.top_log_probability[-1, position, 0])
    settled = int(reading.settled_at[position])
    after = literal(label(reading.tokens.ids[position]))
    if settled == reading.n_layers:
        return f"After {after} it says {literal(final)} (p {sure:.2f}), decided only at the last layer, {settled}."
    where = f"at layer {settled} of {reading.n_layers}"
    return f"After {after} it settles on {literal(final)} {where} (p {sure:.2f} at the end)."


def _draw_controls(frame: Frame, reading: Reading) -> None:
    view, state = session.view(), st.session_state
    state.lens_choice, state.color_choice = view.lens, view.color
    with st.container(horizontal=True):
        st.segmented_control(
            "Lens",
            list(LENSES),
            format_func=LENSES.get,
            key="lens_choice",
            required=True,
            on_change=lambda: session.change(lens=state.lens_choice),
            label_visibility="collapsed",
            width="content",
        )
        _draw_color()
        _draw_target(frame, reading)
    if sentence := state.pop("target_problem", None):
        st.caption(plain(sentence))


def _draw_color() -> None:
    state = st.session_state
    st.selectbox(
        "Colour",
        list(QUANTITIES),
        format_func=lambda name: (
            f"{QUANTITIES[name][0]} ({QUANTITIES[name][1]})"
            if name in ("entropy", "kl", "surprise")
            else QUANTITIES[name][0]
        ),
        key="color_choice",
        label_visibility="collapsed",
        on_change=lambda: session.change(color=state.color_choice),
    )


def _draw_target(frame: Frame, reading: Reading) -> None:
    """The followed token: the final prediction, one of the cursor's candidates, or any token typed."""
    view, state, label = session.view(), st.session_state, frame.model.tokenizer.label
    rising = rising_token(reading, frame.position)
    names = {FINAL: "target: final prediction", rising: f"{label(rising)} (rises most here)"}
    for index in reading.top_ids[-1, frame.position].tolist():
        names.setdefault(index, label(index))
    if view.target is not None:
        names.setdefault(view.target, label(view.target))
    state.target_choice = FINAL if view.target is None else view.target

    def choose() -> None:
        asked = state.target_choice
        try:
            asked = frame.model.tokenizer.find(asked) if isinstance(asked, str) else asked
            session.change(target=None if asked == FINAL else asked)
            state.pop("target_problem", None)
        except AnalysisError as error:
            state.target_problem = str(error)

    st.selectbox(
        "Target",
        list(names),
        format_func=lambda index: names.get(index, index),
        key="target_choice",
        accept_new_options=True,
        on_change=choose,
        label_visibility="collapsed",
        width=240,
    )


@st.fragment(run_every=0.5)
def _draw_fitting(fitting: Job) -> None:
    """A fit under way: the grid shows the logit lens and changes in place when the fit is done."""
    if fitting.state != "running":
        rerun_once(fitting)
        return
    progress = fitting.progress
    text, button = st.columns([5, 1], vertical_alignment="center")
    text.progress(
        progress.fraction or 0.0, text=f"{progress.message}. Until then the grid shows the logit lens."
    )
    button.button("Cancel", key="cancel fit", on_click=fitting.cancel, width="stretch")


def _draw_unfitted(fitting: Job, sentence: str) -> None:
    """A fit that ended badly: what is shown instead, and how to try again."""
    text, button = st.columns([5, 1], vertical_alignment="center")
    text.caption(plain(f"The linear shortcut is not ready: {sentence} The grid shows the logit lens."))
    button.button("Fit again", on_click=again, args=(fitting,), width="stretch")


def _draw_grid(frame: Frame, reading: Reading, lens: Lens, layer: int) -> None:
    lens_grid(
        _grid(frame, reading, lens),
        cursor=(frame.position, layer),
        key="lens_grid",
        height=GRID_HEIGHT,
        on_choose=lambda cell: session.change(position=cell[0], layer=cell[1]),
    )


def _grid(frame: Frame, reading: Reading, lens: Lens):
    """The drawn grid, kept in the session: building it again at every move of the cursor would cost 50 ms."""
    key = (id(reading), session.view().color)
    if st.session_state.get("grid_key") != key:
        st.session_state.grid = grid_of(frame.model, reading, session.view().color, lens.id)
        st.session_state.grid_key, st.session_state.grid_reading = key, reading
    return st.session_state.grid


def _draw_cursor(frame: Frame, reading: Reading, lens: Lens, layer: int) -> None:
    """Everything about one cell, and the same token along all layers."""
    position, label = frame.position, frame.model.tokenizer.label
    st.markdown(f"After {literal(label(reading.tokens.ids[position]))}, **layer {layer}** would say")
    ranking = reading.ranking(layer, position, frame.model)
    st.dataframe(
        pd.DataFrame({"token": ranking.labels, "probability": ranking.values}),
        hide_index=True,
        row_height=26,
        height=26 * (len(ranking.labels) + 1) + 10,
        column_config={
            "token": st.column_config.TextColumn("token"),
            "probability": st.column_config.ProgressColumn(
                "probability", format="%.3f", min_value=0, max_value=1
            ),
        },
        alt=f"The {len(ranking.labels)} most probable tokens at layer {layer}.",
    )
    st.markdown(
        f"Entropy **{reading.entropy[layer, position]:.2f} bits**, "
        f"KL to final **{reading.kl_to_final[layer, position]:.2f} bits**, "
        f"residual norm **{reading.norm[layer, position]:,.0f}**"
    )
    if position == 0 and len(reading.tokens) > 1:
        st.caption(
            "The first token is an attention sink: its norm dwarfs the others' and its reading means little."
        )
    _draw_followed(frame, reading, lens, layer)


def _draw_followed(frame: Frame, reading: Reading, lens: Lens, layer: int) -> None:
    """Trajectories of the tokens that matter here, and of those the person pinned."""
    model, position, state = frame.model, frame.position, st.session_state
    pinned = tuple(index for index in session.view().pinned if index < model.vocabulary)
    own = [
        *reading.top_ids[-1, position, :2].tolist(),
        int(reading.targets[position]),
        rising_token(reading, position),
    ]
    ids = tuple(dict.fromkeys([*own, *pinned]))[:8]
    curve = follow(model, trace_of(model, frame.tokens), reading, lens, position, ids)
    draw_trajectories(curve, layer, key="trajectories")
    candidates = list(dict.fromkeys([*pinned, *reading.top_ids[layer, position].tolist(), *ids]))
    state.pins = list(pinned)

    def pin() -> None:
        try:
            chosen = [model.tokenizer.find(item) if isinstance(item, str) else item for item in state.pins]
            session.change(pinned=tuple(dict.fromkeys(chosen)))
        except AnalysisError as error:
            state.pin_problem = str(error)

    st.multiselect(
        "Pin tokens",
        candidates,
        format_func=lambda item: model.tokenizer.label(item) if isinstance(item, int) else item,
        key="pins",
        accept_new_options=True,
        max_selections=session.MOST_PINNED,
        on_change=pin,
        placeholder="pick or type a token",
    )
    if sentence := state.pop("pin_problem", None):
        st.caption(plain(sentence))


def _draw_details(frame: Frame, reading: Reading, lens: Lens, layer: int) -> None:
    parts = ["What you see", "How good is this lens?", "Table", "Where it comes from", "Take it away"]
    part = st.segmented_control(
        "More", parts, default=parts[0], key="details", required=True, label_visibility="collapsed"
    )
    if part == parts[0]:
        for paragraph in explanation(reading):
            st.markdown(plain(paragraph))
    elif part == parts[1]:
        _draw_quality(lens)
    elif part == parts[2]:
        _draw_table(frame, reading)
    elif part == parts[3]:
        st.dataframe(
            pd.DataFrame(reading.provenance.lines(), columns=["", "value"]), hide_index=True, width="stretch"
        )
    else:
        draw_take_away(frame.model, reading, _grid(frame, reading, lens), (frame.position, layer))


def _draw_quality(lens: Lens) -> None:
    quality = getattr(lens, "quality", ())
    if not quality:
        st.markdown(
            "The logit lens is not fitted, so it has no fit to judge. Choose the linear shortcut to see both "
            "compared on held-out text."
        )
        return
    left, right = st.columns(2)
    with left:
        st.markdown("KL from the lens to the final layer on held-out text: lower is better")
        kl = {"shortcut": [q.kl_bits for q in quality], "logit lens": [q.logit_kl_bits for q in quality]}
        draw_by_layer(kl, "bits", key="quality kl", log=True)
    with right:
        st.markdown("Share of held-out positions whose top token is the final one")
        agreement = {
            "shortcut": [q.agreement for q in quality],
            "logit lens": [q.logit_agreement for q in quality],
        }
        draw_by_layer(agreement, "share", key="quality agreement")
    st.caption(plain("; ".join(f"{name}: {value}" for name, value in getattr(lens, "settings", ()))))


def _draw_table(frame: Frame, reading: Reading) -> None:
    result = reading.quantity(session.view().color)
    columns = [f"{i} {label}" for i, label in enumerate(reading.tokens.labels)]
    table = pd.DataFrame(result.values[::-1], columns=columns)
    table.insert(0, "layer", range(reading.n_layers, -1, -1))
    st.caption(f"{result.title} ({result.unit})")
    st.dataframe(table, hide_index=True, width="stretch")


draw(st.session_state.frame)
