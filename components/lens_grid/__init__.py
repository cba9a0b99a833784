"""The lens grid: what every layer would say after every token, one cursor over all of it."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from components import cursor_link
from components.cursor_link import link_of, reported
from components.grid_data import GridData, chosen_cell

_HERE = Path(__file__).parent

# A component is one module that cannot import its neighbours, so its files are joined.
JAVASCRIPT = "\n".join(
    (_HERE / name).read_text(encoding="utf-8")
    for name in ("marks.js", "legend.js", "card.js", "lens_grid.js")
)
STYLE = (_HERE / "lens_grid.css").read_text(encoding="utf-8")

Cell = tuple[int, int]  # (position, layer)

_mount = st.components.v2.component(
    "bathyscope_lens_grid",
    js="\n".join([cursor_link.JAVASCRIPT, JAVASCRIPT, (_HERE / "mount.js").read_text(encoding="utf-8")]),
    css=STYLE,
)


def lens_grid(
    data: GridData,
    *,
    cursor: Cell,
    key: str,
    height: int = 720,
    on_choose: Callable[[Cell], None] | None = None,
) -> Cell | None:
    """Draw the grid with its cursor; answer the cell that was chosen since the last run.

    Args:
        data: what the grid shows.
        cursor: the (position, layer) to show; a cell outside the grid is drawn at its edge.
        key: names this grid in the session.
        height: the most pixels the grid takes; more layers scroll.
        on_choose: receives the chosen cell *before* the script runs again, so that everything
            above the grid is drawn with it too. The answer is then None.
    """
    link = link_of(key)

    def read(event: object) -> Cell | None:
        return chosen_cell(event, data.fingerprint, len(data.tokens), data.layers)

    def tell() -> None:
        event = reported(key)
        chosen = link.news(event, read)
        if on_choose and chosen is not None:
            link.settle(event, chosen)
            on_choose(chosen)

    event = reported(key)
    chosen = link.news(event, read)
    # What was just chosen is newer than the cursor this run came with.
    if chosen is None or link.placed is None:
        link.place(cursor if chosen is None else chosen)
    position, layer = link.placed
    _mount(
        key=key,
        data={
            "key": key,
            "grid": data.as_json(),
            "height": height,
            "placed": {
                "serial": link.serial,
                "cursor": {"position": int(position), "layer": int(layer)},
            },
        },
        on_cursor_change=tell,
    )
    link.settle(event, chosen)
    return chosen
