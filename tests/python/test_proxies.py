"""JavaScript objects, functions and classes in Python."""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import pickle
import rlcompleter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import (
    Addon,
    External,
    JSClass,
    JSError,
    JSFunction,
    JSObject,
    JSTypeError,
    Symbol,
    construct,
    host,
    load_addon,
    new_object,
)

if TYPE_CHECKING:
    from conftest import Script


@pytest.fixture
def thing(js: Script) -> Any:
    return js(
        """new (class Thing {
            constructor() { this.own = 1; this.nothing = undefined; }
            get twice() { return this.own * 2; }
            set twice(v) { this.own = v / 2; }
            add(n, options) { this.own += n; return options ?? this; }
            fails() { throw new RangeError("no"); }
        })"""
    )


def test_attributes_are_properties(thing: Any) -> None:
    assert thing.own == 1
    assert thing.twice == 2
    thing.twice = 10
    assert thing.own == 5
    thing.fresh = [1]
    assert thing.fresh == [1]
    del thing.fresh
    assert not hasattr(thing, "fresh")


def test_absent_is_an_attribute_error_and_undefined_is_none(thing: Any) -> None:
    assert thing.nothing is None
    with pytest.raises(AttributeError, match='has no property "missing"'):
        thing.missing  # noqa: B018 - read for its error
    with pytest.raises(AttributeError):
        del thing.missing
    with pytest.raises(KeyError):
        thing["missing"]


def test_methods_are_bound(thing: Any) -> None:
    add = thing.add
    assert add(2) is thing
    assert thing.own == 3
    assert thing.add(1, key="v") == {"key": "v"}
    assert thing.add == thing.add
    assert len({thing.add, thing.add}) == 1
    assert thing.add.__name__ == "add"
    with pytest.raises(JSError, match="no"):
        thing.fails()


def test_method_passed_back_is_the_function(js: Script, thing: Any) -> None:
    assert js("(f, t) => f === t.add")(thing.add, thing)


def test_functions_of_plain_namespaces_keep_their_this(js: Script) -> None:
    space = js("({n: 5, get() { return this.n; }})")
    assert space.get() == 5
    read = space.get
    assert read() == 5


def test_items_length_iteration_and_truth(js: Script) -> None:
    array_like = js("Object.assign(Object.create(Array.prototype), {0: 'a', 1: 'b', length: 2})")
    assert len(array_like) == 2
    assert array_like[0] == "a"
    assert list(array_like) == ["a", "b"]
    assert 0 in array_like
    assert 5 not in array_like
    assert bool(js("new (class Empty {})"))
    with_items = js("new (class A { constructor() { this.x = 1; this.y = 2; } })")
    assert len(with_items) == 2
    with_items["z"] = 3
    del with_items["x"]
    assert with_items["z"] == 3
    with pytest.raises(KeyError):
        del with_items["x"]


def test_length_that_python_cannot_have_is_none(js: Script) -> None:
    for length in ("2n ** 63n", "-1", "1.5", "'2'"):
        assert len(js(f"new (class A {{ length = {length}; more = 1 }})()")) == 2, length


def test_iteration_over_a_generator(js: Script) -> None:
    assert list(js("(function* () { yield 1; yield [2]; })()")) == [1, [2]]


def test_object_that_is_not_iterable_raises(thing: Any) -> None:
    with pytest.raises((TypeError, JSTypeError), match=r"iterable|iterator|function"):
        iter(thing)


def test_symbols_are_keys(js: Script) -> None:
    symbol = js("globalThis.aSymbol = Symbol('s'); aSymbol")
    assert isinstance(symbol, Symbol)
    assert js("aSymbol") is symbol
    holder = js("new (class { constructor() { this[aSymbol] = 7; } })")
    assert holder[symbol] == 7
    assert js("(s) => s === aSymbol")(symbol)


def test_dir_lists_properties_and_methods(thing: Any) -> None:
    assert {"own", "twice", "add", "fails"} <= set(dir(thing))
    assert "toString" not in dir(thing)


def test_one_object_is_one_proxy(js: Script) -> None:
    js("globalThis.only = new (class Only {})")
    first = js("only")
    assert js("only") is first
    assert js("(o) => o === only")(first)
    first.x = 1
    del first
    gc.collect()
    again = js("only")
    assert again.x == 1


def test_refused_set_raises(js: Script) -> None:
    frozen = js("Object.freeze(new (class F { constructor() { this.a = 1; } }))")
    with pytest.raises((JSTypeError, TypeError)):
        frozen.a = 2
    with pytest.raises((JSTypeError, TypeError)):
        frozen.b = 2
    with pytest.raises((JSTypeError, TypeError)):
        del frozen.a


