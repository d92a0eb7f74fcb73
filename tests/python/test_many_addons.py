"""What each further addon costs the Python process: threads, descriptors, CPU time while idle."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import host, load_addon

if TYPE_CHECKING:
    from collections.abc import Iterator

ADDONS = 100
DESCRIPTORS_MAX = 6
"""The process, its control connection, two output streams, wake pipe, and shared memory."""
SECONDS = 30.0
IDLE_ADDONS = 50
IDLE_SECONDS = 3.0
IDLE_SHARE_MAX = 0.0002
"""CPU time per second of all idle hosts together, or of the threads that serve them in Python."""


def threads() -> int:
    """Threads of this process."""
    return len(list(Path("/proc/self/task").iterdir()))


def descriptors() -> int:
    """Open descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process but this one."""
    tasks = Path("/proc", str(pid), "task").iterdir()
    others = [task for task in tasks if int(task.name) != threading.get_native_id()]
    return sum(int(Path(task, "schedstat").read_text().split()[0]) for task in others) / 1e9


@pytest.fixture(scope="module")
def many() -> Iterator[tuple[list[Any], int, int]]:
    """A hundred addons after a first one, and the threads and descriptors that they added."""
    addons: list[Any] = []
    try:
        for number in range(1 + ADDONS):
            addons.append(load_addon(addon_path("sample_rust")))
            assert addons[number].add(number, 1) == number + 1
            if number == 0:
                before = threads(), descriptors()
        yield addons, threads() - before[0], descriptors() - before[1]
    finally:
        for addon in addons:
            host(addon).close()


def test_addons_add_no_threads(many: tuple[list[Any], int, int]) -> None:
    _, added, _ = many
    assert added <= 0


def test_addons_add_few_descriptors(many: tuple[list[Any], int, int]) -> None:
    _, _, added = many
    assert added <= DESCRIPTORS_MAX * ADDONS


def test_callback_that_blocks_does_not_hold_up_other_addons() -> None:
    """Each callback of one addon waits for one of the next, in threads of the package."""
    count = 3
    addons = [load_addon(addon_path("order")) for _ in range(count)]
    heard = [threading.Event() for _ in range(count)]
    ended = threading.Event()

    def receive(number: int) -> None:
        if number + 1 < count:
            addons[number + 1].eventsOfThread(lambda _: receive(number + 1), 1)
            assert heard[number + 1].wait(SECONDS)
        heard[number].set()
        if number == 0:
            ended.set()

    try:
        before = threads()
        addons[0].eventsOfThread(lambda _: receive(0), 1)
        assert ended.wait(SECONDS)
        # The threads that stood in for others end with their callbacks.
        end = time.monotonic() + SECONDS
        while threads() > before:
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        for addon in addons:
            host(addon).close()


def test_callback_that_waits_for_a_promise_of_another_addon() -> None:
    with load_addon(addon_path("order")) as first, load_addon(addon_path("order")) as second:
        later = host(second).run_script("n => new Promise(done => setTimeout(done, 1, n))")
        found: list[int] = []
        done = threading.Event()

        def receive(_: int) -> None:
            found.append(later(7).result(SECONDS))
            done.set()

        first.eventsOfThread(receive, 1)
        assert done.wait(SECONDS)
        assert found == [7]


def test_idle_addons_cost_no_cpu_time(many: tuple[list[Any], int, int]) -> None:
    addons, _, _ = many
    hosts = [host(addon).pid for addon in addons[:IDLE_ADDONS]]
    processes = [os.getpid(), *(pid for pid in hosts if pid is not None)]
    assert len(processes) == 1 + IDLE_ADDONS
    # What the last calls left to do ends before the measurement.
    end = time.monotonic() + 30
    while True:
        before = [cpu_seconds(process) for process in processes]
        time.sleep(IDLE_SECONDS)
        after = [cpu_seconds(process) for process in processes]
        own, *others = (now - then for then, now in zip(before, after, strict=True))
        shares = (own / IDLE_SECONDS, sum(others) / IDLE_SECONDS)
        if max(shares) <= IDLE_SHARE_MAX:
            return
        assert time.monotonic() < end, f"shares of one CPU: client {shares[0]}, hosts {shares[1]}"
