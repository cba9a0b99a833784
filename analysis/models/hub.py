"""Models of the Hugging Face hub: safetensors and tokenizer files only, from the cache where offline."""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from huggingface_hub import (
    HfApi,
    constants,
    get_cached_repo_tree,
    hf_hub_download,
    snapshot_download,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    IncompleteSnapshotError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    RevisionResolutionError,
)
from tqdm import tqdm

from analysis import store
from analysis.errors import AnalysisError, Cancelled
from analysis.jobs import Report, silent, start
from analysis.models.files import PICKLES, read_json_file, require_known_code, require_model_folder
from analysis.models.loading_bars import follow

T = TypeVar("T")
KEPT = (".safetensors", ".json", ".txt", ".model", ".jinja")
UNREACHABLE = (
    httpx2.TransportError,
    OfflineModeIsEnabled,
    LocalEntryNotFoundError,
    IncompleteSnapshotError,
    RevisionResolutionError,
)
ABSENT = (LocalEntryNotFoundError, IncompleteSnapshotError, CachedRepoTreeNotFoundError)
PATIENCE = 10.0
"""Seconds to wait for the hub's first answer."""

constants.HF_HUB_DISABLE_TELEMETRY = True
# xet transfers run in native code that cannot be cancelled; plain HTTP stops at the next chunk
constants.HF_HUB_DISABLE_XET = True


@dataclass(frozen=True)
class Wanted:
    """The files of one commit that are to be fetched."""

    commit: str
    sizes: dict[str, int]
    """Bytes by file name."""


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
        wanted = _asked(lambda: _look_up(repo, revision), repo, revision, report)
    except _Unreachable as unreachable:
        folder = _cached(repo, revision, unreachable)
        note = "The hub could not be reached; the files come from this machine's cache."
        return folder, folder.name, note
    _check_code(repo, wanted, report)
    missing = {name: size for name, size in wanted.sizes.items() if not _has(repo, name, wanted.commit)}
    store.require_space(Path(constants.HF_HUB_CACHE), sum(missing.values()), repo)
    try:
        with _in_words(repo, revision):
            folder = _download(repo, wanted, sum(missing.values()), report)
    except _Unreachable as unreachable:
        raise AnalysisError(
            f"The connection to the hub broke while {repo} was being fetched ({unreachable}). "
            "Try again: what has arrived is kept."
        ) from unreachable
    require_model_folder(folder)
    return folder, wanted.commit, ""


class _Unreachable(Exception):
    """The hub did not answer, and why."""


def _asked(work: Callable[[], T], repo: str, revision: str | None, report: Report) -> T:
    """Ask the hub something that takes no time to speak of."""
    with _in_words(repo, revision):
        return follow(start(f"Asking the hub for {repo}", lambda _: work()), report)


@contextmanager
def _in_words(repo: str, revision: str | None) -> Iterator[None]:
    """What the hub's library raises becomes a sentence."""
    try:
        yield
    except (AnalysisError, Cancelled):
        raise
    except UNREACHABLE as error:
        raise _Unreachable(type(error).__name__) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise AnalysisError(_sentence(error, repo, revision)) from error


def _sentence(error: Exception, repo: str, revision: str | None) -> str:
    if isinstance(error, GatedRepoError):
        return (
            f"{repo} is gated: its owner asks you to agree to terms first. Agree on its page at the hub, "
            "log in on this machine (hf auth login), and load it again."
        )
    if isinstance(error, RevisionNotFoundError):
        return f"{repo} has no revision {revision!r}. Give one of its branches, tags or commits, or none."
    if isinstance(error, RepositoryNotFoundError):
        return (
            f"The hub has no model {repo!r} that this machine may read. Check the spelling (owner/name); "
            "for a private model log in first (hf auth login)."
        )
    if isinstance(error, HFValidationError):
        return f"{repo!r} is not a hub id. Write it as owner/name, as on the model's page."
    if getattr(error, "errno", None) == errno.ENOSPC:
        return (
            f"The disk became full while {repo} was being fetched into {constants.HF_HUB_CACHE}. "
            "Free some space, or set HF_HOME to a folder on another disk, and load it again."
        )
    answer = getattr(getattr(error, "response", None), "status_code", None)
    reason = f"it answered with status {answer}" if answer else str(error).splitlines()[0][:200]
    return f"The hub could not give {repo} ({reason}). Try again later."


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
        config = _asked(
            lambda: hf_hub_download(repo, "config.json", revision=wanted.commit), repo, wanted.commit, report
        )
    except _Unreachable as unreachable:
        raise AnalysisError(f"The connection to the hub broke ({unreachable}). Try again.") from unreachable
    require_known_code(read_json_file(Path(config)), repo)


def _has(repo: str, name: str, commit: str) -> bool:
    return isinstance(try_to_load_from_cache(repo, name, revision=commit), str)


def _download(repo: str, wanted: Wanted, missing: int, report: Report) -> Path:
    title = f"Downloading {repo}"
    job = start(
        title,
        lambda heard: snapshot_download(
            repo,
            revision=wanted.commit,
            allow_patterns=_patterns(wanted.sizes),
            max_workers=4,
            tqdm_class=_bars(heard, title, missing),
        ),
    )
    return Path(follow(job, report))


def _bars(report: Report, title: str, total: int) -> type[tqdm]:
    """A progress bar class that reports bytes and draws nothing."""

    class Bar(tqdm):
        def __init__(self, *args: Any, **options: Any):
            self._counts_bytes = options.get("unit") == "B"
            self._done = float(options.get("initial") or 0)
            options.pop("name", None)
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: Any = 1) -> None:
            self._done += n or 0
            if self._counts_bytes:
                report(title, self._done, float(total) or None)

    return Bar


def _cached(repo: str, revision: str | None, why: Exception) -> Path:
    """The folder that an earlier, complete download left."""
    try:
        wanted = files_wanted(repo, [entry.path for entry in get_cached_repo_tree(repo, revision=revision)])
        kept = snapshot_download(
            repo, revision=revision, local_files_only=True, allow_patterns=_patterns(wanted)
        )
    except ABSENT as error:
        raise AnalysisError(
            f"{repo} is not on this machine and the hub could not be reached ({why}). Connect to the network, "
            "or give a local folder or .gguf file."
        ) from error
    require_model_folder(Path(kept))
    return Path(kept)


def _patterns(names: Iterable[str]) -> list[str]:
    # exact names are patterns too, once their wildcards are escaped
    return [name.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]") for name in names]
