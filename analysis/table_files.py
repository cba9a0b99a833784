"""Tables that people upload: CSV, TSV, JSONL and Parquet, and what had to be assumed to read them.

Programs write text in several encodings and seldom say in which. What is no UTF-8 is refused, or read by a guess
that is told.
"""

import codecs
import io
import json
from dataclasses import dataclass
from pathlib import PurePath

import pandas as pd
import pyarrow.parquet

from analysis.errors import AnalysisError

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
UNPACKED = 8
"""How many times its allowed size a compressed file may take once it is unpacked."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LOOKED_AT = 4_096
"""Bytes from which UTF-16 without a mark is told."""


@dataclass(frozen=True)
class Decoded:
    """A text file as text."""

    text: str
    notes: tuple[str, ...] = ()
    """What had to be guessed, in sentences."""


@dataclass(frozen=True, eq=False)
class Table:
    """A file as a table; cells of CSV and TSV are text."""

    rows: pd.DataFrame
    notes: tuple[str, ...] = ()
    """What had to be guessed, in sentences."""


def read_table(data: bytes, filename: str, *, largest: int, most: int, guess: bool = False) -> Table:
    """An uploaded CSV, TSV, JSONL or Parquet file as a table.

    Args:
        data: the file.
        filename: its name; the ending says what it is.
        largest: bytes that are read.
        most: rows of a compressed file, which may be small and unpack to millions.
        guess: read other encodings than UTF-8, and semicolons between cells; what was assumed is noted.

    Raises:
        AnalysisError: the kind is unknown, the file too large, damaged or empty.
    """
    kind = PurePath(filename).suffix.lower()
    if kind not in TABLES:
        raise AnalysisError(f"{filename} is no table this page reads. Give one of {', '.join(TABLES)}.")
    require_size(data, filename, largest)
    try:
        table = _parquet(data, largest, most) if kind == ".parquet" else _text_table(data, kind, guess)
    except AnalysisError:
        raise
    except Exception as error:  # whatever a reader of foreign files trips over, the person gets a sentence
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        advice = " Put texts with commas into quotes." if kind == ".csv" else ""
        raise AnalysisError(
            f"{filename} cannot be read as {kind[1:].upper()}: {reason[0][:200]}.{advice}"
        ) from error
    if not len(table.rows):
        raise AnalysisError(f"{filename} holds no rows.")
    return table


def require_size(data: bytes, filename: str, largest: int) -> None:
    """Refuse a file that is too large, before it is looked at.

    Raises:
        AnalysisError: with the numbers.
    """
    if len(data) > largest:
        raise AnalysisError(
            f"{filename} has {len(data) / 2**20:.0f} MB; at most {largest // 2**20} are read. Take a sample."
        )


def decoded(data: bytes) -> Decoded:
    """Text in UTF-8, or as its marks say; else by a guess, line by line, which is noted.

    A line that is no UTF-8 is read as Windows-1252, or as Latin-1 where it has bytes that mean nothing there. Files
    joined from several programs are mixed in this way.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return Decoded(data.decode(encoding))
    if (wide := _wide(data)) is not None:
        return Decoded(data.decode(wide), (f"The file says no encoding; it was read as {wide.upper()}.",))
    try:
        return Decoded(data.decode("utf-8"))
    except UnicodeDecodeError:
        return _line_by_line(data)


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: nearly every other byte of Western text in it is zero."""
    head = data[:_LOOKED_AT]
    low, high = head[0::2], head[1::2]
    if len(head) < 4 or max(low.count(0), high.count(0)) < 0.6 * len(high):
        return None
    return "utf-16-le" if high.count(0) > low.count(0) else "utf-16-be"


def _line_by_line(data: bytes) -> Decoded:
    lines, guessed = [], 0
    for line in data.split(b"\n"):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            guessed += 1
            lines.append(_western(line))
    return Decoded(
        "\n".join(lines),
        (
            f"{guessed:,} of {len(lines):,} lines are not UTF-8 and were read as Windows-1252: look at their accents. "
            "Save the file as UTF-8 if they are wrong.",
        ),
    )


def _western(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _parquet(data: bytes, largest: int, most: int) -> Table:
    about = pyarrow.parquet.read_metadata(io.BytesIO(data))
    if about.num_rows > most:
        raise AnalysisError(f"{about.num_rows:,} texts were given; at most {most:,} are used. Take a sample.")
    unpacked = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
    if unpacked > UNPACKED * largest:
        raise AnalysisError(
            f"The table takes {unpacked / 2**20:,.0f} MB once it is unpacked; at most {UNPACKED * largest // 2**20:,} "
            "are read. Take a sample."
        )
    # decoded now: damaged text is found here
    return Table(pd.read_parquet(io.BytesIO(data)).astype(object))


def _text_table(data: bytes, kind: str, guess: bool) -> Table:
    found = decoded(data) if guess else Decoded(data.decode("utf-8-sig"))
    if kind == ".jsonl":
        lines = [json.loads(line) for line in found.text.split("\n") if line.strip()]
        return Table(pd.DataFrame(lines), found.notes)
    separator, noted = _separator(found.text, kind, guess)
    # without a header, as pandas otherwise takes the first of too many fields for the row's name
    rows = pd.read_csv(
        io.StringIO(found.text, newline=""), sep=separator, dtype=str, keep_default_na=False, header=None
    )
    return Table(rows[1:].set_axis(rows.iloc[0].tolist(), axis=1), found.notes + noted)


def _separator(text: str, kind: str, guess: bool) -> tuple[str, tuple[str, ...]]:
    """What stands between cells; a header with semicolons and no comma means semicolons."""
    if kind == ".tsv":
        return "\t", ()
    head = text.lstrip().partition("\n")[0]
    if guess and ";" in head and "," not in head:
        return ";", ("Its cells are separated by semicolons.",)
    return ",", ()
