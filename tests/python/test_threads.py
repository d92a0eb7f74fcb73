"""Several Python threads at once, and signals and deadlines while one waits."""

from __future__ import annotations

import asyncio
import contextlib
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
from napi_python import Addon, AddonTimeout, aio, deadline, host, load_addon

if TYPE_CHECKING:
    from conftest import Script


def test_many_threads_call_at_once(rust: Addon) -> None:
    def work(seed: int) -> list[int]:
        return [rust.add(seed, i) for i in range(200)]

    with ThreadPoolExecutor(16) as pool:
        for seed, found in enumerate(pool.map(work, range(16))):
            assert found == [seed + i for i in range(200)]


def test_more_threads_than_lanes(rust: Addon) -> None:
    with ThreadPoolExecutor(100) as pool:
        assert list(pool.map(lambda i: rust.add(i, 1), range(500))) == [i + 1 for i in range(500)]


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="nothing comes at once on one CPU")
def test_thread_that_computes_is_not_let_in_by_each_call(rust: Addon) -> None:
    """A thread that releases the interpreter gets it back when the other thread's time is over.

    An answer that takes longer than the moment for which a call keeps the interpreter releases it;
    meanwhile the host's thread goes to sleep, so that the next answers take as long. Each round
    begins with a host that is awake, and ends with the first call that was late.
    """
    computes, ended = threading.Event(), threading.Event()

    def compute() -> None:
        while not ended.is_set():
            computes.wait()
            while computes.is_set() and not ended.is_set():
                pass

    before = sys.getswitchinterval()
    thread = threading.Thread(target=compute)
    sys.setswitchinterval(0.02)
    best = 0
    try:
        thread.start()
        for _ in range(40):
            for number in range(50):
                rust.add(number, 1)
            computes.set()
            on_time, late = 0, False
            while not late and on_time < 256:
                start = time.perf_counter()
                rust.add(on_time, 1)
                late = time.perf_counter() - start > 0.01
                on_time += not late
            computes.clear()
            best = max(best, on_time)
    finally:
        ended.set()
        computes.set()
        sys.setswitchinterval(before)
        thread.join()
    # If each call released it, the other thread had it as soon as it was awake.
    assert best >= 150


def test_callback_runs_in_the_thread_that_called(js: Script) -> None:
    call = js("(f) => f()")

    def work(_: int) -> bool:
        return bool(call(threading.get_ident) == threading.get_ident())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(100)))


def test_callbacks_of_several_threads_nest(js: Script) -> None:
    call = js("(f, n) => f(n)")

    def down(n: int) -> int:
        return 0 if n == 0 else 1 + int(call(down, n - 1))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: call(down, 5), range(40))) == [5] * 40


def test_proxy_is_used_from_another_thread(js: Script) -> None:
    thing = js("new (class A { constructor() { this.n = 1; } up() { return ++this.n; } })")
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(thing.up()))
    thread.start()
    thread.join()
    assert found == [2]


def test_python_runs_while_a_call_waits(crash: Addon) -> None:
    ran = threading.Event()
    thread = threading.Thread(target=ran.set)
    thread.start()
    crash.sleep(0.1 if crash.sleep.length else 0)
    assert ran.wait(1)
    thread.join()


def test_deadline_ends_a_loop(js: Script) -> None:
    started = time.monotonic()
    with pytest.raises(AddonTimeout, match="deadline"), deadline(0.2):
        js("for (;;) {}")
    assert time.monotonic() - started < 5
    assert js("1 + 1") == 2


def test_deadline_that_is_not_reached_does_nothing(rust: Addon) -> None:
    with deadline(60):
        assert rust.add(1, 2) == 3
    with pytest.raises(ValueError, match="seconds"):
        deadline(-1)


def test_nearest_deadline_wins(js: Script) -> None:
    with deadline(60), pytest.raises(AddonTimeout), deadline(0.1), deadline(60):
        js("for (;;) {}")


def test_deadline_of_nothing_lets_no_call_begin(js: Script, crash: Addon) -> None:
    called: list[int] = []
    call = js("(f) => f()")
    first = host(crash).pid
    for bounds in ([0], [0, 60], [60, 0]):
        with contextlib.ExitStack() as stack:
            for bound in bounds:
                stack.enter_context(deadline(bound))
            with pytest.raises(AddonTimeout):
                call(lambda: called.append(1))
            with pytest.raises(AddonTimeout):
                crash.add(1, 2)
    assert called == []
    assert crash.add(1, 2) == 3
    assert host(crash).pid == first


def test_deadline_in_native_code_costs_the_process(crash: Addon) -> None:
    first = host(crash).pid
    with pytest.raises(AddonTimeout), deadline(0.2):
        crash.loopForever()
    assert crash.add(1, 2) == 3
    assert host(crash).pid != first


def test_deadline_of_a_nested_call_leaves_the_outer_one(js: Script) -> None:
    def inner() -> str:
        try:
            with deadline(0.2):
                js("for (;;) {}")
        except AddonTimeout:
            return "timed out"
        return "ended"

    assert js("(f) => f()")(inner) == "timed out"


def test_control_c_ends_a_wait() -> None:
    script = textwrap.dedent(
        f"""
        import os, signal, threading
        from napi_python import host, load_addon
        # A shell without job control has its background jobs ignore the signal.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        addon = load_addon({str(addon_path("primitive"))!r})
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            host(addon).run_script("for (;;) {{}}")
        except KeyboardInterrupt:
            print("interrupted", host(addon).run_script("1 + 1"))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "interrupted 2\n", done.stderr


def test_signal_handler_runs_while_a_call_waits(js: Script) -> None:
    class EndedError(Exception):
        pass

    def ring(_number: int, _frame: Any) -> None:
        raise EndedError

    former = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(EndedError):
            js("for (;;) {}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)
    assert js("1") == 1


def test_aio_keeps_the_loop_free(js: Script) -> None:
    slow = js("() => { const end = Date.now() + 200; while (Date.now() < end); return 'done'; }")

    async def main() -> tuple[str, int]:
        ticks = 0
        task = asyncio.ensure_future(aio(slow)())
        while not task.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return task.result(), ticks

    result, ticks = asyncio.run(main())
    assert result == "done"
    assert ticks > 3


def test_nothing_hangs_at_exit() -> None:
    script = textwrap.dedent(
        f"""
        from napi_python import load_addon, host
        addon = load_addon({str(addon_path("primitive"))!r})
        keep = host(addon).run_script("new (class A {{}})")
        print(host(addon).pid)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stderr == ""


def test_forked_child_has_a_host_of_its_own() -> None:
    script = textwrap.dedent(
        f"""
        import os
        from napi_python import load_addon, host
        addon = load_addon({str(addon_path("sample_rust"))!r})
        first = host(addon).pid
        child = os.fork()
        if child == 0:
            ok = addon.add(1, 2) == 3 and host(addon).pid != first
            os._exit(0 if ok else 1)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), addon.add(2, 2), host(addon).pid == first)
        """
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "0 4 True\n", done.stderr


def test_closing_while_another_thread_calls() -> None:
    loaded = load_addon(addon_path("primitive"))
    failed: list[BaseException] = []

    def work() -> None:
        try:
            host(loaded).run_script("for (;;) {}")
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    host(loaded).close()
    thread.join(20)
    assert not thread.is_alive()
    assert failed