def test_class_constructs_and_knows_its_instances(js: Script) -> None:
    js(
        """globalThis.Base = class Base {
            static make(n) { return new this(n); }
            constructor(n) { this.n = n; }
        }"""
    )
    js("globalThis.Derived = class Derived extends Base { static limit = 9; }")
    base: Any = js("Base")
    derived: Any = js("Derived")
    assert repr(base).startswith("<JSClass")
    instance = derived(3)
    assert instance.n == 3
    assert isinstance(instance, derived)
    assert isinstance(instance, base)
    assert not isinstance(base(1), derived)
    assert not isinstance(5, base)
    assert not isinstance({}, base)
    assert derived.limit == 9
    assert derived.make(4).n == 4
    assert base.__name__ == "Base"


def test_function_attributes_are_javascripts(js: Script) -> None:
    function = js("globalThis.named = function named(a, b) { return [this?.tag, a, b]; }; named")
    assert isinstance(function, JSFunction)
    assert function.name == "named"
    assert function.length == 2
    assert function.call({"tag": "t"}, 1, 2) == ["t", 1, 2]
    assert function.bind({"tag": "b"}, 1)(2) == ["b", 1, 2]
    function.extra = 5
    assert function.extra == 5
    with pytest.raises(AttributeError):
        function.missing  # noqa: B018 - read for its error


def test_construct_is_new(js: Script) -> None:
    old_style = js("globalThis.Old = function Old(n) { this.n = n; }; Old")
    assert construct(old_style, 5).n == 5
    with pytest.raises(TypeError, match="construct takes"):
        construct(len)  # type: ignore[arg-type] # what is tested


def test_new_object_keeps_its_identity(addon: Addon, js: Script) -> None:
    shared = new_object(addon, {"a": 1})
    assert isinstance(shared, JSObject)
    js("(o) => { o.b = 2; globalThis.shared = o; }")(shared)
    assert shared.b == 2
    assert js("(o) => o === shared")(shared)


def test_external_is_opaque_and_itself() -> None:
    with load_addon(addon_path("external")) as external:
        script = host(external).run_script
        value = script("globalThis.kept = addon.napi_create_external(5).result; kept")
        assert isinstance(value, External)
        assert script("(v) => v === kept")(value)
        assert script("kept") is value


def test_attributes_of_the_addon_are_its_exports(rust: Addon) -> None:
    assert "add" in dir(rust)
    assert rust.add.__name__ == "add"
    assert rust.add is rust.add
    with pytest.raises(AttributeError):
        rust.close  # noqa: B018 - read for its error
    with pytest.raises(TypeError, match="not a function"):
        rust()


def test_exports_can_be_set_and_are_seen(addon: Addon, js: Script) -> None:
    addon.fresh = 5
    assert js("addon.fresh") == 5
    assert addon.fresh == 5
    del addon.fresh
    assert not hasattr(addon, "fresh")


def test_exported_function_is_itself(rust: Addon) -> None:
    script = host(rust).run_script
    assert script("(f) => f === addon.add")(rust.add)
    assert script("addon.add") is rust.add
    assert script("addon.Counter") is rust.Counter
    assert script("(a) => a === addon")(rust)


def test_instances_of_the_rust_class(rust: Addon) -> None:
    counter = rust.Counter(10)
    assert counter.increment() == 11
    assert counter.value == 11
    assert isinstance(counter, rust.Counter)
    with pytest.raises((JSError, TypeError)):
        rust.Counter("text")


def test_proxy_of_another_addon_is_refused(js: Script) -> None:
    with load_addon(addon_path("primitive"), name="other") as other:
        stranger = host(other).run_script("new (class A {})")
        with pytest.raises(TypeError, match="another addon"):
            js("(x) => x")(stranger)
        with pytest.raises(TypeError, match="another addon"):
            js("(x) => x")([other])


@pytest.mark.parametrize(
    "source", ["new (class A {})", "() => 1", "(class A {})", "Symbol()", "Promise.resolve(1)"]
)
def test_proxies_are_not_picklable_and_say_so(source: str, js: Script) -> None:
    proxy = js(source)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            attempt(proxy)


def test_addon_is_pickled_by_reference(addon: Addon) -> None:
    assert pickle.loads(pickle.dumps(addon)) is addon
    assert copy.copy(addon) is addon


