"""Iterators and generators, synchronous and not, in both directions."""

from __future__ import annotations

import asyncio
import collections
import functools
import gc
import itertools
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path, reached
from napi_python import Addon, JSError, StaleHandleError, by_ref, host, load_addon, on_uncaught

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Script
    from napi_python import Addon

SECONDS = 30.0


def until(done: Callable[[], object]) -> bool:
    """Waits for what happens some time later."""
    end = time.monotonic() + SECONDS
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def count(to: int, log: list[Any] | None = None) -> Iterator[int]:
    log = [] if log is None else log
    try:
        for number in range(to):
            log.append((yield number))
    except GeneratorExit:
        log.append("closed")
        raise


async def count_async(to: int, log: list[Any] | None = None) -> AsyncIterator[int]:
    log = [] if log is None else log
    try:
        for number in range(to):
            await asyncio.sleep(0)
            log.append((yield number))
    except GeneratorExit:
        log.append("closed")
        raise


# Python's iterators in JavaScript.

READERS = {
    "for-of": "(it) => { const all = []; for (const x of it) all.push(x); return all; }",
    "spread": "(it) => [...it]",
    "Array.from": "(it) => Array.from(it)",
    "arguments": "(it) => ((...all) => all)(...it)",
    "by hand": """(it) => {
        const all = [];
        for (let s = it.next(); !s.done; s = it.next()) all.push(s.value);
        return all;
    }""",
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_generator_is_iterable(reader: str, js: Script) -> None:
    assert js(reader)(count(3)) == [0, 1, 2]


class Own:
    """An iterator as a user would write it."""

    def __init__(self) -> None:
        self.left = 2
        self._secret = 1

    def __iter__(self) -> Own:
        return self

    def __next__(self) -> int:
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        return self.left


ITERATORS: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "list iterator": (lambda: iter([1, 2]), [1, 2]),
    "dict items": (lambda: iter({"a": 1}.items()), [["a", 1]]),
    "range": (lambda: iter(range(2)), [0, 1]),
    "map": (lambda: map(str, [1, 2]), ["1", "2"]),
    "zip": (lambda: zip("ab", [1, 2], strict=True), [["a", 1], ["b", 2]]),
    "itertools": (lambda: itertools.chain([1], "x"), [1, "x"]),
    "generator expression": (lambda: (n * n for n in range(3)), [0, 1, 4]),
    "class": (Own, [1, 0]),
    "deque": (lambda: iter(collections.deque([None, 1.5])), [None, 1.5]),
}


@pytest.mark.parametrize(("make", "items"), ITERATORS.values(), ids=ITERATORS)
def test_every_iterator_is_iterable(make: Callable[[], Any], items: list[Any], js: Script) -> None:
    assert js("(it) => [...it]")(make()) == items


def test_iterator_keeps_its_identity_and_its_place(js: Script) -> None:
    numbers = count(4)
    assert js("(a, b) => a === b")(numbers, numbers)
    assert js("(it) => it")(numbers) is numbers
    assert js("(it) => it.next().value")(numbers) == 0
    assert next(numbers) == 1
    assert js("(it) => [...it]")(numbers) == [2, 3]
    assert js("(it) => it.next()")(numbers) == {"done": True, "value": None}


def test_iterator_is_one_of_the_engine(js: Script) -> None:
    look = js(
        """(it) => {
            const of = Object.getPrototypeOf;
            const built = of(of([][Symbol.iterator]()));
            return [typeof it, it[Symbol.iterator]() === it, built.isPrototypeOf(it),
                Object.keys(it), typeof it.next, typeof it.return, typeof it.throw];
        }"""
    )
    assert look(iter([1])) == [
        "object", True, True, [], "function", "undefined", "undefined",
    ]  # fmt: skip
    assert look(count(1)) == ["object", True, True, [], "function", "function", "function"]


