"""Which dictionaries there are for a model: those that ship, those that were kept, and its own neurons.

What ships lies in the package, what is kept under `store.home()/dictionaries`, each as a folder in SAELens' format;
beside a kept one `about.json` holds what may change, its name. Listing reads `cfg.json` only, never weights. What is
deleted goes to `trash/<time>-<key>` and can be brought back.
"""

import re
import shutil
import time
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from analysis import store
from analysis.dictionaries.dictionary import Dictionary
from analysis.dictionaries.fit import fits
from analysis.dictionaries.formats.hook_names import said
from analysis.dictionaries.formats.sae_config import CONFIG, KIND, LABELS, SaeConfig, read_config
from analysis.dictionaries.formats.sae_folder import WEIGHTS, read_folder, write_folder
from analysis.dictionaries.neurons import neurons
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.jobs import silent
from analysis.models.loaded import LoadedModel

SHIPPED = Path(__file__).parent.parent / "data" / "dictionaries"
"""Folders of folders: model, then dictionary."""
ABOUT, STORED = "about.json", "dictionaries"
KEY = re.compile(r"[0-9a-f]{16}")
KEPT_IN_TRASH = 5
LONGEST_NAME = 80
UNSHOWABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories that a name on one line has no use for."""
FEW_TOKENS = 5_000_000
"""Training tokens below which a dictionary is called exploratory: its features fit the text it saw."""


@dataclass(frozen=True)
class About:
    """What is kept beside a kept dictionary."""

    key: str
    """16 hex digits that its content has and no other."""
    name: str
    kept: str
    """When, in ISO 8601, UTC."""
    how: str
    """Where it comes from, in a sentence."""
    bytes: int
    """Of its weights."""


@dataclass(frozen=True)
class Offer:
    """A dictionary that can be opened."""

    id: str
    """`shipped.<folder>`, `kept.<key>` or `neurons.<layer>`; stands in links."""
    name: str
    site: Site
    features: int
    origin: Literal["shipped", "kept", "neurons"]
    card: dict = field(default_factory=dict)
    """The metadata of its `cfg.json`: training text, `quality`, `neuronpedia_id`, ..."""
    folder: Path | None = None
    """Where its files lie; None for neurons."""
    kind: str = "neurons"
    """How its features are found, in a word: `BatchTopK`, `JumpReLU`, `neurons`."""
    about: About | None = None
    """Of a kept one."""

    @property
    def tokens(self) -> int | None:
        """Tokens it was trained on; None where nobody says."""
        said = self.card.get("training_tokens", self.card.get("tokens"))
        return int(said) if isinstance(said, (int, float)) else None

    @property
    def exploratory(self) -> bool:
        """True if it was trained on so few tokens that its features partly fit that text alone."""
        return self.tokens is not None and self.tokens < FEW_TOKENS


def offered(model: LoadedModel) -> tuple[Offer, ...]:
    """Everything that fits the model: sparse dictionaries by layer, then its neurons by layer.

    What cannot be read is left out; `damaged` names those that were kept.
    """
    sparse = [*_shipped(model), *_kept(model)]
    own = [
        Offer(f"neurons.{site.layer}", f"{said(site)} · needs no training", site, model.n_neurons, "neurons")
        for site in model.neuron_sites()
    ]
    order = {"residual": 0, "attention": 1, "mlp": 2, "neurons": 3}
    sparse.sort(key=lambda each: (each.site.layer, order[each.site.stream], each.origin == "kept", each.name))
    return (*sparse, *own)


def offer_of(model: LoadedModel, id: str) -> Offer:
    """The offer of an id.

    Raises:
        AnalysisError: the model has none of this id.
    """
    found = next((each for each in offered(model) if each.id == id), None)
    if found is None:
        raise AnalysisError(
            f"There is no dictionary {id[:80]!r} for {model.title} on this machine; it was deleted, or made elsewhere. "
            "Choose another one, or bring its folder."
        )
    return found


def open_dictionary(model: LoadedModel, id: str) -> Dictionary:
    """The dictionary that an offer names.

    Raises:
        AnalysisError: there is none, it is damaged, or it is not this model's.
    """
    origin, _, rest = id.partition(".")
    if origin == "neurons" and rest.isdecimal():
        return neurons(model, int(rest))
    offer = offer_of(model, id)
    found = read_folder(offer.folder)
    found.require_fit(model)
    return found


def keep(dictionary: Dictionary, name: str, how: str = "", card: Mapping[str, object] | None = None) -> Offer:
    """Keep a dictionary on this machine.

    Args:
        dictionary: with weights of its own; they are kept as float16, or as float32 where its card says
            `dtype: float32`.
        name: for the person; up to 80 characters on one line.
        how: where it comes from, in a sentence.
        card: entries that join or replace those of its own card: `quality`, `training_tokens`, ...

    Returns:
        Its offer; the one there already is if the same weights are kept.

    Raises:
        AnalysisError: the name is taken or does not fit, the disk is full, or it has no weights.
    """
    name, key = _name(name), dictionary.fingerprint[:16]
    whole = dict(getattr(dictionary, "card", {})) | dict(card or {})
    with _changing():
        if (present := _entry(_place(key))) is not None:
            return present
        _require_free(name, key)
        with store.new_folder(_place(key)) as partial:
            write_folder(
                dictionary, partial, "float32" if whole.get("dtype") == "float32" else "float16", whole
            )
            size = (partial / WEIGHTS).stat().st_size
            about = About(key, name, datetime.now(UTC).isoformat(timespec="seconds"), how, size)
            store.write_json(partial / ABOUT, asdict(about))
    return _entry(_place(key))


def describe(id: str, **entries: object) -> Offer:
    """Add entries to the card of a kept dictionary, such as its measured quality; its weights and key stay.

    Raises:
        AnalysisError: there is no such entry.
    """
    with _changing():
        place = _found(id)
        config = store.read_json(place / CONFIG)
        store.write_json(place / CONFIG, config | {"metadata": config["metadata"] | entries})
    return _entry(place)


def rename(id: str, name: str) -> Offer:
    """Give a kept dictionary another name.

    Raises:
        AnalysisError: there is no such entry, or the name is taken or does not fit.
    """
    name = _name(name)
    with _changing():
        place = _found(id)
        _require_free(name, place.name)
        store.write_json(place / ABOUT, asdict(replace(_about(place), name=name)))
    return _entry(place)


def delete(id: str) -> None:
    """Move a kept dictionary to the trash, which keeps the last 5.

    Raises:
        AnalysisError: there is no such entry.
    """
    with _changing():
        place = _found(id)
        trash = store.folder(STORED, "trash")
        place.rename(trash / f"{time.time_ns():020d}-{place.name}")
        for old in sorted(trash.iterdir())[:-KEPT_IN_TRASH]:
            shutil.rmtree(old, ignore_errors=True)


def undelete(id: str) -> Offer:
    """Bring a dictionary back from the trash.

    Raises:
        AnalysisError: it is not there, or its place or its name has been taken.
    """
    with _changing():
        place = _place(_key(id))
        thrown = sorted(store.folder(STORED, "trash").glob(f"*-{place.name}"))
        if not thrown:
            raise AnalysisError(
                f"The trash holds no dictionary {id}; it keeps the last {KEPT_IN_TRASH}. Make it again."
            )
        if place.exists():
            raise AnalysisError("This dictionary is on the shelf again already; nothing was changed.")
        _require_free(_about(thrown[-1]).name, place.name)
        thrown[-1].rename(place)
    return _entry(place)


def damaged() -> tuple[tuple[str, str], ...]:
    """Ids of kept dictionaries that cannot be read, each with the reason; they can be deleted."""
    found = []
    for folder in _folders():
        try:
            _read(folder)
        except AnalysisError as error:
            if folder.is_dir():
                found.append((f"kept.{folder.name}", str(error)))
    return tuple(found)


def label_of(config: SaeConfig) -> str:
    """How the features of a folder's dictionary are found, in a word: as it was trained, where its card says so."""
    trained = config.card.get("trained_as") or config.card.get(KIND)
    named = trained if isinstance(trained, str) and trained else config.architecture
    return LABELS.get(named, named[:40])


