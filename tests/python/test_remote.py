"""Python objects passed by reference: what the addon may read, set and call."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import sys
import types
from typing import TYPE_CHECKING, Any, Literal

import pytest
from conftest import addon_path
from napi_python import Addon, JSError, JSTypeError, by_ref, expose, host, load_addon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Script


class Account:
    """A class as a user would write it."""

    kind = "account"

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = 10
        self._secret = "hidden"  # noqa: S105 - no password

    def deposit(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    @property
    def double(self) -> int:
        return self.balance * 2

    def eval(self, text: str) -> Any:
        return eval(text)  # noqa: S307 - what must not be reached


@pytest.fixture(scope="module", params=["public", "exposed"])
def policy(request: pytest.FixtureRequest) -> Literal["public", "exposed"]:
    chosen: Literal["public", "exposed"] = request.param
    return chosen


@pytest.fixture(scope="module")
def hostile(mode: str, policy: Literal["public", "exposed"]) -> Iterator[Addon]:
    with load_addon(addon_path("hostile"), remote=policy) as loaded:
        yield loaded


def a_function() -> None:
    """Leads to `__globals__` in Python."""


def a_generator() -> Iterator[int]:
    yield 1


async def a_coroutine() -> None: ...


def _traceback() -> types.TracebackType | None:
    try:
        raise ValueError
    except ValueError as error:
        return error.__traceback__


WAYS_IN = [
    (a_function, ["__globals__", "__builtins__", "eval"]),
    (a_function, ["__code__", "co_consts"]),
    (a_function, ["__class__", "__mro__"]),
    (len, ["__self__", "eval"]),
    (Account("x").deposit, ["__func__", "__globals__"]),
    (Account("x").deposit, ["__self__", "_secret"]),
    (Account, ["__init__", "__globals__"]),
    (Account, ["eval"]),
    (Account, ["mro"]),
    (a_generator(), ["gi_frame", "f_globals"]),
    (a_generator(), ["send"]),
    (math, ["sqrt"]),
    (sys, ["modules", "os", "system"]),
    (inspect.currentframe(), ["f_globals"]),
    (_traceback(), ["tb_frame", "f_builtins"]),
    (a_function.__code__, ["co_code"]),
    (types.SimpleNamespace(os=sys), ["os", "modules"]),
    (Account("x"), ["__class__", "__mro__"]),
    (Account("x"), ["__dict__"]),
    (Account("x"), ["_secret"]),
    (Account("x"), ["__init__", "__globals__"]),
    (property(lambda _: 1), ["fget", "__globals__"]),
    (object(), ["__class__"]),
]


@pytest.mark.parametrize(
    ("value", "path"),
    WAYS_IN,
    ids=lambda part: ".".join(part) if isinstance(part, list) else type(part).__name__,
)
def test_no_attribute_outside_the_table_is_reached(
    value: Any, path: list[str], hostile: Addon
) -> None:
    try:
        assert hostile.walk(value, path) is None
    except TypeError as error:
        assert "can't be converted" in str(error)  # noqa: PT017 - the other outcome is tested, too
    if not callable(value):
        assert hostile.walk(by_ref(value), path) is None


@pytest.mark.parametrize("value", [a_function, Account, math, a_generator(), object()], ids=repr)
def test_opaque_things_have_no_keys_of_python(value: Any, hostile: Addon) -> None:
    names = {str(name) for name in hostile.ownKeys(value if callable(value) else by_ref(value))}
    assert not names & {"__globals__", "__class__", "gi_frame", "sqrt", "eval", "__dict__"}


def test_coroutine_is_a_promise_without_attributes(hostile: Addon) -> None:
    async def work() -> int:
        return 1

    async def main() -> Any:
        return hostile.get(work(), "cr_frame")

    assert asyncio.run(main()) is None


def test_attribute_set_on_a_callback_stays_in_javascript(hostile: Addon) -> None:
    script = host(hostile).run_script
    assert script("(f) => { f.evil = 1; f.__code__ = 2; return [f.evil, f.__code__]; }")(
        a_function
    ) == [1, 2]
    assert not hasattr(a_function, "evil")
    assert inspect.iscode(a_function.__code__)


def test_opaque_token_keeps_its_identity(hostile: Addon) -> None:
    thing = object()
    assert hostile.identity(by_ref(thing)) is thing
    hostile.keep(by_ref(thing))
    assert hostile.kept() is thing
    hostile.forget()


@pytest.fixture(scope="module")
def public(mode: str) -> Iterator[Addon]:
    with load_addon(addon_path("hostile"), remote="public") as loaded:
        yield loaded


@pytest.fixture(scope="module")
def exposed(mode: str) -> Iterator[Addon]:
    with load_addon(addon_path("hostile"), remote="exposed") as loaded:
        yield loaded


def test_public_instance_is_live_for_public_names(public: Addon) -> None:
    account = Account("ada")
    assert public.get(account, "owner") == "ada"
    assert public.get(account, "kind") == "account"
    assert public.get(account, "double") == 20
    public.set(account, "balance", 50)
    assert account.balance == 50
    assert public.has(account, "owner")
    assert not public.has(account, "_secret")
    assert not public.has(account, "missing")
    assert {"owner", "balance", "deposit"} <= set(public.ownKeys(account))
    script: Script = host(public).run_script
    assert script("(a) => a.deposit(5)")(account) == 55
    assert script("(a) => a")(account) is account


def test_public_instance_keeps_names_that_are_not_shown(public: Addon) -> None:
    account = Account("ada")
    with pytest.raises((JSError, TypeError)):
        public.set(account, "_secret", "stolen")
    with pytest.raises((JSError, TypeError)):
        public.set(account, "brand_new", 1)
    with pytest.raises((JSError, TypeError)):
        public.set(account, "deposit", 1)
    assert vars(account) == {"owner": "ada", "balance": 10, "_secret": "hidden"}


def test_exposed_policy_passes_nothing_by_itself(exposed: Addon) -> None:
    with pytest.raises(TypeError, match=r"argument 1: a value of type .*Account can't"):
        exposed.get(Account("ada"), "owner")


def test_opaque_token_shows_no_public_names(public: Addon) -> None:
    account = Account("ada")
    assert public.get(by_ref(account), "owner") is None
    assert public.ownKeys(by_ref(account)) == []
    assert public.identity(by_ref(account)) is account


def test_expose_shows_the_named_attributes(exposed: Addon) -> None:
    account = Account("ada")
    shown = expose(account, "owner", "deposit")
    script: Script = host(exposed).run_script
    assert script("(a) => [a.owner, a.deposit(1), a.balance]")(shown) == ["ada", 11, None]
    assert set(exposed.ownKeys(shown)) == {"owner", "deposit"}
    assert exposed.identity(shown) is account, "it comes back as the object itself"


def test_expose_without_names_shows_the_public_ones(exposed: Addon) -> None:
    account = Account("ada")
    assert exposed.get(expose(account), "balance") == 10
    assert exposed.get(expose(account), "_secret") is None


def test_value_of_an_exposed_attribute_is_classified_itself(exposed: Addon) -> None:
    holder = types.SimpleNamespace(inner=Account("ada"), function=a_function)
    shown = expose(holder, "inner", "function")
    with pytest.raises(TypeError, match=r"attribute 'inner': a value of type .*Account"):
        exposed.walk(shown, ["inner", "owner"])
    assert exposed.walk(shown, ["function", "__globals__"]) is None


def test_exception_of_a_property_reaches_javascript(public: Addon) -> None:
    class Fails:
        @property
        def broken(self) -> int:
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        public.get(Fails(), "broken")


def test_first_refused_look_is_logged_with_the_remedy(
    exposed: Addon, caplog: pytest.LogCaptureFixture
) -> None:
    account = Account("ada")
    shown = expose(account, "owner")
    with caplog.at_level(logging.WARNING, logger="napi_python.remote"):
        exposed.get(shown, "balance")
        exposed.get(shown, "balance")
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "expose" in messages[0]
    assert "balance" in messages[0]


@pytest.mark.parametrize("value", [math, Account, a_function, a_generator(), len], ids=repr)
def test_objects_that_lead_to_the_interpreter_cannot_be_exposed(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be exposed"):
        expose(value, "name")


def test_names_with_an_underscore_can_not_be_exposed() -> None:
    with pytest.raises(ValueError, match="underscore"):
        expose(Account("x"), "_secret")


def test_mapping_by_reference(exposed: Addon) -> None:
    live: dict[Any, Any] = {"a": 1, 2: "two"}
    view = by_ref(live)
    script: Script = host(exposed).run_script
    assert script("(m) => { m.b = [1]; delete m.a; return [m[2], 'b' in m, 'a' in m, m.get]; }")(
        view
    ) == ["two", True, False, None]
    assert live == {"b": [1], 2: "two"}
    assert set(script("Object.keys")(view)) == {"b", "2"}
    assert exposed.identity(view) is live
    assert exposed.walk(view, ["items", "__self__"]) is None


def test_sequence_by_reference(exposed: Addon) -> None:
    live = [1, 2]
    script: Script = host(exposed).run_script
    assert script("(s) => { s[0] = 10; s[2] = 3; return [s.length, s[1], s[9]]; }")(
        by_ref(live)
    ) == [3, 2, None]
    assert live == [10, 2, 3]
    with pytest.raises((JSTypeError, TypeError)):
        script("(s) => { 'use strict'; s[99] = 1; }")(by_ref(live))


def test_read_only_containers_by_reference_stay_as_they_are(exposed: Addon) -> None:
    with pytest.raises((JSTypeError, TypeError)):
        host(exposed).run_script("(s) => { 'use strict'; s[0] = 1; }")(by_ref((5, 6)))


def test_released_objects_are_let_go(exposed: Addon) -> None:
    stats = host(exposed).stats
    call = host(exposed).run_script("(f) => f()")
    before = stats()["python_objects_lent"]
    for _ in range(50):
        call(lambda: None)
    host(exposed).run_script("typeof gc === 'function' ? gc() : 0")
    for _ in range(200):
        call(a_function)
    after = stats()["python_objects_lent"]
    assert before is not None
    assert after is not None
    assert after - before < 50
