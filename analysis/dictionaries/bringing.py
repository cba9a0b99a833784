"""Dictionaries that others made: from a folder, from the hub or from two files, and tried before they are kept."""

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from analysis import samples, store
from analysis.data import corpus
from analysis.dictionaries.dictionary import Dictionary, SparseDictionary
from analysis.dictionaries.fit import fits, same_model
from analysis.dictionaries.formats.sae_config import CONFIG
from analysis.dictionaries.formats.sae_folder import WEIGHTS, read_folder
from analysis.dictionaries.formats.sparsify_folder import WEIGHTS as SPARSIFY_WEIGHTS
from analysis.dictionaries.formats.sparsify_folder import read_sparsify_folder
from analysis.dictionaries.rescaled import Rescaled
from analysis.dictionaries.site_states import explained
from analysis.edits import Site
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.loaded import LoadedModel

TEXTS = 12
"""Documents of the shipped text that a dictionary is tried on, 128 tokens of each."""
LITTLE = 0.5
"""Share of the variance below which something is wrong with a dictionary, or with how it is read."""
AROUND = (-1, 1, -2, 2)
"""Layers beside its own at which a dictionary that explains little is tried, too."""
MOST_UPLOADED = 2**30
"""Bytes of two files that are handed over."""


@dataclass(frozen=True)
class Trial:
    """How a dictionary does on ordinary text."""

    explained: float
    """Share of the variance of the states that it rebuilds; 1 at most, below 0 where it does harm."""
    active: float
    """Features that are active at a token, on average (L0)."""
    tokens: int
    """That it was tried on; first tokens and outliers of norm do not count."""
    warning: str
    """What may be wrong, in a sentence or two; empty where it explains at least half."""


def from_folder(path: str | Path, hook: str | None = None) -> Dictionary:
    """A dictionary in a folder on this machine.

    Args:
        path: holds `cfg.json` and the weights as SAELens or sparsify names them; `~` is the user's home.
        hook: the place it reads at, for a sparsify folder whose name does not tell.

    Raises:
        AnalysisError: there is no such folder, it holds none (folders in it that do are named), or none that is whole.
    """
    folder = _folder(path)
    if (folder / SPARSIFY_WEIGHTS).is_file():
        return read_sparsify_folder(folder, hook)
    if (folder / WEIGHTS).is_file() or (folder / CONFIG).is_file():
        return read_folder(folder)
    inside = sorted(each.parent.relative_to(folder).as_posix() for each in folder.glob(f"*/{CONFIG}"))
    more = f" Its folders {', '.join(inside[:6])} do: give one of these." if inside else ""
    raise AnalysisError(
        f"{folder} holds no dictionary: expected {CONFIG} beside {WEIGHTS} or {SPARSIFY_WEIGHTS}.{more}"
    )


def from_hub(text: str, report: Report = silent) -> Dictionary:
    """A dictionary of the Hugging Face hub.

    Args:
        text: `owner/name/folder`, a revision as `owner/name@revision/folder`; the folder is SAELens' `sae_id` or path.
        report: told the bytes fetched; raises `Cancelled` to stop.

    Raises:
        AnalysisError: there is none (those the repository has are named), no network, or no space.
    """
    from analysis.models import hub_dictionaries

    repo, folder, revision = hub_dictionaries.parse(text)
    place = hub_dictionaries.fetch(repo, folder, revision, report)
    report("Reading the dictionary")
    return from_folder(place)


def from_files(config: bytes, weights: bytes, hook: str | None = None) -> Dictionary:
    """A dictionary of two files that were handed over.

    Args:
        config: `cfg.json`.
        weights: the safetensors file beside it.
        hook: as for `from_folder`.

    Raises:
        AnalysisError: they are not of one dictionary, not whole, or together larger than 1 GiB.
    """
    if len(config) + len(weights) > MOST_UPLOADED:
        raise AnalysisError(
            f"The two files have {store.size_text(len(config) + len(weights))}; up to "
            f"{store.size_text(MOST_UPLOADED)} are taken this way. Put them into a folder and give its path."
        )
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / CONFIG).write_bytes(config)
        sparsify = b'"encoder.weight"' in weights[:100_000]
        (folder / (SPARSIFY_WEIGHTS if sparsify else WEIGHTS)).write_bytes(weights)
        return from_folder(folder, hook)


def tried(model: LoadedModel, dictionary: Dictionary, report: Report = silent) -> Trial:
    """Rebuild the states of ordinary text.

    Args:
        model: the model; the dictionary has to fit it.
        dictionary: what is tried.
        report: progress; raises `Cancelled` to stop.

    Raises:
        AnalysisError: the dictionary is not this model's.
    Source: explained variance as in Karvonen et al. 2025, arXiv 2503.09532, over all tokens that count together.
    Misleads when: the dictionary is for text unlike the shipped samples, as code or another language; it then explains
        less here than where it is meant for.
    """
    dictionary.require_fit(model)
    report("Reading ordinary text")
    states = _states(model, (dictionary.site,))[0]
    report("Rebuilding it")
    rebuilt, active = _rebuilt(dictionary, states)
    share = explained(states, rebuilt)
    warning = "" if share >= LITTLE else _warning(model, dictionary, share, report)
    return Trial(share, active, len(states), warning)


