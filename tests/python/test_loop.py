"""What runs outside calls: async work, threadsafe functions, timers, and an orderly end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from napi_python import host, load_addon, on_uncaught

SECONDS = 30.0


def test_ten_thousand_promises_of_async_work_at_once() -> None:
    with load_addon(addon_path("sample_rust")) as addon:

        async def main() -> list[Any]:
            return await asyncio.gather(*[addon.asyncAdd(n, 1) for n in range(10_000)])

        assert asyncio.run(main()) == list(range(1, 10_001))
        assert addon.asyncAdd(1, 2).result(SECONDS) == 3


def test_much_small_work_does_not_wake_a_thread_for_each_piece() -> None:
    """A hundred or two as measured; a machine that is busy may take several times that."""
    with load_addon(addon_path("sample_rust")) as addon:

        def sleeps() -> int:
            count = 0
            for task in Path(f"/proc/{host(addon).pid}/task").iterdir():
                if (task / "comm").read_text() == "napi-pool\n":
                    status = (task / "status").read_text()
                    count += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
            return count

        async def main() -> None:
            for promise in [addon.asyncAdd(n, 1) for n in range(10_000)]:
                await promise

        assert addon.asyncAdd(1, 2).result(SECONDS) == 3
        before = sleeps()
        asyncio.run(main())
        assert 0 < sleeps() - before < 2500


def test_events_of_threads_arrive_each_once_in_the_order_of_their_thread(order: Any) -> None:
    each = 5_000
    seen: list[list[int]] = [[] for _ in range(8)]
    done = threading.Semaphore(0)

    def receive(number: int, into: list[int]) -> None:
        into.append(number)
        if len(into) == each:
            done.release()

    for into in seen:
        order.eventsOfThread(lambda number, into=into: receive(number, into), each)
    for _ in seen:
        assert done.acquire(timeout=SECONDS)
    assert seen == [list(range(each))] * 8


def test_exception_in_a_callback_outside_a_call_is_reported(order: Any) -> None:
    reported: list[BaseException] = []
    enough = threading.Event()
    error = ValueError("of a callback")

    def receive(caught: BaseException) -> None:
        reported.append(caught)
        if len(reported) == 3:
            enough.set()

    def fail(*_: Any) -> None:
        raise error

    former = on_uncaught(receive)
    try:
        order.eventsOfThread(fail, 2)
        order.work(fail)
        assert enough.wait(SECONDS)
    finally:
        on_uncaught(former)
    assert all(caught is error for caught in reported)
    received: list[int] = []
    order.eventsOfThread(received.append, 1)
    until = time.monotonic() + SECONDS
    while not received and time.monotonic() < until:
        time.sleep(0.001)
    assert received == [0]


def test_timers_run_outside_calls(order: Any) -> None:
    script = host(order).run_script
    started = time.monotonic()
    assert script("new Promise(done => setTimeout(done, 30, 'timer'))").result(SECONDS) == "timer"
    assert time.monotonic() - started >= 0.028
    ticks: list[int] = []
    done = threading.Event()

    def tick(number: int) -> None:
        ticks.append(number)
        if number == 3:
            done.set()

    script(
        """(tick) => {
            let number = 0;
            const timer = setInterval(() => {
                tick(++number);
                if (number === 3) clearInterval(timer);
            }, 2);
        }"""
    )(tick)
    assert done.wait(SECONDS)
    assert ticks == [1, 2, 3]


def test_an_abort_signal_calls_its_listeners(order: Any) -> None:
    received: list[str] = []
    controller = host(order).run_script(
        """(receive) => {
            const controller = new AbortController();
            controller.signal.onabort = (event) => receive(event.type);
            return controller;
        }"""
    )(received.append)
    controller.abort("enough")
    assert received == ["abort"]
    assert controller.signal.reason == "enough"


def test_an_idle_host_with_timers_far_away_takes_no_time(order: Any) -> None:
    script = host(order).run_script
    script("setTimeout(() => 0, 1e6); setInterval(() => 0, 1e6); 0")
    pid = host(order).pid
    assert pid is not None
    before = cpu_seconds(pid)
    time.sleep(1.0)
    assert cpu_seconds(pid) - before < 0.05


def cpu_seconds(process: int) -> float:
    """Returns the processor time that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


ENDS = {
    "idle": "",
    "threads": "addon.eventsOfThread(lambda number: None, 10_000_000)",
    "pending": "promise = host(addon).run_script('new Promise(() => 0)'); promise.done()",
    "timers": "host(addon).run_script('setInterval(() => 0, 1)')",
}


@pytest.mark.parametrize("what", ENDS.values(), ids=ENDS)
def test_the_interpreter_ends_whatever_goes_on(what: str) -> None:
    source = (
        "from napi_python import host, load_addon\n"
        f"addon = load_addon({str(addon_path('order'))!r})\n{what}\n"
        "print(host(addon).pid)\n"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - started < 10
    process = Path("/proc", done.stdout.strip())
    until = time.monotonic() + SECONDS
    while process.exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not process.exists()
