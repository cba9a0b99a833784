"""Many texts, each with whatever came with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.errors import AnalysisError
from analysis.fingerprint import fingerprint
from analysis.labelled import LabelledSet

MOST_TEXTS = 200_000
"""Texts that are brought at once."""
MOST_POINTS = 1_000_000
"""Examples: every token of every text may be one."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Texts to be mapped, and what is known of each."""

    id: str
    name: str
    texts: tuple[str, ...]
    """One per example; the same text may come again with another span."""
    columns: pd.DataFrame = field(default_factory=pd.DataFrame)
    """One row per example: numbers, or text; empty cells are missing."""
    spans: tuple[tuple[int, int] | None, ...] = ()
    """First character, and the one behind the last, that an example is about; None is the whole text."""
    source: str = ""
    """Where it comes from, in one sentence."""
    license: str = ""
    label: str | None = None
    """Name of the column that colours first; None where no column can."""
    notes: tuple[str, ...] = ()
    """What was left out or guessed when it was read, in sentences."""

    def __post_init__(self):
        count = len(self.texts)
        if not 0 < count <= MOST_POINTS:
            raise AnalysisError(
                f"A corpus holds 1 to {MOST_POINTS:,} examples; given {count:,}. "
                f"{'Take a sample.' if count else 'Give some texts.'}"
            )
        object.__setattr__(self, "spans", self.spans or (None,) * count)
        columns = self.columns if len(self.columns.columns) else pd.DataFrame(index=range(count))
        object.__setattr__(self, "columns", columns.reset_index(drop=True))
        if {len(self.spans), len(self.columns)} != {count}:
            raise AnalysisError(
                f"Every example needs a span and a row of the table; given {count:,} texts, {len(self.spans):,} spans "
                f"and {len(self.columns):,} rows."
            )
        if self.label is not None and self.label not in self.columns:
            raise AnalysisError(f"There is no column {self.label!r} to colour by; name one of the table's.")
        for number, (text, span) in enumerate(zip(self.texts, self.spans, strict=True), 1):
            _require_example(number, text, span)

    def __len__(self) -> int:
        """Examples."""
        return len(self.texts)

    @cached_property
    def fingerprint(self) -> str:
        """One name for these texts, spans and columns."""
        rows = pd.util.hash_pandas_object(self.columns, index=False).to_numpy()
        spans = np.array([span or (-1, -1) for span in self.spans], np.int64)
        return fingerprint("corpus", self.texts, spans, tuple(map(str, self.columns.columns)), rows)

    def taking(self, rows: Sequence[int]) -> "Corpus":
        """The same corpus with these examples only, in this order; one may be taken several times.

        Raises:
            AnalysisError: none is taken, or too many.
        """
        chosen = list(rows)
        return replace(
            self,
            texts=tuple(self.texts[row] for row in chosen),
            columns=self.columns.iloc[chosen],
            spans=tuple(self.spans[row] for row in chosen),
        )


def of_labelled(given: LabelledSet) -> Corpus:
    """A labelled set as a corpus: its classes as column `label`, its numbers by their names, its groups as `group`."""
    if given.classes:
        columns = pd.DataFrame({"label": [given.classes[number] for number in given.targets]})
    else:
        columns = pd.DataFrame(given.targets, columns=list(given.numbers))
    label = columns.columns[0]
    if given.groups != given.texts:
        columns["group"] = list(given.groups)
    return Corpus(
        id=given.id,
        name=given.name,
        texts=given.texts,
        columns=columns,
        spans=given.spans,
        source=given.source,
        license=given.license,
        label=label,
    )


def _require_example(number: int, text: str, span: tuple[int, int] | None) -> None:
    if not text.strip():
        raise AnalysisError(f"The text of example {number} is empty. Fill it in or remove its row.")
    if span is not None and not 0 <= span[0] < span[1] <= len(text):
        raise AnalysisError(
            f"The span of example {number} runs from {span[0]} to {span[1]}, and its text has {len(text)} characters."
        )
