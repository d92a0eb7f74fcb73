"""Python awaitables as JavaScript promises: all kinds, each on its own loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import gc
import subprocess
import sys
import threading
import types
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path, until
from napi_python import AddonCrashed, _aio, aio, host, load_addon

if TYPE_CHECKING:
    from conftest import Script
    from napi_python import Addon

SECONDS = 30.0

AWAIT = "async (p) => [p instanceof Promise, await p]"


async def value_of(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


class Custom:
    """An object that can be awaited."""

    def __await__(self) -> Generator[Any, None, str]:
        yield from asyncio.sleep(0).__await__()
        return "custom"


@types.coroutine
def old_style() -> Generator[Any, None, str]:
    yield from asyncio.sleep(0).__await__()
    return "old"


def future_of(value: Any) -> asyncio.Future[Any]:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, value)
    return future


def concurrent_of(value: Any) -> concurrent.futures.Future[Any]:
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    threading.Timer(0.01, future.set_result, [value]).start()
    return future


KINDS: dict[str, tuple[Callable[[], Any], Any]] = {
    "coroutine": (lambda: value_of([1]), [1]),
    "task": (lambda: asyncio.ensure_future(value_of("task")), "task"),
    "future": (lambda: future_of(2), 2),
    "gathered": (lambda: asyncio.gather(value_of(1), value_of(2)), [1, 2]),
    "shielded": (lambda: asyncio.shield(value_of(3)), 3),
    "object": (Custom, "custom"),
    "generator": (old_style, "old"),
    "concurrent future": (lambda: concurrent_of("thread"), "thread"),
}


@pytest.mark.parametrize(("make", "value"), KINDS.values(), ids=KINDS)
def test_every_awaitable_is_a_promise(make: Callable[[], Any], value: Any, js: Script) -> None:
    async def main() -> None:
        # As an argument, and as what a callback returns.
        assert await js(AWAIT)(make()) == [True, value]
        assert await js("async (f) => await f()")(make) == value

    asyncio.run(main())


def test_awaitable_passed_back_is_the_very_object(js: Script) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(value_of(1))
        assert js("(p) => p")(task) is task
        assert js("(a, b) => a === b")(task, task)
        assert await task == 1

    asyncio.run(main())


def test_coroutine_that_is_given_again_is_run_once(js: Script) -> None:
    ran: list[int] = []

    async def work() -> str:
        ran.append(1)
        await asyncio.sleep(0)
        return "once"

    async def main() -> None:
        coroutine = work()
        both = js("(a, b) => Promise.all([a, b, a === b])")
        promise = both(coroutine, coroutine)
        later = js("async (p) => await p")(coroutine)
        assert await promise == ["once", "once", True]
        assert await later == "once"
        # What JavaScript had of it is gone, and comes anew.
        js("gc(); 0")
        assert await js("async (p) => await p")(coroutine) == "once"

    asyncio.run(main())
    assert ran == [1]


def test_result_of_an_awaitable_settles_only_its_own_promise(
    js: Script, addon: Addon, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Callable[[], None]] = []

    def later(settler: Any, addon: int, value: Any, *, rejected: bool = False) -> None:
        told.append(functools.partial(settler, value, rejected=rejected))

    # A thread sends results to the host, which may be late.
    monkeypatch.setattr(_aio, "_settle", later)

    def lent() -> int | None:
        stats = host(addon).stats()
        assert stats is not None
        count: int | None = stats["python_objects_lent"]
        return count

    async def main() -> None:
        loop = asyncio.get_running_loop()
        before = lent()
        first = loop.create_future()
        first.set_result("first")
        # It is reported once for each time that it is passed.
        js("(p, same) => 0")(first, first)
        told.pop()()
        await until(lambda: js("gc(); 0") == 0 and lent() == before)
        second = loop.create_future()
        promise = js("async (p) => await p")(second)
        told.pop()()
        assert told == []
        second.set_result("second")
        await asyncio.sleep(0)
        told.pop()()
        assert await promise == "second"

    asyncio.run(main())


def test_futures_of_two_loops_that_are_passed_twice_keep_their_results(js: Script) -> None:
    both = js("(who, a, b) => Promise.all([who, a, b])")
    wrong: list[Any] = []
    done: list[str] = []

    async def feed(who: str) -> None:
        loop = asyncio.get_running_loop()
        for number in range(150):
            futures = [loop.create_future() for _ in range(4)]
            # Some are done before they are passed, some afterwards.
            for value, future in enumerate(futures[::2]):
                future.set_result([number, value])
            promises = [both(who, future, future) for future in futures]
            for value, future in enumerate(futures[1::2]):
                future.set_result([number, value])
            for future, promise in zip(futures, promises, strict=True):
                found = await asyncio.wait_for(promise, SECONDS)
                if found != [who, future.result(), future.result()]:
                    wrong.append((found, who, future.result()))
        done.append(who)

    threads = [threading.Thread(target=lambda who=who: asyncio.run(feed(who))) for who in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert sorted(done) == ["a", "b"]


def test_finished_future_needs_no_loop(js: Script) -> None:
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    future.set_result("done")
    loop.close()
    assert js(AWAIT)(future).result(SECONDS) == [True, "done"]
    done: concurrent.futures.Future[int] = concurrent.futures.Future()
    done.set_result(5)
    assert js(AWAIT)(done).result(SECONDS) == [True, 5]


def test_future_of_a_loop_that_is_closed_rejects(js: Script) -> None:
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        js(AWAIT)(future).result(SECONDS)


@pytest.fixture
def other_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_future_of_another_loop_is_awaited_there(
    js: Script, other_loop: asyncio.AbstractEventLoop
) -> None:
    async def start() -> tuple[asyncio.Task[Any], asyncio.Future[Any]]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_later(0.01, future.set_result, "future")
        return asyncio.ensure_future(value_of("task")), future

    def given() -> tuple[Any, Any]:
        return asyncio.run_coroutine_threadsafe(start(), other_loop).result(SECONDS)

    async def main() -> list[Any]:
        return [await js(AWAIT)(awaitable) for awaitable in given()]

    assert asyncio.run(main()) == [[True, "task"], [True, "future"]]
    # Neither has this thread a loop.
    assert [js(AWAIT)(awaitable).result(SECONDS) for awaitable in given()] == [
        [True, "task"],
        [True, "future"],
    ]


LOOPS = "(f) => { const all = []; return (async () => { for (let n = 0; n < 5; ++n) all.push(await f()); return all; })(); }"  # noqa: E501


def here() -> Awaitable[int]:
    """Tells on which loop a coroutine runs."""

    async def tell() -> int:
        await asyncio.sleep(0)
        return id(asyncio.get_running_loop())

    return tell()


def test_coroutine_runs_on_the_loop_of_the_thread_that_gives_it(js: Script) -> None:
    async def main() -> tuple[list[int], int]:
        return await js(LOOPS)(here), id(asyncio.get_running_loop())

    found, loop = asyncio.run(main())
    assert found == [loop] * 5
    # A second loop after the first.
    found, loop = asyncio.run(main())
    assert found == [loop] * 5


def test_coroutine_of_a_callback_outside_a_call_runs_on_the_loop(js: Script) -> None:
    later = js(
        "(f) => new Promise((done) => setTimeout(() => f().then((at) => done(at)), 1))"
    )  # fmt: skip

    async def main() -> None:
        assert await later(here) == id(asyncio.get_running_loop())

    asyncio.run(main())


def test_coroutine_given_inside_of_aio_runs_on_the_loop_that_waits(js: Script) -> None:
    async def main() -> None:
        promise = await aio(js(LOOPS))(here)
        assert await promise == [id(asyncio.get_running_loop())] * 5

    asyncio.run(main())


def test_coroutine_of_a_later_callback_runs_on_the_loop_that_waited(js: Script) -> None:
    calls: list[None] = []
    again = threading.Event()

    def call() -> Awaitable[int]:
        calls.append(None)
        if len(calls) > 1:
            again.set()
        return here()

    async def main() -> None:
        promise = await aio(js(LOOPS))(call)
        # No loop takes the turns yet: a thread calls back.
        assert await asyncio.to_thread(again.wait, SECONDS)
        assert await promise == [id(asyncio.get_running_loop())] * 5

    asyncio.run(main())


def test_coroutines_without_a_loop_share_one(js: Script) -> None:
    found = js(LOOPS)(here).result(SECONDS) + js(LOOPS)(here).result(SECONDS)
    assert len(set(found)) == 1
    found_by_threads: list[int] = []
    threads = [
        threading.Thread(target=lambda: found_by_threads.extend(js(LOOPS)(here).result(SECONDS)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert found_by_threads == found[:1] * 40


def test_coroutines_of_loops_in_several_threads_stay_on_theirs(js: Script) -> None:
    wrong: list[Any] = []
    done: list[int] = []

    def work() -> None:
        async def main() -> None:
            loop = id(asyncio.get_running_loop())
            found = await asyncio.gather(*[js("async (f) => await f()")(here) for _ in range(20)])
            wrong.extend(at for at in found if at != loop)
            done.append(len(found))

        asyncio.run(main())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert (wrong, done) == ([], [20] * 4)


# What goes wrong.

CATCH = "async (p) => { try { await p; } catch (e) { return [e instanceof Error, e.name, e.message]; } }"  # noqa: E501


def test_coroutine_that_raises_rejects_with_that_very_exception(js: Script) -> None:
    error = LookupError("mine")

    async def fails() -> None:
        raise error

    async def main() -> None:
        assert await js(CATCH)(fails()) == [True, "LookupError", "mine"]
        with pytest.raises(LookupError) as caught:
            await js("(p) => p.then((x) => x)")(fails())
        assert caught.value is error

    asyncio.run(main())
    with pytest.raises(LookupError) as caught:
        js("(p) => p.then((x) => x)")(fails()).result(SECONDS)
    assert caught.value is error


def test_cancelled_awaitable_rejects(js: Script) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(asyncio.sleep(SECONDS))
        promise = js(CATCH)(task)
        task.cancel()
        is_error, name, _ = await promise
        assert (is_error, name) == (True, "CancelledError")
        future = asyncio.get_running_loop().create_future()
        promise = js(CATCH)(future)
        future.cancel()
        assert (await promise)[1] == "CancelledError"

    asyncio.run(main())
    concurrent_one: concurrent.futures.Future[Any] = concurrent.futures.Future()
    promise = js(CATCH)(concurrent_one)
    concurrent_one.cancel()
    assert promise.result(SECONDS)[1] == "CancelledError"


def test_coroutines_that_a_loop_leaves_behind_reject(js: Script) -> None:
    async def main() -> Any:
        # `run` cancels what is left.
        return js(CATCH)(asyncio.sleep(SECONDS))

    assert asyncio.run(main()).result(SECONDS)[1] == "CancelledError"
    loop = asyncio.new_event_loop()

    async def give() -> Any:
        return js(CATCH)(asyncio.Event().wait())

    promise = loop.run_until_complete(give())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    assert promise.result(SECONDS)[1] == "CancelledError"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_exception_that_ends_programs_rejects(error: type[BaseException], js: Script) -> None:
    async def ends() -> None:
        await asyncio.sleep(0)
        raise error

    assert js(CATCH)(ends()).result(SECONDS)[1] == error.__name__
    # The loop of all other coroutines goes on.
    assert js(AWAIT)(value_of(1)).result(SECONDS) == [True, 1]


def test_result_that_can_not_be_sent_rejects(js: Script) -> None:
    assert "dict key" in js(CATCH)(value_of({(1, 2): 3})).result(SECONDS)[2]


def test_awaitable_of_an_awaitable(js: Script) -> None:
    async def outer() -> Any:
        return value_of("inner")

    async def main() -> None:
        assert await js(AWAIT)(outer()) == [True, "inner"]
        # And a promise of JavaScript's own.
        assert await js(AWAIT)(value_of(js("Promise.resolve('own')"))) == [True, "own"]

    asyncio.run(main())


def test_unhandled_rejection_is_reported_once_by_the_addon(js: Script) -> None:
    async def fails() -> None:
        raise LookupError("unhandled")

    told = js("new Promise((done) => process.once('unhandledRejection', (e) => done(e.message)))")

    async def main() -> None:
        js("(p) => { p.then(() => 0); }")(fails())
        assert await told == "unhandled"

    asyncio.run(main())
    gc.collect()  # No complaint of an exception that was never retrieved.


@pytest.fixture(params=["lanes", "socket"])
def carried(request: pytest.FixtureRequest) -> Iterator[Script]:
    """Runs JavaScript in a host to which messages travel in one way or the other."""
    with load_addon(addon_path("primitive"), carrier=request.param) as loaded:
        yield host(loaded).run_script


def test_loop_is_not_blocked_by_a_host_that_is_busy(carried: Script) -> None:
    """The callback of a call in a thread waits for the loop, which settles a promise meanwhile."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        given = asyncio.Event()

        async def ask() -> str:
            future.set_result("settled")
            await given.wait()
            return "answered"

        def wait() -> str:
            answer = asyncio.run_coroutine_threadsafe(ask(), loop).result(SECONDS)
            loop.call_soon_threadsafe(given.set)
            return answer

        future = loop.create_future()
        promise = carried("async (p) => await p")(future)
        future.add_done_callback(lambda _: given.set())
        call = asyncio.ensure_future(aio(carried("(f) => f()"))(wait))
        return [await call, await promise]

    assert asyncio.run(main()) == ["answered", "settled"]


