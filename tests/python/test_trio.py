"""Promises in trio, and in anyio on either of its backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
import trio
import trio.testing
from conftest import addon_path
from napi_python import AddonCrashed, AddonTimeout, JSTypeError, aio, deadline, host, load_addon, on

if TYPE_CHECKING:
    from conftest import Script

PENDING = "new Promise((yes) => { globalThis.yes = yes; })"


def test_promises_are_awaited(js: Script) -> None:
    async def main() -> None:
        settled = js("Promise.resolve(1)")
        assert await settled == 1
        assert await settled == 1
        assert await js("new Promise((yes) => setTimeout(yes, 10, 'late'))") == "late"
        with pytest.raises(JSTypeError, match="no"):
            await js("(async () => { await null; throw new TypeError('no'); })()")
        assert await js("({ then(yes) { setTimeout(yes, 1, 't'); } })") == "t"

    trio.run(main)


def test_many_tasks_await_at_once() -> None:
    async def main() -> None:
        seen = list[int]()
        with load_addon(addon_path("sample_rust")) as sample:

            async def add(number: int) -> None:
                seen.append(await sample.asyncAdd(number, 1))

            async with trio.open_nursery() as nursery:
                for number in range(500):
                    nursery.start_soon(add, number)
        assert sorted(seen) == list(range(1, 501))

    trio.run(main)


def test_cancelled_wait_leaves_the_promise(js: Script) -> None:
    async def main() -> None:
        promise = js(PENDING)
        for _ in range(2):
            with trio.move_on_after(0.01) as scope:
                await promise
            assert scope.cancelled_caught
        js("yes('value')")
        assert await promise == "value"

    trio.run(main)


def test_deadline_ends_the_wait(js: Script) -> None:
    async def main() -> None:
        promise = js(PENDING)
        with deadline(0.02), pytest.raises(AddonTimeout, match="not settled") as caught:
            await promise
        assert caught.value.seconds == pytest.approx(0.02)
        with load_addon(addon_path("bench"), timeout=0.5) as addon, pytest.raises(AddonTimeout):
            await host(addon).run_script(PENDING)
        js("yes(1)")
        assert await promise == 1

    trio.run(main)


def test_wait_ends_with_the_process() -> None:
    async def main() -> None:
        addon = load_addon(addon_path("crash"))

        async def wait() -> None:
            with pytest.raises(AddonCrashed):
                await host(addon).run_script(PENDING)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(AddonCrashed):
                addon.nullPointer()

    trio.run(main)


def test_iterators_and_events(js: Script) -> None:
    async def main() -> None:
        assert [n async for n in js("(async function* () { yield 1; yield 2; })()")] == [1, 2]
        js('globalThis.emitter = new (process.getBuiltinModule("events"))(); 0')
        events = on(js("emitter"), "tick", close=["end"])
        js("setTimeout(() => { emitter.emit('tick', 5); emitter.emit('end'); }, 1); 0")
        assert [number async for [number] in events] == [5]

    trio.run(main)


def test_async_with_ends_objects_and_processes() -> None:
    async def main() -> None:
        async with load_addon(addon_path("bench")) as addon:
            run = host(addon).run_script
            made = run("globalThis.log = []; ({ async close() { log.push('closed'); } })")
            async with made:
                pass
            assert run("log") == ["closed"]
        assert host(addon).pid is None

    trio.run(main)


def test_aio_says_what_to_write(js: Script) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"trio\.to_thread\.run_sync"):
            await aio(js)("1")
        assert await trio.to_thread.run_sync(js, "1") == 1

    trio.run(main)


def test_outside_of_a_run_a_promise_is_not_awaited(js: Script) -> None:
    async def wait(promise: Any) -> Any:
        return await promise

    with pytest.raises(RuntimeError, match=r"asyncio loop or in trio; elsewhere.*result\(\)"):
        wait(js(PENDING)).send(None)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_anyio(backend: str, js: Script) -> None:
    async def main() -> None:
        seen = list[int]()

        async def add(number: int) -> None:
            seen.append(await js(f"new Promise((yes) => setTimeout(yes, 1, {number}))"))

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(add, number)
        assert sorted(seen) == list(range(20))
        promise = js(PENDING)
        with anyio.move_on_after(0.01) as scope:
            await promise
        assert scope.cancelled_caught
        assert await anyio.to_thread.run_sync(js, "yes(7); 7") == 7
        assert await promise == 7

    anyio.run(main, backend=backend)
