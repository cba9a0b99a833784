"""What is drawn and how: axes, scale, colour, the edited run, a random twin."""

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from analysis import Direction
from analysis.maps.basis import BASES
from analysis.samples import OUTLIER
from components import session
from components.frame import Frame
from components.prompt_map import tints
from components.prompt_map.edited import draw_edit_choice
from components.steering.offered import offered_directions
from components.steering.requests import direction_of
from components.view_controls import segments
from components.waiting import result_of

SCALES = {"unit": "directions", "raw": "raw lengths"}
TWINS = {"": "this text", "gaussian": "Gaussian twin", "shuffled": "shuffled tokens"}
COLORS = {
    "position": "colour: position in the text",
    "token": "colour: token",
    "norm": "colour: length of the state",
    "moved": "colour: distance from the layer below",
    "distortion": "colour: neighbours the picture loses",
    "surprise": "colour: surprise at the token",
    "edit": "colour: how far the edit moves it",
}
FIRST_CONCEPTS = ("preset.sentiment", "preset.tense")


def change(**fields: object) -> None:
    """Change parts of the map's choices."""
    session.change(prompt_map=replace(session.view().prompt_map, **fields))


def draw_choices() -> None:
    """The rows of choices."""
    with st.container(horizontal=True, vertical_alignment="center", key="map_choices"):
        _select("Axes", "basis", {id: kind.title for id, kind in BASES.items()}, width=280)
        if session.view().prompt_map.basis != "concept_plane":
            _segments("Dimensions", "axes", {2: "2D", 3: "3D"})
        _segments("Scale", "scale", SCALES)
        _select("Colour", "color", _colors(), width=290)
        _segments("Drawn", "twin", TWINS)
        draw_edit_choice(change)
        _draw_more()


def _colors() -> Mapping[str, str]:
    """Those that can be told of what is drawn; one that cannot gives way to the first."""
    view, recipe = session.view().prompt_map, session.view().recipe
    missing = set() if recipe and view.edited and not view.twin else {"edit"}
    missing |= {"token", "surprise"} if view.twin == "gaussian" else set()
    known = COLORS | ({} if view.twin == "gaussian" else tints.offered())  # a random cloud was never run
    able = {id: title for id, title in known.items() if id not in missing}
    if view.color not in able:
        change(color="position")
    return able


def _draw_more() -> None:
    state, view = st.session_state, session.view().prompt_map
    with st.popover("More", icon=":material/tune:", key="map_more"):
        state.map_first = view.first
        st.toggle(
            "Draw the first token and outliers too",
            key="map_first",
            on_change=lambda: change(first=state.map_first),
            help="A text's first token is an attention sink, a hundred times as long as others. It never has a say in "
            f"the axes; nor have tokens whose state is over {OUTLIER:g} times as long as usual at some layer.",
        )
        state.map_seed = view.seed
        st.number_input(
            "Seed of the random twin and of the random controls",
            0,
            10**9 - 1,
            key="map_seed",
            on_change=lambda: change(seed=state.map_seed),
        )


def draw_concepts(frame: Frame) -> tuple[Direction, ...] | None:
    """The directions that are axes; None while one is being built or cannot be had. Empty for other axes."""
    view = session.view().prompt_map
    if view.basis != "concept_plane":
        return ()
    if len(view.concepts) < 2:
        change(concepts=FIRST_CONCEPTS)
        session.write_address()  # the frame has written it before
    chosen = session.view().prompt_map.concepts
    known = offered_directions()
    names = known | {each: each for each in chosen if each not in known}
    for column, number in zip(st.columns(3), range(3), strict=True):
        with column:
            _draw_concept(number, chosen, names)
    jobs = [direction_of(frame.model, each) for each in chosen]
    found = tuple(result_of(job, f"map axis {number}") for number, job in enumerate(jobs))
    return None if None in found else found


def _draw_concept(number: int, chosen: tuple[str, ...], names: dict[str, str]) -> None:
    state, key = st.session_state, f"map_concept_{number}"
    state[key] = chosen[number] if number < len(chosen) else None

    def choose() -> None:
        others = [each for at, each in enumerate(chosen) if at != number]
        asked = [state[key]] if state[key] is not None else []
        change(concepts=tuple(dict.fromkeys([*others[:number], *asked, *others[number:]])))

    st.selectbox(
        ("Across", "Upward", "Third axis")[number],
        [each for each in names if each not in chosen or each == state[key]],
        format_func=lambda each: names.get(each, each),
        index=None,
        key=key,
        on_change=choose,
        placeholder="none",
    )


def _select(label: str, name: str, options: Mapping[str, str], width: int) -> None:
    state, key = st.session_state, f"map_{name}"
    state[key] = getattr(session.view().prompt_map, name)
    st.selectbox(
        label,
        list(options),
        format_func=options.get,
        key=key,
        on_change=lambda: change(**{name: state[key]}),
        label_visibility="collapsed",
        width=width,
    )


def _segments(label: str, name: str, options: Mapping) -> None:
    now = getattr(session.view().prompt_map, name)
    segments(label, options, key=f"map_{name}", now=now, change=lambda value: change(**{name: value}))
