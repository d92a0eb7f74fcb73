"""Has gdb hold the process of a replay."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napi_python._commands import _console

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

# How many seconds gdb may take to attach.
_ATTACH_TIMEOUT: Final = 60.0
_POLL: Final = 0.02


class Debugger:
    """A gdb that is attached to a process: at the terminal, or with commands in a batch.

    Attributes:
        output: What gdb printed in a batch.

    """

    def __init__(self, commands: list[str], *, goes_on: bool) -> None:
        """Finds gdb; `goes_on` is whether the process continues once gdb is attached."""
        found = shutil.which("gdb")
        if found is None:
            raise _console.CommandError("there is no gdb on PATH; install it, or leave out --gdb")
        self._gdb = found
        self._commands = commands
        self._goes_on = goes_on
        self._process: subprocess.Popen[Any] | None = None
        self._reader: threading.Thread | None = None
        self._failure: str | None = None
        self.output = ""

    def __enter__(self) -> Self:
        # The keyboard interrupts the process in gdb, and not this one.
        self._handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._process is not None:
                self._process.wait()
            if self._reader is not None:
                self._reader.join()
        finally:
            signal.signal(signal.SIGINT, self._handler)

    def attach(self, pid: int) -> bool:
        """Starts gdb on a process, and returns whether it is attached."""
        words = [self._gdb, "-q", "-p", str(pid), "-ex", "handle SIGPIPE nostop noprint pass"]
        if self._goes_on:
            words += ["-ex", "continue"]
        for command in self._commands:
            words += ["-ex", command]
        if self._commands:
            words.insert(1, "-batch")
            self._process = subprocess.Popen(  # noqa: S603 - it is gdb
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="backslashreplace",
            )
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()
        else:
            self._process = subprocess.Popen(words)  # noqa: S603
        process = self._process
        until = time.monotonic() + _ATTACH_TIMEOUT
        while not _is_traced(pid):
            if process.poll() is not None or time.monotonic() > until:
                self._failure = (
                    f"gdb cannot attach to process {pid}: it must be allowed to trace processes of "
                    "this user, see /proc/sys/kernel/yama/ptrace_scope"
                )
                return False
            time.sleep(_POLL)
        return True

    def check(self) -> None:
        """Raises why gdb is not attached, if it could not be."""
        if self._failure is not None:
            raise _console.CommandError(self._failure)

    def _read(self) -> None:
        assert self._process is not None  # noqa: S101 - it has started this thread
        assert self._process.stdout is not None  # noqa: S101
        for line in self._process.stdout:
            self.output += line
            sys.stdout.write(line)
            sys.stdout.flush()


def _is_traced(pid: int) -> bool:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(
        line.startswith("TracerPid:") and line.split()[1] != "0" for line in lines.splitlines()
    )
