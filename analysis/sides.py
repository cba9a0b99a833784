"""The two sides of a concept: texts that show it and texts that do not, typed, pasted or uploaded.

What people bring is refused in words that name the line, so that nothing is dropped in silence.
"""

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from analysis import table_files
from analysis.errors import AnalysisError

MOST = 2_000
"""Texts in all; a direction gains nothing from more, and each takes a forward pass."""
LARGEST = 10 * 2**20
"""Bytes of an uploaded table."""
LONGEST = 4_000
"""Characters of one text."""
SEPARATOR = "|"


@dataclass(frozen=True)
class Sides:
    """Positive and negative examples of one concept."""

    positive: tuple[str, ...]
    negative: tuple[str, ...]
    paired: bool = True
    """True if entry i of both sides say the same thing but for the concept."""
    chat: bool = False
    """True if the texts are a user's turns, to be put into the chat template."""

    def __post_init__(self):
        if self.paired and len(self.positive) != len(self.negative):
            raise AnalysisError(
                f"Pairs need as many positive as negative texts; given {len(self.positive)} and "
                f"{len(self.negative)}. Complete the last ones, or give them as a labelled set."
            )
        if min(len(self.positive), len(self.negative)) < 2:
            raise AnalysisError(
                f"At least two examples of each side are needed; given {len(self.positive)} positive and "
                f"{len(self.negative)} negative. One example more of each says what they share."
            )
        _require_few(len(self))
        for side, texts in (("Positive", self.positive), ("Negative", self.negative)):
            for number, text in enumerate(texts, 1):
                _require_text(text, f"{side} text {number}")
        if self.paired:
            _require_different(self.positive, self.negative)
        if not set(self.positive) - set(self.negative):
            raise AnalysisError("Both sides hold the same texts, so nothing tells them apart.")

    def __len__(self) -> int:
        """Texts of both sides together."""
        return len(self.positive) + len(self.negative)


def from_lines(text: str, *, chat: bool = False) -> Sides:
    """Pairs as a person types them: one a line, `positive | negative`; empty lines are passed over.

    Raises:
        AnalysisError: a line has not exactly two sides, one is empty, or both are equal; the line is named.
    """
    pairs = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        sides = [part.strip() for part in line.split(SEPARATOR)]
        if len(sides) != 2 or not all(sides):
            raise AnalysisError(
                f"Line {number} needs two texts with one {SEPARATOR} between them; given: {_short(line)}"
            )
        if sides[0] == sides[1]:
            raise AnalysisError(
                f"Both sides of line {number} are the same: {_short(sides[0])} Change one of them."
            )
        pairs.append(sides)
    if not pairs:
        raise AnalysisError(f"No pair was given. Write one a line: a text, {SEPARATOR}, its opposite.")
    return Sides(tuple(a for a, _ in pairs), tuple(b for _, b in pairs), chat=chat)


def to_lines(sides: Sides) -> str:
    """What `from_lines` reads; a separator inside a text becomes a comma."""

    def plain(text: str) -> str:
        return " ".join(text.replace(SEPARATOR, ",").split())

    return "\n".join(
        f"{plain(a)} {SEPARATOR} {plain(b)}" for a, b in zip(sides.positive, sides.negative, strict=True)
    )


def read_table(data: bytes, filename: str, most: int = MOST) -> pd.DataFrame:
    """An uploaded CSV, TSV, JSONL or Parquet file as a table.

    Args:
        data: the file, text in UTF-8.
        filename: its name; the ending says what it is.
        most: rows of a Parquet file, which may be small and unpack to millions.

    Raises:
        AnalysisError: the kind is unknown, the file too large, damaged or empty.
    """
    return table_files.read_table(data, filename, largest=LARGEST, most=most).rows


def from_table(table: pd.DataFrame, positive: str | None = None, *, chat: bool = False) -> Sides:
    """Sides from a table: columns `positive` and `negative` hold pairs, `text` and `label` a labelled set.

    Args:
        table: see `read_table`.
        positive: the label whose texts are the positive side, the others being negative; None takes the one of
            two labels that comes last in the alphabet (`1` of `0` and `1`).
        chat: put the texts into the chat template.

    Raises:
        AnalysisError: the columns, the labels or a row do not fit; which one is said.
    """
    columns = {str(column).strip().lower(): column for column in table.columns}
    if {"positive", "negative"} <= columns.keys():
        sides = [tuple(map(_as_text, table[columns[side]])) for side in ("positive", "negative")]
        return Sides(*sides, chat=chat)
    if not {"text", "label"} <= columns.keys():
        given = ", ".join(map(str, list(table.columns)[:8])) or "none"
        raise AnalysisError(
            "The table needs columns `positive` and `negative`, or `text` and `label`; it has "
            f"{given}. Rename them and upload it again."
        )
    texts, names = (list(map(_as_text, table[columns[column]])) for column in ("text", "label"))
    if "" in names:
        raise AnalysisError(f"Row {names.index('') + 1} has no label. Fill it in or remove the row.")
    chosen = _positive_label(names, positive)
    by_side: tuple[list[str], list[str]] = ([], [])
    for text, name in zip(texts, names, strict=True):
        by_side[name != chosen].append(text)
    return Sides(tuple(by_side[0]), tuple(by_side[1]), paired=False, chat=chat)


def labels_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The labels of a labelled table, sorted; empty for pairs."""
    column = next((column for column in table.columns if str(column).strip().lower() == "label"), None)
    return () if column is None else tuple(sorted({_as_text(label) for label in table[column]} - {""}))


def _positive_label(names: list[str], positive: str | None) -> str:
    counts = Counter(names)
    if len(counts) < 2:
        raise AnalysisError(
            f"The labels need two kinds at least; given only {_short(next(iter(counts), ''))}"
        )
    if positive is not None and positive not in counts:
        raise AnalysisError(f"No row has the label {positive!r}; there are {', '.join(sorted(counts)[:8])}.")
    if positive is None and len(counts) > 2:
        raise AnalysisError(
            f"There are {len(counts)} labels ({', '.join(sorted(counts)[:8])}). Choose which one is the positive side."
        )
    return positive if positive is not None else max(counts)


def _as_text(value: object) -> str:
    return (
        value.strip()
        if isinstance(value, str)
        else ""
        if pd.api.types.is_scalar(value) and pd.isna(value)
        else str(value)
    )


def _require_few(texts: int) -> None:
    if texts > MOST:
        raise AnalysisError(f"{texts:,} texts were given; at most {MOST:,} are used. Take a sample.")


def _require_text(text: str, which: str) -> None:
    if not text.strip():
        raise AnalysisError(f"{which} is empty. Fill it in or remove its row.")
    if len(text) > LONGEST:
        raise AnalysisError(
            f"{which} has {len(text):,} characters; at most {LONGEST:,} are read. Shorten it."
        )


def _require_different(positive: tuple[str, ...], negative: tuple[str, ...]) -> None:
    for number, (a, b) in enumerate(zip(positive, negative, strict=True), 1):
        if a == b:
            raise AnalysisError(f"Both sides of pair {number} are the same: {_short(a)} Change one of them.")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return f"“{text[:60]}{'…' if len(text) > 60 else ''}”."
