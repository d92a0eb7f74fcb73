"""A host in which allocations fail: an error of JavaScript, or an end whose cause says so.

The host is `faulty-hostd`, which `make faults` builds. A text in a request says which allocation of
the JS thread fails while it is served, the engine's and those of Rust counted together; see
`server/session/src/fault.rs`.
"""

from __future__ import annotations

import contextlib
import functools
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    AddonCrashed,
    AddonError,
    AddonTimeout,
    JSError,
    host,
    load_addon,
    on_uncaught,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "conformance"))
import oracle

pytestmark = pytest.mark.usefixtures("faulty")

ENDLESS = 1 << 40
# Blocks of the engine that are smaller end the process; see `server/engine/src/spare.rs`.
LARGE = 64 << 10
POINTS = 10


def plan(after: int, which: str = "one", least: int = 0) -> str:
    return f"allocation:{after}:{least}:{which};"


def outcome(addon: Addon) -> int | None:
    """Returns how many allocations the last planned request made, None if one failed."""
    name = Path(f"/proc/{host(addon).pid}/comm").read_text().strip()
    return None if name == "failed" else int(name)


def check_end(error: AddonCrashed) -> None:
    """The process may end, if its cause says why."""
    # The sample addons abort where a function of Node-API fails that they need themselves.
    if "the frame of the addon failed: " in (error.stderr or ""):
        return
    assert (error.reason or "").startswith("out of memory: "), error


def attempt(addon: Addon, call: Callable[[], Any]) -> None:
    """Makes a call of which allocations fail."""
    try:
        call()
    except AddonCrashed as error:
        check_end(error)
    except AddonTimeout:
        raise
    except (JSError, AddonError, ValueError):
        # Where there is no memory for an error, JavaScript throws what is left of one.
        pass
    # The same host goes on, or another one.
    assert host(addon).run_script("6 * 7") == 42


VALUES = {
    "plain": {"a": [1, 2.5, "x", None, True], "b": {"c": [[], {}, "é€", "\ud800"]}},
    "numbers": [[1] * 500, [1.5] * 500, [1 << 70] * 5],
    "collections": [{1, 2, "x"}, b"bytes" * 300, bytearray(300)],
    "text": "é€" * 3000,
    "callable": [len, print, object],
    "error": ValueError("of Python"),
    "large": [[1.5] * 20_000, "x" * 90_000, bytes(90_000), {str(i): [i] for i in range(9000)}],
    "surrogates": "\ud800" * 90_000,
    "shared text": "é€" * 30_000,
    "shared bytes": bytearray(90_000),
    "shared views": [memoryview(bytes(90_000))[::2], bytearray(90_000)],
}
SCRIPTS = {
    "object": "({a: [1, 2.5, 'x'], b: {c: [[], {}]}})",
    "map": "new Map([[1, {a: 1}], ['x', new Set([1, 2])]])",
    "objects": "Array.from({length: 50}, () => new (class A { m() {} })())",
    "functions": "[() => 1, class {}, Symbol('x'), Promise.resolve(1)]",
    "error": "(() => { throw new TypeError('x'.repeat(5000)); })()",
    "text": "'é€\\ud800'.repeat(3000)",
    "shared": "[new Uint8Array(90000), Buffer.alloc(90000), 'x'.repeat(90000)]",
    "shared text": "'é€'.repeat(30000)",
    "resized": "(b => (b.resize(90000), b))(new ArrayBuffer(20000, {maxByteLength: 1e5}))",
    "codecs": "['hex', 'base64', 'base64url', 'utf16le', 'latin1', 'ascii', 'utf8']"
    ".map((code) => Buffer.from(Buffer.alloc(5000, 'aé').toString(code), code).length)",
    "decoders": "['utf-8', 'utf-16le', 'latin1']"
    ".map((code) => new TextDecoder(code).decode(Buffer.alloc(5000, 'aé')).length)",
    "clone": "structuredClone({a: [1, new Date(), new Map([[1, Buffer.alloc(5000)]])]})",
    "timers": "[setTimeout(() => 1, 0), setImmediate(() => 1), queueMicrotask(() => 1)].length",
    "lists": "Array.from({length: 30000}, (_, i) => i).map(String).sort().concat([1]).reverse()",
    "strings": "'x'.repeat(90000).split('').join('é').replaceAll('x', 'yz').toUpperCase()",
    "tables": "Object.fromEntries(Array.from({length: 9000}, (_, i) => ['k' + i, [i]]))",
    "maps": "[new Map(Array(9000).entries()), new Set(Array(9000).keys())]",
    "json": "JSON.parse(JSON.stringify(Array.from({length: 9000}, (_, i) => ({i, s: 'x' + i}))))",
    "arrays": "new Float64Array(Array(20000).fill(1.5)).map((x) => x * 2).toSorted()",
    "bigints": "(2n ** 900000n) * 3n ** 1000n",
    "code": "Function('let s = 0;' + 's += `x${s}`.length;'.repeat(9000) + 'return s;')()",
    "expressions": "/(x+)+y|z/.exec('x'.repeat(12) + 'z'.repeat(90000))",
    "inspect": "console.log({a: [1, {b: new Map([[1, 2]])}], c: 'x'.repeat(5000)})",
}


