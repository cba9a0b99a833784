"""Files that people upload, and texts they paste, as a corpus."""

from pathlib import PurePath
from typing import Literal

from analysis import table_files
from analysis.corpora.corpus import MOST_TEXTS, Corpus
from analysis.corpora.tables import again, from_table
from analysis.errors import AnalysisError
from analysis.labelled_table import OWN, WRITTEN

LARGEST = 100 * 2**20
"""Bytes of an uploaded file."""
PLAIN = (".txt", ".md")
KINDS = (*table_files.TABLES, *PLAIN)
WRITTEN_AS = "Written here"
"""Name of texts that were typed or pasted."""
Cut = Literal["lines", "paragraphs"]
USUAL_LINES = 8
"""Lines of a paragraph on average beyond which empty lines are taken for strays among texts of one line each."""


def read_file(data: bytes, filename: str) -> Corpus:
    """An uploaded CSV, TSV, JSONL or Parquet table, or plain text.

    Text may be in any usual encoding; what had to be guessed is noted in the corpus.

    Raises:
        AnalysisError: the kind is unknown, the file is too large, damaged or empty, or as for `from_table` and
            `from_plain_text`.
    """
    kind = PurePath(filename).suffix.lower()
    if kind not in KINDS:
        raise AnalysisError(
            f"{filename} is no file of texts this page reads. Give one of {', '.join(KINDS)}."
        )
    if kind in PLAIN:
        table_files.require_size(data, filename, LARGEST)
        found = table_files.decoded(data)
        return from_plain_text(found.text, filename, notes=found.notes)
    table = table_files.read_table(data, filename, largest=LARGEST, most=MOST_TEXTS, guess=True)
    return from_table(table.rows, filename, notes=table.notes)


def from_plain_text(
    text: str, name: str = WRITTEN_AS, *, cut: Cut | None = None, notes: tuple[str, ...] = ()
) -> Corpus:
    """One text a line, or paragraphs with empty lines between them.

    Args:
        text: all of them.
        name: of the file, or `WRITTEN_AS`.
        cut: at lines or paragraphs; None takes paragraphs where empty lines part lines into groups of a few.
        notes: what is known of the text already.

    Raises:
        AnalysisError: there is no text, or there are too many.
    """
    lines = text.replace("\0", "").splitlines()
    paragraphs = _paragraphs(lines)
    cut = cut or _usual_cut(lines, paragraphs)
    texts = tuple(paragraphs if cut == "paragraphs" else [line.strip() for line in lines if line.strip()])
    if not texts:
        raise AnalysisError(
            f"{name} holds no text. Give one text a line, or paragraphs with empty lines between."
        )
    if len(texts) > MOST_TEXTS:
        raise AnalysisError(
            f"{len(texts):,} texts were given; at most {MOST_TEXTS:,} are used. Take a sample."
        )
    said = (
        "Paragraphs between empty lines are the texts." if cut == "paragraphs" else "Every line is a text.",
    )
    written = name == WRITTEN_AS
    return Corpus(
        id=WRITTEN if written else OWN,
        name=name,
        texts=texts,
        source="Written on the page." if written else f"Uploaded: {name}.",
        notes=(*notes, *said, *again(texts)),
    )


def _paragraphs(lines: list[str]) -> list[str]:
    """Runs of lines without an empty one, each joined to one text."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line.strip())
        elif found[-1]:
            found.append([])
    return [" ".join(each) for each in found if each]


def _usual_cut(lines: list[str], paragraphs: list[str]) -> Cut:
    filled = sum(bool(line.strip()) for line in lines)
    parted = 1 < len(paragraphs) < filled <= USUAL_LINES * len(paragraphs)
    return "paragraphs" if parted else "lines"