def test_await_does_not_wait_for_a_host_that_is_busy(carried: Script) -> None:
    """The callback of a call in a thread waits for the loop, which begins to await a promise."""
    inside, over = threading.Event(), threading.Event()

    def wait() -> bool:
        inside.set()
        return over.wait(SECONDS)

    async def main() -> list[Any]:
        # The waiting thread requests it from the host: it was not returned by itself.
        promise = carried("[new Promise((done) => { globalThis.doneSoon = done; })]")[0]
        call = asyncio.ensure_future(aio(carried("(f) => f()"))(wait))
        await until(inside.is_set)
        waiting = asyncio.ensure_future(promise)
        await asyncio.sleep(0)
        over.set()
        answered = await call
        carried("doneSoon('soon')")
        return [answered, await waiting]

    assert asyncio.run(main()) == [True, "soon"]


def test_results_for_a_dead_host_are_dropped(crash: Addon) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        promise = host(crash).run_script("async (p) => await p")(future)
        assert not promise.done()
        waiting = asyncio.ensure_future(promise)
        with pytest.raises(AddonCrashed):
            crash.abort()
        future.set_result(1)
        with pytest.raises(AddonCrashed):
            await waiting
        assert crash.add(1, 2) == 3

    asyncio.run(main())


def test_awaitables_at_exit() -> None:
    source = f"""
import asyncio
from napi_python import host, load_addon
addon = load_addon({str(addon_path("primitive"))!r})
keep = host(addon).run_script("(p) => {{ p.catch(() => 0); }}")
async def forever():
    await asyncio.Event().wait()
keep(forever())
async def main():
    keep(forever())
    keep(asyncio.get_running_loop().create_future())
    await asyncio.sleep(0.01)
asyncio.run(main())
print("end")
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", source],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    # A busy machine is none of the addon's doing.
    errors = [line for line in done.stderr.splitlines() if not line.startswith("Executing ")]
    assert (done.returncode, done.stdout, errors) == (0, "end\n", [])


# Promises of napi-rs.


def test_rust_addon_awaits_awaitables_of_python(rust: Addon) -> None:
    async def main() -> None:
        assert await rust.addToPromise(value_of(1), 2) == 3
        assert await rust.addToPromise(future_of(1.5), 2) == 3.5
        given = [value_of(1), future_of(2), concurrent_of(3), rust.asyncAdd(2, 2)]
        assert await rust.sumOfPromises(given) == 10
        assert await rust.callAndAwait(lambda n: value_of(n * 2), 20) == 41
        error = LookupError("mine")

        async def fails() -> float:
            raise error

        with pytest.raises(LookupError) as caught:
            await rust.addToPromise(fails(), 2)
        assert caught.value is error

    asyncio.run(main())
    assert rust.addToPromise(value_of(1), 2).result(SECONDS) == 3


def test_awaitables_of_threads_are_settled_at_once() -> None:
    with load_addon(addon_path("sample_rust")) as rust:
        found: list[Any] = []

        def work(number: int) -> None:
            async def main() -> None:
                found.append(await rust.sumOfPromises([value_of(number) for _ in range(50)]))

            asyncio.run(main())

        threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        assert sorted(found) == [0, 50, 100, 150]
