"""From the map of a text to what the picture draws."""

import numpy as np

from analysis.fingerprint import fingerprint
from analysis.methods.prompt_map import PromptMap
from components.point_map import Categories, MapData, Overlay, Scale
from components.point_map.scales import between_usual, from_zero, lengths
from components.tints import Tint

TITLE = "Map of the text, layer by layer"
MOST_NULLS = 8


def map_data(
    drawn: PromptMap,
    key: str,
    color: str,
    surprise: np.ndarray | None = None,
    tint: Tint | None = None,
) -> MapData:
    """The picture of a map in one colouring.

    Args:
        drawn: the map.
        key: names the map.
        color: one of `prompt_map_link.COLORS`, or a measure's.
        surprise: bits by position, for that colouring.
        tint: the measure, for its colouring.
    """
    cloud, shifts = drawn.cloud, drawn.shifts
    overlays = ()
    if shifts is not None:
        overlays = (
            *(Overlay("null", frames) for frames in shifts.nulls[:MOST_NULLS]),
            Overlay("edited", shifts.edited),
        )
    return MapData(
        fingerprint=fingerprint(key, color),
        layers=cloud.layers,
        axes=_titles(drawn),
        frames=cloud.coordinates,
        labels=cloud.labels,
        color=_color(drawn, color, surprise) if tint is None or tint.values is None else _tinted(drawn, tint),
        trails="all",
        overlays=overlays,
        title=TITLE,
        alt=in_words(drawn),
    )


def _titles(drawn: PromptMap) -> tuple[str, ...]:
    """The axes with their unit, where there is room and they do not say it themselves."""
    names = drawn.cloud.axes
    if drawn.basis.id == "concept_plane":
        return names
    if len(names) > 2:  # they are written beside a small cross
        return tuple(f"axis {number}" for number in range(1, len(names) + 1))
    return tuple(f"{name} ({drawn.cloud.unit})" for name in names)


def _color(drawn: PromptMap, color: str, surprise: np.ndarray | None) -> Categories | Scale:
    positions = np.array(drawn.positions, np.float32)
    if color == "token":
        return _tokens(drawn)
    if color == "norm":
        return lengths(drawn.norms, np.median(drawn.norms[:, drawn.fitted], axis=1))
    if color == "moved":
        return from_zero(drawn.moved, "Distance from the layer below", drawn.cloud.unit)
    if color == "distortion":
        return Scale(drawn.distortion, "True neighbours the picture loses", "share", 0.0, 1.0)
    if color == "surprise" and surprise is not None:
        return from_zero(surprise[list(drawn.positions)], "Surprise at the token", "bits")
    if color == "edit" and drawn.shifts is not None:
        return from_zero(drawn.shifts.lengths, "How far the edit moves it", drawn.cloud.unit)
    return Scale(positions, "Position in the text", "from 0", 0.0, float(max(1, len(drawn.tokens) - 1)))


def _tinted(drawn: PromptMap, tint: Tint) -> Scale:
    """The measure of the drawn tokens at the drawn layers."""
    own = tint.values[list(drawn.layers)][:, list(drawn.positions)]
    return between_usual(own, tint.title, tint.of_token)


def _tokens(drawn: PromptMap) -> Categories:
    """The tokens that come most often wear a colour of their own, in the order of their first places."""
    labels = [drawn.tokens.labels[position] for position in drawn.positions]
    names = sorted(dict.fromkeys(labels), key=lambda label: -labels.count(label))
    return Categories(np.array([names.index(label) for label in labels]), tuple(names), "token")


def in_words(drawn: PromptMap) -> str:
    """The picture as a text alternative."""
    count, moved = len(drawn.positions), drawn.moved
    words = (
        f"{count} tokens at layers {drawn.layers[0]} to {drawn.layers[-1]}, in {len(drawn.cloud.axes)} axes"
    )
    words += f": {', '.join(drawn.cloud.axes)}."
    if np.isfinite(moved).any():
        jump = int(np.nanargmax(np.nanmean(moved[1:], axis=1))) + 1
        words += f" Tokens move most from layer {jump - 1} to {jump}."
    if drawn.shifts is not None:
        words += (
            " Arrows lead from each token to where the edited run has it; random controls are drawn faintly."
        )
    return words
