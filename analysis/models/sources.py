"""From what a person asks for to files on this disk."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models import gguf_files, packaged
from analysis.models.files import (
    ModelFiles,
    bytes_on_disk,
    file_identity,
    identity,
    require_model_folder,
)
from analysis.models.spec import DEFAULT_SOURCE, TOYS, ModelSpec

__all__ = ["ModelFiles", "Source", "locate", "parse_source"]

Kind = Literal["packaged", "hub", "folder", "gguf"]
LONGEST = 1024
NAME = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?"
HUB_ID = re.compile(rf"({NAME}/{NAME})(?:@(.+))?", re.ASCII)
REVISION = re.compile(r"[A-Za-z0-9_][\w./+-]{0,199}", re.ASCII)
EXPECTED = (
    f"Expected {DEFAULT_SOURCE} (packaged), a hub id such as owner/name or owner/name@revision, "
    "the path of a model folder, or the path of a .gguf file"
)


@dataclass(frozen=True)
class Source:
    """What a source text means."""

    kind: Kind
    name: str
    """The hub id or the absolute path."""
    revision: str | None = None
    """Of a hub id; None is its default branch."""


def locate(spec: ModelSpec, report: Report = silent) -> ModelFiles:
    """Find a model's files, fetching and converting what is not here yet.

    Args:
        spec: the model as asked for.
        report: told what is being done and how far it is; raises `Cancelled` to stop.

    Raises:
        AnalysisError: one sentence on what could not be found, fetched or opened.
    """
    source = parse_source(spec.source, spec.revision)
    find = {"packaged": _packaged, "hub": _hub, "folder": _folder, "gguf": _gguf}[source.kind]
    return find(source, report)


def parse_source(text: str, revision: str | None = None) -> Source:
    """Understand what a person typed, without looking anything up but whether a path exists.

    Args:
        text: surrounding spaces are dropped and `~` is the user's home.
        revision: for hub ids; may also stand in `text` after an `@`.

    Raises:
        AnalysisError: the text is empty, over-long, has control characters, or is none of the four kinds.
    """
    text = _clean(text)
    if text == DEFAULT_SOURCE:
        return _without_revision(Source("packaged", text), revision)
    path = _path(text)
    if text.lower().endswith(".gguf"):
        return _without_revision(Source("gguf", str(path)), revision)
    if text.startswith(("/", ".", "~")) or "\\" in text or path.is_dir():
        return _without_revision(Source("folder", str(path)), revision)
    return _hub_id(text, revision)


def _clean(text: str) -> str:
    if not isinstance(text, str) or not text.strip():
        raise AnalysisError(f"No model was named. {EXPECTED}.")
    text = text.strip()
    if len(text) > LONGEST:
        raise AnalysisError(
            f"The model's name has {len(text):,} characters, at most {LONGEST:,} can be. {EXPECTED}."
        )
    if not text.isprintable():
        raise AnalysisError(
            f"The model's name {text[:80]!r} has a character that cannot be printed. {EXPECTED}."
        )
    return text


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:  # ~somebody who is not a user here
        raise AnalysisError(f"{text!r} begins with the home of a user this machine does not have.") from error


def _hub_id(text: str, revision: str | None) -> Source:
    if text in TOYS or text.startswith("toy:"):
        raise AnalysisError(f"{text!r} is a toy, which has no files. Load it with load(ModelSpec({text!r})).")
    if "://" in text:
        raise AnalysisError(
            f"{text!r} is a web address. {EXPECTED}; of an address on the hub give only owner/name."
        )
    found = HUB_ID.fullmatch(text)
    if not found or "--" in found[1] or ".." in found[1]:
        raise AnalysisError(f"{text[:200]!r} is no model that can be looked up. {EXPECTED}.")
    named, asked = found[1], found[2]
    if asked and revision and asked != revision:
        raise AnalysisError(f"Two revisions were asked of {named}: {asked!r} and {revision!r}. Give one.")
    return Source("hub", named, _revision(named, asked or revision))


def _revision(named: str, revision: str | None) -> str | None:
    if not revision:
        return None
    if not REVISION.fullmatch(revision) or ".." in revision:
        raise AnalysisError(f"{revision[:80]!r} is no revision of {named}. Give a branch, a tag or a commit.")
    return revision


def _without_revision(source: Source, revision: str | None) -> Source:
    if revision:
        raise AnalysisError(
            f"{source.name} was asked for in revision {revision!r}, but only hub ids have revisions. Leave it out."
        )
    return source


def _packaged(source: Source, report: Report) -> ModelFiles:
    folder, note = packaged.locate(report)
    revision = packaged.SHA256[:16]
    return ModelFiles(folder, source.name, revision, "packaged", packaged.GGUF, bytes_on_disk(folder), note)


def _hub(source: Source, report: Report) -> ModelFiles:
    from analysis.models import hub

    folder, commit, note = hub.fetch(source.name, source.revision, report)
    return ModelFiles(folder, source.name, commit, "hub", None, bytes_on_disk(folder), note)


def _folder(source: Source, report: Report) -> ModelFiles:
    folder = Path(source.name)
    report(f"Looking into {folder.name}")
    try:
        if not folder.is_dir():
            raise AnalysisError(
                f"There is no folder {folder}. Check the path; a hub id is written owner/name, without a leading dot "
                "or slash."
            )
        require_model_folder(folder)
        revision = identity(folder)
    except OSError as error:
        raise AnalysisError(f"{folder} cannot be read ({error.strerror}). Check its permissions.") from error
    return ModelFiles(folder, folder.resolve().name, revision, "folder", None, bytes_on_disk(folder), "")


def _gguf(source: Source, report: Report) -> ModelFiles:
    path = Path(source.name)
    gguf_files.read_header(path)
    revision = file_identity(path)
    folder, note = gguf_files.convert(path, f"gguf-{revision}", path.stem, report)
    return ModelFiles(folder, path.stem, revision, "gguf", str(path), bytes_on_disk(folder), note)
