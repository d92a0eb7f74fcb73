"""Failures outside calls: promises, async work, threadsafe calls and their hooks."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import (
    AddonCrashed,
    AddonTimeout,
    JSError,
    JSRangeError,
    construct,
    host,
    load_addon,
    on_uncaught,
)

if TYPE_CHECKING:
    from conftest import Script
    from napi_python import Addon

SECONDS = 30.0


@pytest.fixture
def reported() -> Iterator[queue.Queue[BaseException]]:
    """The uncaught errors."""
    errors: queue.Queue[BaseException] = queue.Queue()
    former = on_uncaught(errors.put)
    yield errors
    on_uncaught(former)


# Promises.


def test_promise_is_settled_once(js: Script) -> None:
    promise = js(
        "new Promise((yes, no) => { yes(1); no(new Error('late')); yes(2); throw new Error('x'); })"
    )
    assert promise.result(SECONDS) == 1
    with load_addon(addon_path("promise")) as addon:
        promise = addon.napi_create_promise(1).result
        assert addon.napi_resolve_deferred(1, "first")["status"] == "napi_ok"
        assert promise.result(SECONDS) == "first"
        # The deferred is used up, which only the addon is told.
        assert addon.napi_resolve_deferred(1, "second")["status"] == "napi_invalid_arg"
        assert addon.napi_reject_deferred(1, "third")["status"] == "napi_invalid_arg"
        assert promise.result(SECONDS) == "first"
        assert host(addon).generation == 1


@pytest.fixture
def deferreds() -> Iterator[tuple[Addon, Any]]:
    """An addon that keeps what settles its promises, and what makes and returns one of those."""
    with load_addon(addon_path("promise")) as addon:
        yield addon, host(addon).run_script("(n) => addon.napi_create_promise(n).result")


def test_settlement_of_an_addons_promise_is_reported_for_every_kind_of_value(
    deferreds: tuple[Addon, Any], reported: queue.Queue[BaseException]
) -> None:
    addon, make = deferreds
    resolve, reject = addon.napi_resolve_deferred, addon.napi_reject_deferred

    async def main() -> None:
        first, second, third, fourth = (make(number) for number in range(4))
        waiting = [asyncio.create_task(promise) for promise in (first, second, third, fourth)]
        await asyncio.sleep(0)
        # One that follows another one, one that follows what is like a promise.
        resolve(0, second)
        resolve(2, host(addon).run_script("({then(yes) { globalThis.yes = yes; }})"))
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        resolve(1, [1, "a"])
        reject(3, ValueError("mine"))
        assert await asyncio.wait_for(waiting[1], SECONDS) == [1, "a"]
        assert await asyncio.wait_for(waiting[0], SECONDS) == [1, "a"]
        with pytest.raises(ValueError, match="mine"):
            await asyncio.wait_for(waiting[3], SECONDS)
        assert not third.done()
        host(addon).run_script("yes('thenable')")
        assert await asyncio.wait_for(waiting[2], SECONDS) == "thenable"

    asyncio.run(main())
    # Never awaited, but its rejection is reported all the same.
    silent = make(5)
    reject(5, ValueError("silent"))
    with pytest.raises(ValueError, match="silent"):
        silent.result(SECONDS)
    assert reported.empty()


@pytest.mark.parametrize("when", ["before", "after"])
def test_promise_of_an_addon_that_comes_by_two_ways_is_one(
    deferreds: tuple[Addon, Any], when: str
) -> None:
    """It is written into the argument and returned; settled before or after that is reported."""
    addon, _ = deferreds
    put = host(addon).run_script(
        """(box, when) => {
            const promise = addon.napi_create_promise(7).result;
            if (when === "before") addon.napi_resolve_deferred(7, "reported");
            box.first = box.second = promise;
            return promise;
        }"""
    )
    for _ in range(2):
        box: dict[str, Any] = {}
        promise = put(box, when)
        assert box["first"] is promise
        assert box["second"] is promise
        if when == "after":
            addon.napi_resolve_deferred(7, "reported")
        assert promise.result(SECONDS) == "reported"


def test_promise_of_an_addon_that_was_given_back_is_watched_anew(
    deferreds: tuple[Addon, Any],
) -> None:
    addon, make = deferreds
    host(addon).run_script("globalThis.kept = addon.napi_create_promise(0).result; 0")
    for _ in range(2):
        promise = host(addon).run_script("kept")
        assert not promise.done()
        del promise
        gc.collect()
        # What is given back goes with the next frame.
        host(addon).run_script("0")
    last, other = host(addon).run_script("kept"), make(1)
    addon.napi_resolve_deferred(0, "kept")
    assert last.result(SECONDS) == "kept"
    addon.napi_resolve_deferred(1, "other")
    assert other.result(SECONDS) == "other"


@pytest.mark.parametrize("reason", [5, "text", None, [1], {"a": 1}], ids=repr)
def test_rejection_with_a_value_that_is_not_an_error(reason: Any, js: Script) -> None:
    promise = js("(reason) => Promise.reject(reason)")(reason)
    for _ in range(2):
        with pytest.raises(JSError) as caught:
            promise.result(SECONDS)
        assert caught.value.value == reason

    async def main() -> None:
        with pytest.raises(JSError) as caught:
            await promise
        assert caught.value.value == reason

    asyncio.run(main())


def test_promise_is_awaited_any_number_of_times_from_any_loop(js: Script) -> None:
    promise = js("new Promise((yes) => { globalThis.yes = yes; })")
    found: list[Any] = []
    ready = threading.Barrier(5)

    def work() -> None:
        async def main() -> None:
            waiting = [asyncio.ensure_future(promise) for _ in range(10)]
            await asyncio.sleep(0)
            await asyncio.to_thread(ready.wait, SECONDS)
            found.extend(await asyncio.gather(*waiting))
            found.append(await promise)

        asyncio.run(main())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait(SECONDS)
    js("yes('value')")
    for thread in threads:
        thread.join(SECONDS)
    assert found == ["value"] * 44
    assert promise.result(0) == "value"


def test_cancelled_wait_leaves_the_promise_alone(js: Script) -> None:
    async def main() -> None:
        promise = js("new Promise((yes) => { globalThis.yes = yes; })")
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(promise, 0.01)
        waiting, other = asyncio.create_task(promise), asyncio.create_task(promise)
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not promise.done()
        js("yes('value')")
        assert await other == "value"
        assert await promise == "value"

    asyncio.run(main())


def test_loop_that_is_closed_while_promises_are_pending(
    js: Script, reported: queue.Queue[BaseException]
) -> None:
    promise = js("new Promise((yes) => { globalThis.yes = yes; })")
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(_wait_for(promise))
    loop.run_until_complete(asyncio.sleep(0))
    waiting.cancel()
    loop.run_until_complete(asyncio.wait({waiting}))
    loop.close()
    js("yes('value')")
    assert promise.result(SECONDS) == "value"
    assert asyncio.run(_wait_for(promise)) == "value"
    assert reported.empty()


async def _wait_for(promise: Any) -> Any:
    return await promise


def test_promise_can_not_be_pickled_or_copied(js: Script) -> None:
    promise = js("Promise.resolve(1)")
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="Promise"):
            attempt(promise)
    iterator = iter(js("(function* () {})()"))
    with pytest.raises(TypeError, match="JSIterator"):
        pickle.dumps(iterator)


# Async work.


def test_work_that_crashes_fails_each_pending_promise_once(crash: Addon) -> None:
    async def main() -> None:
        never = host(crash).run_script("new Promise(() => 0)")
        pending = [never, crash.work(False), crash.work(False)]
        received: list[int] = []
        tasks = [asyncio.ensure_future(promise) for promise in pending for _ in range(3)]
        for number, task in enumerate(tasks):
            task.add_done_callback(lambda _, number=number: received.append(number))
        await asyncio.sleep(0)
        # In a turn of its own: the call has returned by then.
        deadly = host(crash).run_script("new Promise(() => setTimeout(() => addon.work(true)))")
        outcomes = await asyncio.gather(deadly, *tasks, return_exceptions=True)
        await asyncio.sleep(0)
        assert [type(outcome) for outcome in outcomes] == [AddonCrashed] * 10
        for outcome in outcomes:
            assert isinstance(outcome, AddonCrashed)
            assert (outcome.signal_name, outcome.generation) == ("SIGSEGV", 1)
        assert sorted(received) == list(range(9))
        for promise in pending:
            assert promise.done()
            with pytest.raises(AddonCrashed):
                promise.result(0)
            with pytest.raises(AddonCrashed):
                await promise
        assert crash.add(1, 2) == 3
        assert host(crash).generation == 2

    asyncio.run(main())


def test_task_of_napi_rs_that_is_aborted() -> None:
    with load_addon(addon_path("sample_rust"), env={"UV_THREADPOOL_SIZE": "1"}) as rust:
        script = host(rust).run_script
        controller = script("new AbortController()")
        other = construct(script("AbortController"))

        async def main() -> None:
            # The only thread is busy with this one.
            first = rust.behindGate(1)
            called_off = asyncio.ensure_future(rust.behindGate(2, controller.signal))
            spared = rust.behindGate(3, other.signal)
            await asyncio.sleep(0)
            controller.abort()
            with pytest.raises(JSError) as caught:
                await called_off
            assert caught.value.name == "AbortError"
            assert controller.signal.aborted
            rust.setGate(True)
            assert list(await asyncio.gather(first, spared)) == [1, 3]

        asyncio.run(main())


# Uncaught errors.


def test_listener_of_the_process_decides(order: Any, reported: queue.Queue[BaseException]) -> None:
    script = host(order).run_script
    received: queue.Queue[Any] = queue.Queue()
    remove = script(
        """(receive) => {
            const uncaught = (error) => receive(["uncaught", error.message]);
            const rejected = (error, promise) =>
                receive(["rejected", error.message, promise instanceof Promise]);
            process.on("uncaughtException", uncaught);
            process.on("unhandledRejection", rejected);
            return () => {
                process.off("uncaughtException", uncaught);
                process.off("unhandledRejection", rejected);
            };
        }"""
    )(received.put)
    fails = ValueError("of a callback")

    def fail(*_: Any) -> None:
        raise fails

    order.work(fail)
    script("setTimeout(() => { throw new RangeError('timer'); }, 0); 0")
    script("Promise.reject(new Error('rejection')); 0")
    assert sorted(received.get(timeout=SECONDS) for _ in range(3)) == [
        ["rejected", "rejection", True],
        ["uncaught", "of a callback"],
        ["uncaught", "timer"],
    ]
    assert reported.empty()
    # An addon below version 10 keeps those of threadsafe functions from the listeners, as in Node.
    order.eventsOfThread(fail, 1)
    assert reported.get(timeout=SECONDS) is fails
    remove()
    order.work(fail)
    assert reported.get(timeout=SECONDS) is fails
    script("Promise.reject(new RangeError('rejection')); 0")
    assert isinstance(reported.get(timeout=SECONDS), JSRangeError)
    assert received.empty()


def test_coroutine_that_a_threadsafe_call_starts_and_that_raises(
    order: Any, reported: queue.Queue[BaseException]
) -> None:
    error = LookupError("of a coroutine")

    async def fails(_: int) -> None:
        raise error

    order.eventsOfThread(fails, 2)
    assert [reported.get(timeout=SECONDS) for _ in range(2)] == [error, error]


def test_rejection_that_is_handled_later_by_python_is_none(
    js: Script, reported: queue.Queue[BaseException]
) -> None:
    promise = js("Promise.reject(new Error('mine to handle'))")
    assert js("new Promise((done) => setTimeout(done, 5, 1))").result(SECONDS) == 1
    with pytest.raises(JSError, match="mine to handle"):
        promise.result(SECONDS)
    assert reported.empty()


# The end.

AT_EXIT = {
    "awaited": """
