"""How a concept is erased: the eraser, the layers, and what a search may do."""

from dataclasses import replace

import streamlit as st

from analysis import LoadedModel
from analysis.erasers import ERASERS
from analysis.labelled import LabelledSet
from analysis.methods.erase import Plan
from components import session
from components.erase_link import MOST_ITERATIONS, MOST_RANK
from components.literal import plain

SEARCHES = ("inlp", "rlace")
RANKED = ("rlace", "random")


def draw_choices(model: LoadedModel, given: LabelledSet, plan: Plan) -> None:
    """The row of choices below those of the concept."""
    method, layers, order, more = st.columns([1.5, 2.6, 1.3, 0.9], vertical_alignment="bottom")
    with method:
        _draw_method(given)
    with layers:
        _draw_layers(model, plan)
    with order:
        _draw_order(plan)
    with more:
        _draw_more(plan)


def able(given: LabelledSet) -> list[str]:
    """Erasers that can be fitted to these labels."""
    return [name for name, kind in ERASERS.items() if kind.of_numbers or given.classes]


def _draw_method(given: LabelledSet) -> None:
    state, key = st.session_state, "erase method"
    state[key] = session.view().erase.method
    st.selectbox(
        "Eraser",
        able(given),
        format_func=lambda name: ERASERS[name].title,
        key=key,
        on_change=lambda: _change(method=state[key]),
        help="\n\n".join(f"**{kind.title}**: {plain(kind.guarantee)}" for kind in ERASERS.values()),
    )


def _draw_layers(model: LoadedModel, plan: Plan) -> None:
    state, key = st.session_state, "erase layers"
    state[key] = plan.layers
    st.slider(
        "Layers",
        0,
        model.n_layers,
        key=key,
        format="layer %d",
        on_change=lambda: _change(layers=tuple(state[key])),
        help="Drag both ends apart to erase at several layers. Layer 0 is the embedding.",
    )


def _draw_order(plan: Plan) -> None:
    state, key = st.session_state, "erase order"
    state[key] = session.view().erase.sequence
    st.toggle(
        "layer after layer",
        key=key,
        on_change=lambda: _change(sequence=state[key]),
        disabled=plan.layers[0] == plan.layers[1],
        help="Concept scrubbing: every layer's eraser is fitted to states in which the layers below are erased "
        "already. Otherwise each is fitted to the unedited states.",
    )


def _draw_more(plan: Plan) -> None:
    with st.popover("More", icon=":material/tune:", key="erase more"):
        _draw_number(
            "Rank", "rank", MOST_RANK, plan.method in RANKED, "Empty takes out classes - 1 dimensions."
        )
        _draw_number(
            "Iterations",
            "iterations",
            MOST_ITERATIONS,
            plan.method in SEARCHES,
            "Empty leaves it to the method.",
        )
        st.caption("LEACE and the projections follow from a formula: their rank is classes - 1.")


def _draw_number(label: str, part: str, most: int, free: bool, advice: str) -> None:
    state, key = st.session_state, f"erase {part}"
    state[key] = getattr(session.view().erase, part)
    st.number_input(
        label,
        1,
        most,
        value=None,
        key=key,
        disabled=not free,
        placeholder="as the method says",
        help=advice,
        on_change=lambda: _change(**{part: state[key]}),
    )


def _change(**fields: object) -> None:
    session.change(erase=replace(session.view().erase, **fields))


def fit_to(given: LabelledSet) -> None:
    """An eraser that suits the labels, where the one at hand does not."""
    if session.view().erase.method not in able(given):
        _change(method=able(given)[0])
