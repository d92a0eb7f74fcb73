"""Scripts in the host: further addons, collecting garbage, recursion, exceptions through frames."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from conftest import addon_path
from napi_python import Addon, JSError, JSRangeError, JSSyntaxError, host, load_addon


@pytest.fixture
def bench() -> Iterator[Addon]:
    with load_addon(addon_path("bench")) as addon:
        yield addon


def dlopen(name: str) -> str:
    path = json.dumps(str(addon_path(name)))
    load = f"process.dlopen(m, {path}); return m.exports;"
    return f"((m) => {{ {load} }})({{ exports: {{}} }})"


def test_a_script_loads_a_further_addon(bench: Addon) -> None:
    answer = host(bench).run_script(f"{dlopen('array')}.napi_is_array([]).result")
    assert answer is True


def test_the_exports_given_are_filled_and_kept(bench: Addon) -> None:
    path = json.dumps(str(addon_path("array")))
    same = host(bench).run_script(
        f"const given = {{ own: 1 }}, m = {{ exports: given }}; process.dlopen(m, {path});"
        "[m.exports === given, m.exports.own, typeof m.exports.napi_is_array]"
    )
    assert list(same) == [True, 1, "function"]


def test_a_second_load_is_a_new_environment(bench: Addon) -> None:
    first, second = dlopen("reference"), dlopen("reference")
    # References are kept in the library, which both share; an environment has only its own.
    answers = host(bench).run_script(
        f"const a = {first}, b = {second}; a.napi_create_reference(5, {{}}, 1);"
        "[a === b, b.napi_delete_reference(5).status]"
    )
    same, _ = answers
    assert same is False


@pytest.mark.parametrize("name", ["nowhere", "broken/no_entry_point"])
def test_file_that_cannot_be_loaded_throws(bench: Addon, name: str) -> None:
    path = str(addon_path("array")).replace("array.node", f"{name}.node")
    code = host(bench).run_script(
        f"try {{ process.dlopen({{ exports: {{}} }}, {json.dumps(path)}) }} catch (e) {{ e.code }}"
    )
    assert code == "ERR_DLOPEN_FAILED"


def test_gc_collects_cycles_now(bench: Addon) -> None:
    alive = host(bench).run_script(
        "globalThis.weak = (() => { const a = {}; a.self = a; return new WeakRef(a); })(); gc();"
        "weak.deref() !== undefined"
    )
    alive = host(bench).run_script("gc(); weak.deref() !== undefined")
    assert alive is False


def test_deep_recursion_is_a_range_error(bench: Addon) -> None:
    for script in ["(function f() { f(); })()", "(function f() { addon.callOnce(f, 1); })()"]:
        with pytest.raises(JSRangeError, match=r"(?i)stack"):
            host(bench).run_script(script)
    assert host(bench).run_script("1 + 1") == 2


def test_an_exception_goes_through_several_native_frames(bench: Addon) -> None:
    script = (
        "addon.callOnce(() => addon.callOnce(() => { throw new RangeError('from below'); }, 1), 1)"
    )
    with pytest.raises(JSError, match="from below"):
        host(bench).run_script(script)
    caught = host(bench).run_script(f"try {{ {script} }} catch (e) {{ e.constructor.name }}")
    assert caught == "RangeError"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("'\ud800'.charCodeAt(0)", 0xD800),
        ("'a\udfffb'.length", 3),
        ("'\ud800'", "\ud800"),
        ("'a\0b'.length", 3),
        ("'a\0b'", "a\0b"),
        ("1 // \ud800 \0", 1),
        ("'\u20ac\U0001f600'", "\u20ac\U0001f600"),
        ("'" + "x" * 5_000_000 + "'.length", 5_000_000),
        (" " * 5_000_000 + "'after a long way'", "after a long way"),
        ("", None),
        ("var declared = 5; if (declared) { declared * 2 }", 10),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_the_source_is_any_text(bench: Addon, source: str, expected: object) -> None:
    assert host(bench).run_script(source) == expected


def test_a_syntax_error_says_where(bench: Addon) -> None:
    with pytest.raises(JSSyntaxError) as caught:
        host(bench).run_script("1 +\n  @ 2")
    assert "<run_script>:2:3" in (caught.value.stack or "")
    with pytest.raises(JSError) as thrown:
        host(bench).run_script("// one\n\nthrow new Error('three')")
    assert "<run_script>:3:" in (thrown.value.stack or "")


def test_nesting_that_is_too_deep_is_a_range_error(bench: Addon) -> None:
    with pytest.raises(JSRangeError, match=r"(?i)stack"):
        host(bench).run_script("[" * 200_000 + "1" + "]" * 200_000)
    assert host(bench).run_script("1 + 1") == 2


def test_the_value_is_given_by_the_contract(bench: Addon) -> None:
    run = host(bench).run_script
    assert run("undefined") is None
    assert run("10n ** 20n") == 10**20
    assert run("[1, 'two', null, [3.5]]") == [1, "two", None, [3.5]]
    assert run("({ a: { b: [true] } })") == {"a": {"b": [True]}}
    assert bytes(run("new Uint8Array([1, 2, 3])")) == b"\x01\x02\x03"
    assert run("(x) => x + 1")(41) == 42
    with pytest.raises(JSError, match="thrown"):
        run("throw new Error('thrown')")


def test_microtasks_are_drained_before_a_script_returns(bench: Addon) -> None:
    run = host(bench).run_script
    run(
        "globalThis.seen = [];"
        "Promise.resolve().then(() => seen.push('microtask'))"
        ".then(() => process.nextTick(() => seen.push('tick of a microtask')));"
        "process.nextTick(() => seen.push('tick'));"
        "seen.push('script')"
    )
    assert run("seen") == ["script", "tick", "microtask", "tick of a microtask"]
    drained = run(
        "const late = { done: false }; Promise.resolve().then(() => late.done = true); late"
    )
    assert drained == {"done": True}
