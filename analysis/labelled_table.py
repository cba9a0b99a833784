"""A table that somebody brings, as labelled examples; what does not fit is refused with its row."""

import numpy as np
import pandas as pd

from analysis.errors import AnalysisError
from analysis.labelled import LabelledSet

MOST_CLASSES = 50
MOSTLY = 0.8
"""Share of labels that read as numbers from which on the others are slips."""
FEWEST_VALUES = 8
"""Different numbers below which they name classes."""


def from_table(table: pd.DataFrame, name: str) -> LabelledSet:
    """Examples from columns `text` and `label`, and if they are there `group` and `span`.

    Labels that are numbers of many different values are told as numbers, all others as classes. A span is the part
    of its text that the label is about; its first occurrence is taken.

    Raises:
        AnalysisError: a column is missing, a label is missing or no number among numbers, a span is not in its text.
    """
    columns = {str(column).strip().lower(): column for column in table.columns}
    if not {"text", "label"} <= columns.keys():
        given = ", ".join(map(str, list(table.columns)[:8])) or "none"
        raise AnalysisError(f"The table needs columns `text` and `label`; it has {given}. Rename them.")
    cells = {key: [_cell(value) for value in table[columns[key]]] for key in columns}
    labels = cells["label"]
    if "" in labels:
        raise AnalysisError(f"Row {labels.index('') + 1} has no label. Fill it in or remove the row.")
    numbers = _numbers(labels)
    classes = () if numbers is not None else tuple(sorted(set(labels)))
    if len(classes) > MOST_CLASSES:
        raise AnalysisError(
            f"There are {len(classes)} different labels; up to {MOST_CLASSES} classes are told apart. Join some."
        )
    targets = numbers if numbers is not None else np.array([classes.index(label) for label in labels])
    return LabelledSet(
        id="own",
        name=name,
        question=f"What is the label in {name}?",
        texts=tuple(cells["text"]),
        targets=targets,
        classes=classes,
        numbers=() if classes else ("label",),
        groups=tuple(cells["group"]) if "group" in cells else (),
        spans=tuple(map(_span, cells["text"], cells["span"], range(1, len(labels) + 1)))
        if "span" in cells
        else (),
        source=f"Uploaded: {name}.",
    )


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with one missing is read as fractions
    return "" if value is None or value != value else str(value).strip()


def _numbers(labels: list[str]) -> np.ndarray | None:
    """(example, 1) if the labels are numbers; None if they name classes."""
    values = pd.to_numeric(pd.Series(labels), errors="coerce").to_numpy(np.float64)
    are = np.isfinite(values)
    if len(np.unique(values[are])) < FEWEST_VALUES or are.mean() < MOSTLY:
        return None
    if not are.all():
        row = int(np.argmin(are))
        raise AnalysisError(
            f"Row {row + 1} has the label {labels[row]!r} among numbers. Correct it or remove the row."
        )
    return values[:, None]


def _span(text: str, part: str, row: int) -> tuple[int, int] | None:
    if not part:
        return None
    start = text.find(part)
    if start < 0:
        raise AnalysisError(
            f"The span {part!r} of row {row} is not in its text. Copy it as it is written there."
        )
    return start, start + len(part)
