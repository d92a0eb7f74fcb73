"""A registry of npm packages on this machine, which fails on demand."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import io
import json
import tarfile
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any


def tarball(files: Mapping[str, bytes]) -> bytes:
    """Returns a package as registries have them."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(data)
            entry.mode = 0o755
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def checksum(data: bytes) -> str:
    """Returns what npm compares the bytes of a package with."""
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


class Registry:
    """The packages, and what is answered in place of them.

    `failing` has the status of paths that fail. A request for a path in `hanging` sets `reached`
    and is not answered until the registry ends. `fetched` are the paths in the order of requests.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.failing: dict[str, int] = {}
        self.hanging: set[str] = set()
        self.reached = threading.Event()
        self.released = threading.Event()
        self.fetched: list[str] = []
        self._packages: dict[str, dict[str, Any]] = {}
        self._tarballs: dict[str, bytes] = {}

    def publish(
        self,
        name: str,
        version: str = "1.0.0",
        files: Mapping[str, bytes] | None = None,
        *,
        announced: str | None = None,
        **manifest: Any,
    ) -> str:
        """Adds a version of a package, and returns the path of its tarball.

        `announced` is the checksum that the registry says, by default the right one.
        """
        manifest = {"name": name, "version": version, **manifest}
        main = {"package.json": json.dumps(manifest).encode()}
        data = tarball({"index.js": b"exports.ok = true;\n", **(files or {}), **main})
        path = f"/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
        self._tarballs[path] = data
        package = self._packages.setdefault(name, {"name": name, "versions": {}})
        package["dist-tags"] = {"latest": version}
        package["versions"][version] = {
            **manifest,
            "hasInstallScript": "install" in manifest.get("scripts", {}),
            "dist": {"tarball": self.url + path, "integrity": announced or checksum(data)},
        }
        return path

    def replace(self, name: str, version: str, data: bytes) -> None:
        """Replaces the tarball of a version, and its checksum."""
        dist = self._packages[name]["versions"][version]["dist"]
        self._tarballs[dist["tarball"].removeprefix(self.url)] = data
        dist["integrity"] = checksum(data)

    def answer(self, path: str) -> tuple[int, bytes]:
        """Returns status and body for a path."""
        self.fetched.append(path)
        if path in self.hanging:
            self.reached.set()
            self.released.wait(120)
        if path in self.failing:
            return self.failing[path], b'{"error": "failing as it should"}'
        if path in self._tarballs:
            return 200, self._tarballs[path]
        package = self._packages.get(path[1:])
        if package is None:
            return 404, b'{"error": "Not found"}'
        return 200, json.dumps(package).encode()


@contextlib.contextmanager
def running() -> Iterator[Registry]:
    """Runs a registry on a free port of this machine."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = registry.answer(urllib.parse.unquote(self.path))
            # The client of a request that hangs may be gone.
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Prints nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry = Registry(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield registry
        finally:
            registry.released.set()
            server.shutdown()
            thread.join()
