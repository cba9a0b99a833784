"""A table as a corpus: which column holds the texts, and what is told of rows that cannot be used."""

from collections import Counter

import pandas as pd

from analysis.corpora.columns import kind, of_kind, tidy
from analysis.corpora.corpus import MOST_TEXTS, Corpus
from analysis.errors import AnalysisError
from analysis.labelled_table import MOST_CLASSES, OWN

TEXT, LABEL, SPAN = "text", "label", "span"
"""Names of columns that say what they are, in capitals or not."""
NAMED = 5
"""Rows that a sentence lists."""


def from_table(table: pd.DataFrame, name: str, *, notes: tuple[str, ...] = ()) -> Corpus:
    """Texts from a table's column `text`, or else from its only or longest column of text; all others are kept.

    A column `span` whose cells stand in their texts is what each example is about, at its first occurrence there.
    Rows without a text are left out and counted; texts that come again are kept and counted.

    Args:
        table: with its columns' names; see `table_files.read_table`.
        name: of the file.
        notes: what is known of the file already.

    Raises:
        AnalysisError: no column holds texts, two have the same name, or there are no texts or too many.
    """
    table = table.set_axis([str(column).strip() for column in table.columns], axis=1)
    _require_columns(table, name)
    cells = {column: tidy(table[column].tolist()) for column in table.columns}
    chosen, said = _text_column(cells, name)
    texts = cells.pop(chosen).astype(object)
    filled = texts.notna().to_numpy()
    if not filled.any():
        raise AnalysisError(f"No row of {name} has a text in its column `{chosen}`. Fill them in.")
    if (count := int(filled.sum())) > MOST_TEXTS:
        raise AnalysisError(f"{count:,} texts were given; at most {MOST_TEXTS:,} are used. Take a sample.")
    kept = tuple(map(str, texts[filled]))
    columns = pd.DataFrame({column: values[filled].array for column, values in cells.items()})
    spans, span_notes = _spans(kept, columns)
    label, label_notes = _label(columns)
    return Corpus(
        id=OWN,
        name=name,
        texts=kept,
        columns=columns,
        spans=spans,
        source=f"Uploaded: {name}.",
        label=label,
        notes=(*notes, *said, *_left_out(filled), *again(kept), *span_notes, *label_notes, *_gaps(columns)),
    )


def again(texts: tuple[str, ...]) -> tuple[str, ...]:
    """What is to be said of texts that come more than once."""
    copies = len(texts) - len(set(texts))
    if not copies:
        return ()
    return (
        f"{copies:,} of the {len(texts):,} texts have come before. Copies are run once; their points lie on each "
        "other.",
    )


def _require_columns(table: pd.DataFrame, name: str) -> None:
    twice = [column for column, count in Counter(table.columns).items() if count > 1]
    if twice:
        raise AnalysisError(f"Two columns of {name} are called {twice[0]!r}. Rename one.")


def _text_column(cells: dict[str, pd.Series], name: str) -> tuple[str, tuple[str, ...]]:
    """The column that holds the texts, and how that is known."""
    for column, values in cells.items():
        if column.lower() == TEXT:
            cells[column] = values if values.dtype == "str" else values.map(_whole).astype("str")
            return column, ()
    able = {column: values for column, values in cells.items() if values.dtype == "str"}
    if not able:
        given = ", ".join(list(cells)[:8]) or "none"
        raise AnalysisError(f"{name} needs a column of texts, best called `text`; it has {given}.")
    longest = max(able, key=lambda column: able[column].str.len().fillna(0).mean())
    why = "the only one of text" if len(able) == 1 else "whose entries are the longest"
    return longest, (f"The texts are those of column `{longest}`, {why}; call another one `text` to use it.",)


def _whole(value: float) -> object:
    """Numbers as they were written, where all of them are the texts."""
    return value if pd.isna(value) else f"{value:g}"


def _spans(
    texts: tuple[str, ...], columns: pd.DataFrame
) -> tuple[tuple[tuple[int, int] | None, ...], tuple[str, ...]]:
    """What each example is about, from a column `span`; where one does not fit it is a column like others."""
    column = next((name for name in columns.columns if name.lower() == SPAN), None)
    if column is None:
        return (), ()
    parts = [None if pd.isna(part) else str(part) for part in columns[column]]
    found = [text.find(part) if part else None for text, part in zip(texts, parts, strict=True)]
    if -1 in found:
        row = found.index(-1)
        return (), (
            f"The column `{column}` names no parts of the texts: {_short(parts[row])} is not in the text of example "
            f"{row + 1}. It is kept as a column.",
        )
    spans = tuple(
        None if start is None else (start, start + len(part))
        for start, part in zip(found, parts, strict=True)
    )
    return spans, ()


def _label(columns: pd.DataFrame) -> tuple[str | None, tuple[str, ...]]:
    """The column that colours first, and what is to be said of one called `label` that cannot."""
    named = next((name for name in columns.columns if name.lower() == LABEL), None)
    if named is not None and kind(columns[named]) != "texts":
        return named, ()
    notes = ()
    if named is not None:
        notes = (
            f"The column `{named}` has {columns[named].nunique():,} different values; up to {MOST_CLASSES} are told "
            "apart by colour. It is kept, and can be searched and looked at.",
        )
    return next(iter(of_kind(columns, "classes") or of_kind(columns, "numbers")), None), notes


def _left_out(filled) -> tuple[str, ...]:
    rows = [number for number, is_filled in enumerate(filled, 1) if not is_filled]
    if not rows:
        return ()
    listed = ", ".join(f"{row:,}" for row in rows[:NAMED]) + (", …" if len(rows) > NAMED else "")
    plural = "row has" if len(rows) == 1 else "rows have"
    return (f"{len(rows):,} {plural} no text and {'is' if len(rows) == 1 else 'are'} left out ({listed}).",)


def _gaps(columns: pd.DataFrame) -> tuple[str, ...]:
    """What is to be said of empty cells."""
    counts = columns.isna().sum()
    gaps = [f"`{name}` lacks {int(count):,}" for name, count in counts.items() if count]
    return (f"Some cells are empty: {', '.join(gaps[:NAMED])}.",) if gaps else ()


def _short(text: str | None) -> str:
    text = " ".join((text or "").split())
    return f"“{text[:40]}{'…' if len(text) > 40 else ''}”"
