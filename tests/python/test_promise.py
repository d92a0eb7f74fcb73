"""Promises, so far as they are settled without async work."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from napi_python import AddonTimeout, JSError, JSTypeError, Promise, host

if TYPE_CHECKING:
    from conftest import Script


def test_result_of_a_settled_promise(js: Script) -> None:
    promise = js("Promise.resolve([1, 'a'])")
    assert isinstance(promise, Promise)
    assert promise.result() == [1, "a"]
    assert promise.done()
    assert promise.result(0) == [1, "a"]


def test_rejection_raises(js: Script) -> None:
    promise = js("Promise.reject(new TypeError('no'))")
    for _ in range(2):
        with pytest.raises(JSTypeError, match="no"):
            promise.result(5)
    with pytest.raises(JSError) as caught:
        js("Promise.reject(5)").result(5)
    assert caught.value.value == 5


@pytest.mark.parametrize("value", ["Promise.reject(new TypeError('no'))", "Promise.resolve({})"])
def test_promise_is_freed_with_its_result(value: str, js: Script) -> None:
    """What was raised has a traceback, and its frames the promise, which has what was raised."""

    def use() -> weakref.ref[Any]:
        promise = js(value)
        with contextlib.suppress(JSTypeError):
            # A value that refers to its promise makes the same circle.
            promise.result(5)["promise"] = promise
        return weakref.ref(promise)

    freed = use()
    gc.collect()
    assert freed() is None


def test_await_on_asyncio(js: Script) -> None:
    async def main() -> Any:
        first = await js("Promise.resolve(1)")
        second = await js("(async () => { await null; return 2; })()")
        return first, second

    assert asyncio.run(main()) == (1, 2)


def test_await_of_a_rejection(js: Script) -> None:
    async def main() -> None:
        await js("Promise.reject(new RangeError('r'))")

    with pytest.raises(JSError, match="r"):
        asyncio.run(main())


def test_promise_is_a_coroutine_for_any_number_of_tasks(js: Script) -> None:
    async def main() -> Any:
        promise = js("new Promise((resolve) => { globalThis.resolveShared = resolve; })")
        assert asyncio.iscoroutine(promise)
        tasks = [asyncio.create_task(promise) for _ in range(3)]
        gathered = asyncio.gather(promise, js("Promise.resolve('other')"), promise)
        await asyncio.sleep(0)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        js("resolveShared('shared')")
        results = [await task for task in tasks[1:]]
        # A new task finds it settled.
        return [*results, *await gathered, await asyncio.create_task(promise)]

    expected = ["shared", "shared", "shared", "other", "shared", "shared"]
    assert asyncio.run(main()) == expected


def test_promise_itself_is_run(js: Script) -> None:
    assert asyncio.run(js("Promise.resolve(7)")) == 7
    with pytest.raises(JSTypeError, match="no"):
        asyncio.run(js("Promise.reject(new TypeError('no'))"))


def test_settled_promise_is_awaited_without_a_round_of_the_loop(js: Script) -> None:
    async def main() -> list[str]:
        promise = js("Promise.resolve(1)")
        await promise
        order: list[str] = []
        asyncio.get_running_loop().call_soon(order.append, "round")
        await promise
        order.append("awaited")
        await asyncio.sleep(0)
        return order

    assert asyncio.run(main()) == ["awaited", "round"]


@pytest.mark.parametrize("kind", ["coroutine", "await"])
def test_await_that_is_given_up_leaves_nothing_behind(kind: str, js: Script) -> None:
    async def wait(promise: Any) -> Any:
        return await promise

    async def main() -> None:
        promise = js("new Promise(() => {})")
        for _ in range(3):
            task = asyncio.create_task(promise if kind == "coroutine" else wait(promise))
            await asyncio.sleep(0)
            assert any(isinstance(held, asyncio.Future) for held in gc.get_referents(promise))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            del task
            assert not any(isinstance(held, asyncio.Future) for held in gc.get_referents(promise))

    asyncio.run(main())


def test_promise_raises_an_exception_thrown_into_it(js: Script) -> None:
    promise = js("Promise.resolve(1)")
    error = LookupError("mine")
    for thrown in ((error,), (LookupError, error), (LookupError, error, None)):
        with pytest.raises(LookupError) as caught:
            promise.throw(*thrown)
        assert caught.value is error
    with pytest.raises(LookupError, match="mine"):
        promise.throw(LookupError, "mine")
    with pytest.raises(TypeError, match="exceptions must derive"):
        promise.throw(5)
    with pytest.raises(TypeError, match="not a generator"):
        promise.send(5)
    promise.close()
    assert promise.result(5) == 1


def test_only_a_pending_promise_needs_a_loop_to_be_awaited_on(js: Script) -> None:
    async def wait(promise: Promise) -> Any:
        return await promise

    pending = js("new Promise(() => {})")
    with pytest.raises(RuntimeError, match=r"running asyncio loop.*result\(\)"):
        wait(pending).send(None)
    with pytest.raises(RuntimeError, match=r"running asyncio loop.*result\(\)"):
        pending.send(None)
    settled = js("Promise.resolve(5)")
    settled.result(5)
    with pytest.raises(StopIteration) as ended:
        wait(settled).send(None)
    assert ended.value.value == 5


def test_rejection_with_stop_iteration_is_no_value(js: Script) -> None:
    def stop() -> None:
        raise StopIteration(5)

    async def main() -> None:
        promise = js("async (f) => { await null; f(); }")(stop)
        for awaiting in (promise, asyncio.create_task(promise)):
            with pytest.raises(RuntimeError, match="StopIteration"):
                await awaiting

    asyncio.run(main())


def test_promise_settled_by_a_later_call(js: Script) -> None:
    promise = js("new Promise((resolve) => { globalThis.resolveLater = resolve; })")
    assert promise.done() is False
    with pytest.raises(AddonTimeout, match="not settled before its deadline of"):
        promise.result(0.05)
    timer = threading.Timer(0.1, lambda: js("resolveLater('late')"))
    timer.start()
    assert promise.result(10) == "late"
    timer.join()


def test_await_of_a_promise_settled_by_a_later_call(js: Script) -> None:
    async def main() -> Any:
        promise = js("new Promise((resolve) => { globalThis.resolveSoon = resolve; })")
        task = asyncio.ensure_future(promise)
        await asyncio.sleep(0.05)
        js("resolveSoon({n: 1})")
        return await asyncio.wait_for(task, 10)

    assert asyncio.run(main()) == {"n": 1}


def test_large_value_of_a_promise_arrives(js: Script) -> None:
    promise = js("new Promise((resolve) => { globalThis.resolveBig = resolve; })")
    assert not promise.done()
    js("resolveBig('x'.repeat(1 << 20))")
    assert len(promise.result(10)) == 1 << 20


def test_promise_passed_back_is_the_very_object(js: Script) -> None:
    js("globalThis.aPromise = Promise.resolve(1)")
    promise = js("aPromise")
    assert js("(p) => p === aPromise")(promise)
    assert js("aPromise") is promise


def test_coroutine_is_a_promise(js: Script) -> None:
    async def work(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    async def main() -> Any:
        return await js("async (f) => 1 + await f(5)")(work)

    assert asyncio.run(main()) == 7


def test_coroutine_that_raises_rejects(js: Script) -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise LookupError("mine")

    async def main() -> Any:
        return await js("async (f) => { try { await f(); } catch (e) { return e.message; } }")(
            fails
        )

    assert asyncio.run(main()) == "mine"


def test_coroutine_without_a_loop_runs_in_a_thread(js: Script) -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return "worked"

    assert js("async (f) => await f()")(work).result(10) == "worked"


def test_result_with_a_timeout_does_not_wait_for_a_busy_host(order: Any) -> None:
    """Another thread's call runs meanwhile, and the process goes on."""
    run = host(order).run_script
    pid = host(order).pid
    promise = run("new Promise(done => { globalThis.done = done })")
    busy = run("(f) => { f(); for (const end = Date.now() + 1500; Date.now() < end;); }")
    began = threading.Event()
    thread = threading.Thread(target=busy, args=(began.set,))
    thread.start()
    assert began.wait(30)
    start = time.monotonic()
    with pytest.raises(AddonTimeout):
        promise.result(0.2)
    assert time.monotonic() - start < 0.9
    thread.join()
    run("done(3); 0")
    assert promise.result(30) == 3
    assert host(order).pid == pid
