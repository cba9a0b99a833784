"""Examples that somebody brings, in a table or typed line by line; what does not fit is refused with its row."""

import re
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import pandas as pd
from jaxtyping import Float64

from analysis.errors import AnalysisError
from analysis.labelled import FEWEST_OF_CLASS, LabelledSet
from analysis.probing.splits import merged
from analysis.sides import SEPARATOR

MOST_CLASSES = 50
MOSTLY = 0.8
"""Share of labels that read as numbers from which on the others are slips."""
FEWEST_VALUES = 8
"""Different numbers below which they name classes."""
OWN, WRITTEN = "own", "written"
"""Ids of sets that came in a table, and of those typed line by line."""
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+")


def from_table(table: pd.DataFrame, name: str) -> LabelledSet:
    """Examples from columns `text` and `label`, and if they are there `group` and `span`.

    Labels that are numbers of many different values are told as numbers, and so are several numbers with commas
    between them; all others are classes. A span is the part of its text that the label is about; its first
    occurrence is taken.

    Raises:
        AnalysisError: a column or a label is missing, a label is no number among numbers, a class has one example or
            one group, a span is not in its text, or one text has two labels; the row is named.
    """
    columns = {str(column).strip().lower(): column for column in table.columns}
    if not {"text", "label"} <= columns.keys():
        given = ", ".join(map(str, list(table.columns)[:8])) or "none"
        raise AnalysisError(f"The table needs columns `text` and `label`; it has {given}. Rename them.")
    cells = {
        key: tuple(map(_cell, table[columns[key]])) for key in ("text", "label", "group", "span") if key in columns
    }  # fmt: skip
    names = tuple(f"row {number}" for number in range(1, len(table) + 1))
    rows = _Rows(names, cells["text"], cells["label"], cells.get("group", ()), cells.get("span", ()))
    return _labelled(rows, OWN, name, f"What is the label in {name}?", f"Uploaded: {name}.")


def from_lines(text: str) -> LabelledSet:
    """Examples as a person types them: one a line, `text | label`; empty lines are passed over.

    The label stands behind the last `|` of its line: the name of a class, or numbers with commas between them.

    Raises:
        AnalysisError: a line lacks its text or its label, and as for `from_table`; the line is named.
    """
    names, texts, labels = [], [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        example, _, label = (part.strip() for part in line.rpartition(SEPARATOR))
        if not example or not label:
            raise AnalysisError(
                f"Line {number} needs a text and its label with {SEPARATOR} between them; given: {_short(line)}"
            )
        names.append(f"line {number}")
        texts.append(example)
        labels.append(label)
    if not names:
        raise AnalysisError(f"No example was given. Write one a line: a text, {SEPARATOR}, its label.")
    rows = _Rows(tuple(names), tuple(texts), tuple(labels))
    return _labelled(rows, WRITTEN, "Written here", "What is the label?", "Written on the page.")


@dataclass(frozen=True)
class _Rows:
    """Cells as text, and what each row is called where something is wrong with it."""

    names: tuple[str, ...]
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...] = ()
    """Empty where none were given; `parts` likewise."""
    parts: tuple[str, ...] = ()
    """What the label is about, as it stands in the text; empty for all of it."""


def _labelled(rows: _Rows, id: str, name: str, question: str, source: str) -> LabelledSet:
    for cells, what in ((rows.texts, "text"), (rows.labels, "label")):
        if "" in cells:
            row = rows.names[cells.index("")]
            raise AnalysisError(f"{row.capitalize()} has no {what}. Fill it in or remove the {_kind(row)}.")
    numbers = _numbers(rows)
    classes = _classes(rows) if numbers is None else ()
    spans = tuple(map(_span, rows.texts, rows.parts, rows.names)) if rows.parts else ()
    places = {label: number for number, label in enumerate(classes)}
    targets = np.array([places[label] for label in rows.labels]) if numbers is None else numbers
    _require_agreement(rows, targets)
    given = LabelledSet(
        id=id,
        name=name,
        question=question,
        texts=rows.texts,
        targets=targets,
        classes=classes,
        numbers=() if numbers is None else _number_names(numbers.shape[1]),
        groups=rows.groups,
        spans=spans,
        source=source,
    )
    _require_two_groups(given, bool(rows.groups))
    return given