def _shipped(model: LoadedModel) -> list[Offer]:
    offers = []
    for path in sorted(SHIPPED.glob(f"*/*/{CONFIG}")):
        try:
            config = _config_of(path.parent)
        except AnalysisError:  # it is being written
            continue
        if fits(model, config.model, config.site, config.width):
            name = f"{said(config.site)} · {config.features:,} features · {label_of(config)} · ships"
            offers.append(_offer(f"shipped.{path.parent.name}", name, "shipped", path.parent, config))
    return offers


def _kept(model: LoadedModel) -> list[Offer]:
    entries = [(folder, _entry(folder)) for folder in _folders()]
    return [
        each
        for folder, each in entries
        if each is not None
        and (config := _config_of(folder))
        and fits(model, config.model, config.site, config.width)
    ]


def _entry(folder: Path) -> Offer | None:
    """The offer of a kept folder; None where it cannot be read."""
    try:
        return _read(folder)
    except AnalysisError:
        return None


def _read(folder: Path) -> Offer:
    config, about = _config_of(folder), _about(folder)
    weights = folder / WEIGHTS
    if not weights.is_file() or weights.stat().st_size != about.bytes:
        raise AnalysisError(
            f"The weights of {about.name!r} are missing, or not as long as they were written."
        )
    name = f"{about.name} · {said(config.site).lower()} · {config.features:,} features"
    return replace(_offer(f"kept.{folder.name}", name, "kept", folder, config), about=about)


