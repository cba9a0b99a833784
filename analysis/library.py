"""The library: directions, erasures and recipes that outlive the program, under `store.home()/library`.

One folder an entry, named by a key of its content, so that a link with the key reopens exactly that: in it the
file as `exchange` writes it, and `entry.json` with what may change, the name and the tags. What is deleted
goes to `trash/<time>-<key>` and can be brought back.

Several threads and processes may use it at once: changes wait for each other, and readers see an entry whole
or not at all.
"""

import re
import shutil
import time
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from analysis import exchange, store
from analysis.directions import Direction, span
from analysis.erasers import ERASERS
from analysis.erasers.erasure import Erasure
from analysis.errors import AnalysisError
from analysis.exchange.checks import a
from analysis.jobs import silent
from analysis.recipes import Dose, Recipe

Kind = Literal["direction", "recipe", "erasure"]
KINDS: dict[type, Kind] = {Direction: "direction", Recipe: "recipe", Erasure: "erasure"}
KEY = re.compile(r"[0-9a-f]{16}")
LONGEST_NAME, LONGEST_TAG, MOST_TAGS = 80, 24, 8
LONGEST_SUMMARY = 200
KEPT_IN_TRASH = 20
UNSHOWABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that a name on one line has no use for: control characters, halves of a character, breaks."""


@dataclass(frozen=True)
class Entry:
    """What the library says of one thing it keeps."""

    key: str
    """16 hex digits that its content has and no other."""
    kind: Kind
    name: str
    tags: tuple[str, ...]
    saved: str
    """When, in ISO 8601, UTC."""
    summary: str
    """What it is, in one line."""
    weights: str
    """Which weights its directions were found in, or its erasures fitted in; empty where none of them tells."""


def save_direction(direction: Direction, tags: tuple[str, ...] = ()) -> Entry:
    """Keep a direction under its name.

    Returns:
        Its entry; the one there already is if the same is kept, under whatever name.

    Raises:
        AnalysisError: the name is taken by another content, name or tags do not fit, or the disk is full.
    """
    summary = f"Layers {span(direction.layers)}, {direction.d_model} numbers each. {direction.how}"
    return _save(direction, tags, summary, direction.weights)


def save_erasure(erasure: Erasure, tags: tuple[str, ...] = ()) -> Entry:
    """Keep an erasure under its name; else as `save_direction`."""
    summary = (
        f"{ERASERS[erasure.method].title}, {_rank_and_layers(erasure)}, {erasure.erasers[0].d} numbers each. "
        f"{erasure.how}"
    )
    return _save(erasure, tags, summary, erasure.weights)


def save_recipe(recipe: Recipe, tags: tuple[str, ...] = ()) -> Entry:
    """Keep a recipe under its name, with copies of its directions and erasures; else as `save_direction`."""
    parts = (*recipe.erasures, *(dose.direction for dose in recipe.doses))
    weights = dict.fromkeys(part.weights for part in parts)
    lines = (*map(_erasure_line, recipe.erasures), *map(_dose_line, recipe.doses))
    return _save(recipe, tags, "; ".join(lines), ", ".join(filter(None, weights)))


def entries() -> tuple[Entry, ...]:
    """All there is, newest first; what is damaged is left out."""
    found = [entry for folder in _folders() if (entry := _read_or_none(folder)) is not None]
    return tuple(sorted(found, key=lambda entry: (entry.saved, entry.key), reverse=True))


def damaged() -> tuple[str, ...]:
    """The keys of entries that cannot be read; they can be deleted.

    A flipped bit inside a file is noticed only when the entry is loaded.
    """
    # an entry deleted in between is not damaged, nor is one brought back again: what looks damaged is read twice
    return tuple(
        folder.name
        for folder in _folders()
        if _read_or_none(folder) is None and folder.is_dir() and _read_or_none(folder) is None
    )


def load_direction(key: str) -> Direction:
    """The direction kept under a key, by the name it now has.

    Raises:
        AnalysisError: there is none, or it is damaged.
    """
    entry = _found(key, "direction")
    return replace(exchange.from_safetensors(_data(entry), entry.name), name=entry.name)


def load_erasure(key: str) -> Erasure:
    """The erasure kept under a key, by the name it now has; raises as `load_direction`."""
    entry = _found(key, "erasure")
    return replace(exchange.erasure_from_bytes(_data(entry)), name=entry.name)


def load_recipe(key: str) -> Recipe:
    """The recipe kept under a key, by the name it now has; raises as `load_direction`."""
    entry = _found(key, "recipe")
    return replace(exchange.recipe_from_bytes(_data(entry)), name=entry.name)


def rename(key: str, name: str) -> Entry:
    """Give an entry another name; its key stays.

    Raises:
        AnalysisError: there is no such entry, or the name is taken or does not fit.
    """
    name = _name(name)
    with _changing():
        entry = replace(_found(key), name=name)
        _require_free(name, key)
        _write_entry(_place(key), entry)
    return entry


def retag(key: str, tags: tuple[str, ...]) -> Entry:
    """Give an entry other tags.

    Raises:
        AnalysisError: there is no such entry, or the tags do not fit.
    """
    tags = _tags(tags)
    with _changing():
        entry = replace(_found(key), tags=tags)
        _write_entry(_place(key), entry)
    return entry


def delete(key: str) -> None:
    """Move an entry to the trash, which keeps the last 20.

    Raises:
        AnalysisError: there is no such entry.
    """
    with _changing():
        if not _place(key).is_dir():
            raise _missing(key)
        trash = store.folder("library", "trash")
        _place(key).rename(trash / f"{time.time_ns():020d}-{key}")
        for old in sorted(trash.iterdir())[:-KEPT_IN_TRASH]:
            shutil.rmtree(old, ignore_errors=True)


def undelete(key: str) -> Entry:
    """Bring an entry back from the trash.

    Raises:
        AnalysisError: it is not there, is damaged, or its place or its name has been taken.
    """
    with _changing():
        _place(key)
        thrown = sorted(store.folder("library", "trash").glob(f"*-{key}"))
        if not thrown:
            raise AnalysisError(
                f"The trash holds no entry {key}; it keeps the last {KEPT_IN_TRASH}. Make it again."
            )
        entry = _read(thrown[-1])
        if _place(key).exists():
            raise AnalysisError(f"The library holds {entry.name!r} again already; nothing was changed.")
        _require_free(entry.name, key)
        thrown[-1].rename(_place(key))
    return entry


def _save(kept: Direction | Recipe | Erasure, tags: tuple[str, ...], summary: str, weights: str) -> Entry:
    kept = replace(kept, name=_name(kept.name))
    key, kind, tags = exchange.content_key(kept), KINDS[type(kept)], _tags(tags)
    summary = "".join(c if c.isprintable() else " " for c in summary)[:LONGEST_SUMMARY]
    with _changing():
        if (present := _whole_entry(key)) is not None:
            return present
        _require_free(kept.name, key)
        saved = datetime.now(UTC).isoformat(timespec="microseconds")
        entry = Entry(key, kind, kept.name, tags, saved, summary, weights)
        with store.new_folder(_place(key)) as partial:
            store.write_tensors(partial / _file_name(kind), *exchange.parts(kept))
            _write_entry(partial, entry)
    return entry


def _whole_entry(key: str) -> Entry | None:
    """The entry under a key, if its file can still be read to the last bit."""
    try:
        entry = _read(_place(key))
        {"direction": load_direction, "erasure": load_erasure, "recipe": load_recipe}[entry.kind](key)
        return entry
    except AnalysisError:
        return None


def _write_entry(folder: Path, entry: Entry) -> None:
    size = (folder / _file_name(entry.kind)).stat().st_size
    store.write_json(folder / "entry.json", asdict(entry) | {"bytes": size})


def _read(folder: Path) -> Entry:
    try:
        said = store.read_json(folder / "entry.json")
        size = said.pop("bytes")
        entry = Entry(**said | {"tags": tuple(said["tags"])})
        _require_texts(entry, folder.name[-16:])
        whole = (folder / _file_name(entry.kind)).stat().st_size == size
    except (OSError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _spoilt(folder.name, f"{type(error).__name__}: {error}") from error
    if not whole:
        raise _spoilt(folder.name, "its file has not the size it was written with")
    return entry


def _require_texts(entry: Entry, key: str) -> None:
    texts = (*(value for field, value in vars(entry).items() if field != "tags"), *entry.tags)
    if entry.key != key or entry.kind not in KINDS.values() or not all(isinstance(t, str) for t in texts):
        raise TypeError("the entry's fields are not those that were written")


def _read_or_none(folder: Path) -> Entry | None:
    try:
        return _read(folder)
    except AnalysisError:
        return None


def _found(key: str, kind: Kind | None = None) -> Entry:
    if not _place(key).is_dir():
        raise _missing(key)
    entry = _read(_place(key))
    if kind not in (None, entry.kind):
        raise AnalysisError(f"{entry.name!r} is {a(entry.kind)} and no {kind}. Open it as {a(entry.kind)}.")
    return entry


def _data(entry: Entry) -> bytes:
    try:
        return (_place(entry.key) / _file_name(entry.kind)).read_bytes()
    except OSError as error:
        raise _spoilt(entry.key, error.strerror) from error


def _folders() -> Iterable[Path]:
    try:
        return sorted(place for place in _root().iterdir() if KEY.fullmatch(place.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AnalysisError(
            f"The library in {_root()} cannot be read ({error.strerror or error}). Check its permissions, or set "
            "BATHYSCOPE_HOME to another folder."
        ) from error


def _root() -> Path:
    return store.home() / "library"


def _place(key: str) -> Path:
    # a key may come from a link, and must not lead out of the library
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise AnalysisError(
            f"{str(key)[:80]!r} is no key of the library: expected 16 digits of 0-9 and a-f, as a link holds them."
        )
    return _root() / key


def _file_name(kind: str) -> str:
    return f"{kind}.safetensors"


@contextmanager
def _changing() -> Iterator[None]:
    """Nobody else changes the library meanwhile."""
    try:
        _root().mkdir(parents=True, exist_ok=True)
        with store.held("library", silent, "Waiting for another process that changes the library"):
            yield
    except OSError as error:
        raise AnalysisError(
            f"The library in {_root()} cannot be changed ({error.strerror or error}). Free some space, or set "
            "BATHYSCOPE_HOME to a folder that can be written to."
        ) from error


def _require_free(name: str, key: str) -> None:
    taken = next((entry for entry in entries() if entry.name == name and entry.key != key), None)
    if taken is not None:
        raise AnalysisError(
            f"The library already has {a(taken.kind)} named {name!r}, with another content. Choose another name, or "
            "rename or delete that one."
        )


def _name(name: str) -> str:
    return _checked(name, "name", LONGEST_NAME)


def _tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(_checked(tag, "tag", LONGEST_TAG) for tag in tags))
    if len(tags) > MOST_TAGS:
        raise AnalysisError(f"{len(tags)} tags were given; an entry has up to {MOST_TAGS}. Leave some out.")
    return tags


def _checked(text: str, what: str, longest: int) -> str:
    text = text.strip()
    odd = [character for character in text if unicodedata.category(character) in UNSHOWABLE]
    if odd or not 1 <= len(text) <= longest:
        given = f"the character {odd[0]!r}" if odd else f"{len(text)} characters"
        raise AnalysisError(
            f"A {what} with {given} was given; expected 1 to {longest} characters on one line. Change the {what}."
        )
    return text


def _erasure_line(erasure: Erasure) -> str:
    return f"erase {erasure.name!r} ({ERASERS[erasure.method].title}), {_rank_and_layers(erasure)}"


def _rank_and_layers(erasure: Erasure) -> str:
    return f"rank {erasure.rank}, layer{'s' * (len(erasure.layers) > 1)} {span(erasure.layers)}"


def _dose_line(dose: Dose) -> str:
    first, last = dose.layers
    strength = f" {dose.strength:+g}" if dose.operation in ("add", "set") else ""
    at = f"layer {first}" if first == last else f"layers {first} to {last}"
    return f"{dose.operation} {dose.direction.name!r}{strength} at {at}"


def _missing(key: str) -> AnalysisError:
    return AnalysisError(
        f"The library on this machine holds no entry {key}. It was deleted, or kept on another machine: ask for "
        "the file and import it."
    )


def _spoilt(key: str, reason: Any) -> AnalysisError:
    return AnalysisError(
        f"The entry {key} of the library is damaged ({reason}). Delete it and save it again."
    )