def made_for_another(dictionary: Dictionary, model: LoadedModel) -> bool:
    """True if only the model's name keeps a dictionary from being used: place and width fit."""
    named = getattr(dictionary, "model", "")
    return not same_model(named, model.title) and fits(model, "", dictionary.site, dictionary.width)


def taken_for(dictionary: Dictionary, model: LoadedModel) -> Dictionary:
    """The same dictionary as this model's, such as a base model's for its instructed version.

    Misleads when: the models differ in more than a little training; look at what it explains.
    """
    if isinstance(dictionary, Rescaled):
        return replace(dictionary, inner=taken_for(dictionary.inner, model))
    card = {**dictionary.card, "model_name": model.title, "made_for": dictionary.model}
    return replace(dictionary, model=model.title, card=card)


def save_into(folder: Path, target: str | Path) -> Path:
    """Copy a dictionary's two files into a new folder, to be used elsewhere.

    Args:
        folder: of an offer.
        target: a folder that does not exist or is empty.

    Returns:
        The folder.

    Raises:
        AnalysisError: there is something in it, or it cannot be written to.
    """
    place = _path(target)
    names = (CONFIG, WEIGHTS)
    try:
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise AnalysisError(f"{place} is there already and not empty. Give a new folder.")
        store.require_space(place, sum((folder / name).stat().st_size for name in names), "The dictionary")
        with store.new_folder(place) as partial:
            for name in names:
                shutil.copyfile(folder / name, partial / name)
            partial.chmod(0o755)
    except OSError as error:
        raise AnalysisError(
            f"{place} cannot be written to ({error.strerror or error}). Choose another folder."
        ) from error
    return place


def _states(model: LoadedModel, sites: tuple[Site, ...]) -> list[Float32[np.ndarray, "point width"]]:
    """States of ordinary text at several sites, first tokens and outliers of the first site left out."""
    windows = [own[0] for own in samples.windows(model, corpus.documents()[:TEXTS]) if own]
    trace = model.run(windows, read=list(sites))
    found = [
        np.concatenate([trace.at(site, row)[1 : len(own)] for row, own in enumerate(windows)])
        for site in sites
    ]
    usual = samples.usual_norms(np.linalg.norm(found[0], axis=1)[None])
    return [states[usual] for states in found]


def _rebuilt(
    dictionary: Dictionary, states: Float32[np.ndarray, "point width"]
) -> tuple[Float32[np.ndarray, "point width"], float]:
    with torch.inference_mode():
        activations = dictionary.encode(torch.from_numpy(states))
        active = float((activations != 0).sum(1).double().mean())
        return dictionary.decode(activations).numpy(), active


def _warning(model: LoadedModel, dictionary: Dictionary, share: float, report: Report) -> str:
    """Why a dictionary may explain little: the place or the scale at which it would explain more."""
    told = (
        f"It explains {share:.0%} of the variance of ordinary text, where a good one explains 80 % or more. "
    )
    report("Trying it elsewhere")
    better = _elsewhere(model, dictionary)
    if better is not None:
        return told + f"At layer {better[0]} it would explain {better[1]:.0%}: it probably reads there."
    factor = _scale(dictionary, _states(model, (dictionary.site,))[0])
    if factor is not None:
        return told + (
            f"With states multiplied by {factor:.3g} it would explain most of it: it was trained on scaled states, and "
            "the factor was not folded into its weights."
        )
    return (
        told
        + "The usual reasons are another model, another place, a normalisation that its files do not tell, or that few "
        "features are active and it was trained on little text."
    )


def _elsewhere(model: LoadedModel, dictionary: Dictionary) -> tuple[int, float] | None:
    """The layer near its own at which it explains at least half, and how much."""
    own = dictionary.site
    lowest = 0 if own.stream == "residual" else 1
    layers = [own.layer + step for step in AROUND if lowest <= own.layer + step <= model.n_layers]
    sites = tuple(Site(layer, own.stream) for layer in layers)
    found = (
        [explained(states, _rebuilt(dictionary, states)[0]) for states in _states(model, sites)]
        if sites
        else []
    )
    best = max(zip(found, layers, strict=True), default=(0.0, 0))
    return (best[1], best[0]) if best[0] >= LITTLE else None


def _scale(dictionary: Dictionary, states: Float32[np.ndarray, "point width"]) -> float | None:
    """The factor that brings states to the mean length sqrt(width), if it helps."""
    factor = np.float32(np.sqrt(states.shape[1]) / np.linalg.norm(states, axis=1).mean())
    if not isinstance(dictionary, SparseDictionary):
        return None
    return (
        float(factor)
        if explained(states, _rebuilt(dictionary, states * factor)[0] / factor) >= LITTLE
        else None
    )


def _folder(path: str | Path) -> Path:
    folder = _path(path)
    if folder.is_file():
        folder = folder.parent  # somebody gave one of its files
    if not folder.is_dir():
        raise AnalysisError(
            f"There is no folder {folder}. Give the folder that holds {CONFIG} and the weights."
        )
    return folder


def _path(text: str | Path) -> Path:
    text = str(text).strip()
    if not text or not text.isprintable() or len(text) > 1024:
        raise AnalysisError(
            f"No folder was named by {text[:60]!r}. Give a path, as in ~/dictionaries/layer-16."
        )
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise AnalysisError(
            f"{text[:80]!r} begins with the home of a user this machine does not have."
        ) from error
