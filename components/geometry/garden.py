"""Where does a sentence surprise? Two sentences read beside each other, token by token and layer by layer."""

import numpy as np
import streamlit as st

from analysis import LoadedModel
from analysis.data.garden_paths import GardenSentences, garden_paths
from analysis.fingerprint import fingerprint
from analysis.geometry.garden_path import DISTANCES, UNITS, GardenPath, garden_path
from analysis.jobs import Report
from components import session
from components.frame import Frame, draw_layer_slider
from components.geometry.cursor import layer_now
from components.geometry.garden_picture import draw_over_layers, draw_picture
from components.geometry.garden_take_away import draw_take_away
from components.kinds import BASE, EDITED
from components.literal import literal, plain
from components.origin import draw_origin
from components.requests import held
from components.waiting import result_of

OWN = "my own sentences"
LONGEST = 400
"""Characters of a sentence."""


def draw_garden(frame: Frame) -> None:
    """The whole view: choice, answer, picture, and what can be taken away."""
    answer = st.container()
    sentences, distance = _draw_choice()
    if sentences is None:
        return
    found = _compared(frame.model, sentences)
    if found is None:
        return
    answer.markdown(answer_of(found, distance, sentences.word))
    layer = _layer(frame, found, distance, sentences.word)
    _draw_sentences(found)
    draw_picture(found, distance, layer, sentences.word, _choose)
    draw_layer_slider(frame.model, layer)
    _draw_chosen(found, distance, layer)
    _draw_reading(found, sentences)
    draw_take_away(frame, found, sentences)
    draw_origin(found.distances[distance].provenance)


def answer_of(found: GardenPath, distance: str, word: str) -> str:
    """Where the sentences lie farthest apart, how that compares with neutral words, and what surprisal says there."""
    layer, pair = found.peak(distance)
    said = [_peak(found, distance, layer, pair)]
    asked = found.pair_of(word)
    if asked is not None and asked != pair:
        at = int(found.distances[distance].values[:, asked].argmax())
        said.append(
            f"At {literal(found.labels[asked])}, where the sentence turns, {_at(found, distance, at, asked)}"
        )
    elif asked is not None:
        said.append("That is where the sentence turns.")
    said.append(_surprisal(found, pair if asked is None else asked))
    return " ".join(said)


def _peak(found: GardenPath, distance: str, layer: int, pair: int) -> str:
    return f"The sentences lie farthest apart at {literal(found.labels[pair])}: {_at(found, distance, layer, pair)}"


def _at(found: GardenPath, distance: str, layer: int, pair: int) -> str:
    value = float(found.distances[distance].values[layer, pair])
    low, high = (float(edge[layer, pair]) for edge in found.band(distance))
    if value > high:
        than = "more than any neutral word put in there makes"
    else:
        than = (
            "no more than neutral words put in there make"
            if value >= low
            else "less than neutral words put in "
        )
        "there make"
    return f"{value:.3g} {UNITS[distance]} at layer {layer}, {than} ({low:.3g} to {high:.3g})."


def _surprisal(found: GardenPath, pair: int) -> str:
    """What the token costs in either sentence."""
    first, second = (
        float(bits[place]) for bits, place in zip(found.surprisal, found.pairs[pair], strict=True)
    )
    more = f"{first - second:+.1f}" if np.isfinite(first - second) else "no"
    return (
        f"{literal(found.labels[pair])} costs {first:.1f} bits in the first sentence and {second:.1f} in the second "
        f"({more})."
    )


