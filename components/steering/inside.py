"""What the edit does inside: the lens grid of the edited run, and which layers carry the change."""

import streamlit as st

from analysis import Reading
from analysis.jobs import Job
from analysis.methods.effect import Effect
from analysis.methods.lens import Lens
from components import session
from components.figures.against_null import draw_curve
from components.frame import BESIDE, Frame, draw_layer_slider
from components.lens_grid import lens_grid
from components.literal import plain
from components.reading_grid import change_grid, grid_of
from components.requests import lens_now, reading_of
from components.steering.requests import edited_reading_of
from components.waiting import result_of

SHOWN = {"change": "change", "edited": "edited run", "base": "base run"}
GRID_HEIGHT = 620


def draw(frame: Frame, effect: Effect, key: str) -> None:
    """The part of the page.

    Args:
        frame: model, text and cursor.
        effect: what the recipe did to the text.
        key: names the effect.
    """
    lens, _ = lens_now(frame.model, session.view().lens)
    layer = frame.layer if frame.layer is not None else frame.model.n_layers
    picture, panel = st.columns(BESIDE, gap="medium")
    with picture:
        _draw_grid(frame, effect, key, lens, layer)
    with panel:
        draw_layer_slider(frame.model, layer)
        st.markdown(f"How large the change is after token {frame.position}, layer by layer")
        draw_curve(effect.size_by_layer(frame.position), key="size by layer", at=layer)
        st.markdown("How far the state turns")
        draw_curve(effect.turn_by_layer(frame.position), key="turn by layer", at=layer)


def _draw_grid(frame: Frame, effect: Effect, key: str, lens: Lens, layer: int) -> None:
    shown = st.segmented_control(
        "Shown", list(SHOWN), format_func=SHOWN.get, default="change", key="steer_shown", required=True,
        label_visibility="collapsed",
    )  # fmt: skip
    base = _read(reading_of(frame.model, frame.tokens, lens, None), "steer base")
    if base is None:
        return
    edited = _read(edited_reading_of(frame.model, effect, key, lens, base), "steer edited")
    if edited is None:
        return
    if shown == "change":
        grid = change_grid(frame.model, base, edited, lens.id)
    else:
        grid = grid_of(frame.model, base if shown == "base" else edited, "probability", lens.id)
    lens_grid(
        grid,
        cursor=(frame.position, layer),
        key="steer_grid",
        height=GRID_HEIGHT,
        on_choose=lambda cell: session.change(position=cell[0], layer=cell[1]),
    )
    st.caption(plain(f"{lens.title}. {lens.misleads_when}"))


def _read(job: Job[Reading], key: str) -> Reading | None:
    return result_of(job, key, height=GRID_HEIGHT, again_label="Read again")
