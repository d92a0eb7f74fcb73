"""Python classes that addons construct: `js_class`."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from conftest import addon_path
from napi_python import JSTypeError, by_ref, host, js_class, load_addon, register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Script


class Account:
    """A class as a user would write it."""

    kind = "account"
    owner: str

    def __init__(self, owner: str = "nobody", balance: int = 0) -> None:
        if balance < 0:
            raise LookupError("too poor")
        self.owner = owner
        self._balance = balance

    def deposit(self, amount: int) -> Account:
        self._balance += amount
        return self

    def fail(self) -> None:
        raise LookupError("mine")

    def _secret(self) -> int:
        return 1

    @property
    def balance(self) -> int:
        return self._balance

    @property
    def double(self) -> int:
        return self._balance * 2

    @double.setter
    def double(self, value: int) -> None:
        self._balance = value // 2

    @staticmethod
    def add(one: int, two: int) -> int:
        return one + two

    @classmethod
    def rich(cls) -> Account:
        return cls("rich", 1000)


class Savings(Account):
    def interest(self) -> int:
        return 1


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@pytest.fixture
def account() -> Iterator[Any]:
    yield js_class(Account)
    register(Account, None)


def test_javascript_constructs_it(account: Any, js: Script) -> None:
    made = js("(C) => new C('ada', 5)")(account)
    assert type(made) is Account
    assert (made.owner, made.balance) == ("ada", 5)
    assert js("(C) => [typeof C, C.name, C.length]")(account) == ["function", "Account", 0]
    with pytest.raises(JSTypeError, match="new"):
        js("(C) => C('ada')")(account)


def test_methods_accessors_and_statics(account: Any, js: Script) -> None:
    script = """(C) => {
        const a = new C('ada', 5);
        a.deposit(2).deposit(3);
        a.double = 40;
        a.owner = 'bob';
        return [a.balance, a.double, a.owner, a.kind, C.kind, C.add(1, 2), C.rich().balance,
            a instanceof C, C.rich() instanceof C, a.missing === undefined];
    }"""
    found = [20, 40, "bob", "account", "account", 3, 1000, True, True, True]
    assert js(script)(account) == found


def test_instances_have_identity(account: Any, js: Script) -> None:
    keep = js("(C) => { globalThis.kept = new C(); return kept; }")
    mine = keep(account)
    assert js("(a) => a === kept && a.deposit(1) === a")(mine)
    assert js("() => kept")() is mine
    assert js("(f) => f(kept)")(lambda found: found is mine)
    theirs = Account("from Python")
    assert js("(a, [b], C) => a === b && a instanceof C && a.owner")(theirs, [theirs], account) == (
        "from Python"
    )
    assert js("(a) => ({a})")(theirs)["a"] is theirs


def test_javascript_inherits_from_it(account: Any, js: Script) -> None:
    script = """(C) => {
        class Child extends C {
            extra = 7;
            constructor(owner) { super(owner, 1); }
            deposit(amount) { this.said = amount; return super.deposit(amount * 2); }
            get double() { return -1; }
            own() { return this.extra + this.balance; }
            static make() { return new Child('child'); }
        }
        const c = Child.make();
        c.deposit(3);
        return [c, c.own(), c.said, c.double, c instanceof C, c instanceof Child, Child.add(1, 1)];
    }"""
    child, *rest = js(script)(account)
    assert type(child) is Account
    assert child.balance == 7
    assert rest == [14, 3, -1, True, True, 2]


def test_exceptions_pass(account: Any, js: Script) -> None:
    with pytest.raises(LookupError, match="mine"):
        js("(C) => new C().fail()")(account)
    with pytest.raises(LookupError, match="too poor"):
        js("(C) => new C('x', -1)")(account)
    assert js("(C) => { try { new C().fail(); } catch (e) { return e.message; } }")(account) == (
        "mine"
    )
    with pytest.raises(TypeError, match="deposit is called with a value that is no instance"):
        js("(C) => C.prototype.deposit.call({}, 1)")(account)
    with pytest.raises(TypeError, match="is no instance"):
        js("(C, f) => C.prototype.deposit.call(f, 1)")(account, by_ref(object()))


def test_private_names_stay_private(account: Any, js: Script) -> None:
    script = """(C) => {
        const names = new Set();
        for (let o = new C(); o; o = Object.getPrototypeOf(o))
            for (const name of Reflect.ownKeys(o)) names.add(name);
        return ['_secret', '_balance', '__init__', '__class__', '__dict__'].filter((n) =>
            names.has(n) && !Object.getOwnPropertyNames(Object.prototype).includes(n));
    }"""
    assert js(script)(account) == []
    assert js("(C) => [new C()._balance, C._secret, C.mro]")(account) == [None, None, None]


def test_named_attributes_only(js: Script) -> None:
    named = js_class(Account, "owner", "rich")
    try:
        assert js("(C) => [new C('a').owner, C.rich().owner, new C().deposit, C.add]")(named) == [
            "a",
            "rich",
            None,
            None,
        ]
    finally:
        register(Account, None)


@pytest.mark.parametrize("names", [("_balance",), ("__init__",)])
def test_names_with_an_underscore_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="underscore"):
        js_class(Account, *names)
    with pytest.raises(TypeError, match="takes a class"):
        js_class(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="is fixed"):
        js_class(dict)


def test_python_subclasses(account: Any, js: Script) -> None:
    assert js("(a, C) => a instanceof C")(Savings(), account)
    savings = js_class(Savings)
    try:
        assert js("(C, S) => { const s = new S(); return [s instanceof C, s.interest()]; }")(
            account, savings
        ) == [True, 1]
        assert js("(S, C) => Object.getPrototypeOf(S) === C")(savings, account)
    finally:
        register(Savings, None)


def test_dataclass_is_by_reference_once_it_has_a_class(js: Script) -> None:
    made = js_class(Point)
    try:
        point = Point(1)
        js("(p, P) => { p.x = 5; p.y = new P(2).x; }")(point, made)
        assert point == Point(5, 2)
        assert js("(p) => p")(point) is point
    finally:
        register(Point, None)
    assert js("(p) => p")(Point(1)) == {"x": 1, "y": 0}


def test_class_is_one_in_a_process_and_anew_after_a_restart(account: Any) -> None:
    with load_addon(addon_path("primitive")) as addon:
        for _ in range(2):
            run: Any = host(addon).run_script
            run("(C) => { globalThis.C = C; }")(account)
            assert run("(D) => C === D")(account)
            assert run("(a) => a instanceof C")(Account())
            host(addon).restart()


def test_callback_may_return_a_class_and_instances(account: Any, js: Script) -> None:
    with load_addon(addon_path("primitive")) as addon:
        run: Any = host(addon).run_script
        assert run("(f) => new (f())('ada').owner")(lambda: account) == "ada"
    with load_addon(addon_path("primitive")) as addon:
        run = host(addon).run_script
        assert run("(f) => f().owner")(lambda: Account("ada")) == "ada"


def test_instances_are_let_go(account: Any, js: Script) -> None:
    made = js("(C) => new C('x')")(account)
    gone = weakref.ref(made)
    del made
    for _ in range(100):
        js("() => gc()")()
        gc.collect()
        if gone() is None:
            break
    assert gone() is None
