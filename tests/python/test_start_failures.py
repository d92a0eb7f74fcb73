"""A host that cannot be started, or whose exit status cannot be read: the error says why."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from napi_python import AddonError, LoadError, load_addon
from test_serve_users import NOBODY, become_nobody, in_child

# Numbers of system calls on x86-64.
MKDIR, FLOCK, SOCKETPAIR, EVENTFD2, EPOLL_CREATE1, PIPE2, PIDFD_OPEN = (
    83,
    73,
    53,
    290,
    291,
    293,
    434,
)
IOCTL, PIDFD_GET_INFO = 16, 0xC040FF0B


def loaded_without(*missing: list[int | None], **environment: str) -> dict[str, Any]:
    """Says what comes of loading a sample where these calls fail."""
    filtered = Path(__file__).with_name("filtered.py")
    arguments = [str(addon_path("primitive")), "{}", json.dumps(missing)]
    run = subprocess.run(
        [sys.executable, filtered, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def scratch_message(folder: Path, number: int) -> str:
    return (
        f"cannot create the scratch folder in {folder}: {os.strerror(number)} (os error {number})"
    )


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_scratch_folder_that_cannot_be_made(number: int, tmp_path: Path) -> None:
    answer = loaded_without([MKDIR, None, number], TMPDIR=str(tmp_path))
    assert scratch_message(tmp_path, number) in answer["text"]
    assert "TMPDIR" in answer["text"]
    assert (answer["error"], answer["errno"]) == ("LoadError", number)
    assert answer["path"] == str(tmp_path)


def test_scratch_folder_in_a_missing_folder(tmp_path: Path) -> None:
    for folder, number in [
        (tmp_path / "missing", errno.ENOENT),
        (Path(__file__).resolve(), errno.ENOTDIR),
    ]:
        answer = loaded_without(TMPDIR=str(folder))
        assert scratch_message(folder, number) in answer["text"]
        assert (answer["errno"], answer["path"]) == (number, str(folder))


def test_scratch_folder_that_cannot_be_locked(tmp_path: Path) -> None:
    answer = loaded_without([FLOCK, None, errno.ENOLCK], TMPDIR=str(tmp_path))
    assert scratch_message(tmp_path, errno.ENOLCK) in answer["text"]


@pytest.mark.parametrize(
    ("call", "number", "what"),
    [
        (PIDFD_OPEN, errno.EPERM, "cannot open a pidfd for napi-hostd"),
        (EVENTFD2, errno.EPERM, "cannot set up the supervisor's event loop (epoll, eventfd)"),
        (EPOLL_CREATE1, errno.EMFILE, "cannot set up the supervisor's event loop (epoll, eventfd)"),
        (PIPE2, errno.EMFILE, "cannot create a pipe for the output of napi-hostd"),
        (SOCKETPAIR, errno.ENFILE, "cannot create a socket pair"),
    ],
)
def test_call_that_is_denied_is_named(call: int, number: int, what: str) -> None:
    answer = loaded_without([call, None, number])
    assert answer["error"] == "LoadError"
    assert f"{what}: {os.strerror(number)} (os error {number})" in answer["text"]
    assert answer["errno"] == number


def test_limit_of_processes_is_the_reason() -> None:
    """Whichever thread or process is the one too many, and a later attempt is not affected."""
    if os.geteuid() == 0:
        try:
            in_child(become_nobody)
        except AssertionError:
            pytest.skip(f"this namespace has no user {NOBODY} to become")

    def load(limit: int) -> str:
        _, most = resource.getrlimit(resource.RLIMIT_NPROC)
        resource.setrlimit(resource.RLIMIT_NPROC, (limit, most))
        if os.geteuid() == 0:
            become_nobody()
        said = ""
        try:
            with load_addon(addon_path("primitive")):
                said = "loaded"
        except LoadError as error:
            # The errno is of this process; a host that fails itself only says so.
            is_told = error.errno == errno.EAGAIN or "exited with code 1" in str(error)
            said = str(error) if is_told else f"{error.errno}: {error}"
        except AddonError as error:
            said = repr(error)
        if said != "loaded":
            resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
            with load_addon(addon_path("primitive")):
                pass
        return said

    answers = [in_child(lambda limit=limit: load(limit)) for limit in range(1, 7)]  # type: ignore[misc]
    failed = [answer for answer in answers if answer != "loaded"]
    assert failed, answers
    for answer in failed:
        assert answer.startswith("cannot start a host for the addon primitive: "), answer
        assert "Resource temporarily unavailable (os error 11)" in answer, answer


UNSEEN = """
import json, signal, sys
sys.path.insert(0, sys.argv[2])
from filtered import take_away
from napi_python import AddonCrashed, load_addon
take_away(json.loads(sys.argv[3]))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
try:
    load_addon(sys.argv[1]).nullPointer()
except AddonCrashed as error:
    print(error.signal, error.exit_code, error.reason)
"""


def test_exit_status_that_the_kernel_does_not_keep() -> None:
    """As before Linux 6.15; the crash record is named but not trusted."""
    missing = json.dumps([[IOCTL, PIDFD_GET_INFO, errno.ENOTTY, 1]])
    here = str(Path(__file__).parent)
    run = subprocess.run(
        [sys.executable, "-c", UNSEEN, addon_path("crash"), here, missing],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("None None exit status unknown: "), run
    assert "ignores SIGCHLD" in run.stdout
    assert "Inappropriate ioctl for device (os error 25)" in run.stdout
    assert "its crash record names SIGSEGV" in run.stdout