def _offer(id: str, name: str, origin: Literal["shipped", "kept"], folder: Path, config: SaeConfig) -> Offer:
    return Offer(id, name, config.site, config.features, origin, config.card, folder, label_of(config))


def _config_of(folder: Path) -> SaeConfig:
    path = folder / CONFIG
    try:
        return _config(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise AnalysisError(f"{path} cannot be read ({error.strerror}).") from error


@lru_cache(maxsize=256)
def _config(path: Path, written: int) -> SaeConfig:
    """A configuration, read once as long as its file does not change."""
    return read_config(path.parent)


def _about(folder: Path) -> About:
    try:
        about = About(**store.read_json(folder / ABOUT))
    except TypeError as error:
        raise AnalysisError(f"{folder / ABOUT} does not hold what was written into it.") from error
    texts = (about.key, about.name, about.kept, about.how)
    if not all(isinstance(each, str) for each in texts) or about.key != folder.name[-16:]:
        raise AnalysisError(f"{folder / ABOUT} does not hold what was written into it.")
    return about


def _folders() -> list[Path]:
    root = store.home() / STORED
    try:
        return sorted(place for place in root.iterdir() if KEY.fullmatch(place.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AnalysisError(
            f"The dictionaries in {root} cannot be read ({error.strerror or error}). Check its permissions, or set "
            "BATHYSCOPE_HOME to another folder."
        ) from error


def _key(id: str) -> str:
    # an id may come from a link, and must not lead out of the folder
    origin, _, key = id.partition(".")
    if origin != "kept" or not KEY.fullmatch(key):
        raise AnalysisError(
            f"{id[:80]!r} names no dictionary that was kept: expected 'kept.' and 16 digits of 0-9 and a-f. What "
            "ships, and a model's neurons, can be neither renamed nor deleted."
        )
    return key


def _place(key: str) -> Path:
    return store.home() / STORED / key


def _found(id: str) -> Path:
    place = _place(_key(id))
    if not place.is_dir():
        raise AnalysisError(
            f"This machine keeps no dictionary {id}; it was deleted, or kept on another machine."
        )
    return place


@contextmanager
def _changing() -> Iterator[None]:
    """Nobody else changes the shelf meanwhile."""
    try:
        _place("").mkdir(parents=True, exist_ok=True)
        with store.held(STORED, silent, "Waiting for another process that keeps a dictionary"):
            yield
    except OSError as error:
        raise AnalysisError(
            f"The dictionaries in {_place('')} cannot be changed ({error.strerror or error}). Free some space, or set "
            "BATHYSCOPE_HOME to a folder that can be written to."
        ) from error


def _require_free(name: str, key: str) -> None:
    others = (entry.about for folder in _folders() if (entry := _entry(folder)) is not None)
    if any(other.name == name and other.key != key for other in others):
        raise AnalysisError(
            f"A dictionary named {name!r} is kept already. Choose another name, or rename or delete that one."
        )


def _name(name: Any) -> str:
    text = str(name).strip()
    odd = [character for character in text if unicodedata.category(character) in UNSHOWABLE]
    if odd or not 1 <= len(text) <= LONGEST_NAME:
        given = f"the character {odd[0]!r}" if odd else f"{len(text)} characters"
        raise AnalysisError(
            f"A name with {given} was given; expected 1 to {LONGEST_NAME} characters on one line. Change the name."
        )
    return text