def test_value_that_the_addon_sends_arrives_in_the_generator(js: Script) -> None:
    log: list[Any] = []
    steps = js("(g) => [g.next('lost'), g.next('first'), g.next(), g.next([1])]")(count(3, log))
    assert steps == [
        {"done": False, "value": 0},
        {"done": False, "value": 1},
        {"done": False, "value": 2},
        {"done": True, "value": None},
    ]
    assert log == ["first", None, [1]]


def test_value_that_a_generator_returns_is_that_of_its_last_step(js: Script) -> None:
    def work() -> Generator[int, None, str]:
        yield 1
        return "result"

    assert js("(g) => [g.next(), g.next(), g.next()]")(work()) == [
        {"done": False, "value": 1},
        {"done": True, "value": "result"},
        {"done": True, "value": None},
    ]
    collected = js("(g) => (function* () { return yield* g; })()")(work())
    assert [collected.next().value, collected.next().value] == [1, "result"]


def test_loop_that_is_left_closes_the_generator(js: Script) -> None:
    log: list[Any] = []
    numbers = count(10, log)
    assert js("(g) => { for (const x of g) if (x === 1) return x; }")(numbers) == 1
    assert log[-1] == "closed"
    assert list(numbers) == []
    log.clear()
    js("(g) => { const [first] = g; return first; }")(count(10, log))
    assert log == ["closed"]


def test_loop_that_is_left_leaves_a_plain_iterator_alone(js: Script) -> None:
    items = iter([1, 2, 3])
    js("(it) => { for (const x of it) break; }")(items)
    assert list(items) == [2, 3]


def test_return_gives_its_value_back(js: Script) -> None:
    assert js("(g) => [g.next(), g.return(5), g.next()]")(count(3)) == [
        {"done": False, "value": 0},
        {"done": True, "value": 5},
        {"done": True, "value": None},
    ]


def test_error_that_is_thrown_in_is_raised_at_the_yield(js: Script) -> None:
    caught: list[BaseException] = []

    def careful() -> Iterator[str]:
        try:
            yield "first"
        except Exception as error:
            caught.append(error)
            yield "recovered"

    assert js("(g) => [g.next().value, g.throw(new RangeError('in')).value]")(careful()) == [
        "first",
        "recovered",
    ]
    assert isinstance(caught[0], ValueError)
    assert "in" in str(caught[0])
    mine = LookupError("mine")
    with pytest.raises(LookupError) as raised:
        js("(g, e) => { g.next(); g.throw(e); }")(count(1), mine)
    assert raised.value is mine
    with pytest.raises(JSError) as thrown:
        js("(g) => { g.next(); g.throw(7); }")(count(1))
    assert thrown.value.value == 7


def test_exception_of_a_generator_passes_through_the_loop(js: Script) -> None:
    error = LookupError("mine")

    def fails() -> Iterator[int]:
        yield 1
        raise error

    with pytest.raises(LookupError) as caught:
        js("(g) => [...g]")(fails())
    assert caught.value is error
    assert js("(g) => { try { return [...g]; } catch (e) { return e.message; } }")(fails()) == (
        "mine"
    )


def test_generator_that_runs_already_is_an_error(js: Script) -> None:
    def inner() -> Iterator[Any]:
        yield js("(g) => { try { g.next(); } catch (e) { return e.message; } }")(generator)

    generator = inner()
    assert "already executing" in next(generator)


def test_callback_returns_a_generator(js: Script) -> None:
    assert js("(f) => [...f(3)]")(count) == [0, 1, 2]
    assert js("(d) => [...d.numbers]")({"numbers": count(2)}) == [0, 1]


def test_step_is_taken_of_iterators_only(js: Script) -> None:
    steal = js("(g, other) => Object.getPrototypeOf(g).next.call(other)")
    for other in (object(), {"a": 1}, len, 5, None):
        with pytest.raises((JSError, TypeError)):
            steal(count(1), other)


class Socket(Own):
    """An iterator with further methods, which the addon cannot call."""

    def __init__(self) -> None:
        super().__init__()
        self.did: list[str] = []

    def send(self, _: object) -> int:
        self.did.append("send")
        return 0

    def close(self) -> None:
        self.did.append("close")


