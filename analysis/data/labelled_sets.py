"""Shipped labelled examples to train probes on and to fit erasers to; each set has a card.

Written for small models: short plain sentences. Classes are balanced, and whatever a set was made from (templates,
words, countries) is its group, so that a split by group tests more than memory.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64, Int64

from analysis.errors import AnalysisError
from analysis.labelled import LabelledSet

IDS = (
    "sentiment",
    "number",
    "tense",
    "gender",
    "truth",
    "requests",
    "part_of_speech",
    "senses",
    "categories",
    "language",
    "programming",
    "days",
    "months",
    "cities",
    "years",
    "magnitude",
)
"""The sets, in the order in which they are offered; each is a file of that name."""


@dataclass(frozen=True, eq=False)
class Card:
    """What is known of one set besides its examples."""

    id: str
    name: str
    question: str
    """What a probe on it answers, as a question."""
    kind: str
    """`classes` or `numbers`."""
    classes: tuple[str, ...]
    """Empty where numbers are to be told; `numbers` likewise."""
    numbers: tuple[str, ...]
    """Names with their units."""
    group: str
    """What the examples of one group share."""
    count: int
    """Examples."""
    cyclic: bool
    """True if the first class follows the last one."""
    parents: Mapping[str, str]
    """The wider class that every class belongs to; empty where there is none."""
    license: str
    source: str
    """Where it comes from, in one sentence."""
    made: str
    """How it was made."""
    note: str
    """What it does not test, and what misleads in it."""


def labelled_sets() -> tuple[LabelledSet, ...]:
    """All shipped sets, in a fixed order; a file is read when it is first asked for."""
    return tuple(map(labelled_set, IDS))


def labelled_set(id: str) -> LabelledSet:
    """One shipped set: class numbers, or one row of numbers per example, in the order of its card.

    Raises:
        AnalysisError: there is none of that id; the known ones are named.
    """
    return _read(_known(id))[1]


def card(id: str) -> Card:
    """What is known of one shipped set.

    Raises:
        AnalysisError: there is none of that id; the known ones are named.
    """
    return _read(_known(id))[0]


def _known(id: str) -> str:
    if id not in IDS:
        raise AnalysisError(f"{id!r} is no built-in labelled set; there are {', '.join(IDS)}.")
    return id


@cache
def _read(id: str) -> tuple[Card, LabelledSet]:
    entry = json.loads(files("analysis.data").joinpath("labelled", f"{id}.json").read_text(encoding="utf-8"))
    rows = entry.pop("examples")
    lists = {"classes": tuple(entry["classes"]), "numbers": tuple(entry["numbers"])}
    known = Card(**entry | lists | {"parents": MappingProxyType(entry["parents"])})
    return known, LabelledSet(
        id=known.id,
        name=known.name,
        question=known.question,
        texts=tuple(row[0] for row in rows),
        targets=_targets([row[1] for row in rows], known.classes),
        classes=known.classes,
        numbers=known.numbers,
        groups=tuple(row[2] for row in rows),
        spans=tuple((row[3], row[4]) if len(row) > 3 else None for row in rows),
        license=known.license,
        source=known.source,
    )


def _targets(
    labels: list, classes: tuple[str, ...]
) -> Int64[np.ndarray, " example"] | Float64[np.ndarray, "example number"]:
    """Labels as they stand in a file: names of classes, or lists of numbers."""
    if not classes:
        return np.array(labels, np.float64)
    return np.array([classes.index(label) for label in labels], np.int64)
