"""Models of the Hugging Face hub: safetensors and tokenizer files only, from the cache where offline."""

from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import HfApi, constants, get_cached_repo_tree, hf_hub_download, snapshot_download

from analysis import store
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models.files import PICKLES, read_json_file, require_known_code, require_model_folder
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

KEPT = (".safetensors", ".json", ".txt", ".model", ".jinja")


def fetch(repo: str, revision: str | None, report: Report = silent) -> tuple[Path, str, str]:
    """Bring a model's files to this disk.

    Args:
        repo: `owner/name`.
        revision: branch, tag or commit; None is the default branch.
        report: told the bytes fetched; raises `Cancelled` to stop.

    Returns:
        The folder, the commit, and a sentence where the files come from the cache unchecked.

    Raises:
        AnalysisError: unknown, gated, without safetensors, too large for the disk, or no network.
    """
    report(f"Asking the hub for {repo}")
    try:
        wanted = asked(lambda: _look_up(repo, revision), repo, revision, report)
    except Unreachable as unreachable:
        folder = _cached(repo, revision, unreachable)
        note = "The hub could not be reached; the files come from this machine's cache."
        return folder, folder.name, note
    _check_code(repo, wanted, report)
    missing = {name: size for name, size in wanted.sizes.items() if not has(repo, name, wanted.commit)}
    store.require_space(Path(constants.HF_HUB_CACHE), sum(missing.values()), repo)
    try:
        with in_words(repo, revision):
            folder = download(repo, wanted, sum(missing.values()), report)
    except Unreachable as unreachable:
        raise AnalysisError(
            f"The connection to the hub broke while {repo} was being fetched ({unreachable}). "
            "Try again: what has arrived is kept."
        ) from unreachable
    require_model_folder(folder)
    return folder, wanted.commit, ""


def _look_up(repo: str, revision: str | None) -> Wanted:
    api = HfApi()
    commit = api.resolve_revision(
        repo, revision=revision
    ).resolved  # noted in the cache, for starts without a network
    info = api.model_info(repo, revision=commit, files_metadata=True, timeout=PATIENCE)
    sizes = {entry.rfilename: entry.size or 0 for entry in info.siblings or []}
    names = files_wanted(repo, sizes)
    return Wanted(commit, {name: sizes[name] for name in names})


def files_wanted(repo: str, names: Iterable[str]) -> list[str]:
    """Choose what to fetch: safetensors once, configuration and tokenizer, never a pickle or code.

    Raises:
        AnalysisError: there are no safetensors at the top of the repository.
    """
    top = [name for name in names if "/" not in name]
    weights = [name for name in top if name.endswith(".safetensors")]
    if not weights:
        raise AnalysisError(_no_safetensors(repo, top))
    if {"model.safetensors", "model.safetensors.index.json"} & set(top):  # others hold the same weights again
        weights = [name for name in weights if name.startswith("model")]
    others = [n for n in top if n.endswith(KEPT) and not n.endswith(".safetensors")]
    return sorted(weights + others)


def _no_safetensors(repo: str, names: list[str]) -> str:
    if any(name.endswith(".gguf") for name in names):
        return (
            f"{repo} holds GGUF files and no safetensors. Download one and give the path of the .gguf file."
        )
    pickled = next((name for name in names if name.endswith(PICKLES)), None)
    if pickled:
        return (
            f"{repo} holds its weights only as {pickled}, a pickle, which can run any code when opened. Only "
            "safetensors are opened. Choose a revision or a copy with safetensors, or convert it where you trust it."
        )
    return f"{repo} holds no safetensors files, so it is not a model that can be opened. Choose another."


def _check_code(repo: str, wanted: Wanted, report: Report) -> None:
    """Refuse a model that needs code of its own before its gigabytes are fetched."""
    if "config.json" not in wanted.sizes:
        raise AnalysisError(f"{repo} has no config.json, so it is not a transformers model. Choose another.")
    try:
        config = asked(
            lambda: hf_hub_download(repo, "config.json", revision=wanted.commit), repo, wanted.commit, report
        )
    except Unreachable as unreachable:
        raise AnalysisError(f"The connection to the hub broke ({unreachable}). Try again.") from unreachable
    require_known_code(read_json_file(Path(config)), repo)


def _cached(repo: str, revision: str | None, why: Exception) -> Path:
    """The folder that an earlier, complete download left."""
    try:
        wanted = files_wanted(repo, [entry.path for entry in get_cached_repo_tree(repo, revision=revision)])
        kept = snapshot_download(
            repo, revision=revision, local_files_only=True, allow_patterns=patterns(wanted)
        )
    except ABSENT as error:
        raise AnalysisError(
            f"{repo} is not on this machine and the hub could not be reached ({why}). Connect to the network, "
            "or give a local folder or .gguf file."
        ) from error
    require_model_folder(Path(kept))
    return Path(kept)
