"""No event of an addon comes between two statements of one step."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from conftest import until
from napi_python import AddonTimeout, JSObject, deadline, host

SECONDS = 30.0

# Emits `open` in one of several ways after its construction; records events without a listener.
EMITTER = """globalThis.Emitter = class {
    constructor(how) {
        this.listeners = {};
        this.missed = [];
        const open = () => { this.emit("open"); this.emit("ready"); };
        ({
            tick: () => process.nextTick(open),
            microtask: () => { Promise.resolve().then(open); },
            async: async () => { for (let i = 0; i < 10; i++) await null; open(); },
            immediate: () => { setImmediate(open); },
            timer: () => { setTimeout(open, 0); },
            thread: () => { addon.eventsOfThread(open, 1); },
        })[how]();
    }
    on(name, listener) { this.listeners[name] = listener; return this; }
    emit(name) { (this.listeners[name] ?? ((name) => this.missed.push(name)))(name); }
}"""

WAYS = ["tick", "microtask", "async", "immediate", "timer", "thread"]


def look_around(order: Any) -> None:
    """Gives events that come too early every chance: other calls, and time."""
    for number in range(20):
        assert host(order).run_script(f"{number} + 1") == number + 1
    time.sleep(0.02)
    assert host(order).run_script("1") == 1


@pytest.mark.parametrize("how", WAYS)
def test_listener_of_the_next_statement_misses_nothing_on_a_loop(how: str, order: Any) -> None:
    emitter_class = host(order).run_script(EMITTER)
    got: list[str] = []

    async def main() -> None:
        emitter = emitter_class(how)
        look_around(order)
        emitter.on("open", got.append)
        look_around(order)
        emitter.on("ready", got.append)
        assert got == []
        await until(lambda: len(got) == 2)
        assert got == ["open", "ready"]
        assert emitter.missed == []

    asyncio.run(main())


@pytest.mark.parametrize("how", WAYS)
def test_listener_misses_nothing_in_a_later_step_of_a_loop(how: str, order: Any) -> None:
    """The loop owns the turns already, and has taken some."""
    emitter_class = host(order).run_script(EMITTER)

    async def main() -> None:
        for _ in range(20):
            got: list[str] = []
            emitter = emitter_class(how)
            emitter.on("open", got.append)
            emitter.on("ready", got.append)
            await until(lambda got=got: len(got) == 2)  # type: ignore[misc]
            assert got == ["open", "ready"]
            assert emitter.missed == []
            await host(order).run_script("new Promise((done) => setImmediate(done, 1))")

    asyncio.run(main())


@pytest.mark.parametrize("how", WAYS)
def test_listener_misses_nothing_in_a_step_without_a_loop(how: str, order: Any) -> None:
    emitter_class = host(order).run_script(EMITTER)
    got: list[str] = []
    done = threading.Event()

    def ready(name: str) -> None:
        got.append(name)
        done.set()

    def make(how: str) -> Any:
        emitter = emitter_class(how)
        look_around(order)
        emitter.on("open", got.append)
        emitter.on("ready", ready)
        assert got == []
        return emitter

    emitter = host(order).run_step(make, how)
    assert done.wait(SECONDS)
    assert got == ["open", "ready"]
    assert emitter.missed == []


@pytest.mark.parametrize("how", ["tick", "immediate"])
def test_function_that_makes_an_emitter_is_called_in_a_step(how: str, order: Any) -> None:
    """On a loop, too, the microtasks of a function end before it returns."""
    host(order).run_script(EMITTER)
    connect = host(order).run_script("(how) => new Emitter(how)")
    got: list[str] = []

    def make() -> Any:
        return connect(how).on("open", got.append).on("ready", got.append)

    async def main() -> None:
        emitter = host(order).run_step(make)
        await until(lambda: len(got) == 2)
        assert emitter.missed == []

    asyncio.run(main())


def test_promise_that_waits_for_deferred_microtasks_is_settled(order: Any) -> None:
    run = host(order).run_script
    emitter_class = run(EMITTER)
    slow = run("async () => { await null; await null; return 5; }")

    async def main() -> None:
        emitter_class("tick")
        assert await slow() == 5
        emitter_class("microtask")
        assert slow().result(SECONDS) == 5
        emitter_class("async")
        promise = slow()
        assert await asyncio.wait_for(promise, SECONDS) == 5

    asyncio.run(main())


def test_other_threads_go_on_while_microtasks_of_a_loop_wait(order: Any) -> None:
    """A blocked loop defers the microtasks that it left; a thread that waits has them run."""
    run = host(order).run_script
    emitter_class = run(EMITTER)
    slow = run("async () => { await null; return 7; }")
    results: list[Any] = []

    async def main() -> None:
        emitter_class("tick")
        thread = threading.Thread(target=lambda: results.append(slow().result(SECONDS)))
        thread.start()
        thread.join(SECONDS)
        assert results == [7]

    asyncio.run(main())


def test_object_that_is_made_in_a_callback_defers_nothing(order: Any) -> None:
    run = host(order).run_script
    emitter_class = run(EMITTER)

    async def main() -> None:
        run("(make) => { make(); }")(lambda: emitter_class("tick"))
        assert run("Promise.resolve().then(() => { globalThis.ran = 1; }); 0") == 0
        assert run("globalThis.ran") == 1

    asyncio.run(main())


def test_step_returns_what_its_function_returns(order: Any) -> None:
    step = host(order).run_step
    result = [object()]
    assert step(lambda: result) is result
    assert step(lambda *args, **kwargs: (args, kwargs), 1, 2, x=3) == ((1, 2), {"x": 3})
    made = step(lambda: host(order).run_script("({ f() {} })"))
    assert isinstance(made, JSObject)
    assert step(lambda: step(lambda: 5)) == 5


def test_step_raises_what_its_function_raises(order: Any) -> None:
    error = LookupError("mine")

    def fails() -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        host(order).run_step(fails)
    assert caught.value is error
    with pytest.raises(TypeError):
        host(order).run_step(5)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        host(order).run_step(lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert host(order).run_script("1 + 1") == 2


def test_step_can_not_wait_for_what_comes_after_it(order: Any) -> None:
    never = "new Promise((done) => setImmediate(done))"
    with pytest.raises(RuntimeError, match="return from the callback"):
        host(order).run_step(lambda: host(order).run_script(never).result())


def test_deadline_of_a_step(order: Any) -> None:
    with deadline(0.2), pytest.raises(AddonTimeout):
        host(order).run_step(lambda: host(order).run_script("for (;;);"))
    assert host(order).run_script("1 + 1") == 2
