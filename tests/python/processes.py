"""Observes processes from outside: whether they run, their parents and children, their end."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self


def _record(pid: int) -> list[str]:
    """What the system says of a process, from its state on; nothing if it is not there."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rsplit(")", 1)[1].split()


def is_alive(pid: int) -> bool:
    """Tells whether a process is there and has not ended."""
    return _record(pid)[:1] not in ([], ["Z"])


def began(pid: int) -> str:
    """Tells when a process began: another one may get its number, but not its beginning."""
    return "".join(_record(pid)[19:20])


def gone_within(pid: int, seconds: float, *, beginning: str | None = None) -> bool:
    """Waits until a process has ended, that which began then; False if that takes longer."""
    end = time.monotonic() + seconds
    while is_alive(pid) and (beginning is None or began(pid) == beginning):
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


@contextlib.contextmanager
def killed_client(script: str) -> Iterator[int]:
    """The process that a script printed the number of, after the script was killed.

    What the script forked lives until the block is left.
    """
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as python:
        assert python.stdout is not None
        pid = int(python.stdout.readline())
        python.kill()
        python.wait()
        try:
            yield pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(python.pid, signal.SIGKILL)


def marked(mark: str) -> set[int]:
    """The living processes with these words in their environment, forked ones included."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if mark.encode() in (folder / "environ").read_bytes():
                    found.add(int(folder.name))
    return {pid for pid in found if is_alive(pid)}


def children(pid: int) -> set[int]:
    """The children of all threads of a process, programs or not yet."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.update(int(child) for child in task.read_text(encoding="ascii").split())
    return found


def inventory(pid: int) -> dict[str, int]:
    """What a process holds of what could be left over; anonymous memory is the allocator's."""
    gc.collect()
    folder = Path(f"/proc/{pid}")
    maps = (folder / "maps").read_text(encoding="utf-8").splitlines()
    return {
        "descriptors": len(list((folder / "fd").iterdir())),
        "threads": len(list((folder / "task").iterdir())),
        "children": len(children(pid)),
        "files": sum("/" in line for line in maps),
        "memory": sum("memfd:" in line for line in maps),
    }


def settled(wanted: dict[str, int] | None = None, pid: int | None = None) -> dict[str, int]:
    """What a process, this one if none is named, holds when that changes no more.

    With something wanted, waits for that or for less, and returns what is held of it at most.
    """
    process = os.getpid() if pid is None else pid
    end = time.monotonic() + 10
    before = inventory(process)
    while time.monotonic() < end:
        time.sleep(0.1)
        now = inventory(process)
        if wanted is not None and all(now[name] <= wanted[name] for name in now):
            return wanted
        if wanted is None and now == before:
            return now
        before = now
    return before


class Watch:
    """Processes that are watched until they end, by what can't come to mean others."""

    def __init__(self, pids: Iterable[int]) -> None:
        """Begins to watch those of them that are still there."""
        self._descriptors: set[int] = set()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                self._descriptors.add(os.pidfd_open(pid))

    def __bool__(self) -> bool:
        """Tells whether there are any."""
        return bool(self._descriptors)

    def __enter__(self) -> Self:
        """Watches them until the block is left."""
        return self

    def __exit__(self, *_: object) -> None:
        """Looks away."""
        for descriptor in self._descriptors:
            os.close(descriptor)

    def last_end(self, seconds: float) -> float:
        """Waits, at most for so long, and returns when the last of them was seen to end."""
        poll = select.poll()
        for descriptor in self._descriptors:
            poll.register(descriptor, select.POLLIN)
        waiting = len(self._descriptors)
        end = time.monotonic() + seconds
        while waiting and time.monotonic() < end:
            for descriptor, _ in poll.poll(1000 * max(0.0, end - time.monotonic())):
                poll.unregister(descriptor)
                waiting -= 1
        return time.monotonic()
