"""Laying the points out: PCA of one layer at once, then what was chosen, at every layer, in the background."""

import numpy as np
import streamlit as st
from jaxtyping import Int64

from analysis import LoadedModel
from analysis.captures import States
from analysis.methods.corpus_map import CorpusMap
from analysis.projections.kinds import PROJECTIONS
from analysis.projections.limits import KEY_POINTS, duration, seconds
from components import session
from components.corpus_map.picture import MOST_SENT
from components.corpus_map.requests import FIRST_PAINT, Wanted, drawn_layers, drawn_of, first_paint_of
from components.waiting import result_of

WORTH_SAYING = 20
"""Seconds of computing from which on a person is told beforehand."""


def draw_drawing(
    model: LoadedModel, states: States, rows: Int64[np.ndarray, " point"], params: object, layer: int
) -> CorpusMap | None:
    """The map that is chosen; until it is there, the first one of this layer, below the progress of the other.

    Args:
        model: the model.
        states: what is drawn: the texts', or those of the texts with their tokens dealt anew.
        rows: the examples that are drawn.
        params: of the chosen projection.
        layer: what is looked at.
    """
    view = session.view().corpus
    layers = drawn_layers(states, view.projection)
    if view.projection == "aligned" and len(rows) > KEY_POINTS:
        st.caption(
            f"{KEY_POINTS:,} of {len(rows):,} points, drawn at random: all layers are laid out together."
        )
        rows = np.sort(np.random.default_rng(view.seed).choice(rows, KEY_POINTS, replace=False))
    elif len(rows) * len(layers) > MOST_SENT:
        st.caption(f"So many points are drawn a layer at a time; this is layer {layer}.")
        layers = (layer,)
    wanted = Wanted(
        view.projection,
        params,
        rows,
        view.scale,
        view.seed,
        view.twin,
        n_axes=min(view.axes, PROJECTIONS[view.projection].most_axes),
    )
    job = drawn_of(model, states, wanted, layers=layers)
    whole = result_of(job, "corpus map")
    if whole is not None:
        return whole
    if (
        job.state == "running"
        and (takes := seconds(wanted.projection, len(rows), len(layers))) > WORTH_SAYING
    ):
        st.caption(
            f"{PROJECTIONS[wanted.projection].title} takes about {duration(takes)} here; it can be cancelled."
        )
    first = result_of(first_paint_of(model, states, wanted, layer), "corpus first map")
    if first is not None:
        st.caption(f"So far: {PROJECTIONS[FIRST_PAINT].title}, layer {layer} by itself.")
    return first
