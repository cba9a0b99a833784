"""How far the picture can be trusted, in words and layer by layer."""

import numpy as np
import streamlit as st

from analysis.maps.quality import Quality
from analysis.methods.corpus_map import CorpusMap
from components.figures.trajectories import draw_by_layer
from components.trust import kept_sentences


def trust_line(drawn: CorpusMap, layer: int) -> str:
    """What the picture of one layer keeps, beside chance."""
    quality = drawn.quality_at(layer)
    if quality is None:
        return "Fewer than three points are drawn, so no neighbours can be compared."
    sampled = "" if quality.n_measured == len(drawn.rows) else ", drawn at random"
    among = f"{quality.n_measured:,}{sampled}"
    sentences = [
        _explained(drawn, quality),
        *kept_sentences(quality, "point", among),
        _moved(drawn, layer),
        _recall(drawn),
    ]
    return " ".join(filter(None, sentences))


def _explained(drawn: CorpusMap, quality: Quality) -> str:
    if quality.explained is None:
        return ""
    return f"At layer {quality.layer} the {len(drawn.cloud.axes)} axes carry {quality.explained:.0%} of the variance."


def _moved(drawn: CorpusMap, layer: int) -> str:
    at = drawn.layers.index(layer)
    if at == 0 or not np.isfinite(drawn.displacement[at - 1]):
        return ""
    step = drawn.displacement[at - 1]
    return f"From layer {drawn.layers[at - 1]} to {layer} points move by {step:.2f} of the picture's radius."


def _recall(drawn: CorpusMap) -> str:
    if drawn.recall is None:
        return ""
    return f"Neighbours were searched with an index that finds {drawn.recall:.1%} of them."


def draw_by_layers(drawn: CorpusMap) -> None:
    """What the pictures keep at every drawn layer, and how far points move from one to the next."""
    known = [
        (layer, each) for layer, each in zip(drawn.layers, drawn.qualities, strict=True) if each is not None
    ]
    if len(known) < 2:
        st.caption("Only one layer is drawn.")
        return
    curves = {
        "trustworthiness": [each.trustworthiness for _, each in known],
        "continuity": [each.continuity for _, each in known],
        "neighbours kept": [each.kept for _, each in known],
        "movement from the layer before": [np.nan, *drawn.displacement.tolist()],
    }
    draw_by_layer(curves, "share, or picture radii", key="corpus_by_layers", layers=drawn.layers)
