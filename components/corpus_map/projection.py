"""How points are laid out: the projection, and what can be turned on it, each with a plain sentence."""

from dataclasses import fields

import streamlit as st

from analysis.maps.scaling import SCALES
from analysis.projections.kinds import PROJECTIONS, Projection
from analysis.projections.knobs import Knob, knobs
from components import session
from components.corpus_map.choices import change
from components.corpus_map_link import CorpusMapView
from components.literal import plain
from components.view_controls import segments

SHORT_SCALES = {"unit": "directions", "raw": "raw lengths"}


def chosen_projection() -> Projection:
    """What is chosen; the first one where a link names none."""
    return PROJECTIONS.get(session.view().corpus.projection) or next(iter(PROJECTIONS.values()))


def chosen_params() -> object:
    """Its parameters: those of the link that it has and that are in range, the others as they are."""
    kind, known = chosen_projection(), dict(session.view().corpus.knobs)
    given = {
        each.name: type(each.default)(known[each.name])
        for each in knobs(kind.params)
        if each.name in known and each.low <= known[each.name] <= each.high
    }
    return kind.params(**given)


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
    state, key = st.session_state, f"corpus_knob_{view.projection}_{each.name}"
    state[key] = getattr(chosen_params(), each.name)

    def turn() -> None:
        others = tuple(pair for pair in session.view().corpus.knobs if pair[0] != each.name)
        own = () if state[key] == each.default else ((each.name, float(state[key])),)
        change(knobs=tuple(sorted(others + own)))

    if isinstance(each.default, bool):
        st.toggle(each.title, key=key, on_change=turn, help=each.explains)
        return
    kind = type(each.default)
    if each.logarithmic:
        options = _by_factors(each, state[key])
        st.select_slider(
            each.title, options, key=key, on_change=turn, help=each.explains, format_func="{:g}".format
        )
    else:
        st.slider(
            each.title,
            kind(each.low),
            kind(each.high),
            step=kind(each.step),
            key=key,
            on_change=turn,
            help=each.explains,
        )


def _by_factors(each: Knob, now: float) -> list[float]:
    """1, 2 and 5 times the powers of ten within the range, and the value at hand."""
    steps = {m * 10.0**power for power in range(-6, 4) for m in (1, 2, 5)}
    return sorted({round(step, 9) for step in steps if each.low <= step <= each.high} | {now})


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