async def main():
    try:
        await asyncio.wait_for(pending, 0.05)
    except TimeoutError:
        print("late")
asyncio.run(main())
""",
    "given": """
async def main():
    script("(p) => { p.then(() => 0); }")(asyncio.get_running_loop().create_future())
asyncio.run(main())
print("late")
""",
    "iterated": """
async def main():
    async for item in script("(async function* () { yield 1; await new Promise(() => 0); })()"):
        print("late")
        break
asyncio.run(main())
""",
    "aio": """
async def main():
    task = asyncio.ensure_future(aio(script)("for (;;) {}"))
    await asyncio.sleep(0.05)
    print("late")
asyncio.run(main())
""",
}


@pytest.mark.parametrize("what", AT_EXIT.values(), ids=AT_EXIT)
def test_promise_that_is_never_settled_at_exit(what: str) -> None:
    source = f"""
import asyncio
from napi_python import aio, host, load_addon
addon = load_addon({str(addon_path("primitive"))!r})
script = host(addon).run_script
pending = script("new Promise(() => 0)")
{what}
"""
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "late\n", "")


def test_deadline_ends_a_wait_and_not_the_promise(js: Script) -> None:
    promise = js("new Promise((yes) => { globalThis.yes = yes; })")
    with pytest.raises(AddonTimeout):
        promise.result(0)
    js("yes(1)")
    assert promise.result(SECONDS) == 1
