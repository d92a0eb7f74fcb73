"""`fs.watch` in a host: events on a loop and without one, the sandbox's option, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napi_python import JSError, Sandbox, open_host

if TYPE_CHECKING:
    from collections.abc import Callable

# How long a test waits for what must come.
SECONDS = 30.0


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + SECONDS
    while not holds() and time.monotonic() < end:
        time.sleep(0.002)
    return holds()


def watches(pid: int | str | None, folder: Path) -> bool:
    """Whether an inotify object of a process watches a folder."""
    inode = f" ino:{folder.stat().st_ino:x} "
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            lines = path.read_text(encoding="utf-8").splitlines()
            if any(line.startswith("inotify ") and inode in line for line in lines):
                return True
    return False


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    folder = tmp_path / "watched"
    folder.mkdir()
    return folder


def allowed(watched: Path) -> Sandbox:
    return Sandbox(watch=True, read=[str(watched)])


def change(watched: Path) -> None:
    """Makes four events: `a` is created, then moved to `b`, and `end` is created."""
    (watched / "a").mkdir()
    (watched / "a").rename(watched / "b")
    (watched / "end").mkdir()


EVENTS = [("rename", "a"), ("rename", "a"), ("rename", "b"), ("rename", "end")]


def test_events_come_on_the_loop(watched: Path) -> None:
    async def main() -> None:
        seen: list[tuple[str, str]] = []
        done = asyncio.Event()
        thread = threading.get_ident()

        def listener(event: str, name: str) -> None:
            assert threading.get_ident() == thread
            seen.append((event, name))
            if name == "end":
                done.set()

        watcher = shared.require("node:fs").watch(str(watched), listener)
        change(watched)
        await asyncio.wait_for(done.wait(), 30)
        assert seen == EVENTS
        watcher.close()

    with open_host(root=watched, sandbox=allowed(watched)) as shared:
        asyncio.run(main())


def test_events_come_without_a_loop(watched: Path) -> None:
    seen: list[tuple[str, str]] = []
    with open_host(root=watched, sandbox=allowed(watched)) as shared:
        shared.require("node:fs").watch(str(watched), lambda *event: seen.append(event))
        change(watched)
        assert eventually(lambda: len(seen) == len(EVENTS))
        assert seen == EVENTS


def test_events_are_iterated(watched: Path) -> None:
    async def main() -> list[str]:
        names: list[str] = []
        changes = aiter(shared.require("node:fs/promises").watch(str(watched)))
        task = asyncio.ensure_future(anext(changes))
        # The watch begins with the first item that is asked for.
        assert await asyncio.to_thread(eventually, lambda: watches(shared.pid, watched))
        change(watched)
        first: Any = await asyncio.wait_for(task, 30)
        names.append(first["filename"])
        async for item in changes:
            names.append(item["filename"])
            if item["filename"] == "end":
                break
        return names

    with open_host(root=watched, sandbox=allowed(watched)) as shared:
        assert asyncio.run(main()) == ["a", "a", "b", "end"]


def test_watch_is_denied_without_its_option(watched: Path) -> None:
    with open_host(root=watched) as shared:
        fs: Any = shared.require("node:fs")
        with pytest.raises(JSError) as caught:
            fs.watch(str(watched))
        error = caught.value
        assert (error.code, error.errno, error.syscall) == ("EACCES", -errno.EACCES, "watch")
        assert error.message == f"EACCES: permission denied, watch '{watched}'"
        (note,) = error.__notes__
        assert "denied watching of files; pass sandbox=Sandbox(watch=True)" in note


@pytest.mark.parametrize("thread", ["own", "caller"])
def test_end_of_a_session_in_this_process_ends_its_watches(watched: Path, thread: Any) -> None:
    seen: list[tuple[str, str]] = []
    opened = open_host(root=watched, isolated=False, thread=thread)
    opened.require("node:fs").watch(str(watched), lambda *event: seen.append(event))
    change(watched)

    def is_told() -> bool:
        if thread == "caller":
            opened.run_pending()
        return len(seen) == len(EVENTS)

    assert eventually(is_told)
    assert seen == EVENTS
    assert watches("self", watched)
    opened.close()
    assert eventually(lambda: not watches("self", watched))
