"""Files of the Hugging Face hub: asked for, counted, brought to this disk, and every refusal in words."""

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from huggingface_hub import constants, snapshot_download, try_to_load_from_cache
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

from analysis.errors import AnalysisError, Cancelled
from analysis.jobs import Report, start
from analysis.models.loading_bars import follow

T = TypeVar("T")
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


class Unreachable(Exception):
    """The hub did not answer, and why."""


def asked(work: Callable[[], T], repo: str, revision: str | None, report: Report) -> T:
    """Ask the hub something that takes no time to speak of."""
    with in_words(repo, revision):
        return follow(start(f"Asking the hub for {repo}", lambda _: work()), report)


@contextmanager
def in_words(repo: str, revision: str | None) -> Iterator[None]:
    """What the hub's library raises becomes a sentence.

    Raises:
        Unreachable: there was no answer; files that are on this disk may do.
        AnalysisError: the hub refused, or the disk is full.
    """
    try:
        yield
    except (AnalysisError, Cancelled):
        raise
    except UNREACHABLE as error:
        raise Unreachable(type(error).__name__) from error
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


def has(repo: str, name: str, commit: str) -> bool:
    """True if a file of a commit is on this disk already."""
    return isinstance(try_to_load_from_cache(repo, name, revision=commit), str)


def download(repo: str, wanted: Wanted, missing: int, report: Report) -> Path:
    """Bring files to this disk, and say in which folder they are.

    Args:
        repo: `owner/name`.
        wanted: the files.
        missing: bytes that are not on this disk yet.
        report: told the bytes that came; raises `Cancelled` to stop, and what came is kept.
    """
    title = f"Downloading {repo}"
    job = start(
        title,
        lambda heard: snapshot_download(
            repo,
            revision=wanted.commit,
            allow_patterns=patterns(wanted.sizes),
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


def patterns(names: Iterable[str]) -> list[str]:
    """File names as patterns that match nothing else: their wildcards are escaped."""
    return [name.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]") for name in names]
