"""Runs a program to its end: bounds its time and its output, and ends all that it has started."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from typing import IO, TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

# How many bytes of the output are kept, and how long a line may be that is reported.
_OUTPUT_MAX: Final = 64 * 1024
# How many bytes are read at once: all that a pipe holds.
_PIPE: Final = 64 * 1024
# How many seconds a program gets to clean up, after SIGTERM.
_SHUTDOWN_GRACE: Final = 5.0
# How many seconds pass between two reports while the program prints nothing.
_REPORT_INTERVAL: Final = 1.0


class Ended(NamedTuple):
    """What became of a program: its exit status, minus the signal's number, and its output.

    `errors` is what it printed on stderr, if that was not one with stdout.
    """

    status: int
    output: str
    errors: str = ""


def run(  # noqa: PLR0913 - all but the first are options
    command: Sequence[str],
    *,
    folder: str,
    until: float | None,
    report: Callable[[str], None] | None = None,
    environment: Mapping[str, str] | None = None,
    separate: bool = False,
) -> Ended:
    """Runs a program in a folder, in a session of its own, and returns when it has ended.

    Stdout and stderr are one, unless they are to be `separate`. `until` is a time of the monotonic
    clock. `report` is called with each line of stdout, and with an empty one each second without
    any; `environment` has variables to set.
    On an exception (Ctrl-C, the time is over) the program and everything that it has started is
    ended first.

    Raises:
        TimeoutError: The time is over.
        OSError: The program cannot be started.

    """
    streams: list[IO[bytes]] = []
    process, end, has_ended = None, None, False
    try:
        with _delayed_signals():
            process = subprocess.Popen(  # noqa: S603 - the caller's program; no shell
                command,
                cwd=folder,
                # A question of a program that it starts is an error, not a wait for an answer.
                env={**os.environ, "GIT_TERMINAL_PROMPT": "0", **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if separate else subprocess.STDOUT,
                # No terminal: Ctrl-C reaches this process only, and nothing asks for a password.
                start_new_session=True,
            )
            streams = [one for one in (process.stdout, process.stderr) if one is not None]
            end = os.pidfd_open(process.pid)
        outputs = _read([stream.fileno() for stream in streams], end, until, report)
        has_ended = True
    finally:
        if process is not None and end is None:
            process.kill()
            process.wait()
        elif process is not None and end is not None:
            _end(process, end, has_ended=has_ended)
            os.close(end)
        for stream in streams:
            stream.close()
    return Ended(process.returncode, *outputs)


@contextlib.contextmanager
def _delayed_signals() -> Iterator[None]:
    """Runs Python's handlers of signals that end a program after the block, not in it.

    An exception of theirs in the middle of a start would leave a process that is known to nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        # Handlers run in the main thread.
        yield
        return
    came: list[int] = []
    handlers = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if callable(handler := signal.getsignal(number))
    }
    for one in handlers:
        signal.signal(one, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)
        for number in came:
            signal.raise_signal(number)


def _read(
    streams: list[int], end: int, until: float | None, report: Callable[[str], None] | None
) -> list[str]:
    """Reads until the process has ended, and returns the last of what it printed, by stream.

    `report` gets the lines of the first stream. What the process started may keep its output open,
    so the end of the output is not waited for.
    """
    kept, line = dict.fromkeys(streams, b""), b""
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            os.set_blocking(stream, False)
            selector.register(stream, selectors.EVENT_READ)
        selector.register(end, selectors.EVENT_READ)
        while True:
            ready = _ready(selector, until)
            if not ready and report is not None:
                report("")
            has_ended = end in ready
            # What was printed before the end is there when the end is seen.
            for stream in streams if has_ended else ready:
                data = _piece(stream)
                if data == b"" and not has_ended:
                    # The process has closed its output and runs on.
                    selector.unregister(stream)
                kept[stream] = (kept[stream] + (data or b""))[-_OUTPUT_MAX:]
                if stream == streams[0]:
                    *lines, line = (line + (data or b""))[-_OUTPUT_MAX:].split(b"\n")
                    if report is not None:
                        _report(lines, report)
            if has_ended:
                return [text.decode("utf-8", "replace") for text in kept.values()]


def _report(lines: list[bytes], report: Callable[[str], None]) -> None:
    for line in lines:
        report(line.decode("utf-8", "replace"))


def _ready(selector: selectors.BaseSelector, until: float | None) -> set[int]:
    """Waits for what is ready, until the next report is due.

    Raises:
        TimeoutError: The time is over.

    """
    remaining = _REPORT_INTERVAL if until is None else until - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    return {key.fd for key, _ in selector.select(min(remaining, _REPORT_INTERVAL))}


def _piece(stream: int) -> bytes | None:
    """Returns what can be read, empty at the end of the stream; None if there is nothing yet."""
    try:
        return os.read(stream, _PIPE)
    except BlockingIOError:
        return None


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
