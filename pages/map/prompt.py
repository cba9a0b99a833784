"""Where does this text go, layer by layer? Every token at every layer as a point, in axes that do not move."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from analysis.methods.prompt_map import PromptMap
from components import session
from components.figures import against_null
from components.frame import BESIDE, Frame, draw_layer_slider
from components.literal import literal, plain
from components.origin import draw_origin
from components.point_map import MapData, point_map
from components.prompt_map import tints
from components.prompt_map.choices import draw_choices, draw_concepts
from components.prompt_map.edited import edit_at_hand
from components.prompt_map.panel import draw_panel
from components.prompt_map.picture import map_data
from components.prompt_map.requests import Pooled, map_key, map_of, pooled_of, surprise_of
from components.prompt_map.take_away import QUESTION, draw_take_away, explanation, table
from components.prompt_map.trust import draw_by_layers, trust_line, twin_sentence
from components.waiting import result_of

HEIGHT = 660
MOST_BESIDE = 256
"""Tokens up to which a random twin is measured without being asked for; that of more takes seconds."""
SEE, MOVES, TRUST, TABLE, AWAY = "What you see", "Moves", "How far to trust it", "Table", "Take it away"


def draw(frame: Frame) -> None:
    """The page."""
    heading = st.container(gap="xxsmall")
    heading.subheader(QUESTION, anchor=False)
    draw_choices()
    concepts = draw_concepts(frame)
    edit = edit_at_hand(frame)
    if concepts is None:
        return
    view = session.view().prompt_map
    key = map_key(frame.model, frame.tokens, view, concepts, edit)
    drawn = result_of(map_of(frame.model, frame.tokens, view, concepts, edit), "map", height=HEIGHT)
    if drawn is not None:
        _draw_map(frame, drawn, key, heading)


def _draw_map(frame: Frame, drawn: PromptMap, key: str, heading) -> None:
    layer = frame.layer if frame.layer is not None else frame.model.n_layers // 2
    point = drawn.positions.index(frame.position) if frame.position in drawn.positions else None
    heading.markdown(_answer(drawn, layer, point))
    data = _data(frame, drawn, key)
    picture, panel = st.columns(BESIDE, gap="medium")
    with picture:
        point_map(
            data,
            layer=layer,
            point=point,
            key="prompt_map",
            height=HEIGHT,
            on_choose=lambda at, chosen: session.change(layer=at, position=drawn.positions[chosen]),
            on_layer=lambda at: session.change(layer=at),
        )
        other = _beside(frame, drawn)
        pooled = result_of(pooled_of(key, drawn), "map pooled") or Pooled(None)
        st.markdown(trust_line(drawn, layer, pooled.quality, other))
        _draw_details(frame, drawn, data, layer, point, other)
    with panel:
        draw_layer_slider(frame.model, layer)
        draw_panel(frame, drawn, layer, point)
    draw_origin((drawn.shifts or drawn.cloud).provenance)


def _answer(drawn: PromptMap, layer: int, point: int | None) -> str:
    """A sentence computed from the result: what is drawn instead, what the edit does, or where the token lies."""
    if drawn.twin:
        return twin_sentence(drawn)
    if drawn.shifts is not None:
        return drawn.shifts.verdict(layer, point)
    return "" if point is None else _whereabouts(drawn, layer, point)


def _whereabouts(drawn: PromptMap, layer: int, point: int) -> str:
    token = literal(drawn.cloud.labels[point])
    moved = drawn.moved[1:, point]
    most = int(moved.argmax()) + 1
    sentence = f"{token} moves most from layer {drawn.layers[most - 1]} to {drawn.layers[most]}"
    if near := drawn.nearest(layer, point, 1):
        other, _, cosine = near[0]
        nearest = (
            f"{literal(drawn.cloud.labels[other])} (token {drawn.positions[other]}, cosine {cosine:.2f})"
        )
        sentence += f"; at layer {layer} the token nearest to it is {nearest}"
    return f"{sentence}."


def _data(frame: Frame, drawn: PromptMap, key: str) -> MapData:
    """What the picture draws, kept in the session: a move of the cursor need not make it again."""
    state, color = st.session_state, session.view().prompt_map.color
    surprise = tint = None
    if color == "surprise":
        surprise = result_of(surprise_of(frame.model, drawn.tokens), "map surprise")
    elif color in tints.offered():
        tint = result_of(tints.tint_of(frame.model, drawn.tokens, color), "map tint")
        if tint is not None and tint.why:
            st.caption(plain(f"{tint.title} colours nothing here: {tint.why}"))
    shown = (key, color, surprise is None, tint is None)
    if state.get("map_shown") != shown:
        state.map_data, state.map_shown = map_data(drawn, key, color, surprise, tint), shown
    return state.map_data


def _beside(frame: Frame, drawn: PromptMap) -> PromptMap | None:
    """The Gaussian twin of a text, the text of a twin; None where it is not there within a moment."""
    view = session.view().prompt_map
    if view.basis == "concept_plane" or len(drawn.positions) > MOST_BESIDE:
        return None
    other = replace(view, twin="" if drawn.twin else "gaussian", first=False)
    job = map_of(frame.model, frame.tokens, other)
    return job.result() if job.wait(1.0) and job.state == "done" else None


def _draw_details(
    frame: Frame, drawn: PromptMap, data: MapData, layer: int, point: int | None, other: PromptMap | None
) -> None:
    parts = [SEE, *[MOVES] * (drawn.shifts is not None), TRUST, TABLE, AWAY]
    part = st.segmented_control(
        "More", parts, default=parts[0], key="map_details", required=True, label_visibility="collapsed"
    )
    if part == SEE:
        for paragraph in explanation(drawn):
            st.markdown(plain(paragraph))
    elif part == MOVES and drawn.shifts is not None:
        _draw_moves(drawn, layer, point)
    elif part == TRUST:
        draw_by_layers(drawn, other)
    elif part == TABLE:
        _draw_table(drawn, layer)
    elif part == AWAY:
        draw_take_away(frame, drawn, data, layer, point)


def _draw_moves(drawn: PromptMap, layer: int, point: int | None) -> None:
    result = drawn.shifts.by_token(layer)
    st.markdown(f"How far the edit moves every token at layer {layer}, in the full space")
    figure = against_null.curve(result, drawn.positions)
    if point is not None:
        figure.add_vline(x=drawn.positions[point], line_width=1, line_dash="dot", line_color="gray")
    against_null.draw(figure, result, "map moves by token", height=270)
    st.caption(drawn.shifts.verdict(layer))


def _draw_table(drawn: PromptMap, layer: int) -> None:
    rows: pd.DataFrame = table(drawn)
    provenance = [name.replace(" ", "_") for name, _ in (drawn.shifts or drawn.cloud).provenance.lines()]
    shown = rows[rows.layer == layer].drop(columns=["point", "layer", *provenance])
    st.caption(f"Every point at layer {layer}; all layers under {AWAY}.")
    st.dataframe(shown, hide_index=True, width="stretch")


draw(st.session_state.frame)
