"""How far the picture can be trusted, in words and layer by layer."""

import streamlit as st

from analysis.maps.quality import Quality
from analysis.methods.prompt_map import TWINS, PromptMap
from components.figures.trajectories import draw_by_layer
from components.trust import kept_sentences


def trust_line(drawn: PromptMap, layer: int, pooled: Quality | None, other: PromptMap | None = None) -> str:
    """What the picture keeps at one layer, beside chance and, where there is one, beside a random twin.

    Args:
        drawn: the map.
        layer: which layer.
        pooled: the quality of all layers together.
        other: the same text's random twin; beside a twin, the text itself.
    """
    quality = drawn.qualities[drawn.layers.index(layer)]
    seen = drawn.seen(layer)
    count = len(drawn.cloud.axes)
    sentences = [
        f"At layer {layer} all points coincide: there is nothing to see."
        if seen != seen
        else f"At layer {layer} the {count} axes carry {_share(seen)} of the variance between tokens{_of_all(pooled)}."
    ]
    if quality is None:
        sentences.append("Fewer than three tokens have a say in the axes, so no neighbours can be compared.")
    else:
        sentences += _neighbours(quality, _kept(other, layer), drawn.twin)
    sentences.append(_left_out(drawn))
    return " ".join(filter(None, sentences))


def _share(value: float) -> str:
    return f"{value:.0%}" if value >= 0.01 else "under 1%"


def _of_all(pooled: Quality | None) -> str:
    if pooled is None or pooled.explained is None:
        return ""
    return f" ({_share(pooled.explained)} of that between tokens and layers together)"


def _neighbours(quality: Quality, other: float | None, twin: str) -> list[str]:
    beside = ""
    if other is not None:
        beside = f", {'the text itself' if twin else 'a Gaussian twin'} {other:.0%}"
    return kept_sentences(quality, "token", str(quality.n_measured), beside)


def _kept(other: PromptMap | None, layer: int) -> float | None:
    found = other.qualities[other.layers.index(layer)] if other is not None else None
    return None if found is None else found.kept


def _left_out(drawn: PromptMap) -> str:
    count = len(drawn.left_out)
    if not count:
        return ""
    what = "1 token stands" if count == 1 else f"{count} tokens stand"
    drawn_too = len(drawn.positions) == len(drawn.tokens)
    fate = "drawn, without a say in the axes" if drawn_too else "left out; let them in under More"
    return f"{what} apart (the first one, and norms far above the rest): {fate}."


def twin_sentence(drawn: PromptMap) -> str:
    """What is drawn in the text's place; empty for the text."""
    if not drawn.twin:
        return ""
    return (
        f"This is not the text but a control: {TWINS[drawn.twin]}, drawn by the same procedure. What looks the same in "
        "both pictures is not about what the text says."
    )


def draw_by_layers(drawn: PromptMap, other: PromptMap | None) -> None:
    """Every measure along the layers."""
    known = [quality for quality in drawn.qualities if quality is not None]
    if not known:
        st.caption("Fewer than three tokens have a say in the axes, so no neighbours can be compared.")
        return
    left, right = st.columns(2)
    with left:
        st.markdown("False and lost neighbours: 1 is perfect, .5 a random layout")
        measures = {
            "trustworthiness": [each.trustworthiness for each in known],
            "continuity": [each.continuity for each in known],
        }
        draw_by_layer(measures, "score", key="map trust")
    with right:
        st.markdown("What is kept of the neighbours and of the variance")
        shares = {
            "true neighbours kept": [each.kept for each in known],
            "by chance": [each.kept_by_chance for each in known],
            "variance in the axes": [drawn.seen(layer) for layer in drawn.layers],
        }
        if other is not None and None not in other.qualities:
            name = "kept by the text" if drawn.twin else "kept by a Gaussian twin"
            shares[name] = [each.kept for each in other.qualities]
        draw_by_layer(shares, "share", key="map kept")
