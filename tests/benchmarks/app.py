"""What a person waits for: a page that has been computed before, and the start."""

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.testing.v1 import AppTest
from websockets.sync.client import connect

from tests.benchmarks.measure import Quantity, percentile, seconds

ROOT = Path(__file__).resolve().parent.parent.parent
RERUNS = 40
PATIENCE = 120.0


def cached_page() -> Iterator[Quantity]:
    """Server side: the script from the top with its reading in the cache, the cursor moved every time."""
    warner = "streamlit.runtime.scriptrunner_utils.script_run_context"  # of every call outside a server
    logging.getLogger(warner).setLevel(logging.ERROR)
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=PATIENCE).run()
    deadline = time.monotonic() + PATIENCE
    while not any(slider.key == "layer_slider" for slider in page.slider):
        if time.monotonic() > deadline:
            raise TimeoutError("The page did not finish its first reading.")
        time.sleep(0.3)
        page.run()
    times = []
    for layer in range(RERUNS):
        page.slider(key="layer_slider").set_value(layer % 30)
        times.append(1000 * seconds(page.run))
    if page.exception:
        raise AssertionError(page.exception[0].value)
    yield Quantity(
        "rerun of a cached page, 95th percentile",
        percentile(times, 0.95),
        "ms",
        100,
        "on the server, no browser",
    )
    yield Quantity("  its median", percentile(times, 0.5), "ms", None, "")


def start() -> Iterator[Quantity]:
    """From the command to a page drawn from the loaded model, the weights being in the store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "components.launcher", "--port", str(port)]
    began = time.perf_counter()
    launcher = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        if not any("ready" in line for line in launcher.stdout):
            raise AssertionError("The launcher ended before the app was ready.")
        ready = time.perf_counter() - began
        while not _drawn(port):
            if time.perf_counter() - began > PATIENCE:
                raise TimeoutError("The app did not draw its first picture.")
        took = time.perf_counter() - began
        compiled = _mapped(launcher.pid, r"/(numba|llvmlite|umap)/")
    finally:
        launcher.send_signal(signal.SIGTERM)
        launcher.wait(30)
    yield Quantity("start to a picture from the loaded model", took, "s", 10, "weights in the store")
    yield Quantity("  of this, to the line that says ready", ready, "s", None, "")
    yield Quantity("  processes that hold UMAP's compiler", compiled, "", 0, "of the launcher and its server")


def _drawn(port: int) -> bool:
    """Open a session as a browser does; True if the page came with the model's layers, not with a wait."""
    run = BackMsg()
    run.rerun_script.query_string = ""
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    drawn = False
    with connect(address, subprotocols=["streamlit"], max_size=None, proxy=None) as session:
        session.send(run.SerializeToString())
        while True:
            data = session.recv(timeout=PATIENCE)
            drawn = drawn or b"layer_slider" in data
            if ForwardMsg.FromString(data).WhichOneof("type") == "script_finished":
                return drawn


def _mapped(pid: int, pattern: str) -> int:
    """Processes of a tree with such a library in memory: an import of UMAP maps numba's compiler."""
    if not os.path.exists("/proc/self/maps"):
        return 0
    tree = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    return sum(bool(re.search(pattern, Path(f"/proc/{each}/maps").read_text())) for each in tree)
