"""The prompt's tokens, coloured by what a measure says of each of them at the cursor's layer."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from analysis.methods.geometry import Measured
from components import session
from components.frame import Frame
from components.geometry.cards import Card
from components.geometry.choices import change
from components.geometry.cursor import layer_now
from components.geometry.requests import taken_of
from components.literal import plain
from components.reading_grid import grid_tokens
from components.token_strip import token_strip
from components.waiting import result_of


def draw_strip(frame: Frame, cards: Sequence[Card]) -> None:
    """The strip, where one of the cards tells tokens apart; a click moves the cursor."""
    able = {card.measure.id: card for card in cards if _tells_apart(card.base)}
    if not able:
        return
    card = able[_chosen(able)]
    cloud = result_of(taken_of(card.wanted[0].subject, "cloud"), "geometry strip")
    if cloud is None:
        return
    layer = layer_now(card.base.layers, frame.layer)
    values = card.base.per_point[card.base.layers.index(layer)]
    strip, choice = st.columns([3, 1], gap="medium", vertical_alignment="center")
    with choice:
        _draw_choice(able)
    with strip:
        token_strip(
            grid_tokens(frame.tokens),
            fingerprint=f"geometry{frame.model.fingerprint}{hash(frame.tokens.ids)}",
            cursor_position=frame.position,
            key="geometry_strip",
            values=tints(values, cloud.given.position, len(frame.tokens)),
            on_choose=lambda chosen: session.change(position=chosen),
        )
        st.caption(plain(_told(card, values, cloud.given.position, frame.position, layer)))


def _tells_apart(found: object) -> bool:
    """True if it says something of every token that is not the same for all, as what belongs to a text is."""
    if not isinstance(found, Measured) or found.per_point is None:
        return False
    known = [values[np.isfinite(values)] for values in found.per_point]
    return any(len(values) and np.ptp(values) > 0 for values in known)


def tints(values: np.ndarray, positions: np.ndarray, count: int) -> list[float | None]:
    """How strongly each token is tinted: from the lowest value, 0, to the highest, 1; None where it has none."""
    tinted: list[float | None] = [None] * count
    known = np.isfinite(values)
    if not known.any():
        return tinted
    low, high = float(values[known].min()), float(values[known].max())
    for position, value in zip(positions[known], values[known], strict=True):
        tinted[int(position)] = (float(value) - low) / (high - low) if high > low else 0.5
    return tinted


def _chosen(able: dict[str, Card]) -> str:
    tint = session.view().geometry.tint
    return tint if tint in able else next(iter(able))


def _draw_choice(able: dict[str, Card]) -> None:
    state = st.session_state
    state.geometry_tint = _chosen(able)
    st.selectbox(
        "Tokens are coloured by",
        list(able),
        format_func=lambda id: able[id].measure.title,
        key="geometry_tint",
        on_change=lambda: change(tint=state.geometry_tint),
    )


def _told(card: Card, values: np.ndarray, positions: np.ndarray, position: int, layer: int) -> str:
    """What is coloured, its range, and its value at the cursor's token."""
    known = values[np.isfinite(values)]
    if not len(known):
        return f"{card.measure.per_point}: no token has one at layer {layer}."
    own = values[positions == position]
    here = f"; token {position}: {own[0]:.3g}" if len(own) and np.isfinite(own[0]) else ""
    ends = f"{known.min():.3g} (plain) to {known.max():.3g} (full colour)"
    return f"Layer {layer}, {card.measure.per_point}: {ends}{here}."
