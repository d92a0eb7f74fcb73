"""Proxies of JavaScript, and the identity of what goes back to the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import (
    External,
    JSClass,
    JSFunction,
    JSObject,
    Promise,
    Symbol,
    host,
    load_addon,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Script
    from napi_python import Addon


@pytest.fixture
def same(js: Script) -> Any:
    return js("(a, b) => a === b")


# What goes back is the very object.


def test_exports_are_the_very_object(addon: Addon, js: Script, same: Any) -> None:
    assert same(addon, addon) is True
    assert same(addon, js("addon")) is True
    assert js("(it) => it === addon")(addon) is True
    assert js("(list, object) => list[0] === addon && object.it === addon")(
        [addon], {"it": addon}
    ), "inside containers"


def test_exports_of_a_function_are_the_very_function() -> None:
    with load_addon(addon_path("module")) as loaded:
        run = host(loaded).run_script
        assert run("(it) => it === addon")(loaded) is True


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("new (class {})", JSObject),
        ("({ f() {} })", JSObject),
        ("() => 1", JSFunction),
        ("class Some {}", JSClass),
        ("Symbol('s')", Symbol),
        ("new Promise(() => {})", Promise),
        ("new Proxy({}, {})", JSObject),
        ("new Proxy([], {})", JSObject),
        ("new Proxy(() => 1, {})", JSFunction),
        ("Object.create(null, { hidden: { value: 1 } })", JSObject),
        ("new WeakMap()", JSObject),
    ],
)
def test_objects_are_the_very_objects(text: str, kind: type, js: Script) -> None:
    js("globalThis.kept = undefined")
    value = js(f"kept = ({text})")
    assert type(value) is kind
    assert js("kept") is value
    assert js("(it) => it === kept")(value) is True
    assert js("(list) => list[0] === kept && list[1].it === kept")([value, {"it": value}]) is True
    assert js("(take) => take() === kept")(lambda: value) is True


def test_namespace_and_what_is_in_it(js: Script) -> None:
    """Exports inside exports: an object of functions, classes and data."""
    space = js(
        """globalThis.space = {
            version: "1", data: { x: 1 }, list: [1], f() { return this; }, Class: class {},
            inner: { g() {} }, symbol: Symbol.for("s"),
        }"""
    )
    assert isinstance(space, JSObject)
    for name in ("f", "Class", "inner", "symbol"):
        assert js(f"(it) => it === space.{name}")(getattr(space, name)) is True, name
    assert space.f() is space
    assert space.inner is space.inner
    assert space.Class is space.Class
    # Plain data is copied.
    assert js("(it) => it === space.data")(space.data) is False


def test_function_that_is_read_from_an_object_is_the_very_function(js: Script) -> None:
    thing = js("globalThis.thing = new (class { method() {} })")
    assert js("(f) => f === thing.method")(thing.method) is True
    thing.other = thing.method
    assert js("thing.other === thing.method") is True


@pytest.fixture
def externals() -> Iterator[Addon]:
    with load_addon(addon_path("external")) as loaded:
        yield loaded


def test_external_is_the_very_external(externals: Addon) -> None:
    run = host(externals).run_script
    held = run("globalThis.held = { language: addon.napi_create_external(5).result, parse() {} }")
    language = held.language
    assert isinstance(language, External)
    assert run("(it) => it === held.language")(language) is True
    assert run("(it) => it.language === held.language")(held) is True
    assert run("(it) => it.language === held.language")({"language": language}) is True


# Proxies.


def test_proxy_of_plain_data_goes_by_reference(js: Script) -> None:
    for target in ("{ a: 1 }", "[1, 2]", "new Map([[1, 2]])", "new Error('e')", "new Date(0)"):
        value = js(f"new Proxy({target}, {{}})")
        assert isinstance(value, JSObject), target
    inside = js("({ frame: new Proxy({ a: 1 }, {}), list: [new Proxy([1], {})] })")
    assert isinstance(inside["frame"], JSObject)
    assert isinstance(inside["list"][0], JSObject)
    assert inside.frame.a == 1
    assert inside.list[0][0] == 1


@pytest.fixture
def frame(js: Script) -> Any:
    """A proxy that denies what it has, as the data frames of polars do."""
    return js(
        """new Proxy({ columns: ["a"], nothing: undefined }, {
            get: (target, key) => key === "height" ? 3
                : key === "sum" ? () => 6
                : key === "missing" ? undefined
                : target[key],
            has: (target, key) => key in target,
        })"""
    )


def test_attribute_is_absent_only_if_it_is_undefined_and_denied(frame: Any) -> None:
    assert frame.columns == ["a"]
    assert frame.height == 3
    assert frame.sum() == 6
    assert frame["height"] == 3
    assert hasattr(frame, "sum")
    assert "sum" not in frame
    # Undefined, but there.
    assert frame.nothing is None
    with pytest.raises(AttributeError):
        _ = frame.missing
    with pytest.raises(KeyError):
        _ = frame["missing"]
    assert not hasattr(frame, "missing")
    assert getattr(frame, "missing", 5) == 5


def test_attribute_that_a_proxy_denies_can_be_deleted(js: Script) -> None:
    target = js("globalThis.target = { x: 1, f() {} }")
    shy = js("new Proxy(target, { has: () => false })")
    del shy.x
    assert "x" not in target
    with pytest.raises(AttributeError):
        del shy.x
    with pytest.raises(KeyError):
        del shy["x"]


def test_traps_that_throw_are_exceptions(js: Script) -> None:
    text = """new Proxy({}, {
        get() { throw new RangeError("get"); }, has() { throw new RangeError("has"); },
        set() { throw new RangeError("set"); }, deleteProperty() { throw new RangeError("del"); },
        ownKeys() { throw new RangeError("keys"); }, getPrototypeOf() { throw new Error("p"); },
    })"""
    angry = js(text)
    assert isinstance(angry, JSObject)
    with pytest.raises(ValueError, match="get"):
        _ = angry.x
    with pytest.raises(ValueError, match="has"):
        _ = "x" in angry
    with pytest.raises(ValueError, match="set"):
        angry.x = 1
    with pytest.raises(ValueError, match="keys"):
        dir(angry)
    with pytest.raises(ValueError, match="has"):
        del angry.x
    assert js("(it) => typeof it")(angry) == "object"


def test_revoked_proxy_crosses(js: Script) -> None:
    revoked = js("(() => { const r = Proxy.revocable({}, {}); r.revoke(); return r.proxy; })()")
    assert isinstance(revoked, JSObject)
    with pytest.raises(TypeError, match="revoked"):
        _ = revoked.x
    assert js("(a, b) => a === b")(revoked, revoked) is True
