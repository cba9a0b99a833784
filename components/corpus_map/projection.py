"""How points are laid out: the projection, and what can be turned on it, each with a plain sentence."""

from dataclasses import fields, replace

import streamlit as st

from analysis.knobs import Knob, knobs
from analysis.maps.scaling import SCALES
from analysis.projections.kinds import PROJECTIONS, Projection
from components import session
from components.corpus_map.choices import change
from components.corpus_map_link import CorpusMapView
from components.knob_controls import draw_knob, params_of, turned_of
from components.literal import plain
from components.view_controls import segments

SHORT_SCALES = {"unit": "directions", "raw": "raw lengths"}


def chosen_projection() -> Projection:
    """What is chosen; the first one where a link names none."""
    return PROJECTIONS.get(session.view().corpus.projection) or next(iter(PROJECTIONS.values()))


def chosen_params() -> object:
    """Its parameters: those of the link that it has and that are in range, the others as they are."""
    return params_of(chosen_projection().params, session.view().corpus.knobs)


def draw_projection() -> object:
    """The choice of a projection, its dimensions and its scale; its parameters."""
    state, view, kind = st.session_state, session.view().corpus, chosen_projection()
    if view.projection != kind.id:
        change(projection=kind.id, knobs=())
    state.corpus_projection = kind.id
    st.selectbox(
        "Projection",
        list(PROJECTIONS),
        format_func=lambda id: PROJECTIONS[id].title,
        key="corpus_projection",
        on_change=lambda: change(projection=state.corpus_projection, knobs=()),
        label_visibility="collapsed",
        width=190,
        help=plain(kind.explains),
    )
    if kind.most_axes > 2:
        _segments("axes", "Dimensions", {2: "2D", 3: "3D"})
    _segments("scale", "Scale", SHORT_SCALES, help="; ".join(SCALES.values()))
    with st.popover("Parameters", icon=":material/tune:", key="corpus_parameters"):
        st.caption(plain(kind.explains))
        for each in knobs(kind.params):
            _draw_knob(each, view)
        if not fields(kind.params):
            st.caption("Nothing to set.")
        _draw_seed(view)
        st.caption(plain(f"Misleads when: {kind.misleads_when}"))
        st.caption(plain(kind.source))
    return chosen_params()


def _segments(name: str, label: str, options: dict, help: str | None = None) -> None:
    now = getattr(session.view().corpus, name)
    segments(
        label, options, key=f"corpus_{name}", now=now, change=lambda value: change(**{name: value}), help=help
    )


def _draw_knob(each: Knob, view: CorpusMapView) -> None:
    now = chosen_params()

    def turn(value: object) -> None:
        change(knobs=turned_of(replace(now, **{each.name: value})))

    draw_knob(each, getattr(now, each.name), f"corpus_knob_{view.projection}_{each.name}", turn)


def _draw_seed(view: CorpusMapView) -> None:
    state = st.session_state
    state.corpus_seed = view.seed
    st.number_input(
        "Seed",
        0,
        10**9 - 1,
        key="corpus_seed",
        on_change=lambda: change(seed=state.corpus_seed),
        help="The same seed draws the same picture; another one shows what of it is chance.",
    )
