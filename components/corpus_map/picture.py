"""From the map of many texts to what the picture draws."""

import numpy as np
import pandas as pd

from analysis.fingerprint import fingerprint
from analysis.methods.corpus_map import CorpusMap
from analysis.places import EACH
from components.point_map import Categories, Extra, MapData, Scale

TITLE = "Map of the texts, layer by layer"
LONGEST_LABEL = 20
"""Characters beside a point."""
MOST_LABELLED = 150_000
"""Points whose labels are sent; of more, a click shows the text."""
MOST_SENT = 400_000
"""Coordinates of points, layers counted, that are sent at once: beyond, only the layer that is looked at."""


def map_data(
    drawn: CorpusMap,
    points: pd.DataFrame,
    spot: str,
    color: Categories | Scale,
    coloring: str,
    layer: int,
    extra: Extra | None = None,
    named: bool = True,
) -> MapData:
    """The picture of a map in one colouring.

    Args:
        drawn: the map.
        points: one row per drawn point, see `analysis.points`.
        spot: what a point is.
        color: what the points wear, over all drawn layers where it changes with them.
        coloring: its id.
        layer: what is looked at; of large maps no other layer is sent.
        extra: points that were put among the others.
        named: write names beside points; those of a control stand for no texts.
    """
    layers, frames = drawn.layers, drawn.cloud.coordinates
    if frames.shape[0] * frames.shape[1] > MOST_SENT:
        number = layers.index(layer)
        layers, frames = (layer,), frames[number : number + 1]
        color = _one_layer(color, number)
        extra = None if extra is None else Extra(extra.frames[number : number + 1], extra.labels, extra.name)
    return MapData(
        fingerprint=fingerprint(
            drawn.states, drawn.cloud.provenance.settings, drawn.projection, layers, coloring, drawn.twin
        ),
        layers=layers,
        axes=_titles(drawn),
        frames=frames,
        labels=labels_of(points, spot) if named and frames.shape[1] <= MOST_LABELLED else (),
        color=color,
        trails="chosen",
        extra=extra,
        title=TITLE,
        alt=in_words(drawn, color),
    )


def _one_layer(color: Categories | Scale, number: int) -> Categories | Scale:
    if isinstance(color, Scale) and color.values.ndim == 2:
        return Scale(color.values[number], color.title, color.unit, color.low, color.high, color.diverging)
    return color


def _titles(drawn: CorpusMap) -> tuple[str, ...]:
    """The axes, with their unit where it means something."""
    if len(drawn.cloud.axes) > 2:  # they are written beside a small cross
        return tuple(f"axis {number}" for number in range(1, len(drawn.cloud.axes) + 1))
    if drawn.basis is None:
        return drawn.cloud.axes
    return tuple(f"{name} ({drawn.cloud.unit})" for name in drawn.cloud.axes)


def labels_of(points: pd.DataFrame, spot: str) -> tuple[str, ...]:
    """Each point's name: its token, the marked word with what stands before it, or how its text begins."""
    if spot == EACH:
        return tuple(points["token"])
    if spot == "span":
        return tuple(map(_at_word, points["text"], points["start"], points["end"]))
    return tuple(map(_beginning, points["text"]))


def _beginning(text: str) -> str:
    text = " ".join(text.split())
    return text[:LONGEST_LABEL] + ("…" if len(text) > LONGEST_LABEL else "")


def _at_word(text: str, start: int, end: int) -> str:
    """The marked word, and as many whole words before it as fit."""
    if start >= end:
        return _beginning(text)
    label = " ".join(text[start:end].split())
    for word in reversed(text[:start].split()):
        if len(word) + 1 + len(label) > LONGEST_LABEL:
            break
        label = f"{word} {label}"
    return label


def in_words(drawn: CorpusMap, color: Categories | Scale) -> str:
    """The picture as a text alternative."""
    where = (
        f"layers {drawn.layers[0]} to {drawn.layers[-1]}"
        if len(drawn.layers) > 1
        else f"layer {drawn.layers[0]}"
    )
    words = f"{len(drawn.rows):,} points at {where}, coloured by {color.title}"
    if isinstance(color, Categories):
        counts = np.bincount(color.codes[color.codes >= 0], minlength=len(color.names))
        most = np.argsort(-counts, kind="stable")[:5]
        words += ": " + ", ".join(f"{color.names[code]} {counts[code]:,}" for code in most)
    return f"{words}. {drawn.summary()}"
