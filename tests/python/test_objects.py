"""JavaScript objects as Python objects: dicts, JSON, previews, keywords, `match`, `with`."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import Addon, JSError, JSObject, StaleHandleError, host, load_addon, to_json

if TYPE_CHECKING:
    from conftest import Script


@pytest.fixture
def thing(js: Script) -> Any:
    return js(
        """globalThis.ran = 0; new (class Thing {
            constructor() { this.own = 1; this.nothing = undefined; this.list = [1, [2]]; }
            get twice() { ran++; return this.own * 2; }
            add(n) { this.own += n; return this; }
        })"""
    )


def test_dict_of_an_object_is_its_own_properties(thing: Any) -> None:
    expected = {"own": 1, "nothing": None, "list": [1, [2]]}
    assert thing.to_dict() == expected
    assert thing.to_dict().own == 1
    assert thing.keys() == list(expected)
    assert list(thing.values()) == list(expected.values())
    assert list(thing.items()) == list(expected.items())
    assert dict(thing) == expected
    assert {**thing} == expected


def test_dict_of_an_object_keeps_references(js: Script) -> None:
    made = js("new (class { constructor() { this.self = this; this.f = (n) => n + 1; } })")
    found = made.to_dict()
    assert found["self"] is made
    assert found.f(1) == 2


def test_union_of_objects_and_dicts(thing: Any, js: Script) -> None:
    other = js("new (class { constructor() { this.own = 2; this.more = 3; } })")
    assert thing | {"own": 5} == {"own": 5, "nothing": None, "list": [1, [2]]}
    assert {"own": 5, "a": 0} | thing == {"own": 1, "a": 0, "nothing": None, "list": [1, [2]]}
    assert (thing | other).more == 3
    with pytest.raises(TypeError, match="unsupported operand"):
        thing | 5
    with pytest.raises(TypeError, match="unsupported operand"):
        None | thing


def test_property_comes_before_a_method_of_python(js: Script) -> None:
    map_like = js("new (class extends Map {})([['a', 1]])")
    assert list(map_like.keys()) == ["a"]
    assert [list(pair) for pair in map_like.entries()] == [["a", 1]]
    assert JSObject.keys(map_like) == []
    own = js("new (class { constructor() { this.items = 5; this.to_dict = null; } })")
    assert own.items == 5
    assert own.to_dict is None
    assert JSObject.to_dict(own) == {"items": 5, "to_dict": None}


def test_json_is_that_of_javascript(js: Script) -> None:
    made = js(
        """globalThis.made = new (class {
            constructor() {
                this.text = "a'\\u00e4"; this.number = 1.5;
                this.none = null; this.nothing = undefined;
                this.call = () => 1; this.mark = Symbol("s"); this.date = new Date(86400001);
                this.inner = new (class { constructor() { this.deep = [new Date(0)]; } });
                this.own = { toJSON() { return { chosen: true }; } };
            }
        })"""
    )
    expected = json.loads(js("JSON.stringify(made)"))
    assert json.loads(json.dumps(made, default=to_json)) == expected
    assert json.loads(json.dumps({"a": [made]}, default=to_json)) == {"a": [expected]}


def test_json_of_what_has_none_is_a_type_error(js: Script) -> None:
    for source in ("Buffer.from('a')", "() => 1", "Symbol()", "Promise.resolve()"):
        with pytest.raises(TypeError, match="has no form in JSON"):
            json.dumps(js(source), default=to_json)
    circle = js("globalThis.circle = new (class { constructor() { this.me = this; } })")
    with pytest.raises(ValueError, match="Circular"):
        json.dumps(circle, default=to_json)
    assert json.dumps({1}, default=to_json) == "[1]"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("new (class Thing { constructor() { this.a = 1; this.b = 'x'; } })", "Thing a=1, b='x'"),
        ("new (class {})", ""),
        ("new (class Thing {})", "Thing"),
        ("({ f: function named() {}, g() {} })", "Object f=<function named>, g=<function g>"),
        ("({ f() {}, 'a b': undefined, o: {}, l: [1], n: null })",
         "Object f=<function f>, 'a b'=None, o=<Object>, l=<Array>, n=None"),
        ("({ f() {}, a: 1, b: 2, c: 3, d: 4, e: 5 })",
         "Object f=<function f>, a=1, b=2, c=3, d=4, ..."),
        ("Object.assign([1, 2], { f() {} })", "Array [0]=1, [1]=2"),
        ("Object.assign(Array(9).fill(0), { f() {} })",
         "Array [0]=0, [1]=0, [2]=0, [3]=0, [4]=0, ..."),
        ("Object.create({ constructor: { get name() { ran++; } }, f() {} })", ""),
        ("({ f() {}, get g() { ran++; } })", "Object f=<function f>, g=<getter>"),
    ],
)  # fmt: skip
def test_repr_shows_first_properties_without_running_code(
    source: str, shown: str, js: Script
) -> None:
    js("globalThis.ran = 0")
    text = f"<JSObject {shown}>" if shown else "<JSObject>"
    made = js(source)
    assert repr(made) == text
    assert repr(made) == text
    assert js("ran") == 0


def test_repr_runs_no_trap_of_a_proxy(js: Script) -> None:
    js("globalThis.ran = 0")
    traps = "new Proxy({}, { get() { return () => { ran++; }; } })"
    proxy = js(f"new Proxy({{ a: 1 }}, {traps})")
    js("ran = 0")
    assert repr(proxy) == "<JSObject Proxy>"
    inner = js(f"globalThis.proxy = new Proxy({{}}, {traps}); ({{ f() {{}}, p: proxy }})")
    below = js(
        f"Object.create(new Proxy({{}}, {traps}), {{ f: {{ value() {{}}, enumerable: true }} }})"
    )
    js("ran = 0")
    assert repr(inner) == "<JSObject Object f=<function f>, p=<Proxy>>"
    assert repr(below) == "<JSObject f=<function value>>"
    assert js("ran") == 0


def test_repr_is_short_and_shows_text_escaped(js: Script) -> None:
    made = js("({ f() {}, ['k\\n'.repeat(1e5)]: '\\u202e\\x1b'.repeat(1e6), big: 2n ** 5000n })")
    text = repr(made)
    assert len(text) < 500
    assert text.isprintable()
    many = js("const o = { f() {} }; for (let i = 0; i < 1e4; i++) o['k' + i] = i; o")
    assert len(repr(many)) < 200


def test_repr_of_a_hostile_object_ends_and_does_not_raise(js: Script) -> None:
    made = js("globalThis.kept = Object.getOwnPropertyNames; ({ f() {}, a: 1 })")
    for replaced in ("() => { throw 1; }", "() => { for (;;); }", "() => 'abc'"):
        js(f"Object.getOwnPropertyNames = {replaced}; 0")
        assert repr(made).startswith("<JSObject")
    js("Object.getOwnPropertyNames = kept; 0")
    assert repr(made) == "<JSObject Object f=<function f>, a=1>"


def test_repr_of_an_ended_host_starts_none(mode: str) -> None:
    with load_addon(addon_path("bench")) as addon:
        made = host(addon).run_script("({ f() {}, a: 1 })")
        if mode != "caller":
            host(addon).restart()
            generation = host(addon).generation
            assert repr(made) == "<JSObject>"
            assert host(addon).generation == generation
            made = host(addon).run_script("({ f() {}, a: 1 })")
        assert "a=1" in repr(made)
    assert repr(made) == "<JSObject>"
    assert host(addon).pid is None


def test_repr_does_not_wait_for_a_busy_host(js: Script, mode: str) -> None:
    if mode == "caller":
        pytest.skip("other threads get WrongThreadError")
    made = js("({ f() {}, a: 1 })")
    shown: list[str] = []

    def callback() -> str:
        thread = threading.Thread(target=lambda: shown.append(repr(made)))
        thread.start()
        thread.join(30)
        # This thread runs in the call, so the host answers it.
        return repr(made)

    assert js("(f) => f()")(callback) == "<JSObject Object f=<function f>, a=1>"
    assert shown == ["<JSObject>"]


def test_ipython_shows_the_repr(thing: Any) -> None:
    pretty = pytest.importorskip("IPython.lib.pretty")
    assert pretty.pretty(thing) == repr(thing)
    assert pretty.pretty([thing]) == f"[{thing!r}]"


def test_keywords_are_names_with_an_underscore(js: Script) -> None:
    js(
        """globalThis.K = class K {
            constructor() { this.class = 1; this.from = 2; this.in_ = 3; this.in = 4; }
            raise(n) { return n; }
            static with() { return "static"; }
        }; 0"""
    )
    made = js("new K()")
    assert (made.class_, made.from_, made.in_, made["in"]) == (1, 2, 3, 4)
    assert made.raise_(5) == 5
    made.class_ = 10
    made.in_ = 30
    made.try_ = 1
    assert js("(o) => [o.class, o.in, o.in_, o.try, 'try_' in o]")(made) == [10, 4, 30, 1, False]
    del made.try_
    assert "try" not in made
    with pytest.raises(AttributeError, match='no property "while_"'):
        _ = made.while_
    with pytest.raises(AttributeError, match='no property "own_"'):
        _ = made.own_
    assert js("K").with_() == "static"
    assert js("Object.assign(() => 1, { import: 7 })").import_ == 7
    plain = js("({ class: 1, is_: 2 })")
    assert (plain.class_, plain.is_) == (1, 2)
    plain.class_ = 5
    assert plain == {"class": 5, "is_": 2}


def test_keywords_of_exports(addon: Addon, js: Script) -> None:
    js("addon.raise = (n) => n + 1; addon.class_ = 5; 0")
    assert addon.raise_(1) == 2
    assert getattr(addon, "raise")(1) == 2
    assert addon.class_ == 5
    with pytest.raises(AttributeError, match='no property "while_"'):
        _ = addon.while_
    del addon.raise_
    assert not hasattr(addon, "raise_")
    del addon.class_


def test_match_by_attributes(thing: Any) -> None:
    match thing:
        case JSObject(own=1, absent=_):
            found = "absent"
        case JSObject(own=own, twice=twice):
            found = f"{own} {twice}"
        case _:
            found = "none"
    assert found == "1 2"


CLOSERS = """globalThis.log = []; globalThis.make = (...names) => {
    const made = { f() {} };
    for (const name of names)
        made[name in Symbol ? Symbol[name] : name] = () => {
            log.push(name);
            if (name === "asyncDispose") return (async () => { await 0; log.push("later"); })();
        };
    return made;
}; make"""


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (["end", "close", "dispose", "asyncDispose"], ["dispose"]),
        (["end", "close"], ["close"]),
        (["end"], ["end"]),
    ],
)
def test_with_ends_an_object(names: list[str], called: list[str], js: Script) -> None:
    made = js(CLOSERS)(*names)
    with made as entered:
        assert entered is made
        assert js("log") == []
    assert js("log") == called
    with pytest.raises(LookupError), made:
        raise LookupError
    assert js("log") == called * 2


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (["end", "close", "dispose", "asyncDispose"], ["asyncDispose", "later"]),
        (["end", "close", "dispose"], ["dispose"]),
        (["end"], ["end"]),
    ],
)
def test_async_with_ends_an_object(names: list[str], called: list[str], js: Script) -> None:
    made = js(CLOSERS)(*names)

    async def main() -> None:
        async with made as entered:
            assert entered is made
        assert js("log") == called

    asyncio.run(main())


def test_with_names_what_an_object_lacks(js: Script) -> None:
    made = js("({ f() {}, close: 5 })")
    with pytest.raises(TypeError, match=r"in `with`.*Symbol\.dispose, close, end"), made:
        pass

    async def main() -> None:
        with pytest.raises(TypeError, match=r"`async with`.*Symbol\.asyncDispose, Symbol\.dispose"):
            async with made:
                pass

    asyncio.run(main())


def test_error_of_closing_is_raised(js: Script) -> None:
    made = js("({ close() { throw new RangeError('in close'); } })")
    with pytest.raises(JSError, match="in close"), made:
        pass
    with pytest.raises(JSError, match="in close") as caught, made:
        raise LookupError
    assert isinstance(caught.value.__context__, LookupError)


def test_with_of_an_object_whose_process_ended_keeps_the_error() -> None:
    with load_addon(addon_path("bench")) as addon:
        made = host(addon).run_script("({ close() {} })")
        with pytest.raises(LookupError), made:
            host(addon).close()
            raise LookupError
    with pytest.raises(StaleHandleError), made:
        pass


def test_async_with_of_an_addon_ends_its_process() -> None:
    async def main() -> None:
        async with load_addon(addon_path("bench")) as addon:
            assert addon.add(1, 2) == 3
        assert host(addon).pid is None
        async with host(load_addon(addon_path("bench"))) as own:
            assert own.pid is not None
        assert own.pid is None

    asyncio.run(main())


def test_python_methods_need_the_living_object() -> None:
    with load_addon(addon_path("bench")) as addon:
        made = host(addon).run_script("({ f() {}, a: 1 })")
    for use in (made.__or__, made.__ror__):
        with pytest.raises(StaleHandleError):
            use({})
