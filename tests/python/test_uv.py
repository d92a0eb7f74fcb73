"""libuv in the host: its loop runs in turns, its threads are its own, and idling costs nothing."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from napi_python import host, load_addon

SECONDS = 30.0


@pytest.fixture
def uv() -> Iterator[Any]:
    with load_addon(addon_path("uv")) as addon:
        yield addon


def test_callbacks_of_the_loop_reach_python_on_the_thread_of_its_turns(uv: Any) -> None:
    reported: queue.Queue[tuple[str, str]] = queue.Queue()
    uv.timer(lambda word: reported.put((word, threading.current_thread().name)), 1)
    word, thread = reported.get(timeout=SECONDS)
    assert word == "timer"
    assert thread != threading.main_thread().name

    async def main() -> list[str]:
        received: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def receive(word: str) -> None:
            loop.call_soon_threadsafe(received.put_nowait, word)

        uv.poll(receive)
        uv.signs(receive, 1000)
        return sorted([await asyncio.wait_for(received.get(), SECONDS) for _ in range(4)])

    assert asyncio.run(main()) == ["8000", "end", "one", "two"]


def test_wake_up_request_while_loading_is_served() -> None:
    # It requests a turn when it opens the loop, and not again so soon: often that is too early.
    for _ in range(15):
        reported: queue.Queue[str] = queue.Queue()
        with load_addon(addon_path("uv")) as addon:
            addon.timer(reported.put, 1)
            assert reported.get(timeout=SECONDS) == "timer"


def test_first_callback_of_a_fresh_host_runs_in_the_thread_of_the_loop(
    pytestconfig: pytest.Config,
) -> None:
    # A host of libuv requests a turn while it loads, before any loop owns the turns. The thread
    # that receives the request may come late, after the loop's first call, most often on one CPU.
    async def first_call() -> tuple[bool, float]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        here = threading.get_ident()
        with load_addon(addon_path("uv")) as addon:
            begin = time.monotonic()
            # Sets the result as only the loop's thread may: from another one, the loop sleeps on.
            addon.work(lambda _: done.set_result(threading.get_ident() == here), 1)
            is_here = await asyncio.wait_for(done, SECONDS)
            return is_here, time.monotonic() - begin

    cpus = os.sched_getaffinity(0)
    elsewhere, late = [], []
    try:
        for number in range(pytestconfig.getoption("--hosts")):
            os.sched_setaffinity(0, {min(cpus)} if number % 2 else cpus)
            is_here, seconds = asyncio.run(first_call())
            if not is_here:
                elsewhere.append(number)
            if seconds > 1.0:
                late.append((number, round(seconds, 3)))
    finally:
        os.sched_setaffinity(0, cpus)
    assert (elsewhere, late) == ([], [])


def test_default_loop_runs_if_the_addon_requested_no_loop(uv: Any) -> None:
    reported: queue.Queue[str] = queue.Queue()
    uv.defaultTimer(reported.put, 1)
    assert reported.get(timeout=SECONDS) == "timer"


def test_number_of_threads_is_read_by_libuv(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each piece of work waits for all others, which takes as many threads.
    monkeypatch.setenv("UV_THREADPOOL_SIZE", "9")
    reported: queue.Queue[str] = queue.Queue()
    with load_addon(addon_path("uv")) as addon:
        addon.work(reported.put, 9)
        assert reported.get(timeout=SECONDS) == "work"


def test_call_from_a_callback_without_scope_does_not_run_microtasks_below_it(uv: Any) -> None:
    reported: queue.Queue[str] = queue.Queue()

    def ask() -> None:
        assert host(uv).run_script("1 + 1") == 2

    call = host(uv).run_script(
        """(ask, tell) => () => {
            const order = [];
            queueMicrotask(() => { order.push("microtask"); tell(order.join()); });
            ask();
            order.push("end of the callback");
        }"""
    )
    uv.bareTimer(call(ask, reported.put), 1)
    assert reported.get(timeout=SECONDS) == "end of the callback,microtask"


def test_work_that_does_not_end_does_not_keep_the_host(uv: Any) -> None:
    uv.work(lambda _: None, 64)  # More than there are threads: all of them wait for ever.
    uv.timer((reported := queue.Queue[str]()).put, 1)
    assert reported.get(timeout=SECONDS) == "timer"
    begin = time.monotonic()
    host(uv).close()
    assert time.monotonic() - begin < 2.0, "it was not killed, it ended"


def nanoseconds(pid: int, *, without: int | None = None) -> dict[str, int]:
    """Returns how long each thread of a process ran."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        if int(task.name) != without:
            ran, _, _ = (task / "schedstat").read_text(encoding="ascii").split()
            found[task.name] = int(ran)
    return found


def test_idle_loop_costs_no_cpu(uv: Any, pytestconfig: pytest.Config) -> None:
    # A pipe that is polled and a timer that is far away.
    reported: queue.Queue[str] = queue.Queue()
    writing = uv.idlePoll(reported.put)
    uv.pipePut(writing, "abc")
    assert reported.get(timeout=SECONDS) == "abc"
    pid = host(uv).pid
    assert pid is not None
    me = threading.get_native_id()
    time.sleep(0.2)  # The threads that took part go to sleep.
    before = nanoseconds(pid), nanoseconds(os.getpid(), without=me)
    seconds = pytestconfig.getoption("--idle")
    time.sleep(seconds)
    after = nanoseconds(pid), nanoseconds(os.getpid(), without=me)
    ran = [sum(now.values()) - sum(then.values()) for now, then in zip(after, before, strict=True)]
    print(f"idle for {seconds} s: the host ran {ran[0]} ns, Python's other threads {ran[1]} ns")
    assert ran[0] == 0, after[0]
    assert ran[1] < 1_000_000 * seconds, after[1]
    uv.pipePut(writing, "def")
    assert reported.get(timeout=SECONDS) == "def"
    uv.pipePut(writing, "ghi")
    assert reported.get(timeout=SECONDS) == "ghi"
