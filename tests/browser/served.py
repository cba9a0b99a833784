"""The app or a small script as a server of its own, for the tests of this folder."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOY, PROMPT = "toy:random", "the sea is deep"
"""A small model, and a text of letters that it knows."""
PATIENCE = 180
"""Seconds a server has to answer: a busy machine imports for a minute."""


@contextmanager
def served(
    script: str | Path, environment: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[str]:
    """The address at which a Streamlit script is served while the block lasts.

    Args:
        script: relative to the project's root, or anywhere.
        environment: of the process; ours if None.
        log: where what the server writes is kept.
    """
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    with (log or Path("/dev/null")).open("w") as written:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=written, stderr=written)
    try:
        wait_for(f"http://127.0.0.1:{port}/_stcore/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, "Streamlit ended before it answered."
        try:
            urllib.request.urlopen(url, timeout=10).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(url)
