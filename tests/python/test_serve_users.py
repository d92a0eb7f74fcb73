"""A server and a client of different users: each refuses the other.

What decides is tested everywhere, in the crates; here two users meet, which takes root.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import addon_path
from napi_python import LoadError, load_addon
from test_serve import serving

NOBODY = 65534


def in_child(work: Callable[[], str | None]) -> str:
    """Runs this in a child, which may become another user; returns what it returns."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.write(writable, (work() or "").encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writable)
    with os.fdopen(readable) as said:
        text = said.read()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, text
    return text


def become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


@pytest.fixture(autouse=True)
def two_users() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user to meet this one")
    try:
        in_child(become_nobody)
    except AssertionError:
        pytest.skip(f"this namespace has no user {NOBODY} to become")


def test_server_refuses_a_client_of_another_user(tmp_path: Path) -> None:
    with serving("--socket", str(tmp_path / "server" / "socket")) as server:
        # As if the folder did not keep others out by itself.
        descriptor = os.open(server.address.parent, os.O_RDONLY | os.O_DIRECTORY)
        server.address.parent.chmod(0o777)
        server.address.chmod(0o777)

        def attach() -> str:
            os.fchdir(descriptor)
            become_nobody()
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.settimeout(20)
                stranger.connect("socket")
                said = b""
                while more := stranger.recv(1000):
                    said += more
                return said.decode(errors="replace")

        assert "this server belongs to another user" in in_child(attach)
        server.address.parent.chmod(0o700)
        os.close(descriptor)
        with load_addon(addon_path("primitive"), address=server.address):
            pass
        assert server.poll() is None


def test_folder_keeps_others_out_by_itself(tmp_path: Path) -> None:
    with serving("--socket", str(tmp_path / "server" / "socket")) as server:
        descriptor = os.open(server.address.parent, os.O_RDONLY | os.O_DIRECTORY)

        def attach() -> str:
            os.fchdir(descriptor)
            become_nobody()
            with socket.socket(socket.AF_UNIX) as stranger:
                try:
                    stranger.connect("socket")
                except PermissionError:
                    return "kept out"
            return "let in"

        assert in_child(attach) == "kept out"
        os.close(descriptor)


def test_client_refuses_a_server_of_another_user(tmp_path: Path) -> None:
    """One that listens in a folder of this user: the user of the listening process counts."""
    folder = tmp_path / "server"
    folder.mkdir(mode=0o700)
    address = folder / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))

        def listen() -> None:
            become_nobody()
            listener.listen(5)

        in_child(listen)
        with pytest.raises(LoadError, match="it runs as another user"):
            load_addon(addon_path("primitive"), address=address, start_timeout=20)
