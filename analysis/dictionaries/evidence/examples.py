"""At which tokens a feature fires: the strongest, and some from every level below, so that nobody sees peaks alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from analysis.dictionaries.firing.firings import Firings

TOP, EACH, BANDS = 10, 4, 5
"""Examples at the top, in every band below, and how many bands there are."""
COLUMNS = TOP + EACH * BANDS


@dataclass(frozen=True)
class Example:
    """A token at which a feature fires."""

    token: int
    """Its number among the tokens of the evidence."""
    value: float
    """The feature's activation there."""


@dataclass(frozen=True)
class Level:
    """Examples that belong together."""

    name: str
    columns: tuple[int, ...]
    """Where they stand among a feature's examples."""


def levels(signed: bool) -> tuple[Level, ...]:
    """The levels of a dictionary's examples, the highest first.

    Args:
        signed: True if activations may be negative: there are then both ends, and no bands.
    """
    if signed:
        return (
            Level("Most positive", tuple(range(TOP))),
            Level("Most negative", tuple(range(TOP, 2 * TOP))),
        )
    bands = [
        Level(_band_name(band), tuple(range(TOP + EACH * band, TOP + EACH * (band + 1))))
        for band in range(BANDS)
    ]
    return (Level("Strongest", tuple(range(TOP))), *bands)


def _band_name(band: int) -> str:
    """The first band is the highest."""
    which = ("highest", "second", "middle", "fourth", "lowest")[band]
    return f"From the {which} fifth of its activations"


def examples(
    found: Firings,
) -> tuple[Int32[np.ndarray, "feature example"], Float32[np.ndarray, "feature example"]]:
    """Tokens and activations of every feature's examples, in the columns that `levels` names.

    At most one strongest example comes from one stretch of text. Those of a band lie evenly over its activations,
    in the order of their size, and are none of the strongest. Ties go to the earlier token.

    Args:
        found: what fires.

    Returns:
        Tokens, -1 where there is no example; and activations, 0 there.
    """
    tokens = np.full((found.width, COLUMNS), -1, np.int32)
    values = np.zeros((found.width, COLUMNS), np.float32)
    choose = _both_ends if found.signed else _with_bands
    for feature in range(found.width):
        own, activations = found.of(feature)
        chosen = choose(own, activations, found.text)
        there = chosen >= 0
        tokens[feature, there], values[feature, there] = own[chosen[there]], activations[chosen[there]]
    return tokens, values


def _with_bands(
    tokens: Int64[np.ndarray, " entry"], values: Float32[np.ndarray, " entry"], text: np.ndarray
) -> Int64[np.ndarray, " example"]:
    """Which entries are the examples; -1 where there is none."""
    order = np.argsort(-values, kind="stable")
    top = _one_a_text(order, text[tokens], TOP)
    chosen = np.full(COLUMNS, -1, np.int64)
    chosen[: len(top)] = top
    edges = np.linspace(0, len(order), BANDS + 1).astype(int)
    for band in range(BANDS):
        inside = order[edges[band] : edges[band + 1]]
        inside = inside[~np.isin(inside, top)]
        places = np.linspace(0, len(inside) - 1, min(EACH, len(inside))).round().astype(int)
        start = TOP + EACH * band
        chosen[start : start + len(places)] = inside[places]
    return chosen


def _both_ends(
    tokens: Int64[np.ndarray, " entry"], values: Float32[np.ndarray, " entry"], text: np.ndarray
) -> Int64[np.ndarray, " example"]:
    chosen = np.full(COLUMNS, -1, np.int64)
    for start, signed in ((0, values), (TOP, -values)):
        order = np.argsort(-signed, kind="stable")
        order = order[signed[order] > 0]
        top = _one_a_text(order, text[tokens], TOP)
        chosen[start : start + len(top)] = top
    return chosen


def _one_a_text(order: Int64[np.ndarray, " entry"], text: np.ndarray, most: int) -> np.ndarray:
    """The first entries of an order that come from different texts."""
    head = order[
        : 40 * most
    ]  # a feature of a few long texts may have fewer than it could; looking at all is slow
    first = np.sort(np.unique(text[head], return_index=True)[1])
    return head[first[:most]]
