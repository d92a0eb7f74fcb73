"""Promises as asyncio's futures: `gather`, `wait_for` and the like, without a task for each."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from conftest import addon_path, until
from napi_python import AddonCrashed, AddonTimeout, JSTypeError, Promise, deadline, host, load_addon

if TYPE_CHECKING:
    from conftest import Script

PENDING = "new Promise((yes) => { settlers.push(yes); })"


@pytest.fixture(autouse=True)
def _settler(js: Script) -> None:
    """Has `settle` fulfil the promise that `PENDING` made first."""
    js("globalThis.settlers = []; globalThis.settle = (value) => settlers[0](value); 0")


def test_gather_makes_no_task_for_a_promise(js: Script) -> None:
    async def main() -> None:
        promises = [js(f"Promise.resolve({n})") for n in range(50)]
        promises += [js(f"new Promise((yes) => setTimeout(yes, 1, {n}))") for n in range(50)]
        gathering = asyncio.gather(*promises, promises[0])
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await gathering == [*range(50), *range(50), 0]

    asyncio.run(main())


def test_gather_of_promises_and_others(js: Script) -> None:
    async def main() -> Any:
        js("globalThis.fail = async () => { await null; throw new TypeError('no'); }; 0")
        found: Any = await asyncio.gather(
            js("fail()"), asyncio.sleep(0, "slept"), js("new Promise((yes) => setTimeout(yes, 1))"),
            js("Promise.resolve('x')"), return_exceptions=True,
        )  # fmt: skip
        with pytest.raises(JSTypeError, match="no"):
            await asyncio.gather(js("fail()"), js("Promise.resolve()"))
        return found

    error, *others = asyncio.run(main())
    assert isinstance(error, JSTypeError)
    assert others == ["slept", None, "x"]


def test_ten_thousand_promises_of_work_are_gathered() -> None:
    async def main() -> list[int]:
        sample = load_addon(addon_path("sample_rust"))
        gathered: list[int] = await asyncio.gather(*[sample.asyncAdd(n, 1) for n in range(10_000)])
        return gathered

    assert asyncio.run(main()) == list(range(1, 10_001))


@pytest.mark.parametrize("collects", [False, True])
def test_cancelled_gather_leaves_other_waits_alone(js: Script, collects: bool) -> None:
    async def main() -> None:
        promise = js(PENDING)

        async def gather() -> list[Any]:
            both = asyncio.gather(promise, js(PENDING), promise, return_exceptions=collects)
            found: Any = await both
            return list(found)

        async def only() -> Any:
            return (await asyncio.gather(promise))[0]

        cancelled, other = asyncio.create_task(gather()), asyncio.create_task(only())
        waiting = asyncio.create_task(asyncio.wait_for(promise, 30))
        awaiting = asyncio.create_task(promise)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert cancelled.cancelled()
        assert not (other.done() or waiting.done() or awaiting.done())
        js("settle(1)")
        assert [await other, await waiting, await awaiting, await promise] == [1] * 4

    asyncio.run(main())


def test_wait_for_of_a_gather_leaves_other_waits_alone(js: Script) -> None:
    async def main() -> None:
        promise = js(PENDING)

        async def only() -> Any:
            return (await asyncio.gather(promise, promise))[0]

        other = asyncio.create_task(only())
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.gather(promise, promise), 0.01)
        js("settle(1)")
        assert await other == 1

    asyncio.run(main())


def test_gather_on_uvloop(js: Script) -> None:
    async def main() -> list[int]:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.gather(js(PENDING)), 0.01)
        sources = [f"new Promise((yes) => setTimeout(yes, 1, {n}))" for n in range(100)]
        return list(await asyncio.gather(*map(js, sources)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == list(range(100))


def test_wait_for_gives_up_and_leaves_the_promise(js: Script) -> None:
    async def main() -> None:
        promise = js(PENDING)
        for limit in (0.01, 0, 0.01):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(promise, limit)
            assert not promise.done()
        with pytest.raises(asyncio.TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.gather(promise, promise)
        js("settle(5)")
        assert await asyncio.wait_for(promise, 30) == 5
        assert not promise.cancelled()

    asyncio.run(main())


def test_gather_that_is_cancelled_by_its_own_method(js: Script) -> None:
    async def main() -> None:
        gathering = asyncio.gather(js(PENDING), js(PENDING), return_exceptions=True)
        await asyncio.sleep(0)
        assert gathering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gathering

    asyncio.run(main())


def test_shield_as_completed_and_groups(js: Script) -> None:
    async def main() -> None:
        promises = [js(f"new Promise((yes) => setTimeout(yes, {n}, {n}))") for n in (20, 1)]
        found = [await one for one in asyncio.as_completed([*promises, js("Promise.resolve(0)")])]
        assert sorted(found) == [0, 1, 20]
        promise = js(PENDING)
        shielded = asyncio.shield(promise)
        task = asyncio.ensure_future(shielded)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        js("settle('s')")
        assert await promise == "s"
        async with asyncio.TaskGroup() as group:
            made = group.create_task(js("Promise.resolve('g')"))
        assert made.result() == "g"
        done, pending = await asyncio.wait([asyncio.create_task(js("Promise.resolve('w')"))])
        assert ([one.result() for one in done], pending) == (["w"], set())

    asyncio.run(main())


def test_promise_cancels_nothing_but_callbacks(js: Script) -> None:
    async def main() -> None:
        promise = js(PENDING)
        waiting = asyncio.create_task(promise)
        await asyncio.sleep(0)
        assert not promise.cancel()
        assert not promise.cancelled()
        with pytest.raises(asyncio.InvalidStateError):
            promise.exception()
        js("settle(3)")
        assert await waiting == 3
        assert promise.exception() is None
        assert not promise.cancel()

    asyncio.run(main())


def test_callbacks_run_on_their_loop_in_their_context(js: Script) -> None:
    async def main() -> None:
        variable = contextvars.ContextVar("variable", default=0)
        promise, seen = js(PENDING), list[Any]()

        def note(settled: Promise) -> None:
            assert settled is promise
            seen.append((variable.get(), asyncio.get_running_loop(), threading.get_ident()))

        def removed(_settled: Promise) -> None:
            seen.append("removed")

        variable.set(1)
        promise.add_done_callback(note)
        promise.add_done_callback(note, context=contextvars.Context())
        variable.set(2)
        promise.add_done_callback(removed)
        promise.add_done_callback(removed)
        assert promise.remove_done_callback(removed) == 2
        js("settle(0)")
        await promise
        await until(lambda: len(seen) == 2)
        here = (asyncio.get_running_loop(), threading.get_ident())
        assert seen == [(1, *here), (0, *here)]
        promise.add_done_callback(note)
        assert len(seen) == 2
        await asyncio.sleep(0)
        assert seen[2] == (2, *here)

    asyncio.run(main())


def test_exception_of_a_callback_goes_to_the_loop_and_stops_no_other(js: Script) -> None:
    async def main() -> None:
        reported, seen = list[dict[str, Any]](), list[Any]()
        asyncio.get_running_loop().set_exception_handler(lambda _, facts: reported.append(facts))
        promise = js(PENDING)

        def fail(_promise: Promise) -> None:
            raise LookupError("mine")

        promise.add_done_callback(fail)
        promise.add_done_callback(seen.append)
        js("settle(0)")
        await promise
        await until(lambda: seen)
        assert seen == [promise]
        assert [str(facts["exception"]) for facts in reported] == ["mine"]

    asyncio.run(main())


def test_exception_that_ends_the_loop_leaves_other_callbacks(js: Script) -> None:
    seen = list[Any]()

    def stop(_promise: Promise) -> None:
        raise KeyboardInterrupt

    def add() -> None:
        for function in (stop, seen.append):
            promise.add_done_callback(function)

    promise = js("Promise.resolve(1)")
    promise.result(30)
    loop = asyncio.new_event_loop()
    loop.call_soon(add)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert seen == [promise]


def test_gather_keeps_to_deadlines(js: Script) -> None:
    async def main() -> None:
        promise = js(PENDING)
        with deadline(0.05), pytest.raises(AddonTimeout, match="not settled"):
            await asyncio.gather(promise, js("Promise.resolve()"))
        js("settle(1)")
        found: Any = await asyncio.gather(promise)
        assert found == [1]

    asyncio.run(main())


def test_gather_of_one_promise_on_two_loops(js: Script) -> None:
    promise = js(PENDING)
    found, both = list[Any](), threading.Barrier(3)

    async def gather() -> None:
        gathering = asyncio.gather(promise)
        await asyncio.sleep(0)
        both.wait(30)
        found.append(await gathering)

    threads = [threading.Thread(target=asyncio.run, args=(gather(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    both.wait(30)
    js("settle(4)")
    for thread in threads:
        thread.join(30)
    assert found == [[4], [4]]


def test_loop_that_is_not_running_runs_a_promise(js: Script) -> None:
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(js("Promise.resolve(6)")) == 6
    loop.close()
    with pytest.raises(RuntimeError, match=r"running asyncio loop.*future\(\)"):
        js(PENDING).add_done_callback(print)


def test_gather_fails_with_its_process() -> None:
    async def main() -> None:
        addon = load_addon(addon_path("crash"))
        pending = [host(addon).run_script("new Promise(() => {})") for _ in range(3)]
        gathering = asyncio.gather(*pending, return_exceptions=True)
        await asyncio.sleep(0)
        with pytest.raises(AddonCrashed):
            addon.nullPointer()
        assert [type(error) for error in await gathering] == [AddonCrashed] * 3

    asyncio.run(main())


def test_abandoned_gather_is_freed(js: Script) -> None:
    async def main() -> weakref.ref[Any]:
        promise = js(PENDING)
        gathering = asyncio.gather(promise)
        await asyncio.sleep(0)
        del gathering
        return weakref.ref(promise)

    freed = asyncio.run(main())
    gc.collect()
    assert freed() is None


def test_future_of_a_promise_is_for_threads(js: Script) -> None:
    futures = [js(f"new Promise((yes) => setTimeout(yes, 1, {n}))").future() for n in range(20)]
    done, left = concurrent.futures.wait(futures, timeout=30)
    assert sorted(future.result() for future in done) == list(range(20))
    assert left == set()
    failed = js("(async () => { await null; throw new TypeError('no'); })()").future()
    assert isinstance(failed.exception(30), JSTypeError)
    settled = js("Promise.resolve('s')")
    settled.result(30)
    assert settled.future().result(0) == "s"
    pending = js(PENDING).future()
    assert not pending.cancel()
    assert concurrent.futures.wait([pending], timeout=0.01).not_done == {pending}
    js("settle(0)")
    assert pending.result(30) == 0

    async def main() -> list[Any]:
        futures = [js(f"Promise.resolve({n})").future() for n in range(3)]
        done, _ = await asyncio.wait([asyncio.wrap_future(future) for future in futures])
        return sorted(one.result() for one in done)

    assert asyncio.run(main()) == [0, 1, 2]
