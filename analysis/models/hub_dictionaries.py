"""Dictionaries of the Hugging Face hub: the files of one folder of a repository, from the cache where offline."""

import re
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import HfApi, constants, get_cached_repo_tree, snapshot_download

from analysis import store
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.files import PICKLES
from analysis.models.hub_files import (
    ABSENT,
    PATIENCE,
    Unreachable,
    Wanted,
    asked,
    download,
    has,
    in_words,
    patterns,
)
from analysis.models.sources import parse_source

CONFIG = "cfg.json"
WEIGHTS = ("sae_weights.safetensors", "sae.safetensors")
BESIDE = ("activation_scaler.json",)
MOST_NAMED = 6
"""Folders that a sentence lists."""
PART = re.compile(r"[\w.+=-]+(?: [\w.+=-]+)*", re.ASCII)
ADDRESS = re.compile(r"https?://(?:www\.)?huggingface\.co/")
TREE = re.compile(r"([^/]+/[^/]+)/(?:tree|blob)/([^/]+)")


def parse(text: str) -> tuple[str, str, str | None]:
    """Repository, folder inside it, and revision of what a person typed.

    Args:
        text: `owner/name`, `owner/name/folder`, `owner/name@revision/folder`, or such an address on the hub.

    Raises:
        AnalysisError: it is none of these.
    """
    text = TREE.sub(r"\1@\2", ADDRESS.sub("", text.strip(), count=1), count=1).strip("/")
    parts = text.split("/")
    if len(parts) < 2:
        raise AnalysisError(
            f"{text[:80]!r} names no repository of the hub. Expected owner/name, or owner/name/folder as in "
            "jbloom/GPT2-Small-SAEs-Reformatted/blocks.8.hook_resid_pre."
        )
    source = parse_source("/".join(parts[:2]))
    folder = parts[2:]
    if source.kind != "hub" or any(not PART.fullmatch(part) or part in (".", "..") for part in folder):
        raise AnalysisError(f"{text[:120]!r} names no folder of the hub. Expected owner/name/folder.")
    return source.name, "/".join(folder), source.revision


def fetch(repo: str, folder: str, revision: str | None = None, report: Report = silent) -> Path:
    """Bring one dictionary's files to this disk.

    Args:
        repo: `owner/name`.
        folder: inside it; empty is its top.
        revision: branch, tag or commit; None is the default branch.
        report: told the bytes fetched; raises `Cancelled` to stop.

    Returns:
        The folder that holds `cfg.json` and the weights.

    Raises:
        AnalysisError: unknown, gated, without a dictionary there (those it has are named), too large for the disk, or
            no network and not fetched before.
    """
    where = f"{repo}/{folder}".rstrip("/")
    try:
        found = _listed(repo, revision, report)
    except Unreachable as unreachable:
        return _kept(repo, folder, revision, unreachable)
    wanted = Wanted(found.commit, {name: found.sizes[name] for name in _names(repo, folder, found.sizes)})
    missing = sum(size for name, size in wanted.sizes.items() if not has(repo, name, wanted.commit))
    store.require_space(Path(constants.HF_HUB_CACHE), missing, where)
    try:
        with in_words(repo, revision):
            return download(repo, wanted, missing, report) / folder
    except Unreachable as unreachable:
        raise AnalysisError(
            f"The connection to the hub broke while {where} was being fetched ({unreachable}). Try again: what has "
            "arrived is kept."
        ) from unreachable


def folders(repo: str, revision: str | None = None, report: Report = silent) -> tuple[str, ...]:
    """The folders of a repository that hold a dictionary, numbers in their names in order; the top is empty.

    Raises:
        AnalysisError: unknown, gated, or no network.
    """
    try:
        return _holding(_listed(repo, revision, report).sizes)
    except Unreachable as unreachable:
        raise AnalysisError(
            f"The hub could not be reached ({unreachable}), so the folders of {repo} cannot be listed. Connect to the "
            "network, or bring a folder that is on this machine."
        ) from unreachable


def _listed(repo: str, revision: str | None, report: Report) -> Wanted:
    """Every file of a repository."""
    report(f"Asking the hub for {repo}")

    def ask() -> Wanted:
        api = HfApi()
        commit = api.resolve_revision(
            repo, revision=revision
        ).resolved  # noted in the cache, for later starts
        info = api.model_info(repo, revision=commit, files_metadata=True, timeout=PATIENCE)
        return Wanted(commit, {entry.rfilename: entry.size or 0 for entry in info.siblings or []})

    return asked(ask, repo, revision, report)


def _names(repo: str, folder: str, names: Mapping[str, int]) -> list[str]:
    """The files that make the dictionary of a folder."""
    under = f"{folder}/" if folder else ""
    own = [name for name in (CONFIG, *WEIGHTS, *BESIDE) if under + name in names]
    if CONFIG in own and any(name in own for name in WEIGHTS):
        # sparsify tells the model of a whole run one folder above
        above = (
            [f"{under.rpartition('/')[0].rpartition('/')[0]}/config.json".lstrip("/")]
            if WEIGHTS[1] in own
            else []
        )
        return [under + name for name in own] + [name for name in above if name in names]
    raise AnalysisError(_nothing(repo, folder, under, names))


def _nothing(repo: str, folder: str, under: str, names: Mapping[str, int]) -> str:
    pickled = next((n for n in names if n.startswith(under) and n.endswith(PICKLES)), None)
    holding = _holding(names)
    where = f"the folder {folder!r} of {repo}" if folder else repo
    if pickled and (folder or not holding):
        return (
            f"{repo} holds {pickled}, a pickle, which can run any code when opened. Only safetensors are opened. "
            "Choose a copy in SAELens' format, or convert it where you trust it."
        )
    if not holding:
        return (
            f"{where} holds no dictionary: expected cfg.json beside {' or '.join(WEIGHTS)}. Choose another."
        )
    more = f", and {len(holding) - MOST_NAMED} more" if len(holding) > MOST_NAMED else ""
    return (
        f"There is no dictionary at {where}; {repo} has {', '.join(holding[:MOST_NAMED])}{more}. Add one of these "
        "behind the repository's name."
    )


def _holding(names: Mapping[str, int]) -> tuple[str, ...]:
    every = (name.rpartition("/") for name in names)
    found = {
        folder for folder, _, name in every if name in WEIGHTS and f"{folder}/{CONFIG}".lstrip("/") in names
    }
    return tuple(
        sorted(found, key=lambda name: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", name)])
    )


def _kept(repo: str, folder: str, revision: str | None, why: Exception) -> Path:
    """The folder that an earlier, complete download left."""
    try:
        tree = {entry.path: 0 for entry in get_cached_repo_tree(repo, revision=revision)}
        names = _names(repo, folder, tree)
        kept = snapshot_download(
            repo, revision=revision, local_files_only=True, allow_patterns=patterns(names)
        )
    except ABSENT as error:
        raise AnalysisError(
            f"{repo} is not on this machine and the hub could not be reached ({why}). Connect to the network, or bring "
            "a folder that is on this machine."
        ) from error
    return Path(kept) / folder