@pytest.fixture(autouse=True)
def _without_backtraces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of an unoptimised host take longer than all else."""
    monkeypatch.setenv("RUST_BACKTRACE", "0")


@pytest.fixture(scope="module")
def _quiet() -> Iterator[None]:
    on_uncaught(lambda *_: None)
    yield
    on_uncaught(None)


def sweep(addon: Addon, call: Callable[[str], Any]) -> None:
    """Has allocations of a call fail, alone and with all that follow."""
    for least in (0, LARGE):
        call(plan(ENDLESS, least=least))
        total = outcome(addon)
        assert total or least, "no allocation is counted"
        assert total is not None
        # The first ones, and some of the others.
        places = [*range(min(total, POINTS)), *range(POINTS, total, 1 + total // POINTS)]
        for which in ("one", "all"):
            for after in places:
                text = plan(after, which, least)
                attempt(addon, functools.partial(call, text))


@pytest.mark.parametrize("name", VALUES)
def test_each_allocation_for_an_argument(name: str) -> None:
    with load_addon(addon_path("crash"), sandbox="none", timeout=30) as addon:

        def call(text: str) -> None:
            host(addon).run_script("(value) => value")(VALUES[name], text)

        sweep(addon, call)


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.usefixtures("_quiet")
def test_each_allocation_for_a_script(name: str) -> None:
    with load_addon(addon_path("crash"), sandbox="none", timeout=30) as addon:

        def call(text: str) -> None:
            with contextlib.suppress(JSError):
                host(addon).run_script(f"{SCRIPTS[name]} // {text}")

        sweep(addon, call)


def test_each_allocation_for_a_callback() -> None:
    with load_addon(addon_path("crash"), sandbox="none", timeout=30) as addon:

        def called(items: Any, text: Any) -> Any:
            items.append({"a": 1})
            return [items, text]

        def call(text: str) -> None:
            ask = "(call, text) => call([1, {}], new Map([[1, text]]))"
            host(addon).run_script(ask)(called, text)

        sweep(addon, call)


def test_exports_are_listed_without_memory() -> None:
    with load_addon(addon_path("crash"), sandbox="none", timeout=30) as addon:
        make = "Object.fromEntries(Array.from({length: 300}, (_, i) => ['k' + i, i]))"
        keys = host(addon).run_script("(text, object) => Object.keys(object)")

        def call(text: str) -> None:
            keys(text, host(addon).run_script(f"({make})"))

        attempt(addon, lambda: call(plan(200, "all")))
        sweep(addon, lambda text: host(addon).run_script(f"Object.keys({make}) // {text}"))


@pytest.mark.parametrize("name", [name for name in oracle.CONCEPTS if name != "fatal"])
@pytest.mark.usefixtures("_quiet")
def test_functions_of_node_api(name: str, request: pytest.FixtureRequest) -> None:
    """Allocations fail while the operations of the conformance kit run, of any size or large."""
    case, chance = oracle.case(name), random.Random(name)
    rounds = 2 * request.config.getoption("--faults")
    source = case.source(later=False)
    with load_addon(case.addon, sandbox="none", timeout=30) as addon:
        for least in (0, LARGE):
            host(addon).run_script(f"{source} // {plan(ENDLESS, least=least)}")
            total = outcome(addon)
            assert total is not None
            for _ in range(min(rounds, total)):
                text = plan(chance.randrange(total), chance.choice(["one", "all"]), least)
                attempt(addon, functools.partial(host(addon).run_script, f"{source} // {text}"))