def _cell(value: object) -> str:
    """What stands in a cell, as text; nothing where it is missing."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return ", ".join(map(_cell, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with one missing is read as fractions
    missing = pd.api.types.is_scalar(value) and pd.isna(value)
    return "" if missing else str(value).strip()


def _number_names(count: int) -> tuple[str, ...]:
    return ("label",) if count == 1 else tuple(f"label {number}" for number in range(1, count + 1))


def _numbers(rows: _Rows) -> Float64[np.ndarray, "example number"] | None:
    """The labels if they are numbers; None if they name classes."""
    values = [_as_numbers(label) for label in rows.labels]
    found = [value for value in values if value is not None]
    if not found or len(found) / len(values) < MOSTLY:
        return None
    width = Counter(map(len, found)).most_common(1)[0][0]
    if width == 1 and len(set(found)) < FEWEST_VALUES:
        return None
    for row, label, value in zip(rows.names, rows.labels, values, strict=True):
        _require_number(row, label, value, width)
    return np.array(values, np.float64)


def _as_numbers(label: str) -> tuple[float, ...] | None:
    parts = [part.strip() for part in label.split(",")]
    if not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    values = tuple(map(float, parts))
    return values if np.isfinite(values).all() else None


def _require_number(row: str, label: str, value: tuple[float, ...] | None, width: int) -> None:
    if value is None:
        raise AnalysisError(
            f"{row.capitalize()} has the label {label!r} among numbers. Correct it or remove the {_kind(row)}."
        )
    if _THOUSANDS.fullmatch(label):
        raise AnalysisError(
            f"The label {label!r} of {row} may be one number or several. Write one without commas, or several with a "
            "space behind each comma."
        )
    if len(value) != width:
        raise AnalysisError(
            f"{row.capitalize()} has {len(value)} numbers ({label}) where most have {width}. Give all as many."
        )


def _classes(rows: _Rows) -> tuple[str, ...]:
    """The different labels in their order, each of at least two examples."""
    counts = Counter(rows.labels)
    if len(counts) > MOST_CLASSES:
        raise AnalysisError(
            f"There are {len(counts)} different labels; up to {MOST_CLASSES} classes are told apart. Join some."
        )
    once = [label for label, count in counts.items() if count < FEWEST_OF_CLASS]
    if once and len(counts) > 1:
        raise AnalysisError(_alone(rows, once, counts))
    return tuple(sorted(counts))


def _alone(rows: _Rows, once: list[str], counts: Counter[str]) -> str:
    """What to say of labels that stand once."""
    label = once[0]
    row = rows.names[rows.labels.index(label)]
    if all(_as_numbers(other) for other in counts):
        return (
            f"There are {len(counts)} different numbers; fewer than {FEWEST_VALUES} are taken for classes, and only "
            f"{row} has {label!r}. Give each number twice, or at least {FEWEST_VALUES} different ones."
        )
    usual = [other for other in counts if other not in once] or [other for other in counts if other != label]
    near = get_close_matches(label, usual, 1)
    meant = f"; perhaps {near[0]!r} was meant" if near else ""
    more = f" {len(once) - 1} other labels stand once, too." if len(once) > 1 else ""
    return (
        f"Only {row} has the label {label!r}{meant}. A class needs at least {FEWEST_OF_CLASS} examples, one to learn "
        f"from and one to be tested on; a typo makes a class of its own. Correct it, add another example, or remove "
        f"the {_kind(row)}.{more}"
    )


def _require_agreement(rows: _Rows, targets: np.ndarray) -> None:
    """Refuse examples that say two things of the same words."""
    first: dict[tuple[str, str], int] = {}
    apart: list[tuple[int, int]] = []
    about = zip(rows.texts, rows.parts or ("",) * len(rows.texts), strict=True)
    for number, key in enumerate(about):
        before = first.setdefault(key, number)
        if np.any(targets[before] != targets[number]):
            apart.append((before, number))
    if not apart:
        return
    one, other = apart[0]
    more = f" So do {len(apart) - 1} more." if len(apart) > 1 else ""
    raise AnalysisError(
        f"{rows.names[one].capitalize()} and {rows.names[other]} have the same text and different labels "
        f"({rows.labels[one]!r} and {rows.labels[other]!r}): {_short(rows.texts[one])}{more} Correct one, or remove "
        "both."
    )


def _require_two_groups(given: LabelledSet, grouped: bool) -> None:
    """Refuse a class that cannot be both learned and tested, by its name."""
    groups: dict[int, set[str]] = {}
    for target, group in zip(given.targets, merged(given.texts, given.groups)[0], strict=True):
        if given.classes:
            groups.setdefault(int(target), set()).add(group)
    for number in sorted(groups):
        if len(groups[number]) < 2:
            alike = "belong to one group" if grouped else "are the same text"
            raise AnalysisError(
                f"All examples of {given.classes[number]!r} {alike}, so they can be learned or tested, not both. Give "
                f"it examples of another {'group' if grouped else 'text'}."
            )


def _span(text: str, part: str, row: str) -> tuple[int, int] | None:
    if not part:
        return None
    start = text.find(part)
    if start < 0:
        raise AnalysisError(f"The span {part!r} of {row} is not in its text. Copy it as it is written there.")
    return start, start + len(part)


def _kind(row: str) -> str:
    """`row` or `line`."""
    return row.partition(" ")[0]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return f"“{text[:60]}{'…' if len(text) > 60 else ''}”."
