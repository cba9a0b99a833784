"""The colours at hand, once what they need is measured."""

import numpy as np
import streamlit as st
from jaxtyping import Float32

from analysis import Direction, LoadedModel
from analysis.fingerprint import fingerprint
from analysis.groups.directions import scores
from analysis.jobs import Job
from analysis.methods.corpus_map import CorpusMap
from components import session
from components.corpus_map import coloring, tints
from components.corpus_map.choices import change
from components.corpus_map.coloring import MEASURED, SCORE
from components.corpus_map.measured import moved_of
from components.corpus_map.reading import Read
from components.literal import plain
from components.point_map import Categories, Scale
from components.point_map.scales import between_usual, from_zero, lengths
from components.requests import held
from components.steering.offered import offered_directions
from components.steering.requests import direction_of
from components.tints import MEASURE
from components.waiting import result_of


def draw_color_choice(read: Read) -> str:
    """What colours the points; its id."""
    names = coloring.offered(read.points, offered_directions()) | tints.offered(read)
    wanted = session.view().corpus.color
    st.session_state.corpus_color = (
        wanted if wanted in names else coloring.first(read.points, read.corpus.label)
    )
    st.selectbox(
        "Colour",
        list(names),
        format_func=lambda id: f"colour: {names[id]}",
        key="corpus_color",
        on_change=lambda: change(color=st.session_state.corpus_color),
        label_visibility="collapsed",
        width=240,
    )
    return st.session_state.corpus_color


def painted(
    model: LoadedModel,
    read: Read,
    drawn: CorpusMap,
    norms: Float32[np.ndarray, "layer point"],
    choice: str,
) -> Categories | Scale | None:
    """The colours of the drawn points; None while they are being measured.

    Args:
        model: the model.
        read: all points.
        drawn: the map.
        norms: of all points at all layers that were read.
        choice: an id of `coloring.offered`.
    """
    if choice.startswith(MEASURE):
        return _tinted(model, read, drawn, choice)
    if choice.startswith(SCORE):
        return _scored(model, read, drawn, choice.removeprefix(SCORE))
    if choice not in MEASURED:
        return coloring.by_column(read.points.iloc[drawn.rows], choice)
    if choice == "moved":
        values = result_of(moved_of(read.states, drawn.rows, drawn.layers, drawn.scale), "corpus moved")
        unit = "state lengths" if drawn.scale == "unit" else "units of the residual stream"
        return None if values is None else from_zero(values, MEASURED[choice], unit)
    if choice == "distortion":
        return Scale(_distortion(drawn), MEASURED[choice], "share of them", 0.0, 1.0)
    own = _at_layers(norms, read, drawn)
    return lengths(own, np.median(own, axis=1))


def _at_layers(values: np.ndarray, read: Read, drawn: CorpusMap) -> np.ndarray:
    """(layer, point) of the map from (layer, example) of what was read."""
    return values[[read.states.layers.index(layer) for layer in drawn.layers]][:, drawn.rows]


def _distortion(drawn: CorpusMap) -> np.ndarray:
    nothing = np.full(len(drawn.rows), np.nan, np.float32)
    return np.stack([nothing if each is None else each.distortion for each in drawn.qualities])


def _tinted(model: LoadedModel, read: Read, drawn: CorpusMap, choice: str) -> Scale | None:
    """A measure of every token; where it cannot be taken, why is said and all points are alike."""
    tint = result_of(tints.tint_of(model, read, choice), "corpus tint")
    if tint is None:
        return None
    if tint.values is None:
        st.caption(plain(f"{tint.title}: {tint.why}"))
        return between_usual(np.zeros((len(drawn.layers), len(drawn.rows))), tint.title, tint.of_token)
    return between_usual(_at_layers(tint.values, read, drawn), tint.title, tint.of_token)


def _scored(model: LoadedModel, read: Read, drawn: CorpusMap, reference: str) -> Scale | None:
    direction = result_of(direction_of(model, reference), "corpus score direction")
    values = (
        None if direction is None else result_of(_scores_of(read, direction, drawn.scale), "corpus scores")
    )
    if values is None:
        return None
    unit = "cosine" if drawn.scale == "unit" else "units of the residual stream"
    found = _at_layers(values, read, drawn)
    middle = np.nanmedian(
        found, axis=1, keepdims=True
    )  # all states share a large part: what differs is the rest
    return between_usual(
        found - middle, f"along {direction.name}, from the layer's median", unit, centred=True
    )


def _scores_of(read: Read, direction: Direction, scale: str) -> Job[np.ndarray]:
    key = fingerprint("corpus scores", read.states.key, direction.values, direction.layers, scale)
    return held(key, "Scoring points", lambda report: scores(read.states, direction, scale, report))
