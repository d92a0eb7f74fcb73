"""thread="caller": the session runs on the thread that loaded the addon, in its calls and turns."""

from __future__ import annotations

import asyncio
import gc
import operator
import os
import signal
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path, control_c, run_program, until
from napi_python import (
    Addon,
    AddonCrashed,
    AddonError,
    AddonTimeout,
    JSError,
    WrongThreadError,
    deadline,
    host,
    load_addon,
    open_host,
    register,
    require,
)

SECONDS = 30


def load(name: str, **options: Any) -> Any:
    """Loads a sample addon on this thread."""
    return load_addon(addon_path(name), isolated=False, thread="caller", **options)


@pytest.fixture
def order() -> Iterator[Any]:
    """An addon with threads, work and promises."""
    with load("order") as loaded:
        yield loaded


def in_thread(function: Callable[[], Any]) -> Any:
    """Calls a function in another thread and returns its result, or raises what it raised."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(SECONDS)
    assert outcome, "the thread hangs"
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def test_calls_and_callbacks_run_on_this_thread(order: Any) -> None:
    script = host(order).run_script
    assert script("(a, b) => a + b")(1, 2) == 3
    threads: list[int] = []

    def deeper(depth: int) -> int:
        threads.append(threading.get_ident())
        return 0 if depth == 0 else script("(f, n) => f(n) + 1")(deeper, depth - 1)

    assert deeper(20) == 20
    assert set(threads) == {threading.get_ident()}
    assert host(order).pid == os.getpid()


def test_exceptions_cross_both_ways(order: Any) -> None:
    script = host(order).run_script
    error = KeyError("mine")

    def fail() -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        script("f => f()")(fail)
    assert caught.value is error
    assert script("f => { try { f() } catch (e) { return e instanceof Error } }")(fail) is True
    with pytest.raises(JSError, match="theirs"):
        script("throw new Error('theirs')")


def test_another_thread_is_told_the_way_out(order: Any) -> None:
    add = host(order).run_script("(a, b) => a + b")
    process = host(order)
    for use in (lambda: add(1, 2), lambda: process.stats(), process.restart, process.close):
        with pytest.raises(WrongThreadError, match='thread="own"'):
            in_thread(use)
    assert add(1, 2) == 3


def test_another_thread_may_load_an_addon_of_its_own(order: Any) -> None:
    def use() -> Any:
        with load("order") as mine:
            return host(mine).run_script("6 * 7")

    assert in_thread(use) == 42
    assert host(order).run_script("1") == 1


def test_sessions_of_one_thread_call_each_other() -> None:
    with load("primitive") as first, load("order") as second:
        a, b = host(first).run_script, host(second).run_script
        a("globalThis.name = 'a'")
        b("globalThis.name = 'b'")
        call_b = b("f => name + (f ? f() : '')")
        call_a = a("f => name + (f ? f() : '')")
        assert call_a(lambda: call_b(lambda: call_a(lambda: call_b(None)))) == "abab"
        with pytest.raises(ZeroDivisionError):
            call_a(lambda: call_b(lambda: 1 / 0))
        assert (call_a(None), call_b(None)) == ("a", "b")


def test_what_is_due_runs_in_run_pending(order: Any) -> None:
    ticks: list[int] = []
    script = host(order).run_script
    script("f => { setTimeout(f, 5, 1); setTimeout(f, 10, 2); setImmediate(f, 0) }")(ticks.append)
    assert ticks == []
    end = time.monotonic() + SECONDS
    while len(ticks) < 3 and time.monotonic() < end:
        host(order).run_pending()
    assert ticks == [0, 1, 2]


def test_events_of_threads_run_in_run_pending(order: Any) -> None:
    seen: list[int] = []
    order.eventsOfThread(seen.append, 500)
    end = time.monotonic() + SECONDS
    while len(seen) < 500 and time.monotonic() < end:
        host(order).run_pending()
    assert seen == list(range(500))


def test_thread_that_waits_for_a_promise_takes_the_turns(order: Any) -> None:
    script = host(order).run_script
    assert script("new Promise(done => setTimeout(done, 20, 'timer'))").result(SECONDS) == "timer"
    assert (
        script("(async () => { await null; return 'microtask' })()").result(SECONDS) == "microtask"
    )
    with pytest.raises(JSError, match="late"):
        script("new Promise((_, no) => setTimeout(no, 5, new Error('late')))").result(SECONDS)


def test_loop_takes_the_turns(order: Any) -> None:
    seen: list[int] = []

    async def main() -> None:
        script = host(order).run_script
        assert await script("new Promise(done => setTimeout(done, 20, 'timer'))") == "timer"
        order.eventsOfThread(seen.append, 2000)
        await until(lambda: len(seen) == 2000)
        ticks: list[int] = []
        script(
            "f => { let n = 0;"
            "const t = setInterval(() => { f(n); if (++n == 3) clearInterval(t) }, 2) }"
        )(ticks.append)
        await until(lambda: len(ticks) == 3)
        assert ticks == [0, 1, 2]

        async def answer() -> str:
            await asyncio.sleep(0.001)
            return "of Python"

        assert await script("async f => 'answer ' + await f()")(answer) == "answer of Python"
        many = [script("n => new Promise(done => setImmediate(done, n))")(n) for n in range(100)]
        assert await asyncio.gather(*many) == list(range(100))

    asyncio.run(main())
    assert seen == list(range(2000))
    # The loop is gone; the next one takes the turns.
    asyncio.run(main())


def test_endless_javascript_ends_at_its_deadline(order: Any) -> None:
    script = host(order).run_script
    started = time.monotonic()
    with deadline(0.2), pytest.raises(AddonTimeout):
        script("for (;;);")
    assert time.monotonic() - started < 5
    assert script("1 + 1") == 2


def test_control_c_ends_endless_javascript(order: Any) -> None:
    with control_c(0.2), pytest.raises(KeyboardInterrupt):
        host(order).run_script("for (;;);")
    assert host(order).run_script("1 + 1") == 2


def test_signal_handler_may_call_the_addon(order: Any) -> None:
    script = host(order).run_script
    add = script("(a, b) => a + b")
    results: list[int] = []
    former = signal.signal(signal.SIGALRM, lambda *_: results.append(add(20, 22)))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        script("{ const end = Date.now() + 300; while (Date.now() < end); }")
    finally:
        signal.signal(signal.SIGALRM, former)
    assert results == [42]


def test_process_exit_ends_the_session_only(order: Any) -> None:
    script = host(order).run_script
    with pytest.raises(AddonCrashed, match="session in this process exited with code 3") as caught:
        script("process.exit(3)")
    assert caught.value.exit_code == 3
    with pytest.raises(AddonCrashed, match="restart"):
        script("1")
    host(order).restart()
    assert host(order).run_script("2") == 2


def test_large_buffers_and_texts_cross() -> None:
    data = bytes(range(256)) * 8192
    with load("buffer") as addon:
        script = host(addon).run_script
        assert bytes(script("b => { b[0] = 7; return b }")(bytearray(data)))[:2] == b"\x07\x01"
        assert script("b => b.length")(data) == len(data)
        assert len(script("'x'.repeat(5000000)")) == 5_000_000


def test_closed_addon_refuses_and_its_thread_goes_on() -> None:
    addon = load("order")
    script = host(addon).run_script
    script("globalThis.late = 1; setInterval(() => {}, 1)")
    host(addon).close()
    with pytest.raises(Exception, match="closed"):
        script("1")
    with load("order") as other:
        assert host(other).run_script("typeof late") == "undefined"


def resources() -> tuple[int, int]:
    return len([*Path("/proc/self/task").iterdir()]), len([*Path("/proc/self/fd").iterdir()])


def test_loads_and_closes_leave_nothing() -> None:
    def once() -> None:
        with load("order") as addon:
            assert host(addon).run_script("1") == 1
        # The last reference goes without a close.
        host(load("primitive")).run_script("1")
        gc.collect()

    for _ in range(5):
        once()
    before = resources()
    for _ in range(40):
        once()
    end = time.monotonic() + SECONDS
    while resources() > before and time.monotonic() < end:
        time.sleep(0.001)
    assert resources() <= before


def test_addon_that_another_thread_drops_ends_with_the_next_load() -> None:
    before = resources()
    addon: Addon | None = load("order")
    held = [addon]
    addon = None
    in_thread(lambda: held.clear())
    with load("order"):
        pass
    end = time.monotonic() + SECONDS
    while resources() > before and time.monotonic() < end:
        time.sleep(0.001)
    assert resources() <= before


def test_packages_pass_objects_to_each_other(tmp_path: Path) -> None:
    for name, source in (
        ("makes", "class Made { value() { return 42 } } module.exports = () => new Made()"),
        ("reads", "module.exports = made => made.value()"),
    ):
        folder = tmp_path / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(f'{{"name": "{name}", "version": "1.0.0"}}')
        (folder / "index.js").write_text(source)
    with open_host(root=tmp_path, isolated=False, thread="caller") as opened:
        assert opened.require("reads")(opened.require("makes")()) == 42
    reads: Any = require("reads", root=tmp_path, isolated=False, thread="caller")
    assert reads({"value": lambda: 7}) == 7
    host(reads).close()


FORKS = """
import os, sys
from napi_python import host, load_addon
addon = load_addon(sys.argv[1], isolated=False, thread="caller")
add = host(addon).run_script("(a, b) => a + b")
assert add(1, 2) == 3
pid = os.fork()
if pid == 0:
    try:
        addon.eventsBegun()
    except Exception as error:
        os.write(1, str(error).encode() + b"\\n")
    try:
        load_addon(sys.argv[1], isolated=False, thread="caller")
    except Exception as error:
        os.write(1, str(error).encode() + b"\\n")
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert add(1, 2) == 3
"""


def test_forked_child_is_refused_and_the_parent_goes_on() -> None:
    done = run_program(FORKS, addon_path("order"))
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        assert "the process that this one was forked from" in line
    assert len(done.stdout.splitlines()) == 2


ENDS = """
import sys
from napi_python import host, load_addon
addon = load_addon(sys.argv[1], isolated=False, thread="caller")
script = host(addon).run_script
script("setInterval(() => {}, 1)")
kept = script("new Promise(() => {})")
addon.eventsOfThread(lambda n: None, 100000)
print("end")
"""


def test_interpreter_ends_with_work_in_flight() -> None:
    done = run_program(ENDS, addon_path("order"), timeout=SECONDS)
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr


FRAMELESS = [
    (),
    (1, 2),
    (1.5, -2.25),
    (0, -0.0),
    (True, False),
    (float("inf"), float("nan")),
    (2**53 - 1, -(2**53 - 1)),
    (2**53, 2**60),
    (2**31, -(2**31) - 1),
    (None, 1),
    ("a", 1),
    (1, 2, 3, 4),
    (1, 2, 3, 4, 5),
]
RESULTS = [
    "(...all) => all.map(x => Object.is(x, -0) ? '-0' : typeof x + String(x)).join()",
    "(a, b) => a + b",
    "(a) => a",
    "() => undefined",
    "() => null",
    "() => -0",
    "() => 2 ** 53",
    "(a, b) => [a, b]",
    "(a) => 'text' + a",
    "(function () { return this === undefined })",
]


@pytest.mark.parametrize("source", RESULTS)
def test_calls_with_and_without_a_frame_give_the_same(source: str) -> None:
    def results(addon: Addon) -> list[str]:
        function = host(addon).run_script(source)
        return [repr(function(*arguments)) for arguments in FRAMELESS]

    with load_addon(addon_path("primitive")) as isolated:
        wanted = results(isolated)
    with load_addon(addon_path("primitive"), isolated=False, thread="caller") as addon:
        assert results(addon) == wanted


# Names beyond what a call without a frame takes, in bytes.
LONG = "ä" * 19 + "xy"
OBJECT = f"""new (class Sample {{
    constructor() {{ this.none = undefined; this.nil = null; this.zero = -0; this[7] = "seven";
        this.text = "text"; this.list = [1]; this["{LONG}"] = 1; this["{LONG[:-1]}"] = 2 }}
    all(...given) {{ return given.map(x => typeof x + x).join() + (this instanceof Sample) }}
    sum(a, b) {{ return a + b }}
    fail(x) {{ throw new RangeError("no " + x) }}
    {LONG}() {{ return 3 }}
    replace() {{ this.sum = 5 }}
    get computed() {{ return this.zero + 1 }}
    get failing() {{ throw new TypeError("not now") }}
}})()"""
NAMES = ["none", "nil", "zero", "7", "text", "list", LONG, LONG[:-1], "computed", "failing"]


def answer(function: Callable[..., object], *arguments: object) -> str:
    """Returns what a call returns or raises."""
    try:
        return repr(function(*arguments))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def test_methods_and_properties_with_and_without_a_frame_are_the_same() -> None:
    def answers(addon: Addon) -> list[str]:
        sample = host(addon).run_script(OBJECT)
        # What raises is released with the next call, which takes a frame.
        found = [answer(getattr, sample, name) for name in ["text", "absent", *NAMES]]
        found += [answer(operator.getitem, sample, name) for name in ["text", "absent", *NAMES, 7]]
        for arguments in FRAMELESS:
            found += [answer(sample.all, *arguments), answer(sample.sum, *arguments)]
        found += [answer(sample.fail, 2), answer(getattr(sample, LONG))]
        sum_before = sample.sum
        sample.replace()
        return [*found, answer(sum_before, 1, 2), answer(getattr, sample, "sum")]

    with load_addon(addon_path("primitive")) as isolated:
        wanted = answers(isolated)
    assert any("not now" in text for text in wanted)
    assert any("no 2" in text for text in wanted)
    with load_addon(addon_path("primitive"), isolated=False, thread="caller") as addon:
        assert answers(addon) == wanted


def test_call_without_a_frame_ends_in_each_way() -> None:
    with load_addon(addon_path("primitive"), isolated=False, thread="caller") as addon:
        script = host(addon).run_script
        with pytest.raises(JSError, match="no 5"):
            script("x => { throw new Error('no ' + x) }")(5)
        through = script("call => n => call(n) + 1")(lambda n: 10 * n)
        assert [through(n) for n in range(3)] == [1, 11, 21]
        nested = script("call => n => call(n)")(lambda n: through(n) + through(n))
        assert nested(2) == 42
        with pytest.raises(ZeroDivisionError):
            script("call => n => call(n)")(lambda n: n // 0)(1)
        slow = script("ms => { const end = Date.now() + ms; while (Date.now() < end); return ms }")
        assert slow(30) == 30
        with pytest.raises(AddonTimeout), deadline(0.05):
            script("x => { while (true); }")(1)
        assert script("x => x + 1")(1) == 2
        made = script("n => ({ n })")(3)
        assert made.n == 3
        del made
        assert script("x => x + 1")(1) == 2
        later = script("n => { Promise.resolve().then(() => { globalThis.after = n }); return n }")
        assert later(7) == 7
        host(addon).run_pending()
        assert script("() => globalThis.after")() == 7


def test_events_come_between_calls_without_a_frame(order: Any) -> None:
    identity = host(order).run_script("x => x")
    later = host(order).run_script("f => n => { setImmediate(f, n); return n }")
    seen: list[int] = []
    ticks: list[int] = []
    tick = later(ticks.append)

    def call(number: int) -> None:
        assert [identity(value) for value in range(10)] == list(range(10))
        assert tick(number) == number

    order.eventsOfThread(seen.append, 500)
    end = time.monotonic() + SECONDS
    calls = 0
    while len(seen) < 500 and time.monotonic() < end:
        call(calls)
        calls += 1
        host(order).run_pending()
    assert seen == list(range(500))
    assert ticks == list(range(calls))
    seen.clear()
    ticks.clear()

    async def main() -> int:
        order.eventsOfThread(seen.append, 500)
        calls = 0
        while len(seen) < 500 and time.monotonic() < end:
            call(calls)
            calls += 1
            await asyncio.sleep(0)
        await until(lambda: len(ticks) == calls)
        return calls

    calls = asyncio.run(main())
    assert seen == list(range(500))
    assert ticks == list(range(calls))


# How callbacks are made: what JavaScript passes, and what a call of Python's returns.
CALLS = [
    "f => f()",
    "f => f(1, -0, 2.5, true)",
    "f => f(undefined, null, false)",
    "f => f(1, 2, 3, 4, 5)",
    "f => f('text')",
    "f => f({ a: 1 }, [2])",
    "f => f(2n ** 70n)",
    "f => { try { return f(-1) } catch (error) { return `${error.name}: ${error.message}` } }",
    "f => [f(1), f([1]), f(2), f({}), f(3)]",
    "f => [1, 2, 3].map(f)",
    "f => typeof f(1) + typeof f(0)",
    "f => f.length + f.name.length",
]


def sometimes(*given: Any) -> Any:
    """Returns values of several kinds, or raises."""
    if not given:
        return None
    if given[0] == -1:
        raise ValueError("minus one")
    return {1: True, 2: [given], 3: 2**60, 0: 0.5}.get(len(given), repr(given))


CALLBACKS: list[Callable[..., Any]] = [
    lambda *given: repr(given),
    lambda *given: given[0] if given else 7,
    lambda *given: len(given),
    lambda *given: [*given],
    lambda *given: 2**53,
    sometimes,
    lambda *_: 1 // 0,
]


@pytest.mark.parametrize("source", CALLS)
def test_callbacks_with_and_without_a_frame_are_the_same(source: str) -> None:
    def results(addon: Addon) -> list[str]:
        call = host(addon).run_script(source)
        # With a list the call itself takes a frame, its callbacks need none.
        with_list = host(addon).run_script(f"(f, list) => [({source})(f), list.length]")
        found = []
        for callback in CALLBACKS:
            found += [answer(call, callback), answer(with_list, callback, [1])]
        return found

    with load_addon(addon_path("primitive")) as isolated:
        wanted = results(isolated)
    with load_addon(addon_path("primitive"), isolated=False, thread="caller") as addon:
        assert results(addon) == wanted


def test_callback_without_a_frame_ends_in_each_way() -> None:
    with load_addon(addon_path("primitive"), isolated=False, thread="caller") as addon:
        script = host(addon).run_script
        total = script(
            "(f, n) => { let sum = 0; for (let i = 0; i < n; i++) sum += f(i); return sum }"
        )
        assert total(lambda i: i, 100) == 4950
        # Calls inside of a callback: with a callback of their own, with a frame, deeper.
        assert total(lambda i: total(lambda j: i * j, 3), 4) == 18
        assert total(lambda i: len(script(f"() => 'x'.repeat({i})")()), 4) == 6
        add = script("(a, b) => a + b")
        assert total(lambda i: add(i, 1), 3) == 6

        def deep(n: int) -> int:
            return n and 1 + total(lambda i: deep(n - 1), 1)

        assert deep(20) == 20
        # Nothing of a callback stays.
        before = host(addon).stats()["python_objects_lent"]
        three = script("(f, g, h) => f(1) + g(2) + h(3)")
        for _ in range(300):
            assert three(lambda x: x, lambda x: -x, lambda x: x) == 2
        script("() => 1")()
        assert host(addon).stats()["python_objects_lent"] == before
        # One that the addon keeps is called later, and released when it is dropped.
        keep = script("f => { globalThis.kept = f; return 1 }")
        kept = Kept()
        gone = weakref.ref(kept)
        assert keep(kept.add) == 1
        assert script("() => kept(4)")() == 5
        del kept
        gc.collect()
        assert gone() is not None
        script("() => { delete globalThis.kept }")()
        assert script("() => 1")() == 1
        gc.collect()
        assert gone() is None

        def slow(i: int) -> int:
            time.sleep(0.02)
            return i

        with pytest.raises(AddonTimeout), deadline(0.05):
            total(slow, 10**6)
        with pytest.raises(KeyboardInterrupt), control_c(0.1):
            total(lambda i: i, 10**9)

        def interrupted(_: int) -> int:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            script("f => { try { return f(1) } catch { return 2 } }")(interrupted)
        assert total(lambda i: i, 3) == 3


class Kept:
    """Has a method that an addon keeps."""

    def add(self, x: int) -> int:
        return x + 1


def test_addon_may_be_closed_in_a_callback_without_a_frame() -> None:
    addon = load_addon(addon_path("primitive"), isolated=False, thread="caller")
    call = host(addon).run_script("f => f(1) + 1")
    with pytest.raises(AddonError, match="closed"):
        call(lambda _: host(addon).close())
    with pytest.raises(AddonError, match="closed"):
        call(lambda x: x)


def test_converters_apply_to_calls_without_a_frame() -> None:
    class Own:
        def method(self) -> int:
            return 1

    def function() -> int:
        return 2

    with load("primitive") as addon:
        kind = host(addon).run_script("(f) => typeof f === 'function' ? f() : f")
        assert (kind(Own().method), kind(function)) == (1, 2)
        register(types.MethodType, lambda _: "converted")
        try:
            assert (kind(Own().method), kind(function)) == ("converted", 2)
        finally:
            register(types.MethodType, None)
        assert (kind(Own().method), kind(function)) == (1, 2)


def test_sessions_of_one_thread_call_each_other_without_frames() -> None:
    with load("primitive") as one, load("number") as other:
        first = host(one).run_script("(f, n) => n ? f(n - 1) + 1 : 0")
        second = host(other).run_script("(f, n) => n ? f(n - 1) + 1 : 0")

        def forth(n: int) -> Any:
            return first(back, n)

        def back(n: int) -> Any:
            return second(forth, n)

        assert forth(20) == 20
