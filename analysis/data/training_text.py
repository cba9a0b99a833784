"""Text that a dictionary learns from: documentation and word lists that packages carry under licences that permit it.

Run: python -m analysis.data.training_text FOLDER [--fetch]. With `--fetch` the Debian packages are downloaded and
unpacked into FOLDER first; nothing is installed.
"""

import ast
import gzip
import hashlib
import html
import importlib.util
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SHORTEST = 300
"""Characters: shorter texts say too little."""
PIECE = 1_600
"""Characters of a piece, about: some 400 tokens."""
SEED = 0


@dataclass(frozen=True)
class Source:
    """A package whose text is read."""

    name: str
    licence: str
    most: int
    """Characters that are taken at most, so that no source drowns the others."""
    where: str = ""
    """Files inside the unpacked Debian package; empty for a Python package, whose docstrings are read."""


SOURCES = (
    Source("wordnet-base", "WordNet 3.0 (permissive)", 4_000_000, "usr/share/wordnet/data.*"),
    Source("dict-devil", "public domain", 400_000, "usr/share/dictd/devil.dict.dz"),
    Source("jargon-text", "public domain", 1_500_000, "usr/share/doc/jargon-text/jargon.txt.gz"),
    Source("abs-guide", "public domain", 600_000, "usr/share/doc/abs-guide/**/*.html"),
    Source("sqlite3-doc", "public domain", 1_500_000, "usr/share/doc/sqlite3/**/*.html"),
    Source("rust-doc", "MIT or Apache-2.0", 1_500_000, "usr/share/doc/rust-doc/html/*book*/**/*.html"),
    Source("python3.11-doc", "PSF-2.0", 1_500_000, "usr/share/doc/python3.11/html/**/*.html"),
    Source("postgresql-doc-15", "PostgreSQL", 1_200_000, "usr/share/doc/postgresql-doc-15/html/*.html"),
    *(
        Source(name, licence, 400_000)
        for name, licence in (
            ("numpy", "BSD-3-Clause"),
            ("scipy", "BSD-3-Clause"),
            ("pandas", "BSD-3-Clause"),
            ("sklearn", "BSD-3-Clause"),
            ("torch", "BSD-3-Clause"),
            ("sympy", "BSD-3-Clause"),
            ("networkx", "BSD-3-Clause"),
            ("transformers", "Apache-2.0"),
            ("streamlit", "Apache-2.0"),
        )
    ),
)


def gather(folder: Path) -> dict[str, list[str]]:
    """Pieces of text by source, shuffled with a seed, none twice; sources that are not there are left out."""
    seen: set[str] = set()
    found = {}
    for source in SOURCES:
        texts = sorted(_texts(source, folder))
        random.Random(SEED).shuffle(texts)
        kept, size = [], 0
        for piece in (piece for text in texts for piece in _pieces(text)):
            mark = hashlib.sha256(piece[:200].encode()).hexdigest()
            if size < source.most and mark not in seen:
                seen.add(mark)
                kept.append(piece)
                size += len(piece)
        if kept:
            found[source.name] = kept
    return found


def fetch(folder: Path) -> None:
    """Download the Debian packages and unpack them, without installing them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [source.name for source in SOURCES if source.where]
    subprocess.run(["apt-get", "download", *names], cwd=folder, check=True)
    for name in names:
        (package,) = folder.glob(f"{name}_*.deb")
        subprocess.run(["dpkg", "-x", package.name, name], cwd=folder, check=True)


def _texts(source: Source, folder: Path) -> Iterator[str]:
    if not source.where:
        yield from _docstrings(source.name)
        return
    for path in sorted((folder / source.name).glob(source.where)):
        if source.name == "wordnet-base":
            yield from _glosses(path)
        elif path.suffix == ".html":
            yield _of_html(path.read_text(encoding="utf-8", errors="ignore"))
        else:
            yield _unwrapped(gzip.decompress(path.read_bytes()).decode("utf-8", errors="ignore"))


def _glosses(path: Path) -> Iterator[str]:
    """Entries of WordNet as a reader would find them in a dictionary, neighbours in the file together."""
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("  ") and " | " in line:
            fields, gloss = line.split(" | ", 1)
            entries.append(f"{fields.split()[4].replace('_', ' ')}: {gloss.strip()}")
    for start in range(0, len(entries), 12):
        yield "\n".join(entries[start : start + 12])


def _of_html(text: str) -> str:
    body = re.sub(r"(?s)<(script|style|nav|head|svg)\b.*?</\1>", " ", text)
    body = re.sub(r"(?i)</(p|div|h\d|li|tr|pre|dt|dd|blockquote|table)>|<br[^>]*>", "\n", body)
    body = html.unescape(re.sub(r"<[^>]+>", "", body))
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in body.splitlines())
    return _unwrapped(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)))


def _unwrapped(text: str) -> str:
    """Paragraphs on one line each: hard line ends would be half of what a dictionary learns."""
    paragraphs = re.split(r"\n\s*\n", text)
    return "\n\n".join(re.sub(r"\s*\n\s*", " ", each).strip() for each in paragraphs if each.strip())


def _docstrings(name: str) -> Iterator[str]:
    where = Path(importlib.util.find_spec(name).origin).parent
    for path in sorted(where.rglob("*.py")):
        if "tests" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError:  # written for a later Python
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield ast.get_docstring(node) or ""


def _pieces(text: str) -> Iterator[str]:
    """Runs of paragraphs of about the same size."""
    piece = ""
    for paragraph in text.split("\n\n"):
        piece = f"{piece}\n\n{paragraph}" if piece else paragraph
        if len(piece) >= PIECE:
            yield piece[: 2 * PIECE]
            piece = ""
    if len(piece) >= SHORTEST:
        yield piece


def main() -> None:
    """Say how much of every source there is."""
    folder = Path(sys.argv[1])
    if "--fetch" in sys.argv:
        fetch(folder)
    for name, pieces in gather(folder).items():
        sys.stdout.write(f"{name}: {len(pieces):,} pieces, {sum(map(len, pieces)):,} characters\n")


if __name__ == "__main__":
    main()
