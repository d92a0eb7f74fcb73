"""The options that messages of the sandbox advise, tried out."""

from __future__ import annotations

import errno
import json
import logging
import os
import pathlib
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from conftest import addon_path
from napi_python import Addon, JSError, Sandbox, SandboxUnavailable, load_addon

# Numbers of system calls on x86-64.
OPEN, STAT, SOCKET, FORK, EXECVE, RENAME, MKDIR, RMDIR, CREAT = 2, 4, 41, 57, 59, 82, 83, 84, 85
LINK, UNLINK, SYMLINK, CHMOD, CHOWN, PTRACE, MOUNT, SETXATTR = 86, 87, 88, 90, 92, 101, 165, 188
SOCKETPAIR, TRUNCATE, INOTIFY_INIT, OPENAT, MKDIRAT, RENAMEAT2 = 53, 76, 253, 257, 258, 316
KEYCTL, PERSONALITY = 250, 135
AF_NETLINK, NETLINK_ROUTE, NETLINK_AUDIT = 16, 0, 9
CREATE = os.O_CREAT | os.O_WRONLY
_ADVICE = re.compile(r"; (?:no option allows it|(?P<option>.*) allows it); in ")


@pytest.fixture
def advised(caplog: pytest.LogCaptureFixture) -> Callable[[tuple[Any, ...]], str | None]:
    """Has a call denied, and returns the option that is said to allow it."""

    def find(call: tuple[Any, ...]) -> str | None:
        caplog.clear()
        with (
            caplog.at_level(logging.WARNING, "napi_python.host"),
            load_addon(addon_path("probe"), sandbox=Sandbox(diagnose=True)) as probe,
        ):
            caplog.clear()
            assert probe.call(*call) in (-errno.EPERM, -errno.EACCES), call
        lines = [record.getMessage() for record in caplog.records]
        (line,) = [line for line in lines if "denied: " in line and "passwd" not in line]
        found = _ADVICE.search(line)
        assert found is not None, line
        return found["option"]

    return find


def answer(call: tuple[Any, ...], option: str) -> int:
    """Makes a call under the sandbox that was advised."""
    sandbox = eval(f"Sandbox({option})", {"Sandbox": Sandbox})  # noqa: S307 - what is pasted
    with load_addon(addon_path("probe"), sandbox=sandbox) as probe:
        return int(probe.call(*call))


def attempts(ungranted: pathlib.Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Calls that the default policy denies, with the option that allows each, or nothing."""
    file, new = str(ungranted / "file"), str(ungranted / "new")
    other = str(ungranted / "other")
    read, write = f'read=["{file}"]', f'write=["{file}"]'
    entries = f'write=["{ungranted}"]'
    yield "network=True", (SOCKET, socket.AF_INET, socket.SOCK_STREAM, 0)
    yield "network=True", (SOCKET, AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
    yield "", (SOCKET, AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT)
    yield "", (SOCKET, socket.AF_PACKET, socket.SOCK_RAW, 0)
    yield "", (SOCKET, socket.AF_INET, socket.SOCK_STREAM, 262)
    yield "watch=True", (INOTIFY_INIT,)
    yield read, (OPEN, file, os.O_RDONLY)
    yield read, (OPENAT, -100, file, os.O_RDONLY)
    yield f'read=["{ungranted}"]', (OPEN, str(ungranted), os.O_RDONLY | os.O_DIRECTORY)
    yield write, (OPEN, file, os.O_RDWR)
    yield write, (TRUNCATE, file, 0)
    yield "", (OPEN, file, os.O_RDONLY | os.O_TRUNC)
    yield entries, (OPEN, new, CREATE, 0o600)
    yield entries, (CREAT, str(ungranted / "created"), 0o600)
    yield entries, (MKDIR, str(ungranted / "made"), 0o700)
    yield entries, (MKDIRAT, -100, str(ungranted / "made at"), 0o700)
    yield entries, (RMDIR, str(ungranted / "empty"))
    yield entries, (SYMLINK, "nowhere", str(ungranted / "symlink"))
    yield entries, (LINK, file, str(ungranted / "link"))
    yield entries, (RENAME, str(ungranted / "link"), str(ungranted / "renamed"))
    both = f'write=["{ungranted}", "{other}"]'
    yield both, (RENAMEAT2, -100, str(ungranted / "renamed"), -100, f"{other}/moved", 0)
    yield f'write=["{other}"]', (UNLINK, f"{other}/moved")
    yield f'policy="strict", {write}', (CHMOD, file, 0o600)
    for call in (
        (CHOWN, file, os.getuid(), os.getgid()),
        (SETXATTR, file, "user.x", "x", 1, 0),
        (PTRACE, 0, 0, 0, 0),
        (MOUNT, None, "/", None, 0, None),
        (KEYCTL, 0, 0, 0, 0, 0),
        (PERSONALITY, 0x0040000),
    ):
        yield "", call


def test_every_piece_of_advice_is_true(
    ungranted: pathlib.Path, advised: Callable[[tuple[Any, ...]], str | None]
) -> None:
    for option, call in attempts(ungranted):
        assert (advised(call) or "") == option, call
        if not option:
            continue
        try:
            result = answer(call, option)
        except SandboxUnavailable:
            # A system without user namespaces has no such policy.
            if "strict" in option:
                continue
            raise
        assert result >= 0, (option, call)


@pytest.mark.parametrize("policy", ["default", "strict"])
def test_threads_are_scheduled_as_in_node(policy: Literal["default", "strict"]) -> None:
    """As zeromq, onnxruntime and OpenMP do it: the same answers, except for higher priorities."""
    script = "console.log(JSON.stringify(require(process.argv[1]).schedule()))"
    node = subprocess.run(
        ["node", "-e", script, str(addon_path("system"))],
        capture_output=True,
        text=True,
        check=True,
    )
    try:
        addon = load_addon(addon_path("system"), sandbox=policy)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with addon:
        found = addon.schedule()
        assert found == json.loads(node.stdout)
        assert set(found.values()) == {0, errno.EINVAL}
        assert all(addon.raisePriority().values())


@pytest.mark.parametrize("policy", ["default", "strict"])
def test_interfaces_are_listed_with_the_network(policy: Literal["default", "strict"]) -> None:
    def load(*, network: bool) -> Addon:
        sandbox = Sandbox(policy=policy, network=network)
        try:
            return load_addon(addon_path("system"), sandbox=sandbox)
        except SandboxUnavailable as error:
            pytest.skip(str(error))

    with load(network=True) as addon:
        assert sorted(addon.interfaces()) == sorted(name for _, name in socket.if_nameindex())
    with load(network=False) as addon, pytest.raises(JSError, match="not permitted"):
        addon.interfaces()
