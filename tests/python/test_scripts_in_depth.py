"""Scripts in the host: further addons, collecting garbage, recursion, exceptions through frames."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from conftest import addon_path
from napi_python import Addon, JSError, JSRangeError, host, load_addon


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
    # References are kept in the image, which both share; an environment knows its own only.
    answers = host(bench).run_script(
        f"const a = {first}, b = {second}; a.napi_create_reference(5, {{}}, 1);"
        "[a === b, b.napi_delete_reference(5).status]"
    )
    same, _ = answers
    assert same is False


@pytest.mark.parametrize("name", ["nowhere", "broken/no_entry_point"])
def test_what_cannot_be_loaded_throws(bench: Addon, name: str) -> None:
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
