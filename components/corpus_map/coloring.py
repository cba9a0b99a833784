"""What colours the points of a map: what is known of each text, or what is measured of its state."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.corpora.columns import as_classes, kind, of_kind
from analysis.points import OWN_COLUMNS
from components.point_map import Categories, Scale
from components.point_map.scales import between_usual, from_zero

COLUMN, SCORE = "column.", "score."
"""What the ids of a table's columns, and of scores along directions, begin with."""
PLACE = "position"
MEASURED = {
    "norm": "length of the state",
    "moved": "distance moved since the layer before",
    "distortion": "neighbours that the picture loses",
}
"""What is measured of each point at each layer, by id."""


def offered(points: pd.DataFrame, directions: Mapping[str, str]) -> dict[str, str]:
    """Every way to colour, by id, with its name.

    Args:
        points: one row per point, as `analysis.points` makes it.
        directions: names of directions along which points can be scored, by reference.
    """
    columns = given(points)
    usable = of_kind(columns, "classes", "numbers")
    return (
        {f"{COLUMN}{name}": name for name in usable}
        | MEASURED
        | {PLACE: "place of the token in its text"}
        | {f"{SCORE}{reference}": f"score along {name}" for reference, name in directions.items()}
    )


def given(points: pd.DataFrame) -> pd.DataFrame:
    """The columns that came with the texts."""
    return points.drop(columns=list(OWN_COLUMNS))


def first(points: pd.DataFrame, label: str | None) -> str:
    """The colouring to begin with: the corpus' label, another column, or the norm."""
    names = of_kind(given(points), "classes", "numbers")
    chosen = label if label in names else next(iter(names), None)
    return "norm" if chosen is None else f"{COLUMN}{chosen}"


def by_column(points: pd.DataFrame, choice: str) -> Categories | Scale:
    """Colours from the table; `choice` begins with `COLUMN` or is `PLACE`."""
    if choice == PLACE:
        return from_zero(points["position"].to_numpy(np.float32), "place in the text", "tokens")
    name = choice.removeprefix(COLUMN)
    column = points[name]
    if kind(column) == "numbers":
        return between_usual(column.to_numpy(float), name, "")
    named = as_classes(column)
    names = named.value_counts().index  # the frequent ones wear the colours
    if len(names) <= 12:
        names = sorted(names)
    return Categories(pd.Categorical(named, categories=names).codes, tuple(map(str, names)), name)
