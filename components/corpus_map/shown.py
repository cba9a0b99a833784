"""One map on the page: its picture, its chosen point, its group, and what is told of it."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
from jaxtyping import Bool, Float32

from analysis.methods.corpus_map import CorpusMap
from components import session
from components.corpus_map.choices import Chosen, change
from components.corpus_map.painting import painted
from components.corpus_map.picture import map_data
from components.corpus_map.prompt_among import among_of
from components.corpus_map.reading import Read
from components.frame import Frame
from components.point_map import Extra, MapData, point_map
from components.waiting import result_of

HEIGHT = 640
SELECTED = "corpus_selected"
"""Key of the group: of which states it is, and numbers of examples, ascending."""


@dataclass(frozen=True, eq=False)
class Shown:
    """One map, and everything it is of."""

    frame: Frame
    chosen: Chosen
    read: Read
    norms: Float32[np.ndarray, "layer point"]
    drawn: CorpusMap
    layer: int
    """What is looked at."""
    coloring: str

    @property
    def twin(self) -> bool:
        """True if a control is drawn in the texts' place: its points stand for no texts."""
        return bool(session.view().corpus.twin)

    @property
    def among(self) -> Bool[np.ndarray, " example"]:
        """True for the examples that are drawn."""
        found = np.zeros(len(self.read), bool)
        found[self.drawn.rows] = True
        return found

    @property
    def point(self) -> int | None:
        """The chosen example, if it is drawn."""
        wanted = session.view().corpus.point
        return None if wanted is None or self.number(wanted) is None else wanted

    def number(self, row: int) -> int | None:
        """The point that an example is; None where it is not drawn."""
        rows = self.drawn.rows  # ascending
        at = int(np.searchsorted(rows, row))
        return at if at < len(rows) and rows[at] == row else None


def group_of(shown: Shown, found: tuple[int, ...]) -> tuple[int, ...]:
    """The group at hand: what was searched for, else what was caught in a lasso; of what is drawn."""
    of, caught = st.session_state.get(SELECTED, ("", ()))
    rows = np.asarray(found or (caught if of == shown.read.states.key else ()), np.int64)
    return tuple(rows[np.isin(rows, shown.drawn.rows)].tolist())


def data_of(shown: Shown) -> MapData | None:
    """What the picture draws; None while it is being measured. Kept: a move of the cursor need not make it again."""
    view = session.view().corpus
    color = painted(shown.frame.model, shown.read, shown.drawn, shown.norms, shown.coloring)
    extra = _extra(shown) if view.prompt and not shown.twin else None
    if color is None:
        return None
    key = (id(shown.drawn), shown.coloring, shown.layer if len(shown.drawn.layers) == 1 else None, id(extra))
    if st.session_state.get("corpus_data_key") != key:
        points = shown.read.points.iloc[shown.drawn.rows]
        data = map_data(
            shown.drawn,
            points,
            shown.read.spot,
            color,
            shown.coloring,
            shown.layer,
            extra,
            named=not shown.twin,
        )
        st.session_state.corpus_data = data, shown.drawn, extra  # what is kept keeps its number
        st.session_state.corpus_data_key = key
    return st.session_state.corpus_data[0]


def _extra(shown: Shown) -> Extra | None:
    frame = shown.frame
    job = among_of(frame.model, frame.tokens, frame.position, shown.read, shown.drawn)
    return result_of(job, "corpus prompt")


def draw_picture(shown: Shown, data: MapData, group: tuple[int, ...]) -> None:
    """The picture, with its cursor and its group."""
    rows = shown.drawn.rows

    def choose(layer: int, point: int) -> None:
        change(point=int(rows[point]))
        session.change(layer=layer)

    def select(points: tuple[int, ...]) -> None:
        st.session_state[SELECTED] = shown.read.states.key, tuple(rows[list(points)].tolist())

    point_map(
        data,
        layer=shown.layer,
        point=None if shown.point is None else shown.number(shown.point),
        selected=np.flatnonzero(np.isin(rows, group)).tolist() if group else (),
        key="corpus_map",
        height=HEIGHT,
        on_choose=choose,
        on_layer=lambda layer: session.change(layer=layer),
        on_select=select,
    )
