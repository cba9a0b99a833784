"""A hub on loopback: enough of its HTTP interface for the real download code to run against."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

COMMIT = "1" * 40
OLDER = "2" * 40


@dataclass
class FakeHub:
    """What the server serves; tests change it while it runs."""

    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    slow: float = 0.0
    """Seconds between chunks of 16 kB."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Claimed sizes, where they should differ from the true ones."""
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    """Bytes of all answers so far."""
    url: str = ""

    def put_folder(self, repo: str, folder: Path) -> None:
        self.repos[repo] = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *ignored: object) -> None:
        return

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(self.path.split("?")[0])
        self.hub.asked.append(f"{self.command} {path}")
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path):
            self._repository(found[1], found[2], found[3] or "main")
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(found[1], found[2], found[3])
        else:
            self._refuse(404, "EntryNotFound")

    def _known(self, repo: str, revision: str) -> bool:
        if repo not in self.hub.repos:
            self._refuse(401, "RepoNotFound")
        elif repo in self.hub.gated:
            self._refuse(403, "GatedRepo")
        elif revision not in ("main", "v1", COMMIT, OLDER):
            self._refuse(404, "RevisionNotFound")
        else:
            return True
        return False

    def _repository(self, repo: str, what: str | None, revision: str) -> None:
        if not self._known(repo, revision):
            return
        commit = OLDER if revision in ("v1", OLDER) else COMMIT
        files = {n: self.hub.sizes.get(n, len(d)) for n, d in self.hub.repos[repo].items()}
        if what == "tree":
            listing = [{"type": "file", "path": n, "size": s, "oid": _etag(n)} for n, s in files.items()]
            self._send(json.dumps(listing).encode(), {})
        else:
            siblings = [{"rfilename": n, "size": s, "blobId": _etag(n)} for n, s in files.items()]
            body = {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings, "tags": []}
            self._send(json.dumps(body).encode(), {})

    def _file(self, repo: str, revision: str, name: str) -> None:
        if not self._known(repo, revision):
            return
        data = self.hub.repos[repo].get(name)
        if data is None:
            self._refuse(404, "EntryNotFound")
            return
        commit = OLDER if revision in ("v1", OLDER) else COMMIT
        tag = hashlib.sha1(data).hexdigest()
        self._send(data, {"X-Repo-Commit": commit, "ETag": f'"{tag}"', "Accept-Ranges": "bytes"})

    def _send(self, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            for start in range(0, len(body), 16384):
                self.wfile.write(body[start : start + 16384])
                self.hub.sent += len(body[start : start + 16384])
                if self.hub.slow and len(body) > 16384:
                    time.sleep(self.hub.slow)
        except OSError:  # the client went away, as a cancelled one does
            self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        body = b'{"error": "refused"}'
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _etag(name: str) -> str:
    return hashlib.sha1(name.encode()).hexdigest()