def _draw_choice() -> tuple[GardenSentences | None, str]:
    """The pair and the distance; no pair while a sentence of one's own is missing."""
    pairs = {f"{pair.kind}: {pair.ambiguous}": pair for pair in garden_paths().pairs}
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    chosen = left.selectbox("Sentences", [*pairs, OWN], key="geometry_garden_pair")
    distance = right.segmented_control(
        "Distance",
        list(DISTANCES),
        format_func={"manhattan": "Manhattan", "raw": "Raw", "cosine": "Cosine"}.get,
        default="manhattan",
        required=True,
        key="geometry_garden_distance",
        help="Manhattan: sum of absolute differences, over the layer's usual sum of absolute numbers, since states "
        "grow with depth; raw leaves the division out. Cosine: 1 - cosine, directions only.",
    )
    if chosen != OWN:
        return pairs[chosen], distance
    texts = [
        column.text_area(
            label, key=f"geometry_garden_{name}", max_chars=LONGEST, height=68, placeholder=example
        )
        for column, label, name, example in zip(
            st.columns(2),
            ("A sentence that misleads", "The same with the way marked"),
            ("first", "second"),
            (garden_paths().pairs[0].ambiguous, garden_paths().pairs[0].control),
            strict=True,
        )
    ]
    if not all(map(str.strip, texts)):
        st.caption("Write both sentences; tokens they share behind the first difference are compared.")
        return None, distance
    return GardenSentences("", "", *texts), distance


def _compared(model: LoadedModel, sentences: GardenSentences) -> GardenPath | None:
    def work(report: Report) -> GardenPath:
        return garden_path(model, sentences.ambiguous, sentences.control, report)

    key = fingerprint("garden path", model.fingerprint, sentences.ambiguous, sentences.control)
    return result_of(held(key, "Comparing the sentences", work), key="geometry_garden", height=480)


def _layer(frame: Frame, found: GardenPath, distance: str, word: str) -> int:
    """The cursor's layer; without one that at which the word that turns the sentence lies farthest apart."""
    layers = range(len(found.distances[distance].values))
    if frame.layer is not None:
        return layer_now(layers, frame.layer)
    asked = found.pair_of(word)
    return (
        found.peak(distance)[0] if asked is None else int(found.distances[distance].values[:, asked].argmax())
    )


def _draw_sentences(found: GardenPath) -> None:
    """Both sentences, with what only one of them has in bold."""
    for side, (name, tokens) in enumerate((("misleads", found.ambiguous), ("marked", found.control))):
        shared = set(found.pairs[:, side].tolist())
        parts = [
            literal(label) if place in shared else f"**{literal(label)}**"
            for place, label in enumerate(tokens.labels)
        ]
        st.caption(f"{name}: {' '.join(parts)}")


def _choose(pair: int, layer: int | None) -> None:
    st.session_state.geometry_garden_token = pair
    if layer is not None:
        session.change(layer=layer)


def _draw_chosen(found: GardenPath, distance: str, layer: int) -> None:
    """One token over the layers: between the sentences, between neutral words, and its step from the one before."""
    options = list(range(found.first, len(found.pairs)))
    if st.session_state.get("geometry_garden_token", -1) not in options:
        st.session_state.geometry_garden_token = found.peak(distance)[1]
    pair = st.selectbox(
        "Token",
        options,
        format_func=lambda each: f"{each + 1}: {found.labels[each]}",
        key="geometry_garden_token",
        help="Also a click in the picture. Tokens before the first difference read exactly the same.",
    )
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption(f"{literal(found.labels[pair])}: distance between the sentences, over the layers")
        draw_over_layers(
            "geometry_garden_layers",
            (("between the sentences", EDITED, found.distances[distance].values[:, pair]),),
            tuple(edge[:, pair] for edge in found.band(distance)),
            UNITS[distance],
            layer,
        )
    with right:
        st.caption(f"{literal(found.labels[pair])}: step from the token before, in each sentence")
        steps = [own.values[:, place] for own, place in zip(found.steps, found.pairs[pair], strict=True)]
        named = (("misleads", EDITED, steps[0]), ("marked", BASE, steps[1]))
        draw_over_layers("geometry_garden_steps", named, None, UNITS["manhattan"], layer)


def _draw_reading(found: GardenPath, sentences: GardenSentences) -> None:
    """What the controls are, and what misleads in this construction."""
    kind = garden_paths().kinds.get(sentences.kind, "")
    st.caption(
        plain(
            f"{kind} Every column is a token that both sentences share; before the first difference they read "
            f"exactly the same. The grey range is how far the same tokens of the marked sentence move when neutral "
            f"words ({', '.join(found.words)}) are put in where the sentences differ: that much comes from the "
            f"shift of position and from having something more to read."
        )
    )
