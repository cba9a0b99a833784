"""The picture of every map: points in two or three dimensions, layer by layer, drawn by the graphics card.

One cursor (a layer and a point) and one selection live on both sides of the wire; see cursor_link.py.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from components import cursor_link
from components.cursor_link import CursorLink, link_of
from components.point_map.data import Categories, Extra, MapData, Overlay, Scale
from components.point_map.events import Selection, View, as_bits, selection_of, view_of

__all__ = ["Categories", "Extra", "MapData", "Overlay", "Scale", "point_map"]

_HERE = Path(__file__).parent

# A component is one module that cannot import its neighbours, so its files are joined.
_FILES = (
    _HERE.parent / "lens_grid" / "marks.js",
    *(
        _HERE / name
        for name in (
            "cloud.js",
            "camera.js",
            "pick.js",
            "seek.js",
            "wear.js",
            "shaders.js",
            "scene.js",
            "flat.js",
            "axes.js",
            "labels.js",
            "play.js",
            "hover.js",
            "legend.js",
            "tools.js",
            "gestures.js",
            "point_map.js",
        )
    ),
)
JAVASCRIPT = "\n".join(file.read_text(encoding="utf-8") for file in _FILES)
STYLE = (_HERE / "point_map.css").read_text(encoding="utf-8")

_mount = st.components.v2.component(
    "bathyscope_point_map",
    js="\n".join([cursor_link.JAVASCRIPT, JAVASCRIPT, (_HERE / "mount.js").read_text(encoding="utf-8")]),
    css=STYLE,
)


def point_map(
    data: MapData,
    *,
    layer: int,
    point: int | None,
    selected: Sequence[int] = (),
    key: str,
    height: int = 640,
    on_choose: Callable[[int, int], None] | None = None,
    on_layer: Callable[[int], None] | None = None,
    on_select: Callable[[tuple[int, ...]], None] | None = None,
) -> None:
    """Draw the map.

    The callbacks run *before* the script runs again, so that everything above the map is drawn with what
    they set. What nobody listens to is put back by the next run.

    Args:
        data: what the map shows.
        layer: the layer to show; of the layers sent, the nearest.
        point: the chosen point, if any.
        selected: points to show as selected.
        key: names this map in the session.
        height: pixels, controls and legend included.
        on_choose: receives (layer, point) when a point is chosen.
        on_layer: receives the layer once it rests; while it plays or is dragged, nothing is said.
        on_select: receives the points inside a lasso or a box, ascending; none when the selection is cleared.
    """
    views, selections = link_of(key), link_of(f"{key}:selected")

    def tell_view() -> None:
        event = _reported(key, "cursor")
        before, view = views.shown, views.news(event, lambda given: view_of(given, data))
        views.settle(event, view)
        if view is not None:
            _tell_view(before, view, on_choose, on_layer)

    def tell_selection() -> None:
        event = _reported(key, "selection")
        selection = selections.news(event, lambda given: selection_of(given, data))
        selections.settle(event, selection)
        if on_select and selection is not None:
            on_select(selection)

    views.place((int(layer), None if point is None else int(point)))
    selections.place(tuple(sorted({int(one) for one in selected})))
    _mount(
        key=key,
        data=data.packed.message(
            key=key,
            height=height,
            placed=_placed_view(views),
            selection=_placed_selection(selections, data.count),
        ),
        on_cursor_change=tell_view,
        on_selection_change=tell_selection,
    )


def _tell_view(
    before: View | None,
    view: View,
    on_choose: Callable[[int, int], None] | None,
    on_layer: Callable[[int], None] | None,
) -> None:
    layer, point = view
    chosen = point is not None and (before is None or point != before[1])
    if chosen and on_choose:
        on_choose(layer, point)
    elif on_layer and (before is None or layer != before[0]):
        on_layer(layer)


def _placed_view(link: CursorLink) -> dict[str, object]:
    layer, point = link.placed
    return {"serial": link.serial, "cursor": {"layer": layer, "point": point}}


def _placed_selection(link: CursorLink, count: int) -> dict[str, object]:
    selected: Selection = link.placed
    return {"serial": link.serial, "cursor": as_bits(selected, count)}


def _reported(key: str, name: str) -> object:
    """The last event of one kind, whatever the browser made of it."""
    state = st.session_state.get(key)
    return state.get(name) if hasattr(state, "get") else None