def test_released_proxies_are_let_go(js: Script, addon: Addon) -> None:
    make = js("() => new (class Temporary {})")
    for _ in range(1000):
        make()
    make()
    stats = host(addon).stats()
    assert stats["lent"] is not None
    assert stats["lent"] < 500


def test_constructor_is_the_class(js: Script) -> None:
    thing_class = js("(class Thing { m() {} })")
    thing = thing_class()
    assert isinstance(thing.constructor, JSClass)
    assert thing.constructor is thing_class
    assert thing.constructor.name == "Thing"
    assert isinstance(thing.constructor(), JSObject)
    # A function that stands for a class is itself, too.
    old_style = js("globalThis.Old = function Old() { this.f = () => 1; }; Old")
    old = js("new Old()")
    assert old.constructor is old_style
    assert old.constructor.name == "Old"
    assert js("new Date(NaN)").constructor is js("Date")


def test_constructor_of_an_exported_class_is_the_export() -> None:
    with load_addon(addon_path("bench")) as addon:
        counter = addon.Counter()
        assert counter.constructor is addon.Counter
        assert counter.constructor.name == "Counter"
        assert isinstance(counter.constructor(), addon.Counter)


def test_class_that_is_read_as_a_property_is_a_class(js: Script) -> None:
    holder = js(
        """(() => {
            class Holder { constructor() { this.Own = class Own {}; } get Got() { return Map; } }
            Holder.prototype.Inherited = class Inherited {};
            Holder.Static = class Static {};
            return new Holder();
        })()"""
    )
    for name in ("Own", "Inherited"):
        found = getattr(holder, name)
        assert isinstance(found, JSClass)
        assert found is getattr(holder, name)
        assert found.name == name
        assert isinstance(found(), found)
    assert isinstance(holder.Got, JSClass)
    assert isinstance(holder.constructor.Static(), JSObject)


def test_tab_completes_every_kind_of_object(js: Script) -> None:
    with load_addon(addon_path("external")) as external:
        objects = {
            "addon": external,
            "host": host(external),
            "class": js("(class A { static s() {} m() {} })"),
            "instance": js("new (class A { m() {} get g() { return 1; } })"),
            "old instance": js("new (function Old() { this.f = () => 1; })"),
            "holder of a class": js("new (class A { constructor() { this.K = class K {}; } })"),
            "shadowed method": js("new (class A { constructor() { this.m = 1; } m() {} })"),
            "date": js("new Date(NaN)"),
            "map": js("new (class M extends Map {})"),
            "proxy": js("new Proxy(class {}, {})"),
            "no prototype": js("Object.create(null, {f: {value() {}, enumerable: true}})"),
            "function": js("(function f(a, b) {})"),
            "method": js("new (class A { m() {} })").m,
            "iterator": iter(js("new (class M extends Map {})")),
            "buffer": js("Buffer.from('abc')"),
            "promise": js("Promise.resolve(1)"),
            "symbol": js("Symbol('x')"),
            "error": js("new Error('x')"),
            "external": external.napi_create_external(1).result,
        }
        assert isinstance(objects["external"], External)
        for name, value in objects.items():
            completes(value)
            assert dir(value), name
        own = {"o.constructor(", "o.g", "o.m("}
        methods = {"o.items()", "o.keys()", "o.to_dict()", "o.values()"}
        assert set(completes(objects["instance"])) == own | methods


def completes(value: Any) -> list[str]:
    """Returns what the standard completer offers for the attributes of a value."""
    completer = rlcompleter.Completer({"o": value})
    found: list[str] = []
    while (match := completer.complete("o.", len(found))) is not None:
        found.append(match)
    return [match for match in found if "__" not in match]


def test_classes_of_single_objects_take_no_memory() -> None:
    """Neither here, where their methods are known by name, nor in the host."""

    def resident(pid: int) -> int:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        return int(text.split("Rss:")[1].split()[0]) >> 10

    with load_addon(addon_path("primitive")) as loaded:
        make = host(loaded).run_script(
            "(n) => new (class { value() { return n; } some() {} other() {} })"
        )
        pid = host(loaded).pid
        assert pid is not None

        def use(objects: range) -> None:
            assert all(make(number).value() == number for number in objects)
            host(loaded).collect()

        use(range(2000))
        before = resident(os.getpid()), resident(pid)
        use(range(2000, 22_000))
        after = resident(os.getpid()), resident(pid)
        kept = make(1)
        use(range(300))
        assert kept.value() == 1
    assert after[0] - before[0] < 3, f"the client has {after[0] - before[0]} MiB more"
    assert after[1] - before[1] < 3, f"the host has {after[1] - before[1]} MiB more"
