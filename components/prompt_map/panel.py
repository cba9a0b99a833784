"""The panel beside the map: the cursor's token, and what is near it in the full space."""

import pandas as pd
import streamlit as st

from analysis.methods.prompt_map import LENGTHS, PromptMap
from components.figures.against_null import draw_curve
from components.frame import Frame
from components.literal import literal, plain
from components.requests import reading_at_hand

AROUND = 6
"""Tokens shown on either side of the cursor's."""
NEAREST = 6


def draw_panel(frame: Frame, drawn: PromptMap, layer: int, point: int | None) -> None:
    """Everything about one point.

    Args:
        frame: model, text and cursor.
        drawn: the map.
        layer: which layer.
        point: which point; None where the cursor's token is not drawn.
    """
    if point is None:
        _draw_missing(frame, drawn)
        return
    _draw_token(drawn, layer, point)
    _draw_nearest(drawn, layer, point)
    if not drawn.twin:
        _draw_lens(frame, layer)
    if drawn.shifts is not None:
        st.markdown("How far the edit moves it, in the full space")
        draw_curve(drawn.shifts.by_layer(point), key="map moves", at=drawn.layers.index(layer))


def _draw_missing(frame: Frame, drawn: PromptMap) -> None:
    if drawn.twin == "gaussian":
        st.caption("The points of a Gaussian twin stand for no tokens.")
        return
    st.caption(
        f"Token {frame.position} {literal(drawn.tokens.labels[frame.position])} stands apart and is left out: it is "
        "the first one, or its norm is far above the rest. Let it in under More."
    )


def _draw_token(drawn: PromptMap, layer: int, point: int) -> None:
    if drawn.twin == "gaussian":
        st.markdown(f"**Random point {drawn.cloud.labels[point]}**, **layer {layer}**")
    else:
        position, labels = drawn.positions[point], drawn.tokens.labels
        st.markdown(f"**Token {position}** {literal(labels[position])}, **layer {layer}**")
        before, after = (
            labels[max(0, position - AROUND) : position],
            labels[position + 1 : position + 1 + AROUND],
        )
        st.markdown(
            " ".join(
                [*map(literal, before[-AROUND:]), f"**{literal(labels[position])}**", *map(literal, after)]
            )
        )
    st.caption(plain(_numbers(drawn, layer, point)))


def _numbers(drawn: PromptMap, layer: int, point: int) -> str:
    at = drawn.layers.index(layer)
    norm, moved, lost = drawn.norms[at, point], drawn.moved[at, point], drawn.distortion[at, point]
    usual = float(pd.Series(drawn.norms[at, drawn.fitted]).median())
    sentences = [f"Length {norm:,.0f}" if norm >= 10 else f"Length {norm:.2f}"]
    sentences[0] += f", {norm / usual:.2f} times the layer's median." if usual else "."
    if moved == moved:
        sentences.append(f"{moved:.2f} from itself one layer below ({LENGTHS[drawn.basis.scale]}).")
    if lost == lost:
        sentences.append(f"The picture loses {lost:.0%} of its nearest neighbours.")
    return " ".join(sentences)


def _draw_nearest(drawn: PromptMap, layer: int, point: int) -> None:
    found = drawn.nearest(layer, point, NEAREST)
    if not found:
        return
    st.markdown("Nearest at this layer, in the full space")
    table = pd.DataFrame(
        {
            "point" if drawn.twin == "gaussian" else "token": [
                drawn.cloud.labels[other] for other, _, _ in found
            ],
            "position": [drawn.positions[other] for other, _, _ in found],
            "cosine": [cosine for _, _, cosine in found],
            "distance": [distance for _, distance, _ in found],
        }
    )
    st.dataframe(
        table if drawn.twin != "gaussian" else table.drop(columns="position"),
        hide_index=True,
        height="content",
        column_config={
            "cosine": st.column_config.NumberColumn(format="%.2f"),
            "distance": st.column_config.NumberColumn(format="%.3g"),
        },
    )


def _draw_lens(frame: Frame, layer: int) -> None:
    """What the layer would say, where somebody has had it read before."""
    reading = reading_at_hand(frame.model, frame.tokens)
    if reading is not None:
        words = [frame.model.tokenizer.label(i) for i in reading.top_ids[layer, frame.position, :4].tolist()]
        st.caption(
            f"After it this layer would say {' '.join(map(literal, words))} ({reading.provenance.method})."
        )
