"""Runs a program to its end: bounds its time and its output, and ends all that it has started."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# How many bytes of the output are kept, and how long a line may be that is reported.
_OUTPUT_MAX: Final = 64 * 1024
# How many bytes are read at once: all that a pipe holds.
_PIPE: Final = 64 * 1024
# How many seconds a program gets to clean up, after SIGTERM.
_SHUTDOWN_GRACE: Final = 5.0
# How many seconds pass between two reports while the program prints nothing.
_REPORT_INTERVAL: Final = 1.0


class Ended(NamedTuple):
    """What became of a program: its exit status, minus the signal's number, and its output."""

    status: int
    output: str


def run(
    command: Sequence[str],
    *,
    folder: str,
    until: float | None,
    report: Callable[[str], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Runs a program in a folder, in a session of its own, and returns when it has ended.

    Stdout and stderr are one. `until` is a time of the monotonic clock. `report` is called with
    each line, and with an empty one each second without any; `environment` has variables to set.
    On an exception (Ctrl-C, the time is over) the program and everything that it has started is
    ended first.

    Raises:
        TimeoutError: The time is over.
        OSError: The program cannot be started.

    """
    process = subprocess.Popen(  # noqa: S603 - the caller's program; no shell
        command,
        cwd=folder,
        # A question of a program that it starts is an error, not a wait for an answer.
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # No terminal: Ctrl-C reaches this process only, and nothing can ask for a password.
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 - by the option
    has_ended = False
    try:
        end = os.pidfd_open(process.pid)
    except OSError:
        process.kill()
        process.wait()
        process.stdout.close()
        raise
    try:
        output = _read(process.stdout.fileno(), end, until, report)
        has_ended = True
    finally:
        _end(process, end, has_ended=has_ended)
        process.stdout.close()
        os.close(end)
    return Ended(process.returncode, output)


def _read(
    readable: int, end: int, until: float | None, report: Callable[[str], None] | None
) -> str:
    """Reads until the process has ended, and returns the last of what it printed.

    What it started may keep its output open, so the end of the output is not waited for.
    """
    os.set_blocking(readable, False)
    kept, line = b"", b""
    with selectors.DefaultSelector() as selector:
        selector.register(readable, selectors.EVENT_READ)
        selector.register(end, selectors.EVENT_READ)
        while True:
            remaining = _REPORT_INTERVAL if until is None else until - time.monotonic()
            if remaining <= 0:
                raise TimeoutError
            ready = {key.fd for key, _ in selector.select(min(remaining, _REPORT_INTERVAL))}
            data = b""
            if ready:
                with contextlib.suppress(BlockingIOError):
                    data = os.read(readable, _PIPE)
            elif report is not None:
                report("")
            kept = (kept + data)[-_OUTPUT_MAX:]
            *lines, line = (line + data)[-_OUTPUT_MAX:].split(b"\n")
            if report is not None:
                for whole in lines:
                    report(whole.decode("utf-8", "replace"))
            if end in ready:
                return kept.decode("utf-8", "replace")
            if readable in ready and not data:
                # The process has closed its output and runs on.
                selector.unregister(readable)


def _end(process: subprocess.Popen[bytes], end: int, *, has_ended: bool) -> None:
    """Ends the session of a process and reaps it; a second Ctrl-C shortens the grace period.

    Until the process is reaped, neither its number nor that of its process group is reused.
    """
    try:
        if not has_ended and _is_child(end):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with selectors.DefaultSelector() as selector:
                selector.register(end, selectors.EVENT_READ)
                selector.select(_SHUTDOWN_GRACE)
    finally:
        if _is_child(end):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_child(end: int) -> bool:
    """Returns whether a process has not been reaped, by another thread or an ignored SIGCHLD."""
    try:
        os.waitid(os.P_PIDFD, end, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
