"""Where do these texts lie, and how do they move from layer to layer?"""

from dataclasses import replace

import numpy as np
import streamlit as st

from analysis.methods.corpus_map import CorpusMap
from components import session
from components.corpus_map.asking import draw_group, draw_search
from components.corpus_map.choices import Chosen, change, draw_choices
from components.corpus_map.drawing import draw_drawing
from components.corpus_map.how import draw_how
from components.corpus_map.measured import left_out, norms_of
from components.corpus_map.point import draw_point
from components.corpus_map.reading import Read, dealt_of, draw_reading
from components.corpus_map.requests import warm
from components.corpus_map.shown import HEIGHT, Shown, data_of, draw_picture, group_of
from components.corpus_map.take_away import QUESTION, draw_take_away
from components.corpus_map.trust import draw_by_layers, trust_line
from components.frame import BESIDE, Frame, draw_layer_slider
from components.origin import draw_origin
from components.waiting import result_of

GROUP, TRUST, AWAY = PARTS = ("The chosen points", "How far to trust it", "Take it away")


def draw(frame: Frame) -> None:
    """The page."""
    heading = st.container(gap="xxsmall")
    heading.subheader(QUESTION, anchor=False)
    chosen = draw_choices(frame.model)
    if chosen is None:
        return
    if not session.view().corpus.asked:
        _draw_invitation()
        return
    warm()
    read = draw_reading(frame.model, chosen, HEIGHT)
    if read is not None:
        _draw_read(frame, chosen, read, heading)


def _draw_invitation() -> None:
    st.button("Read and draw", type="primary", icon=":material/scatter_plot:", on_click=_ask)
    st.caption(
        "Reads every text once; the states stay on disk, and reading can be paused at any time. The first picture, a "
        "PCA of one layer, is there at once; the other layers and projections follow in the background."
    )


def _ask() -> None:
    change(asked=True)


def _draw_read(frame: Frame, chosen: Chosen, read: Read, heading) -> None:
    """What was read, as a map."""
    params, coloring = draw_how(read)
    read = _control_or(read, frame, chosen)
    norms = None if read is None else result_of(norms_of(read.states), "corpus norms")
    if norms is None:
        return
    outside = left_out(read, norms)
    rows = np.arange(len(read)) if session.view().corpus.first else np.flatnonzero(~outside)
    drawn = draw_drawing(frame.model, read.states, rows, params, _nearest(frame, chosen.layers))
    if drawn is None:
        return
    heading.markdown(drawn.summary())
    _draw_left_out(int(outside.sum()))
    if fewer := _left_out_layers(drawn, chosen.layers):
        st.caption(
            f"Left out, as fewer than four different points are there: layer {', '.join(map(str, fewer))}."
        )
    _draw_shown(Shown(frame, chosen, read, norms, drawn, _nearest(frame, drawn.layers), coloring))


def _left_out_layers(drawn: CorpusMap, asked: tuple[int, ...]) -> list[int]:
    """Layers that a bent picture leaves out, as too few points differ there; an aligned one draws a few on purpose."""
    if drawn.basis is not None or drawn.projection == "aligned" or len(drawn.layers) == 1:
        return []
    return sorted(set(asked) - set(drawn.layers))


def _control_or(read: Read, frame: Frame, chosen: Chosen) -> Read | None:
    """What was read, or the same with the states of texts whose tokens were dealt anew."""
    view = session.view().corpus
    if view.twin != "dealt":
        return read
    states = result_of(dealt_of(frame.model, read, chosen, view.seed), "corpus dealt", HEIGHT)
    return None if states is None else replace(read, states=states)


def _nearest(frame: Frame, layers: tuple[int, ...]) -> int:
    """Of some layers the one nearest to the cursor's, or to the middle where there is no cursor."""
    wanted = frame.model.n_layers // 2 if frame.layer is None else frame.layer
    return min(layers, key=lambda layer: (abs(layer - wanted), layer))


def _draw_left_out(count: int) -> None:
    if count:
        fate = "drawn as well" if session.view().corpus.first else "left out; let them in under More"
        st.caption(f"{count:,} points stand apart (first tokens, and norms far above the rest): {fate}.")


def _draw_shown(shown: Shown) -> None:
    """The picture with the panel beside it, and what can be asked of it below."""
    found = () if shown.twin else draw_search(shown.read)
    group = group_of(shown, found)
    picture, panel = st.columns(BESIDE, gap="medium")
    with picture:
        data = data_of(shown)
        if data is None:
            return
        draw_picture(shown, data, group)
        st.markdown(trust_line(shown.drawn, shown.layer))
    with panel:
        draw_layer_slider(shown.frame.model, shown.layer)
        _draw_point(shown)
    part = st.segmented_control(
        "More", PARTS, default=GROUP, key="corpus_part", required=True, label_visibility="collapsed"
    )
    if part == GROUP:
        _draw_group(shown, group)
    elif part == TRUST:
        draw_by_layers(shown.drawn)
    else:
        draw_take_away(shown, data)
    draw_origin(shown.drawn.cloud.provenance)


def _draw_point(shown: Shown) -> None:
    if shown.twin:
        st.caption("This is a control: its points stand for no texts.")
    elif shown.point is None:
        st.caption("Click a point to read its text, and to see its neighbours in the full space.")
    else:
        draw_point(shown.read, shown.point, shown.layer, among=shown.among, scale=shown.drawn.scale)


def _draw_group(shown: Shown, group: tuple[int, ...]) -> None:
    if shown.twin:
        st.caption("A control is asked nothing: choose the texts above.")
        return
    if not group:
        st.caption(
            "Draw a lasso around points (Shift and drag), or search above, to see what they share, what they would "
            "say next, which neurons tell them, and to make a direction of them."
        )
        return
    view = session.view()
    draw_group(
        shown.frame.model,
        shown.read,
        group,
        shown.layer,
        among=shown.among,
        scale=shown.drawn.scale,
        lens=view.lens,
        seed=view.corpus.seed,
    )


draw(st.session_state.frame)
