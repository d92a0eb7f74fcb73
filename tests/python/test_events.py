"""Events of threads: none lost, in order, bounded where the addon set a bound, and counted."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path, until
from napi_python import host, load_addon

SECONDS = 120.0


@pytest.fixture
def tsfn() -> Iterator[Any]:
    with load_addon(addon_path("tsfn")) as addon:
        yield addon


@pytest.fixture
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether the tests run in full."""
    return bool(request.config.getoption("--whole"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("on_loop", [False, True])
def test_events_of_eight_threads(order: Any, whole: bool, on_loop: bool) -> None:
    each = 25_000 if whole else 1_000
    seen: list[list[int]] = [[] for _ in range(8)]
    done = threading.Semaphore(0)

    def receive(number: int, into: list[int]) -> None:
        into.append(number)
        if len(into) == each:
            done.release()

    def send() -> None:
        for into in seen:
            order.eventsOfThread(lambda number, into=into: receive(number, into), each)

    async def main() -> None:
        send()
        await until(lambda: sum(map(len, seen)) == 8 * each, SECONDS)

    if on_loop:
        asyncio.run(main())
    else:
        send()
        for _ in seen:
            assert done.acquire(timeout=SECONDS)
    assert seen == [list(range(each))] * 8


@pytest.mark.timeout(600)
def test_fifty_threads_that_are_faster_than_python(tsfn: Any, whole: bool) -> None:
    """What the addon bounds stays bounded: the threads wait, and memory does not grow."""
    threads, each, bound = 50, 20_000 if whole else 200, 100
    seen = [0] * each
    total = [0]
    done = threading.Event()
    most = [0]

    def receive(number: int) -> None:
        seen[number] += 1
        total[0] += 1
        if total[0] % 1000 == 0:
            most[0] = max(most[0], host(tsfn).stats()["queued_events"] or 0)
        if total[0] == threads * each:
            done.set()

    made = tsfn.napi_create_threadsafe_function(0, receive, "many", bound, threads)
    assert made["status"] == "napi_ok"
    for _ in range(threads):
        tsfn.callFromThread(0, each)
    assert done.wait(SECONDS * 4)
    assert seen == [threads] * each
    assert 0 < most[0] <= bound


@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["aborted", "released"])
def test_fifty_threads_that_call_after_the_end(tsfn: Any, whole: bool, mode: str) -> None:
    threads, each = 50, 20_000 if whole else 500
    received: list[int] = []
    holders = threads if mode == "aborted" else 1
    made = tsfn.napi_create_threadsafe_function(0, received.append, "late", 0, holders)
    assert made["status"] == "napi_ok"
    tsfn.napi_release_threadsafe_function(0, int(mode == "aborted"))
    asyncio.run(until(lambda: tsfn.finalizedCount(0) == 1, SECONDS))
    # A holder gets one report that it is closing; for all others it is invalid.
    closing = {"napi_closing": holders - 1} if mode == "aborted" else {}
    invalid = {"napi_invalid_arg": threads * each - (holders - 1)}
    assert tsfn.callRegardless(0, threads, each) == {**closing, **invalid}
    # Its place belongs to another one now, which such calls do not reach.
    assert (
        tsfn.napi_create_threadsafe_function(1, received.append, "next", 0, 1)["status"]
        == "napi_ok"
    )
    assert tsfn.callRegardless(0, threads, each) == {"napi_invalid_arg": threads * each}
    assert received == []
    assert tsfn.finalizedCount(0) == 1
    assert host(tsfn).generation == 1


def test_unbounded_queue_is_counted(order: Any) -> None:
    received: list[int] = []

    async def main() -> None:
        # This loop takes the turns, and it does not come to one before it awaits.
        order.events(received.append, 5_000)
        assert host(order).stats()["queued_events"] == 5_000
        assert received == []
        await until(lambda: len(received) == 5_000)
        assert host(order).stats()["queued_events"] == 0

    asyncio.run(asyncio.wait_for(main(), SECONDS))
    assert received == list(range(5_000))


def ticks(process: int | str) -> int:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_idle_addon_with_a_loop_costs_no_time(tsfn: Any, whole: bool) -> None:
    """A registered loop, an open threadsafe function and a timer far away."""
    span = 10.0 if whole else 1.0
    pid = host(tsfn).pid
    assert pid is not None

    async def main() -> tuple[int, int]:
        tsfn.napi_create_threadsafe_function(0, lambda _: None, "idle", 0, 1)
        await host(tsfn).run_script(
            "setTimeout(() => 0, 1e6); new Promise(done => setTimeout(done, 1))"
        )
        # The thread that checks the loop ends a second after the last wake-up request.
        await asyncio.sleep(1.5)
        before = ticks(os.getpid()), ticks(pid)
        await asyncio.sleep(span)
        after = ticks(os.getpid()), ticks(pid)
        return after[0] - before[0], after[1] - before[1]

    here, there = asyncio.run(main())
    hertz = os.sysconf("SC_CLK_TCK")
    assert here / hertz < 0.005 * span + 0.02
    assert there / hertz < 0.005 * span + 0.02
