"""Words by kind, and kinds by parent: what a hierarchy of concepts is measured on."""

import json
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from analysis.errors import AnalysisError


@dataclass(frozen=True)
class Category:
    """A kind with its words, or a parent with its kinds."""

    name: str
    words: tuple[str, ...] = ()
    """Each with its other forms behind it, parted by a space: `mouse mice`."""
    children: tuple["Category", ...] = ()

    def __post_init__(self):
        if bool(self.words) == bool(self.children):
            raise AnalysisError(f"{self.name!r} needs words or kinds with words, and not both.")


@dataclass(frozen=True)
class Hierarchy:
    """Parents, each with its kinds."""

    name: str
    """Of everything together."""
    parents: tuple[Category, ...]
    license: str = ""
    source: str = ""
    """Where it comes from, in one sentence."""
    made: str = ""
    note: str = ""
    """What misleads in it."""

    def __post_init__(self):
        if not self.parents:
            raise AnalysisError(f"The hierarchy {self.name!r} has no parent. Choose one at least.")
        for parent in self.parents:
            if not parent.children or any(kind.children for kind in parent.children):
                raise AnalysisError(
                    f"A hierarchy has parents, their kinds, and the kinds' words; {parent.name!r} has another depth."
                )
        names = [self.name] + [each.name for parent in self.parents for each in (parent, *parent.children)]
        name, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise AnalysisError(f"The name {name!r} stands {times} times in one hierarchy. Rename one.")

    def only(self, names: tuple[str, ...]) -> "Hierarchy":
        """The same with some of its parents, in its own order.

        Raises:
            AnalysisError: a name is none of its parents', or none is given.
        """
        known = [parent.name for parent in self.parents]
        if unknown := [name for name in names if name not in known]:
            raise AnalysisError(f"{unknown[0]!r} is no parent here; there are {', '.join(known)}.")
        parents = tuple(parent for parent in self.parents if parent.name in names)
        return Hierarchy(self.name, parents, self.license, self.source, self.made, self.note)


@cache
def shipped_hierarchy() -> Hierarchy:
    """The words that come with the program: animals, plants, artefacts, people and places."""
    entry = json.loads(files("analysis.data").joinpath("hierarchy.json").read_text(encoding="utf-8"))
    parents = tuple(
        Category(
            parent["name"],
            children=tuple(Category(kind["name"], tuple(kind["words"])) for kind in parent["children"]),
        )
        for parent in entry.pop("parents")
    )
    return Hierarchy(**entry, parents=parents)
