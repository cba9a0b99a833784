"""What opens below a card: what made its number at one layer."""

from importlib import import_module

import streamlit as st

from components import session
from components.frame import Frame
from components.geometry.cards import Card, choose
from components.geometry.choices import change
from components.geometry.digging import Digging
from components.geometry.requests import taken_of
from components.geometry_link import PROMPT
from components.literal import plain
from components.waiting import result_of


def draw_opened(frame: Frame, card: Card, layer: int) -> None:
    """The panel, with the layer slider that all cards share."""
    measure, subject = card.measure, card.wanted[0].subject
    with st.container(border=True, key="geometry_dig"):
        _draw_head(card, layer)
        cloud = result_of(taken_of(subject, "cloud"), "geometry cloud")
        given = (
            cloud
            if measure.reads == "cloud"
            else result_of(taken_of(subject, measure.reads), "geometry given")
        )
        if cloud is None or given is None:
            return

        def choose_point(point: int) -> None:
            change(point=point)
            if session.view().geometry.data == PROMPT:
                session.change(position=int(cloud.given.position[point]))

        dig = Digging(
            model=frame.model,
            measured=card.base,
            given=given.given,
            cloud=cloud.given,
            layer=layer,
            point=_point(frame, cloud.given),
            choose_layer=lambda chosen: choose(measure, chosen),
            choose_point=choose_point,
        )
        # what one question needs is loaded by those who look into it
        import_module(f"components.geometry.digs.{measure.question}").draw(dig)


def _draw_head(card: Card, layer: int) -> None:
    """What is looked into, and the way to the layers above and below."""
    layers = card.base.layers
    at = layers.index(layer)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"##### {plain(card.measure.title)} at layer {layer}", width="stretch")
        for name, step in (("down", -1), ("up", 1)):
            there = at + step
            is_there = 0 <= there < len(layers)
            st.button(
                f"Layer {layers[there]}" if is_there else "–",
                icon=f":material/arrow_{name}ward:",
                key=f"geometry_layer_{name}",
                disabled=not is_there,
                on_click=choose,
                args=(card.measure, layers[there] if is_there else layer),
            )


def _point(frame: Frame, cloud) -> int | None:
    """The chosen point; of a prompt the one under the cursor."""
    view = session.view().geometry
    if view.data == PROMPT:
        found = [number for number, position in enumerate(cloud.position) if position == frame.position]
        return found[0] if found else None
    return view.point if view.point is not None and view.point < len(cloud) else None
