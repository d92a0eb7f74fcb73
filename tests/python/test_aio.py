"""`aio`: calls that are made in threads while a loop goes on; and deadlines of promises."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import (
    AddonCrashed,
    AddonTimeout,
    JSError,
    aio,
    construct,
    deadline,
    host,
    load_addon,
)

if TYPE_CHECKING:
    from conftest import Script
    from napi_python import Addon

SECONDS = 30.0
LOOP = "for (;;) {}"


def test_call_does_not_block_the_loop(js: Script) -> None:
    async def main() -> None:
        turned = threading.Event()
        call = asyncio.ensure_future(aio(js("(f) => f()"))(lambda: turned.wait(SECONDS)))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not call.done()
        turned.set()
        assert await call is True

    asyncio.run(main())


def test_arguments_results_and_errors_are_those_of_the_call(js: Script, rust: Addon) -> None:
    async def main() -> None:
        assert await aio(rust.add)(1, 2) == 3
        assert await aio(rust.mapAndSum)([1, 2], lambda x: x * 2) == 6
        assert await aio(js("(o) => o"))(a=1) == {"a": 1}
        counter = await aio(construct)(rust.Counter, 5)
        assert await aio(counter.increment)() == 6
        assert await aio(rust.Counter)(1) is not None
        with pytest.raises(JSError, match="no"):
            await aio(js("() => { throw new Error('no'); }"))()
        error = LookupError("mine")

        def fails() -> None:
            raise error

        with pytest.raises(LookupError) as caught:
            await aio(js("(f) => f()"))(fails)
        assert caught.value is error
        # What the call returns may itself be awaited.
        assert await (await aio(rust.asyncAdd)(1, 2)) == 3
        with pytest.raises(RuntimeError, match="StopIteration"):
            await aio(next)(iter([]))

    asyncio.run(main())


def test_many_in_flight(rust: Addon) -> None:
    async def main() -> None:
        before = threading.active_count()
        found = await asyncio.gather(*[aio(rust.add)(n, 1) for n in range(3000)])
        assert found == list(range(1, 3001))
        assert threading.active_count() - before <= 33

    asyncio.run(main())


def test_call_that_is_cancelled_before_it_started_never_runs(js: Script) -> None:
    called: list[int] = []

    async def main() -> None:
        release = threading.Event()
        # Every thread of `aio` is busy.
        holding = [asyncio.ensure_future(aio(release.wait)(SECONDS)) for _ in range(32)]
        await asyncio.sleep(0)
        run = js("(f) => f()")
        call = asyncio.ensure_future(aio(run)(lambda: called.append(1)))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        with pytest.raises(AddonTimeout, match="did not start") as late, deadline(0.05):
            await aio(run)(lambda: called.append(2))
        assert late.value.seconds == 0.05
        with deadline(SECONDS):
            call = asyncio.ensure_future(aio(run)(lambda: called.append(3)))
            await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        release.set()
        await asyncio.gather(*holding)
        assert await aio(run)(lambda: 4) == 4
        assert called == []

    asyncio.run(main())


def test_call_that_is_cancelled_while_it_runs_goes_on(js: Script) -> None:
    async def main() -> None:
        started, finish, ended = threading.Event(), threading.Event(), threading.Event()

        def work() -> None:
            started.set()
            finish.wait(SECONDS)

        def end() -> None:
            ended.set()

        call = asyncio.ensure_future(aio(js("(f, g) => { f(); g(); }"))(work, end))
        assert await asyncio.to_thread(started.wait, SECONDS)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not ended.is_set()
        finish.set()
        assert await asyncio.to_thread(ended.wait, SECONDS)

    asyncio.run(main())


def test_deadline_bounds_a_call_that_runs(js: Script, addon: Addon) -> None:
    before = host(addon).pid

    async def main() -> None:
        started = time.monotonic()
        with pytest.raises(AddonTimeout), deadline(0.1):
            await aio(js)(LOOP)
        with pytest.raises(AddonTimeout), deadline(60), deadline(0.1):
            await aio(js)(LOOP)
        with pytest.raises(AddonTimeout), deadline(0.1), deadline(60):
            await aio(js)(LOOP)
        assert time.monotonic() - started < SECONDS
        called: list[int] = []
        with pytest.raises(AddonTimeout), deadline(0):
            await aio(js("(f) => f()"))(lambda: called.append(1))
        assert called == []
        assert await aio(js)("1") == 1

    asyncio.run(main())
    assert host(addon).pid == before


def test_deadline_belongs_to_its_task(js: Script) -> None:
    async def bounded() -> str:
        try:
            with deadline(0.1):
                return str(await js("new Promise(() => 0)"))
        except AddonTimeout:
            return "late"

    async def free() -> Any:
        return await js("new Promise((done) => setTimeout(done, 300, 'in time'))")

    async def main() -> list[Any]:
        return list(await asyncio.gather(bounded(), free()))

    assert asyncio.run(main()) == ["late", "in time"]


def test_deadline_bounds_the_wait_for_a_promise(js: Script) -> None:
    async def main() -> None:
        promise = js("new Promise((done) => { globalThis.doneLate = done; })")
        started = time.monotonic()
        for bounds in ([0.05], [60, 0.05], [0.05, 60]):
            with pytest.raises(AddonTimeout, match="not settled before its deadline") as late:
                if len(bounds) == 1:
                    with deadline(bounds[0]):
                        await promise
                else:
                    with deadline(bounds[0]), deadline(bounds[1]):
                        await promise
            assert late.value.seconds == 0.05
        with pytest.raises(AddonTimeout), deadline(0):
            await promise
        assert time.monotonic() - started < SECONDS
        # The promise goes on.
        js("doneLate('late')")
        with deadline(SECONDS):
            assert await promise == "late"

    asyncio.run(main())
    pending = js("new Promise(() => 0)")
    with pytest.raises(AddonTimeout), deadline(0.05):
        pending.result()
    with pytest.raises(AddonTimeout), deadline(0.05):
        pending.result(60)
    with pytest.raises(AddonTimeout), deadline(0):
        pending.result()
    with pytest.raises(AddonTimeout, match=r"deadline of 0\.01 s"):
        pending.result(0.01)


def test_timeout_of_the_addon_bounds_aio_and_promises() -> None:
    with load_addon(addon_path("primitive"), timeout=0.2) as addon:
        script = host(addon).run_script

        async def main() -> None:
            started = time.monotonic()
            with pytest.raises(AddonTimeout):
                await aio(script)(LOOP)
            with pytest.raises(AddonTimeout):
                await script("new Promise(() => 0)")
            with pytest.raises(AddonTimeout), deadline(60):
                await script("new Promise(() => 0)")
            assert time.monotonic() - started < SECONDS
            assert await script("Promise.resolve(1)") == 1

        asyncio.run(main())
        with pytest.raises(AddonTimeout):
            script("new Promise(() => 0)").result()
        with pytest.raises(AddonTimeout):
            script("new Promise(() => 0)").result(60)
        assert host(addon).generation == 1


def test_settlement_waits_for_its_turn_longer_than_a_call_may_take() -> None:
    with load_addon(addon_path("primitive"), timeout=0.3) as addon:
        script = host(addon).run_script

        async def main() -> None:
            future = asyncio.get_running_loop().create_future()
            promise = script("async (p) => await p")(future)
            held = threading.Event()

            def hold() -> None:
                held.set()
                time.sleep(0.6)

            call = asyncio.ensure_future(aio(script("(f) => f()"))(hold))
            assert await asyncio.to_thread(held.wait, SECONDS)
            future.set_result("settled")
            with pytest.raises(AddonTimeout):
                await call
            assert await promise == "settled"

        asyncio.run(main())
        assert host(addon).generation == 1


def test_crash_fails_every_call_in_flight(crash: Addon) -> None:
    async def main() -> None:
        outcomes = await asyncio.gather(
            *[aio(crash.add)(n, 1) for n in range(20)],
            aio(crash.abort)(),
            *[aio(crash.add)(n, 1) for n in range(20)],
            return_exceptions=True,
        )
        assert isinstance(outcomes[20], AddonCrashed)
        assert all(isinstance(one, AddonCrashed | int) for one in outcomes)
        assert await aio(crash.add)(1, 2) == 3

    asyncio.run(main())


def test_exit_does_not_wait_for_calls() -> None:
    source = f"""
import asyncio
from napi_python import aio, host, load_addon
addon = load_addon({str(addon_path("crash"))!r})
async def main():
    calls = [asyncio.ensure_future(aio(addon.loopForever)()) for _ in range(3)]
    await asyncio.sleep(0.1)
asyncio.run(main())
print("end")
"""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
    assert time.monotonic() - started < SECONDS


def test_aio_needs_a_loop(js: Script) -> None:
    call = aio(js)("1")
    with pytest.raises(RuntimeError, match="needs a running asyncio loop"):
        call.__await__().send(None)
