"""Shipped sentences that lead a reader astray, each beside the same words with the way marked."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class GardenSentences:
    """A sentence that is read wrongly at first, and its unambiguous control."""

    kind: str
    """The construction, by its usual abbreviation: `NP/Z`, `NP/S` or `MV/RR`."""
    word: str
    """The first word that does not fit the wrong reading; it occurs once, in both sentences."""
    ambiguous: str
    control: str


@dataclass(frozen=True)
class GardenPaths:
    """All shipped pairs."""

    license: str
    made: str
    """Where the sentences come from."""
    kinds: dict[str, str]
    """What misleads in each construction, in a sentence or two."""
    pairs: tuple[GardenSentences, ...]


@cache
def garden_paths() -> GardenPaths:
    """The shipped pairs, in a fixed order."""
    entry = json.loads(files("analysis.data").joinpath("garden_paths.json").read_text(encoding="utf-8"))
    pairs = tuple(GardenSentences(**pair) for pair in entry.pop("pairs"))
    return GardenPaths(**entry, pairs=pairs)
