"""Threads and callbacks: more threads than lanes, threads that end, calls that wait."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    AddonTimeout,
    deadline,
    host,
    load_addon,
)

if TYPE_CHECKING:
    from conftest import Script


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def held(addon: Addon) -> int:
    """How many Python objects the host holds."""
    stats: dict[str, Any] = host(addon).stats()
    return int(stats["python_objects_lent"])


def test_a_hundred_threads_at_once(js: Script) -> None:
    call = js("(f, n) => f(n) + 1")
    together = threading.Barrier(100)
    found: list[int] = []

    def work(number: int) -> None:
        together.wait(30)
        found.extend(call(lambda n: n, number) for _ in range(20))

    run_all([threading.Thread(target=work, args=(number,)) for number in range(100)])
    assert sorted(found) == sorted(number + 1 for number in range(100) for _ in range(20))


def test_a_hundred_threads_that_each_sleep_in_a_callback(js: Script) -> None:
    call = js("(f, s) => f(s)")
    found: list[object] = []

    def work() -> None:
        call(time.sleep, 0.002)
        found.append(None)

    run_all([threading.Thread(target=work) for _ in range(100)])
    assert found == [None] * 100


def test_two_hundred_short_lived_threads(js: Script, addon: Addon) -> None:
    add = js("(a, b) => a + b")
    found: list[int] = []
    for number in range(200):
        thread = threading.Thread(target=lambda n=number: found.append(add(n, 1)))
        thread.start()
        thread.join(10)
    assert found == [number + 1 for number in range(200)]
    assert host(addon).generation == 1


def test_thread_that_ends_in_a_callback(js: Script, addon: Addon) -> None:
    call = js("(f) => { try { return f(); } finally { globalThis.tidied = true; } }")
    js("globalThis.tidied = false")

    ended: list[BaseException] = []

    def work() -> None:
        try:
            call(sys.exit)
        except SystemExit as error:
            ended.append(error)

    run_all([threading.Thread(target=work) for _ in range(70)])
    assert len(ended) == 70
    assert js("globalThis.tidied") is True
    assert js("1 + 1") == 2
    assert host(addon).generation == 1


def test_callback_that_starts_threads_which_call(js: Script) -> None:
    call = js("(f) => f()")
    with ThreadPoolExecutor(4) as pool:
        started: list[Any] = []
        call(lambda: started.extend(pool.submit(js, f"{n} * 2") for n in range(8)))
        assert [future.result(10) for future in started] == [0, 2, 4, 6, 8, 10, 12, 14]


def test_objects_that_come_back_while_other_threads_call() -> None:
    with load_addon(addon_path("primitive")) as loaded:
        run = host(loaded).run_script
        call = run("(f) => f()")
        with ThreadPoolExecutor(4) as pool:
            waiting = call(lambda: [pool.submit(run, f"{n} * 2") for n in range(8)])
            assert [future.result(10) for future in waiting] == [0, 2, 4, 6, 8, 10, 12, 14]


def test_call_behind_a_callback_is_reported_once_with_both_stacks(
    js: Script, caplog: pytest.LogCaptureFixture
) -> None:
    call = js("(f) => f()")
    inside, done = threading.Event(), threading.Event()

    def the_callback_that_waits() -> None:
        inside.set()
        done.wait(10)

    def the_call_that_waits() -> None:
        assert js("1") == 1

    first = threading.Thread(target=lambda: call(the_callback_that_waits), name="first")
    second = threading.Thread(target=the_call_that_waits, name="second")
    with caplog.at_level(logging.WARNING, "napi_python"):
        first.start()
        inside.wait(5)
        started = time.monotonic()
        second.start()
        while not caplog.records and time.monotonic() - started < 5:
            time.sleep(0.02)
        taken = time.monotonic() - started
        time.sleep(1.3)
        done.set()
        first.join(10)
        second.join(10)
    assert 0.9 < taken < 3
    assert len(caplog.records) == 1
    text = caplog.records[0].getMessage()
    for expected in (
        "first",
        "second",
        "the_callback_that_waits",
        "the_call_that_waits",
        "nested_threads=True",
        "deadline()",
    ):
        assert expected in text


def test_busy_callbacks_are_not_reported(js: Script, caplog: pytest.LogCaptureFixture) -> None:
    """A call waits for well over a second, always behind callbacks, never behind the same one."""
    busy = js(
        "(f) => { const end = Date.now() + 2500; while (Date.now() < end) f(); return true; }"
    )
    inside = threading.Event()
    calls = 0

    def callback() -> None:
        nonlocal calls
        calls += 1
        inside.set()
        time.sleep(0.05)

    waited: list[float] = []

    def wait() -> None:
        inside.wait(10)
        begun = time.monotonic()
        assert js("1") == 1
        waited.append(time.monotonic() - begun)

    with caplog.at_level(logging.WARNING, "napi_python"):
        run_all([threading.Thread(target=lambda: busy(callback)), threading.Thread(target=wait)])
    # If callbacks were not distinguished, this would have been reported after a second.
    assert calls > 2
    assert waited[0] > 1.5
    assert caplog.records == []


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_callback_that_waits_for_another_threads_call_goes_on_when_that_is_given_up(
    size: int,
) -> None:
    """The call behind the callback is withdrawn, whether all of it was sent already or not."""
    with load_addon(addon_path("primitive")) as loaded:
        run = host(loaded).run_script
        touch = run("(text, f) => { globalThis.touched = f; }")
        pid = host(loaded).pid
        lent = held(loaded)
        failed: list[BaseException] = []

        def bounded() -> None:
            try:
                with deadline(0.3):
                    touch("x" * size, lambda: None)
            except AddonTimeout as error:
                failed.append(error)

        def wait() -> str:
            thread = threading.Thread(target=bounded)
            thread.start()
            thread.join(10)
            return "went on"

        for _ in range(3):
            assert run("(f) => f()")(wait) == "went on"
        assert len(failed) == 3
        assert run("typeof touched") == "undefined"
        assert host(loaded).pid == pid
        # The callbacks themselves may be held a little longer; what was not received is not.
        assert held(loaded) <= lent + 1


def test_main_threads_call_behind_a_callback_is_given_up_by_control_c(
    js: Script, addon: Addon
) -> None:
    inside, done = threading.Event(), threading.Event()
    call = js("(f) => f()")
    pid = host(addon).pid

    def callback() -> bool:
        inside.set()
        return done.wait(10)

    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(call(callback)))
    thread.start()
    inside.wait(10)
    former = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            js("globalThis.reached = true")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
        done.set()
        thread.join(10)
    assert found == [True]
    assert js("typeof reached") == "undefined"
    assert host(addon).pid == pid


@pytest.fixture
def nesting() -> Any:
    """An addon whose threads run on top of waiting callbacks."""
    with load_addon(addon_path("crash"), nested_threads=True) as loaded:
        yield loaded


def test_nested_threads_run_on_top_of_a_waiting_callback(nesting: Addon) -> None:
    def wait() -> Any:
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda: found.append(nesting.call(lambda: nesting.add(1, 2))))
            for _ in range(8)
        ]
        run_all(threads)
        return found

    assert nesting.call(wait) == [3] * 8
    assert host(nesting).generation == 1


def test_nested_threads_answer_in_any_order(nesting: Addon) -> None:
    """The first callback ends before the second, which is on top of it."""
    first_inside, second_inside = threading.Event(), threading.Event()
    found: list[str] = []

    def first() -> str:
        first_inside.set()
        second_inside.wait(10)
        return "first"

    def second() -> str:
        second_inside.set()
        time.sleep(0.3)
        return "second"

    def call(f: Any) -> None:
        found.append(nesting.call(f))

    one = threading.Thread(target=call, args=(first,))
    two = threading.Thread(target=call, args=(second,))
    one.start()
    first_inside.wait(10)
    two.start()
    one.join(20)
    two.join(20)
    assert sorted(found) == ["first", "second"]
    assert nesting.add(1, 2) == 3
    assert host(nesting).generation == 1


def test_nested_threads_under_load(nesting: Addon) -> None:
    def down(n: int) -> int:
        return 0 if n == 0 else 1 + int(nesting.call(lambda: down(n - 1)))

    found: list[int] = []
    run_all(
        [
            threading.Thread(target=lambda: found.extend(down(3) for _ in range(20)))
            for _ in range(70)
        ]
    )
    assert found == [3] * 1400
    assert host(nesting).generation == 1


def test_daemon_threads_in_calls_do_not_hold_the_exit() -> None:
    script = textwrap.dedent(
        f"""
        import threading, time
        from napi_python import load_addon, host
        addon = load_addon({str(addon_path("crash"))!r})
        print(host(addon).pid, flush=True)
        def work(kind):
            while True:
                if kind == 0: addon.add(1, 2)
                elif kind == 1: addon.call(lambda: time.sleep(0.01))
                elif kind == 2: host(addon).run_script("new Promise(() => 0)").result(60)
                else: addon.sleep(60_000)
        for n in range(9):
            threading.Thread(target=work, args=(n % 3,), daemon=True).start()
        time.sleep(0.2)
        threading.Thread(target=work, args=(3,), daemon=True).start()
        time.sleep(0.1)
        print(time.monotonic(), flush=True)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    # An exception that is reported while the interpreter ends can make it abort.
    assert done.stderr == ""
    pid, ends = done.stdout.split()
    assert time.monotonic() - float(ends) < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
