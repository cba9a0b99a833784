"""Texts with what is true of them: the data that probes are trained on and erasers fitted to.

An example is a text, what it is labelled with, the characters the label is about, and the group it belongs to.
Examples of one group were made from one template or are about one thing: a split that parts them tests memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from analysis.errors import AnalysisError

MOST = 20_000
"""Examples of one set."""
FEWEST_OF_CLASS = 2
"""A class of one example is either learned or tested, never both."""


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Examples of classes, or of one or more numbers."""

    id: str
    name: str
    question: str
    """What a probe on it answers, as a question."""
    texts: tuple[str, ...]
    """One per example; the same text may come again with another span."""
    targets: Int64[np.ndarray, " example"] | Float64[np.ndarray, "example number"]
    """The number of each example's class, or its numbers."""
    classes: tuple[str, ...] = ()
    """Names of the classes; empty where numbers are to be told."""
    numbers: tuple[str, ...] = ()
    """Names of the numbers with their units; empty where classes are to be told."""
    groups: tuple[str, ...] = ()
    """Which examples stay together in a split; empty leaves every text to itself."""
    spans: tuple[tuple[int, int] | None, ...] = ()
    """First character, and the one behind the last, that the label is about; None is the whole text."""
    license: str = ""
    source: str = ""
    """Where it comes from, in one sentence."""

    def __post_init__(self):
        count = len(self.texts)
        object.__setattr__(self, "groups", self.groups or tuple(self.texts))
        object.__setattr__(self, "spans", self.spans or (None,) * count)
        if not 0 < count <= MOST:
            raise AnalysisError(f"A set holds 1 to {MOST:,} examples; given {count:,}. Take a sample.")
        if {len(self.targets), len(self.groups), len(self.spans)} != {count}:
            raise AnalysisError(
                f"Every example needs a label, a group and a span; given {count} texts, {len(self.targets)} labels, "
                f"{len(self.groups)} groups and {len(self.spans)} spans."
            )
        for number, (text, span) in enumerate(zip(self.texts, self.spans, strict=True), 1):
            _require_example(number, text, span)
        targets = np.array(self.targets)
        targets.flags.writeable = False
        object.__setattr__(self, "targets", targets)
        if bool(self.classes) == bool(self.numbers):
            raise AnalysisError("A labelled set needs names of classes or of numbers, and not of both.")
        (_require_classes if self.classes else _require_numbers)(self)

    def __len__(self) -> int:
        """Examples."""
        return len(self.texts)

    def taking(self, rows: Sequence[int]) -> "LabelledSet":
        """The same set with these examples only, in this order; one may be taken several times.

        Raises:
            AnalysisError: a class is left with too few.
        """
        return replace(
            self,
            texts=tuple(self.texts[row] for row in rows),
            targets=self.targets[list(rows)],
            groups=tuple(self.groups[row] for row in rows),
            spans=tuple(self.spans[row] for row in rows),
        )

    def counts(self) -> dict[str, int]:
        """Examples of every class, in their order; for sets of classes."""
        found = np.bincount(self.targets, minlength=len(self.classes))
        return dict(zip(self.classes, found.tolist(), strict=True))


def _require_example(number: int, text: str, span: tuple[int, int] | None) -> None:
    if not text.strip():
        raise AnalysisError(f"The text of example {number} is empty. Fill it in or remove its row.")
    if span is not None and not 0 <= span[0] < span[1] <= len(text):
        raise AnalysisError(
            f"The span of example {number} runs from {span[0]} to {span[1]}, and its text has {len(text)} characters."
        )


def _require_classes(given: LabelledSet) -> None:
    targets = given.targets
    fits = targets.ndim == 1 and targets.dtype.kind == "i"
    if not fits or targets.min() < 0 or targets.max() >= len(given.classes):
        raise AnalysisError(
            f"Labels of classes are whole numbers from 0 to {len(given.classes) - 1}, one per example; given "
            f"{targets.dtype} of shape {targets.shape}. Number the classes in the order of their names."
        )
    if len(set(given.classes)) < len(given.classes):
        raise AnalysisError("Two classes have the same name. Join them, or name one differently.")
    counts = given.counts()
    if len(counts) < 2:
        raise AnalysisError(
            f"Only one class was given ({given.classes[0]}), so there is nothing to tell apart. Add examples of "
            "another."
        )
    few = [name for name, count in counts.items() if count < FEWEST_OF_CLASS]
    if few:
        raise AnalysisError(
            f"The class {few[0]!r} needs at least {FEWEST_OF_CLASS} examples, one to learn from and one to be tested "
            f"on, and has {counts[few[0]]}. Add one, or remove the class; a typo makes a class of its own."
        )


def _require_numbers(given: LabelledSet) -> None:
    if given.targets.ndim != 2 or given.targets.shape[1] != len(given.numbers):
        raise AnalysisError(
            f"Every example needs {len(given.numbers)} numbers ({', '.join(given.numbers)}); given labels of shape "
            f"{given.targets.shape}."
        )
    if not np.isfinite(given.targets).all():
        raise AnalysisError("A number among the labels is missing or infinite. Fill it in or remove its row.")
    if not np.ptp(given.targets, axis=0).all():
        raise AnalysisError("All examples have the same number, so there is nothing to tell. Add others.")
