"""What is known of each text, column by column: which can colour points as classes, and which as numbers."""

import json
import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from analysis.labelled_table import FEWEST_VALUES, MOST_CLASSES

Kind = Literal["classes", "numbers", "texts"]
MISSING = "(missing)"
"""What a class is called where the cell is empty."""
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")


def kind(column: pd.Series) -> Kind:
    """How a column can be used: as classes (up to 50 different values), as numbers, or as text only.

    Numbers of fewer than 8 different values name classes.
    """
    different = column.nunique()
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return "numbers" if different >= FEWEST_VALUES else "classes"
    return "classes" if 0 < different <= MOST_CLASSES else "texts"


def of_kind(columns: pd.DataFrame, *wanted: Kind) -> tuple[str, ...]:
    """The names of the columns of some kinds, in their order."""
    return tuple(name for name in columns.columns if kind(columns[name]) in wanted)


def as_classes(column: pd.Series) -> pd.Series:
    """A column's values as names of classes: whole numbers without a point, empty cells as `(missing)`."""
    whole = pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all()
    different = column.dropna().unique()
    names = {value: str(int(value)) if whole else str(value) for value in different}
    return column.map(names).astype(object).where(column.notna(), MISSING)


def tidy(cells: Sequence[object]) -> pd.Series:
    """Cells as they came: as numbers where all that are filled are numbers, else as text.

    Empty cells are missing. Numbers that are not finite count as text, or as missing where they are no text.
    """
    texts = [_text(cell) for cell in cells]
    filled = [text for text in texts if text is not None]
    if filled and all(map(_NUMBER.fullmatch, filled)):
        numbers = np.array([np.nan if text is None else float(text) for text in texts])
        if not np.isinf(numbers).any():
            return pd.Series(numbers)
    return pd.Series(texts, dtype="str")


def _text(cell: object) -> str | None:
    """A cell as text; None where it is empty."""
    if isinstance(cell, str):
        return cell.strip() or None
    if isinstance(cell, (list, tuple, dict, set, np.ndarray)):
        return json.dumps(cell, ensure_ascii=False, default=str)
    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return None
    return str(cell)