def test_plain_iterator_has_no_step_but_next(js: Script) -> None:
    item = Socket()
    for step in ("return", "throw"):
        steal = js(f"(g, other) => Object.getPrototypeOf(g).{step}.call(other, 1)")
        with pytest.raises(TypeError, match="only generators have return and throw"):
            steal(count(1), item)
    assert js("(it) => it.next('sent').value")(item) == 1
    assert item.did == []


def test_nothing_else_of_an_iterator_is_reachable(js: Script) -> None:
    look = js(
        """(it, names) => names.map((name) => {
            const direct = it[name];
            try { it[name] = 1; } catch { }
            return [direct === undefined, name in it, it[name] === undefined];
        })"""
    )
    names = ["gi_frame", "gi_code", "send", "close", "left", "__next__", "__class__", "_secret"]
    for value in (count(1), count_async(1), Own(), iter([1])):
        assert look(value, names) == [[True, False, True]] * len(names)
        assert js("(it) => Object.getOwnPropertyNames(it)")(value) == []


def test_file_is_not_read(js: Script, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("a\nb\n")
    with path.open() as file:
        assert js("(f) => typeof f[Symbol.iterator]")(by_ref(file)) == "undefined"
        with pytest.raises(TypeError, match="line for line in value"):
            js("(f) => 0")(file)
        assert js("(f) => [...f]")(line for line in file) == ["a\n", "b\n"]


def test_generators_are_let_go(addon: Addon, js: Script) -> None:
    log: list[Any] = []

    def lend() -> None:
        js("(g) => { g.next(); globalThis.keptGenerator = g; }")(count(5, log))

    lend()
    gc.collect()
    assert log == []
    js("delete globalThis.keptGenerator; 0")
    assert until(lambda: js("1") and log == ["closed"])


# JavaScript's iterators in Python.


def test_for_over_an_object_with_symbol_iterator(js: Script) -> None:
    assert list(js("({*[Symbol.iterator]() { yield 1; yield 'a'; }})")) == [1, "a"]
    assert list(js("(function* () { yield 1; return 2; })()")) == [1]
    with pytest.raises(TypeError, match="not iterable"):
        iter(js("({f() {}})"))


CLOSABLE = """(() => {
    globalThis.closed = 0;
    return { n: 0, f() {}, [Symbol.iterator]() { return {
        f() {}, n: 0,
        next() { return {value: this.n++, done: this.n > 3}; },
        return() { ++closed; return {}; },
    }; } };
})()"""


def test_loop_that_is_left_in_python_closes_the_iterator(addon: Addon, js: Script) -> None:
    for number in js(CLOSABLE):
        if number == 1:
            break
    assert reached(addon, lambda: js("closed") == 1)
    iterator = iter(js(CLOSABLE))
    assert next(iterator) == 0
    iterator.close()
    assert js("closed") == 1
    del iterator
    assert list(js("[[1]]")) == [[1]]
    time.sleep(0.1)
    assert js("closed") == 1


def test_iterator_that_came_to_its_end_is_not_closed(js: Script) -> None:
    assert list(js(CLOSABLE)) == [0, 1, 2]
    iter(js(CLOSABLE))  # Never begun.
    fails = js("({f() {}, [Symbol.iterator]() { return { f() {}, "
               "next() { throw new RangeError('n'); }, return() { ++closed; } }; }})")  # fmt: skip
    with pytest.raises(JSError, match="n"):
        list(fails)
    del fails
    gc.collect()
    js("0")
    time.sleep(0.1)
    assert js("closed") == 0


def test_close_that_throws_is_reported(addon: Addon, js: Script) -> None:
    reported: list[BaseException] = []
    former = on_uncaught(reported.append)
    try:
        source = "({f() {}, [Symbol.iterator]() { return { f() {}, next() { return {value: 1}; }, return() { throw new RangeError('late'); } }; }})"  # noqa: E501
        for _ in js(source):
            break
        assert reached(addon, lambda: reported)
        assert "late" in str(reported[0])
        iterator = iter(js(source))
        next(iterator)
        with pytest.raises(JSError, match="late"):
            iterator.close()
    finally:
        on_uncaught(former)


def test_generator_of_javascript_takes_values_and_errors(js: Script) -> None:
    generator = js(
        """(function* () {
            try { const got = yield 1; yield got; } catch (e) { yield e.message; }
        })()"""
    )
    assert generator.next().value == 1
    assert generator.next("sent").value == "sent"
    assert generator.throw(ValueError("raised")).value == "raised"
    assert getattr(generator, "return")(9) == {"value": 9, "done": True}


def test_iterator_of_a_process_that_ended_is_stale() -> None:
    with load_addon(addon_path("primitive")) as addon:
        iterator = iter(host(addon).run_script("(function* () { yield 1; yield 2; })()"))
        assert next(iterator) == 1
        host(addon).restart()
        with pytest.raises(StaleHandleError):
            next(iterator)
        with pytest.raises(StaleHandleError):
            iterator.close()


# Asynchronous ones.

COLLECT = """async (it, stop) => {
    const all = [];
    for await (const x of it) { all.push(x); if (x === stop) break; }
    return all;
}"""


def run(work: Callable[..., Any], *arguments: Any) -> Any:
    """Calls on a fresh loop and awaits the result."""

    async def main() -> Any:
        return await work(*arguments)

    return asyncio.run(main())


def test_asynchronous_generator_is_iterable(js: Script) -> None:
    assert run(js(COLLECT), count_async(3)) == [0, 1, 2]
    # Without a loop it runs in a thread.
    assert js(COLLECT)(count_async(3)).result(SECONDS) == [0, 1, 2]


def test_synchronous_generator_is_iterable_with_await(js: Script) -> None:
    assert run(js(COLLECT), count(3)) == [0, 1, 2]


class OwnAsync:
    """An asynchronous iterator as a user would write it."""

    def __init__(self) -> None:
        self.left = 2

    def __aiter__(self) -> OwnAsync:
        return self

    async def __anext__(self) -> int:
        await asyncio.sleep(0)
        if self.left == 0:
            raise StopAsyncIteration
        self.left -= 1
        return self.left


def test_asynchronous_iterator_is_iterable(js: Script) -> None:
    assert run(js(COLLECT), OwnAsync()) == [1, 0]
    assert js("(it) => [typeof it.next, typeof it.return, it[Symbol.asyncIterator]() === it]")(
        OwnAsync()
    ) == ["function", "undefined", True]


def test_asynchronous_generator_lives_on_one_loop(js: Script) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    async def work() -> AsyncIterator[int]:
        # Bound to the loop that first waits on it.
        turns = asyncio.Semaphore(0)
        for number in range(20):
            loop = asyncio.get_running_loop()
            loops.append(loop)
            loop.call_later(0.001, turns.release)
            await turns.acquire()
            yield number

    sleepy = js(
        """async (it) => {
            let sum = 0;
            for await (const x of it) { sum += x; await new Promise((r) => setTimeout(r, 1)); }
            return sum;
        }"""
    )

    async def main() -> tuple[Any, Any]:
        return await sleepy(work()), asyncio.get_running_loop()

    total, loop = asyncio.run(main())
    assert total == sum(range(20))
    assert set(loops) == {loop}
    loops.clear()
    assert sleepy(work()).result(SECONDS) == sum(range(20))
    assert len(set(loops)) == 1
    assert loops[0] is not loop


def test_concurrent_steps_are_taken_one_by_one(js: Script) -> None:
    rush = js("(it) => Promise.all([it.next(), it.next(), it.next(), it.next()])")
    steps = run(rush, count_async(3))
    assert steps == [
        {"done": False, "value": 0},
        {"done": False, "value": 1},
        {"done": False, "value": 2},
        {"done": True, "value": None},
    ]


def test_asynchronous_loop_that_is_left_closes_the_generator(js: Script) -> None:
    log: list[Any] = []
    assert run(js(COLLECT), count_async(10, log), 1) == [0, 1]
    assert log[-1] == "closed"


def test_asynchronous_generator_takes_values_and_errors(js: Script) -> None:
    log: list[Any] = []
    steps = run(
        js("async (g) => [await g.next('lost'), await g.next('first'), await g.return(4)]"),
        count_async(5, log),
    )
    assert steps == [
        {"done": False, "value": 0},
        {"done": False, "value": 1},
        {"done": True, "value": 4},
    ]
    assert log == ["first", "closed"]
    mine = LookupError("mine")
    with pytest.raises(LookupError) as caught:
        run(js("async (g, e) => { await g.next(); await g.throw(e); }"), count_async(1), mine)
    assert caught.value is mine


def test_exception_of_an_asynchronous_generator_rejects(js: Script) -> None:
    error = LookupError("mine")

    async def fails() -> AsyncIterator[int]:
        yield 1
        raise error

    with pytest.raises(LookupError) as caught:
        run(js(COLLECT), fails())
    assert caught.value is error


def test_async_for_over_an_object_with_symbol_async_iterator(js: Script) -> None:
    async def main() -> None:
        generator = "(async function* () { yield 1; await null; yield 'a'; return 2; })()"
        assert [item async for item in js(generator)] == [1, "a"]
        iterable = "({f() {}, [Symbol.asyncIterator]() { let n = 0; return { f() {}, next: async () => ({value: n++, done: n > 3}) }; }})"  # noqa: E501
        assert [item async for item in js(iterable)] == [0, 1, 2]
        with pytest.raises(JSError, match=r"Symbol\.asyncIterator"):
            aiter(js("(function* () {})()"))

    asyncio.run(main())


def test_async_for_that_is_left_closes_the_generator(js: Script) -> None:
    source = (
        "(async function* () { try { for (let n = 0; ; ++n) yield n; } finally { finished(); } })()"
    )

    async def main() -> None:
        loop, finished = asyncio.get_running_loop(), asyncio.Event()
        js("(f) => { globalThis.finished = f; }")(lambda: loop.call_soon_threadsafe(finished.set))
        async for item in js(source):
            if item == 2:
                break
        # The loop closes what was left.
        await asyncio.wait_for(finished.wait(), SECONDS)

    asyncio.run(main())


def test_asynchronous_generator_of_javascript_takes_values_and_errors(js: Script) -> None:
    async def main() -> None:
        iterator = aiter(
            js(
                """(async function* () {
                    try { const got = yield 1; yield got; } catch (e) { yield e.message; }
                })()"""
            )
        )
        assert await anext(iterator) == 1
        assert await iterator.asend("sent") == "sent"
        assert await iterator.athrow(ValueError("raised")) == "raised"
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)

    asyncio.run(main())


def test_rejection_ends_an_async_for(js: Script) -> None:
    async def main() -> list[Any]:
        seen: list[Any] = []
        with pytest.raises(JSError, match="enough"):
            async for item in js("(async function* () { yield 1; throw new Error('enough'); })()"):
                seen.append(item)  # noqa: PERF401 - what came before is looked at
        return seen

    assert asyncio.run(main()) == [1]


def test_iterators_pass_through_each_other(js: Script) -> None:
    double = js("(it) => (function* () { for (const x of it) yield x * 2; })()")
    assert list(double(double(count(4)))) == [0, 4, 8, 12]
    double_async = js("(it) => (async function* () { for await (const x of it) yield x * 2; })()")

    async def main() -> list[Any]:
        return [item async for item in double_async(double_async(count_async(4)))]

    assert asyncio.run(main()) == [0, 4, 8, 12]


def test_many_items_at_once(js: Script) -> None:
    assert js("(it) => { let n = 0; for (const x of it) n += x; return n; }")(count(4_000)) == (
        sum(range(4_000))
    )
    assert functools.reduce(
        int.__add__, js("(function* () { for (let n = 0; n < 4000; ++n) yield n; })()")
    ) == sum(range(4_000))
