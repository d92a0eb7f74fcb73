"""Everything that waits for a host ends with it, at any moment."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    AddonCrashed,
    AddonError,
    StaleHandleError,
    by_ref,
    expose,
    host,
    load_addon,
    on_uncaught,
)

SECONDS = 30.0
PENDING = "new Promise(() => 0)"


def eventually(holds: Callable[[], object]) -> bool:
    end = time.monotonic() + SECONDS
    while not holds() and time.monotonic() < end:
        time.sleep(0.002)
    return bool(holds())


def kill(addon: Addon) -> None:
    """Kills the host, and comes back when that was noticed."""
    pid = host(addon).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: host(addon).pid != pid)


class Key:
    """What runs Python code while an answer is read that has it as the key of a Map."""

    def __init__(self, work: Callable[[], object]) -> None:
        """Does the work once."""
        self.work: Callable[[], object] | None = work

    def __hash__(self) -> int:
        """Does the work."""
        work, self.work = self.work, None
        if work is not None:
            work()
        return 1


# Promises of a host that has ended.


def ended(promise: Any, error: type[BaseException]) -> None:
    """The promise fails for a thread and for a loop, not by a timeout."""
    with pytest.raises(error):
        promise.result(SECONDS)

    async def main() -> None:
        with pytest.raises(error):
            await asyncio.wait_for(promise, SECONDS)

    asyncio.run(main())


@pytest.mark.parametrize("how", ["restart", "close"])
def test_promise_fails_when_the_program_ends_the_host(how: str, order: Any) -> None:
    promise = host(order).run_script(PENDING)
    assert not promise.done()
    came: list[object] = []

    def wait() -> None:
        try:
            came.append(promise.result(SECONDS))
        except AddonError as error:
            came.append(type(error))

    async def wait_on_loop() -> None:
        with pytest.raises(AddonError) as caught:
            await asyncio.wait_for(promise, SECONDS)
        came.append(caught.type)

    threads = [
        threading.Thread(target=wait),
        threading.Thread(target=lambda: asyncio.run(wait_on_loop())),
    ]
    for thread in threads:
        thread.start()
    getattr(host(order), how)()
    for thread in threads:
        thread.join(SECONDS)
    expected = AddonCrashed if how == "restart" else StaleHandleError
    assert came == [expected, expected]
    ended(promise, expected)


def test_end_of_a_host_is_reported_while_a_callback_waits_for_it(order: Any) -> None:
    """Who takes a turn waits, in the callback that it runs, for what the death would end."""
    run = host(order).run_script
    promise = run(PENDING)
    inside, over = threading.Event(), threading.Event()

    def callback() -> None:
        inside.set()
        over.wait(SECONDS)

    run("(f) => { setTimeout(f, 0); }")(callback)
    assert inside.wait(SECONDS)
    kill(order)
    # Another host runs when the end of the first is reported.
    assert host(order).run_script("1 + 1") == 2
    begun = time.monotonic()
    try:
        ended(promise, AddonCrashed)
    finally:
        over.set()
    assert time.monotonic() - begun < SECONDS / 2


def test_promise_that_is_read_after_its_host_has_died_fails(order: Any) -> None:
    run = host(order).run_script
    other = run(PENDING)
    assert not other.done()

    def die() -> None:
        kill(order)
        # Promises that were known by then have failed.
        with pytest.raises(AddonCrashed):
            other.result(SECONDS)

    pair = run("(key) => [new Map([[key, 1]]), new Promise(() => 0)]")
    ended(pair(by_ref(Key(die)))[1], AddonCrashed)


# Notices and turns.


def test_error_of_an_addon_that_is_not_loaded_yet_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: queue.Queue[BaseException] = queue.Queue()
    loaded: list[Addon] = []
    loader = threading.Thread(target=lambda: loaded.append(load_addon(addon_path("early"))))
    former, interval = on_uncaught(told.put), sys.getswitchinterval()
    try:
        with caplog.at_level(logging.INFO, logger="napi_python.addon.early"):
            loader.start()
            assert eventually(lambda: "loading" in caplog.messages)
            # The error and the end of loading come while this thread keeps the interpreter, and so
            # does the moment at which the loader looks whether it is to go on.
            sys.setswitchinterval(SECONDS)
            end = time.monotonic() + 0.8
            while time.monotonic() < end:
                pass
            sys.setswitchinterval(interval)
        loader.join(SECONDS)
        assert "said early" in str(told.get(timeout=SECONDS))
    finally:
        sys.setswitchinterval(interval)
        on_uncaught(former)
        for addon in loaded:
            host(addon).close()


def test_one_value_that_python_cannot_read_fails_one_promise(order: Any) -> None:
    """Promises that are settled in one turn are reported together."""
    run = host(order).run_script
    broken = expose(object())
    make = run(
        "(value) => { globalThis.ends = [];"
        " return [1, 2, value, 4].map((one) => new Promise((end) => ends.push([end, one]))); }"
    )
    promises = make(broken)
    # Each is watched from now on.
    assert [promise.done() for promise in promises] == [False] * 4
    del broken.target
    run("setTimeout(() => ends.forEach(([end, value]) => end(value)), 0); 0")
    assert [promises[at].result(SECONDS) for at in (0, 1, 3)] == [1, 2, 4]
    with pytest.raises(AttributeError):
        promises[2].result(SECONDS)
    assert host(order).generation == 1


@pytest.mark.usefixtures("faulty")
def test_breach_of_a_host_does_not_end_its_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    # A byte in the middle of the second answer of the first host is another.
    monkeypatch.setenv("NAPI_HOSTD_FAULT", "reply:middle:garbage:5")
    with load_addon(addon_path("order"), sandbox="none") as order:
        # The first answer.
        make = host(order).run_script("(key) => [new Map([[key, 1]]), ...Array(4000).fill(true)]")
        monkeypatch.delenv("NAPI_HOSTD_FAULT")
        with pytest.raises(AddonError):
            make(by_ref(Key(lambda: host(order).restart())))
        pid = host(order).pid
        assert pid is not None
        assert host(order).run_script("1 + 1") == 2
        assert (host(order).generation, host(order).pid) == (2, pid)


def test_close_in_a_stream_of_events_takes_no_longer_than_its_grace() -> None:
    order: Any = load_addon(addon_path("order"))
    received = threading.Semaphore(0)
    for _ in range(4):
        order.eventsOfThread(lambda _: received.release(), 10_000_000)
    for _ in range(1000):
        assert received.acquire(timeout=SECONDS)
    begun = time.monotonic()
    host(order).close()
    assert time.monotonic() - begun < 3


def test_slow_release_does_not_prevent_finalizers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    order: Any = load_addon(addon_path("order"))
    with caplog.at_level(logging.INFO, logger="napi_python.addon.order"):
        order.eventsThatLinger(print, 10_000)
        begun = time.monotonic()
        host(order).close()
        assert time.monotonic() - begun < 3
        assert eventually(lambda: "lingered" in caplog.messages)
